package app

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/access"
)

func testServer(t *testing.T, c httpConfig) (*httpServer, func() error) {
	t.Helper()
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.maxConnections == 0 {
		c.maxConnections = 10
	}
	if c.connections == nil {
		c.connections = func(int) {}
	}
	if c.drain == nil {
		c.drain = func() {}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := newHTTPServer(l, c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.run(ctx) }()
	return s, func() error { cancel(); return <-done }
}

func TestStopFinishesRequestsInFlight(t *testing.T) {
	t.Parallel()
	inside, drained := make(chan struct{}), make(chan struct{})
	s, stop := testServer(t, httpConfig{
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(inside)
			<-drained
			io.WriteString(w, "finished")
		}),
		drain: func() { close(drained) }, patience: time.Minute,
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer := make(chan string, 1)
	go func() {
		resp, err := client.Get(urlOf(s.listener.Addr(), false))
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		answer <- string(b)
	}()
	<-inside
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := <-answer; got != "finished" {
		t.Fatalf("answer %q", got)
	}
	if _, err := client.Get(urlOf(s.listener.Addr(), false)); err == nil {
		t.Fatal("still accepts")
	}
}

func TestStopCutsOffAfterItsPatience(t *testing.T) {
	t.Parallel()
	inside := make(chan struct{})
	s, stop := testServer(t, httpConfig{
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(inside)
			<-r.Context().Done()
		}),
		patience: time.Millisecond,
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	failed := make(chan error, 1)
	go func() {
		resp, err := client.Get(urlOf(s.listener.Addr(), false))
		if err == nil {
			resp.Body.Close()
		}
		failed <- err
	}()
	<-inside
	if err := stop(); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Fatalf("error %v", err)
	}
	if err := <-failed; err == nil {
		t.Fatal("the request was answered")
	}
}

func TestLimitListener(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	changes := make(chan int, 10)
	l := newLimitListener(inner, 1, func(n int) { changes <- n })
	accepted := make(chan net.Conn)
	ended := make(chan error, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	dial()
	dial() // waits in the backlog
	first := <-accepted
	select {
	case <-accepted:
		t.Fatal("accepted past the limit")
	default:
	}
	first.Close()
	first.Close() // frees one place, not two
	second := <-accepted
	if a, b, c := <-changes, <-changes, <-changes; a != 1 || b != -1 || c != 1 {
		t.Fatalf("changes %d %d %d", a, b, c)
	}
	l.Close() // while Accept waits for a place
	if err := <-ended; err == nil {
		t.Fatal("no error after close")
	}
	second.Close()
}

func TestFront(t *testing.T) {
	t.Parallel()
	keyed, err := access.New(access.Config{Credentials: []access.Credential{{Key: "AK", Secret: "long-enough", Account: "123456789012"}}})
	if err != nil {
		t.Fatal(err)
	}
	f := &front{
		access: keyed,
		apis:   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "api") }),
		pages: map[string]http.Handler{
			"/healthz": healthPage(),
			"/readyz":  readyPage(func() string { return "partition 0 is replaying" }),
			"/status":  statusPage(func() Status { return Status{State: StateReady} }),
		},
	}
	tests := []struct {
		method, target, remote, forwarded string
		code                              int
		body                              string
	}{
		{"GET", "/healthz", "10.0.0.1:1", "", 200, "ok\n"},
		{"GET", "/readyz", "10.0.0.1:1", "", 503, "partition 0 is replaying\n"},
		{"GET", "/status", "127.0.0.1:1", "", 200, `"state": "ready"`},
		{"GET", "/status", "[::1]:1", "", 200, `"state": "ready"`},
		{"GET", "/status", "10.0.0.1:1", "", 403, "--metrics-listen"},
		{"GET", "/status", "127.0.0.1:1", "10.0.0.1", 403, "--metrics-listen"},
		{"GET", "//evil.example/status", "127.0.0.1:1", "", 403, "evil.example"},
		{"GET", "//evil.example/readyz", "10.0.0.1:1", "", 503, "replaying"},
		{"POST", "/status", "127.0.0.1:1", "", 200, "api"},
		{"GET", "/status?Action=ListQueues", "127.0.0.1:1", "", 200, "api"},
		{"GET", "/healthz/", "127.0.0.1:1", "", 200, "api"},
		{"GET", "/", "127.0.0.1:1", "", 200, "api"},
		{"POST", "/000000000000/orders", "127.0.0.1:1", "", 200, "api"},
		{"GET", "//healthz", "127.0.0.1:1", "", 200, "api"},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(tt.method, "http://localhost/", nil)
		if r.URL, err = url.Parse("http://localhost" + tt.target); err != nil {
			t.Fatal(err)
		}
		if rest, ok := strings.CutPrefix(tt.target, "//evil.example"); ok {
			r.Host, r.URL.Path = "evil.example", rest
		}
		r.RemoteAddr = tt.remote
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tt.forwarded)
		}
		w := httptest.NewRecorder()
		f.ServeHTTP(w, r)
		if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.body) {
			t.Errorf("%s %s from %s: %d %q, want %d %q", tt.method, tt.target, tt.remote, w.Code, w.Body, tt.code, tt.body)
		}
	}
}

func TestURL(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{"127.0.0.1:80": "https://127.0.0.1:80", "0.0.0.0:4566": "https://127.0.0.1:4566", "[::]:1": "https://127.0.0.1:1", "[::1]:1": "https://[::1]:1"} {
		a, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if got := urlOf(a, true); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

func TestBanner(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := (Banner{Version: "v1", URL: "http://127.0.0.1:1", Data: "/d", Account: "000000000000", Open: true, Partitions: 1}).Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"Waystation v1", "http://127.0.0.1:1", "/d", "WARNING: open", "aws --endpoint-url http://127.0.0.1:1"} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("the banner lacks %q:\n%s", part, b.String())
		}
	}
}
