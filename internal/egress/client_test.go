package egress

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// nearby is a client that may go to this machine.
func nearby(t *testing.T, change ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{Rules: Rules{Private: true}, UserAgent: "tests"}
	for _, fn := range change {
		fn(&cfg)
	}
	c := New(cfg)
	t.Cleanup(c.CloseIdle)
	return c
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// kindOf the failure of a request, "" if there was an answer.
func kindOf(t *testing.T, c *Client, r Request) Kind {
	t.Helper()
	a, err := c.Do(t.Context(), r)
	var e *Error
	switch {
	case err == nil && a != nil:
		return ""
	case a != nil || !errors.As(err, &e):
		t.Fatalf("%+v, %v", a, err)
	}
	return e.Kind
}

func TestDo(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Saw", fmt.Sprint(r.Method, " ", r.UserAgent(), " ", r.Header.Get("X-Mine"), " ", r.Header.Get("Accept-Encoding"), "."))
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write(body)
	})
	c := nearby(t)
	header := http.Header{"X-Mine": {"mine"}}
	for i := range 2 {
		a, err := c.Do(t.Context(), Request{URL: s.URL + "/x?y=z", Header: header, Body: []byte("hello")})
		if err != nil {
			t.Fatal(err)
		}
		if a.Status != 202 || string(a.Body) != "hello" || a.Cut || a.Header.Get("X-Saw") != "POST tests mine ." || a.Protocol != "HTTP/1.1" {
			t.Errorf("%+v", a)
		}
		if a.Address.String() != s.Listener.Addr().String() || a.Reused != (i == 1) {
			t.Errorf("request %d went to %v, by a connection used before: %v", i, a.Address, a.Reused)
		}
	}
	if len(header) != 1 {
		t.Errorf("the header was altered: %v", header)
	}
	a, err := c.Do(t.Context(), Request{Method: "GET", URL: s.URL, Header: http.Header{"User-Agent": {"other"}}, Whole: true})
	if err != nil || a.Header.Get("X-Saw") != "GET other  ." {
		t.Errorf("%+v, %v", a, err)
	}
}

// What the rules shut is not dialled, by whatever name.
func TestForbidden(t *testing.T) {
	t.Parallel()
	asked := false
	s := serve(t, func(http.ResponseWriter, *http.Request) { asked = true })
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	strict := New(Config{Lookup: func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("::ffff:127.0.0.1"), netip.MustParseAddr("10.0.0.1")}, nil
	}})
	for _, host := range []string{"127.0.0.1", "[::ffff:127.0.0.1]", "innocent.example"} {
		if k := kindOf(t, strict, Request{URL: "http://" + host + ":" + port}); k != Forbidden {
			t.Errorf("%s: %q", host, k)
		}
	}
	if asked {
		t.Error("it was reached")
	}
}

// A name is judged by what it resolves to each time that it is dialled, and of several
// addresses those are dialled that are open.
func TestNamesAreJudgedWhenDialled(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") })
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	here := netip.MustParseAddr("127.0.0.1")
	answers := [][]netip.Addr{{netip.MustParseAddr("10.0.0.1"), here}, {netip.MustParseAddr("169.254.169.254")}, {}, nil}
	c := New(Config{
		Rules: Rules{Allow: []netip.Prefix{netip.PrefixFrom(here, 32)}},
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			list := answers[0]
			if answers = answers[1:]; list == nil {
				return nil, &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}
			}
			return list, nil
		},
	})
	for i, want := range []Kind{"", Forbidden, NotResolved, NotResolved} {
		if k := kindOf(t, c, Request{URL: "http://rebound.example:" + port}); k != want {
			t.Errorf("answer %d: %q, want %q", i, k, want)
		}
	}
}

func TestAddressesAreTriedInTurn(t *testing.T) {
	t.Parallel()
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	c := nearby(t, func(c *Config) {
		c.Lookup = func(context.Context, string) ([]netip.Addr, error) {
			// The server listens on one address of this machine only.
			return []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.1")}, nil
		}
	})
	if k := kindOf(t, c, Request{URL: "http://two.example:" + port}); k != "" {
		t.Errorf("%q", k)
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	other := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a redirect went to another host") })
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		to, status := "", http.StatusTemporaryRedirect
		switch r.URL.Path {
		case "/there":
			if string(body) != "body" || r.Header.Get("X-Secret") != "secret" {
				t.Errorf("%q arrived with %v", body, r.Header)
			}
			return
		case "/same":
			to = "/there"
		case "/found":
			to, status = "/there", http.StatusFound
		case "/other":
			to = other.URL
		case "/scheme":
			to = "file:///etc/passwd"
		default:
			to = r.URL.Path + "x"
		}
		w.Header().Set("Location", to)
		w.WriteHeader(status)
	})
	for _, test := range []struct {
		path   string
		follow int
		want   int
	}{
		{"/same", 1, 200}, {"/same", 0, 307}, {"/found", 1, 302}, {"/other", 1, 307}, {"/loop", 5, 307},
	} {
		c := nearby(t, func(c *Config) { c.Redirects = test.follow })
		a, err := c.Do(t.Context(), Request{URL: s.URL + test.path, Body: []byte("body"), Header: http.Header{"X-Secret": {"secret"}}})
		if err != nil || a.Status != test.want {
			t.Errorf("%s: %+v, %v", test.path, a, err)
		}
	}
	c := nearby(t, func(c *Config) { c.Redirects = 1 })
	if a, err := c.Do(t.Context(), Request{URL: s.URL + "/scheme"}); err != nil || a.Status != 307 {
		t.Errorf("to a file: %+v, %v", a, err)
	}
}

// One that never answers is given up in time; one whose answer is there is not waited
// for, however slowly the rest comes.
func TestSlowAnswers(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = w.Write([]byte("beginning"))
			_ = http.NewResponseController(w).Flush()
		}
		select {
		case <-ended:
		case <-r.Context().Done():
		}
	})
	defer close(ended)
	c := nearby(t)
	if k := kindOf(t, c, Request{URL: s.URL + "/never", Timeout: 50 * time.Millisecond}); k != TimedOut {
		t.Errorf("%q", k)
	}
	a, err := c.Do(t.Context(), Request{URL: s.URL + "/body", Timeout: time.Minute})
	if err != nil || a.Status != 200 || string(a.Body) != "beginning" || !a.Cut {
		t.Errorf("%+v, %v", a, err)
	}
	if k := kindOf(t, c, Request{URL: s.URL + "/body", Timeout: 300 * time.Millisecond, Whole: true}); k != TimedOut {
		t.Errorf("whole: %q", k)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var e *Error
	if _, err := c.Do(ctx, Request{URL: s.URL}); !errors.As(err, &e) || e.Kind != CalledOff || !errors.Is(err, context.Canceled) {
		t.Errorf("called off: %v", err)
	}
}

func TestLargeAnswers(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/header" {
			w.Header().Set("X-Large", strings.Repeat("x", 200<<10))
		}
		for range 100 {
			_, _ = w.Write(make([]byte, 10))
		}
	})
	c := nearby(t, func(c *Config) { c.MaxBody = 1000 })
	if a, err := c.Do(t.Context(), Request{URL: s.URL, Whole: true}); err != nil || len(a.Body) != 1000 || a.Cut {
		t.Errorf("%+v, %v", a, err)
	}
	c = nearby(t, func(c *Config) { c.MaxBody = 999 })
	if a, err := c.Do(t.Context(), Request{URL: s.URL}); err != nil || len(a.Body) != 999 || !a.Cut {
		t.Errorf("%+v, %v", a, err)
	}
	if k := kindOf(t, c, Request{URL: s.URL, Whole: true}); k != TooLarge {
		t.Errorf("whole: %q", k)
	}
	if k := kindOf(t, c, Request{URL: s.URL + "/header"}); k != Broken {
		t.Errorf("header: %q", k)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	if k := kindOf(t, nearby(t), Request{URL: s.URL}); k != NotTrusted {
		t.Errorf("a certificate that nobody signed: %q", k)
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c := nearby(t, func(c *Config) { c.Roots = roots })
	if a, err := c.Do(t.Context(), Request{URL: s.URL}); err != nil || a.Protocol != "HTTP/2.0" {
		t.Errorf("%+v, %v", a, err)
	}
	named := nearby(t, func(c *Config) {
		c.Roots = roots
		c.Lookup = func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}
	})
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	if k := kindOf(t, named, Request{URL: "https://another.test:" + port}); k != NotTrusted {
		t.Errorf("a certificate for another name: %q", k)
	}
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	if k := kindOf(t, c, Request{URL: strings.Replace(plain.URL, "http:", "https:", 1)}); k != NotTrusted {
		t.Errorf("no TLS: %q", k)
	}
}

// One that takes no connection, or breaks it, or answers nonsense.
func TestBrokenServers(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(nil)
	gone := s.URL
	s.Close()
	c := nearby(t)
	if k := kindOf(t, c, Request{URL: gone}); k != NotReached {
		t.Errorf("gone: %q", k)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for i := 0; ; i++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if i == 0 {
				_, _ = io.WriteString(conn, "SSH-2.0-x\r\n")
			}
			_ = conn.Close()
		}
	}()
	for range 2 {
		if k := kindOf(t, c, Request{URL: "http://" + l.Addr().String()}); k != Broken {
			t.Errorf("%q", k)
		}
	}
}

// No answer is unpacked, no cookie kept, and no host gets more connections than it may.
func TestManners(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(make([]byte, 10<<20))
	_ = z.Close()
	var now, most atomic.Int32
	gate := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "" {
			t.Error("a cookie came back")
		}
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		if r.URL.Path == "/gate" {
			gate <- struct{}{}
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	})
	c := nearby(t, func(c *Config) { c.MaxConnections = 3 })
	for range 2 {
		a, err := c.Do(t.Context(), Request{URL: s.URL, Whole: true})
		if err != nil || !bytes.Equal(a.Body, packed.Bytes()) {
			t.Errorf("%d bytes, %v", len(a.Body), err)
		}
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := c.Do(t.Context(), Request{URL: s.URL + "/gate", Timeout: time.Minute}); err != nil {
				t.Error(err)
			}
		})
	}
	for range 20 {
		<-gate
	}
	all.Wait()
	if most.Load() > 3 {
		t.Errorf("%d requests at once by 3 connections", most.Load())
	}
	if c.http.Transport.(*http.Transport).Proxy != nil {
		t.Error("requests may go to a proxy, which nobody looks at")
	}
}

// What cannot be sent is said to be so, and no error tells a secret of the URL.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	c := nearby(t)
	for _, s := range []string{
		"", "x", "/path", "ftp://host/", "http://", "http://:80", "http://host:0/", "http://host:/", "http://host:99999999/", "http://h/#x", "http://h/#",
		"http://[::1", "http://a b/", "gopher://h", "javascript:alert(1)", "http://h/" + strings.Repeat("x", maxURL), "http://h\x00/",
	} {
		if k := kindOf(t, c, Request{URL: s}); k != BadRequest {
			t.Errorf("%.40q: %q", s, k)
		}
	}
	for name, value := range map[string]string{"": "x", "a b": "x", "a": "x\r\nb: c", "b": "\x00", "é": "x"} {
		if k := kindOf(t, c, Request{URL: "http://127.0.0.1:1/", Header: http.Header{name: {value}}}); k != BadRequest {
			t.Errorf("header %q: %q: %q", name, value, k)
		}
	}
	if k := kindOf(t, c, Request{Method: "A B", URL: "http://127.0.0.1:1/"}); k != BadRequest {
		t.Errorf("method: %q", k)
	}
	_, err := c.Do(t.Context(), Request{URL: "http://user:secret@127.0.0.1:1/token?key=secret"})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}

func FuzzCheckURL(f *testing.F) {
	f.Add("http://host:80/path?query")
	f.Add("https://user:pass@[::1]:8443/")
	f.Fuzz(func(t *testing.T, s string) {
		if CheckURL(s) != nil {
			return
		}
		u, err := url.Parse(s)
		if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
			t.Errorf("%q: %v", s, err)
		}
		if _, err := http.NewRequest("POST", s, nil); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	})
}
