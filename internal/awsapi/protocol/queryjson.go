package protocol

import (
	"net/http"
	"reflect"
	"strings"
)

// Query's answers can be had in JSON: with an Accept header that names
// application/json AWS writes the elements of its XML as objects, with lists and
// maps as arrays under the names of AWS's own model, and null for what is absent.
// Gateways and small clients without an SDK read them.

// wantsJSON reports whether a client of Query asks for JSON.
func wantsJSON(r *http.Request) bool {
	for _, accept := range r.Header["Accept"] {
		for media := range strings.SplitSeq(accept, ",") {
			media, _, _ = strings.Cut(media, ";")
			if strings.EqualFold(strings.TrimSpace(media), restType) {
				return true
			}
		}
	}
	return false
}

func encodeQueryJSON(a *answer, req *request, op *operation, out reflect.Value) {
	a.contentType = restType
	b := append(a.body, '{')
	b = append(appendJSONString(b, op.Name+"Response"), ":{"...)
	if len(op.output.fields) > 0 {
		b = append(appendJSONString(b, op.Name+"Result"), ':')
		if !out.IsValid() {
			out = reflect.Zero(op.output.typ)
		}
		b = append(appendQueryJSON(b, &plain, op.output, out), ',')
	}
	b = append(b, `"ResponseMetadata":{"RequestId":`...)
	b = appendJSONString(b, req.call.RequestID)
	a.body = append(b, "}}}"...)
}

func encodeQueryJSONError(a *answer, req *request, e *Error) {
	a.contentType = restType
	fault := "Sender"
	if e.Receiver {
		fault = "Receiver"
	}
	b := append(a.body, `{"Error":{"Code":`...)
	b = appendJSONString(b, e.queryCode())
	b = append(b, `,"Detail":null,"Message":`...)
	b = appendJSONString(b, e.Message)
	b = append(b, `,"Type":"`...)
	b = append(b, fault...)
	b = append(b, `"},"RequestId":`...)
	b = appendJSONString(b, req.call.RequestID)
	a.body = append(b, '}')
}

// appendQueryJSON appends a value; fd names the parts of maps.
func appendQueryJSON(b []byte, fd *field, p *plan, v reflect.Value) []byte {
	switch p.kind {
	case kindPointer:
		if v.IsNil() {
			return append(b, "null"...)
		}
		return appendQueryJSON(b, fd, p.elem, v.Elem())
	case kindStruct:
		b = append(b, '{')
		for i := range p.fields {
			f := &p.fields[i]
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendJSONString(b, f.queryDoc), ':')
			if m := v.Field(f.index); f.empty(m) {
				b = append(b, "null"...)
			} else {
				b = appendQueryJSON(b, f, f.plan, m)
			}
		}
		return append(b, '}')
	case kindList:
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendQueryJSON(b, &plain, p.elem, v.Index(i))
		}
		return append(b, ']')
	case kindMap:
		b = append(b, '[')
		for i, k := range sortedKeys(v) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendJSONString(append(b, '{'), fd.key), ':')
			b = append(appendJSONString(b, k.String()), ',')
			b = append(appendJSONString(b, fd.value), ':')
			b = append(appendQueryJSON(b, &plain, p.elem, v.MapIndex(k)), '}')
		}
		return append(b, ']')
	}
	return appendJSON(b, p, v)
}
