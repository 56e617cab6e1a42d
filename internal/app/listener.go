package app

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// reserved is how many connections are accepted beyond the bound, or when the
	// process has no descriptor left. They live for reserveTime and get the pages for
	// load balancers; anything else is told to come back.
	reserved    = 32
	reserveTime = 3 * time.Second
	// spareFiles are descriptors that are kept open for nothing, to be given up for
	// such connections.
	spareFiles = 8
	// complainEvery bounds how often the log says that connections are refused.
	complainEvery = 10 * time.Second
)

// limitListener accepts at most a fixed number of connections at a time. At the
// bound, and when the process has no descriptors left, it goes on with a few in
// reserve, so that the server's health can still be asked. When these are taken
// too, further clients wait in the kernel's backlog until a connection ends.
type limitListener struct {
	net.Listener
	slots   chan struct{}
	reserve chan struct{}
	spares  chan *os.File
	changed func(int) // +1 when a connection opens, -1 when it closes
	log     *slog.Logger
	now     func() time.Time
	open    func() (*os.File, error) // takes a descriptor

	complained time.Time // owned by Accept

	closeOnce sync.Once
	closed    chan struct{}
}

func newLimitListener(l net.Listener, n int, changed func(int), log *slog.Logger) *limitListener {
	limited := &limitListener{
		Listener: l, slots: make(chan struct{}, n), reserve: make(chan struct{}, reserved), spares: make(chan *os.File, spareFiles),
		changed: changed, log: log, now: time.Now, open: openNull, closed: make(chan struct{}),
	}
	limited.refill()
	return limited
}

func openNull() (*os.File, error) { return os.Open(os.DevNull) }

// spare puts a descriptor aside, and reports whether there was one. A listener that is
// closed keeps none.
func (l *limitListener) spare() bool {
	f, err := l.open()
	if err != nil {
		return false
	}
	select {
	case l.spares <- f:
	default:
		f.Close()
	}
	select {
	case <-l.closed: // perhaps since Close has looked
		l.dropSpares()
		return false
	default:
	}
	return true
}

// refill puts aside what is missing, as far as there are descriptors. Whoever gave one
// up may have found none again: others come first to what one connection leaves.
func (l *limitListener) refill() {
	for len(l.spares) < spareFiles && l.spare() {
	}
}

// dropSpares closes what is put aside.
func (l *limitListener) dropSpares() {
	for {
		select {
		case f := <-l.spares:
			f.Close()
		default:
			return
		}
	}
}

// Accept is called by one goroutine.
func (l *limitListener) Accept() (net.Conn, error) {
	place, inReserve := l.slots, false
	select {
	case l.slots <- struct{}{}:
	default:
		l.complain("the bound on client connections is reached: further ones are asked to come back; raise --max-connections, or find who holds them",
			"max_connections", cap(l.slots))
		select {
		case l.slots <- struct{}{}:
		case l.reserve <- struct{}{}:
			place, inReserve = l.reserve, true
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
	c, err := l.Listener.Accept()
	gaveUp := false
	if outOfDescriptors(err) {
		l.complain("the process has no file descriptors left: new connections are refused; raise its limit (ulimit -n, LimitNOFILE), or lower --max-connections",
			"open_connections", len(l.slots)+len(l.reserve))
		select {
		case f := <-l.spares:
			f.Close()
			c, err = l.Listener.Accept() // may wait: the system wants a descriptor before there is a client
			gaveUp = !l.spare()
			inReserve = inReserve || gaveUp
		default:
		}
	}
	if err != nil {
		<-place
		l.refill()
		return nil, err
	}
	if place == l.reserve {
		select {
		case l.slots <- struct{}{}: // one came free while we waited for the client
			<-l.reserve
			place, inReserve = l.slots, gaveUp
		default:
		}
	}
	l.changed(1)
	conn := &limitConn{Conn: newPatientConn(c), release: func() {
		<-place
		l.changed(-1)
		l.refill()
	}}
	if inReserve {
		conn.until = l.now().Add(reserveTime)
		_ = conn.Conn.SetDeadline(conn.until) // a connection that is gone already says so when it is read
	}
	return conn, nil
}

func (l *limitListener) complain(message string, args ...any) {
	if now := l.now(); now.Sub(l.complained) >= complainEvery {
		l.complained = now
		l.log.Warn(message, args...)
	}
}

func outOfDescriptors(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

func (l *limitListener) Close() error {
	l.closeOnce.Do(func() {
		close(l.closed)
		l.dropSpares()
	})
	return l.Listener.Close()
}

type limitConn struct {
	net.Conn
	once    sync.Once
	release func()
	until   time.Time // of a connection in reserve: its end, else zero
}

func (c *limitConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.release)
	return err
}

// The deadlines of a connection in reserve end when it does, whatever the server
// allows others.

func (c *limitConn) SetDeadline(t time.Time) error      { return c.Conn.SetDeadline(c.bounded(t)) }
func (c *limitConn) SetReadDeadline(t time.Time) error  { return c.Conn.SetReadDeadline(c.bounded(t)) }
func (c *limitConn) SetWriteDeadline(t time.Time) error { return c.Conn.SetWriteDeadline(c.bounded(t)) }

func (c *limitConn) bounded(t time.Time) time.Time {
	if !c.until.IsZero() && (t.IsZero() || t.After(c.until)) {
		return c.until
	}
	return t
}

// inReserve reports whether a connection was accepted beyond the bound.
func inReserve(c net.Conn) bool {
	for {
		switch v := c.(type) {
		case *limitConn:
			return !v.until.IsZero()
		case interface{ NetConn() net.Conn }: // TLS, or parked when idle
			c = v.NetConn()
		case interface{ Raw() net.Conn }: // PROXY protocol
			c = v.Raw()
		default:
			return false
		}
	}
}
