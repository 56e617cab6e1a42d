package bus

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/inlet"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/schedule"
)

// Config of a Service.
type Config struct {
	// Registry, which does not run yet: the Service has to hear of all definitions.
	Registry *registry.Registry
	Access   *access.Access
	// MaxRules of one bus; 0: DefaultMaxRules. Nodes that make some at the same instant
	// may overshoot it by a few.
	MaxRules int
	// CatchUp and CatchUpAge: what times of rules with a schedule are fired that were missed,
	// and by how much at most. Defaults schedule.CatchUpLast; an age of 0 fires none.
	CatchUp    schedule.CatchUp
	CatchUpAge time.Duration
	// Now is the clock of events; default time.Now.
	Now   func() time.Time
	NewID func() partition.MessageID // default partition.NewID
	// Observe is told what became of events, from many goroutines; may be nil.
	Observe func(Counted)
	Logger  *slog.Logger // nil: discard
}

func (c *Config) setDefaults() error {
	if c.Registry == nil || c.Access == nil {
		return errors.New("bus: Registry and Access are needed")
	}
	if c.MaxRules < 0 {
		return errors.New("bus: MaxRules is negative")
	}
	if c.MaxRules == 0 {
		c.MaxRules = DefaultMaxRules
	}
	if c.CatchUp == "" {
		c.CatchUp = schedule.CatchUpLast
	}
	if !c.CatchUp.Valid() || c.CatchUpAge < 0 {
		return errors.New("bus: CatchUp is all, last or none, and CatchUpAge not negative")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = partition.NewID
	}
	if c.Observe == nil {
		c.Observe = func(Counted) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Bounds.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
const (
	// DefaultMaxRules is how many rules a bus has unless Config says otherwise.
	DefaultMaxRules = 300
	// MaxTargets of one rule.
	MaxTargets = 5
	// MaxVariables of one input transformer.
	MaxVariables = 100
	// maxMessage is the most bytes that a queue takes as one message.
	maxMessage = 1 << 20
	// maxAltered bounds the bytes that the targets of one event make of it: what is
	// more is a failed delivery.
	maxAltered = 16 << 20
)

// Principal is the service as the policies of queues know it.
const Principal = "events.amazonaws.com"

// Partitions hold the queues; *partition.Service has these methods.
type Partitions interface {
	inlet.Poster
	// PostIf is Post if all conditions hold, see partition.Service.
	PostIf(ctx context.Context, from uint32, conditions []partition.Condition, items []partition.PostItem) ([]partition.Posted, error)
	Count() uint32

	Take(ctx context.Context, partition uint32, k partition.Kind, t partition.TakeTerms) (partition.Taken, error)
	Ack(ctx context.Context, q partition.Target, receipts []partition.Receipt) ([]error, error)
	Retry(ctx context.Context, q partition.Target, entries []partition.RetryEntry) ([]error, error)
	Extend(ctx context.Context, q partition.Target, receipts []partition.Receipt, by time.Duration) ([]error, error)

	Find(ctx context.Context, q partition.Target, n partition.Name) (partition.Found, bool, error)
	Read(ctx context.Context, q partition.Target, from uint64, max int) (list []partition.Found, next uint64, err error)
	Scan(ctx context.Context, q partition.Target, from uint64, max int) (list []partition.Found, next uint64, err error)
	CountOf(ctx context.Context, q partition.Target) (partition.Counts, error)
	Drop(ctx context.Context, q partition.Target) error
}
