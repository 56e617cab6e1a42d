package app

import (
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// parkAfter is how long a connection is idle before it is parked. One that is used
	// more often is served by the same goroutine all the time.
	parkAfter = time.Second
	// crowded is how many connections are served before idle ones are parked ten times
	// as soon, so that a crowd that comes at once does not fill the memory first.
	crowded = 1000
	// emptyBuffer is how much net/http reads when it has nothing of the next request, in
	// bytes. When it has the beginning of one it reads less.
	emptyBuffer = 4096
)

// parkingListener takes connections that are idle between two requests from
// net/http, which keeps a goroutine with a stack of 8 KiB and buffers of the same size
// for each, and accepts them anew when something comes. Meanwhile they cost a
// goroutine that does nothing but read.
//
// It does so from outside: net/http is told that the connection is at its end, and
// what it then closes is kept. For HTTP/1 without TLS only: others have a state of
// their own.
type parkingListener struct {
	net.Listener
	after    time.Duration // parkAfter
	accepted chan accepted
	begin    sync.Once
	done     chan struct{} // closed by Close
	served   atomic.Int64  // connections that net/http has

	mu     sync.Mutex // guards what follows
	parked map[*parkingConn]struct{}
	closed bool
}

type accepted struct {
	conn net.Conn
	err  error
}

func newParkingListener(l net.Listener) *parkingListener {
	return &parkingListener{
		Listener: l, after: parkAfter, accepted: make(chan accepted), done: make(chan struct{}),
		parked: map[*parkingConn]struct{}{},
	}
}

// Accept gives new connections, and parked ones to which something has come.
func (l *parkingListener) Accept() (net.Conn, error) {
	l.begin.Do(func() { go l.acceptNew() })
	select {
	case a := <-l.accepted:
		return a.conn, a.err
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// acceptNew ends with the listener.
func (l *parkingListener) acceptNew() {
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			l.hand(&parkingConn{Conn: c, lot: l})
			continue
		}
		select {
		case l.accepted <- accepted{nil, err}:
		case <-l.done:
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// hand gives a connection to the server, or closes it if that has ended.
func (l *parkingListener) hand(c *parkingConn) {
	select {
	case l.accepted <- accepted{c, nil}:
		l.served.Add(1)
	case <-l.done:
		c.Conn.Close()
	}
}

// Close closes the parked connections too.
func (l *parkingListener) Close() error {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.done)
	}
	for c := range l.parked {
		c.Conn.Close() // whoever waits for it sees that
	}
	l.mu.Unlock()
	return l.Listener.Close()
}

// park keeps a connection until something comes, at most until then. It reports
// whether it does.
func (l *parkingListener) park(c net.Conn, until time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || c.SetReadDeadline(until) != nil {
		return false
	}
	p := &parkingConn{Conn: c, lot: l}
	l.parked[p] = struct{}{}
	go p.wait()
	return true
}

// state is for http.Server.ConnState.
func (*parkingListener) state(c net.Conn, s http.ConnState) {
	if p, ok := c.(*parkingConn); ok {
		p.idle.Store(s == http.StateIdle && p.http1.Load())
	}
}

// parkingConn is a connection as net/http has it, from its acceptance to its end or
// until it is parked.
type parkingConn struct {
	net.Conn
	lot      *parkingListener
	answered atomic.Bool // something has been written
	http1    atomic.Bool // by HTTP/1
	idle     atomic.Bool // between two requests: the next read deadline is that of an idle connection
	leaving  atomic.Bool // what net/http closes next is to be parked
	closed   atomic.Bool

	// Of the goroutine that reads:
	until time.Time // when an idle connection ends, if it may be parked before; else zero
	first []byte    // what came while it was parked
	space [16]byte  // of first
}

// NetConn is the connection below.
func (c *parkingConn) NetConn() net.Conn { return c.Conn }

// wait reads what comes first and hands the connection back.
func (c *parkingConn) wait() {
	n, _ := c.Conn.Read(c.space[:])
	c.lot.mu.Lock()
	delete(c.lot.parked, c)
	c.lot.mu.Unlock()
	if n == 0 { // its time is over, or the client has gone
		c.Conn.Close()
		return
	}
	c.first = c.space[:n]
	c.lot.hand(c)
}

// SetReadDeadline implements net.Conn. An idle connection wakes earlier, to be parked:
// that is the first deadline once it is idle, the next one is for a request that begins.
func (c *parkingConn) SetReadDeadline(t time.Time) error {
	if !c.until.IsZero() { // else it may be read meanwhile
		c.until = time.Time{}
	}
	if c.idle.CompareAndSwap(true, false) {
		after := c.lot.after
		if c.lot.served.Load() > crowded {
			after /= 10
		}
		if soon := time.Now().Add(after); soon.Before(t) {
			c.until, t = t, soon
		}
	}
	return c.Conn.SetReadDeadline(t)
}

// Read implements net.Conn.
func (c *parkingConn) Read(b []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(b, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	if !c.until.IsZero() && len(b) < emptyBuffer { // net/http has the beginning of a request, less than it waits for
		_ = c.SetReadDeadline(c.until) // the read says what is wrong
	}
	n, err := c.Conn.Read(b)
	if c.until.IsZero() {
		return n, err
	}
	if n > 0 { // a request begins, perhaps with less than net/http waits for
		_ = c.SetReadDeadline(c.until) // the next read says what is wrong
	} else if errors.Is(err, os.ErrDeadlineExceeded) {
		c.leaving.Store(true)
	}
	return n, err
}

// Write implements net.Conn.
func (c *parkingConn) Write(b []byte) (int, error) {
	if !c.answered.Load() && len(b) > 0 {
		c.answered.Store(true)
		c.http1.Store(b[0] == 'H') // "HTTP/1.1"; what HTTP/2 begins with is a short frame
	}
	return c.Conn.Write(b)
}

// Close implements net.Conn.
func (c *parkingConn) Close() error {
	if !c.closed.CompareAndSwap(false, true) {
		return net.ErrClosed
	}
	c.lot.served.Add(-1)
	if c.leaving.Load() && c.lot.park(c.Conn, c.until) {
		return nil
	}
	return c.Conn.Close()
}
