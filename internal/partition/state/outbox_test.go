package state

import (
	"fmt"
	"slices"
	"testing"
)

// What is for another partition waits in the outbox to it, one parcel for all its places
// there, until that partition has taken it in.
func TestParcels(t *testing.T) {
	t.Parallel()
	here, there := Ref{ID: 1}, Ref{ID: 2}
	j := newJournalled(nil)
	for i := range 3 {
		j.Post(Item{Payload: []byte("payload"), Targets: []Placing{
			{Partition: 1, Place: Place{Queue: there, Sent: 1000, Group: fmt.Sprint(i)}},
			{Place: Place{Queue: here, Sent: 1000}},
			{Partition: 2, Place: Place{Queue: there, Sent: 1000}},
			{Partition: 1, Place: Place{Queue: Ref{ID: 3}, Sent: 1000}},
		}}, func(Placed) {})
	}
	j.write()
	keys := func(s *State, partition uint32, n, maxBytes int) (list []uint64) {
		for _, p := range s.Parcels(partition, n, maxBytes) {
			list = append(list, p.Key)
			if at := p.At; string(j.records[at.Append-1][at.Offset:at.Offset+at.Len]) != "payload" {
				t.Errorf("parcel %d has no payload", p.Key)
			}
			if partition == 1 && (len(p.Places) != 2 || p.Places[0].Group != fmt.Sprint(p.Key-1) || p.Places[1].Queue.ID != 3) {
				t.Errorf("parcel %d is for %+v", p.Key, p.Places)
			}
		}
		return list
	}
	if out := j.Outboxes(); len(out) != 2 || !slices.Contains(out, 1) || !slices.Contains(out, 2) || j.Backlog() != 6 {
		t.Errorf("outboxes %v, backlog %d", out, j.Backlog())
	}
	one := len("payload") + 2*PlaceBytes + 1
	for _, s := range []*State{j.State, j.replayed(t, 1, nil)} {
		for _, tt := range []struct{ n, bytes, want int }{
			{10, 10 * one, 3}, {2, 10 * one, 2}, {10, 2 * one, 2}, {10, 2*one - 1, 1}, {10, 0, 1},
		} {
			if got := keys(s, 1, tt.n, tt.bytes); len(got) != tt.want {
				t.Errorf("up to %d of %d bytes: %v", tt.n, tt.bytes, got)
			}
		}
	}
	list := keys(j.State, 1, 10, 10*one)
	j.HandedOver(1, list, list[1]) // taken in up to the second
	if got := keys(j.State, 1, 10, 10*one); !slices.Equal(got, list[2:]) || j.Backlog() != 4 {
		t.Errorf("%v are left of %v, backlog %d", got, list, j.Backlog())
	}
	if got, want := kinds(t, j.Record()), []byte{factRemoved}; !slices.Equal(got, want) {
		t.Errorf("facts %v, want %v", got, want)
	}
	j.write()
	j.HandedOver(1, list, list[1])
	if rec := j.Record(); rec != nil {
		t.Errorf("what was handed over is again: %q", rec)
	}
	j.HandedOver(7, []uint64{1}, 1) // nothing was ever for that one
	j.Open(Outbox(8))
	j.HandedOver(8, []uint64{1}, 1)
	if rec := j.Record(); rec != nil || j.Parcels(7, 1, 1) != nil {
		t.Errorf("from nothing: %q", rec)
	}
}

// Places take their texts, and a fixed part each.
func TestBytesOf(t *testing.T) {
	t.Parallel()
	p := Place{Group: "gr", Note: Note{Source: "sou", Reference: "refe"}}
	if got, want := BytesOf([]Place{p, {}}), 2*PlaceBytes+2+3+4; got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
}

// A deduplication id counts beyond the record with its message, until it expires; and a
// name until the message of that name goes.
func TestDuplicatesInLaterRecords(t *testing.T) {
	t.Parallel()
	fifo, plain := Ref{ID: 1}, Ref{Kind: 17, ID: 2}
	j := newJournalled(map[Ref]Terms{fifo: {FIFO: true}})
	first, other := [16]byte{9}, [16]byte{8}
	post := func(answer [16]byte) Placed {
		return j.post("x", Place{Queue: fifo, FIFO: true, Sent: j.Now(), Dedup: Dedup{ID: [16]byte{1}, Answer: answer, Expires: j.Now() + 5000}})[0]
	}
	if got, want := post(first), (Placed{Key: 1, Answer: first}); got != want {
		t.Errorf("placed as %+v, want %+v", got, want)
	}
	if got, want := post(other), (Placed{Key: 1, Answer: first, Duplicate: true}); got != want {
		t.Errorf("the duplicate: %+v, want %+v", got, want)
	}
	j.Tick(j.Now() + 6000)
	j.Advance(j.Find(fifo))
	if got, want := post(other), (Placed{Key: 2, Answer: other}); got != want {
		t.Errorf("after it expired: %+v, want %+v", got, want)
	}
	named := func(replace bool) Placed {
		return j.post("x", Place{Queue: plain, Sent: j.Now(), Name: Name{1}, Replace: replace})[0]
	}
	named(false)
	if got, want := named(false), (Placed{Key: 1, Duplicate: true}); got != want {
		t.Errorf("of the same name: %+v, want %+v", got, want)
	}
	if got, want := named(true), (Placed{Key: 2}); got != want {
		t.Errorf("replaced: %+v, want %+v", got, want)
	}
	if !j.Cancel(j.Find(plain), Name{1}) || j.Cancel(j.Find(plain), Name{1}) || j.Find(plain).Counts().Visible != 0 {
		t.Errorf("cancelled, there are %+v", j.Find(plain).Counts())
	}
}

// How often a dead letter was received is kept, though its source has no name.
func TestNoteWithoutAName(t *testing.T) {
	t.Parallel()
	r := Ref{ID: 1}
	j := newJournalled(nil)
	note := Note{Receives: 3}
	j.post("x", Place{Queue: r, Sent: 1000, Note: note})
	for _, s := range []*State{j.State, j.replayed(t, 1, nil)} {
		m, ok := s.Find(r).Get(1)
		if got := s.Note(&m); !ok || got != note {
			t.Errorf("%+v, want %+v", got, note)
		}
	}
}

// A fact about messages that are not there is read to its end all the same.
func TestCutKeys(t *testing.T) {
	t.Parallel()
	s := testState(nil)
	b := append(putRef(nil, Ref{ID: 1}), 2, 0x80, 0x02, 0x80) // two keys, the second one cut
	if err := s.replayOf(factRemoved, b); err == nil {
		t.Error("a key without its end is read")
	}
	if err := s.replayOf(factRemoved, append(b, 0x02)); err != nil {
		t.Error(err)
	}
}
