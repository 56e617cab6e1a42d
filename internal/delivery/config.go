package delivery

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/waystation/waystation/internal/egress"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// Partitions hold the queues; *partition.Service has these methods.
type Partitions interface {
	Count() uint32
	Memory() (used, limit int64, full bool)

	Take(ctx context.Context, partition uint32, k partition.Kind, t partition.TakeTerms) (partition.Taken, error)
	Ack(ctx context.Context, q partition.Target, receipts []partition.Receipt) ([]error, error)
	Retry(ctx context.Context, q partition.Target, entries []partition.RetryEntry) ([]error, error)
	Extend(ctx context.Context, q partition.Target, receipts []partition.Receipt, by time.Duration) ([]error, error)
	SetPace(ctx context.Context, q partition.Target, p partition.Pace) error

	// Post and PostIf place payloads in queues, all of it or, with an error, none that
	// is known of: after partition.ErrUnavailable it may have been done.
	Post(ctx context.Context, from uint32, items []partition.PostItem) ([]partition.Posted, error)
	PostIf(ctx context.Context, from uint32, conditions []partition.Condition, items []partition.PostItem) ([]partition.Posted, error)

	Find(ctx context.Context, q partition.Target, n partition.Name) (partition.Found, bool, error)
	Read(ctx context.Context, q partition.Target, from uint64, max int) (list []partition.Found, next uint64, err error)
	CountOf(ctx context.Context, q partition.Target) (partition.Counts, error)
	Drop(ctx context.Context, q partition.Target) error
}

// Pusher sends requests; *egress.Client is one.
type Pusher interface {
	Do(ctx context.Context, r egress.Request) (*egress.Answer, error)
}

// Config of a Service.
type Config struct {
	Partitions Partitions
	Health     *registry.Table[registry.EndpointHealth]
	Pusher     Pusher
	// Resolvers by the form (the first byte) of the payloads that are theirs.
	Resolvers map[byte]Resolver

	// Workers is how many messages this node works on at a time, default 1024, and
	// Bytes about how much their payloads may take, default 64 MiB.
	Workers int
	Bytes   int64
	// Concurrency to one endpoint unless it says otherwise, default 10.
	Concurrency int
	// Timeout of an attempt unless the endpoint says otherwise, default 15 s.
	Timeout time.Duration
	// OpenAfter so many failures in a row an endpoint's circuit opens, default 5. It is
	// probed after ProbeMin, default 1 s, then after twice as long, up to ProbeMax,
	// default 30 s.
	OpenAfter          int
	ProbeMin, ProbeMax time.Duration
	// DisableAfter is how long an endpoint may fail without a success until it is
	// disabled; 0: never.
	DisableAfter time.Duration
	// Grace is how long attempts go on when the Service stops, default 5 s.
	Grace time.Duration

	// Disabled is told that an endpoint was disabled; may be nil.
	Disabled func(ctx context.Context, e *Endpoint, h *registry.EndpointHealth)
	// Observe is told what became of messages, from many goroutines; may be nil.
	Observe func(Counted)
	Now     func() time.Time // default time.Now
	Chance  func() float64   // from 0 to 1; default math/rand/v2
	Logger  *slog.Logger     // nil: discard
}

// Counted says what became of attempts and messages.
type Counted struct {
	Delivered    int
	Failed       int // attempts
	DeadLettered int
	Undelivered  int // given up, without a dead-letter queue
	Dropped      int // their endpoint was deleted
	Disabled     int // endpoints
	Unlogged     int // attempts that have no room in the log
	Took         time.Duration
}

func (c *Config) setDefaults() error {
	if c.Partitions == nil || c.Health == nil || c.Pusher == nil {
		return errors.New("delivery: Partitions, Health and Pusher are needed")
	}
	number := func(v *int, to int) {
		if *v <= 0 {
			*v = to
		}
	}
	duration := func(v *time.Duration, to time.Duration) {
		if *v <= 0 {
			*v = to
		}
	}
	number(&c.Workers, DefaultWorkers)
	number(&c.Concurrency, DefaultConcurrency)
	number(&c.OpenAfter, 5)
	duration(&c.Timeout, DefaultTimeout)
	duration(&c.ProbeMin, time.Second)
	duration(&c.ProbeMax, 30*time.Second)
	duration(&c.Grace, 5*time.Second)
	if c.Bytes <= 0 {
		c.Bytes = 64 << 20
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Chance == nil {
		c.Chance = rand.Float64
	}
	if c.Disabled == nil {
		c.Disabled = func(context.Context, *Endpoint, *registry.EndpointHealth) {}
	}
	if c.Observe == nil {
		c.Observe = func(Counted) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// What holds unless Config says otherwise.
const (
	DefaultWorkers      = 1024
	DefaultConcurrency  = 10
	DefaultTimeout      = 15 * time.Second
	DefaultDisableAfter = 5 * 24 * time.Hour
)

const (
	// Kept is how long attempts and undelivered messages are kept.
	Kept = 7 * 24 * time.Hour
	// MaxUndelivered is how many messages of an endpoint are kept that it did not get
	// and that have no dead-letter queue; when there are more the oldest are removed.
	MaxUndelivered = 10_000
	// maxChunks of attempts of an endpoint are kept, with those of up to logEvery of
	// one node each.
	maxChunks = 500
	// visibility of a message that is worked on; it is extended in time.
	visibility  = 30 * time.Second
	extendEvery = 10 * time.Second
)

// Kinds are the terms of the queues of this package; concurrency is Config's.
func Kinds(concurrency int) map[partition.Kind]partition.KindTerms {
	if concurrency <= 0 {
		concurrency = DefaultConcurrency
	}
	return map[partition.Kind]partition.KindTerms{
		partition.KindDeliveries:  {Visibility: visibility, MaxInFlight: concurrency},
		partition.KindAttempts:    {Retention: Kept},
		partition.KindUndelivered: {Retention: Kept},
	}
}

func attemptsOf(q partition.Target) partition.Target {
	q.Queue.Kind = partition.KindAttempts
	return q
}

func undeliveredOf(q partition.Target) partition.Target {
	q.Queue.Kind = partition.KindUndelivered
	return q
}
