package state

import (
	"testing"

	"github.com/waystation/waystation/internal/queue"
)

// journalled drives a State over a log in memory, as an owner does.
type journalled struct {
	*State
	log     *account
	next    uint64
	records [][]byte
}

func newJournalled(terms map[Ref]Terms) *journalled {
	s := testState(terms)
	return &journalled{State: s, log: s.cfg.Log.(*account)}
}

// write stores the open record as an append of its own.
func (j *journalled) write() {
	if rec := j.Record(); rec != nil {
		j.next++
		j.records = append(j.records, append([]byte(nil), rec...))
		j.Written(Pos{Append: j.next})
	}
}

func (j *journalled) post(payload string, places ...Place) (out []Placed) {
	it := Item{Payload: []byte(payload)}
	for _, p := range places {
		it.Targets = append(it.Targets, Placing{Place: p})
	}
	j.Post(it, func(p Placed) { out = append(out, p) })
	j.write()
	return out
}

// replayed is the state that a replay of the first n records gives.
func (j *journalled) replayed(t *testing.T, n int, terms map[Ref]Terms) *State {
	t.Helper()
	s := testState(terms)
	for i, rec := range j.records[:n] {
		if err := s.Replay(Pos{Append: uint64(i + 1)}, rec); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *State) retained() account { return *s.cfg.Log.(*account) }

// A payload in many queues is one record, and counts once until the last of them
// lets it go.
func TestPayloadCountsOnce(t *testing.T) {
	t.Parallel()
	for name, reference := range map[string]string{"plain": "", "with a reference": "to a subscription"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			payloadCountsOnce(t, reference)
		})
	}
}

func payloadCountsOnce(t *testing.T, reference string) {
	j := newJournalled(nil)
	var places []Place
	for i := range 100 {
		places = append(places, Place{Queue: Ref{ID: uint64(i + 1)}, Sent: 1000, Note: Note{Reference: reference}})
	}
	j.post("payload", places...)
	if got := len(j.records); got != 1 {
		t.Fatalf("%d records", got)
	}
	check := func(s *State, items, bytes int) {
		t.Helper()
		homes := 0 // counted with their length: or else they would seem to be garbage
		for i := range 100 {
			if q := s.Find(Ref{ID: uint64(i + 1)}); q != nil {
				_, n := q.Home()
				homes += n
			}
		}
		places := items * (placeBytes + len(reference)) // counted for the same reason
		if got := s.retained(); got.items != items+100 || got.bytes != bytes+homes+places {
			t.Errorf("%d items of %d bytes are retained, want %d of %d", got.items-100, got.bytes-homes, items, bytes+places)
		}
	}
	check(j.State, 100, len("payload"))
	check(j.replayed(t, 1, nil), 100, len("payload"))
	// Written again: still once.
	if err := j.rewriteAll(Pos{Append: 1}, j.records[0]); err != nil {
		t.Fatal(err)
	}
	j.write()
	check(j.State, 100, len("payload"))
	for i := range 100 {
		q := j.Find(Ref{ID: uint64(i + 1)})
		got, _, err := j.Receive(q, queue.ReceiveArgs{Max: 1, HideUntil: 5000})
		if err != nil || len(got) != 1 {
			t.Fatalf("received %d, %v", len(got), err)
		}
		j.State.Remove(q, []Receipt{{got[0].Key, 1}}, func(_ int, err error) {
			if err != nil {
				t.Error(err)
			}
		})
		j.write()
		want := len("payload")
		if i == 99 {
			want = 0
		}
		check(j.State, 99-i, want)
	}
	check(j.replayed(t, len(j.records), nil), 0, 0)
}

// What was received too often and came back before a crash, and is replayed while
// the terms are not known, is found when they are.
func TestExhaustedAfterAReplay(t *testing.T) {
	t.Parallel()
	q, dead := Ref{ID: 1}, Ref{ID: 2}
	terms := map[Ref]Terms{
		q:    {MaxReceives: 1, Dead: &Target{Queue: dead}, Name: "source"},
		dead: {},
	}
	j := newJournalled(terms)
	j.post("x", Place{Queue: q, Sent: 1000})
	if _, _, err := j.Receive(j.Find(q), queue.ReceiveArgs{Max: 1, HideUntil: 1000}); err != nil {
		t.Fatal(err)
	}
	j.write()
	for _, known := range []bool{false, true} {
		var s *State
		if known {
			s = j.replayed(t, len(j.records), terms)
		} else {
			s = j.replayed(t, len(j.records), nil)
		}
		x := s.Find(q)
		s.Configure(x, terms[q])
		for s.Advance(x) {
		}
		if keys := s.Exhausted(x); len(keys) > 0 {
			s.GiveUp(x, keys)
		}
		if got := x.Counts(); got.Visible != 0 {
			t.Errorf("known %v: %+v stay in the source", known, got)
		}
		d := s.Find(dead)
		if d == nil || d.Counts().Visible != 1 {
			t.Fatalf("known %v: the dead letter is not in its queue", known)
		}
		m, _ := d.Get(1)
		if n := s.Note(&m); n.Source != "source" || n.Receives != 1 {
			t.Errorf("its note is %+v", n)
		}
	}
}

// Notes are shared, and go with the last message that has them.
func TestNotes(t *testing.T) {
	t.Parallel()
	var n notes
	a, b := n.put(Note{Reference: "a"}), n.put(Note{Reference: "b"})
	if again := n.put(Note{Reference: "a"}); again != a {
		t.Errorf("equal notes have the numbers %d and %d", a, again)
	}
	n.drop(a)
	if n.of(a).Reference != "a" || n.of(b).Reference != "b" {
		t.Error("a note is gone while a message has it")
	}
	n.drop(a)
	n.drop(b)
	if n.bytes != 0 || len(n.tags) != 0 {
		t.Errorf("%d bytes, %d notes are left", n.bytes, len(n.tags))
	}
	if c := n.put(Note{Reference: "c"}); n.of(c).Reference != "c" || len(n.list) != 3 {
		t.Error("numbers are not used again")
	}
	if n.put(Note{}) != 0 {
		t.Error("the empty note has a number")
	}
}

// A queue that is used once and drained gives its machine back, and goes on where
// it was.
func TestEmptyQueuesCollapse(t *testing.T) {
	t.Parallel()
	j := newJournalled(nil)
	r := Ref{ID: 1}
	settle := func() {
		for q := j.NextTouched(); q != nil; q = j.NextTouched() {
			for j.Advance(q) {
			}
			j.Review(q)
		}
		j.write()
	}
	first := j.post("x", Place{Queue: r, Sent: 1000})
	settle()
	q := j.Find(r)
	got, _, _ := j.Receive(q, queue.ReceiveArgs{Max: 1, HideUntil: 5000})
	j.State.Remove(q, []Receipt{{got[0].Key, 1}}, func(int, error) {})
	j.write()
	settle()
	if q.m == nil {
		t.Fatal("the machine goes at once: it would be made again for each message")
	}
	at, ok := j.Due()
	if !ok || at != j.Now()+collapseAfter {
		t.Fatalf("an empty queue with a machine is due in %d ms, %v", at-j.Now(), ok)
	}
	j.Tick(at - 1)
	j.touch(q) // looked at once more, it does not get more time
	if settle(); j.NextDue() != nil {
		t.Fatal("it is due too early")
	}
	if again, ok := j.Due(); !ok || again != at {
		t.Fatalf("it is due %d ms later", again-at)
	}
	j.Tick(at)
	if j.NextDue() != q {
		t.Fatal("it is not the one that is due")
	}
	settle()
	if q.m != nil {
		t.Error("the machine is still there")
	}
	if _, ok := j.Due(); ok {
		t.Error("a queue without a machine is due")
	}
	if u := j.Usage(); u.Messages != 0 || u.Bytes != queueBytes {
		t.Errorf("usage %+v", u)
	}
	if next := j.post("y", Place{Queue: r, Sent: j.Now()}); next[0].Key != first[0].Key+1 {
		t.Errorf("the next key is %d after %d", next[0].Key, first[0].Key)
	}
}

// Nor does it keep its machine until its last message would have expired.
func TestEmptyQueuesCollapseSoon(t *testing.T) {
	t.Parallel()
	r := Ref{ID: 1}
	j := newJournalled(map[Ref]Terms{r: {Retention: 4 * 24 * 3600 * 1000}})
	settle := func() {
		for q := j.NextTouched(); q != nil; q = j.NextTouched() {
			j.Review(q)
		}
		j.write()
	}
	j.post("x", Place{Queue: r, Sent: 1000})
	settle()
	q := j.Find(r)
	got, _, _ := j.Receive(q, queue.ReceiveArgs{Max: 1, HideUntil: 12 * 3600 * 1000})
	j.write()
	settle()
	j.State.Remove(q, []Receipt{{got[0].Key, 1}}, func(int, error) {})
	j.write()
	settle()
	if at, ok := j.Due(); !ok || at > j.Now()+collapseAfter {
		t.Errorf("the empty queue is due in %d ms", at-j.Now())
	}
}
