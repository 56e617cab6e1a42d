package jet

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"
)

// How long a measurement of the space is good for: that of a file system costs
// next to nothing, that of external servers a request.
const (
	spaceAge         = 100 * time.Millisecond
	spaceAgeExternal = 2 * time.Second
)

// unknown is the space where there is no limit, or none that can be found out.
var unknown = Space{Free: math.MaxUint64, Total: math.MaxUint64}

// space remembers the last measurement.
type space struct {
	mu    sync.Mutex // guards what follows; held while measuring
	at    time.Time
	value Space
}

// Space tells how much room the store has: the file system of the embedded
// server, or the limit of the account on external servers, in bytes of data
// (with replicas counted). The answer may be 100 ms old, with external servers
// 2 s. Of the embedded server's disk some is kept back for what makes room again
// when it is full (see doc.go); that is never told of as free.
func (c *Conn) Space(ctx context.Context) (Space, error) {
	c.space.mu.Lock()
	defer c.space.mu.Unlock()
	age := spaceAge
	if c.embedded == nil {
		age = spaceAgeExternal
	}
	if !c.space.at.IsZero() && time.Since(c.space.at) < age {
		return c.space.value, nil
	}
	v, err := c.measure(ctx)
	if err != nil {
		return Space{}, fmt.Errorf("jet: measure the space left: %w", err)
	}
	c.space.at, c.space.value = time.Now(), v
	return v, nil
}

func (c *Conn) measure(ctx context.Context) (Space, error) {
	if c.embedded != nil {
		s, err := diskSpace(c.cfg.Dir)
		if err != nil {
			return Space{}, err
		}
		return c.embedded.ballast.keep(s), nil
	}
	a, err := c.account(ctx)
	if err != nil {
		return Space{}, err
	}
	used, limit, copies := a.Storage, a.Limits.MaxStorage, uint64(c.cfg.Replicas)
	if tier, ok := a.Tiers[fmt.Sprintf("R%d", c.cfg.Replicas)]; ok {
		// Limits of a tier are before replication.
		used, limit, copies = tier.Storage, tier.Limits.MaxStorage, 1
	}
	if limit < 0 {
		return unknown, nil
	}
	total := uint64(limit)
	return Space{Free: (total - min(used, total)) / copies, Total: total / copies}, nil
}

// usage and accountInfo are what is needed of $JS.API.INFO.
type usage struct {
	Storage uint64 `json:"storage"`
	Limits  struct {
		MaxStorage int64 `json:"max_storage"`
	} `json:"limits"`
}

type accountInfo struct {
	usage
	Tiers map[string]usage `json:"tiers"`
}

func (c *Conn) account(ctx context.Context) (accountInfo, error) {
	var a accountInfo
	err := c.api(ctx, c.writes, "INFO", nil, &a)
	return a, err
}
