package app

import (
	"net"
	"sync"
)

// limitListener accepts at most a fixed number of connections at a time. At
// the bound it stops accepting: further clients wait in the kernel's backlog
// until a connection ends, and idle ones are ended by the server's timeouts.
type limitListener struct {
	net.Listener
	slots   chan struct{}
	changed func(int) // +1 when a connection opens, -1 when it closes

	closeOnce sync.Once
	closed    chan struct{}
}

func newLimitListener(l net.Listener, n int, changed func(int)) *limitListener {
	return &limitListener{Listener: l, slots: make(chan struct{}, n), changed: changed, closed: make(chan struct{})}
}

func (l *limitListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	l.changed(1)
	return &limitConn{Conn: c, release: func() { <-l.slots; l.changed(-1) }}, nil
}

func (l *limitListener) Close() error {
	l.closeOnce.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitConn struct {
	net.Conn
	once    sync.Once
	release func()
}

func (c *limitConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.release)
	return err
}
