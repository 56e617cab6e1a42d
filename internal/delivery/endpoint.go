package delivery

import (
	"context"
	"time"

	"github.com/waystation/waystation/internal/partition"
)

// Endpoint is where messages go, and on which terms. It is not changed once a Resolver
// has given it.
type Endpoint struct {
	// Queue is the endpoint's, of kind partition.KindDeliveries.
	Queue partition.Target
	// Name by which people know it: an ARN.
	Name            string
	Account, Region string
	// Address for people: the URL without secrets.
	Address  string
	Schedule Schedule
	// Timeout of one attempt, until the head of the answer; 0: Config.Timeout.
	Timeout time.Duration
	// PerSecond is how many messages go there at most; 0: no bound.
	PerSecond float64
	// Concurrency is how many messages are on the way at a time; 0: Config.Concurrency.
	Concurrency int
	// Deleted: what waits is given up, each message by itself, so that Bury is asked. A
	// Resolver says ErrGone if all of it is of no use.
	Deleted bool
	// Discard what is given up and has no dead-letter queue, instead of keeping it.
	Discard bool
	// Permanent reports whether an answer of that status says that trying again is of
	// no use; nil: of 4xx but 408 and 429. Statuses 2xx are not asked about.
	Permanent func(status int) bool

	// Render makes the request of a message, anew at each attempt. An error says that
	// the message is damaged: it is given up. An *Unready is a failed attempt like any
	// other.
	Render func(ctx context.Context, m *Message) (Request, error)
	// Answered is told the status of every answer; may be nil. It must not block for
	// long: the message waits for it.
	Answered func(ctx context.Context, status int)
	// Bury gives the post by which a message that is given up gets into the endpoint's
	// dead-letter queue; why says that and why it may not be posted there. nil: there
	// is no such queue. An error passes: it is asked again.
	Bury func(ctx context.Context, m *Message, f Failure) (item *partition.PostItem, why string, err error)
}

// Message is what waits for an endpoint.
type Message struct {
	ID        string // for people and the log, at most 256 bytes; a Resolver sets it
	Payload   []byte // not altered
	Reference string // of the target, as it was posted
	Sent      time.Time
	// Attempt that this is, from 1. What was taken and not tried counts too.
	Attempt int
}

// Request is what is pushed.
type Request struct {
	Method string // "": POST
	URL    string
	Header []Header
	Body   []byte
}

// Header of a request.
type Header struct{ Name, Value string }

// Failure is why a message is given up.
type Failure struct {
	Class    Class
	Status   int // of the last answer; 0: none
	Attempts int
	Text     string // for people
}

// Resolver finds the endpoints of one service. Its methods may be called side by side.
type Resolver interface {
	// Resolve gives the endpoint of a message in a queue. ErrGone: it was deleted. Any
	// other error passes, such as of a registry that does not answer or that lags: the
	// message stays.
	Resolve(ctx context.Context, q partition.Target, m *Message) (*Endpoint, error)
	// Named finds an endpoint by its name; ErrNotFound if it is not there.
	Named(ctx context.Context, name string) (*Endpoint, error)
	// Endpoints lists up to max of them in an order of its own, behind the one named
	// after ("": from the start), and says whether there are more.
	Endpoints(after string, max int) (list []*Endpoint, more bool)
}
