package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// MaxCount is the highest number of partitions.
const MaxCount = 1024

// Config of a Keeper. Zero values take the defaults named.
type Config struct {
	// Cluster holds the bucket of leases, and carries the question whether a
	// former run lives.
	Cluster jet.Cluster
	// Prefix of the bucket's name and of subjects; default "ws".
	Prefix string
	// Node is this node's name, unique among the nodes of one cluster; letters,
	// digits, - and _.
	Node string
	// Run names this run of the node; another one at each start.
	Run string
	// Count is the least number of partitions; a cluster that has more keeps
	// them. Default 1, at most MaxCount.
	Count uint32
	// Observer: the node keeps no lease, it only knows who does. Serve is not needed.
	Observer bool
	// TTL is how long a node may be silent until its partitions are taken over;
	// default 2.5 s.
	TTL time.Duration

	// Serve loads a partition and serves it until ctx ends, which means: answer
	// what is under way, then return. Another return is a failure, and Serve is
	// called again after a pause, unless the error is ErrDamaged. It is never
	// called twice at a time for a partition. Once it serves it calls ready; the
	// function that it passes tells how far the partition's log is durable; it is
	// called now and then, and for the last time when Serve has returned.
	Serve func(ctx context.Context, partition uint32, ready func(durable func() uint64)) error

	Logger *slog.Logger
	// Elapsed is a monotonic clock; default is the time since New.
	Elapsed func() time.Duration
}

func (c Config) withDefaults() (Config, error) {
	if c.Cluster == nil || c.Serve == nil && !c.Observer || c.Run == "" {
		return c, errors.New("lease: Cluster, Serve and Run are needed")
	}
	if c.Node == "" || strings.ContainsAny(c.Node, ". *>\t\r\n") {
		return c, fmt.Errorf("lease: node name %q: need one without dots, spaces and wildcards", c.Node)
	}
	if c.Count > MaxCount {
		return c, fmt.Errorf("lease: %d partitions, at most %d are possible", c.Count, MaxCount)
	}
	if c.TTL < 0 {
		return c, fmt.Errorf("lease: TTL %v: must be positive", c.TTL)
	}
	if c.Prefix == "" {
		c.Prefix = "ws"
	}
	if c.Count == 0 {
		c.Count = 1
	}
	if c.TTL == 0 {
		c.TTL = 2500 * time.Millisecond
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Elapsed == nil {
		base := time.Now()
		c.Elapsed = func() time.Duration { return time.Since(base) }
	}
	return c, nil
}
