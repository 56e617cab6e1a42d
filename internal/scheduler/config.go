package scheduler

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/schedule"
)

// Partitions hold schedules and queues; *partition.Service has these methods.
type Partitions interface {
	Count() uint32
	// Post and PostIf place payloads in queues, all of it or, with an error, none that
	// is known of: after partition.ErrUnavailable it may have been done.
	Post(ctx context.Context, from uint32, items []partition.PostItem) ([]partition.Posted, error)
	PostIf(ctx context.Context, from uint32, conditions []partition.Condition, items []partition.PostItem) ([]partition.Posted, error)
	Find(ctx context.Context, q partition.Target, n partition.Name) (partition.Found, bool, error)
	List(ctx context.Context, q partition.Target, after partition.Name, max int) ([]partition.Found, bool, error)
	Take(ctx context.Context, p uint32, k partition.Kind, t partition.TakeTerms) (partition.Taken, error)
	Ack(ctx context.Context, q partition.Target, receipts []partition.Receipt) ([]error, error)
	Retry(ctx context.Context, q partition.Target, entries []partition.RetryEntry) ([]error, error)
	Drop(ctx context.Context, q partition.Target) error
}

// Topics plans what a publish posts.
type Topics interface {
	// Find gives a topic. ErrGone; what passes.
	Find(ctx context.Context, account, region, name string) (*registry.Topic, error)
	// Plan prepares a publish.
	Plan(ctx context.Context, t *registry.Topic, m Message) (Plan, error)
}

// Message is what a topic publishes.
type Message struct {
	Body, Subject string
	Attributes    []partition.Attribute
	Group, Dedup  string
}

// Buses plans what an event's way posts.
type Buses interface {
	// Find gives a bus. ErrGone; what passes.
	Find(ctx context.Context, account, region, name string) (*registry.Bus, error)
	// Plan prepares an event.
	Plan(ctx context.Context, b *registry.Bus, e Event) (Plan, error)
}

// Event is what is put on a bus.
type Event struct {
	Account, Region            string
	Source, DetailType, Detail string
	Resources                  []string
	Time                       time.Time
	Trace                      string
}

// Plan is something that was prepared to be posted.
type Plan struct {
	// Items to post, all in one. None: nobody gets it.
	Items []partition.PostItem
	// Settle is told what became of them, in the order of items and targets.
	Settle func(ctx context.Context, posted []partition.Posted)
	// Apart posts them by itself, in several posts or from another partition. Once more
	// may be twice, except to FIFO topics.
	Apart func(ctx context.Context) error
	// Alone: there are no Items, it has to be done Apart.
	Alone bool
}

// Config of a Service.
type Config struct {
	Registry   *registry.Registry
	Access     *access.Access
	Partitions Partitions
	Topics     Topics
	Buses      Buses
	// CatchUp and CatchUpAge: what was missed by more is never fired. Defaults
	// schedule.CatchUpLast; an age of 0 fires nothing that was missed.
	CatchUp    schedule.CatchUp
	CatchUpAge time.Duration
	// Now is the clock of schedules; default time.Now.
	Now   func() time.Time
	NewID func() partition.MessageID // default partition.NewID
	// Observe is told what became of firings, from many goroutines; may be nil.
	Observe func(Counted)
	Logger  *slog.Logger // nil: discard
}

// Counted says what became of firings.
type Counted struct {
	Fired    int // what targets took
	Retried  int // attempts that failed, after which another follows
	Redriven int // given up, into dead-letter queues
	Failed   int // given up, and lost
	Skipped  int // schedules of which times were missed and not caught up
}

func (c *Config) setDefaults() error {
	if c.Registry == nil || c.Access == nil || c.Partitions == nil || c.Topics == nil || c.Buses == nil {
		return errors.New("scheduler: Registry, Access, Partitions, Topics and Buses are needed")
	}
	if c.CatchUp == "" {
		c.CatchUp = schedule.CatchUpLast
	}
	if !c.CatchUp.Valid() {
		return errors.New("scheduler: CatchUp is all, last or none")
	}
	if c.CatchUpAge < 0 {
		return errors.New("scheduler: CatchUpAge is negative")
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
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/scheduler-quotas.html
const (
	// MaxGroups of an account in a region. Nodes that make some at the same instant may
	// overshoot it by a few.
	MaxGroups = 500
	// MaxInput of a target, in bytes.
	MaxInput = 256 << 10
	// DefaultRetries and DefaultAge of retry policies.
	DefaultRetries = 185
	DefaultAge     = 24 * time.Hour
	// AtAllowance is how long ago the time of a schedule that fires once may be when it
	// is made, to be fired at once; else it never is.
	AtAllowance = 5 * time.Minute
	// visibility is how long who takes a schedule has for it.
	visibility = 10 * time.Second
	// callLimit bounds what is posted for a request. A group is deleted only when all
	// that did not know of it must be over.
	callLimit     = 5 * time.Second
	deletingGrace = 10 * time.Second
)

// Kinds are the terms of the queues of this package.
func Kinds() map[partition.Kind]partition.KindTerms {
	return map[partition.Kind]partition.KindTerms{
		partition.KindSchedules: {Visibility: visibility},
		partition.KindFirings:   {Visibility: visibility},
	}
}

// Principal is the service as policies of roles and resources know it.
const Principal = "scheduler.amazonaws.com"
