package vectors

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/awsapi/protocol/eventstream"
)

// eventVector is a test of a stream of events, sent or answered.
type eventVector struct {
	ID                    string
	Protocol              string
	AppliesTo             string
	InitialRequest        message
	InitialRequestParams  json.RawMessage
	InitialResponse       message
	InitialResponseParams json.RawMessage
	Events                []event
	Expectation           struct {
		Failure *struct{ ErrorID string }
	}
}

type event struct {
	Type   string // "request" or "response"
	Params json.RawMessage
	Bytes  []byte
}

// TestEvents: events are read as what they stand for, and written likewise.
func TestEvents(t *testing.T) {
	t.Parallel()
	n := 0
	for _, sv := range services(t) {
		for _, op := range sv.all() {
			raw, ok := op.Traits["smithy.test#eventStreamTests"]
			if !ok {
				continue
			}
			var all []eventVector
			if err := json.Unmarshal(raw, &all); err != nil {
				t.Fatalf("%s: %v", op.ID, err)
			}
			for _, v := range all {
				if name(v.Protocol) != sv.protocol || v.AppliesTo == "client" {
					continue
				}
				n++
				t.Run(v.ID, func(t *testing.T) { outcome(t, v.ID, sv.checkEvents(op, v)) })
			}
		}
	}
	atLeast(t, n, 75)
}

func (sv *service) checkEvents(op *shape, v eventVector) error {
	in, out := sv.structType(op.Input.Target), sv.structType(op.Output.Target)
	var body []byte
	var sent, expected []event
	for _, e := range v.Events {
		if e.Type == "request" {
			body = append(body, e.Bytes...)
			sent = append(sent, e)
		} else {
			expected = append(expected, e)
		}
	}
	first, err := sv.answer(out, op.Output.Target, v.InitialResponseParams)
	if err != nil {
		return err
	}
	var readErr error
	asked := false
	h := func(ctx context.Context, c *protocol.Call, given any) (any, func(context.Context, func(any) error) error, error) {
		asked = true
		readErr = errors.Join(sv.sameInput(op, v, given), sv.readEvents(c, op, sent))
		return first, func(_ context.Context, send func(any) error) error {
			return sv.sendEvents(op, expected, send)
		}, nil
	}
	var row protocol.Operation
	options := []protocol.Option{route(op), protocol.StreamBody()}
	if union := sv.stream(op.Output.Target); union != "" {
		row = protocol.StreamOf(name(op.ID), in, out, sv.structType(union), h, options...)
	} else {
		row = protocol.OpOf(name(op.ID), in, out, func(ctx context.Context, c *protocol.Call, in any) (any, error) {
			_, _, err := h(ctx, c, in)
			return nil, err
		}, options...)
	}
	handler, err := sv.serve("foo-id", row)
	if err != nil {
		return err
	}
	r := v.InitialRequest
	if r.URI == "" {
		var http struct{ Method, URI string }
		op.Traits.into("smithy.api#http", &http)
		r.Method, r.URI = http.Method, http.URI
	}
	w := httptest.NewRecorder()
	request := r.request()
	if body != nil {
		request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	handler.ServeHTTP(w, request)
	if !asked {
		return fmt.Errorf("refused: %d %s", w.Code, w.Body)
	}
	if want := v.Expectation.Failure; want != nil && len(sent) > 0 {
		var e *protocol.Error
		if !errors.As(readErr, &e) {
			return fmt.Errorf("was read, though it should not: %v", readErr)
		}
		return nil
	}
	if readErr != nil {
		return readErr
	}
	if err := v.InitialResponse.compare(w); err != nil {
		return err
	}
	return sameEvents(w.Body.Bytes(), expected)
}

// sameInput compares what a stream's beginning says with what the handler was given.
func (sv *service) sameInput(op *shape, v eventVector, got any) error {
	want, err := sv.answer(sv.structType(op.Input.Target), op.Input.Target, v.InitialRequestParams)
	if err != nil {
		return err
	}
	if g, w := dump(reflect.ValueOf(got)), dump(reflect.ValueOf(want)); g != w {
		return fmt.Errorf("input %s, want %s", g, w)
	}
	return nil
}

// readEvents reads the client's events and compares them.
func (sv *service) readEvents(c *protocol.Call, op *shape, sent []event) error {
	if len(sent) == 0 {
		return nil
	}
	union := sv.stream(op.Input.Target)
	r, err := protocol.NewEventReader(c, sv.structType(union), 1<<20)
	if err != nil {
		return err
	}
	for _, e := range sent {
		got, err := r.Next()
		if err != nil {
			return err
		}
		want, err := sv.answer(sv.structType(union), union, e.Params)
		if err != nil {
			return err
		}
		if g, w := dump(reflect.ValueOf(got)), dump(reflect.ValueOf(want)); g != w {
			return fmt.Errorf("event %s, want %s", g, w)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("behind the last event: %w", err)
	}
	return nil
}

// sendEvents sends what a test expects; one that is an error ends the stream.
func (sv *service) sendEvents(op *shape, expected []event, send func(any) error) error {
	union := sv.stream(op.Output.Target)
	for _, e := range expected {
		var params map[string]json.RawMessage
		if err := json.Unmarshal(e.Params, &params); err != nil {
			return err
		}
		for member := range params {
			target := sv.model.shape(union).Members[member].Target
			if !sv.model.shape(target).Traits.has("smithy.api#error") {
				continue
			}
			detail, err := sv.answer(sv.structType(target), target, params[member])
			if err != nil {
				return err
			}
			return &protocol.Error{Code: member, Detail: detail}
		}
		value, err := sv.answer(sv.structType(union), union, e.Params)
		if err != nil {
			return err
		}
		if err := send(value); err != nil {
			return err
		}
	}
	return nil
}

// sameEvents compares messages, their headers in any order.
func sameEvents(got []byte, expected []event) error {
	for i, e := range expected {
		want, _, err := eventstream.Decode(e.Bytes)
		if err != nil {
			return err
		}
		var m eventstream.Message
		if m, got, err = eventstream.Decode(got); err != nil {
			return fmt.Errorf("event %d: %w", i, err)
		}
		if g, w := headerMap(&m), headerMap(&want); !maps.EqualFunc(g, w, func(a, b any) bool { return reflect.DeepEqual(a, b) }) {
			return fmt.Errorf("event %d has headers %v, want %v", i, g, w)
		}
		if err := sameBody(want.Text(eventstream.ContentType), m.Payload, string(want.Payload)); err != nil {
			return fmt.Errorf("event %d: %w", i, err)
		}
	}
	if len(expected) > 0 && len(got) > 0 {
		return fmt.Errorf("%s follows the last event", base64.StdEncoding.EncodeToString(got))
	}
	return nil
}

func headerMap(m *eventstream.Message) map[string]any {
	all := map[string]any{}
	for _, h := range m.Headers {
		all[h.Name] = h.Value
	}
	return all
}
