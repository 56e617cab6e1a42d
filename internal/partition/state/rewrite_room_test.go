package state

import (
	"errors"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/queue"
)

// grown is a payload in many queues, whose places say more than when it was posted.
func grown(t *testing.T, queues int) (j *journalled, payload string) {
	t.Helper()
	j = newJournalled(nil)
	payload = strings.Repeat("x", 5000)
	var places []Place
	for i := range queues {
		places = append(places, Place{Queue: Ref{ID: uint64(i + 1)}, Sent: 1000, Group: strings.Repeat("g", 100)})
	}
	j.post(payload, places...)
	return j, payload
}

// What does not fit one record is written again in several: each has the payload, all
// messages stand in one of them, and nothing is left where it stood.
func TestRewriteInSeveralRecords(t *testing.T) {
	t.Parallel()
	const queues, room = 60, 10_000
	j, payload := grown(t, queues)
	left, err := j.Rewrite(Pos{Append: 1}, j.records[0], room, func() error { j.write(); return nil })
	if err != nil || left != 0 {
		t.Fatal(left, err)
	}
	j.write()
	if n := len(j.records); n < 5 {
		t.Fatalf("%d records", n)
	}
	for _, rec := range j.records[1:] {
		if len(rec) > room {
			t.Errorf("a record has %d bytes, there is room for %d", len(rec), room)
		}
	}
	for _, s := range []*State{j.State, j.replayed(t, len(j.records), nil)} {
		for i := range uint64(queues) {
			m, ok := s.Find(Ref{ID: i + 1}).m.Get(1)
			if !ok || m.Append == 1 {
				t.Fatalf("queue %d: %v %+v", i+1, ok, m)
			}
			if got := string(j.records[m.Append-1][m.Offset : m.Offset+m.Len]); got != payload {
				t.Errorf("queue %d has another payload", i+1)
			}
		}
	}
	for i := range uint64(queues) {
		j.Purge(j.Find(Ref{ID: i + 1}))
		j.write()
	}
	release(j.State, 7)
	homes := 0
	for _, q := range j.Queues() {
		_, n := q.Home()
		homes += n
	}
	if got := j.retained(); got.items != queues || got.bytes != homes {
		t.Errorf("of purged queues %d items of %d bytes are retained, want %d of %d", got.items, got.bytes, queues, homes)
	}
}

// A payload that fits no record stays where it is, as do its places.
func TestRewriteLeavesWhatFitsNoRecord(t *testing.T) {
	t.Parallel()
	j, _ := grown(t, 3)
	left, err := j.Rewrite(Pos{Append: 1}, j.records[0], 5000-growth, func() error { j.write(); return nil })
	if err != nil || left != 1 {
		t.Fatal(left, err)
	}
	j.write()
	for i := range uint64(3) {
		if m, ok := j.Find(Ref{ID: i + 1}).m.Get(1); !ok || m.Append != 1 {
			t.Errorf("queue %d: %v %+v", i+1, ok, m)
		}
	}
}

// What just fitted a record when it was posted is written again however its place has
// grown since: it was dead-lettered, on this partition or to another.
func TestRewriteOfWhatHasGrown(t *testing.T) {
	t.Parallel()
	const room = 8000
	for name, partition := range map[string]uint32{"here": 0, "on another partition": 1} {
		q := Ref{ID: 1}
		terms := map[Ref]Terms{q: {
			FIFO: true, MaxReceives: 1, Dead: &Target{Partition: partition, Queue: Ref{ID: 2}}, DeadFIFO: true,
			Name: "arn:aws:sqs:" + strings.Repeat("r", 64) + ":" + strings.Repeat("a", 64) + ":" + strings.Repeat("n", 512),
		}}
		j := newJournalled(terms)
		p := Place{Queue: q, FIFO: true, Sent: 1000, Group: strings.Repeat("g", 256), Note: Note{Reference: strings.Repeat("r", MaxReference)}}
		j.post(strings.Repeat("x", room-BytesOf([]Place{p})), p)
		j.GiveUp(j.Find(q), []uint64{1})
		j.write()
		dead := Ref{ID: 2}
		if partition != 0 {
			dead = Outbox(partition)
		} else if got, _, err := j.Receive(j.Find(dead), queue.ReceiveArgs{Max: 1, HideUntil: 9000, Attempt: &queue.DedupID{1}, AttemptExpires: 9000}); err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		j.write()
		before := len(j.records)
		left, err := j.Rewrite(Pos{Append: 1}, j.records[0], room, func() error { j.write(); return nil })
		j.write()
		if m, ok := j.Find(dead).Get(1); err != nil || left != 0 || !ok || m.Append == 1 {
			t.Fatalf("%s: %d are left, %v: %v %+v", name, left, err, ok, m)
		}
		for _, rec := range j.records[before:] {
			if len(rec) > room+growth {
				t.Errorf("%s: a record has %d bytes", name, len(rec))
			}
		}
	}
}

// Deduplication ids whose messages are gone count, too.
func TestRewriteOfManyDeduplicationIDs(t *testing.T) {
	t.Parallel()
	const queues, room = 60, 6000
	j := newJournalled(nil)
	var places []Place
	for i := range queues {
		places = append(places, Place{Queue: Ref{ID: uint64(i + 1)}, FIFO: true, Sent: 1000, Dedup: Dedup{ID: [16]byte{byte(i)}, Expires: 300_000}})
	}
	j.post(strings.Repeat("x", 5000), places...)
	for i := range queues - 1 {
		q := j.Find(Ref{ID: uint64(i + 2)})
		m, _ := q.m.Remove(1)
		j.leave(q, m)
	}
	j.write()
	before := len(j.records)
	left, err := j.Rewrite(Pos{Append: 1}, j.records[0], room, func() error { j.write(); return nil })
	if err != nil || left != 0 {
		t.Fatal(left, err)
	}
	j.write()
	for _, rec := range j.records[before:] {
		if len(rec) > room {
			t.Errorf("a record has %d bytes, there is room for %d", len(rec), room)
		}
	}
	if n := len(j.records) - before; n > 3 {
		t.Errorf("%d records", n)
	}
	for _, s := range []*State{j.State, j.replayed(t, len(j.records), nil)} {
		for i := range queues {
			o, ok := s.Find(Ref{ID: uint64(i + 1)}).m.Remembered(queue.DedupID{byte(i)}, 1)
			if !ok || o.Append <= uint64(before) {
				t.Errorf("queue %d: %v, %+v", i+1, ok, o)
			}
		}
	}
}

// A record that cannot be written ends it.
func TestRewriteEndsWithoutItsRecord(t *testing.T) {
	t.Parallel()
	j, _ := grown(t, 60)
	refused := errors.New("refused")
	tries := 0
	_, err := j.Rewrite(Pos{Append: 1}, j.records[0], 10_000, func() error { tries++; return refused })
	if !errors.Is(err, refused) || tries != 1 {
		t.Errorf("%v after %d tries", err, tries)
	}
}

// Deduplication ids whose messages are gone are written again in several records, too, and
// no more of them once a record is refused.
func TestRewritingIDsInSeveralRecords(t *testing.T) {
	t.Parallel()
	const n, room = 60, 3000
	r := Ref{ID: 1}
	made := func() *journalled {
		j := newJournalled(map[Ref]Terms{r: {FIFO: true}})
		var places []Place
		for i := range byte(n) {
			places = append(places, Place{Queue: r, FIFO: true, Sent: 1000, Dedup: Dedup{ID: [16]byte{1, i}, Expires: 300_000}})
		}
		j.post("x", places...)
		q := j.Find(r)
		for key := range uint64(n) {
			m, _ := q.m.Remove(key + 1)
			j.leave(q, m)
		}
		j.write()
		return j
	}
	j := made()
	if left, err := j.Rewrite(Pos{Append: 1}, j.records[0], room, func() error { j.write(); return nil }); left != 0 || err != nil {
		t.Errorf("%d are left, %v", left, err)
	}
	j.write()
	for _, rec := range j.records[2:] {
		if len(rec) > room {
			t.Errorf("a record of %d bytes, of at most %d", len(rec), room)
		}
	}
	for i := range byte(n) {
		if o, ok := j.Find(r).m.Remembered([16]byte{1, i}, uint64(i)+1); !ok || o.Append < 3 {
			t.Errorf("id %d: %+v, %v", i, o, ok)
		}
	}
	j = made()
	tries, refused := 0, errors.New("refused")
	if _, err := j.Rewrite(Pos{Append: 1}, j.records[0], room, func() error { tries++; return refused }); !errors.Is(err, refused) || tries != 1 {
		t.Errorf("%v after %d tries", err, tries)
	}
}
