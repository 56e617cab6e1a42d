package protocol

import (
	"fmt"
	"reflect"
	"time"

	"github.com/waystation/waystation/internal/awsapi/protocol/eventstream"
)

const eventsType = "application/vnd.amazon.eventstream"

// documents are the codecs whose documents stand in event streams.
type documents interface {
	mediaType(s *service) string
	// document appends a struct of plan p; v may be invalid, for an empty one.
	document(b []byte, p *plan, v reflect.Value) []byte
}

// The codecs of RPC protocols begin a stream with the members that the output has
// beside it, as an event of its own.
const initialResponse = "initial-response"

func (c jsonCodec) beginEvents(a *answer, _ *request, op *operation, out reflect.Value) {
	beginRPC(c, a, op, out)
}

func (c cborCodec) beginEvents(a *answer, _ *request, op *operation, out reflect.Value) {
	beginRPC(c, a, op, out)
}

func (c rpcCodec) beginEvents(a *answer, _ *request, op *operation, out reflect.Value) {
	a.header["Smithy-Protocol"] = []string{rpcName}
	beginRPC(c, a, op, out)
}

func beginRPC(c documents, a *answer, op *operation, out reflect.Value) {
	a.contentType = eventsType
	a.body = appendMessage(a.body, &eventstream.Message{
		Headers: eventHeaders(initialResponse, c.mediaType(op.service)),
		Payload: c.document(nil, op.output, out),
	})
}

// beginEvents writes them where answers without a stream have them: in headers.
func (c restCodec) beginEvents(a *answer, _ *request, op *operation, out reflect.Value) {
	a.contentType = eventsType
	a.status = op.route.Status
	if out.IsValid() {
		op.restOut.encodeHeaders(a, out)
	}
}

func (c jsonCodec) appendEvent(b []byte, op *operation, e reflect.Value) []byte {
	return appendEvent(b, c, op, e)
}

func (c cborCodec) appendEvent(b []byte, op *operation, e reflect.Value) []byte {
	return appendEvent(b, c, op, e)
}

func (c rpcCodec) appendEvent(b []byte, op *operation, e reflect.Value) []byte {
	return appendEvent(b, c, op, e)
}

func (c restCodec) appendEvent(b []byte, op *operation, e reflect.Value) []byte {
	return appendEvent(b, c, op, e)
}

func (c jsonCodec) appendEventError(b []byte, s *service, e *Error) []byte {
	return appendException(b, c.mediaType(s), e, appendJSONError(nil, "", e))
}

func (c restCodec) appendEventError(b []byte, s *service, e *Error) []byte {
	return appendException(b, c.mediaType(s), e, appendJSONError(nil, "", e))
}

func (c cborCodec) appendEventError(b []byte, s *service, e *Error) []byte {
	return appendException(b, c.mediaType(s), e, appendCBORError(nil, e.Code, e, true))
}

func (c rpcCodec) appendEventError(b []byte, s *service, e *Error) []byte {
	return appendException(b, c.mediaType(s), e, appendCBORError(nil, qualified(s, e.Code), e, false))
}

func eventHeaders(event, media string) []eventstream.Header {
	h := []eventstream.Header{{Name: eventstream.MessageType, Value: "event"}, {Name: eventstream.EventType, Value: event}}
	if media != "" {
		h = append(h, eventstream.Header{Name: eventstream.ContentType, Value: media})
	}
	return h
}

// appendEvent appends the one member that the union e has. Of the event's own
// members those at `http:"header"` become headers of the message; one that is the
// payload stands alone, all others in a document.
func appendEvent(b []byte, c documents, op *operation, e reflect.Value) []byte {
	for i := range op.event.fields {
		f := &op.event.fields[i]
		v := e.Field(f.index)
		if v.IsNil() {
			continue
		}
		event, v := op.events[i], v.Elem()
		m := eventstream.Message{}
		switch {
		case event.payload != nil:
			var media string
			m.Payload, media = event.eventPayload(c, op.service, v)
			m.Headers = eventHeaders(f.name, media)
		case len(event.body.fields) > 0:
			m.Headers = eventHeaders(f.name, c.mediaType(op.service))
			m.Payload = c.document(nil, event.body, v)
		default:
			m.Headers = eventHeaders(f.name, "")
		}
		for _, h := range event.headers {
			if value, ok := eventValue(h.plan, v.Field(h.index)); ok {
				m.Headers = append(m.Headers, eventstream.Header{Name: h.name, Value: value})
			}
		}
		return appendMessage(b, &m)
	}
	return b // a union without a member says nothing
}

func (b *binding) eventPayload(c documents, s *service, event reflect.Value) ([]byte, string) {
	v, p := event.Field(b.payload.index), b.payload.plan
	if p.kind == kindPointer {
		if v.IsNil() {
			return nil, ""
		}
		v, p = v.Elem(), p.elem
	}
	switch p.kind {
	case kindBytes:
		return v.Bytes(), binaryType
	case kindString:
		return []byte(v.String()), textType
	}
	return c.document(nil, p, v), c.mediaType(s)
}

// eventValue gives a member as a header's value, whose type is that of the member.
func eventValue(p *plan, v reflect.Value) (any, bool) {
	switch p.kind {
	case kindPointer:
		if v.IsNil() {
			return nil, false
		}
		return eventValue(p.elem, v.Elem())
	case kindString:
		return v.String(), true
	case kindBool:
		return v.Bool(), true
	case kindTime:
		return v.Interface().(time.Time), true
	case kindBytes:
		return v.Bytes(), !v.IsNil()
	case kindInt:
		switch p.bits {
		case 8:
			return int8(v.Int()), true
		case 16:
			return int16(v.Int()), true
		case 32:
			return int32(v.Int()), true
		}
		return v.Int(), true
	}
	return nil, false
}

func appendException(b []byte, media string, e *Error, body []byte) []byte {
	return appendMessage(b, &eventstream.Message{
		Headers: []eventstream.Header{
			{Name: eventstream.MessageType, Value: "exception"},
			{Name: eventstream.ExceptionType, Value: e.Code},
			{Name: eventstream.ContentType, Value: media},
		},
		Payload: body,
	})
}

// appendMessage appends a message, or, if it cannot be written, one that says so:
// services bound their events far below the format's limits.
func appendMessage(b []byte, m *eventstream.Message) []byte {
	out, err := eventstream.Append(b, m)
	if err == nil {
		return out
	}
	out, _ = eventstream.Append(b, &eventstream.Message{Headers: []eventstream.Header{
		{Name: eventstream.MessageType, Value: "error"},
		{Name: eventstream.ErrorCode, Value: "InternalFailure"},
		{Name: eventstream.ErrorMessage, Value: "The event is larger than a stream can carry."},
	}})
	return out
}

// bindEvents makes the bindings of the events of a stream.
func bindEvents(p *plan) ([]*binding, error) {
	var list []*binding
	for i := range p.fields {
		f := &p.fields[i]
		if f.plan.kind != kindPointer || f.plan.elem.kind != kindStruct {
			return nil, fmt.Errorf("%s.%s: an event must be a pointer to a struct", p.typ, f.name)
		}
		list = append(list, newBinding(f.plan.elem, false))
	}
	return list, nil
}
