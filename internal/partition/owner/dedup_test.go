package owner_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/registry"
)

// deduplicated has posts carry a deduplication id.
func deduplicated(t *owner.PostTarget) { t.Dedup, t.Answer = &[16]byte{1}, [16]byte{1} }

func fifo(q *registry.Queue) { q.FIFO = true }

// unreachable lets a test say when no partition can be reached by another.
func (c *cluster) unreachable() *atomic.Bool {
	away := new(atomic.Bool)
	c.handOver = func(uint32) error {
		if away.Load() {
			return owner.ErrUnavailable
		}
		return nil
	}
	return away
}

// handedOver waits until an owner's outboxes are empty.
func (c *cluster) handedOver(o *running) {
	c.t.Helper()
	eventually(c.t, "the outbox is empty", func() bool { return o.Status().Backlog == 0 })
}

// A repeated post is one with the first by when they were posted, however long both
// wait in the outbox.
func TestDuplicatesThatWaitInTheOutbox(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	q := c.defs.define(20, 1, fifo)
	away := c.unreachable()
	away.Store(true)
	a, b := c.start(0), c.start(1)
	c.post(a, "first", to(q, deduplicated))
	c.ahead(299 * time.Second)
	c.post(a, "again", to(q, deduplicated))
	c.ahead(2 * time.Second)
	c.post(a, "new", to(q, deduplicated))
	c.ahead(time.Hour)
	away.Store(false)
	c.handedOver(a)
	c.want(b, q, 2, 0, 0)
}

// Clocks that differ by more than the window make no difference.
func TestDuplicatesAcrossClocks(t *testing.T) {
	t.Parallel()
	for _, apart := range []time.Duration{-time.Hour, -6 * time.Minute, 6 * time.Minute, time.Hour} {
		c := newCluster(t)
		q := c.defs.define(20, 1, fifo)
		b := c.start(1)
		c.wall.Store(int64(apart))
		a := c.start(0)
		c.post(a, "first", to(q, deduplicated))
		c.handedOver(a)
		c.ahead(299 * time.Second)
		c.post(a, "again", to(q, deduplicated))
		c.handedOver(a)
		if n := c.counts(b, q).Visible; n != 1 {
			t.Errorf("%v apart: %d messages, want the first", apart, n)
		}
		c.ahead(2 * time.Second)
		c.post(a, "new", to(q, deduplicated))
		c.handedOver(a)
		if n := c.counts(b, q).Visible; n != 2 {
			t.Errorf("%v apart: %d messages, want the first and the new one", apart, n)
		}
	}
}

// The first came in at once, the repeated one waits: it is known if it waits no more
// than five minutes longer, also from a log that was written again without the
// first one's message. In the end it is forgotten.
func TestDuplicateThatComesLate(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.journal = smallSteps
	q := c.defs.define(20, 1, fifo)
	away := c.unreachable()
	a, b := c.start(0), c.start(1)
	c.post(a, "first", to(q, deduplicated))
	c.handedOver(a)
	c.remove(b, ref(q), c.receive(b, q, 30)...)
	away.Store(true)
	c.ahead(290 * time.Second)
	c.post(a, "again", to(q, deduplicated))
	c.ahead(290 * time.Second)
	c.churn(b, c.defs.define(21, 1, nil))
	b = c.restart(1)
	c.want(b, q, 0, 0, 0)
	away.Store(false)
	c.handedOver(a)
	c.want(b, q, 0, 0, 0)
	known := b.Status().Usage.Bytes
	c.ahead(time.Minute)
	c.post(b, "another", to(q, nil))
	c.remove(b, ref(q), c.receive(b, q, 30)...)
	if now := b.Status().Usage.Bytes; now >= known {
		t.Error("it is never forgotten")
	}
}

// Two partitions post by the same id, and what was posted first comes last: they are
// one only if posted within the window, and the one that was posted last stays known.
func TestOlderPostComesLater(t *testing.T) {
	t.Parallel()
	for apart, want := range map[time.Duration]int{299 * time.Second: 1, 301 * time.Second: 2} {
		c := newCluster(t)
		q := c.defs.define(20, 2, fifo)
		b := c.start(2)
		now := state.Time(time.Now().UnixMilli())
		accept := func(from uint32, key uint64, sent state.Time) {
			t.Helper()
			place := state.Place{Queue: ref(q), FIFO: true, Sent: sent, Dedup: state.Dedup{ID: [16]byte{1}, Expires: sent + 300_000}}
			out, err := b.Accept(t.Context(), owner.AcceptIn{From: from, Parcels: []owner.Parcel{
				{Key: key, Payload: payload("x"), Places: []state.Place{place}},
			}})
			if err != nil || out.Mark != key {
				t.Fatalf("mark %d, %v", out.Mark, err)
			}
		}
		accept(0, 1, now)
		accept(1, 1, now-state.Time(apart/time.Millisecond))
		if n := c.counts(b, q).Visible; n != want {
			t.Errorf("%v apart: %d messages, want %d", apart, n, want)
		}
		accept(0, 2, now+10)
		if n := c.counts(b, q).Visible; n != want {
			t.Errorf("%v apart: the newer one was forgotten for the older", apart)
		}
	}
}
