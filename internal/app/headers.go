package app

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"sync"
)

// A header that is still arriving costs memory before anything is known of its sender,
// and one of many short lines fifteen times what was sent: 64 KiB become 1 MiB. So what
// does not look like any client's is paid for as it comes, out of one room for all
// connections.
const (
	// minHeaderMemory is the least room for headers that are arriving, in bytes; it is
	// an eighth of the budget for bodies where that is more.
	minHeaderMemory = 16 << 20
	// lineMemory is about what a line of a header costs beside its bytes.
	lineMemory = 96
	// freeHeader is what a header may cost that is not paid for: 4 KiB in thirty lines
	// are those of an SDK with temporary credentials.
	freeHeader = 8 << 10
	// Of an encrypted connection only bytes can be counted, each as what the worst header
	// makes of it; its handshake is among them.
	worstByte    = 16
	freeTLSBytes = 8 << 10
	// headerStep is what is taken at least.
	headerStep = 16 << 10
	// maxHeader is what one header costs at most: net/http reads no further.
	maxHeader = (maxHeaderBytes + 4<<10) * worstByte
)

// errHeaderRoom ends a connection whose header finds no room. It is an error of reading,
// as of a connection that broke: net/http then answers nothing, and clients try again.
var errHeaderRoom = &net.OpError{Op: "read", Net: "tcp", Err: errors.New("no memory for its header")}

// headerRoom is the memory for headers that are arriving.
type headerRoom struct {
	mu   sync.Mutex // guards left
	left int64      // bytes
}

// take gives n bytes to a connection that has some already, if as many are left as it
// then has: so smaller headers find room where larger ones do not.
func (r *headerRoom) take(n, has int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if has+n > r.left {
		return false
	}
	r.left -= n
	return true
}

func (r *headerRoom) give(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left += n
}

// headerListener gives connections whose headers are paid for as they arrive.
type headerListener struct {
	net.Listener
	room *headerRoom
	tls  bool // what arrives is encrypted
}

func (l headerListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &headerConn{Conn: c, room: l.room, tls: l.tls, arriving: true}, nil
}

// headerConn counts what arrives between two requests. What has arrived belongs to the
// request once its handler runs, see handled.
type headerConn struct {
	net.Conn
	room *headerRoom
	tls  bool

	mu       sync.Mutex // guards what follows
	arriving bool       // no handler is running
	closed   bool
	http2    bool
	cost     int64 // of what arrived
	paid     int64 // of it
	line     lineStart
	ended    bool // by an empty line: a body follows
}

// lineStart is what is known of the line that is arriving.
type lineStart int

const (
	within  lineStart = iota // it has begun, perhaps in what net/http had already
	atStart                  // nothing of it has come
	afterCR                  // nothing but a carriage return
)

// NetConn is the connection below.
func (c *headerConn) NetConn() net.Conn { return c.Conn }

// Read implements net.Conn.
func (c *headerConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && !c.arrived(b[:n]) {
		_ = c.Close() // TLS would make a bad request of the error
		return 0, errHeaderRoom
	}
	return n, err
}

// arrived pays for b, if it is part of a header.
func (c *headerConn) arrived(b []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.arriving || c.ended {
		return true
	}
	free := int64(freeHeader)
	if c.tls {
		c.cost += worstByte * int64(len(b))
		free = worstByte * freeTLSBytes
	} else {
		c.cost += c.headerCost(b)
	}
	due := min(c.cost, maxHeader) - free - c.paid
	if due <= 0 {
		return true
	}
	due = max(due, headerStep)
	if !c.room.take(due, c.paid) {
		return false
	}
	c.paid += due
	return true
}

// headerCost is what b costs as far as it is of a header. It notes where that ends.
func (c *headerConn) headerCost(b []byte) (n int64) {
	for len(b) > 0 {
		text, rest, whole := bytes.Cut(b, []byte{'\n'})
		empty := c.line == afterCR && len(text) == 0 || c.line == atStart && (len(text) == 0 || len(text) == 1 && text[0] == '\r')
		switch {
		case !whole && empty:
			c.line = afterCR
		case !whole:
			c.line = within
		default:
			c.line = atStart
			n += lineMemory
		}
		n += int64(len(b) - len(rest))
		if whole && empty {
			c.ended = true
			return n
		}
		b = rest
	}
	return n
}

// handled is told when a handler begins: what has arrived is its request's. HTTP/2 mixes
// headers with the rest: there nothing more is counted.
func (c *headerConn) handled(r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arriving, c.http2 = false, r.ProtoMajor > 1
	c.giveBack()
}

// nextHeader is for http.Server.ConnState: between two requests a header may arrive.
func nextHeader(conn net.Conn, s http.ConnState) {
	if s != http.StateIdle {
		return
	}
	if c := headerConnOf(conn); c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.arriving = !c.closed && !c.http2
		c.giveBack()
	}
}

func (c *headerConn) giveBack() {
	if c.paid > 0 {
		c.room.give(c.paid)
	}
	c.cost, c.paid, c.line, c.ended = 0, 0, within, false
}

// Close implements net.Conn.
func (c *headerConn) Close() error {
	err := c.Conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed, c.arriving = true, false
	c.giveBack()
	return err
}

// headerKey has the context of a connection's requests know its headerConn.
type headerKey struct{}

// headerConnOf finds the headerConn below a connection, nil: there is none.
func headerConnOf(c net.Conn) *headerConn {
	for {
		switch v := c.(type) {
		case *headerConn:
			return v
		case interface{ NetConn() net.Conn }:
			c = v.NetConn()
		default:
			return nil
		}
	}
}
