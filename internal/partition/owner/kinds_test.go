package owner_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/registry"
)

const (
	attempts = state.FirstService + iota // given up after one attempt
	failures
)

func of(k state.Kind, id uint64) owner.PostTarget {
	return owner.PostTarget{Target: state.Target{Queue: state.Ref{Kind: k, ID: id}}, Delay: -1}
}

// takeOne takes a message of a kind, which must be there.
func (c *cluster) takeOne(o *running, k state.Kind) (state.Ref, owner.Delivered) {
	c.t.Helper()
	out, err := o.Take(c.t.Context(), owner.TakeIn{Kind: k, Max: 1})
	if err != nil || len(out.Messages) != 1 {
		c.t.Fatalf("took %+v, %v", out, err)
	}
	return out.Queue, out.Messages[0]
}

// Where exhausted messages go is asked when they are exhausted: what a service says
// may have changed since their queue was made.
func TestExhaustedIsAskedAnew(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	var dead atomic.Uint64
	dead.Store(1)
	c.kinds = map[state.Kind]owner.Kind{
		attempts: {MaxReceives: 1, Exhausted: func(uint64) (state.Target, bool, bool) {
			return state.Target{Queue: state.Ref{Kind: failures, ID: dead.Load()}}, false, dead.Load() != 0
		}},
		failures: {},
	}
	o := c.start(0)
	for _, id := range []uint64{1, 2, 0, 3} {
		dead.Store(id)
		c.post(o, "x", of(attempts, 9))
		r, m := c.takeOne(o, attempts)
		if _, err := o.Retry(t.Context(), owner.RetryIn{Queue: r, Entries: []owner.RetryEntry{{Receipt: m.Receipt}}}); err != nil {
			t.Fatal(err)
		}
		if id == 0 {
			continue
		}
		if r, m = c.takeOne(o, failures); r.ID != id {
			t.Errorf("it went to %d, want %d", r.ID, id)
		}
		c.remove(o, r, m)
	}
	if got, err := o.Take(t.Context(), owner.TakeIn{Kind: failures, Max: 1}); err != nil || len(got.Messages) != 0 {
		t.Errorf("what was to be removed went somewhere: %+v, %v", got, err)
	}
}

// Asking for a queue that nobody posted to does not make one.
func TestAskingMakesNoQueue(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.kinds = map[state.Kind]owner.Kind{attempts: {}}
	o := c.start(0)
	r := func(id uint64) state.Ref { return state.Ref{Kind: attempts, ID: id} }
	ctx := t.Context()
	ask := []func(id uint64) error{
		func(id uint64) error { _, err := o.Count(ctx, owner.QueueIn{Queue: r(id)}); return err },
		func(id uint64) error { _, err := o.Cancel(ctx, owner.CancelIn{Queue: r(id)}); return err },
		func(id uint64) error { _, err := o.Purge(ctx, owner.QueueIn{Queue: r(id)}); return err },
		func(id uint64) error { _, err := o.Drop(ctx, owner.QueueIn{Queue: r(id)}); return err },
		func(id uint64) error { _, err := o.Receive(ctx, owner.ReceiveIn{Queue: r(id), Max: 1}); return err },
		func(id uint64) error {
			_, err := o.Receive(ctx, owner.ReceiveIn{Queue: r(id), Max: 1, Wait: time.Millisecond})
			return err
		},
		func(id uint64) error {
			_, err := o.Remove(ctx, owner.RemoveIn{Queue: r(id), Receipts: []state.Receipt{{Key: 1, Receive: 1}}})
			return err
		},
	}
	for i, fn := range ask {
		if err := fn(uint64(i + 1)); err != nil {
			t.Errorf("%d: %v", i, err)
		}
		if n := o.Status().Usage.Queues; n != 0 {
			t.Errorf("%d: there are %d queues", i, n)
		}
	}
	// One that waits has what comes, and others that wait with it.
	got := make(chan int)
	for range 2 {
		go func() {
			out, err := o.Receive(ctx, owner.ReceiveIn{Queue: r(1), Max: 1, Wait: time.Minute})
			if err != nil {
				t.Error(err)
			}
			got <- len(out.Messages)
		}()
	}
	eventually(t, "they wait", func() bool { return o.Status().Waiting == 2 })
	if err := ask[0](1); err != nil {
		t.Error(err)
	}
	for range 2 {
		c.post(o, "x", of(attempts, 1))
		if n := <-got; n != 1 {
			t.Errorf("received %d", n)
		}
	}
}

// A receipt of a queue that was dropped is none of the queue that is made in its
// place, whatever became of owner and log meanwhile.
func TestReceiptsOfADroppedQueue(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.journal = smallSteps
	c.kinds = map[state.Kind]owner.Kind{attempts: {}}
	busy := c.defs.define(11, 0, nil)
	o := c.start(0)
	for range 3 {
		c.post(o, "old", of(attempts, 1))
		r, old := c.takeOne(o, attempts)
		if _, err := o.Drop(t.Context(), owner.QueueIn{Queue: r}); err != nil {
			t.Fatal(err)
		}
		c.churn(o, busy)
		o = c.restart(0)
		c.post(o, "new", of(attempts, 1))
		_, fresh := c.takeOne(o, attempts)
		c.remove(o, r, old) // no error: it is gone
		n, err := o.Count(t.Context(), owner.QueueIn{Queue: r})
		if err != nil || n.InFlight != 1 {
			t.Fatalf("a receipt of the former queue removed a message: %+v, %v", n, err)
		}
		c.remove(o, r, fresh)
	}
}

// Those who wait are served when there is space again.
func TestWaitersAreServedWhenThereIsSpace(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.kinds = map[state.Kind]owner.Kind{attempts: {}}
	queues := []*registry.Queue{c.defs.define(7, 0, nil), c.defs.define(8, 0, nil)}
	o := c.start(0)
	c.post(o, "x", to(queues[0], nil), to(queues[1], nil), of(attempts, 1))
	r, second := c.takeOne(o, attempts)
	got := make(chan int, len(queues)+1)
	var first []owner.Delivered
	for _, q := range queues {
		first = append(first, c.receive(o, q, 30)...)
		go func() {
			out, err := o.Receive(t.Context(), owner.ReceiveIn{Queue: ref(q), Max: 1, Wait: time.Minute})
			if err != nil {
				t.Error(err)
			}
			got <- len(out.Messages)
		}()
	}
	go func() {
		out, err := o.Take(t.Context(), owner.TakeIn{Kind: attempts, Max: 1, Wait: time.Minute})
		if err != nil {
			t.Error(err)
		}
		got <- len(out.Messages)
	}()
	eventually(t, "they wait", func() bool { return o.Waiting() == 3 })
	c.space.Set(owner.SpaceEnd, 0)
	o.SpaceChanged()
	for i, q := range queues {
		hide := owner.HideIn{Queue: ref(q), Changes: []owner.HideEntry{{Receipt: first[i].Receipt}}}
		if _, err := o.Hide(t.Context(), hide); err != nil {
			t.Fatal(err)
		}
		c.want(o, q, 1, 0, 0)
	}
	if _, err := o.Retry(t.Context(), owner.RetryIn{Queue: r, Entries: []owner.RetryEntry{{Receipt: second.Receipt}}}); err != nil {
		t.Fatal(err)
	}
	if n := len(got); n != 0 {
		t.Fatalf("%d were served from a full disk", n)
	}
	c.space.Set(owner.SpaceShort, 0)
	o.SpaceChanged()
	for range len(queues) + 1 {
		select {
		case n := <-got:
			if n != 1 {
				t.Errorf("received %d", n)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("nobody serves those who wait")
		}
	}
}
