package protocol

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/waystation/waystation/internal/access"
)

const (
	testKey     = "AKIAORDERS0000000001"
	testSecret  = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	testAccount = "123456789012"
)

type sendIn struct {
	QueueUrl          string
	MessageBody       string
	DelaySeconds      *int32
	MessageAttributes map[string]attribute `query:"MessageAttribute,flat,Name,Value"`
}

type sendOut struct {
	MessageId        string
	MD5OfMessageBody string
}

type receiveIn struct {
	QueueUrl            string
	MaxNumberOfMessages int32
	AttributeNames      []string `query:"AttributeName,flat"`
}

type receiveOut struct {
	Messages []message `query:"Message,flat"`
}

type message struct {
	MessageId  string
	Body       string
	MD5OfBody  string
	Attributes map[string]string `query:"Attribute,flat,Name,Value"`
}

func md5Hex(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// toy is a little API in the shape of SQS. Handlers tell what they saw in seen.
type toy struct {
	mu   sync.Mutex
	call Call   // guarded by mu
	in   sendIn // guarded by mu
}

func (s *toy) saw() (Call, sendIn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.call, s.in
}

func (s *toy) send(_ context.Context, c *Call, in *sendIn) (*sendOut, error) {
	s.mu.Lock()
	s.call, s.in = *c, *in
	s.mu.Unlock()
	switch {
	case in.QueueUrl == "":
		return nil, MissingParameter("QueueUrl")
	case strings.HasSuffix(in.QueueUrl, "/none"):
		return nil, fmt.Errorf("queue %q: %w", in.QueueUrl, &Error{Code: "QueueDoesNotExist",
			QueryCode: "AWS.SimpleQueueService.NonExistentQueue", Message: "The specified queue does not exist."})
	case strings.HasSuffix(in.QueueUrl, "/busy"):
		return nil, Unavailable("Come back later.")
	case strings.HasSuffix(in.QueueUrl, "/broken"):
		return nil, errors.New("disk sda1 is on fire")
	case strings.HasSuffix(in.QueueUrl, "/panic"):
		panic("secret state")
	case strings.HasSuffix(in.QueueUrl, "/late"):
		return nil, fmt.Errorf("waiting: %w", context.DeadlineExceeded)
	case strings.HasSuffix(in.QueueUrl, "/denied"):
		return nil, fmt.Errorf("asking: %w", access.ErrAccessDenied)
	}
	return &sendOut{MessageId: "id-1", MD5OfMessageBody: md5Hex(in.MessageBody)}, nil
}

func (s *toy) receive(_ context.Context, _ *Call, in *receiveIn) (*receiveOut, error) {
	var out receiveOut
	for i := range min(in.MaxNumberOfMessages, 10) {
		body := "body <" + strconv.Itoa(int(i)) + ">\r\n\"ä\""
		m := message{MessageId: strconv.Itoa(int(i)), Body: body, MD5OfBody: md5Hex(body), Attributes: map[string]string{}}
		for _, n := range in.AttributeNames {
			m.Attributes[n] = "v"
		}
		out.Messages = append(out.Messages, m)
	}
	return &out, nil
}

func (s *toy) delete(context.Context, *Call, *receiveIn) (*Empty, error) { return nil, nil }

func (s *toy) api() *API {
	return &API{
		Name: "sqs", Title: "Simple Queue Service", Version: "2012-11-05", Target: "AmazonSQS", JSON: "1.0",
		Namespace: "http://queue.amazonaws.com/doc/2012-11-05/", QueryErrorHeader: true, PathMember: "QueueUrl",
		Operations: []Operation{
			Op("SendMessage", s.send, AllowAnonymous()),
			Op("ReceiveMessage", s.receive, PartlyWorks("no | attributes")),
			Op("DeleteMessage", s.delete, WithNote("note")),
			Missing("PurgeQueue", "needs a broom"),
		},
	}
}

// other is a second API: JSON 1.1, no error header, and an action of its own.
func other() *API {
	type in struct{ Name string }
	return &API{Name: "sns", Title: "Simple Notification Service", Version: "2010-03-31", Target: "AmazonSNS_2010", JSON: "1.1",
		Namespace: "http://sns.amazonaws.com/doc/2010-03-31/",
		Operations: []Operation{
			Op("Publish", func(_ context.Context, _ *Call, in *in) (*in2, error) {
				return nil, &Error{Code: "NotFound", Status: 404, Message: "No <topic> " + in.Name}
			}),
			Op("SendMessage", func(context.Context, *Call, *in) (*Empty, error) { return nil, nil }),
		}}
}

type in2 struct{ Name string }

type observed struct {
	api, op, code string
	in, out       int
}

type fixture struct {
	*Handler
	toy  *toy
	log  *bytes.Buffer
	mu   sync.Mutex
	seen []observed // guarded by mu
}

func (f *fixture) observed() []observed {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]observed(nil), f.seen...)
}

func newFixture(t testing.TB, change func(*Config)) *fixture {
	t.Helper()
	open, err := access.New(access.Config{Hosts: []string{"h", "host", "example.com", "x"}})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{toy: &toy{}, log: &bytes.Buffer{}}
	cfg := Config{
		APIs: []*API{f.toy.api(), other()}, Access: open,
		Logger: slog.New(slog.NewTextHandler(f.log, nil)),
		Observe: func(api, op, code string, d time.Duration, in, out int) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.seen = append(f.seen, observed{api, op, code, in, out})
		},
		NewRequestID: func() string { return "request-1" },
	}
	if change != nil {
		change(&cfg)
	}
	if f.Handler, err = NewHandler(cfg); err != nil {
		t.Fatal(err)
	}
	return f
}

func jsonRequest(target, body string) *http.Request {
	r := httptest.NewRequest("POST", "http://host:4566/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", target)
	return r
}

func formRequest(path, body string) *http.Request {
	r := httptest.NewRequest("POST", "http://host:4566"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	return r
}

func (f *fixture) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	const ns = `xmlns="http://queue.amazonaws.com/doc/2012-11-05/"`
	for _, tt := range []struct {
		name string
		r    *http.Request
		want string
	}{
		{"JSON", jsonRequest("AmazonSQS.SendMessage", `{"QueueUrl":"q","MessageBody":"hello"}`),
			`{"MessageId":"id-1","MD5OfMessageBody":"5d41402abc4b2a76b9719d911017c592"}`},
		{"JSON, nothing received", jsonRequest("AmazonSQS.ReceiveMessage", `{}`), `{}`},
		{"JSON, no result", jsonRequest("AmazonSQS.DeleteMessage", `{}`), `{}`},
		{"Query", formRequest("/", "Action=SendMessage&Version=2012-11-05&QueueUrl=q&MessageBody=hello"),
			`<?xml version="1.0"?><SendMessageResponse ` + ns + `><SendMessageResult><MessageId>id-1</MessageId>` +
				`<MD5OfMessageBody>5d41402abc4b2a76b9719d911017c592</MD5OfMessageBody></SendMessageResult>` +
				`<ResponseMetadata><RequestId>request-1</RequestId></ResponseMetadata></SendMessageResponse>`},
		{"Query, nothing received", formRequest("/", "Action=ReceiveMessage&Version=2012-11-05"),
			`<?xml version="1.0"?><ReceiveMessageResponse ` + ns + `><ReceiveMessageResult></ReceiveMessageResult>` +
				`<ResponseMetadata><RequestId>request-1</RequestId></ResponseMetadata></ReceiveMessageResponse>`},
		{"Query, no result", formRequest("/", "Action=DeleteMessage"),
			`<?xml version="1.0"?><DeleteMessageResponse ` + ns + `><ResponseMetadata><RequestId>request-1</RequestId></ResponseMetadata></DeleteMessageResponse>`},
		{"Query by GET", httptest.NewRequest("GET", "http://h/1/q?Action=ReceiveMessage&MaxNumberOfMessages=1&AttributeName.1=A", nil),
			`<?xml version="1.0"?><ReceiveMessageResponse ` + ns + `><ReceiveMessageResult><Message><MessageId>0</MessageId><Body>body &lt;0&gt;&#xD;` + "\n" +
				`&quot;ä&quot;</Body><MD5OfBody>` + md5Hex("body <0>\r\n\"ä\"") + `</MD5OfBody><Attribute><Name>A</Name><Value>v</Value></Attribute></Message></ReceiveMessageResult>` +
				`<ResponseMetadata><RequestId>request-1</RequestId></ResponseMetadata></ReceiveMessageResponse>`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, nil).do(tt.r)
			if w.Code != 200 || w.Body.String() != tt.want {
				t.Errorf("%d %s\nwant %s", w.Code, w.Body, tt.want)
			}
			h := w.Header()
			if h.Get("x-amzn-RequestId") != "request-1" || h.Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
				t.Errorf("headers %v", h)
			}
			if ct := h.Get("Content-Type"); ct != "text/xml" && ct != "application/x-amz-json-1.0" {
				t.Errorf("Content-Type %q", ct)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	with := func(r *http.Request, change func(*http.Request)) *http.Request {
		change(r)
		return r
	}
	const sns = "AWS4-HMAC-SHA256 Credential=k/20260301/us-east-1/sns/aws4_request, SignedHeaders=host, Signature=0"
	for _, tt := range []struct {
		name    string
		r       *http.Request
		status  int
		typ     string // JSON: __type
		code    string // Query: code, JSON: of the error header
		message string
	}{
		{"JSON, of the API", jsonRequest("AmazonSQS.SendMessage", `{"QueueUrl":"h/none"}`), 400, "com.amazonaws.sqs#QueueDoesNotExist",
			"AWS.SimpleQueueService.NonExistentQueue;Sender", "The specified queue does not exist."},
		{"Query, of the API", formRequest("/", "Action=SendMessage&QueueUrl=h/none"), 400, "", "AWS.SimpleQueueService.NonExistentQueue", "does not exist"},
		{"JSON, missing parameter", jsonRequest("AmazonSQS.SendMessage", ``), 400, "com.amazon.coral.service#MissingRequiredParameterException",
			"MissingParameter;Sender", "The request must contain the parameter QueueUrl."},
		{"Query, missing parameter", formRequest("/", "Action=SendMessage"), 400, "", "MissingParameter", "QueueUrl"},
		{"JSON, retryable", jsonRequest("AmazonSQS.SendMessage", `{"QueueUrl":"h/busy"}`), 503, "com.amazon.coral.service#ServiceUnavailable", "ServiceUnavailable;Receiver", "Come back later."},
		{"JSON, internal", jsonRequest("AmazonSQS.SendMessage", `{"QueueUrl":"h/broken"}`), 500, "com.amazon.coral.service#InternalFailure", "InternalFailure;Receiver", "internal error"},
		{"Query, internal", formRequest("/", "Action=SendMessage&QueueUrl=h/broken"), 500, "", "InternalFailure", "internal error"},
		{"JSON, panic", jsonRequest("AmazonSQS.SendMessage", `{"QueueUrl":"h/panic"}`), 500, "com.amazon.coral.service#InternalFailure", "InternalFailure;Receiver", "internal error"},
		{"JSON, deadline", jsonRequest("AmazonSQS.SendMessage", `{"QueueUrl":"h/late"}`), 503, "com.amazon.coral.service#ServiceUnavailable", "ServiceUnavailable;Receiver", "in time"},
		{"JSON, denied", jsonRequest("AmazonSQS.SendMessage", `{"QueueUrl":"h/denied"}`), 403, "com.amazon.coral.service#AccessDeniedException", "AccessDenied;Sender", "denied"},
		{"JSON, syntax", jsonRequest("AmazonSQS.SendMessage", `{"QueueUrl":`), 400, "com.amazon.coral.service#SerializationException", "SerializationException;Sender", "not valid JSON"},
		{"JSON, type", jsonRequest("AmazonSQS.SendMessage", `{"QueueUrl":1}`), 400, "com.amazon.coral.service#SerializationException", "SerializationException;Sender", "NUMBER_VALUE can not be converted to a String"},
		{"JSON, unknown operation", jsonRequest("AmazonSQS.Frobnicate", `{}`), 400, "com.amazon.coral.service#UnknownOperationException", "InvalidAction;Sender", "Frobnicate"},
		{"JSON, unknown target", jsonRequest("DynamoDB_20120810.GetItem", `{}`), 400, "com.amazon.coral.service#UnknownOperationException", "", "DynamoDB"},
		{"JSON, no dot in target", jsonRequest("SendMessage", `{}`), 400, "com.amazon.coral.service#UnknownOperationException", "", "SendMessage"},
		{"JSON, no target", with(jsonRequest("", `{}`), func(r *http.Request) { r.Header.Del("X-Amz-Target") }), 400, "com.amazon.coral.service#UnknownOperationException", "", "X-Amz-Target"},
		{"JSON, two targets", with(jsonRequest("AmazonSQS.SendMessage", `{}`), func(r *http.Request) { r.Header.Add("X-Amz-Target", "x") }), 400, "com.amazon.coral.service#UnknownOperationException", "", "one X-Amz-Target"},
		{"JSON, not yet", jsonRequest("AmazonSQS.PurgeQueue", `{}`), 501, "com.amazon.coral.service#NotImplemented", "NotImplemented;Receiver", "PurgeQueue of Simple Queue Service is not implemented yet"},
		{"JSON by PUT", with(jsonRequest("AmazonSQS.SendMessage", `{}`), func(r *http.Request) { r.Method = "PUT" }), 405, "com.amazon.coral.service#MethodNotAllowed", "", "PUT"},
		{"JSON 1.1", jsonRequest("AmazonSNS_2010.Publish", `{"Name":"x"}`), 404, "NotFound", "", "No <topic> x"},
		{"Query, escaped", formRequest("/", "Action=Publish&Name=x"), 404, "", "NotFound", "No <topic> x"},
		{"Query, unknown action", formRequest("/", "Action=Frobnicate&Version=2012-11-05"), 400, "", "InvalidAction", "The action Frobnicate is not valid for this endpoint."},
		{"Query, action of another service", with(formRequest("/", "Action=DeleteMessage"), func(r *http.Request) { r.Header.Set("Authorization", sns) }), 400, "", "InvalidAction", "DeleteMessage"},
		{"Query, no action", formRequest("/", ""), 400, "", "MissingAction", "Action"},
		{"Query, not yet", formRequest("/", "Action=PurgeQueue"), 501, "", "NotImplemented", "not implemented"},
		{"Query, percent", formRequest("/", "Action=SendMessage&QueueUrl=%"), 400, "", "MalformedQueryString", "syntax error"},
		{"Query, type", formRequest("/", "Action=SendMessage&DelaySeconds=x"), 400, "", "MalformedInput", "Must be an integer"},
		{"Query, content type", with(formRequest("/", "{}"), func(r *http.Request) { r.Header.Set("Content-Type", "multipart/form-data") }), 415, "", "UnsupportedMediaType", "x-www-form-urlencoded"},
		{"DELETE", httptest.NewRequest("DELETE", "http://h/1/q", nil), 405, "", "MethodNotAllowed", "DELETE"},
		{"brotli", with(jsonRequest("AmazonSQS.SendMessage", "\x1f\x8b"), func(r *http.Request) { r.Header.Set("Content-Encoding", "br") }), 415, "com.amazon.coral.service#UnsupportedMediaTypeException", "UnsupportedMediaType;Sender", "br is not supported"},
		{"too large", jsonRequest("AmazonSQS.SendMessage", strings.Repeat("x", 2<<20)), 413, "com.amazon.coral.service#RequestEntityTooLargeException", "RequestEntityTooLarge;Sender", "too large"},
		{"too large, chunked", with(jsonRequest("AmazonSQS.SendMessage", strings.Repeat("x", 2<<20)), func(r *http.Request) { r.ContentLength = -1 }), 413, "com.amazon.coral.service#RequestEntityTooLargeException", "RequestEntityTooLarge;Sender", "too large"},
		{"too large, Query", formRequest("/", strings.Repeat("x", 2<<20)), 413, "", "RequestEntityTooLarge", "too large"},
		{"truncated", with(jsonRequest("AmazonSQS.SendMessage", `{}`), func(r *http.Request) { r.ContentLength = 100 }), 400, "com.amazon.coral.service#SerializationException", "MalformedInput;Sender", "ended before"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(c *Config) { c.MaxBody = 1 << 20 })
			w := f.do(tt.r)
			if w.Code != tt.status {
				t.Errorf("status %d, want %d: %s", w.Code, tt.status, w.Body)
			}
			if w.Header().Get("x-amzn-RequestId") != "request-1" {
				t.Errorf("headers %v", w.Header())
			}
			if s := w.Body.String() + fmt.Sprint(w.Header()); strings.Contains(s, "sda1") || strings.Contains(s, "secret") {
				t.Errorf("internals shown: %s", s)
			}
			var code, message string
			if tt.typ != "" {
				var e struct{ Type, Message string }
				unmarshalError(t, w.Body.Bytes(), &e.Type, &e.Message)
				if e.Type != tt.typ {
					t.Errorf("__type %q, want %q", e.Type, tt.typ)
				}
				code, message = w.Header().Get("x-amzn-query-error"), e.Message
			} else {
				var e struct {
					Error     struct{ Type, Code, Message string }
					RequestId string
				}
				if err := xml.Unmarshal(w.Body.Bytes(), &e); err != nil {
					t.Fatalf("%v in %s", err, w.Body)
				}
				if want := map[bool]string{true: "Receiver", false: "Sender"}[tt.status >= 500]; e.Error.Type != want || e.RequestId != "request-1" {
					t.Errorf("%+v", e)
				}
				code, message = e.Error.Code, e.Error.Message
			}
			if code != tt.code || !strings.Contains(message, tt.message) {
				t.Errorf("code %q, message %q; want %q, …%s…", code, message, tt.code, tt.message)
			}
			seen := f.observed()
			if len(seen) != 1 || seen[0].code == "" || seen[0].out != w.Body.Len() {
				t.Errorf("observed %+v", seen)
			}
			internal := strings.Contains(tt.code, "InternalFailure")
			if lines := strings.Count(f.log.String(), "\n"); internal != (lines == 1) || internal && !strings.Contains(f.log.String(), "request=request-1") {
				t.Errorf("log: %s", f.log)
			}
		})
	}
}

func unmarshalError(t *testing.T, data []byte, typ, msg *string) {
	t.Helper()
	m := map[string]string{}
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	*typ, *msg = m["__type"], m["message"]
}

func TestHeadHasNoBody(t *testing.T) {
	t.Parallel()
	w := newFixture(t, nil).do(httptest.NewRequest("HEAD", "http://h/", nil))
	if w.Code != 405 || w.Body.Len() != 0 || w.Header().Get("Allow") != "GET, POST" {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
}

func TestCallAndRouting(t *testing.T) {
	t.Parallel()
	const auth = "AWS4-HMAC-SHA256 Credential=111122223333/20260301/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=0"
	r := formRequest("/123456789012/orders", "Action=SendMessage&Version=2010-03-31&MessageBody=%C3%A4+b%2B")
	r.Header.Set("Authorization", auth)
	r.Header.Set("X-Forwarded-Proto", "https")
	r.Header.Set("X-Forwarded-For", "10.0.0.1, 203.0.113.9")
	for _, trust := range []bool{false, true} {
		f := newFixture(t, func(c *Config) {
			if trust {
				c.Proxies, _ = access.ParseProxies([]string{"192.0.2.0/24"})
			}
		})
		r := r.Clone(t.Context())
		r.Body = io.NopCloser(strings.NewReader("Action=SendMessage&Version=2010-03-31&MessageBody=%C3%A4+b%2B"))
		if w := f.do(r); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		c, in := f.toy.saw()
		scheme, ip := "http", "192.0.2.1"
		if trust {
			scheme, ip = "https", "203.0.113.9"
		}
		if in.QueueUrl != scheme+"://host:4566/123456789012/orders" || in.MessageBody != "ä b+" {
			t.Errorf("input %+v", in)
		}
		if c.Account != "111122223333" || c.Region != "eu-west-1" || c.Host != "host:4566" || c.Scheme != scheme || c.SourceIP != ip ||
			c.Protocol != Query || c.Operation != "SendMessage" || c.API.Name != "sqs" || c.RequestID != "request-1" || c.Path != "/123456789012/orders" {
			t.Errorf("call %+v", c)
		}
	}
	// Without a signature the version tells which of two APIs has the action.
	f := newFixture(t, nil)
	f.do(formRequest("/", "Action=SendMessage&Version=2010-03-31"))
	f.do(formRequest("/", "Action=SendMessage&Version=2012-11-05"))
	f.do(httptest.NewRequest("GET", "/?Action=SendMessage&X-Amz-Credential=k%2F20260301%2Feu-west-1%2Fsns%2Faws4_request", nil))
	if s := f.observed(); s[0].api != "sns" || s[1].api != "sqs" || s[2].api != "sns" {
		t.Errorf("observed %+v", s)
	}
	// The body has its own URL: the path does not count.
	f.do(formRequest("/1/q", "Action=SendMessage&QueueUrl=http://x/2/p"))
	if _, in := f.toy.saw(); in.QueueUrl != "http://x/2/p" {
		t.Errorf("input %+v", in)
	}
}

func TestAbortPassesThrough(t *testing.T) {
	t.Parallel()
	api := &API{Name: "x", Target: "X", JSON: "1.0", Operations: []Operation{
		Op("Abort", func(context.Context, *Call, *Empty) (*Empty, error) { panic(http.ErrAbortHandler) }),
	}}
	f := newFixture(t, func(c *Config) { c.APIs = []*API{api} })
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("recovered %v", p)
		}
		if n := f.budget.requests.used[known]; n != 0 {
			t.Errorf("%d requests still count as under way", n)
		}
	}()
	f.do(jsonRequest("X.Abort", "{}"))
}

func TestTablesRefused(t *testing.T) {
	t.Parallel()
	open, err := access.New(access.Config{})
	if err != nil {
		t.Fatal(err)
	}
	op := Op("A", func(context.Context, *Call, *Empty) (*Empty, error) { return nil, nil })
	type bad struct{ C chan int }
	for name, cfg := range map[string]Config{
		"no access":     {},
		"negative body": {Access: open, MaxBody: -1},
		"nil API":       {Access: open, APIs: []*API{nil}},
		"no protocol":   {Access: open, APIs: []*API{{Name: "x"}}},
		"JSON version":  {Access: open, APIs: []*API{{Name: "x", Target: "X"}}},
		"twice":         {Access: open, APIs: []*API{{Name: "x", Namespace: "n"}, {Name: "x", Namespace: "n"}}},
		"same target":   {Access: open, APIs: []*API{{Name: "x", Target: "X", JSON: "1.0"}, {Name: "y", Target: "X", JSON: "1.0"}}},
		"op twice":      {Access: open, APIs: []*API{{Name: "x", Namespace: "n", Operations: []Operation{op, op}}}},
		"op by hand":    {Access: open, APIs: []*API{{Name: "x", Namespace: "n", Operations: []Operation{{Name: "A"}}}}},
		"no struct": {Access: open, APIs: []*API{{Name: "x", Namespace: "n", Operations: []Operation{
			Op("A", func(context.Context, *Call, *string) (*Empty, error) { return nil, nil })}}}},
		"bad member": {Access: open, APIs: []*API{{Name: "x", Namespace: "n", Operations: []Operation{
			Op("A", func(context.Context, *Call, *bad) (*Empty, error) { return nil, nil })}}}},
	} {
		if _, err := NewHandler(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestBusy: the answer has the shape that a client of each protocol reads, and a
// status that SDKs try again.
func TestBusy(t *testing.T) {
	t.Parallel()
	h, err := NewHandler(newFixture(t, nil).cfg)
	if err != nil {
		t.Fatal(err)
	}
	for want, r := range map[string]*http.Request{
		`#ServiceUnavailable","message":"The server has`: jsonRequest("AmazonSQS.SendMessage", "{}"),
		`<Code>ServiceUnavailable</Code>`:                formRequest("/", "Action=SendMessage"),
	} {
		w := httptest.NewRecorder()
		h.Busy(w, r)
		if w.Code != 503 || !strings.Contains(w.Body.String(), want) || w.Header().Get("X-Amzn-Requestid") == "" {
			t.Errorf("%d %s, want %s", w.Code, w.Body, want)
		}
	}
}

func TestUUIDs(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		id := NewUUID()
		if id.Version() != 4 || id.Variant() != uuid.RFC4122 || seen[id.String()] {
			t.Fatalf("id %s", id)
		}
		seen[id.String()] = true
	}
}
