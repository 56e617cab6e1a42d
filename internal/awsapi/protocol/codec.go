package protocol

import (
	"net/http"
	"reflect"
)

// codec is one wire protocol. To add one, write a codec and put it in the list in
// newTable; services do not notice. What its members' places are (header, path,
// query) is read from tags in plan.go, where its operations are found from
// Operation.Route.
type codec interface {
	protocol() Protocol
	// claims reports, from request line and headers, whether r speaks this protocol.
	claims(t *table, r *http.Request) bool
	// route finds the operation from request line and headers. If only the body can
	// tell, it gives neither operation nor error, and routeBody is asked once the body
	// has been read. On an error the API is given too if it is known, for the error's
	// shape.
	route(t *table, req *request) (*service, *operation, *Error)
	routeBody(t *table, req *request) (*service, *operation, *Error)
	// decode fills the operation's input, which is zero. Before it makes an element
	// of a list, an entry of a map or a value behind a pointer it asks req.meter.
	decode(req *request, op *operation, in reflect.Value) *Error
	// encode appends the answer to a.body and says in a what else there is to it; out
	// is invalid if the operation gave none.
	encode(a *answer, req *request, op *operation, out reflect.Value)
	// encodeError is encode for errors. s is nil if the API is not known.
	encodeError(a *answer, req *request, s *service, e *Error)
}

// eventCodec is a codec whose operations can answer with a stream of events.
type eventCodec interface {
	codec
	// beginEvents is encode for the answer's beginning: headers, and the first
	// messages if the protocol has any before the events.
	beginEvents(a *answer, req *request, op *operation, out reflect.Value)
	// appendEvent appends one event; e is of type Operation.Event.
	appendEvent(b []byte, op *operation, e reflect.Value) []byte
	// appendEventError appends the exception that ends the stream.
	appendEventError(b []byte, s *service, e *Error) []byte
}

var emptyType = reflect.TypeFor[Empty]()

// request is one request on its way through the Handler.
type request struct {
	http   *http.Request
	body   []byte   // in a pooled buffer: codecs must copy what they keep
	form   form     // Query only
	labels []string // REST-JSON only: what stands in the path, see operation.route
	meter  meter    // of what decoding makes
	call   Call
}

// answer is what goes back to the client.
type answer struct {
	header      http.Header // of the response; codecs may add to it
	status      int         // 0: 200, or the error's own
	contentType string      // "" for an answer without a body
	body        []byte
}

// service is an API as the Handler uses it.
type service struct {
	*API
	operations map[string]*operation
	routes     routes // REST-JSON
	errorType  string // "com.amazonaws.sqs#"
}

// operation is an Operation with its plans.
type operation struct {
	*Operation
	service    *service
	input      *plan
	output     *plan
	hasResult  bool       // Query: the answer has one, if without members
	event      *plan      // of a streaming answer
	route      *route     // REST-JSON
	rest       *binding   // REST-JSON: of input
	restOut    *binding   // and of output
	events     []*binding // of the events, in the order of event.fields
	pathMember int        // field of input that the path stands for, -1: none
}
