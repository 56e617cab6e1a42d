package owner_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/registry"
)

// taken is what a Take gave.
type taken struct {
	owner.TakeOut
	err error
}

// take takes in the background.
func (c *cluster) take(ctx context.Context, o *running, in owner.TakeIn) <-chan taken {
	done := make(chan taken, 1)
	go func() {
		out, err := o.Take(ctx, in)
		done <- taken{out, err}
	}()
	later(0)
	return done
}

// Who waits for any queue of a kind has what comes to one, and is counted until then.
func TestTakeWaits(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		c.kinds = map[state.Kind]owner.Kind{attempts: {Visibility: time.Hour}}
		o := c.start(0)
		if _, err := o.Take(t.Context(), owner.TakeIn{Kind: failures}); !errors.Is(err, owner.ErrQueueGone) {
			t.Errorf("a kind that is not served: %v", err)
		}
		in := owner.TakeIn{Kind: attempts, Max: 10, Wait: time.Minute}
		first, second := c.take(t.Context(), o, in), c.take(t.Context(), o, in)
		if n := o.Waiting(); n != 2 {
			t.Errorf("%d wait", n)
		}
		c.post(o, "x", of(attempts, 7))
		if n := o.Status().Orphans; n != 0 {
			t.Errorf("%d queues of services are orphans", n)
		}
		got := <-first
		if got.err != nil || got.Queue.ID != 7 || len(got.Messages) != 1 || o.Waiting() != 1 {
			t.Fatalf("took %+v, %d wait", got, o.Waiting())
		}
		if got := <-second; got.err != nil || len(got.Messages) != 0 || o.Waiting() != 0 {
			t.Errorf("the other: %+v, %d wait", got, o.Waiting())
		}

		ctx, cancel := context.WithCancel(t.Context())
		off := c.take(ctx, o, in)
		cancel()
		if got := <-off; !errors.Is(got.err, context.Canceled) || o.Waiting() != 0 {
			t.Errorf("called off: %+v, %d wait", got, o.Waiting())
		}
		if _, err := o.Take(ctx, in); !errors.Is(err, context.Canceled) {
			t.Errorf("called off before: %v", err)
		}

		c.limits.MaxWaiting = 1
		o = c.restart(0)
		stopped := c.take(t.Context(), o, in)
		if _, err := o.Take(t.Context(), in); !errors.Is(err, owner.ErrBusy) {
			t.Errorf("one more than may wait: %v", err)
		}
		c.stop(0)
		if got := <-stopped; !errors.Is(got.err, owner.ErrNotOwner) || o.Waiting() != 0 {
			t.Errorf("the owner stopped: %+v, %d wait", got, o.Waiting())
		}
		if _, err := o.Take(t.Context(), in); !errors.Is(err, owner.ErrNotOwner) {
			t.Errorf("after that: %v", err)
		}
	})
}

// A take waits for more messages of its queue until there are enough, or its window is
// over; nobody else gets the queue meanwhile.
func TestTakeGathers(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		c.kinds = map[state.Kind]owner.Kind{attempts: {Visibility: time.Hour}}
		o := c.start(0)
		in := owner.TakeIn{Kind: attempts, Max: 3, Wait: time.Hour, Window: time.Minute}
		began := time.Now()
		post := func(n int) {
			for range n {
				c.post(o, "x", of(attempts, 7))
			}
		}
		check := func(what string, got taken, n int, after time.Duration) {
			t.Helper()
			if got.err != nil || len(got.Messages) != n || time.Since(began).Truncate(time.Second) != after {
				t.Errorf("%s: %d messages, %v, after %v", what, len(got.Messages), got.err, time.Since(began))
			}
			began = time.Now()
		}
		post(3)
		check("enough", <-c.take(t.Context(), o, in), 3, 0)
		post(2)
		check("too few", <-c.take(t.Context(), o, in), 2, time.Minute)
		gathers := c.take(t.Context(), o, in)
		post(1)
		later(10 * time.Second)
		short := in
		short.Wait, short.Window = 0, 0
		if got := <-c.take(t.Context(), o, short); got.err != nil || len(got.Messages) != 0 {
			t.Errorf("another has %+v", got)
		}
		post(2)
		check("enough in time", <-gathers, 3, 10*time.Second)
		in.Max, in.MaxBytes = 10, 2*len(payload("x"))
		post(2)
		check("enough bytes", <-c.take(t.Context(), o, in), 2, 0)

		post(1) // somebody else has it meanwhile: it waits for others
		in.MaxBytes = 0
		gathers = c.take(t.Context(), o, in)
		if out, err := o.Receive(t.Context(), owner.ReceiveIn{Queue: state.Ref{Kind: attempts, ID: 7}, Max: 1, Visibility: 36000}); err != nil || len(out.Messages) != 1 {
			t.Fatal(out, err)
		}
		later(10 * time.Minute)
		post(1)
		check("after another", <-gathers, 1, 11*time.Minute)

		ctx, cancel := context.WithCancel(t.Context())
		post(2)
		off := c.take(ctx, o, in)
		cancel()
		if got := <-off; !errors.Is(got.err, context.Canceled) {
			t.Errorf("called off: %+v", got)
		}
		post(1)
		check("given back", <-c.take(t.Context(), o, short), 3, 0)
		post(1)
		stopped := c.take(t.Context(), o, in)
		c.stop(0)
		if got := <-stopped; !errors.Is(got.err, owner.ErrNotOwner) {
			t.Errorf("the owner stopped: %+v", got)
		}
	})
}

// Messages that are retried wait as their kind says, or until the time that is named; a
// receipt that is no longer good is refused.
func TestRetry(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		c.kinds = map[state.Kind]owner.Kind{
			attempts: {Backoff: []time.Duration{10 * time.Second, time.Minute}},
			failures: {Visibility: 5 * time.Second},
		}
		o := c.start(0)
		c.post(o, "x", of(attempts, 7))
		in := owner.TakeIn{Kind: attempts, Max: 1, Wait: time.Hour}
		retry := func(r state.Ref, at state.Time, m owner.Delivered) owner.Outcomes {
			out, err := o.Retry(t.Context(), owner.RetryIn{Queue: r, Entries: []owner.RetryEntry{{Receipt: m.Receipt, At: at}}})
			if err != nil {
				t.Fatal(err)
			}
			return out.Outcomes
		}
		began := time.Now()
		next := func(want time.Duration) (state.Ref, owner.Delivered) {
			t.Helper()
			got := <-c.take(t.Context(), o, in)
			if got.err != nil || len(got.Messages) != 1 || time.Since(began).Round(time.Second) != want {
				t.Fatalf("took %+v after %v, want %v", got, time.Since(began), want)
			}
			began = time.Now()
			return got.Queue, got.Messages[0]
		}
		r, m := next(0)
		for _, want := range []time.Duration{10 * time.Second, time.Minute, time.Minute} {
			old := m
			if got := retry(r, 0, m); got[0] != nil {
				t.Fatal(got)
			}
			if r, m = next(want); m.Receipt.Receive != old.Receipt.Receive+1 {
				t.Errorf("received as %+v after %+v", m.Receipt, old.Receipt)
			}
			if got := retry(r, 0, old); got[0] != owner.ErrReceiptExpired {
				t.Errorf("an old receipt: %v", got)
			}
		}
		if got := retry(r, state.Time(time.Now().Add(3*time.Second).UnixMilli()), m); got[0] != nil {
			t.Fatal(got)
		}
		next(3 * time.Second)
		next(30 * time.Second) // nobody said anything: the default timeout
		c.post(o, "y", of(failures, 7))
		in.Kind = failures
		next(0)
		next(5 * time.Second)
		if _, err := o.Retry(t.Context(), owner.RetryIn{Queue: r, Entries: make([]owner.RetryEntry, owner.MaxEntries+1)}); !errors.Is(err, owner.ErrTooLarge) {
			t.Errorf("too many: %v", err)
		}
	})
}

// A queue whose turn it is may have nothing but dead letters; the take goes on with the next.
func TestTakePassesOverDeadLetters(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		c.kinds = map[state.Kind]owner.Kind{attempts: {}, failures: {}}
		o := c.start(0)
		for id := range uint64(3) {
			c.post(o, fmt.Sprint(id), of(attempts, id))
		}
		in := owner.TakeIn{Kind: attempts, Max: 1}
		for range 3 { // each received once
			got := <-c.take(t.Context(), o, in)
			if got.err != nil || len(got.Messages) != 1 {
				t.Fatalf("took %+v", got)
			}
			if _, err := o.Retry(t.Context(), owner.RetryIn{Queue: got.Queue, Entries: []owner.RetryEntry{{Receipt: got.Messages[0].Receipt}}}); err != nil {
				t.Fatal(err)
			}
		}
		c.kinds = map[state.Kind]owner.Kind{ // from now on
			failures: {},
			attempts: {MaxReceives: 1, Exhausted: func(id uint64) (state.Target, bool, bool) {
				return state.Target{Queue: state.Ref{Kind: failures, ID: id}}, false, true
			}},
		}
		o = c.restart(0)
		c.post(o, "fresh", of(attempts, 9))
		got := <-c.take(t.Context(), o, in)
		if got.err != nil || got.Queue.ID != 9 || len(got.Messages) != 1 {
			t.Errorf("took %+v", got)
		}
		in.Kind = failures
		for range 3 {
			if got := <-c.take(t.Context(), o, in); got.err != nil || len(got.Messages) != 1 {
				t.Errorf("a dead letter: %+v", got)
			}
		}
	})
}

// Who is served at the very moment at which it gives up does not keep what it was given.
func TestServedAtTheLastMoment(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		c.kinds = map[state.Kind]owner.Kind{attempts: {}}
		q := c.defs.define(7, 0, func(q *registry.Queue) { q.FIFO = true })
		o := c.start(0)
		for name, tt := range map[string]struct {
			wait func(ctx context.Context) error
			post owner.PostTarget
			left func() int
		}{
			"any queue": {
				func(ctx context.Context) error {
					_, err := o.Take(ctx, owner.TakeIn{Kind: attempts, Max: 1, Wait: time.Minute})
					return err
				}, of(attempts, 5), func() int {
					out, err := o.Take(t.Context(), owner.TakeIn{Kind: attempts, Max: 10})
					if err != nil {
						t.Error(err)
					}
					return len(out.Messages)
				},
			},
			"one queue": {
				func(ctx context.Context) error {
					_, err := o.Receive(ctx, owner.ReceiveIn{Queue: ref(q), Max: 1, Visibility: 3600, Wait: time.Minute})
					return err
				}, to(q, func(p *owner.PostTarget) { p.Group = "g" }), func() int { return len(c.receive(o, q, 3600)) },
			},
		} {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- tt.wait(ctx) }()
			later(0)
			if n := o.Waiting(); n != 1 {
				t.Fatalf("%s: %d wait", name, n)
			}
			inPost := func() { c.glance.Store(nil); cancel() }
			c.glance.Store(&inPost) // the post has the lock, and serves who waits in the end
			c.post(o, "x", tt.post)
			if err := <-done; !errors.Is(err, context.Canceled) || o.Waiting() != 0 {
				t.Errorf("%s: %v, %d wait", name, err, o.Waiting())
			}
			if n := tt.left(); n != 1 {
				t.Errorf("%s: %d messages are left for others", name, n)
			}
		}
	})
}
