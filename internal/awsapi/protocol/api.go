package protocol

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/waystation/waystation/internal/access"
)

// Protocol is a wire protocol.
type Protocol int

// The protocols spoken.
const (
	JSON  Protocol = iota + 1 // AWS JSON 1.0 and 1.1
	Query                     // form parameters in, XML out
)

// String names the protocol as botocore does.
func (p Protocol) String() string {
	switch p {
	case JSON:
		return "json"
	case Query:
		return "query"
	}
	return "unknown"
}

// Status says how much of an operation is there.
type Status int

// Statuses of operations.
const (
	Works  Status = iota // all of it
	Partly               // Note says what is missing
	NotYet               // answered with an error that says so
)

// String is the word used in docs/compatibility.md.
func (s Status) String() string {
	switch s {
	case Works:
		return "works"
	case Partly:
		return "partly"
	case NotYet:
		return "not yet"
	}
	return "unknown"
}

// API is one AWS API: how it is recognised on the wire and the table of its
// operations, from which requests are routed and docs/compatibility.md is made.
type API struct {
	Name    string // service of the credential scope and of error types: "sqs"
	Title   string // for documents: "Simple Queue Service"
	Version string // Query version: "2012-11-05"
	Target  string // prefix of X-Amz-Target: "AmazonSQS"; "" = speaks no JSON
	JSON    string // JSON version: "1.0" or "1.1"
	// Namespace of XML answers: "http://queue.amazonaws.com/doc/2012-11-05/".
	// "" = speaks no Query.
	Namespace string
	// QueryErrorHeader adds x-amzn-query-error to JSON errors (APIs that moved
	// from Query to JSON and keep their old error codes).
	QueryErrorHeader bool
	// PathMember names the string member of inputs that a request path other than
	// "/" stands for in Query requests that leave it out: "QueueUrl" for SQS. It
	// is set to the whole URL without its query string.
	PathMember string
	Operations []Operation
}

// Operation is one row of an API's table. Make it with Op or Missing.
type Operation struct {
	Name   string
	Status Status
	Note   string // what a reader of the compatibility table should know

	anonymous bool
	in, out   reflect.Type
	call      func(ctx context.Context, c *Call, in any) (any, error)
	newIn     func() any
}

// Option changes an Operation made by Op.
type Option func(*Operation)

// WithNote adds a remark for the compatibility table.
func WithNote(note string) Option { return func(op *Operation) { op.Note = note } }

// PartlyWorks marks the operation as incomplete; note says what is missing.
func PartlyWorks(note string) Option {
	return func(op *Operation) { op.Status, op.Note = Partly, note }
}

// AllowAnonymous lets unsigned requests reach the handler in keyed mode, with
// Call.Principal.Anonymous set: the handler must ask access.Authorize with the
// resource's policy. Without it such requests end in MissingAuthenticationToken.
func AllowAnonymous() Option { return func(op *Operation) { op.anonymous = true } }

// Empty is the input or output of operations that have none.
type Empty struct{}

// Op makes the row of an operation that h does. In and Out are plain structs, see
// the package comment for their tags. h gets an In of its own, may keep its
// strings, and returns *Error (wrapped or not) for errors that clients shall see;
// anything else becomes InternalFailure. A nil Out is an empty answer.
func Op[In, Out any](name string, h func(ctx context.Context, c *Call, in *In) (*Out, error), opts ...Option) Operation {
	op := Operation{
		Name:  name,
		in:    reflect.TypeFor[In](),
		out:   reflect.TypeFor[Out](),
		newIn: func() any { return new(In) },
		call: func(ctx context.Context, c *Call, in any) (any, error) {
			out, err := h(ctx, c, in.(*In))
			if err != nil || out == nil {
				return nil, err
			}
			return out, nil
		},
	}
	for _, o := range opts {
		o(&op)
	}
	return op
}

// Missing makes the row of an operation that is known but not done. Calling it
// ends in an error that says so.
func Missing(name, note string) Operation {
	return Operation{Name: name, Status: NotYet, Note: note}
}

// Call is what a handler may want to know of a request besides its input. It must
// not be kept after the handler has returned.
type Call struct {
	API       *API
	Operation string
	Account   string // the caller's, "" when anonymous
	Region    string // of the signature's scope, else access.DefaultRegion
	Principal access.Principal
	Host      string // as in the Host header, with port
	Scheme    string // "http" or "https"
	Path      string
	SourceIP  string // the peer's address, without port
	RequestID string
	Protocol  Protocol
	Header    http.Header // read only
	Received  time.Time   // when the request was read, by Config.Now
}
