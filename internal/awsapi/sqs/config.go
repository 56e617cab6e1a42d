package sqs

import (
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// Definitions are the queues' definitions; *registry.Registry has these methods.
// Queues that come out of it are shared and never changed.
type Definitions interface {
	// FindQueue also finds a queue that another node has just made.
	// registry.ErrNotFound: there is none; registry.ErrUnavailable: not known.
	FindQueue(ctx context.Context, account, region, name string) (*registry.Queue, error)
	QueueByARN(arn string) (*registry.Queue, bool)
	// Queues lists up to limit queues in the order of their names, beginning
	// behind the name after; more says whether others follow.
	Queues(account, region, prefix, after string, limit int) (list []*registry.Queue, more bool)
	// DeadLetterSources lists the queues whose redrive policy names arn, by name.
	DeadLetterSources(arn string) []*registry.Queue
	CreateQueue(ctx context.Context, q registry.Queue, same func(existing *registry.Queue) bool) (*registry.Queue, bool, error)
	UpdateQueue(ctx context.Context, account, region, name string, change func(*registry.Queue) error) (*registry.Queue, error)
	DeleteQueue(ctx context.Context, account, region, name string) error
}

// Messages are the queues' contents; *partition.Service has these methods.
type Messages interface {
	Send(ctx context.Context, q *registry.Queue, msgs []partition.Message) ([]partition.SendResult, error)
	Receive(ctx context.Context, q *registry.Queue, o partition.ReceiveOptions) ([]partition.Received, error)
	Delete(ctx context.Context, q *registry.Queue, receipts []string) ([]error, error)
	ChangeVisibility(ctx context.Context, q *registry.Queue, changes []partition.VisibilityChange) ([]error, error)
	Purge(ctx context.Context, q *registry.Queue) error
	Counts(ctx context.Context, q *registry.Queue) (partition.Counts, error)
	StartMove(ctx context.Context, source *registry.Queue, destinationARN string, rate int) (partition.MoveTask, error)
	CancelMove(ctx context.Context, source *registry.Queue, id string) (partition.MoveTask, error)
	ListMoves(ctx context.Context, source *registry.Queue, max int) ([]partition.MoveTask, error)
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
	maxEntries      = 10 // entries a batch
	maxAttributes   = 10 // message attributes
	maxTags         = 50 // tags a queue
	maxName         = 80 // characters of a queue's name and of a batch entry's id
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
		s.newID = randomID
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.maxBatch <= 0 || s.maxBatch > maxMessageBytes {
		s.maxBatch = maxMessageBytes
	}
	return s
}

// randomID is a random UUID, version 4 (RFC 9562).
func randomID() (id partition.MessageID) {
	rand.Read(id[:]) // never fails
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}
