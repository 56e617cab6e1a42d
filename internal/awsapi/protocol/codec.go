package protocol

import (
	"net/http"
	"reflect"
)

// codec is one wire protocol. To add one (REST-JSON, Smithy RPC v2 CBOR), write a
// codec and put it in the list in newTable; services do not notice. A protocol
// that routes by method and path gets the operation's binding as an Option and
// its members' places (header, path, query) as a tag, both read in plan.go.
type codec interface {
	protocol() Protocol
	// claims tells from request line and headers whether r speaks this protocol.
	claims(r *http.Request) bool
	// route finds the operation; the body has been read. On an error the API is
	// given too if it is known, for the error's shape.
	route(t *table, req *request) (*service, *operation, *Error)
	// decode fills the operation's input, which is zero.
	decode(req *request, op *operation, in reflect.Value) *Error
	contentType(s *service) string
	// encode appends the answer; out is invalid if the operation gave none.
	encode(dst []byte, s *service, op *operation, out reflect.Value, requestID string) []byte
	// encodeError appends an error, and may set headers. s is nil if the API is
	// not known.
	encodeError(dst []byte, h http.Header, s *service, e *Error, requestID string) []byte
}

// request is one request on its way through the Handler.
type request struct {
	http *http.Request
	body []byte // in a pooled buffer: codecs must copy what they keep
	form form   // Query only
	call Call
}

// service is an API as the Handler uses it.
type service struct {
	*API
	operations map[string]*operation
	errorType  string // "com.amazonaws.sqs#"
}

// operation is an Operation with its plans.
type operation struct {
	*Operation
	service    *service
	input      *plan
	output     *plan
	pathMember int // field of input that the path stands for, -1: none
}

// table finds APIs.
type table struct {
	codecs   []codec
	services []*service
	byName   map[string]*service
	byTarget map[string]*service
}
