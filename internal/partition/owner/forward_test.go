package owner_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/registry"
)

// A partition that can't be reached is asked often at first, then every two seconds; once
// it answers, what waited goes there at once, and a new failure is a first one.
func TestHandOversPause(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		var away atomic.Bool
		var asked, fails atomic.Int64
		c.handOver = func(uint32) error {
			if n := asked.Add(1); away.Load() || n == fails.Load() {
				return owner.ErrUnavailable
			}
			return nil
		}
		there := c.defs.define(7, 1, nil)
		o := c.start(0)
		c.start(1)
		want := func(what string, least, most int64) {
			t.Helper()
			if n := asked.Swap(0); n < least || n > most {
				t.Errorf("%s: asked %d times, want %d to %d", what, n, least, most)
			}
		}
		for range 2 {
			away.Store(true)
			c.post(o, "x", to(there, nil))
			later(time.Second)
			want("in the first second", 4, 8)
			later(10 * time.Minute)
			want("in ten minutes", 290, 310)
			away.Store(false)
			later(5 * time.Second)
			want("once it answers", 1, 1)
			if o.Status().Backlog != 0 {
				t.Errorf("%d parcels are left", o.Status().Backlog)
			}
		}
		c.want(c.owners[1], there, 2, 0, 0)

		// More than goes at once, and the other side fails in between.
		away.Store(true)
		for range 250 {
			c.post(o, "x", to(there, nil))
		}
		later(time.Minute)
		asked.Store(0)
		fails.Store(2)
		away.Store(false)
		later(2100 * time.Millisecond)
		want("with one failure in between", 4, 4)
		c.want(c.owners[1], there, 252, 0, 0)
		later(time.Hour)
		want("with nothing to hand over", 0, 0)
	})
}

// An owner takes in from others what it would take from clients: not more bytes at once,
// nothing when there is no room, nothing of a kind that it does not know.
func TestAcceptRefuses(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		c.limits.MaxRequestBytes = 10_000
		c.memory = owner.NewMemory(0, 3)
		c.kinds = map[state.Kind]owner.Kind{attempts: {}}
		q := c.defs.define(7, 0, nil)
		o := c.start(0)
		in := func(key uint64, size int, places ...state.Place) owner.AcceptIn {
			return owner.AcceptIn{From: 1, Parcels: []owner.Parcel{{Key: key, Payload: make([]byte, size), Places: places}}}
		}
		place := state.Place{Queue: ref(q), Sent: state.Time(time.Now().UnixMilli())}
		other := state.Place{Queue: state.Ref{Kind: failures, ID: 1}}
		accept := func(what string, in owner.AcceptIn, mark uint64, want error) {
			t.Helper()
			out, err := o.Accept(t.Context(), in)
			if out.Mark != mark || !errors.Is(err, want) || err != nil && want == nil {
				t.Errorf("%s: %+v, %v", what, out, err)
			}
		}
		accept("a payload too long", in(1, 10_000, place), 0, owner.ErrBusy)
		many := make([]state.Place, 40)
		for i := range many {
			many[i] = place
		}
		accept("places too many", in(1, 100, many...), 0, owner.ErrBusy)
		accept("a kind that it does not know", in(1, 100, place, other), 0, owner.ErrUnavailable)
		c.space.Set(owner.SpaceShort, 0)
		accept("without space", in(1, 100, place), 0, owner.ErrFull)
		c.space.Set(owner.SpaceEnough, 0)
		c.want(o, q, 0, 0, 0)

		past, ahead := place, place
		past.VisibleAt = place.Sent // its delay is over
		ahead.VisibleAt = place.Sent + 60_000
		accept("two", owner.AcceptIn{From: 1, Parcels: []owner.Parcel{
			{Key: 4, Payload: payload("x"), Places: []state.Place{past}},
			{Key: 5, Payload: payload("x"), Places: []state.Place{ahead, {Queue: state.Ref{Kind: attempts, ID: 1}}}},
		}}, 5, nil)
		c.want(o, q, 1, 0, 1)
		accept("again", in(5, 100, place), 0, owner.ErrMemory)
		c.remove(o, ref(q), c.receive(o, q, 30)...)
		accept("again, with room", in(5, 100, place), 5, nil)
		c.want(o, q, 0, 0, 1)
		if n, bytes := o.Admitted(); n != 0 || bytes != 0 {
			t.Errorf("%d requests of %d bytes are accounted for", n, bytes)
		}
	})
}

// What a registry says of other queues costs a partition nothing, and what it says of a
// dead-letter queue counts for the queues that send there.
func TestDeadLetterQueueComesAndGoes(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		dead := c.defs.define(8, 0, nil)
		source := c.defs.define(7, 0, deadLetterTo(dead, 1))
		c.defs.forget(dead.ID, false)
		o := c.start(0)
		c.post(o, "x", to(source, nil))
		c.receive(o, source, 0)
		c.want(o, source, 1, 0, 0) // there is nowhere else
		for range 3 {
			c.defs.put(dead)
			o.QueueChanged(nil, dead)
			if n := o.Status().Usage.Messages; n != 1 {
				t.Fatalf("%d messages", n)
			}
			if got := c.receive(o, source, 0); len(got) != 0 {
				t.Errorf("received %d that were received too often", len(got))
			}
			c.want(o, dead, 1, 0, 0)
			c.defs.forget(dead.ID, true)
			o.QueueChanged(dead, nil)
			c.post(o, "x", to(source, nil))
			c.receive(o, source, 0)
			c.want(o, source, 1, 0, 0)
		}
		later(time.Second)
		before := o.Durable()
		for id := range uint64(20) {
			q := c.defs.define(100+id, 1, nil)
			o.QueueChanged(nil, q)
			o.QueueChanged(q, q)
			o.QueueChanged(q, nil)
		}
		later(time.Second)
		if n := o.Durable() - before; n != 0 {
			t.Errorf("queues of another partition cost %d appends", n)
		}
	})
}

// Each queue that has a definition is visited, as of now.
func TestEachQueue(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		c.kinds = map[state.Kind]owner.Kind{attempts: {}}
		full := c.defs.define(7, 0, func(q *registry.Queue) { q.RetentionSeconds = 60 })
		empty, unknown, gone := c.defs.define(8, 0, nil), c.defs.define(9, 0, nil), c.defs.define(10, 0, nil)
		there := c.defs.define(11, 1, nil)
		o := c.start(0)
		c.post(o, "x", to(full, nil), to(empty, nil), to(unknown, nil), to(gone, nil), to(there, nil), of(attempts, 1))
		c.post(o, "longer", to(full, nil))
		c.receiveOne(o, full)
		c.remove(o, ref(empty), c.receive(o, empty, 30)...)
		c.defs.forget(unknown.ID, false)
		visit := func() map[uint64]owner.QueueStats {
			got := make(map[uint64]owner.QueueStats)
			o.EachQueue(func(s owner.QueueStats) {
				got[s.Queue.ID] = s
				if s.Queue == full { // in between others go on
					c.defs.forget(gone.ID, true)
					o.QueueChanged(gone, nil)
				}
			})
			return got
		}
		visit()
		got := visit()
		s := got[full.ID]
		if len(got) != 2 || s.Visible != 1 || s.InFlight != 1 || s.Sent != 2 || s.Received != 1 || s.Bytes != int64(len(payload("x"))+len(payload("longer"))) {
			t.Errorf("%+v", got)
		}
		if s := got[empty.ID]; s.Visible != 0 || s.Deleted != 1 || s.Bytes != 0 || s.Queue != empty {
			t.Errorf("%+v", s)
		}
		c.ahead(time.Hour)
		if s := visit()[full.ID]; s.Visible != 0 || s.InFlight != 0 || s.Bytes != 0 {
			t.Errorf("what has expired is counted: %+v", s)
		}
		c.stop(0)
		if got := visit(); len(got) != 0 {
			t.Errorf("after the stop %+v", got)
		}
	})
}
