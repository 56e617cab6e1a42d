package owner

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/registry"
)

// Config of an Owner. All of it is needed, but for Kinds.
type Config struct {
	Partition uint32
	Journal   *journal.Journal // not claimed yet
	Registry  Registry
	// Kinds of the queues that services use, beside those of the registry.
	Kinds  map[state.Kind]Kind
	Limits Limits
	// Space and Memory are shared by all owners of the process.
	Space  *Space
	Memory *Memory
	// HandOver gives parcels to the owner of another partition.
	HandOver func(ctx context.Context, partition uint32, in AcceptIn) (AcceptOut, error)

	// Elapsed is a monotonic clock, by which the owner's time goes on from what Wall says
	// when it is made. Moments that callers name are of the wall clock.
	Wall    func() time.Time
	Elapsed func() time.Duration
	NewID   func() [16]byte
	Logger  *slog.Logger
}

// definition of a queue; nil for a queue of a service.
type definition = registry.Queue

// Registry is what an owner asks about definitions; *registry.Registry is one.
type Registry interface {
	QueueByID(id uint64) (*registry.Queue, bool)
	QueueByARN(arn string) (*registry.Queue, bool)
	DeadLetterSources(arn string) []*registry.Queue
	Require(ctx context.Context, revision uint64) error
	Gone(ctx context.Context, id, revision uint64) (bool, error)
}

// Limits of one partition.
type Limits struct {
	// MaxRequests that wait for the log, and their bytes; above them ErrBusy.
	MaxRequests, MaxRequestBytes int64
	// MaxWaiting long polls; above them ErrBusy.
	MaxWaiting int64
	// MaxInFlight messages of one queue.
	MaxInFlight int
	// MaxAnswer is about how many bytes of payloads a receive gives at once.
	MaxAnswer int
}

// Bounds of one Post, and of the entries of another request. What the log takes at
// once (max_payload of external servers) can be less than MaxPostBytes.
const (
	MaxEntries     = 1000
	MaxPostTargets = 1000
	MaxPostBytes   = 4 << 20
	MaxGroup       = 256
)

// Kind is what holds for all queues of a kind. They have no definitions and are
// made by their first use.
type Kind struct {
	FIFO        bool
	Retention   time.Duration // 0: forever
	MaxInFlight int           // of one queue; 0: Limits.MaxInFlight
	// Visibility is how long what was taken is hidden; default 30 s.
	Visibility time.Duration
	// MaxReceives of a message, 0: no end. What was received so often and comes
	// back goes to where Exhausted says then, or is removed if that is nil or says
	// nothing.
	MaxReceives int
	Exhausted   func(id uint64) (to state.Target, fifo, ok bool)
	// Backoff between attempts, for Retry without a time: the n-th after the
	// n-th receive, then the last. None: at once.
	Backoff []time.Duration
}

func (k *Kind) terms(id uint64, limits *Limits) state.Terms {
	t := state.Terms{FIFO: k.FIFO, Retention: k.Retention.Milliseconds(), MaxInFlight: int32(k.MaxInFlight)}
	if k.MaxInFlight == 0 {
		t.MaxInFlight = int32(limits.MaxInFlight)
	}
	if k.MaxReceives == 0 {
		return t
	}
	t.MaxReceives, t.Discard = int32(k.MaxReceives), true
	if k.Exhausted != nil {
		if to, fifo, ok := k.Exhausted(id); ok {
			t.Dead, t.DeadFIFO, t.Discard = &to, fifo, false
		}
	}
	return t
}

func (k *Kind) visibility() time.Duration {
	if k.Visibility == 0 {
		return 30 * time.Second
	}
	return k.Visibility
}

func (c *Config) check() error {
	if c.Journal == nil || c.Registry == nil || c.Space == nil || c.Memory == nil || c.HandOver == nil ||
		c.Wall == nil || c.Elapsed == nil || c.NewID == nil || c.Logger == nil {
		return errors.New("owner: config: something is missing")
	}
	for k := range c.Kinds {
		if k < state.FirstService {
			return errors.New("owner: config: a service uses a kind below FirstService")
		}
	}
	return nil
}
