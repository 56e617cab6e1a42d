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

func (jsonCodec) claims(_ *table, r *http.Request) bool {
	if len(r.Header["X-Amz-Target"]) > 0 {
		return true
	}
	ct := r.Header["Content-Type"]
	return len(ct) > 0 && strings.HasPrefix(ct[0], "application/x-amz-json-1.")
}

func jsonType(s *service) string {
	if s != nil && s.JSON == "1.1" {
		return "application/x-amz-json-1.1"
	}
	return "application/x-amz-json-1.0"
}

func (c jsonCodec) routeBody(t *table, req *request) (*service, *operation, *Error) {
	return c.route(t, req)
}

func (jsonCodec) route(t *table, req *request) (*service, *operation, *Error) {
	if req.http.Method != http.MethodPost {
		return nil, nil, methodNotAllowed(req.http.Method, "POST")
	}
	target := req.http.Header["X-Amz-Target"]
	if len(target) != 1 {
		return nil, nil, unknownOperation("The request must have one X-Amz-Target header.")
	}
	prefix, name := target[0], ""
	if i := strings.LastIndexByte(prefix, '.'); i >= 0 {
		prefix, name = prefix[:i], prefix[i+1:]
	}
	s := t.byTarget[prefix]
	if s == nil {
		return nil, nil, unknownOperation("No service here answers to the X-Amz-Target " + clip([]byte(target[0])) + ".")
	}
	op := s.operations[name]
	if op == nil {
		return s, nil, unknownOperation("The operation " + clip([]byte(name)) + " does not exist in " + s.Title + ".")
	}
	return s, op, nil
}

func unknownOperation(msg string) *Error {
	return &Error{Code: "UnknownOperationException", QueryCode: "InvalidAction", Message: msg}
}

func (jsonCodec) decode(req *request, op *operation, in reflect.Value) *Error {
	return decodeJSON(req.body, op.input, in, &req.meter)
}

func (jsonCodec) encode(a *answer, _ *request, op *operation, out reflect.Value) {
	a.contentType = jsonType(op.service)
	if !out.IsValid() {
		a.body = append(a.body, "{}"...)
		return
	}
	a.body = appendJSON(a.body, op.output, out)
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

func (jsonCodec) encodeError(a *answer, _ *request, s *service, e *Error) {
	a.contentType = jsonType(s)
	prefix := "com.amazon.coral.service#"
	if s != nil && !common[e.Code] {
		prefix = s.errorType
	}
	if s != nil && s.QueryErrorHeader {
		fault := ";Sender"
		if e.Receiver {
			fault = ";Receiver"
		}
		a.header["X-Amzn-Query-Error"] = []string{headerText(e.queryCode()) + fault}
	}
	a.body = append(a.body, `{"__type":`...)
	a.body = appendJSONString(a.body, prefix+e.Code)
	a.body = append(a.body, `,"message":`...)
	a.body = appendJSONString(a.body, e.Message)
	a.body = append(a.body, '}')
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
