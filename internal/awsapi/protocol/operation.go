package protocol

import (
	"context"
	"io"
	"reflect"
	"time"
)

// Operation is one row of an API's table. Make it with Op, Stream or Missing.
type Operation struct {
	Name   string
	Status Status
	Note   string // what a reader of the compatibility table should know

	Route     Route         // REST-JSON: where it is found
	MaxBody   int64         // bytes; 0 = the API's
	MaxValues int           // values in an input; 0 = DefaultMaxValues
	TimeLimit time.Duration // from the header to the end of the answer; 0 = the server's
	// ConditionKeys are the keys that policies may ask of it, beside the API's.
	ConditionKeys []string

	// Lacking are the members of AWS's input or output that it does not know.
	Lacking []Lacking

	anonymous  bool
	rootOnly   bool
	streamBody bool
	in, out    reflect.Type
	event      reflect.Type // of a streaming answer, else nil
	call       func(ctx context.Context, c *Call, in any) (any, error)
	stream     func(ctx context.Context, c *Call, in any) (any, events, error)
	newIn      func() any
}

// events sends a streaming answer's events, which are pointers to structs.
type events func(ctx context.Context, send func(any) error) error

// In and Out are the types of input and output, nil for operations that are not
// there. Event is the union of a streaming answer's events, nil without one.
func (op *Operation) In() reflect.Type    { return op.in }
func (op *Operation) Out() reflect.Type   { return op.out }
func (op *Operation) Event() reflect.Type { return op.event }

// Option changes an Operation made by Op.
type Option func(*Operation)

// WithNote adds a remark for the compatibility table.
func WithNote(note string) Option { return func(op *Operation) { op.Note = note } }

// PartlyWorks marks the operation as incomplete; note says what is missing.
func PartlyWorks(note string) Option {
	return func(op *Operation) { op.Status, op.Note = Partly, note }
}

// Lacking is members that are not there yet, and why.
type Lacking struct {
	Members []string // paths: "Description", "Filter.Pattern"
	Reason  string
}

// Without names members of AWS's input or output that the operation does not know
// yet: in inputs they are ignored. Those of a structure's member are named by a path.
func Without(reason string, members ...string) Option {
	return func(op *Operation) { op.Lacking = append(op.Lacking, Lacking{members, reason}) }
}

// AllowAnonymous lets unsigned requests reach the handler in keyed mode, with
// Call.Principal.Anonymous set: the handler must ask access.Authorize with the
// resource's policy. Without it such requests end in MissingAuthenticationToken.
func AllowAnonymous() Option { return func(op *Operation) { op.anonymous = true } }

// RootOnly says of an operation of Query that it does not belong to what a path can
// stand for, see API.PathMember: on such a path it is not valid.
func RootOnly() Option { return func(op *Operation) { op.rootOnly = true } }

// At binds the operation to a method and a path for REST-JSON, and says with which
// status it succeeds (0 = 200). The template is Smithy's: "/functions/{Name}",
// "/files/{Path+}", "/list?all".
// https://smithy.io/2.0/spec/http-bindings.html
func At(method, template string, status int) Option {
	return func(op *Operation) { op.Route = Route{Method: method, Template: template, Status: status} }
}

// MaxBody bounds the operation's request bodies, in bytes.
func MaxBody(n int64) Option { return func(op *Operation) { op.MaxBody = n } }

// MaxValues bounds how many values an input may hold: elements of lists and
// entries of maps, on all levels together.
func MaxValues(n int) Option { return func(op *Operation) { op.MaxValues = n } }

// TimeLimit is how long a request may take from its header to the end of its
// answer, when that differs from the server's limit.
func TimeLimit(d time.Duration) Option { return func(op *Operation) { op.TimeLimit = d } }

// ConditionKeys adds keys that policies may ask of the operation.
func ConditionKeys(keys ...string) Option {
	return func(op *Operation) { op.ConditionKeys = append(op.ConditionKeys, keys...) }
}

// StreamBody hands the body to the handler as Call.Body while it arrives, instead
// of reading and decoding it first; the input gets what the path, the query and
// the header hold. Only for REST-JSON, for inputs with a raw payload.
func StreamBody() Option { return func(op *Operation) { op.streamBody = true } }

// Empty is the input or output of operations that have none.
type Empty struct{}

// Op makes the row of an operation that h does. In and Out are plain structs, see
// the package comment for their tags. h gets an In of its own, may keep its
// strings, and returns *Error (wrapped or not) for errors that clients shall see;
// anything else becomes InternalFailure. A nil Out is an empty answer.
func Op[In, Out any](name string, h func(ctx context.Context, c *Call, in *In) (*Out, error), opts ...Option) Operation {
	call := func(ctx context.Context, c *Call, in any) (any, error) {
		out, err := h(ctx, c, in.(*In))
		if err != nil || out == nil {
			return nil, err
		}
		return out, nil
	}
	op := OpOf(name, reflect.TypeFor[In](), reflect.TypeFor[Out](), call, opts...)
	op.newIn = func() any { return new(In) }
	return op
}

// OpOf is Op for types that are known only when the program runs: in and out are
// types of structs; h gets a pointer to an in and returns one to an out, or nil.
func OpOf(name string, in, out reflect.Type, h func(ctx context.Context, c *Call, in any) (any, error), opts ...Option) Operation {
	op := Operation{Name: name, in: in, out: out, call: h, newIn: func() any { return reflect.New(in).Interface() }}
	for _, o := range opts {
		o(&op)
	}
	return op
}

// Events sends the events of a streaming answer one by one; send returns an error
// once the client cannot be reached any more. It ends with ctx, with the time
// limit of the operation, or when there is nothing left to tell. An *Error that it
// returns ends the stream as an exception.
type Events[E any] func(ctx context.Context, send func(*E) error) error

// Stream makes the row of an operation that answers with a stream of events. E is
// their union: a struct of pointers, of which each event has one set, by the name
// of the event's type. Out holds the members beside the stream.
func Stream[In, Out, E any](name string, h func(ctx context.Context, c *Call, in *In) (*Out, Events[E], error), opts ...Option) Operation {
	return StreamOf(name, reflect.TypeFor[In](), reflect.TypeFor[Out](), reflect.TypeFor[E](),
		func(ctx context.Context, c *Call, in any) (any, func(context.Context, func(any) error) error, error) {
			out, send, err := h(ctx, c, in.(*In))
			if err != nil || send == nil {
				return nil, nil, err
			}
			all := func(ctx context.Context, each func(any) error) error {
				return send(ctx, func(e *E) error { return each(e) })
			}
			if out == nil {
				return nil, all, nil
			}
			return out, all, nil
		}, opts...)
}

// StreamOf is Stream for types that are known only when the program runs, as OpOf is
// Op; what is sent are pointers to an event.
func StreamOf(name string, in, out, event reflect.Type, h func(ctx context.Context, c *Call, in any) (any, func(ctx context.Context, send func(any) error) error, error), opts ...Option) Operation {
	op := OpOf(name, in, out, nil, opts...)
	op.event = event
	op.stream = func(ctx context.Context, c *Call, in any) (any, events, error) {
		out, send, err := h(ctx, c, in)
		return out, send, err
	}
	return op
}

// Missing makes the row of an operation that is known but not done. Calling it
// ends in an error that says so.
func Missing(name, note string, opts ...Option) Operation {
	op := Operation{Name: name, Status: NotYet, Note: note}
	for _, o := range opts {
		o(&op)
	}
	return op
}

// Body is the body of a request as it arrives.
type Body interface{ io.Reader }
