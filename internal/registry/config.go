package registry

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// DefaultMaxQueues is how many queues there can be unless Config says otherwise.
const DefaultMaxQueues = 1_000_000

// Config of a Registry.
type Config struct {
	// KV is the bucket that holds the definitions. Required. The registry
	// watches all of it; keys it does not know are left alone.
	KV jet.Bucket
	// Place chooses the partition of a queue that is about to be created. It
	// may read the registry but not change it. nil: partition 0. See SetPlacer.
	Place func(*Queue) uint32
	// NewID makes an incarnation's number, random and never 0. nil: crypto/rand.
	NewID func() uint64
	// Now is the clock of Created and Modified. nil: time.Now.
	Now func() time.Time
	// Random is where secrets come from. nil: crypto/rand.
	Random io.Reader
	// MaxQueues bounds the queues of all accounts together; creating one more
	// is ErrTooMany. 0: DefaultMaxQueues. Nodes that create at the same instant
	// may overshoot it by a few.
	MaxQueues int
	// Logger; nil discards.
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	if c.KV == nil {
		return c, errors.New("registry: Config.KV is missing")
	}
	if c.MaxQueues < 0 {
		return c, errors.New("registry: Config.MaxQueues is negative")
	}
	if c.MaxQueues == 0 {
		c.MaxQueues = DefaultMaxQueues
	}
	if c.NewID == nil {
		c.NewID = randomID
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// randomID draws a number that is not 0.
func randomID() uint64 {
	for {
		var b [8]byte
		rand.Read(b[:]) // never fails, see its documentation
		if id := binary.LittleEndian.Uint64(b[:]); id != 0 {
			return id
		}
	}
}

// Open opens what the registry keeps in the cluster, under names that begin
// with prefix, and makes a Registry of it. cfg.KV is set by it.
func Open(ctx context.Context, cluster jet.Cluster, prefix string, cfg Config) (*Registry, error) {
	kv, err := cluster.Bucket(ctx, jet.KVSpec{Bucket: prefix + "_registry", Description: "Waystation definitions"})
	if err != nil {
		return nil, err
	}
	cfg.KV = kv
	return New(cfg)
}
