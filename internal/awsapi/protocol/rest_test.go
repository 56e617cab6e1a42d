package protocol

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/waystation/waystation/internal/awsapi/protocol/eventstream"
)

// places has a member in every place, of many kinds.
type placed struct {
	Name    string            `http:"label"`
	At      *time.Time        `http:"label"`
	Count   *int32            `http:"query=count"`
	Names   []string          `http:"query=name"`
	Rest    map[string]string `http:"queryparams"`
	Flag    *bool             `http:"header=X-Flag"`
	Since   *time.Time        `http:"header=X-Since"`
	Times   []time.Time       `http:"header=X-Times"`
	Words   []string          `http:"header=X-Words"`
	Numbers []float64         `http:"header=X-Numbers"`
	Secret  string            `aws:",base64" http:"header=X-Secret"`
	Meta    map[string]string `http:"prefix=X-Meta-"`
	Status  int32             `http:"status"`
	Body    string
	Choice  *placedChoice
}

type placedChoice struct {
	_    Union
	A, B *string
}

// everywhere is an API that speaks all protocols.
func everywhere() *API {
	echo := func(_ context.Context, _ *Call, in *placed) (*placed, error) { return in, nil }
	events := func(_ context.Context, _ *Call, in *placed) (*placed, Events[placedEvents], error) {
		return in, func(_ context.Context, send func(*placedEvents) error) error {
			if err := send(&placedEvents{Headed: &headedEvent{Number: 7, Text: "t", Blob: []byte("b"), At: ptr(time.UnixMilli(1500)), Body: in.Body}}); err != nil {
				return err
			}
			if err := send(&placedEvents{Raw: &rawEvent{Payload: []byte(in.Body)}}); err != nil {
				return err
			}
			return &Error{Code: "Ended", Message: "No more."}
		}, nil
	}
	return &API{Name: "sqs", Title: "Everything", Target: "E", JSON: "1.1", CBOR: true, RPC: "E", REST: true, Namespace: "urn:e", Operations: []Operation{
		Op("Echo", echo, At("POST", "/echo/{Name}/at/{At}", 201)),
		Stream("Tell", events, At("POST", "/tell/{Name}/at/{At}", 0)),
	}}
}

type placedEvents struct {
	Headed *headedEvent
	Raw    *rawEvent
}

type headedEvent struct {
	Number int16      `http:"header"`
	Text   string     `http:"header"`
	Blob   []byte     `http:"header"`
	At     *time.Time `http:"header"`
	None   *bool      `http:"header"`
	Body   string
}

type rawEvent struct {
	Payload []byte `http:"payload"`
}

func TestRESTPlaces(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *Config) { c.APIs = []*API{everywhere()} })
	r := httptest.NewRequest("POST", "http://127.0.0.1/echo/a%2Fb%20c/at/2018-01-09T20:51:21.123Z?count=7&name=x&name=y%26&name=&other=1&other=2",
		strings.NewReader(`{"Body":"text","Name":"not this","Choice":{"B":"b"}}`))
	r.Header.Set("X-Flag", "true")
	r.Header.Set("X-Since", "Tue, 09 Jan 2018 20:51:21 GMT")
	r.Header["X-Times"] = []string{"Tue, 09 Jan 2018 20:51:21 GMT, Wed, 10 Jan 2018 20:51:21 GMT", "Thu, 11 Jan 2018 20:51:21 GMT"}
	r.Header.Set("X-Words", `plain, "quoted, \"word\"" ,last`)
	r.Header.Set("X-Numbers", "1.5,NaN,-Infinity")
	r.Header.Set("X-Secret", "w6Q=")
	r.Header.Set("X-Meta-One", "1")
	w := f.do(r)
	if w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	// In answers labels and parameters stand in the body.
	want := map[string]any{"Name": "a/b c", "At": 1515531081.123, "Count": 7.0, "Names": []any{"x", "y&", ""}, "Body": "text",
		"Rest": map[string]any{"count": "7", "name": "x", "other": "1"}, "Choice": map[string]any{"B": "b"}}
	if !reflect.DeepEqual(body, want) {
		t.Errorf("body %v\nwant %v", body, want)
	}
	for name, want := range map[string]string{
		"X-Flag": "true", "X-Since": "Tue, 09 Jan 2018 20:51:21 GMT", "X-Numbers": "1.5, NaN, -Infinity", "X-Secret": "w6Q=", "X-Meta-One": "1",
		"X-Times": "Tue, 09 Jan 2018 20:51:21 GMT, Wed, 10 Jan 2018 20:51:21 GMT, Thu, 11 Jan 2018 20:51:21 GMT",
		"X-Words": `plain, "quoted, \"word\"", last`, "Content-Type": "application/json",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestRESTRefuses(t *testing.T) {
	t.Parallel()
	const good = "http://127.0.0.1/echo/n/at/2018-01-09T20:51:21Z"
	for _, tt := range []struct {
		name, url, header, value, body string
		status                         int
		code, want                     string
	}{
		{"time in the path", "http://127.0.0.1/echo/n/at/yesterday", "", "", "", 400, "SerializationException", "At: the value yesterday can not be converted to a Timestamp"},
		{"number in the query", good + "?count=x", "", "", "", 400, "SerializationException", "Count: the value x"},
		{"query", good + "?name=%zz", "", "", "", 400, "SerializationException", "syntax error"},
		{"bool in a header", good, "X-Flag", "yes", "", 400, "SerializationException", "Flag: the value yes"},
		{"list in a header", good, "X-Words", `"open`, "", 400, "SerializationException", "Words: is not a list of quoted strings"},
		{"behind a quote", good, "X-Words", `"a" b`, "", 400, "SerializationException", "Words: is not a list of quoted strings"},
		{"base64", good, "X-Secret", "*", "", 400, "SerializationException", "Secret: the value *"},
		{"body", good, "", "", `{"Body":1}`, 400, "SerializationException", "Body: NUMBER_VALUE"},
		{"media type", good, "Content-Type", "text/plain", `{}`, 415, "UnsupportedMediaTypeException", "must be of type application/json"},
		{"method", "http://127.0.0.1/echo/n/at/x", "method", "GET", "", 404, "UnknownOperationException", "does not go with this path"},
		{"many values", good + "?" + strings.Repeat("name=a&", maxParameters+1), "", "", "", 400, "SerializationException", "4096"},
		{"many in a header", good, "X-Words", strings.Repeat("a,", DefaultMaxValues+1), "", 400, "SerializationException", "too many values"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(c *Config) { c.APIs = []*API{everywhere()} })
			method := "POST"
			if tt.header == "method" {
				method = tt.value
			}
			r := httptest.NewRequest(method, tt.url, strings.NewReader(tt.body))
			if tt.header != "" {
				r.Header.Set(tt.header, tt.value)
			}
			w := f.do(r)
			if w.Code != tt.status || w.Header().Get("X-Amzn-Errortype") != tt.code || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("%d %v %s\nwant %d %s %s", w.Code, w.Header(), w.Body, tt.status, tt.code, tt.want)
			}
		})
	}
}

// TestBindings: tables whose members cannot be bound are refused at start.
func TestBindings(t *testing.T) {
	t.Parallel()
	serve := func(op Operation) error {
		_, err := newTable([]*API{{Name: "x", Title: "X", REST: true, Operations: []Operation{op}}}, 1<<20)
		return err
	}
	at := At("GET", "/a/{Name}", 0)
	type inner struct{ A string }
	for name, op := range map[string]Operation{
		"no member for a label": OpOf("A", reflect.TypeFor[Empty](), reflect.TypeFor[Empty](), nilCall, at),
		"label of another path": OpOf("A", reflect.TypeFor[struct {
			N string `http:"label=Name"`
			M string `http:"label"`
		}](), reflect.TypeFor[Empty](), nilCall, at),
		"structure as a label": OpOf("A", reflect.TypeFor[struct {
			Name inner `http:"label"`
		}](), reflect.TypeFor[Empty](), nilCall, at),
		"structure in a header": OpOf("A", reflect.TypeFor[struct {
			Name string `http:"label"`
			H    inner  `http:"header"`
		}](), reflect.TypeFor[Empty](), nilCall, at),
		"map of numbers": OpOf("A", reflect.TypeFor[struct {
			Name string         `http:"label"`
			M    map[string]int `http:"prefix=X-"`
		}](), reflect.TypeFor[Empty](), nilCall, at),
		"status that is a string": OpOf("A", reflect.TypeFor[struct {
			Name string `http:"label"`
			S    string `http:"status"`
		}](), reflect.TypeFor[Empty](), nilCall, at),
		"no such place": OpOf("A", reflect.TypeFor[struct {
			Name string `http:"cookie"`
		}](), reflect.TypeFor[Empty](), nilCall, at),
		"no such option": OpOf("A", reflect.TypeFor[struct {
			Name string `aws:",later"`
		}](), reflect.TypeFor[Empty](), nilCall, at),
		"payload and body": OpOf("A", reflect.TypeFor[struct {
			Name string `http:"label"`
			P    []byte `http:"payload"`
			B    string
		}](), reflect.TypeFor[Empty](), nilCall, at),
		"union of what is there": OpOf("A", reflect.TypeFor[struct {
			Name string `http:"label"`
			U    struct {
				U Union
				A string
			}
		}](), reflect.TypeFor[Empty](), nilCall, at),
		"pointer to a list": OpOf("A", reflect.TypeFor[struct {
			Name string `http:"label"`
			L    *[]string
		}](), reflect.TypeFor[Empty](), nilCall, at),
		"event that is no pointer": Stream("A", func(context.Context, *Call, *Empty) (*Empty, Events[struct{ E inner }], error) { return nil, nil, nil }, At("GET", "/a", 0)),
	} {
		if err := serve(op); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := serve(OpOf("A", reflect.TypeFor[struct {
		N string `http:"label=Name"`
	}](), reflect.TypeFor[Empty](), nilCall, at)); err != nil {
		t.Error(err)
	}
}

func nilCall(context.Context, *Call, any) (any, error) { return nil, nil }

// TestEventStreams: the same events over each protocol.
func TestEventStreams(t *testing.T) {
	t.Parallel()
	asJSON := func(b []byte, v any) error { return json.Unmarshal(b, v) }
	cborBody := fromHex(t, "a1 64426f6479 6474657874")
	for _, tt := range []struct {
		name    string
		path    string
		headers map[string]string
		body    []byte
		media   string
		read    func([]byte, any) error
		initial bool
	}{
		{"JSON", "/", map[string]string{"X-Amz-Target": "E.Tell"}, []byte(`{"Body":"text"}`), "application/x-amz-json-1.1", asJSON, true},
		{"CBOR", "/", map[string]string{"X-Amz-Target": "E.Tell", "Content-Type": cborType}, cborBody, cborType, cbor.Unmarshal, true},
		{"RPC", "/service/E/operation/Tell", map[string]string{"Smithy-Protocol": rpcName, "Content-Type": rpcType}, cborBody, rpcType, cbor.Unmarshal, true},
		{"REST", "/tell/n/at/2018-01-09T20:51:21Z", map[string]string{"X-Flag": "true"}, []byte(`{"Body":"text"}`), "application/json", asJSON, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(c *Config) { c.APIs = []*API{everywhere()} })
			r := httptest.NewRequest("POST", "http://127.0.0.1"+tt.path, bytes.NewReader(tt.body))
			for k, v := range tt.headers {
				r.Header.Set(k, v)
			}
			w := f.do(r)
			if w.Code != 200 || w.Header().Get("Content-Type") != eventsType {
				t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
			}
			stream := eventstream.NewReader(w.Body, 0)
			next := func(kind, name string) eventstream.Message {
				t.Helper()
				m, err := stream.Next()
				if err != nil {
					t.Fatal(err)
				}
				header := eventstream.EventType
				if kind == "exception" {
					header = eventstream.ExceptionType
				}
				if m.Text(eventstream.MessageType) != kind || m.Text(header) != name {
					t.Fatalf("message %+v, want %s %s", m, kind, name)
				}
				return m
			}
			type document struct{ Body, Message string }
			read := func(m eventstream.Message) (d document) {
				t.Helper()
				if m.Text(eventstream.ContentType) != tt.media {
					t.Errorf("%s, want %s", m.Text(eventstream.ContentType), tt.media)
				}
				var raw map[string]any
				if err := tt.read(m.Payload, &raw); err != nil {
					t.Fatalf("%v in %q", err, m.Payload)
				}
				d.Body, _ = raw["Body"].(string)
				d.Message, _ = raw["message"].(string)
				return d
			}
			if tt.initial {
				if m := next("event", "initial-response"); read(m).Body != "text" {
					t.Errorf("initial response %q", m.Payload)
				}
			} else if w.Header().Get("X-Flag") != "true" {
				t.Errorf("headers %v", w.Header())
			}
			m := next("event", "Headed")
			want := []eventstream.Header{{Name: "Number", Value: int16(7)}, {Name: "Text", Value: "t"}, {Name: "Blob", Value: []byte("b")}, {Name: "At", Value: time.UnixMilli(1500).UTC()}}
			if got := m.Headers[3:]; !reflect.DeepEqual(got, want) || read(m).Body != "text" {
				t.Errorf("headers %v, want %v", got, want)
			}
			if m = next("event", "Raw"); string(m.Payload) != "text" || m.Text(eventstream.ContentType) != "application/octet-stream" {
				t.Errorf("raw event %+v", m)
			}
			if m = next("exception", "Ended"); read(m).Message != "No more." {
				t.Errorf("exception %q", m.Payload)
			}
			if _, err := stream.Next(); err == nil {
				t.Error("the stream goes on")
			}
		})
	}
}

// TestEventTooLarge: what a message cannot carry ends as an error, not as a broken
// stream.
func TestEventTooLarge(t *testing.T) {
	t.Parallel()
	b := appendMessage(nil, &eventstream.Message{Payload: make([]byte, eventstream.MaxPayload+1)})
	m, rest, err := eventstream.Decode(b)
	if err != nil || len(rest) > 0 || m.Text(eventstream.MessageType) != "error" || m.Text(eventstream.ErrorCode) != "InternalFailure" {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestErrorMembers: an error's own members, over each protocol.
func TestErrorMembers(t *testing.T) {
	t.Parallel()
	type detail struct {
		Type  string
		Retry *int32 `http:"header=Retry-After"`
	}
	fail := func(context.Context, *Call, *Empty) (*Empty, error) {
		return nil, &Error{Code: "Busy", Status: 429, Message: "Later.", Detail: detail{Type: "User", Retry: ptr(int32(3))}}
	}
	api := &API{Name: "sqs", Title: "X", Target: "E", JSON: "1.1", RPC: "E", REST: true, Namespace: "urn:e", Operations: []Operation{Op("Fail", fail, At("GET", "/fail", 0))}}
	for name, tt := range map[string]struct {
		method, path string
		headers      map[string]string
		want         string
	}{
		"JSON":  {"POST", "/", map[string]string{"X-Amz-Target": "E.Fail"}, `{"__type":"Busy","message":"Later.","Type":"User","Retry":3}`},
		"REST":  {"GET", "/fail", nil, `{"message":"Later.","Type":"User"}`},
		"Query": {"GET", "/?Action=Fail", nil, `<Code>Busy</Code><Message>Later.</Message><Type>User</Type><Retry>3</Retry>`},
		"RPC":   {"POST", "/service/E/operation/Fail", map[string]string{"Smithy-Protocol": rpcName}, "dTypedUsereRetry\x03"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(c *Config) { c.APIs = []*API{api} })
			r := httptest.NewRequest(tt.method, "http://127.0.0.1"+tt.path, nil)
			for k, v := range tt.headers {
				r.Header.Set(k, v)
			}
			w := f.do(r)
			if w.Code != 429 || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("%d %q, want %q", w.Code, w.Body, tt.want)
			}
			if name == "REST" && (w.Header().Get("Retry-After") != "3" || w.Header().Get("X-Amzn-Errortype") != "Busy") {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
}

// TestReadEvents reads a client's events in a handler, to an exception of the client.
func TestReadEvents(t *testing.T) {
	t.Parallel()
	var got []string
	var gotErr error
	read := func(_ context.Context, c *Call, in *struct {
		Name string `http:"label"`
	}) (*Empty, error) {
		for e, err := range ReadEvents[placedEvents](c, 1<<10) {
			switch {
			case err != nil:
				gotErr = err
			case e.Raw != nil:
				got = append(got, "raw "+string(e.Raw.Payload))
			case e.Headed != nil:
				got = append(got, fmt.Sprint("headed ", e.Headed.Number, e.Headed.Text, e.Headed.Body))
			}
		}
		return nil, gotErr
	}
	api := &API{Name: "sqs", Title: "X", REST: true, Operations: []Operation{Op("Read", read, At("POST", "/read/{Name}", 0), StreamBody())}}
	event := func(kind, name string, payload string, headers ...eventstream.Header) []byte {
		header := map[string]string{"event": eventstream.EventType, "exception": eventstream.ExceptionType, "error": eventstream.ErrorCode, "news": eventstream.EventType}[kind]
		return appendMessage(nil, &eventstream.Message{Payload: []byte(payload), Headers: append([]eventstream.Header{
			{Name: eventstream.MessageType, Value: kind}, {Name: header, Value: name}}, headers...)})
	}
	headed := event("event", "Headed", `{"Body":"b"}`, eventstream.Header{Name: "Number", Value: int64(7)}, eventstream.Header{Name: "Text", Value: "t"}, eventstream.Header{Name: "Other", Value: true})
	for _, tt := range []struct {
		name string
		body []byte
		want string
		code string
	}{
		{"none", nil, "", ""},
		{"two", append(event("event", "Raw", "x"), headed...), "raw x|headed 7tb", ""},
		{"exception", append(event("event", "Raw", "x"), event("exception", "Gone", "")...), "raw x", "Gone"},
		{"error", event("error", "Odd", ""), "", "Odd"},
		{"unknown event", event("event", "Strange", ""), "", "SerializationException"},
		{"unknown message", event("news", "Raw", ""), "", "SerializationException"},
		{"header of another type", event("event", "Headed", "{}", eventstream.Header{Name: "Number", Value: "7"}), "", "SerializationException"},
		{"number too large", event("event", "Headed", "{}", eventstream.Header{Name: "Number", Value: int64(70000)}), "", "SerializationException"},
		{"document", event("event", "Headed", "{"), "", "SerializationException"},
		{"cut", headed[:len(headed)-1], "", "SerializationException"},
		{"too long", event("event", "Raw", strings.Repeat("x", 2<<10)), "", "SerializationException"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, gotErr = nil, nil
			f := newFixture(t, func(c *Config) { c.APIs = []*API{api} })
			w := f.do(httptest.NewRequest("POST", "http://127.0.0.1/read/n", bytes.NewReader(tt.body)))
			var e *Error
			if strings.Join(got, "|") != tt.want || (tt.code == "") != (gotErr == nil) || tt.code != "" && (!errors.As(gotErr, &e) || e.Code != tt.code) {
				t.Errorf("%d %s: %q, %v", w.Code, w.Body, got, gotErr)
			}
		})
	}
}

// FuzzReadEvents: whatever comes, it ends.
func FuzzReadEvents(f *testing.F) {
	f.Add([]byte(`{"Body":"b"}`), "Headed", "Number", int64(7))
	f.Add([]byte("x"), "Raw", "At", int64(1))
	f.Fuzz(func(t *testing.T, payload []byte, name, header string, value int64) {
		body := appendMessage(nil, &eventstream.Message{Payload: payload, Headers: []eventstream.Header{
			{Name: eventstream.MessageType, Value: "event"}, {Name: eventstream.EventType, Value: name}, {Name: header, Value: value}}})
		for _, p := range []Protocol{RESTJSON, CBOR, RPCv2CBOR} {
			n := 0
			for e, err := range ReadEvents[placedEvents](&Call{Body: bytes.NewReader(append(body, payload...)), Protocol: p}, 0) {
				if n++; n > 1+len(payload) || (e == nil) == (err == nil) {
					t.Fatalf("%v, %v", e, err)
				}
			}
		}
	})
}

// FuzzProtocols sends whatever net/http takes for a request to an API that speaks
// all protocols: every one gets a well-formed answer, and nothing fails inside.
func FuzzProtocols(f *testing.F) {
	f.Add("POST /echo/n%2F/at/2018-01-09T20:51:21.123Z?count=7&name=x HTTP/1.1\r\nHost: h\r\nX-Words: a, \"b\\\"\", c\r\nX-Times: Tue, 09 Jan 2018 20:51:21 GMT, x\r\nX-Meta-A: b\r\nContent-Length: 28\r\n\r\n{\"Body\":\"x\",\"Choice\":{\"A\":1}}")
	f.Add("POST / HTTP/1.1\r\nHost: h\r\nX-Amz-Target: E.Echo\r\nContent-Type: application/x-amz-cbor-1.1\r\nContent-Length: 12\r\n\r\n\xa1\x64Body\x64text")
	f.Add("POST /service/E/operation/Echo HTTP/1.1\r\nHost: h\r\nSmithy-Protocol: rpc-v2-cbor\r\nContent-Length: 24\r\n\r\n\xbf\x64Body\x7f\x62te\x62xt\xff\x66Status\x18\x64\xff")
	f.Add("POST /tell/n/at/2018-01-09T20:51:21Z HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}")
	f.Add("GET /?Action=Echo&Names.member.1=a&Choice.A=b HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\n\r\n")
	fx := newFixture(f, func(c *Config) { c.APIs = []*API{everywhere()} })
	f.Fuzz(func(t *testing.T, raw string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil {
			return
		}
		r.Host = "127.0.0.1"
		w := httptest.NewRecorder()
		fx.ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError || fx.log.Len() > 0 {
			t.Fatalf("%d %s, log %s", w.Code, w.Body, fx.log)
		}
		if r.Method == http.MethodHead || w.Body.Len() == 0 {
			return
		}
		switch body := w.Body.Bytes(); w.Header().Get("Content-Type") {
		case restType, "application/x-amz-json-1.1", "application/x-amz-json-1.0":
			if !json.Valid(body) {
				t.Fatalf("no JSON: %s", body)
			}
		case rpcType, cborType:
			if err := cbor.Wellformed(body); err != nil {
				t.Fatalf("no CBOR: %x", body)
			}
		case eventsType:
			for len(body) > 0 {
				if _, body, err = eventstream.Decode(body); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
