package owner_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/registry"
)

func deadLetterTo(dead *registry.Queue, max int) func(*registry.Queue) {
	return func(q *registry.Queue) { q.Redrive = &registry.Redrive{TargetARN: dead.ARN(), MaxReceives: max} }
}

// smallSteps makes a journal rewrite and trim all the time.
func smallSteps(c *journal.Config) {
	c.MaxAppend, c.RewriteFloor, c.TrimBytes = 8<<10, 32<<10, 16<<10
	c.TrimEvery, c.TrimAge = time.Millisecond, time.Millisecond
	c.CacheBytes = 1
}

// churn lets messages come and go until the log was rewritten and trimmed a good deal.
func (c *cluster) churn(o *running, q *registry.Queue) {
	c.t.Helper()
	before := o.j.Stats()
	big := strings.Repeat("x", 4<<10)
	eventually(c.t, "the log is rewritten and trimmed", func() bool {
		for range 10 {
			c.post(o, big, to(q, nil))
			c.remove(o, ref(q), c.receive(o, q, 30)...)
		}
		return o.j.Stats().First > before.Last
	})
}

// Dead letters for another partition arrive once each and in order, whatever
// becomes of the log, of the owners and of the hand-overs meanwhile.
func TestOutboxTheWholeWay(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.journal = smallSteps
	away := true
	lost := 0
	c.handOver = func(uint32) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if away {
			return owner.ErrUnavailable
		}
		return nil
	}
	dead := c.defs.define(20, 1, nil)
	q := c.defs.define(10, 0, deadLetterTo(dead, 1))
	busy := c.defs.define(11, 0, nil)
	a := c.start(0)
	c.start(1)
	const count = 100
	sent := 0
	exhaust := func(n int) {
		for range n {
			c.post(a, fmt.Sprint(sent), to(q, nil))
			sent++
			if got := c.receive(a, q, 0); len(got) != 1 {
				t.Fatalf("received %d", len(got))
			}
		}
	}
	for range 4 {
		exhaust(count / 5)
		c.churn(a, busy)
		a = c.restart(0)
	}
	exhaust(count / 5)
	if n := a.Status().Backlog; n != count {
		t.Fatalf("%d messages wait in the outbox, want %d", n, count)
	}
	// Reachable again; the first answers get lost on the way back.
	c.mu.Lock()
	away = false
	c.mu.Unlock()
	c.stop(0)
	c.handOver = func(uint32) error {
		if lost < 3 {
			lost++
			return errAnswerLost
		}
		return nil
	}
	a = c.start(0)
	eventually(t, "the outbox is empty", func() bool { return a.Status().Backlog == 0 })
	c.mu.Lock()
	b := c.owners[1]
	c.mu.Unlock()
	c.want(b, dead, count, 0, 0)
	b = c.restart(1)
	for i := 0; i < count; {
		for _, d := range c.receive(b, dead, 3600) {
			if text(d.Payload) != fmt.Sprint(i) || d.Note.Source != q.ARN() || d.Note.Receives != 1 {
				t.Fatalf("dead letter %d is %q from %q", i, text(d.Payload), d.Note.Source)
			}
			i++
		}
	}
	// The mark outlives rewriting: nothing is accepted twice.
	c.churn(b, c.defs.define(21, 1, nil))
	b = c.restart(1)
	out, err := b.Accept(t.Context(), owner.AcceptIn{From: 0, Parcels: []owner.Parcel{{Key: count, Payload: payload("again")}}})
	if err != nil || out.Mark < count {
		t.Fatalf("mark %d, %v", out.Mark, err)
	}
	c.want(b, dead, 0, count, 0)
	// And keys of the outbox are not used again after it was empty.
	c.churn(a, busy)
	a = c.restart(0)
	exhaust(1)
	eventually(t, "one more arrives", func() bool { return c.counts(b, dead).Visible == 1 })
}

var errAnswerLost = errors.New("the answer was lost")

// A partition that can't be reached holds up no other.
func TestOutboxesSideBySide(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	near, far := c.defs.define(21, 1, nil), c.defs.define(22, 2, nil)
	hung := make(chan struct{})
	defer close(hung)
	asked := make(chan struct{}, 1)
	c.handOver = func(p uint32) error {
		if p == 2 {
			select {
			case asked <- struct{}{}:
			default:
			}
			<-hung
			return owner.ErrUnavailable
		}
		return nil
	}
	a, b := c.start(0), c.start(1)
	c.post(a, "far", to(far, nil))
	<-asked
	c.post(a, "near", to(near, nil))
	eventually(t, "the near one has its message", func() bool { return c.counts(b, near).Visible == 1 })
}

// Only what was sent leaves the outbox, though the other side says that it has more.
func TestHandedOverRemovesWhatWasSent(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	q := c.defs.define(20, 1, nil)
	a, b := c.start(0), c.start(1)
	// The other side's mark is far ahead: this partition's log was replaced.
	if _, err := b.Accept(t.Context(), owner.AcceptIn{From: 0, Parcels: []owner.Parcel{{Key: 5, Payload: payload("x")}}}); err != nil {
		t.Fatal(err)
	}
	var held []owner.Posted
	first := make(chan struct{})
	resume := make(chan struct{})
	once := false
	c.handOver = func(uint32) error {
		if !once {
			once = true
			close(first)
			<-resume
		}
		return nil
	}
	held = append(held, c.post(a, "1", to(q, nil))...)
	<-first
	for i := range 7 {
		held = append(held, c.post(a, fmt.Sprint(i+2), to(q, nil))...)
	}
	close(resume)
	eventually(t, "the outbox is empty", func() bool { return a.Status().Backlog == 0 })
	// Keys 1 to 5 were taken for known; what came behind them is there.
	if n := c.counts(b, q).Visible; n != 3 || len(held) != 8 {
		t.Errorf("%d of %d messages arrived, want those beyond the mark: 3", n, len(held))
	}
}
