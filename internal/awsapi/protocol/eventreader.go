package protocol

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"time"

	"github.com/waystation/waystation/internal/awsapi/protocol/eventstream"
)

// EventReader reads the events that a client sends in the body of an operation made
// with StreamBody. Not safe for concurrent use.
type EventReader struct {
	messages *eventstream.Reader
	union    *plan
	events   []*binding
	document func(body []byte, p *plan, into reflect.Value, m *meter) *Error
}

// NewEventReader reads events of a union: a struct of pointers, of which each event
// sets the one of its type's name. Messages of more than max bytes end the stream
// with an error; 0 is what the format allows, 24 MiB.
func NewEventReader(c *Call, union reflect.Type, max int) (*EventReader, error) {
	p, err := planner{}.plan(union)
	if err != nil {
		return nil, err
	}
	if p.kind != kindStruct {
		return nil, fmt.Errorf("%s is not a struct", union)
	}
	r := &EventReader{messages: eventstream.NewReader(c.Body, max), union: p, document: decodeJSON}
	if r.events, err = bindEvents(p); err != nil {
		return nil, err
	}
	switch c.Protocol {
	case CBOR, RPCv2CBOR:
		millis := c.Protocol == CBOR
		r.document = func(body []byte, p *plan, into reflect.Value, m *meter) *Error {
			return decodeCBOR(body, p, into, m, millis)
		}
	}
	return r, nil
}

// ReadEvents gives the events of a client, to the end of its stream or the first
// error.
func ReadEvents[E any](c *Call, max int) iter.Seq2[*E, error] {
	return func(yield func(*E, error) bool) {
		r, err := NewEventReader(c, reflect.TypeFor[E](), max)
		for err == nil {
			var e any
			if e, err = r.Next(); err == nil && !yield(e.(*E), nil) {
				return
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(nil, err)
		}
	}
}

// Next gives a pointer to the union, with one member set, and io.EOF at the end.
// What is no event of the union, or an exception that the client sent, is an *Error;
// there is nothing more to read then.
func (r *EventReader) Next() (any, error) {
	m, err := r.messages.Next()
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if err != nil {
		var e *Error
		if errors.As(err, &e) { // of the body: too large, not the one that was signed
			return nil, e
		}
		return nil, serialization("The event stream cannot be read: " + err.Error() + ".")
	}
	switch m.Text(eventstream.MessageType) {
	case "event":
	case "exception":
		return nil, &Error{Code: clip([]byte(m.Text(eventstream.ExceptionType))), Message: "The client ended the stream with an exception."}
	case "error":
		return nil, &Error{Code: clip([]byte(m.Text(eventstream.ErrorCode))), Message: "The client ended the stream with an error."}
	default:
		return nil, serialization("A message of the event stream has no " + eventstream.MessageType + " that is known.")
	}
	i, ok := r.union.byName[m.Text(eventstream.EventType)]
	if !ok {
		return nil, serialization("A message of the event stream has no " + eventstream.EventType + " that is known.")
	}
	out := reflect.New(r.union.typ)
	f := &r.union.fields[i]
	event := reflect.New(f.plan.elem.typ)
	if err := r.decode(&m, r.events[i], event.Elem()); err != nil {
		return nil, err
	}
	out.Elem().Field(f.index).Set(event)
	return out.Interface(), nil
}

func (r *EventReader) decode(m *eventstream.Message, b *binding, event reflect.Value) *Error {
	for _, f := range b.headers {
		for _, h := range m.Headers {
			if h.Name == f.name && !setHeader(f.plan, event.Field(f.index), h.Value) {
				return serialization(f.name + ": a header of type " + fmt.Sprintf("%T", h.Value) + " can not be converted to " + f.plan.kind.String())
			}
		}
	}
	var budget meter // a message's length is bounded, and so is what it holds
	if b.payload == nil {
		if len(b.body.fields) == 0 {
			return nil
		}
		return r.document(m.Payload, b.body, event, &budget)
	}
	v, p := event.Field(b.payload.index), b.payload.plan
	if p.kind == kindPointer {
		if len(m.Payload) == 0 {
			return nil
		}
		v.Set(reflect.New(p.elem.typ))
		v, p = v.Elem(), p.elem
	}
	switch p.kind {
	case kindBytes:
		v.SetBytes(append([]byte{}, m.Payload...))
	case kindString:
		v.SetString(string(m.Payload))
	case kindStruct:
		return r.document(m.Payload, p, v, &budget)
	default:
		return serialization(b.payload.name + ": such a payload cannot be read")
	}
	return nil
}

// setHeader sets a member from a header of its own type.
func setHeader(p *plan, v reflect.Value, value any) bool {
	if p.kind == kindPointer {
		v.Set(reflect.New(p.elem.typ))
		return setHeader(p.elem, v.Elem(), value)
	}
	switch value := value.(type) {
	case bool:
		if p.kind == kindBool {
			v.SetBool(value)
			return true
		}
	case int8, int16, int32, int64:
		if n := reflect.ValueOf(value).Int(); p.kind == kindInt && !v.OverflowInt(n) {
			v.SetInt(n)
			return true
		}
	case string:
		if p.kind == kindString {
			v.SetString(value)
			return true
		}
	case []byte:
		if p.kind == kindBytes {
			v.SetBytes(append([]byte{}, value...))
			return true
		}
	case time.Time:
		if p.kind == kindTime {
			v.Set(reflect.ValueOf(value))
			return true
		}
	}
	return false
}
