package protocol

import (
	"net/http"
	"reflect"
)

// restCodec is REST-JSON: https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html.
// Unlike Smithy's own servers, but like AWS's, it answers clients that name no
// media type, or accept another one.
type restCodec struct{}

const (
	restType   = "application/json"
	textType   = "text/plain"
	binaryType = "application/octet-stream"
)

func (restCodec) protocol() Protocol { return RESTJSON }

// claims takes what is signed for a REST API, and what one of its routes leads to.
func (restCodec) claims(t *table, r *http.Request) bool {
	s, _, _, known := t.restService(r)
	return s != nil || known
}

func (restCodec) route(t *table, req *request) (*service, *operation, *Error) {
	s, op, labels, known := t.restService(req.http)
	switch {
	case op != nil:
	case known:
		return s, nil, &Error{Code: "UnknownOperationException", QueryCode: "InvalidAction", Status: 404,
			Message: "The method " + clip([]byte(req.http.Method)) + " does not go with this path."}
	default:
		return s, nil, &Error{Code: "UnknownOperationException", QueryCode: "InvalidAction", Status: 404,
			Message: "No operation answers to the path of the request."}
	}
	req.labels = labels
	if err := op.rest.checkMedia(req.http); err != nil {
		return s, nil, err
	}
	return s, op, nil
}

func (restCodec) routeBody(*table, *request) (*service, *operation, *Error) {
	return nil, nil, unknownOperation("No operation answers to the path of the request.")
}

// checkMedia refuses a body of another type than the operation takes, if it says
// so. Binary payloads without a type of their own can be anything.
func (b *binding) checkMedia(r *http.Request) *Error {
	media := mediaType(r.Header)
	if b == nil || b.takes == "" || media == "" || media == b.takes || r.ContentLength == 0 {
		return nil
	}
	return wrongMedia("The request body must be of type " + b.takes + ".")
}

func (restCodec) decode(req *request, op *operation, in reflect.Value) *Error {
	b := op.rest
	for i, f := range b.labels {
		if f == nil {
			continue
		}
		if err := setText(f, in, req.labels[i], dateTime); err != nil {
			return err
		}
	}
	if err := b.decodeQuery(req, in); err != nil {
		return err
	}
	if err := b.decodeHeaders(req, in); err != nil {
		return err
	}
	if op.streamBody {
		return nil
	}
	if b.payload != nil {
		return b.decodePayload(req, in)
	}
	if len(b.body.fields) == 0 {
		return nil
	}
	return decodeJSON(req.body, b.body, in, &req.meter)
}

// decodePayload reads the body into the one member that it is. An empty body leaves
// the member absent.
func (b *binding) decodePayload(req *request, in reflect.Value) *Error {
	f := b.payload
	v := in.Field(f.index)
	if len(req.body) == 0 {
		return nil
	}
	p := f.plan
	if p.kind == kindPointer {
		p = p.elem
		v.Set(reflect.New(p.typ))
		v = v.Elem()
	}
	switch p.kind {
	case kindBytes:
		v.SetBytes(append([]byte(nil), req.body...))
		return nil
	case kindString:
		v.SetString(string(req.body))
		return nil
	}
	s := scanner{data: req.body, meter: &req.meter}
	if err := s.decode(p, v, f.name); err != nil {
		return err
	}
	if s.next(); s.pos != len(s.data) {
		return serialization(errSyntax)
	}
	return nil
}

func (restCodec) encode(a *answer, req *request, op *operation, out reflect.Value) {
	b := op.restOut
	a.status = op.route.Status
	if out.IsValid() {
		b.encodeHeaders(a, out)
	}
	switch {
	case b.payload != nil:
		if out.IsValid() {
			b.encodePayload(a, out)
		}
	case op.out == emptyType || a.status == http.StatusNoContent:
	case !out.IsValid():
		a.contentType = restType
		a.body = append(a.body, "{}"...)
	default:
		a.contentType = restType
		a.body = appendJSON(a.body, b.body, out)
	}
}

func (b *binding) encodePayload(a *answer, out reflect.Value) {
	f := b.payload
	v, p := out.Field(f.index), f.plan
	if p.kind == kindPointer {
		if v.IsNil() {
			return
		}
		v, p = v.Elem(), p.elem
	}
	a.contentType = b.takes
	switch p.kind {
	case kindBytes:
		if v.IsNil() {
			a.contentType = ""
			return
		}
		if b.takes == "" {
			a.contentType = binaryType
		}
		a.body = append(a.body, v.Bytes()...)
	case kindString:
		a.body = append(a.body, v.String()...)
	case kindDocument:
		if v.IsNil() {
			a.contentType = ""
			return
		}
		fallthrough
	default:
		a.body = appendJSON(a.body, p, v)
	}
}

func (restCodec) encodeError(a *answer, _ *request, s *service, e *Error) {
	a.contentType = restType
	a.header["X-Amzn-Errortype"] = []string{headerText(e.Code)}
	p, detail := e.detail()
	if p != nil {
		b := newBinding(p, false)
		b.encodeHeaders(a, detail)
		p = b.body
	}
	a.body = appendJSONMessage(a.body, "", e, p, detail)
}

func (restCodec) document(b []byte, p *plan, v reflect.Value) []byte {
	return jsonCodec{}.document(b, p, v)
}

func (restCodec) mediaType(*service) string { return restType }
