package state

import (
	"fmt"
	"slices"
	"testing"

	"github.com/waystation/waystation/internal/queue"
)

// kinds of the facts in a record.
func kinds(t *testing.T, rec []byte) (list []byte) {
	t.Helper()
	err := eachFact(rec, func(kind byte, _ []byte, _ int) error {
		list = append(list, kind)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// rewritten is what writing a record again adds to the open one, which is then written.
func (j *journalled) rewritten(t *testing.T, n uint64) []byte {
	t.Helper()
	if err := j.rewriteAll(Pos{Append: n}, j.records[n-1]); err != nil {
		t.Fatal(err)
	}
	list := kinds(t, j.Record())
	j.write()
	return list
}

// What was written again stands elsewhere: the old record has nothing more to give.
func TestRewrittenOnce(t *testing.T) {
	t.Parallel()
	r, gone := Ref{ID: 1}, Ref{ID: 2}
	j := newJournalled(map[Ref]Terms{r: {FIFO: true}, gone: {FIFO: true}})
	dedup := func(id byte) Dedup { return Dedup{ID: [16]byte{id}, Expires: 300_000} }
	j.SetMark(3, 8)
	j.post("stays",
		Place{Queue: r, FIFO: true, Sent: 1000, Dedup: dedup(1)},
		Place{Queue: gone, FIFO: true, Sent: 1000, Dedup: dedup(2)})
	q := j.Find(gone)
	m, _ := q.m.Remove(1) // its deduplication id stays
	j.leave(q, m)
	j.write()
	if got, want := j.rewritten(t, 1), []byte{factMark, factQueue, factQueue, factRemembered, factPlaced}; !slices.Equal(sorted(got), sorted(want)) {
		t.Errorf("written again: facts %v, want %v", got, want)
	}
	if got := j.rewritten(t, 1); len(got) > 0 {
		t.Errorf("written again once more: facts %v", got)
	}
	if got, want := j.rewritten(t, 3), []byte{factMark, factQueue, factQueue, factRemembered, factPlaced}; !slices.Equal(sorted(got), sorted(want)) {
		t.Errorf("from where it stands now: facts %v, want %v", got, want)
	}
	if got := j.rewritten(t, 3); len(got) > 0 {
		t.Errorf("and again: facts %v", got)
	}
}

func sorted(list []byte) []byte {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

// A queue that is gone, or of which the open record says more, is not written again.
func TestHomesThatAreNotRewritten(t *testing.T) {
	t.Parallel()
	r := Ref{Kind: 17, ID: 1}
	j := newJournalled(nil)
	revision := uint64(1)
	j.cfg.Definition = func(Ref) (uint64, []byte, bool) { return revision, []byte("definition"), true }
	j.post("x", Place{Queue: r, Sent: 1000})
	j.post("y", Place{Queue: r, Sent: 1000})
	for _, rec := range j.records[1:] {
		if got := kinds(t, rec); !slices.Equal(got, []byte{factPlaced}) {
			t.Errorf("a queue that the log knows is told again: facts %v", got)
		}
	}
	revision = 2
	j.Define(j.Find(r))
	j.Define(j.Find(r))
	j.Post(Item{Payload: []byte("z"), Targets: []Placing{{Place: Place{Queue: r, Sent: 1000}}}}, func(Placed) {})
	if err := j.rewriteAll(Pos{Append: 1}, j.records[0]); err != nil {
		t.Fatal(err)
	}
	if got, want := kinds(t, j.Record()), []byte{factQueue, factPlaced, factPlaced}; !slices.Equal(got, want) {
		t.Errorf("facts %v, want %v", got, want)
	}
	j.write()
	if q := j.Find(r); !q.Defined() || q.Revision() != 2 {
		t.Errorf("defined %v, revision %d", q.Defined(), q.Revision())
	}
	j.Drop(j.Find(r))
	j.write()
	if got := j.rewritten(t, 3); len(got) > 0 {
		t.Errorf("of a queue that was dropped: facts %v", got)
	}
}

// Of a queue that is used twice in the first record the log is told once.
func TestHomeInItsFirstRecord(t *testing.T) {
	t.Parallel()
	r := Ref{ID: 1}
	j := newJournalled(nil)
	for range 2 {
		j.Post(Item{Payload: []byte("x"), Targets: []Placing{{Place: Place{Queue: r, Sent: 1000, Revision: 7}}}}, func(Placed) {})
	}
	if got, want := kinds(t, j.Record()), []byte{factQueue, factPlaced, factPlaced}; !slices.Equal(got, want) {
		t.Errorf("facts %v, want %v", got, want)
	}
	if err := eachFact(j.Record(), func(kind byte, b []byte, _ int) error {
		if kind != factPlaced {
			return nil
		}
		places, _, _, err := readPlaced(b, nil)
		if err == nil && places[0].Revision != 0 {
			t.Errorf("the place names revision %d, which its queue has", places[0].Revision)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	j.write()
	q := j.Find(r)
	if q.Defined() || q.Revision() != 7 {
		t.Errorf("defined %v, revision %d", q.Defined(), q.Revision())
	}
	j.cfg.Definition = func(Ref) (uint64, []byte, bool) { return 7, []byte("definition"), false }
	if j.Define(q); j.Record() != nil {
		t.Error("a definition that is not there is written")
	}
	j.cfg.Definition = func(Ref) (uint64, []byte, bool) { return 7, []byte("definition"), true }
	if j.Define(q); !slices.Equal(kinds(t, j.Record()), []byte{factQueue}) {
		t.Error("the definition that the log lacks is not written")
	}
	j.write()
	if j.Define(q); j.Record() != nil || !q.Defined() {
		t.Error("it is written again, though it is not newer")
	}
}

// For repairs, a queue without a definition has nothing to say.
func TestEachDefinition(t *testing.T) {
	t.Parallel()
	s := testState(nil)
	s.putQueue(&queueFact{q: Ref{ID: 1}, revision: 5})
	s.putQueue(&queueFact{q: Ref{ID: 2}, revision: 6, definition: []byte("definition")})
	s.putQueue(&queueFact{q: Ref{Kind: 17, ID: 3}, revision: 7, definition: []byte("a service's")})
	s.putDropped(Ref{ID: 4})
	s.putDropped(Ref{Kind: 17, ID: 5})
	var got []string
	if err := EachDefinition(s.Record(),
		func(id, revision uint64, definition []byte) {
			got = append(got, fmt.Sprintf("%d %d %s", id, revision, definition))
		},
		func(id uint64) { got = append(got, fmt.Sprint(id)) },
	); err != nil {
		t.Error(err)
	}
	if want := []string{"2 6 definition", "4"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Dead letters of one payload, which stands in the log once: each is found by its place
// until it goes or is written again, and the payload goes with the last of them.
func TestStrays(t *testing.T) {
	t.Parallel()
	dead := Ref{ID: 9}
	terms := map[Ref]Terms{dead: {}}
	var places []Place
	for id := range uint64(3) {
		r := Ref{ID: id + 1}
		terms[r] = Terms{MaxReceives: 1, Dead: &Target{Queue: dead}}
		places = append(places, Place{Queue: r, Sent: 1000})
	}
	strayed := func(t *testing.T) (*journalled, *Queue) {
		j := newJournalled(terms)
		j.post("payload", places...)
		for _, p := range places {
			if _, _, err := j.Receive(j.Find(p.Queue), queue.ReceiveArgs{Max: 1, HideUntil: 1000}); err != nil {
				t.Fatal(err)
			}
			j.Advance(j.Find(p.Queue))
			j.write()
		}
		q := j.Find(dead)
		if q.Counts().Visible != 3 || q.strays != 3 || len(j.strays) != 1 {
			t.Fatalf("%+v, %d strays of %d payloads", q.Counts(), q.strays, len(j.strays))
		}
		return j, q
	}
	for first := range uint64(3) {
		order := []uint64{first + 1, (first+1)%3 + 1, (first+2)%3 + 1}
		t.Run(fmt.Sprint("they go as ", order), func(t *testing.T) {
			j, q := strayed(t)
			for n, key := range order {
				m, _ := q.m.Remove(key)
				j.leave(q, m)
				j.write()
				if int(q.strays) != 2-n || len(j.strays[Pos{m.Append, m.Offset}]) != 2-n {
					t.Errorf("%d are gone: %d strays", n+1, q.strays)
				}
			}
			if held := j.retained().items - len(j.Queues()); len(j.strays) != 0 || held != 0 {
				t.Errorf("strays of %d payloads are left, %d items held", len(j.strays), held)
			}
		})
		t.Run(fmt.Sprintf("%d goes, the others are written again", order[0]), func(t *testing.T) {
			j, q := strayed(t)
			m, _ := q.m.Remove(order[0])
			j.leave(q, m)
			j.write()
			j.rewritten(t, 1)
			for _, key := range order[1:] {
				if m, ok := q.Get(key); !ok || m.Append != j.next {
					t.Errorf("message %d: %+v, %v", key, m, ok)
				}
			}
			if held := j.retained().items - len(j.Queues()); q.strays != 0 || len(j.strays) != 0 || held != 2 {
				t.Errorf("%d strays, %d items held, want 2", q.strays, held)
			}
		})
	}
}
