package state

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/waystation/waystation/internal/queue"
)

// Posts of one record know of each other: an id or a name is used once.
func TestOneRecordTakesOnce(t *testing.T) {
	t.Parallel()
	plain, fifo := Ref{Kind: 17, ID: 1}, Ref{ID: 2}
	j := newJournalled(map[Ref]Terms{fifo: {FIFO: true}})
	dedup := Dedup{ID: [16]byte{1}, Answer: [16]byte{9}, Expires: 5000}
	var got []Placed
	for _, p := range []Place{
		{Queue: fifo, FIFO: true, Sent: 1000, Dedup: dedup},
		{Queue: fifo, FIFO: true, Sent: 1000, Dedup: Dedup{ID: dedup.ID, Answer: [16]byte{8}, Expires: 5000}},
		{Queue: plain, Sent: 1000, Name: Name{1}},
		{Queue: plain, Sent: 1000, Name: Name{1}},
		{Queue: plain, Sent: 1000, Name: Name{2}},
		{Queue: Ref{Kind: 17, ID: 3}, Sent: 1000, Name: Name{1}}, // names are each queue's own
	} {
		j.Post(Item{Payload: []byte("x"), Targets: []Placing{{Place: p}}}, func(p Placed) { got = append(got, p) })
	}
	j.write()
	want := []Placed{
		{Key: 1, Answer: dedup.Answer}, {Key: 1, Answer: dedup.Answer, Duplicate: true},
		{Key: 1}, {Key: 1, Duplicate: true}, {Key: 2}, {Key: 1},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("placed %+v\nwant %+v", got, want)
	}
	if f, p := j.Find(fifo).Counted.Sent, j.Find(plain).Counted.Sent; f != 1 || p != 2 {
		t.Errorf("%d and %d are counted as sent, want 1 and 2", f, p)
	}
}

// Who removes hears of each message what became of it; a queue counts what it did.
func TestRemoveTellsOutcomes(t *testing.T) {
	t.Parallel()
	r := Ref{ID: 1}
	j := newJournalled(map[Ref]Terms{r: {MaxReceives: 1, Discard: true}})
	for range 3 {
		j.post("x", Place{Queue: r, Sent: 1000})
	}
	q := j.Find(r)
	got, dead, err := j.Receive(q, queue.ReceiveArgs{Max: 2, HideUntil: 5000})
	if err != nil || dead || len(got) != 2 {
		t.Fatalf("received %d, dead %v, %v", len(got), dead, err)
	}
	var outcomes []error
	j.State.Remove(q, []Receipt{{1, 1}, {1, 1}, {2, 7}, {9, 1}}, func(i int, err error) {
		if i != len(outcomes) {
			t.Errorf("outcome %d comes as %d", len(outcomes), i)
		}
		outcomes = append(outcomes, err)
	})
	j.write()
	want := []error{nil, queue.ErrNotFound, queue.ErrStale, queue.ErrNotFound}
	if fmt.Sprint(outcomes) != fmt.Sprint(want) {
		t.Errorf("outcomes %v, want %v", outcomes, want)
	}
	j.Tick(5000)
	for j.Advance(q) {
	}
	if c := q.Counted; c != (Counted{Sent: 3, Received: 2, Deleted: 1, DeadLettered: 1}) {
		t.Errorf("counted %+v", c)
	}
}

// Ten tasks of a queue are remembered, one of which can be active; they go with the queue.
func TestTasks(t *testing.T) {
	t.Parallel()
	r := Ref{ID: 1}
	j := newJournalled(nil)
	j.post("x", Place{Queue: r, Sent: 1000})
	q := j.Find(r)
	for i := range 12 {
		j.SetTask(q, &Task{ID: fmt.Sprint(i), Status: MoveCompleted})
	}
	if list := j.Tasks(q); len(list) != keptTasks || list[0].ID != "2" || list[9].ID != "11" {
		t.Errorf("%d tasks, from %s on", len(list), list[0].ID)
	}
	for status, active := range map[string]bool{
		MoveRunning: true, MoveCancelling: true, MoveCompleted: false, MoveCancelled: false, MoveFailed: false,
	} {
		j.SetTask(q, &Task{ID: "11", Status: status})
		if x := j.ActiveTask(q); (x != nil) != active || len(j.Active()) == 0 == active {
			t.Errorf("%s: active is %v, of %d queues", status, x, len(j.Active()))
		}
	}
	j.SetTask(q, &Task{ID: "11", Status: MoveRunning})
	j.Drop(q)
	j.write()
	if len(j.Active()) != 0 || len(j.Tasks(q)) != 0 || !q.Gone() {
		t.Errorf("after the drop %d queues are active, with %d tasks", len(j.Active()), len(j.Tasks(q)))
	}
	if s := j.replayed(t, len(j.records), nil); len(s.Active()) != 0 {
		t.Error("after a replay the queue that was dropped is active")
	}
}

// What is not there any more is passed over by a transfer, with its own item.
func TestTransferPassesOverWhatIsGone(t *testing.T) {
	t.Parallel()
	from, to := Ref{ID: 1}, Ref{ID: 2}
	j := newJournalled(nil)
	j.post("x", Place{Queue: from, Sent: 1000})
	item := func(group string) Item {
		return Item{Payload: []byte("x"), Targets: []Placing{{Place: Place{Queue: to, Sent: 1000, Group: group}}}}
	}
	j.Transfer(j.Find(from), []uint64{7, 1}, []Item{item("gone"), item("there")})
	j.write()
	m, ok := j.Find(to).Get(1)
	if !ok || m.Group != "there" || j.Find(to).Counts().Visible != 1 || j.Find(from).Counts().Visible != 0 {
		t.Errorf("there is %+v, %v", m, ok)
	}
}

// Queues of a service that have something to give are counted until they have not.
func TestReadyIsCounted(t *testing.T) {
	t.Parallel()
	j := newJournalled(nil)
	review := func() {
		for q := j.NextTouched(); q != nil; q = j.NextTouched() {
			j.Review(q)
		}
	}
	for id := range uint64(3) {
		j.post("x", Place{Queue: Ref{Kind: 17, ID: id + 1}, Sent: 1000})
	}
	review()
	if n := j.Ready(17); n != 3 {
		t.Errorf("%d are ready, want 3", n)
	}
	q := j.NextReady(17)
	if n := j.Ready(17); n != 2 || j.Ready(18) != 0 {
		t.Errorf("%d are ready while one is given out, want 2", n)
	}
	j.Abandon(q) // the log knows it
	j.LetGo(q)
	review()
	if n := j.Ready(17); n != 3 || j.Find(q.Ref) != q {
		t.Errorf("%d are ready after it was let go, want 3", n)
	}
	never := j.Open(Ref{Kind: 17, ID: 99})
	j.Abandon(never)
	if j.Find(never.Ref) != nil {
		t.Error("a queue that was only asked for is still there")
	}
	queued := j.Open(Ref{ID: 99})
	j.Abandon(queued)
	if j.Find(queued.Ref) == nil {
		t.Error("a queue that is no service's is gone")
	}
}

// A fact can be as long as an append: its length is written with 28 bits.
func TestLongFacts(t *testing.T) {
	t.Parallel()
	j := newJournalled(nil)
	payload := bytes.Repeat([]byte("long"), 1<<20)
	j.post(string(payload), Place{Queue: Ref{ID: 1}, Sent: 1000})
	m, ok := j.replayed(t, 1, nil).Find(Ref{ID: 1}).Get(1)
	if !ok || !bytes.Equal(j.records[0][m.Offset:m.Offset+m.Len], payload) {
		t.Errorf("the replay has %d bytes, %v, want %d", m.Len, ok, len(payload))
	}
}

// A record that was cut or altered is an error, in a replay and when it is written again.
func TestDamagedRecordsAreRefused(t *testing.T) {
	t.Parallel()
	j := newJournalled(map[Ref]Terms{{ID: 2}: {FIFO: true}})
	j.SetMark(2, 7)
	j.post("x", Place{Queue: Ref{ID: 1}, Sent: 1000})
	rec := j.records[0]
	for n := 1; n < len(rec); n++ {
		if eachFact(rec[:n:n], func(byte, []byte, int) error { return nil }) == nil {
			continue // cut between two facts
		}
		if err := testState(nil).Replay(Pos{Append: 1}, rec[:n:n]); err == nil {
			t.Errorf("a replay takes %d of %d bytes", n, len(rec))
		}
	}
	for _, kind := range []byte{factPlaced, factReceived, factMoved, factQueue, factRemembered, factMark, factHidden, factRemoved, factPurged, factDropped, factTask, factAttempt, 99} {
		broken := []byte{kind, 2, 0xff, 0xff} // a number without its end
		if err := testState(nil).Replay(Pos{Append: 1}, broken); err == nil {
			t.Errorf("a replay takes a fact of type %d that has no end", kind)
		}
		switch kind {
		case factPlaced, factQueue, factRemembered, factMark:
			if err := j.rewriteAll(Pos{Append: 1}, broken); err == nil {
				t.Errorf("a fact of type %d that has no end is written again", kind)
			}
		}
	}
}
