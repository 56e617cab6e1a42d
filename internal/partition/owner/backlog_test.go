package owner_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/registry"
)

// exhausted makes a queue with n visible messages that were received once each,
// more than its new definition, which is returned, allows.
func exhausted(t *testing.T, c *cluster, o *running, n int) (old, now *registry.Queue) {
	t.Helper()
	dead := c.defs.define(9, 0, nil)
	q := c.defs.define(7, 0, nil)
	for range n / 100 {
		items := make([]owner.PostItem, 100)
		for i := range items {
			items[i] = owner.PostItem{Payload: payload("x"), Targets: []owner.PostTarget{to(q, nil)}}
		}
		if _, err := o.Post(t.Context(), owner.PostIn{Items: items}); err != nil {
			t.Fatal(err)
		}
	}
	for range n / 10 {
		c.receive(o, q, 0) // to the end of the line
	}
	changed := *q
	changed.Revision = 10
	deadLetterTo(dead, 1)(&changed)
	return q, c.defs.put(&changed)
}

// Those who wait for a queue whose whole backlog has to be dead-lettered do not
// keep everybody else out until that is done.
func TestDeadLettersBeforeThoseWhoWait(t *testing.T) {
	t.Parallel()
	const n = 2500
	c := newCluster(t)
	old, now := exhausted(t, c, c.start(0), n)
	c.limits.MaxInFlight = 1 // so that somebody waits though there is a backlog
	c.defs.put(old)
	o := c.restart(0)
	one := c.receive(o, old, 3600)
	polled := make(chan owner.ReceiveOut, 1)
	go func() {
		out, _ := o.Receive(t.Context(), owner.ReceiveIn{Queue: ref(old), Max: 1, Visibility: 60, Wait: time.Minute})
		polled <- out
	}()
	eventually(t, "the poll waits", func() bool { return o.Status().Waiting == 1 })
	c.defs.put(now)
	o.QueueChanged(old, now)

	c.freeze(true)
	c.remove(o, ref(old), one...)
	dead, _ := c.defs.QueueByID(9)
	if got := c.counts(o, dead).Visible; got == 0 || got > 1100 {
		t.Errorf("%d messages were dead-lettered by one request", got)
	}
	c.freeze(false)
	eventually(t, "all are dead-lettered", func() bool { return c.counts(o, dead).Visible == n-1 })
	c.post(o, "fresh", to(now, nil))
	if out := <-polled; len(out.Messages) != 1 || text(out.Messages[0].Payload) != "fresh" {
		t.Errorf("the poll got %d messages", len(out.Messages))
	}
}

// A receive that meets a backlog to be dead-lettered lets others in meanwhile:
// that the queue is deleted, for one, shows at once.
func TestReceiveBehindDeadLetters(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	o := c.start(0)
	old, now := exhausted(t, c, o, 1000)
	o.QueueChanged(old, now)
	looks := 0
	c.defs.looked = func(id uint64) {
		if looks++; looks == 3 {
			c.defs.forget(old.ID, true)
		}
	}
	if _, err := o.Receive(t.Context(), owner.ReceiveIn{Queue: ref(old), Max: 1}); !errors.Is(err, owner.ErrQueueGone) {
		t.Errorf("a receive after the queue was deleted: %v", err)
	}
}

// What was purged or dropped is released also when nothing of the partition is
// left that could wake anybody: from the log after a restart, and from the
// account of memory.
func TestDroppedIsReleased(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.kinds = map[state.Kind]owner.Kind{16: {}}
	c.memory = owner.NewMemory(100_000, 0)
	o := c.start(0)
	r := state.Ref{Kind: 16, ID: 1}
	post := func(queue uint64, i int) error {
		_, err := o.Post(t.Context(), owner.PostIn{Items: []owner.PostItem{{Payload: payload("x"), Targets: []owner.PostTarget{{
			Target: state.Target{Queue: state.Ref{Kind: 16, ID: queue}}, Reference: fmt.Sprintf("%0200d", i),
		}}}}})
		return err
	}
	full := false
	for i := 0; !full && i < 10_000; i++ {
		err := post(r.ID, i)
		if full = errors.Is(err, owner.ErrMemory); err != nil && !full {
			t.Fatal(err)
		}
	}
	if _, err := o.Drop(t.Context(), owner.QueueIn{Queue: r}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the memory is free again", func() bool { b, n := c.memory.Used(); return b < 1000 && n == 0 })

	if err := post(2, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Drop(t.Context(), owner.QueueIn{Queue: state.Ref{Kind: 16, ID: 2}}); err != nil {
		t.Fatal(err)
	}
	o = c.restart(0)
	// But for what says from which key queues made in their place go on.
	eventually(t, "nothing of them lives in the log", func() bool { return o.Status().Journal.LiveItems == 1 })
}

// What waits for another partition is accounted for, and handed over, by what its
// places take: a payload may have a thousand of them.
func TestParcelsOfManyPlaces(t *testing.T) {
	t.Parallel()
	const n = 12
	c := newCluster(t)
	c.kinds = map[state.Kind]owner.Kind{16: {}}
	o := c.start(0)
	reference := strings.Repeat("r", 250)
	for range n {
		it := owner.PostItem{Payload: payload("x")}
		for k := range owner.MaxPostTargets {
			it.Targets = append(it.Targets, owner.PostTarget{
				Target: state.Target{Partition: 1, Queue: state.Ref{Kind: 16, ID: uint64(k)}}, Reference: reference,
			})
		}
		if _, err := o.Post(t.Context(), owner.PostIn{Items: []owner.PostItem{it}}); err != nil {
			t.Fatal(err)
		}
	}
	if b, _ := c.memory.Used(); b < n*owner.MaxPostTargets*250 {
		t.Errorf("%d bytes are accounted for", b)
	}
	other := c.start(1)
	eventually(t, "all is handed over", func() bool { return o.Status().Backlog == 0 })
	if n := other.Status().Usage.Messages; n != 12*owner.MaxPostTargets {
		t.Errorf("%d messages came", n)
	}
	if most := c.largest.Load(); most > 2<<20 {
		t.Errorf("%d bytes were handed over at once", most)
	}
}

// What a post takes beside its payloads counts among what waits for the log.
func TestTargetsCount(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.kinds = map[state.Kind]owner.Kind{16: {}}
	c.limits.MaxRequestBytes = 100_000
	o := c.start(0)
	it := owner.PostItem{Payload: payload("x")}
	for k := range owner.MaxPostTargets {
		it.Targets = append(it.Targets, owner.PostTarget{Target: state.Target{Queue: state.Ref{Kind: 16, ID: uint64(k)}}})
	}
	if _, err := o.Post(t.Context(), owner.PostIn{Items: []owner.PostItem{it}}); !errors.Is(err, owner.ErrBusy) {
		t.Errorf("a post of a thousand targets: %v", err)
	}
}
