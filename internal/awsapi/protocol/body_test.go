package protocol

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

func readAll(r io.Reader, length, limit int64, l *lease) ([]byte, *Error) {
	buf := getBuffer()
	in := bodyReader{ctx: context.Background(), from: r, length: length, max: limit, lease: l}
	err := in.read(buf)
	return *buf, err
}

func TestReadBody(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, firstBuffer - 1, firstBuffer, firstBuffer + 1, 10_000, 64 << 10, 300_000, 5 << 20} {
		text := strings.Repeat("y", n)
		for _, length := range []int64{-1, int64(n)} {
			for name, limit := range map[string]int64{"exact": int64(n), "plenty": 8 << 20} {
				l := lease{budget: newBudget(64<<20, DefaultMaxRequests)}
				got, err := readAll(iotest.DataErrReader(strings.NewReader(text)), length, limit, &l)
				if err != nil || string(got) != text {
					t.Errorf("%d bytes, %s: %v, got %d", n, name, err, len(got))
				}
				if held := l.held; cap(got) > firstBuffer && held != int64(cap(got)) {
					t.Errorf("%d bytes in %d, %d paid", n, cap(got), held)
				}
				l.end()
				if l.budget = nil; n > 1 {
					if _, err := readAll(strings.NewReader(text), length, int64(n-1), &l); err == nil || err.Status != 413 {
						t.Errorf("%d bytes of at most %d: %v", n, n-1, err)
					}
				}
			}
		}
	}
}

// TestBodyGrowsAsItComes: a Content-Length alone does not cost memory.
func TestBodyGrowsAsItComes(t *testing.T) {
	t.Parallel()
	l := lease{budget: newBudget(64<<20, DefaultMaxRequests)}
	b, err := readAll(strings.NewReader("x"), 4<<20, 4<<20, &l)
	if err == nil || cap(b) > firstBuffer || l.held != 0 {
		t.Errorf("%v, %d bytes taken, %d paid", err, cap(b), l.held)
	}
	b, err = readAll(strings.NewReader(strings.Repeat("x", 20_000)), 4<<20, 4<<20, &l)
	if err == nil || cap(b) > 64<<10 || l.held != int64(cap(b)) {
		t.Errorf("%v, %d bytes taken, %d paid", err, cap(b), l.held)
	}
}

func zip(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGzipBody(t *testing.T) {
	t.Parallel()
	text := `{"QueueUrl":"q","MessageBody":"` + strings.Repeat("x", 50_000) + `"}`
	form := "Action=SendMessage&QueueUrl=q&MessageBody=" + strings.Repeat("x", 50_000)
	zipped := func(r *http.Request) *http.Request {
		r.Header.Set("Content-Encoding", "gzip")
		return r
	}
	bomb := zip(t, `{"QueueUrl":"`+strings.Repeat("x", 3<<20))
	if len(bomb) > 10_000 {
		t.Fatal("no bomb")
	}
	for _, tt := range []struct {
		name   string
		r      *http.Request
		status int
	}{
		{"JSON", zipped(jsonRequest("AmazonSQS.SendMessage", string(zip(t, text)))), 200},
		{"Query", zipped(formRequest("/", string(zip(t, form)))), 200},
		{"more comes out than an operation takes", zipped(jsonRequest("AmazonSQS.SendMessage", string(bomb))), 413},
		{"cut off", zipped(jsonRequest("AmazonSQS.SendMessage", string(zip(t, text)[:60]))), 400},
		{"no gzip", zipped(jsonRequest("AmazonSQS.SendMessage", text)), 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(c *Config) { c.MaxBody = 1 << 20 })
			if w := f.do(tt.r); w.Code != tt.status {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if _, in := f.toy.saw(); tt.status == 200 && len(in.MessageBody) != 50_000 {
				t.Errorf("%d bytes arrived", len(in.MessageBody))
			}
			if f.budget.memory.used[known] != 0 || f.budget.requests.used[known] != 0 {
				t.Errorf("%d bytes, %d requests still counted", f.budget.memory.used[known], f.budget.requests.used[known])
			}
		})
	}
}

// untouched is a body that must not be read.
type untouched struct{ t *testing.T }

func (u untouched) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

// TestNothingIsReadForStrangers: what the header already refuses costs no body.
func TestNothingIsReadForStrangers(t *testing.T) {
	t.Parallel()
	signed := func(at time.Time, service, secret string) *http.Request {
		r := jsonRequest("AmazonSQS.ReceiveMessage", "{}")
		sum := sha256.Sum256([]byte("{}"))
		r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
		if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: testKey, SecretAccessKey: secret},
			r, hex.EncodeToString(sum[:]), service, "eu-west-1", at); err != nil {
			t.Fatal(err)
		}
		return r
	}
	now := time.Now()
	for _, tt := range []struct {
		name, code string
		r          *http.Request
	}{
		{"unsigned, for an operation that no policy opens", "MissingAuthenticationToken", jsonRequest("AmazonSQS.ReceiveMessage", "{}")},
		{"too old", "SignatureDoesNotMatch", signed(now.Add(-time.Hour), "sqs", testSecret)},
		{"for another service", "SignatureDoesNotMatch", signed(now, "sns", testSecret)},
		{"wrong secret, though the hash is named", "SignatureDoesNotMatch", signed(now, "sqs", "wrong")},
		{"unknown operation", "InvalidAction", jsonRequest("AmazonSQS.Frobnicate", "{}")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(c *Config) { c.Access = keyedAccess(t) })
			tt.r.Body = io.NopCloser(untouched{t})
			tt.r.ContentLength = 1 << 20
			w := f.do(tt.r)
			if got := w.Header().Get("X-Amzn-Query-Error"); !strings.HasPrefix(got, tt.code+";") {
				t.Errorf("%d %s %s", w.Code, got, w.Body)
			}
		})
	}
}

// TestStrangersShareIsSmall: unsigned bodies get little of the budget, and signed
// ones pass while that is taken.
func TestStrangersShareIsSmall(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *Config) { c.Access, c.BodyMemory = keyedAccess(t), 64<<20 })
	hold := lease{budget: f.budget, class: unsigned, addr: netip.MustParseAddr("198.51.100.1")}
	hold.force(f.budget.memory.parts[unsigned])
	defer hold.end()
	text := `{"QueueUrl":"q","MessageBody":"` + strings.Repeat("x", 50_000) + `"}`
	r := jsonRequest("AmazonSQS.SendMessage", text)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // it would wait
	w := f.do(r.WithContext(ctx))
	if w.Code != 503 || !strings.Contains(w.Body.String(), `"com.amazon.coral.service#ServiceUnavailable"`) || w.Header().Get("Connection") != "close" {
		t.Errorf("unsigned: %d %s %v", w.Code, w.Body, w.Header())
	}
	r = jsonRequest("AmazonSQS.SendMessage", text)
	if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret},
		r, "UNSIGNED-PAYLOAD", "sqs", "eu-west-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	if w := f.do(r); w.Code != 200 {
		t.Errorf("signed: %d %s", w.Code, w.Body)
	}
}

// TestDialect: overload and other refusals of the front in the API's own words.
func TestDialect(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *Config) {
		c.MaxRequests = 1
		c.APIs[0].Dialect = Dialect{
			Codes:      map[string]string{"SerializationException": "ValidationException"},
			Overloaded: &Error{Code: "SlowDown", Status: 503, Receiver: true, Message: "Slow down."},
		}
	})
	if w := f.do(jsonRequest("AmazonSQS.SendMessage", "{")); !strings.Contains(w.Body.String(), "#ValidationException") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	other := lease{budget: f.budget, addr: netip.MustParseAddr("198.51.100.1")}
	if !other.enter() {
		t.Fatal("no room")
	}
	if w := f.do(jsonRequest("AmazonSQS.SendMessage", "{}")); w.Code != 503 || !strings.Contains(w.Body.String(), "#SlowDown") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := f.do(jsonRequest("AmazonSNS_2010.Publish", "{}")); w.Code != 503 || !strings.Contains(w.Body.String(), `"ServiceUnavailable"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	other.end()
	if w := f.do(jsonRequest("AmazonSQS.ReceiveMessage", "{}")); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestDecodingIsPaidFor: a body that would become a hundred times as large is
// refused before it does.
func TestDecodingIsPaidFor(t *testing.T) {
	t.Parallel()
	type entry struct{ Id, Body, A, B, C, D, E, F string }
	type batch struct {
		Entries []entry
		Map     map[string]entry
	}
	p := planOf[batch](t)
	decode := func(text string, m *meter) *Error {
		var in batch
		return decodeJSON([]byte(text), p, reflect.ValueOf(&in).Elem(), m)
	}
	many := func(n int) string { return `{"Entries":[` + strings.Repeat("{},", n-1) + "{}]}" }
	if err := decode(many(DefaultMaxValues), &meter{}); err != nil {
		t.Error(err)
	}
	if err := decode(many(DefaultMaxValues+1), &meter{}); err == nil || err.Code != "SerializationException" || !strings.Contains(err.Message, "too many values") {
		t.Error(err)
	}
	if err := decode(`{"Map":{"a":{},"a":{},"a":{}}}`, &meter{max: 2}); err == nil {
		t.Error("a map is not counted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l := lease{budget: newBudget(1<<20, DefaultMaxRequests)}
	if err := decode(many(10_000), &meter{ctx: ctx, lease: &l}); err == nil || err.Code != codeOverloaded {
		t.Errorf("10,000 entries in a budget of 1 MiB: %v, %d paid", err, l.held)
	}
	l.end()
	l = lease{budget: newBudget(64<<20, DefaultMaxRequests)}
	if err := decode(many(10_000), &meter{ctx: ctx, lease: &l}); err != nil || l.held < 10_000*128 {
		t.Errorf("%v, %d paid", err, l.held)
	}
	l.end()
}

func TestStreamedBody(t *testing.T) {
	t.Parallel()
	type in struct {
		Name string `http:"query"`
	}
	var got []byte
	var gotErr error
	read := func(_ context.Context, c *Call, _ *in) (*Empty, error) {
		got, gotErr = io.ReadAll(c.Body)
		return nil, gotErr
	}
	api := &API{Name: "lambda", REST: true, Target: "T", JSON: "1.1", MaxBody: 1 << 20, Operations: []Operation{
		Op("Invoke", read, At("POST", "/invoke", 202), StreamBody()),
	}}
	text := strings.Repeat("payload ", 50_000)
	sum := sha256.Sum256([]byte(text))
	hash := hex.EncodeToString(sum[:])
	for _, tt := range []struct {
		name   string
		body   []byte
		sent   string // X-Amz-Content-Sha256
		hash   string // signed
		zipped bool
		code   string
	}{
		{"hash named", []byte(text), hash, hash, false, ""},
		{"not signed", []byte(text), "UNSIGNED-PAYLOAD", "UNSIGNED-PAYLOAD", false, ""},
		{"hash not named: read whole first", []byte(text), "", hash, false, ""},
		{"another body", []byte(text + "x"), hash, hash, false, "InvalidSignatureException"},
		{"too large", bytes.Repeat([]byte("x"), 2<<20), "UNSIGNED-PAYLOAD", "UNSIGNED-PAYLOAD", false, "RequestEntityTooLargeException"},
		{"gzip", zip(t, text), "UNSIGNED-PAYLOAD", "UNSIGNED-PAYLOAD", true, ""},
		{"gzip, too large", zip(t, strings.Repeat("x", 2<<20)), "UNSIGNED-PAYLOAD", "UNSIGNED-PAYLOAD", true, "RequestEntityTooLargeException"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, gotErr = nil, nil
			f := newFixture(t, func(c *Config) { c.Access, c.APIs = keyedAccess(t), []*API{api} })
			r := jsonRequest("T.Invoke", "")
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(tt.body)), -1
			if tt.sent != "" {
				r.Header.Set("X-Amz-Content-Sha256", tt.sent)
			}
			if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret},
				r, tt.hash, "lambda", "eu-west-1", time.Now()); err != nil {
				t.Fatal(err)
			}
			if tt.zipped {
				r.Header.Set("Content-Encoding", "gzip")
			}
			w := f.do(r)
			var e *Error
			if tt.code == "" && (w.Code >= 300 || string(got) != text || gotErr != nil) {
				t.Errorf("%d %s, %d bytes, %v", w.Code, w.Body, len(got), gotErr)
			}
			if tt.code != "" && (!errors.As(gotErr, &e) || e.Code != tt.code || !strings.Contains(w.Body.String(), tt.code)) {
				t.Errorf("%d %s, %v", w.Code, w.Body, gotErr)
			}
			if f.budget.memory.used[known] != 0 {
				t.Errorf("%d bytes still counted", f.budget.memory.used[known])
			}
		})
	}
}

// TestBodyLimits: the operation's, else the API's, else the server's.
func TestBodyLimits(t *testing.T) {
	t.Parallel()
	type in struct{ Name string }
	do := func(context.Context, *Call, *in) (*Empty, error) { return nil, nil }
	f := newFixture(t, func(c *Config) {
		c.MaxBody = 100
		c.APIs = []*API{
			{Name: "a", Target: "A", JSON: "1.1", MaxBody: 200, Namespace: "n", Operations: []Operation{
				Op("Own", do, MaxBody(300)), Op("APIs", do), Op("Form", do, MaxBody(50))}},
			{Name: "b", Target: "B", JSON: "1.1", Operations: []Operation{Op("Servers", do)}},
		}
	})
	for target, limit := range map[string]int{"A.Own": 300, "A.APIs": 200, "B.Servers": 100} {
		for _, n := range []int{limit, limit + 1} {
			body := `{"Name":"` + strings.Repeat("x", n-11) + `"}`
			w := f.do(jsonRequest(target, body))
			if want := map[bool]int{true: 200, false: 413}[n == limit]; w.Code != want {
				t.Errorf("%s, %d bytes: %d", target, n, w.Code)
			}
		}
	}
	// Which operation is meant a form tells only once it has been read.
	form := "Action=Form&Name="
	for n, want := range map[int]int{50: 200, 51: 413, 301: 413} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(form+strings.Repeat("x", n-len(form))))
		if w := f.do(r); w.Code != want {
			t.Errorf("form of %d bytes: %d %s", n, w.Code, w.Body)
		}
	}
}
