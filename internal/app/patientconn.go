package app

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// patientConn is a connection on which net/http costs less. It does what a net.Conn
// does, a little later where nobody can tell:
//
//   - Deadlines. net/http sets some eight for each request, and each moves a timer in
//     the runtime. Here only one that is earlier than the one that is armed is set;
//     others are noted, and looked at when the armed one has passed.
//   - The read that net/http begins after each body, in a goroutine of its own, to learn
//     whether the client has gone while the handler works. Most handlers answer within a
//     millisecond; for readGrace the read only waits for the word that ends it, and
//     costs neither a system call nor the network poller.
type patientConn struct {
	net.Conn
	read, write deadline

	mu      sync.Mutex    // guards waiting
	waiting bool          // a read of one byte is in its grace
	ended   chan struct{} // gets one value for each grace
	timer   *time.Timer
}

// readGrace is how long a read of a single byte, which is how net/http listens for the
// end of the client, waits before it asks the system.
const readGrace = 10 * time.Millisecond

func newPatientConn(c net.Conn) *patientConn {
	return &patientConn{Conn: c, ended: make(chan struct{}, 1)}
}

// deadline is one that was set and one that is armed. The armed one is never later.
type deadline struct {
	mu    sync.Mutex // guards what follows
	want  time.Time  // zero: none
	armed time.Time  // zero: none
}

// set notes t, and arms it if it is earlier than what is armed. One that has passed
// is not left armed.
func (d *deadline) set(t time.Time, arm func(time.Time) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.want = t
	switch {
	case longAgo(t), longAgo(d.armed):
	case t.IsZero(), !d.armed.IsZero() && !t.Before(d.armed):
		return nil
	}
	d.armed = t
	return arm(t)
}

// note notes t without arming it, for calls that begin later.
func (d *deadline) note(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.want = t
}

// over reports whether the deadline means "now".
func (d *deadline) over() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return longAgo(d.want)
}

// passed is asked when the armed deadline has ended a call. It reports whether the
// noted one has passed too; if not, that one is armed, and the call is to be made
// again.
func (d *deadline) passed(arm func(time.Time) error) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.want.IsZero() && !time.Now().Before(d.want) {
		return true
	}
	d.armed = d.want
	return arm(d.want) != nil
}

// longAgo reports whether a deadline is one that means "now", as net/http's is.
func longAgo(t time.Time) bool { return !t.IsZero() && t.Unix() < 1_000_000_000 }

// Read implements net.Conn.
func (c *patientConn) Read(b []byte) (int, error) {
	if len(b) == 1 {
		c.grace()
	}
	if c.read.over() {
		return 0, os.ErrDeadlineExceeded
	}
	for {
		n, err := c.Conn.Read(b)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || c.read.passed(c.Conn.SetReadDeadline) {
			return n, err
		}
	}
}

// Write implements net.Conn.
func (c *patientConn) Write(b []byte) (written int, err error) {
	for {
		n, err := c.Conn.Write(b[written:])
		written += n
		if !errors.Is(err, os.ErrDeadlineExceeded) || c.write.passed(c.Conn.SetWriteDeadline) {
			return written, err
		}
	}
}

// grace waits before a read of one byte is made, until its grace is over or is ended by
// a deadline that means "now" or by Close.
func (c *patientConn) grace() {
	c.mu.Lock()
	if c.read.over() { // looked at with the lock: SetReadDeadline may have found nobody in a grace
		c.mu.Unlock()
		return
	}
	c.waiting = true
	if c.timer == nil {
		c.timer = time.AfterFunc(readGrace, func() { c.endGrace() })
	} else {
		c.timer.Reset(readGrace)
	}
	c.mu.Unlock()
	<-c.ended
	c.timer.Stop() // if it is running already, it may end the next grace early
}

// endGrace ends the grace of a read, and reports whether there was one in it.
func (c *patientConn) endGrace() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.waiting {
		return false
	}
	c.waiting = false
	c.ended <- struct{}{}
	return true
}

// SetReadDeadline implements net.Conn.
func (c *patientConn) SetReadDeadline(t time.Time) error {
	if longAgo(t) {
		c.read.note(t) // before it looks for a grace: one that begins later sees it
		if c.endGrace() {
			return nil // nothing is left for it to end
		}
	}
	return c.read.set(t, c.Conn.SetReadDeadline)
}

// SetWriteDeadline implements net.Conn.
func (c *patientConn) SetWriteDeadline(t time.Time) error {
	return c.write.set(t, c.Conn.SetWriteDeadline)
}

// SetDeadline implements net.Conn.
func (c *patientConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// Close implements net.Conn. A read in its grace learns of it from the connection below.
func (c *patientConn) Close() error {
	err := c.Conn.Close()
	c.endGrace()
	return err
}
