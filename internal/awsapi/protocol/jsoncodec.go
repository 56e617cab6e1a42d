package protocol

import (
	"net/http"
	"reflect"
	"strings"
)

// jsonCodec is AWS JSON 1.0 and 1.1:
// https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html.
type jsonCodec struct{}

func (jsonCodec) protocol() Protocol { return JSON }

func (jsonCodec) claims(t *table, r *http.Request) bool {
	target := r.Header["X-Amz-Target"]
	if len(target) == 0 {
		return strings.HasPrefix(mediaType(r.Header), "application/x-amz-json-1.")
	}
	// A form with an action is what it says, whatever a client or a proxy put in
	// the header; only a target of ours counts more.
	if mediaType(r.Header) != formType && !strings.Contains(r.URL.RawQuery, "Action=") {
		return true
	}
	prefix, _ := splitTarget(target[0])
	return t.byTarget[prefix] != nil
}

func (jsonCodec) mediaType(s *service) string {
	if s != nil && s.JSON == "1.1" {
		return "application/x-amz-json-1.1"
	}
	return "application/x-amz-json-1.0"
}

func (jsonCodec) routeBody(*table, *request) (*service, *operation, *Error) {
	return nil, nil, unknownOperation(errNoTarget)
}

func (jsonCodec) route(t *table, req *request) (*service, *operation, *Error) {
	if req.http.Method != http.MethodPost {
		return nil, nil, methodNotAllowed(req.http.Method, "POST")
	}
	target := req.http.Header["X-Amz-Target"]
	if len(target) != 1 {
		return nil, nil, unknownOperation(errNoTarget)
	}
	prefix, name := splitTarget(target[0])
	s := t.byTarget[prefix]
	if s == nil {
		return nil, nil, unknownOperation("No service here answers to the X-Amz-Target " + clip([]byte(target[0])) + ".")
	}
	op := s.operations[name]
	if op == nil {
		return s, nil, noOperation(s, name)
	}
	return s, op, nil
}

const errNoTarget = "The request must have one X-Amz-Target header."

// splitTarget takes an X-Amz-Target apart: SERVICE.OPERATION.
func splitTarget(target string) (service, operation string) {
	if i := strings.LastIndexByte(target, '.'); i >= 0 {
		return target[:i], target[i+1:]
	}
	return target, ""
}

func unknownOperation(msg string) *Error {
	return &Error{Code: "UnknownOperationException", QueryCode: "InvalidAction", Message: msg}
}

func noOperation(s *service, name string) *Error {
	return unknownOperation("The operation " + clip([]byte(name)) + " does not exist in " + s.Title + ".")
}

func (jsonCodec) decode(req *request, op *operation, in reflect.Value) *Error {
	return decodeJSON(req.body, op.input, in, &req.meter)
}

func (c jsonCodec) encode(a *answer, _ *request, op *operation, out reflect.Value) {
	a.contentType = c.mediaType(op.service)
	a.body = c.document(a.body, op.output, out)
}

func (jsonCodec) document(b []byte, p *plan, v reflect.Value) []byte {
	if !v.IsValid() {
		return append(b, "{}"...)
	}
	return appendJSON(b, p, v)
}

// common are the errors that all services share; AWS gives them a namespace of
// their own.
var common = map[string]bool{
	"SerializationException": true, "UnknownOperationException": true, "AccessDeniedException": true,
	"InvalidSignatureException": true, "UnrecognizedClientException": true, "IncompleteSignatureException": true,
	"MissingAuthenticationTokenException": true, "RequestExpired": true, "ThrottlingException": true,
	"InternalFailure": true, "ServiceUnavailable": true, "MissingRequiredParameterException": true,
	"InvalidParameterValueException": true, "RequestEntityTooLargeException": true, "NotImplemented": true,
	"MethodNotAllowed": true, "UnsupportedMediaTypeException": true,
}

func (c jsonCodec) encodeError(a *answer, _ *request, s *service, e *Error) {
	a.contentType = c.mediaType(s)
	queryErrorHeader(a.header, s, e)
	name := e.Code
	if s == nil || s.JSON != "1.1" {
		name = qualified(s, e.Code)
	}
	a.body = appendJSONError(a.body, name, e)
}

// qualified gives an error's name with its namespace, as JSON 1.0 and RPC v2 have it.
func qualified(s *service, code string) string {
	if s != nil && !common[code] {
		return s.errorType + code
	}
	return "com.amazon.coral.service#" + code
}

// queryErrorHeader tells an error's Query code to clients of an API that once spoke
// Query.
func queryErrorHeader(h http.Header, s *service, e *Error) {
	if s == nil || !s.QueryErrorHeader {
		return
	}
	fault := ";Sender"
	if e.Receiver {
		fault = ";Receiver"
	}
	h["X-Amzn-Query-Error"] = []string{headerText(e.queryCode()) + fault}
}

// appendJSONError appends an error as an object; name is left out if it is "".
func appendJSONError(b []byte, name string, e *Error) []byte {
	p, detail := e.detail()
	return appendJSONMessage(b, name, e, p, detail)
}

// appendJSONMessage is appendJSONError with the members of detail that p has.
func appendJSONMessage(b []byte, name string, e *Error, p *plan, detail reflect.Value) []byte {
	b = append(b, '{')
	if name != "" {
		b = append(b, `"__type":`...)
		b = append(appendJSONString(b, name), ',')
	}
	if e.hasMessage(p) {
		b = append(b, `"message":`...)
		b = append(appendJSONString(b, e.Message), ',')
	}
	if p != nil {
		b = append(appendJSONMembers(b, p, detail), ',')
	}
	for b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	return append(b, '}')
}

// headerText keeps what could break a header out of it.
func headerText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
}
