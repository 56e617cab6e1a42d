package jet

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Bounds on what is published and not yet answered, all streams of a Conn
// together. Past them an Append ends in ErrUnavailable at once, unsent.
const (
	maxOutstanding      = 4096
	maxOutstandingBytes = 512 << 20
)

// publisher sends appends in order and matches the answers. One goroutine
// writes to the connection, so that Append never waits for a socket; one keeps
// the time. Every publish is finished exactly once: by its answer, by the
// clock, by the loss of the connection, or by close.
type publisher struct {
	nc      *nats.Conn
	timeout time.Duration
	inbox   string // of the answers, ends with a dot
	sub     *nats.Subscription
	late    func() // called when answers fail to come; must not block

	mu       sync.Mutex // guards what follows
	pending  map[uint64]*publish
	bytes    int // of pending
	lastID   uint64
	toSend   []*publish // not yet written
	deadline []*publish // by deadline; finished ones are dropped when they come first
	failed   []*publish // for the clock to report
	up       bool       // connected, as far as is known
	refused  error      // what to end every publish with, unsent; nil to send
	closed   bool

	wakeSender, wakeClock chan struct{} // of length 1
	wait                  sync.WaitGroup
}

// publish is one append under way.
type publish struct {
	id       uint64
	msg      *nats.Msg
	size     int
	deadline time.Time
	done     func(seq uint64, err error)
	finished bool  // guarded by publisher.mu
	err      error // why it failed, for the clock to report
}

func newPublisher(nc *nats.Conn, timeout time.Duration, late func()) (*publisher, error) {
	p := &publisher{
		nc:         nc,
		up:         true,
		timeout:    timeout,
		late:       late,
		inbox:      nc.NewInbox() + ".",
		pending:    make(map[uint64]*publish),
		wakeSender: make(chan struct{}, 1),
		wakeClock:  make(chan struct{}, 1),
	}
	sub, err := nc.Subscribe(p.inbox+"*", p.answered)
	if err != nil {
		return nil, fmt.Errorf("jet: subscribe to acknowledgements: %w", err)
	}
	// Bounded by maxOutstanding already.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return nil, fmt.Errorf("jet: subscribe to acknowledgements: %w", err)
	}
	p.sub = sub
	p.wait.Go(p.send)
	p.wait.Go(p.watchClock)
	return p, nil
}

// publish has msg sent and done called with its outcome, from another goroutine.
func (p *publisher) publish(msg *nats.Msg, done func(seq uint64, err error)) {
	pub := &publish{msg: msg, size: len(msg.Data), done: done, deadline: time.Now().Add(p.timeout)}
	p.mu.Lock()
	switch {
	case p.closed:
		p.mu.Unlock()
		go done(0, fmt.Errorf("%w: %w", ErrUnavailable, ErrClosed))
		return
	case p.refused != nil:
		p.failLocked(pub, p.refused)
		p.late() // perhaps there is room by now
	case len(p.pending) >= maxOutstanding, p.bytes+pub.size > maxOutstandingBytes && len(p.pending) > 0:
		p.failLocked(pub, fmt.Errorf("%w: too many appends are unanswered", ErrUnavailable))
	case !p.up:
		p.failLocked(pub, fmt.Errorf("%w: not connected", ErrUnavailable))
	default:
		p.lastID++
		pub.id = p.lastID
		msg.Reply = p.inbox + strconv.FormatUint(pub.id, 36)
		p.pending[pub.id] = pub
		p.bytes += pub.size
		p.toSend = append(p.toSend, pub)
		p.deadline = append(p.deadline, pub)
		if len(p.deadline) == 1 {
			wake(p.wakeClock)
		}
		wake(p.wakeSender)
	}
	p.mu.Unlock()
}

func wake(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// failLocked finishes pub with err; the clock's goroutine reports it.
func (p *publisher) failLocked(pub *publish, err error) {
	p.finishLocked(pub)
	pub.err = err
	p.failed = append(p.failed, pub)
	wake(p.wakeClock)
}

// finishLocked takes pub out of the outstanding ones.
func (p *publisher) finishLocked(pub *publish) {
	pub.finished = true
	pub.msg = nil // may be large
	if pub.id != 0 {
		delete(p.pending, pub.id)
		p.bytes -= pub.size
	}
	n := 0
	for n < len(p.deadline) && p.deadline[n].finished {
		p.deadline[n] = nil
		n++
	}
	p.deadline = p.deadline[n:]
}

// send writes what is queued to the connection.
func (p *publisher) send() {
	for range p.wakeSender {
		p.mu.Lock()
		batch := p.toSend
		p.toSend = nil
		closed := p.closed
		p.mu.Unlock()
		for _, pub := range batch {
			p.mu.Lock()
			msg := pub.msg // nil when it was finished meanwhile
			p.mu.Unlock()
			if msg == nil {
				continue
			}
			if err := p.nc.PublishMsg(msg); err != nil {
				p.mu.Lock()
				if !pub.finished {
					p.failLocked(pub, transportError(err))
				}
				p.mu.Unlock()
			}
		}
		if closed {
			return
		}
	}
}

// answered is called by nats.go for every answer, one after another.
func (p *publisher) answered(m *nats.Msg) {
	id, err := strconv.ParseUint(m.Subject[len(p.inbox):], 36, 64)
	if err != nil {
		return
	}
	p.mu.Lock()
	pub := p.pending[id]
	if pub == nil {
		p.mu.Unlock()
		return // given up already
	}
	p.finishLocked(pub)
	p.mu.Unlock()
	pub.done(decodeAck(m))
}

// decodeAck reads the answer to a publish.
func decodeAck(m *nats.Msg) (uint64, error) {
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		return 0, fmt.Errorf("%w: no stream takes this subject, or it has no leader", ErrUnavailable)
	}
	var ack struct {
		Stream string    `json:"stream"`
		Seq    uint64    `json:"seq"`
		Error  *apiError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &ack); err != nil {
		return 0, fmt.Errorf("%w: unreadable acknowledgement: %w", ErrUnavailable, err)
	}
	if ack.Error != nil {
		return 0, ack.Error
	}
	if ack.Stream == "" || ack.Seq == 0 {
		return 0, fmt.Errorf("%w: acknowledgement without a sequence", ErrUnavailable)
	}
	return ack.Seq, nil
}

// watchClock finishes what was not answered in time, and reports what failed.
func (p *publisher) watchClock() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		p.mu.Lock()
		now, late := time.Now(), false
		for len(p.deadline) > 0 && !p.deadline[0].deadline.After(now) {
			pub := p.deadline[0]
			late = true
			p.failLocked(pub, fmt.Errorf("%w: no acknowledgement within %v", ErrUnavailable, p.timeout))
		}
		next := time.Hour
		if len(p.deadline) > 0 {
			next = p.deadline[0].deadline.Sub(now)
		}
		failed := p.failed
		p.failed = nil
		closed := p.closed
		p.mu.Unlock()

		if late {
			p.late()
		}
		for _, pub := range failed {
			pub.done(0, pub.err)
		}
		if closed {
			return
		}
		timer.Reset(next)
		select {
		case <-timer.C:
		case <-p.wakeClock:
		}
	}
}

// refuse has every publish end with err from now on, unsent; nil ends that.
func (p *publisher) refuse(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused = err
}

// setUp notes whether there is a connection. When it was lost everything
// outstanding is finished, since answers will not come.
func (p *publisher) setUp(up bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up = up
	if !up {
		p.failAllLocked(fmt.Errorf("%w: connection lost", ErrUnavailable))
	}
}

func (p *publisher) failAllLocked(err error) {
	for _, pub := range slices.Clone(p.deadline) {
		if !pub.finished {
			p.failLocked(pub, err)
		}
	}
	p.toSend = nil
}

// close finishes everything outstanding and waits until that is reported.
func (p *publisher) close() {
	p.mu.Lock()
	p.closed = true
	p.failAllLocked(fmt.Errorf("%w: %w", ErrUnavailable, ErrClosed))
	p.mu.Unlock()
	_ = p.sub.Unsubscribe() // the connection is closed next anyway
	wake(p.wakeSender)
	wake(p.wakeClock)
	p.wait.Wait()
}

// fail has done called with err, from the clock's goroutine.
func (p *publisher) fail(err error, done func(seq uint64, err error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		go done(0, err)
		return
	}
	p.failLocked(&publish{done: done}, err)
}
