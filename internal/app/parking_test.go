package app

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// parkingServer is a server whose idle connections are parked at once, and what
// net/http says of them.
type parkingServer struct {
	*parkingListener
	server *http.Server
	states chan http.ConnState
	opened chan int // +1, -1
	served chan error
}

func serveParking(t *testing.T, idle time.Duration) *parkingServer {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &parkingServer{states: make(chan http.ConnState, 1000), opened: make(chan int, 1000), served: make(chan error, 1)}
	s.parkingListener = newParkingListener(newLimitListener(inner, 100, func(n int) { s.opened <- n }, slog.New(slog.DiscardHandler)))
	s.after = time.Millisecond
	s.server = &http.Server{
		IdleTimeout: idle, ReadHeaderTimeout: time.Minute, Protocols: protocols(),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			_, _ = io.WriteString(w, r.URL.Path+string(b))
		}),
		ConnState: func(c net.Conn, state http.ConnState) {
			s.state(c, state)
			s.states <- state
		},
	}
	go func() { s.served <- s.server.Serve(s.parkingListener) }()
	t.Cleanup(func() {
		s.server.Close()
		if err := <-s.served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s
}

// until waits for net/http to say that a connection is in a state: closed, to it, is
// one that was parked or that has ended.
func (s *parkingServer) until(t *testing.T, want http.ConnState) {
	t.Helper()
	for {
		select {
		case got := <-s.states:
			if got == want {
				return
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("no connection becomes %v", want)
		}
	}
}

func (s *parkingServer) dial(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return c, bufio.NewReader(c)
}

func say(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != want {
		t.Fatalf("%q, %v, want %q", b, err, want)
	}
}

func get(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n" }

// TestParking: a connection that was parked is the same to its client, whatever it
// sends and however it comes.
func TestParking(t *testing.T) {
	t.Parallel()
	s := serveParking(t, time.Hour)
	c, r := s.dial(t)
	for _, pieces := range [][]string{
		{get("/one")},
		{get("/two")},
		{"POST /three HTTP/1.1\r\nHost: x\r\nContent-Length: 30000\r\n\r\n" + strings.Repeat("x", 30_000)},
		{get("/four"), get("/five")},
	} {
		say(t, c, strings.Join(pieces, ""))
		for _, p := range pieces {
			path, _, _ := strings.Cut(strings.SplitN(p, " ", 3)[1], " ")
			_, body, _ := strings.Cut(p, "\r\n\r\n")
			hear(t, r, path+body)
		}
		s.until(t, http.StateClosed)
	}
	// The beginning of a request wakes it; that the rest takes longer than an idle
	// connection waits before it is parked does not matter.
	say(t, c, "G")
	s.until(t, http.StateNew)
	say(t, c, "ET")
	say(t, c, strings.TrimPrefix(get("/six"), "GET"))
	hear(t, r, "/six")
	s.until(t, http.StateClosed)
	if n := len(s.opened); n != 1 || <-s.opened != 1 {
		t.Errorf("%d changes of the number of connections, one was opened", n)
	}

	// The client's end is seen.
	c.Close()
	if n := <-s.opened; n != -1 {
		t.Errorf("%+d connections", n)
	}
}

// TestBegunIsNotParked: a connection on which net/http has the beginning of the next
// request is not idle, however long the rest takes.
func TestBegunIsNotParked(t *testing.T) {
	t.Parallel()
	next := get("/two")
	for _, n := range []int{1, 3, 5, strings.Index(next, "\n") + 1, len(next) - 1} {
		s := serveParking(t, time.Hour)
		c, r := s.dial(t)
		say(t, c, get("/one")+next[:n])
		hear(t, r, "/one")
		s.until(t, http.StateIdle)
		idle := time.After(20 * s.after)
		for wait := true; wait; {
			select {
			case state := <-s.states:
				if state == http.StateClosed {
					t.Errorf("parked with %q unread", next[:n])
				}
			case <-idle:
				wait = false
			}
		}
		say(t, c, next[n:])
		hear(t, r, "/two")
		s.until(t, http.StateClosed)
	}
}

// TestParkedTimeIsUp: a parked connection ends when an idle one does.
func TestParkedTimeIsUp(t *testing.T) {
	t.Parallel()
	s := serveParking(t, 50*time.Millisecond)
	c, r := s.dial(t)
	say(t, c, get("/one"))
	hear(t, r, "/one")
	s.until(t, http.StateClosed)
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the connection goes on: %v", err)
	}
	if a, b := <-s.opened, <-s.opened; a != 1 || b != -1 {
		t.Errorf("%+d, %+d connections", a, b)
	}
}

// TestParkedAtTheEnd: when the server ends, parked connections do.
func TestParkedAtTheEnd(t *testing.T) {
	t.Parallel()
	s := serveParking(t, time.Hour)
	c, r := s.dial(t)
	say(t, c, get("/one"))
	hear(t, r, "/one")
	s.until(t, http.StateClosed)
	if err := s.server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the connection goes on: %v", err)
	}
	if a, b := <-s.opened, <-s.opened; a != 1 || b != -1 {
		t.Errorf("%+d, %+d connections", a, b)
	}
}

// TestHTTP2IsNotParked: its connections have a state that has to stay.
func TestHTTP2IsNotParked(t *testing.T) {
	t.Parallel()
	s := serveParking(t, time.Hour)
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: &p}
	defer tr.CloseIdleConnections()
	for _, path := range []string{"/one", "/two"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := tr.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); err != nil || string(b) != path || resp.ProtoMajor != 2 {
			t.Errorf("%s %q, %v", resp.Proto, b, err)
		}
		resp.Body.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 20*s.after)
		for ctx.Err() == nil {
			select {
			case state := <-s.states:
				if state == http.StateClosed {
					t.Error("the connection was parked")
				}
			case <-ctx.Done():
			}
		}
		cancel()
	}
}
