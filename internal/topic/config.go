package topic

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// Partitions hold the queues; *partition.Service has these methods.
type Partitions interface {
	Count() uint32
	// Post places payloads in queues, all of it or, with an error, none that is
	// known of: after partition.ErrUnavailable it may have been done.
	Post(ctx context.Context, from uint32, items []partition.PostItem) ([]partition.Posted, error)
	Drop(ctx context.Context, q partition.Target) error
}

// Config of a Service.
type Config struct {
	// Registry, which does not run yet: the Service has to hear of all definitions.
	Registry *registry.Registry
	Access   *access.Access
	// Origin is where those to whom messages are pushed reach this server, such as
	// "https://sns.example.com"; asked when a message is pushed. nil: nothing is pushed.
	Origin func() string
	// Now is the clock of timestamps and tokens; default time.Now.
	Now   func() time.Time
	NewID func() partition.MessageID // default partition.NewID
	// Confirmed is told of each subscription that somebody confirmed; may be nil.
	Confirmed func(*registry.Subscription)
	// Observe is told what became of messages, from many goroutines; may be nil.
	Observe func(Counted)
	Logger  *slog.Logger // nil: discard
}

func (c *Config) setDefaults() error {
	if c.Registry == nil || c.Access == nil {
		return errors.New("topic: Registry and Access are needed")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = partition.NewID
	}
	if c.Confirmed == nil {
		c.Confirmed = func(*registry.Subscription) {}
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
const (
	// MaxPolicies is how many filter policies the subscriptions of a topic have.
	MaxPolicies = 10_000
	// MaxFIFOSubscriptions and MaxLargeSubscriptions bound the subscriptions of a FIFO
	// topic, and of one whose messages may be larger than LargeMessage bytes.
	// https://docs.aws.amazon.com/general/latest/gr/sns.html
	MaxFIFOSubscriptions  = 100
	MaxLargeSubscriptions = 100
	LargeMessage          = 256 << 10
	// MaxRawAttributes is how many message attributes a raw delivery has.
	// https://docs.aws.amazon.com/sns/latest/dg/sns-large-payload-raw-message-delivery.html
	MaxRawAttributes = 10
	// ConfirmWithin is how long a subscription can be confirmed, and is kept if it
	// is not.
	ConfirmWithin = 48 * time.Hour
)

// ledgerRetention is how long a ledger holds what it has remembered: nobody takes it.
const ledgerRetention = time.Second

// Kinds are the terms of the queues of this package.
func Kinds() map[partition.Kind]partition.KindTerms {
	return map[partition.Kind]partition.KindTerms{
		partition.KindLedger: {FIFO: true, Retention: ledgerRetention},
	}
}

// Protocols of subscriptions.
const (
	ProtocolSQS   = "sqs"  // the endpoint is the ARN of a queue
	ProtocolHTTP  = "http" // the endpoint is a URL
	ProtocolHTTPS = "https"
)

// Principal is the service as the policies of queues know it.
const Principal = "sns.amazonaws.com"
