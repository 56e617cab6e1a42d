//go:build linux

package hostile

import (
	"flag"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// connections is how many a server takes unless told otherwise, and how many there
	// are in each crowd, if descriptors allow.
	connections = 32_768
	// memoryForAll is what the server may take for crowds of connections, of whatever kind.
	memoryForAll = 1 << 30
)

// crowdSize is how many connections each of two crowds can have: of the descriptors
// that this process and the server may open, half each, and some left for the rest.
func crowdSize(t *testing.T) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	// Go has raised the soft limit to the hard one already, in the server too. The
	// ports of one client's address are a bound too: about 28,000.
	n := min(connections, (int(limit.Max)-1000)/2)
	if n < 500 {
		t.Fatalf("only %d descriptors: raise the limit (ulimit -Hn)", limit.Max)
	}
	return n
}

// crowd opens n connections, from as many addresses of the loopback network as their
// ports take, and says the same on each at once: the server waits for a request's
// header for a while only.
func (v *victim) crowd(t *testing.T, n int, network byte, text string) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, 0, n)
	t.Cleanup(func() {
		for _, c := range conns {
			c.Close()
		}
	})
	for i := range n {
		d := net.Dialer{Timeout: time.Minute, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, network, 0, byte(1+i/10_000))}}
		c, err := d.Dial("tcp", v.Addr())
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		conns = append(conns, c)
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
	}
	return conns
}

var latencyFor = flag.Duration("latency", 0, "how long to measure what crowds of connections cost others; 0: not")

// latency tells how long signed sends take, 500 a second, each counted from when it was
// due. Nothing is asserted: that is the machine's.
func (v *victim) latency(t *testing.T, what string) {
	v.send(t)
	if *latencyFor == 0 {
		return
	}
	const rate, clients = 500, 16
	took := make([][]time.Duration, clients)
	began := time.Now()
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			for n := i; ; n += clients {
				due := began.Add(time.Duration(n) * time.Second / rate)
				if due.Sub(began) > *latencyFor {
					return
				}
				time.Sleep(time.Until(due))
				v.send(t)
				took[i] = append(took[i], time.Since(due))
			}
		})
	}
	all.Wait()
	list := slices.Sorted(slices.Values(slices.Concat(took...)))
	t.Logf("a send %s: %v at the median, %v at p99", what, list[len(list)/2], list[len(list)*99/100])
}

// TestConnections: a crowd of connections that asked once and are idle, and one as
// large that sends its body a byte a second. Together they take less than 1 GB at
// 32,768 each, or the part of it that their number is of that; the idle ones no more
// than half of it.
func TestConnections(t *testing.T) {
	n := crowdSize(t)
	v := start(t, "--max-connections", strconv.Itoa(2*n+100))
	v.latency(t, "alone")
	const get = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
	var buf [4096]byte
	for _, c := range v.crowd(t, n, 1, get) {
		if _, err := c.Read(buf[:]); err != nil {
			t.Fatal(err)
		}
	}
	v.latency(t, "with the idle ones")
	if *latencyFor == 0 { // else sends took memory, too
		v.staysBelow(t, memoryForAll/2*int64(n)/connections)
	}
	idle := v.resident(t) - v.idle
	t.Logf("%d idle connections: %d MiB, %d bytes each", n, idle>>20, idle/int64(n))

	head := "POST / HTTP/1.1\r\nHost: " + v.Addr() + "\r\n" + jsonHead("SendMessage") + "Content-Length: 4194304\r\n\r\n"
	slow := v.crowd(t, n, 2, head)
	measured := make(chan struct{})
	go func() {
		defer close(measured)
		v.latency(t, "with both crowds")
	}()
	for turn, measuring := 0, true; turn < 3 || measuring; turn++ {
		began := time.Now()
		for i, c := range slow {
			if i%64 == 0 { // spread over the second
				time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(n))))
			}
			_, _ = c.Write([]byte("x")) // refused ones have been closed
		}
		v.send(t)
		select {
		case <-measured:
			measuring = false
		default:
		}
	}
	both := v.resident(t) - v.idle
	t.Logf("as many slow ones: %d MiB with them, %d bytes each", both>>20, (both-idle)/int64(n))
	if *latencyFor == 0 {
		v.staysBelow(t, memoryForAll*int64(n)/connections)
	}
}
