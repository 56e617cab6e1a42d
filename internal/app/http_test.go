package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
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
		drain: func() { close(drained) }, drainTimeout: time.Minute,
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
		drainTimeout: time.Millisecond,
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

// TestConnectionBound fills a server with idle connections: its health can still
// be asked, anything else is told to come back, and the log says so once.
func TestConnectionBound(t *testing.T) {
	t.Parallel()
	log := newLines()
	opened := make(chan int, 100)
	s, stop := testServer(t, httpConfig{
		handler: &pagesAndAPIs{
			apis:  http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "api") }),
			busy:  func(w http.ResponseWriter, r *http.Request) { http.Error(w, "busy", http.StatusServiceUnavailable) },
			pages: map[string]http.Handler{"/healthz": healthPage()},
		},
		maxConnections: 1, connections: func(n int) { opened <- n }, drainTimeout: time.Minute, log: slog.New(slog.NewTextHandler(log, nil)),
	})
	url := urlOf(s.listener.Addr(), false)
	keep := &http.Client{Transport: &http.Transport{}}
	once := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if code, body := fetch(t, keep, url+"/"); code != 200 || body != "api" {
		t.Fatalf("first connection: %d %s", code, body)
	}
	for range 3 { // more than once, so reserved places come free again
		if code, body := fetch(t, once, url+"/"); code != 503 || body != "busy\n" {
			t.Errorf("beyond the bound: %d %s", code, body)
		}
		if code, body := fetch(t, once, url+"/healthz"); code != 200 || body != "ok\n" {
			t.Errorf("health beyond the bound: %d %s", code, body)
		}
	}
	if code, body := fetch(t, keep, url+"/"); code != 200 || body != "api" {
		t.Errorf("first connection again: %d %s", code, body)
	}
	keep.CloseIdleConnections()
	for open := 7; open > 0; { // all that were opened have ended
		if n := <-opened; n < 0 {
			open--
		}
	}
	if code, body := fetch(t, once, url+"/"); code != 200 || body != "api" {
		t.Errorf("after the first connection has gone: %d %s", code, body)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "--max-connections"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log)
	}
}

// fullListener is out of descriptors each time before it accepts.
type fullListener struct {
	net.Listener
	failed bool
}

func (l *fullListener) Accept() (net.Conn, error) {
	if l.failed = !l.failed; l.failed {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

func TestOutOfDescriptors(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log := newLines()
	l := newLimitListener(&fullListener{Listener: inner}, 100, func(int) {}, slog.New(slog.NewTextHandler(log, nil)))
	defer l.Close()
	none := true
	l.open = func() (*os.File, error) {
		if none {
			return nil, syscall.EMFILE
		}
		return openNull()
	}
	var conns []net.Conn
	for i := range spareFiles + 1 {
		client, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		c, err := l.Accept()
		if i == spareFiles {
			if !errors.Is(err, syscall.EMFILE) {
				t.Fatalf("without descriptors to give up: %v", err)
			}
			break
		}
		if err != nil || !inReserve(c) {
			t.Fatalf("connection %d: %v", i, err)
		}
		conns = append(conns, c)
	}
	for i, c := range conns {
		if i == len(conns)/2 { // until now others took what a connection left
			none = false
		}
		c.Close()
	}
	if len(l.spares) != spareFiles {
		t.Errorf("%d descriptors are spare again", len(l.spares))
	}
	// The system wants a descriptor before there is a client: when one comes, there may
	// be descriptors again, and it is a client like any other.
	client, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := l.Accept()
	if err != nil || inReserve(c) {
		t.Fatalf("with descriptors again: %v, in reserve: %v", err, err == nil)
	}
	c.Close()
	if len(l.spares) != spareFiles || len(l.slots) != 0 {
		t.Errorf("%d descriptors are spare again, %d connections counted", len(l.spares), len(l.slots))
	}
	if n := strings.Count(log.String(), "no file descriptors left"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log)
	}
}

// TestNoSpareAfterClose: a connection that outlives its listener leaves no descriptor
// put aside.
func TestNoSpareAfterClose(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newLimitListener(&fullListener{Listener: inner}, 100, func(int) {}, slog.New(slog.DiscardHandler))
	defer l.Close()
	l.open = func() (*os.File, error) { return nil, syscall.EMFILE }
	client, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	l.open = openNull
	l.Close()
	c.Close()
	if n := len(l.spares); n != 0 {
		t.Errorf("%d descriptors are put aside", n)
	}
}

func TestConnectionsWithinDescriptors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		want       int
		limit, own uint64
		n          int
		low        bool
	}{
		{1000, 4096, 300, 1000, false},
		{1000, 1300, 300, 1000, false},
		{1000, 1024, 300, 724, true},
		{1000, 256, 300, 64, true},
		{1, 0, 300, 1, false},
	} {
		if n, low := connectionsWithin(tt.want, tt.limit, tt.own); n != tt.n || low != tt.low {
			t.Errorf("%+v: %d, %v", tt, n, low)
		}
	}
}

// TestReservedDeadline: no deadline of the server outlasts that of a connection
// in reserve.
func TestReservedDeadline(t *testing.T) {
	t.Parallel()
	until := time.Now().Add(time.Second)
	c := &limitConn{until: until}
	for _, d := range []time.Time{{}, until.Add(time.Hour)} {
		if got := c.bounded(d); got != until {
			t.Errorf("%v: %v", d, got)
		}
	}
	if early := until.Add(-time.Minute); c.bounded(early) != early {
		t.Error("an earlier deadline is put off")
	}
	if later := until.Add(time.Hour); (&limitConn{}).bounded(later) != later {
		t.Error("another connection's deadline is changed")
	}
}

func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	proxies, err := access.ParseProxies([]string{"127.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	nobody, err := access.ParseProxies([]string{"192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	const request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	v2 := string([]byte{0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A, 0x21, 0x11, 0, 12,
		203, 0, 113, 7, 127, 0, 0, 1, 0x15, 0xb3, 0x11, 0xd6})
	for _, tt := range []struct {
		name, sent string
		proxies    access.Proxies
		want       string
	}{
		{"version 1", "PROXY TCP4 203.0.113.7 127.0.0.1 5555 4566\r\n" + request, proxies, "from 203.0.113.7:5555"},
		{"version 2", v2 + request, proxies, "from 203.0.113.7:5555"},
		{"none", request, proxies, "from 127.0.0.1:"},
		{"of a stranger", "PROXY TCP4 203.0.113.7 127.0.0.1 5555 4566\r\n" + request, nobody, "400 Bad Request"},
		{"stranger without", request, nobody, "from 127.0.0.1:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, stop := testServer(t, httpConfig{
				handler:       http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "from "+r.RemoteAddr) }),
				proxyProtocol: true, proxies: tt.proxies, drainTimeout: time.Minute,
			})
			c, err := net.Dial("tcp", s.listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, tt.sent); err != nil {
				t.Fatal(err)
			}
			if answer, err := io.ReadAll(c); err != nil || !strings.Contains(string(answer), tt.want) {
				t.Errorf("got %q, %v; want %q", answer, err, tt.want)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFront(t *testing.T) {
	t.Parallel()
	keyed, err := access.New(access.Config{Credentials: []access.Credential{{Key: "AK", Secret: "long-enough", Account: "123456789012"}}})
	if err != nil {
		t.Fatal(err)
	}
	f := &pagesAndAPIs{
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
