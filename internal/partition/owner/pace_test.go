package owner_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
)

// taken are the messages that a take gave, which waits for them.
func (c *cluster) taken(o *running, max int, wait time.Duration) owner.TakeOut {
	c.t.Helper()
	out, err := o.Take(c.t.Context(), owner.TakeIn{Kind: attempts, Max: max, Wait: wait})
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

func (c *cluster) pace(o *running, id uint64, p state.Pace) {
	c.t.Helper()
	if _, err := o.SetPace(c.t.Context(), owner.PaceIn{Queue: state.Ref{Kind: attempts, ID: id}, Pace: p}); err != nil {
		c.t.Fatal(err)
	}
}

// A paced queue gives no more than its pace lets, others what they have; a wait for
// any ends when the pace lets go.
func TestPace(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		c.kinds = map[state.Kind]owner.Kind{attempts: {Visibility: time.Hour}}
		o := c.start(0)
		fill := func(id uint64, n int) {
			for range n {
				c.post(o, "x", of(attempts, id))
			}
		}
		want := func(what string, out owner.TakeOut, id uint64, n int) {
			t.Helper()
			if out.Queue.ID != id || len(out.Messages) != n {
				t.Fatalf("%s: %d of queue %d, want %d of %d", what, len(out.Messages), out.Queue.ID, n, id)
			}
		}
		began := time.Now()
		after := func(what string, d time.Duration) {
			t.Helper()
			if got := time.Since(began).Round(5 * time.Millisecond); got != d {
				t.Fatalf("%s: after %v, want %v", what, got, d)
			}
		}
		fill(1, 30)
		out := c.taken(o, 2, 0)
		want("without a pace", out, 1, 2)
		if out.Paced {
			t.Error("it is said to be paced")
		}

		c.pace(o, 1, state.Pace{MaxInFlight: 5})
		out = c.taken(o, 10, 0)
		want("up to five in flight", out, 1, 3)
		if !out.Paced {
			t.Error("it is not said to be paced")
		}
		want("five are in flight", c.taken(o, 10, 0), 0, 0)
		fill(2, 1)
		want("another queue", c.taken(o, 10, 0), 2, 1)
		c.remove(o, out.Queue, out.Messages[:2]...)
		want("two have gone", c.taken(o, 10, 0), 1, 2)
		if errs, err := o.Retry(t.Context(), owner.RetryIn{Queue: out.Queue, Entries: []owner.RetryEntry{{Receipt: out.Messages[2].Receipt, At: 1}}}); errors.Join(append(errs.Outcomes, err)...) != nil {
			t.Fatal(errs, err)
		}
		want("one came back", c.taken(o, 10, 0), 1, 1)

		// Not before a time: another waits until then.
		began = time.Now()
		c.pace(o, 1, state.Pace{NotBefore: state.Time(began.Add(10 * time.Second).UnixMilli())})
		want("before it", c.taken(o, 10, 0), 0, 0)
		out = c.taken(o, 4, time.Minute)
		want("then", out, 1, 4)
		after("then", 10*time.Second)

		// Ten a second, three at once.
		c.pace(o, 1, state.Pace{Interval: int64(100 * time.Millisecond), Burst: 3})
		began = time.Now()
		want("a burst", c.taken(o, 10, 0), 1, 3)
		want("no more", c.taken(o, 10, 0), 0, 0)
		for i := range time.Duration(3) {
			want("the next", c.taken(o, 10, time.Minute), 1, 1)
			after("the next", (i+1)*100*time.Millisecond)
		}
		later(time.Minute)
		want("another burst", c.taken(o, 10, 0), 1, 3)

		// Lifted while one waits.
		c.pace(o, 1, state.Pace{NotBefore: state.Time(time.Now().Add(time.Hour).UnixMilli())})
		got := make(chan owner.TakeOut)
		go func() { got <- c.taken(o, 1, 2*time.Hour) }()
		later(time.Minute)
		c.pace(o, 1, state.Pace{})
		want("lifted", <-got, 1, 1)

		// Nobody remembers it who comes after.
		c.pace(o, 1, state.Pace{NotBefore: state.Time(time.Now().Add(time.Hour).UnixMilli())})
		o = c.restart(0)
		if out = c.taken(o, 1, 0); len(out.Messages) != 1 || out.Paced {
			t.Errorf("after a change of owner: %+v", out)
		}
		c.pace(o, 77, state.Pace{MaxInFlight: 1})
		if n := o.Status().Usage.Queues; n != 2 {
			t.Errorf("a pace made a queue: there are %d", n)
		}
	})
}

// What was given at another pace counts for no more than a full burst at the new one,
// and no interval is too long to be kept.
func TestPaceChanges(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		c.kinds = map[state.Kind]owner.Kind{attempts: {Visibility: 12 * time.Hour}}
		o := c.start(0)
		for range 40 {
			c.post(o, "x", of(attempts, 1))
		}
		want := func(what string, wait time.Duration, n int) {
			t.Helper()
			if out := c.taken(o, 10, wait); len(out.Messages) != n {
				t.Fatalf("%s: %d messages, want %d", what, len(out.Messages), n)
			}
		}
		c.pace(o, 1, state.Pace{Interval: int64(time.Hour), Burst: 4})
		want("slow", 0, 4)
		want("slow, and no more", time.Minute, 0)
		c.pace(o, 1, state.Pace{Interval: int64(time.Second), Burst: 2})
		want("fast, and not at once", 0, 0)
		want("fast", time.Second, 1)
		later(time.Minute)
		want("fast, later", 0, 2)

		for _, p := range []state.Pace{
			{Interval: math.MaxInt64}, {Interval: math.MaxInt64, Burst: math.MaxInt}, {Interval: math.MaxInt64 / 3, Burst: 5},
		} {
			c.pace(o, 1, state.Pace{})
			want("no pace", 0, 10)
			c.pace(o, 1, state.Pace{NotBefore: math.MaxInt64})
			want("never", time.Hour, 0)
			for range 2 {
				c.pace(o, 1, p)
				for range 10 {
					c.taken(o, 1, 0)
				}
				want("once in many years", time.Hour, 0)
			}
			c.pace(o, 1, state.Pace{Interval: 1, Burst: math.MaxInt})
			later(time.Millisecond)
			c.post(o, "x", of(attempts, 1))
			if out := c.taken(o, 1, time.Second); len(out.Messages) != 1 {
				t.Fatalf("after %+v no pace lets anything go", p)
			}
			for range 20 {
				c.post(o, "x", of(attempts, 1))
			}
		}
	})
}
