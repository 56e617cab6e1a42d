package app

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestHeadersArePaid: headers that are arriving take no more memory than there is for
// all of them, however many connections send some; one that finds none ends its
// connection, a client's usual ones need none, and all of it comes back.
func TestHeadersArePaid(t *testing.T) {
	t.Parallel()
	const room, clients = 1 << 20, 20
	s, stop := testServer(t, httpConfig{
		maxConnections: 100, drainTimeout: time.Minute, headerMemory: room,
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, _ := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, len(r.Header), " ", n)
		}),
	})
	left := func() int64 {
		all := s.listener.(*parkingListener).Listener.(headerListener).room
		all.mu.Lock()
		defer all.mu.Unlock()
		return all.left
	}
	dial := func() (net.Conn, *bufio.Reader) {
		c, err := net.Dial("tcp", s.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		return c, bufio.NewReader(c)
	}
	// 12 KiB of header that take 200 KiB, and their end is missing.
	var lines strings.Builder
	lines.WriteString("GET / HTTP/1.1\r\nHost: x\r\n")
	for i := range 2000 {
		fmt.Fprintf(&lines, "%03x:\r\n", i)
	}
	var held []net.Conn
	var readers []*bufio.Reader
	cut := 0
	for range clients {
		c, r := dial()
		say(t, c, lines.String())
		held, readers = append(held, c), append(readers, r)
	}
	done := make(chan bool)
	for i, c := range held {
		go func() {
			_, err := readers[i].ReadByte() // nothing but the end can come
			done <- err == nil
			c.Close()
		}()
	}
	for ; cut < clients-room/(2000*lineMemory); cut++ {
		if <-done {
			t.Fatal("a header that has not ended is answered")
		}
	}
	if n := left(); n < 0 {
		t.Errorf("%d bytes more than there are", -n)
	}
	// A usual request needs nothing, however large its body, on this connection or after.
	c, r := dial()
	for range 3 {
		say(t, c, "POST / HTTP/1.1\r\nHost: x\r\nA: b\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("\n", 100_000))
		hear(t, r, "2 100000")
	}
	for _, c := range held {
		c.Close()
	}
	for ; cut < clients; cut++ {
		<-done
	}
	for deadline := time.Now().Add(30 * time.Second); left() != room && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if n := left(); n != room {
		t.Fatalf("%d bytes came back of %d", n, room)
	}
	// And there is room for a large one.
	say(t, c, lines.String()+"\r\n")
	hear(t, r, "2000 0")
	if n := left(); n != room {
		t.Errorf("%d bytes are left of %d after a request", n, room)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestHeaderCost: wherever reads cut it, a header costs the same, and what follows it
// nothing. The end of a line that began before is not taken for the header's.
func TestHeaderCost(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"GET / HTTP/1.1\r\nHost: x\r\n":                   25 + 2*lineMemory,
		"GET / HTTP/1.1\r\nHost: x\r\n\r\nbody\n\n":       27 + 3*lineMemory,
		"GET / HTTP/1.1\nHost: x\n\nbody\r\n\r\n":         24 + 3*lineMemory,
		"GET / HTTP/1.1\r\nA:\r\r\n \r\nB:\r\n\r\nbody\n": 30 + 5*lineMemory,
		"\nA:\r\nB:\r\n": 9 + 3*lineMemory,
		"\r\nA:\r\n\n\n": 7 + 3*lineMemory,
	} {
		for size := 1; size <= len(text); size++ {
			c := &headerConn{arriving: true}
			var got int64
			for rest := []byte(text); len(rest) > 0 && !c.ended; {
				piece := rest[:min(size, len(rest))]
				got += c.headerCost(piece)
				rest = rest[len(piece):]
			}
			if got != want {
				t.Errorf("%q by %d: %d, want %d", text, size, got, want)
			}
		}
	}
}

// TestOptionsOfTheServer: "OPTIONS *" goes the way of all requests: net/http's own answer
// would wait for a body that is counted nowhere.
func TestOptionsOfTheServer(t *testing.T) {
	t.Parallel()
	s, stop := testServer(t, httpConfig{drainTimeout: time.Minute, handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Method+" "+r.RequestURI)
	})})
	c, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	say(t, c, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
	hear(t, bufio.NewReader(c), "OPTIONS *")
	c.Close()
	if err := stop(); err != nil {
		t.Error(err)
	}
}
