package protocol

import (
	"net/http"
	"reflect"
	"strings"
)

// cborCodec is AWS JSON 1.1 with its documents in CBOR, as older SDKs speak to
// Kinesis. Times are milliseconds; errors are named as in JSON.
type cborCodec struct{}

const cborType = "application/x-amz-cbor-1.1"

func (cborCodec) protocol() Protocol { return CBOR }

func (cborCodec) claims(_ *table, r *http.Request) bool { return mediaType(r.Header) == cborType }

func (cborCodec) route(t *table, req *request) (*service, *operation, *Error) {
	s, op, err := jsonCodec{}.route(t, req)
	if s != nil && !s.CBOR {
		return s, nil, wrongMedia("The API " + s.Title + " does not speak CBOR here; send application/x-amz-json-" + s.JSON + ".")
	}
	return s, op, err
}

func (cborCodec) routeBody(*table, *request) (*service, *operation, *Error) {
	return nil, nil, unknownOperation(errNoTarget)
}

func (cborCodec) decode(req *request, op *operation, in reflect.Value) *Error {
	return decodeCBOR(req.body, op.input, in, &req.meter, true)
}

func (c cborCodec) encode(a *answer, _ *request, op *operation, out reflect.Value) {
	a.contentType = cborType
	a.body = c.document(a.body, op.output, out)
}

func (cborCodec) encodeError(a *answer, _ *request, s *service, e *Error) {
	a.contentType = cborType
	queryErrorHeader(a.header, s, e)
	a.body = appendCBORError(a.body, e.Code, e, true)
}

func (cborCodec) document(b []byte, p *plan, v reflect.Value) []byte {
	if !v.IsValid() {
		return appendCBORHead(b, cborMap, 0)
	}
	return appendCBOR(b, p, v, true)
}

func (cborCodec) mediaType(*service) string { return cborType }

// rpcCodec is Smithy RPC v2 with CBOR:
// https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html.
type rpcCodec struct{}

const (
	rpcName = "rpc-v2-cbor" // in the header Smithy-Protocol
	rpcType = "application/cbor"
)

func (rpcCodec) protocol() Protocol { return RPCv2CBOR }

func (rpcCodec) claims(_ *table, r *http.Request) bool {
	h := r.Header["Smithy-Protocol"]
	return len(h) > 0 && h[0] == rpcName
}

func (rpcCodec) route(t *table, req *request) (*service, *operation, *Error) {
	r := req.http
	if r.Method != http.MethodPost {
		return nil, nil, methodNotAllowed(r.Method, "POST")
	}
	// What stands before /service/ is a prefix that a proxy may have left.
	path, name := r.URL.Path, ""
	if i := strings.LastIndex(path, "/operation/"); i >= 0 {
		path, name = path[:i], path[i+len("/operation/"):]
	}
	i := strings.LastIndex(path, "/service/")
	if name == "" || i < 0 {
		return nil, nil, unknownOperation("The path of the request must be /service/NAME/operation/NAME.")
	}
	s := t.byRPC(path[i+len("/service/"):])
	if s == nil {
		return nil, nil, unknownOperation("No service here answers to the path " + clip([]byte(r.URL.Path)) + ".")
	}
	op := s.operations[name]
	if op == nil {
		return s, nil, noOperation(s, name)
	}
	if media := mediaType(r.Header); media != "" && media != rpcType && r.ContentLength != 0 {
		return s, nil, wrongMedia("The request body must be of type " + rpcType + ".")
	}
	return s, op, nil
}

// byRPC finds an API by its name in paths.
func (t *table) byRPC(name string) *service {
	for _, s := range t.services {
		if s.RPC == name && name != "" {
			return s
		}
	}
	return nil
}

func (rpcCodec) routeBody(*table, *request) (*service, *operation, *Error) {
	return nil, nil, unknownOperation("The path of the request names no operation.")
}

func (rpcCodec) decode(req *request, op *operation, in reflect.Value) *Error {
	return decodeCBOR(req.body, op.input, in, &req.meter, false)
}

func (c rpcCodec) encode(a *answer, _ *request, op *operation, out reflect.Value) {
	a.header["Smithy-Protocol"] = []string{rpcName}
	if op.out == emptyType {
		return
	}
	a.contentType = rpcType
	a.body = c.document(a.body, op.output, out)
}

func (rpcCodec) encodeError(a *answer, _ *request, s *service, e *Error) {
	a.contentType = rpcType
	a.header["Smithy-Protocol"] = []string{rpcName}
	queryErrorHeader(a.header, s, e)
	a.body = appendCBORError(a.body, qualified(s, e.Code), e, false)
}

func (rpcCodec) document(b []byte, p *plan, v reflect.Value) []byte {
	if !v.IsValid() {
		return appendCBORHead(b, cborMap, 0)
	}
	return appendCBOR(b, p, v, false)
}

func (rpcCodec) mediaType(*service) string { return rpcType }

// appendCBORError appends an error as a map.
func appendCBORError(b []byte, name string, e *Error, millis bool) []byte {
	n := 1
	p, detail := e.detail()
	message := e.hasMessage(p)
	if message {
		n++
	}
	if p != nil {
		n += p.present(detail)
	}
	b = appendCBORHead(b, cborMap, uint64(n))
	b = appendCBORString(b, "__type")
	b = appendCBORString(b, name)
	if message {
		b = appendCBORString(b, "message")
		b = appendCBORString(b, e.Message)
	}
	if p != nil {
		b = appendCBORMembers(b, p, detail, millis)
	}
	return b
}
