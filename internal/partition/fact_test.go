package partition

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/waystation/waystation/internal/queue"
)

// readAny reads one fact of any kind the way replay does, without a state.
func readAny(kind byte, b []byte) (any, error) {
	switch kind {
	case factMessage:
		places, payload, _, err := readMessage(b, nil)
		if err == nil {
			_, err = payloadGroup(payload)
		}
		return places, err
	case factReceived:
		return readReceived(b)
	case factMoved:
		return readMoved(b)
	case factQueue:
		return readQueue(b)
	}
	return nil, nil
}

func TestFactsReadAsWritten(t *testing.T) {
	t.Parallel()
	m := fifoMessage("group", "dedup", "the body")
	m.Attributes = []Attribute{{Name: "n", Type: "Number", Value: "1"}}
	payload := encodePayload(nil, &m)
	q, out := ref{id: 7}, ref{id: 9, outbox: true}
	places := []place{
		{ref: q, fifo: true, key: 12, sent: 1000, dedup: true, dedupID: queue.DedupID{1}, dedupExpires: 301000},
		{ref: out, key: 13, sent: 1000, visibleAt: 2000, inFlight: true, receives: 3, first: 1500, last: 1600, origin: origin{"arn", 4}},
	}
	attempt := queue.DedupID{4}
	state := queueFact{q: q, fifo: true, nextKey: 99, purged: 5, highWater: map[uint32]uint64{3: 4},
		tasks: []*moveTask{{MoveTask{ID: "t", Source: "s", Destination: "d", Rate: 5, Status: MoveCancelled, Moved: 1, ToMove: 2, Started: 3, FailureReason: "why"}}}}
	var f factBuffer
	at := f.message(places, payload)
	f.received(q, 100, 200, &attempt, 400, []queue.Message{{Key: 1, Receives: 2, FirstReceived: 50}})
	f.moved(q, out, true, "arn", []move{{1, 2, 3, 4}})
	f.queue(&state)
	f.visibility(q, 1, 2)
	f.removed(q, []queue.Message{{Key: 1}, {Key: 2}})
	f.remembered(q, true, attempt, queue.Original{Key: 1})
	f.purged(q, 10, 20)
	f.dropped(q)
	f.highWater(q, 1, 2)
	f.task(q, state.tasks[0])

	if !bytes.Equal(f.b[at:at+len(payload)], payload) {
		t.Error("the payload does not stand at the offset told")
	}
	got, err := decodePayload(payload)
	if err != nil {
		t.Fatal(err)
	}
	got.Delay = -1
	if !reflect.DeepEqual(got, m) {
		t.Errorf("payload read as %+v, want %+v", got, m)
	}
	want := map[byte]any{
		factMessage: places,
		factReceived: receivedFact{q: q, now: 100, hidden: 200, attempt: true, attemptID: attempt, attemptExpires: 400,
			msgs: []queue.Message{{Key: 1, Receives: 2, FirstReceived: 50}}},
		factMoved: movedFact{from: q, to: out, fifo: true, source: "arn", moves: []move{{1, 2, 3, 4}}},
		factQueue: state,
	}
	var kinds []byte
	err = eachFact(f.b, func(kind byte, b []byte, offset int) error {
		kinds = append(kinds, kind)
		if !bytes.Equal(f.b[offset:offset+len(b)], b) {
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
		if _, err := readAny(kind, append(append([]byte{}, b...), 1, 2, 3)); err != nil {
			t.Errorf("fact %d with more behind it: %v", kind, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []byte{1, 2, 5, 7, 3, 4, 6, 8, 9, 10, 11}; !bytes.Equal(kinds, want) {
		t.Errorf("facts %v, want %v", kinds, want)
	}
}

func FuzzFacts(f *testing.F) {
	m := fifoMessage("group", "dedup", "the body")
	var b factBuffer
	b.message([]place{{ref: ref{id: 1}, key: 2, sent: 3}}, encodePayload(nil, &m))
	b.received(ref{id: 1}, 1, 2, nil, 0, []queue.Message{{Key: 1}})
	f.Add(b.b)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, rec []byte) {
		_ = eachFact(rec, func(kind byte, b []byte, _ int) error {
			_, err := readAny(kind, b)
			return err
		})
		if m, err := decodePayload(rec); err == nil {
			if again, err := decodePayload(encodePayload(nil, &m)); err != nil || !reflect.DeepEqual(again, m) {
				t.Errorf("%+v came back as %+v, %v", m, again, err)
			}
		}
	})
}

func FuzzReceipts(f *testing.F) {
	s := newReceiptSigner([]byte("secret"))
	f.Add(s.sign(1, 2, 3))
	f.Add("")
	f.Fuzz(func(t *testing.T, handle string) {
		if key, receives, err := s.open(1, handle); err == nil && s.sign(1, key, receives) != handle {
			t.Errorf("%q was accepted and is not what is signed", handle)
		}
	})
}
