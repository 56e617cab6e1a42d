package state

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"

	"github.com/waystation/waystation/internal/queue"
)

// readAny reads one fact of any kind the way replay does, without a state.
func readAny(kind byte, b []byte) (any, error) {
	switch kind {
	case factPlaced:
		places, _, _, err := readPlaced(b, nil)
		return places, err
	case factReceived:
		return readReceived(b)
	case factMoved:
		return readMoved(b)
	case factQueue:
		return readQueue(b)
	case factRemembered:
		return readRemembered(b)
	case factMark:
		from, key, err := readMark(b)
		return mark{key, uint64(from)}, err
	}
	return nil, testState(nil).replayOf(kind, b)
}

// account is a log that only counts what is retained.
type account struct {
	items, bytes int
}

func (a *account) Retain(_ uint64, k, n int) { a.items += k; a.bytes += n }
func (a *account) Release(_ uint64, n int)   { a.items--; a.bytes -= n }

// testState is a partition 0 whose queues have the terms given.
func testState(terms map[Ref]Terms) *State {
	return New(Config{
		Log: &account{},
		Terms: func(r Ref) (Terms, bool) {
			t, ok := terms[r]
			return t, ok
		},
		Definition: func(Ref) (uint64, []byte, bool) { return 0, nil, false },
		Now:        1000,
	})
}

func TestFactsReadAsWritten(t *testing.T) {
	t.Parallel()
	payload := []byte("the payload")
	q, out := Ref{ID: 7}, Outbox(9)
	places := []Place{
		{
			Queue: q, FIFO: true, Key: 12, Sent: 1000, Group: "g",
			Dedup: Dedup{ID: [16]byte{1}, Answer: [16]byte{2}, Expires: 301000},
		},
		{
			Queue: out, FIFO: true, Key: 13, Sent: 1000, VisibleAt: 2000, inFlight: true, receives: 3, first: 1500, last: 1600,
			Note: Note{"arn", 4, "reference"}, Name: Name{3}, Replace: true,
			Dedup:  Dedup{ID: [16]byte{1}, Answer: [16]byte{2}, Expires: 301000}.TakenIn(2000, 9000),
			onward: []Place{{Queue: Ref{Kind: 17, ID: 4}, Sent: 900, Group: "h", Revision: 8}, {Queue: q, Sent: 1000}},
		},
	}
	attempt := queue.DedupID{4}
	task := &Task{ID: "t", Source: "s", Destination: "d", Rate: 5, Status: MoveCancelled, Moved: 1, ToMove: 2, Started: 3, FailureReason: "why"}
	orig := queue.Original{ID: [16]byte{5}, Key: 1, Sent: 4, Expires: 9, Grace: 1000}
	received := receivedFact{
		q: q, now: 100, hidden: 200, attempt: &attempt, expires: 400,
		messages: []queue.Message{{Key: 1, Receives: 2, FirstReceived: 50}},
	}
	moved := movedFact{from: q, to: out, fifo: true, source: "arn", onward: Ref{ID: 3}, revision: 6, steps: []step{{1, 2, 3, 4}}}
	home := queueFact{q: q, fifo: true, nextKey: 99, purged: 5, revision: 3, definition: []byte("def"), tasks: []*Task{task}}

	s := testState(nil)
	list := make([]placing, len(places))
	for i := range places {
		list[i].place = &places[i]
	}
	at := s.putPlaced(list, payload)
	s.putReceived(&received)
	s.putMoved(&moved)
	s.putQueue(&home)
	s.putRemembered(q, true, attempt, orig)
	s.putMark(1, 2)
	s.putHidden(q, 1, 2, 3, true)
	s.putRemoved(q, []queue.Message{{Key: 1}, {Key: 2}})
	s.putPurged(q, 20)
	s.putDropped(q)
	s.putTask(q, task)
	s.putAttempt(q, attempt, 5, []uint64{1, 2})

	rec := s.Record()
	if !bytes.Equal(rec[at:at+len(payload)], payload) {
		t.Error("the payload does not stand at the offset told")
	}
	want := map[byte]any{
		factPlaced: places, factReceived: received, factMoved: moved, factQueue: home,
		factRemembered: rememberedFact{q, true, attempt, orig}, factMark: mark{2, 1},
	}
	var kinds []byte
	err := eachFact(rec, func(kind byte, b []byte, offset int) error {
		kinds = append(kinds, kind)
		if !bytes.Equal(rec[offset:offset+len(b)], b) {
			t.Errorf("fact %d: wrong offset", kind)
		}
		v, err := readAny(kind, b)
		if err != nil {
			t.Errorf("fact %d: %v", kind, err)
		}
		if w, ok := want[kind]; ok && !reflect.DeepEqual(v, w) {
			t.Errorf("fact %d read as %+v, want %+v", kind, v, w)
		}
		// A fact may grow at its end without harm, and never be cut short.
		if _, err := readAny(kind, append(bytes.Clone(b), 1, 2, 3)); err != nil {
			t.Errorf("fact %d with more behind it: %v", kind, err)
		}
		for n := range len(b) {
			if _, err := readAny(kind, b[:n]); err == nil {
				t.Errorf("fact %d cut to %d of %d bytes was read", kind, n, len(b))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []byte{1, 2, 5, 7, 6, 10, 3, 4, 8, 9, 11, 12}; !bytes.Equal(kinds, want) {
		t.Errorf("facts %v, want %v", kinds, want)
	}
}

// A fact of a newer release is refused, not passed over.
func TestUnknownFacts(t *testing.T) {
	t.Parallel()
	s := testState(nil)
	s.end(putRef(s.begin(99), Ref{ID: 1}))
	if err := testState(nil).Replay(Pos{Append: 1}, s.Record()); err == nil {
		t.Error("a fact that is not known was passed over")
	}
}

// rewriteAll is Rewrite into one record, however large.
func (s *State) rewriteAll(at Pos, rec []byte) error {
	_, err := s.Rewrite(at, rec, math.MaxInt, func() error { return errors.New("one record") })
	return err
}

func FuzzReplay(f *testing.F) {
	s := testState(nil)
	s.putPlaced([]placing{{place: &Place{Queue: Ref{ID: 1}, Key: 2, Sent: 3}}}, []byte("x"))
	s.putReceived(&receivedFact{q: Ref{ID: 1}, now: 1, hidden: 2, messages: []queue.Message{{Key: 2}}})
	f.Add(s.Record())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, rec []byte) {
		s := testState(map[Ref]Terms{{ID: 1}: {Retention: 1000}})
		if s.Replay(Pos{Append: 1}, rec) == nil {
			_ = s.rewriteAll(Pos{Append: 1}, rec)
		}
	})
}
