//go:build linux

package hostile

import (
	"io"
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"
)

const (
	// connections is how many a server takes unless told otherwise, and how many there
	// are in each crowd, if descriptors allow.
	connections = 32_768
	// memoryForAll is what the server may take for so many, of whatever kind.
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
// ports take.
func (v *victim) crowd(t *testing.T, n int, network byte) []net.Conn {
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
	}
	return conns
}

// TestConnections: a crowd of connections that asked once and are idle, and one as
// large that sends its body a byte a second. Each takes less than 1 GB at 32,768, or
// the part of it that its number is of that.
func TestConnections(t *testing.T) {
	n := crowdSize(t)
	v := start(t, "--max-connections", strconv.Itoa(2*n+100))
	const get = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
	var buf [4096]byte
	for _, c := range v.crowd(t, n, 1) {
		if _, err := io.WriteString(c, get); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(buf[:]); err != nil {
			t.Fatal(err)
		}
	}
	v.send(t)
	v.staysBelow(t, memoryForAll*int64(n)/connections)
	idle := v.resident(t) - v.idle
	t.Logf("%d idle connections: %d MiB, %d bytes each", n, idle>>20, idle/int64(n))

	slow := v.crowd(t, n, 2)
	head := "POST / HTTP/1.1\r\nHost: " + v.Addr() + "\r\n" + jsonHead("SendMessage") + "Content-Length: 4194304\r\n\r\n"
	for _, c := range slow {
		if _, err := io.WriteString(c, head); err != nil {
			t.Fatal(err)
		}
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for range 3 {
		for _, c := range slow {
			_, _ = c.Write([]byte("x")) // refused ones have been closed
		}
		v.send(t)
		<-tick.C
	}
	both := v.resident(t) - v.idle
	t.Logf("as many slow ones: %d MiB with them, %d bytes each", both>>20, (both-idle)/int64(n))
	v.staysBelow(t, 2*memoryForAll*int64(n)/connections)
}
