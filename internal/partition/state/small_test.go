package state

import (
	"errors"
	"slices"
	"testing"

	"github.com/waystation/waystation/internal/fields"
	"github.com/waystation/waystation/internal/queue"
)

// A fact that is longer than its record is malformed, wherever the record was cut.
func TestCutFacts(t *testing.T) {
	t.Parallel()
	s := testState(nil)
	s.putMark(1, 300)
	rec := s.Record()
	for n := 1; n < len(rec); n++ {
		if err := eachFact(rec[:n:n], func(byte, []byte, int) error { return nil }); !errors.Is(err, fields.ErrMalformed) {
			t.Errorf("cut to %d of %d bytes: %v", n, len(rec), err)
		}
	}
	deep := Place{onward: []Place{{onward: []Place{{}}}}}
	r := newReader(deep.encode(nil))
	if new(Place).decode(&r, 0); r.Err == nil {
		t.Error("a place on the way of a place on the way is read")
	}
}

// What came late is remembered for as much longer, and what came from a clock that is ahead
// no shorter.
func TestTakenIn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in          Dedup
		posted, now Time
		want        Dedup
	}{
		{Dedup{}, 1000, 4000, Dedup{}},
		{Dedup{Expires: 9000}, 1000, 4000, Dedup{Expires: 9000, posted: 1000, grace: 3000 + LateBy}},
		{Dedup{Expires: 9000}, 4000, 1000, Dedup{Expires: 9000, posted: 4000, grace: LateBy}},
	} {
		if got := tt.in.TakenIn(tt.posted, tt.now); got != tt.want {
			t.Errorf("%+v posted at %d, taken in at %d: %+v, want %+v", tt.in, tt.posted, tt.now, got, tt.want)
		}
	}
	place := Place{Sent: 7}
	if here, there := (&Dedup{Expires: 9}).original(&place), (&Dedup{Expires: 9, posted: 5}).original(&place); here.Sent != 7 || there.Sent != 5 {
		t.Errorf("posted here at %d, elsewhere at %d", here.Sent, there.Sent)
	}
}

// Each target of a post hears what became of it, in its place, those elsewhere too; an
// outbox is told to the log like any queue.
func TestEachTargetHears(t *testing.T) {
	t.Parallel()
	r := Ref{Kind: 17, ID: 1}
	j := newJournalled(nil)
	item := func(once bool) Item {
		here := func(id uint64, name byte) Placing {
			return Placing{Place: Place{Queue: Ref{Kind: 17, ID: id}, Sent: 1000, Name: Name{name}}}
		}
		return Item{Payload: []byte("x"), Once: once, Targets: []Placing{
			here(1, 1), {Partition: 1, Place: Place{Queue: r}}, here(2, 1), here(2, 1), here(3, 1),
		}}
	}
	post := func(it Item) (got []Placed) {
		j.Post(it, func(p Placed) { got = append(got, p) })
		return got
	}
	want := []Placed{{Key: 1}, {}, {Key: 1}, {Key: 1, Duplicate: true}, {Key: 1}}
	if got := post(item(true)); !slices.Equal(got, want) { // a duplicate behind the first decides nothing
		t.Errorf("%+v, want %+v", got, want)
	}
	homes := 0
	for _, kind := range kinds(t, j.Record()) {
		if kind == factQueue {
			homes++
		}
	}
	if homes != 4 {
		t.Errorf("%d queues are told of, three and an outbox are used", homes)
	}
	j.write()
	all := Placed{Duplicate: true}
	if got, want := post(item(true)), []Placed{{Key: 1, Duplicate: true}, all, all, all, all}; !slices.Equal(got, want) {
		t.Errorf("again: %+v, want %+v", got, want)
	}
	if j.Record() != nil {
		t.Error("a post that is a duplicate is written")
	}
}

// A queue that never held anything answers like one that is empty.
func TestQueueWithoutAMachine(t *testing.T) {
	t.Parallel()
	j := newJournalled(nil)
	q := j.Open(Ref{ID: 1})
	_, got := q.Get(1)
	_, held := q.Repeated(queue.DedupID{1})
	_, oldest := q.Oldest()
	if got || held || oldest || q.Counts() != (queue.Counts{}) || q.Available() || j.Exhausted(q) != nil || j.Advance(q) {
		t.Error("something is there")
	}
	list, dead, err := j.Receive(q, queue.ReceiveArgs{Max: 1})
	if list != nil || dead || err != nil {
		t.Errorf("received %v, %v, %v", list, dead, err)
	}
	if h, p := j.Hide(q, 1, 1, 5000), j.Postpone(q, 1, 1, 5000); h != queue.ErrNotFound || p != queue.ErrNotFound {
		t.Errorf("hidden: %v, postponed: %v", h, p)
	}
	if j.Cancel(q, Name{1}) || j.Record() != nil {
		t.Error("something was decided")
	}
}

// The revision that the log knows does not go back.
func TestRevisionStays(t *testing.T) {
	t.Parallel()
	j := newJournalled(nil)
	for i, revision := range []uint64{5, 3, 9, 1} {
		j.post("x", Place{Queue: Ref{ID: uint64(i + 1)}, Sent: 1000, Revision: revision})
		if want := []uint64{5, 5, 9, 9}[i]; j.Revision() != want || j.replayed(t, i+1, nil).Revision() != want {
			t.Errorf("after revision %d it knows %d, want %d", revision, j.Revision(), want)
		}
	}
}

// A transfer of nothing is not written.
func TestTransferOfNothing(t *testing.T) {
	t.Parallel()
	j := newJournalled(nil)
	j.post("x", Place{Queue: Ref{ID: 1}, Sent: 1000})
	if j.Transfer(j.Find(Ref{ID: 1}), []uint64{7}, make([]Item, 1)); j.Record() != nil {
		t.Errorf("facts %v", kinds(t, j.Record()))
	}
}

// A queue that is made where one was dropped begins behind the keys of all that were
// dropped, also after a replay, and also where the last of them had few.
func TestKeysBehindDroppedQueues(t *testing.T) {
	t.Parallel()
	j := newJournalled(nil)
	drop := func(id uint64, messages int) {
		for range messages {
			j.post("x", Place{Queue: Ref{Kind: 17, ID: id}, Sent: 1000})
		}
		j.Drop(j.Find(Ref{Kind: 17, ID: id}))
		j.write()
	}
	drop(1, 4)
	first := j.Find(Ref{Kind: kindDropped}).NextKey()
	drop(2, 1)
	for _, s := range []*State{j.State, j.replayed(t, len(j.records), nil)} {
		if got := s.Open(Ref{Kind: 17, ID: 1}).NextKey(); got <= first {
			t.Errorf("it begins at %d, one that was dropped went up to %d", got, first-1)
		}
	}
	if first != 5 {
		t.Errorf("after four messages the next key is %d", first)
	}
}

// The time of a log is that of what was posted and done here: not of what came from
// elsewhere, which may have another clock.
func TestTimeOfReplays(t *testing.T) {
	t.Parallel()
	r := Ref{ID: 1}
	for name, tt := range map[string]struct {
		place   Place
		takenIn bool
		want    Time
	}{
		"posted here":   {Place{Queue: r, Sent: 5000}, false, 5000},
		"taken in":      {Place{Queue: r, Sent: 5000}, true, 1000},
		"a dead letter": {Place{Queue: r, Sent: 5000, Note: Note{Source: "elsewhere"}}, false, 1000},
	} {
		j := newJournalled(nil)
		if tt.takenIn {
			j.SetMark(3, 1)
		}
		j.post("x", tt.place)
		if got := j.replayed(t, 1, nil).Now(); got != tt.want {
			t.Errorf("%s: the time is %d, want %d", name, got, tt.want)
		}
	}
}
