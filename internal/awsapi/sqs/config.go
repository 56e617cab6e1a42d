package sqs

import (
	"context"
	"log/slog"
	"time"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/page"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/awsapi/resource"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// Definitions are the queues' definitions; *registry.Registry has these methods.
//
// Queues that come out of it are shared and never changed. A change is in effect, and
// seen by every method of this node, when it is answered; other nodes see it a moment
// later. Errors of registry that pass by themselves: ErrUnavailable, ErrConflict,
// ErrFull.
type Definitions interface {
	// FindQueue also finds a queue that another node has just made.
	// registry.ErrNotFound: there is none; registry.ErrUnavailable: not known.
	FindQueue(ctx context.Context, account, region, name string) (*registry.Queue, error)
	// QueueByARN looks into this node's memory only.
	QueueByARN(arn string) (*registry.Queue, bool)
	// Queues lists up to limit queues in the order of their names, beginning
	// behind the name after; more says whether others follow.
	Queues(account, region, prefix, after string, limit int) (list []*registry.Queue, more bool)
	// DeadLetterSources lists the queues whose redrive policy names arn, by name.
	DeadLetterSources(arn string) []*registry.Queue
	// CreateQueue makes a queue. One of that name that same calls the same is
	// returned, with made false; another is registry.ErrConflict. ErrTooMany.
	CreateQueue(ctx context.Context, q registry.Queue, same func(existing *registry.Queue) bool) (_ *registry.Queue, made bool, _ error)
	// UpdateQueue changes a copy, all of it or nothing; change may be called again
	// when somebody else was faster, and its error is returned as it is. ErrNotFound.
	UpdateQueue(ctx context.Context, account, region, name string, change func(*registry.Queue) error) (*registry.Queue, error)
	// DeleteQueue: ErrNotFound.
	DeleteQueue(ctx context.Context, account, region, name string) error
	// Secret gives n random bytes that are the same on all nodes and for good.
	Secret(ctx context.Context, name string, n int) ([]byte, error)
}

// Messages are the queues' contents; *partition.Service has these methods.
//
// What is answered is durable. An error that the method returns is one of the whole
// request: partition.ErrQueueGone, ErrOverLimit, or one that passes (ErrUnavailable,
// after which the request may have taken effect; ErrBusy and ErrFull, after which it
// has not). Slices of results and of errors are aligned with what was asked, one
// each, nil meaning success.
type Messages interface {
	// Send puts 1 to 10 messages into a queue: all of them or, with an error, none.
	Send(ctx context.Context, q *registry.Queue, msgs []partition.Message) ([]partition.SendResult, error)
	// Receive takes up to o.Max messages, waiting up to o.Wait for a first one. None
	// is no error. When ctx ends before it returns, what it took is given back.
	Receive(ctx context.Context, q *registry.Queue, o partition.ReceiveOptions) ([]partition.Received, error)
	// Delete may fail in part: ErrReceiptInvalid, ErrReceiptExpired.
	Delete(ctx context.Context, q *registry.Queue, receipts []string) ([]error, error)
	// ChangeVisibility may fail in part: ErrReceiptInvalid, ErrReceiptExpired,
	// ErrNotInFlight, ErrVisibilityTotal.
	ChangeVisibility(ctx context.Context, q *registry.Queue, changes []partition.VisibilityChange) ([]error, error)
	// Purge: ErrPurgeInProgress.
	Purge(ctx context.Context, q *registry.Queue) error
	// Counts are exact, as of a moment between call and return.
	Counts(ctx context.Context, q *registry.Queue) (partition.Counts, error)
	// StartMove: ErrMoveActive. An empty ARN: each message to where it came from.
	StartMove(ctx context.Context, source *registry.Queue, destinationARN string, rate int) (partition.MoveTask, error)
	// CancelMove: ErrMoveNotFound, ErrMoveNotRunning.
	CancelMove(ctx context.Context, source *registry.Queue, id string) (partition.MoveTask, error)
	// ListMoves gives the newest first.
	ListMoves(ctx context.Context, source *registry.Queue, limit int) ([]partition.MoveTask, error)
}

// Config of the API. Definitions, Messages and Access are needed to serve; the
// table of operations can be had without them.
type Config struct {
	Definitions Definitions
	Messages    Messages
	Access      *access.Access
	Now         func() time.Time           // default time.Now
	NewID       func() partition.MessageID // default: random UUIDs, version 4
	// MaxBatch bounds the sum of the messages of a SendMessageBatch, and what
	// MaximumMessageSize can be set to, in bytes; default and maximum 1 MiB.
	MaxBatch int
	Logger   *slog.Logger // nil: discard
}

// The bounds of https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html.
const (
	maxMessageBytes = 1 << 20 // of body and attributes, and of a batch
	minMessageBytes = 1 << 10 // smallest MaximumMessageSize
	maxDelay        = 900     // seconds
	maxVisibility   = 12 * 60 * 60
	minRetention    = 60
	maxRetention    = 14 * 24 * 60 * 60
	maxWait         = 20
	maxReceive      = 10 // messages a receive
	maxAttributes   = 10 // message attributes
	maxTags         = 50 // tags a queue
	maxName         = 80 // characters of a queue's name
	maxListed       = 1000
)

// service has the handlers.
type service struct {
	defs     Definitions
	msgs     Messages
	access   *access.Access
	now      func() time.Time
	newID    func() partition.MessageID
	maxBatch int
	log      *slog.Logger
	pages    *page.Tokens
	// attributes are those of queues.
	attributes *resource.Attributes[registry.Queue, partition.Counts]
}

// New makes the table of operations, served with what Config names.
func New(cfg Config) *protocol.API {
	s := newService(cfg)
	return &protocol.API{
		Name:             "sqs",
		Title:            "Simple Queue Service",
		Version:          "2012-11-05",
		Target:           "AmazonSQS",
		JSON:             "1.0",
		Namespace:        "http://queue.amazonaws.com/doc/2012-11-05/",
		QueryErrorHeader: true,
		PathMember:       "QueueUrl",
		Sections:         sections(),
		Operations:       s.operations(),
	}
}

func newService(cfg Config) *service {
	s := &service{
		defs: cfg.Definitions, msgs: cfg.Messages, access: cfg.Access,
		now: cfg.Now, newID: cfg.NewID, maxBatch: cfg.MaxBatch, log: cfg.Logger,
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.newID == nil {
		s.newID = func() partition.MessageID { return partition.MessageID(protocol.NewUUID()) }
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.maxBatch <= 0 || s.maxBatch > maxMessageBytes {
		s.maxBatch = maxMessageBytes
	}
	s.attributes = queueAttributes(s.maxBatch)
	s.pages = page.NewTokens(func(ctx context.Context) ([]byte, error) {
		return s.defs.Secret(ctx, "page-tokens", page.SecretSize)
	})
	return s
}
