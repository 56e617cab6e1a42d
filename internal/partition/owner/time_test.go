package owner_test

import (
	"math"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
)

// A wall clock that steps forward and back stops no timer and ends none early.
func TestWallClockSteps(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	q := c.defs.define(7, 0, nil)
	o := c.start(0)
	c.post(o, "x", to(q, nil))
	c.wall.Store(int64(time.Hour))
	if got := c.receive(o, q, 10); len(got) != 1 {
		t.Fatalf("received %d", len(got))
	}
	c.want(o, q, 0, 1, 0)
	c.wall.Store(int64(-time.Hour))
	c.ahead(9 * time.Second)
	c.want(o, q, 0, 1, 0)
	c.ahead(2 * time.Second)
	c.want(o, q, 1, 0, 0)
}

// The time goes on from the last one in the log when the clock of the machine that
// takes over is behind: nothing is visible late, nothing lives longer.
func TestTakeOverByASlowClock(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.wall.Store(int64(time.Hour))
	q := c.defs.define(7, 0, nil)
	o := c.start(0)
	c.post(o, "x", to(q, nil))
	sent := c.counts(o, q).Oldest
	c.receive(o, q, 10)
	c.wall.Store(0)
	o = c.restart(0)
	c.want(o, q, 0, 1, 0)
	c.ahead(11 * time.Second)
	c.want(o, q, 1, 0, 0)
	c.post(o, "y", to(q, func(p *owner.PostTarget) { p.Delay = 0 }))
	got := c.receive(o, q, 10)
	if len(got) != 2 || int64(got[1].Sent) < sent || got[0].FirstReceived >= got[1].FirstReceived {
		t.Errorf("after the take-over: %+v", got)
	}
}

// Loading takes time, which must not be missing afterwards: a delay that the
// former owner gave would be over early.
func TestLoadingTimeCounts(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	q := c.defs.define(7, 0, nil)
	o := c.make(0)
	c.ahead(5 * time.Second) // the log is read meanwhile
	if err := o.Load(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	c.serve(0, o)
	before := time.Now().Add(4 * time.Second).UnixMilli()
	c.post(o, "x", to(q, nil))
	if sent := c.counts(o, q).Oldest; sent < before {
		t.Errorf("sent %d ms too early", before-sent)
	}
}

// What comes from a partition whose owner's clock is ahead does not bring this
// partition's time forward, also not after a replay.
func TestParcelsFromAFastClock(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.journal = smallSteps
	here := c.defs.define(20, 1, nil)
	b := c.start(1)
	c.wall.Store(int64(time.Hour))
	a := c.start(0)
	c.post(a, "x", to(here, nil))
	eventually(t, "it arrives", func() bool { return c.counts(b, here).Visible == 1 })
	latest := time.Now().Add(time.Minute).UnixMilli()
	if at := c.counts(b, here).Oldest; at > latest {
		t.Errorf("it was sent %d ms in the future", at-latest)
	}
	c.wall.Store(0)
	c.churn(b, c.defs.define(21, 1, nil)) // written again: what is rewritten does not say whence it came
	b = c.restart(1)
	c.post(b, "y", to(here, nil))
	for _, d := range c.receive(b, here, 10) {
		if int64(d.Sent) > latest || int64(d.FirstReceived) > latest {
			t.Errorf("%q was sent at %d, received at %d, both after %d", text(d.Payload), d.Sent, d.FirstReceived, latest)
		}
	}
}

// The clock lets others in after 2 ms, however many queues are due: with a clock of
// which each look takes a millisecond it does a few queues at a time, and all of them.
func TestClockLetsOthersIn(t *testing.T) {
	t.Parallel()
	const n = 60
	c := newCluster(t)
	c.kinds = map[state.Kind]owner.Kind{16: {}}
	it := owner.PostItem{Payload: payload("x")}
	for k := range n {
		it.Targets = append(it.Targets, owner.PostTarget{Target: state.Target{Queue: state.Ref{Kind: 16, ID: uint64(k)}}, Delay: 60})
	}
	if _, err := c.start(0).Post(t.Context(), owner.PostIn{Items: []owner.PostItem{it}}); err != nil {
		t.Fatal(err)
	}
	c.stop(0)
	o := c.make(0)
	if err := o.Load(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := o.Follow(); err != nil {
		t.Fatal(err)
	}
	c.ahead(time.Minute + time.Second)
	c.look.Store(int64(time.Millisecond))
	c.freeze(true)
	steps := 1
	for o.ClockStep() {
		steps++
	}
	if steps < n/3 || steps > n {
		t.Errorf("%d steps for %d queues", steps, n)
	}
}

// When the time leaps, what became due is done with the next request, whichever it is.
func TestTimeLeaps(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		q, other := c.defs.define(7, 0, nil), c.defs.define(8, 0, nil)
		o := c.start(0)
		for _, leap := range []time.Duration{time.Hour, time.Hour + time.Second, 3 * time.Hour} {
			c.post(o, "x", to(q, func(p *owner.PostTarget) {
				p.VisibleAt = state.Time(time.Now().UnixMilli() + 3600_000) // by the wall clock, which did not leap
			}))
			polled := make(chan int, 1)
			go func() {
				out, err := o.Receive(t.Context(), owner.ReceiveIn{Queue: ref(q), Max: 1, Visibility: 40_000, Wait: time.Hour})
				if err != nil {
					t.Error(err)
				}
				polled <- len(out.Messages)
			}()
			later(time.Second)
			c.ahead(leap)
			c.want(o, other, 0, 0, 0)
			later(time.Second)
			if len(polled) == 0 {
				t.Fatalf("after a leap by %v the one who waits is not served", leap)
			}
			if n := <-polled; n != 1 {
				t.Errorf("received %d", n)
			}
		}
	})
}

// Moments that callers name are of the wall clock, however it was set since the owner was
// loaded, also the latest there are.
func TestMomentsByTheWallClock(t *testing.T) {
	for _, set := range []time.Duration{-time.Hour, 0, time.Hour} {
		t.Run(set.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, c *cluster) {
				c.kinds = map[state.Kind]owner.Kind{attempts: {}}
				o := c.start(0)
				c.wall.Store(int64(set))
				at := func(d time.Duration) state.Time { return state.Time(time.Now().Add(set + d).UnixMilli()) }
				q := state.Target{Queue: state.Ref{Kind: attempts, ID: 1}}
				post := func(at state.Time) {
					t.Helper()
					_, err := o.Post(t.Context(), owner.PostIn{Items: []owner.PostItem{{Payload: payload("x"), Targets: []owner.PostTarget{{Target: q, VisibleAt: at}}}}})
					if err != nil {
						t.Fatal(err)
					}
				}
				want := func(what string, n int) []owner.Delivered {
					t.Helper()
					out := c.taken(o, 10, 0)
					if len(out.Messages) != n {
						t.Fatalf("%s: %d taken, not %d", what, len(out.Messages), n)
					}
					return out.Messages
				}
				post(math.MaxInt64) // stays
				post(at(time.Minute))
				later(59 * time.Second)
				want("before its time", 0)
				later(2 * time.Second)
				got := want("at its time", 1)
				_, err := o.Retry(t.Context(), owner.RetryIn{Queue: q.Queue, Entries: []owner.RetryEntry{{Receipt: got[0].Receipt, At: at(time.Minute)}}})
				if err != nil {
					t.Fatal(err)
				}
				later(59 * time.Second)
				want("before it is tried again", 0)
				later(2 * time.Second)
				want("when it is", 1)
				post(at(-time.Minute))
				c.pace(o, 1, state.Pace{NotBefore: at(time.Minute)})
				later(59 * time.Second)
				want("before its pace allows", 0)
				later(2 * time.Second)
				want("when it does", 2) // that of the last receive too: its time was over
			})
		})
	}
}
