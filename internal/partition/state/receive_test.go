package state

import (
	"slices"
	"testing"

	"github.com/waystation/waystation/internal/queue"
)

// A receive that is repeated by its attempt id leaves the same behind as its replay:
// the twelve hours for which a message can be hidden count from the first time.
func TestRepeatedReceiveReplays(t *testing.T) {
	t.Parallel()
	r := Ref{ID: 1}
	terms := map[Ref]Terms{r: {FIFO: true}}
	j := newJournalled(terms)
	j.post("x", Place{Queue: r, FIFO: true, Sent: 1000})
	q := j.Find(r)
	for _, now := range []Time{2000, 5000} {
		j.Tick(now)
		got, _, err := j.Receive(q, queue.ReceiveArgs{Max: 1, HideUntil: now + 30_000, Attempt: &queue.DedupID{1}, AttemptExpires: now + 300_000})
		if err != nil || len(got) != 1 || got[0].Receives != 1 || got[0].FirstReceived != 2000 {
			t.Fatalf("received %+v, %v", got, err)
		}
		j.write()
	}
	live, _ := q.Get(1)
	replayed, _ := j.replayed(t, len(j.records), terms).Find(r).Get(1)
	if live != replayed {
		t.Errorf("live %+v\nreplayed %+v", live, replayed)
	}
}

// A receive that finds messages that were received too often sends them on, and says so;
// one that finds none says nothing of them.
func TestReceiveFindsDeadLetters(t *testing.T) {
	t.Parallel()
	r, dead := Ref{ID: 1}, Ref{ID: 2}
	j := newJournalled(map[Ref]Terms{r: {}, dead: {}})
	for range 2 {
		j.post("x", Place{Queue: r, Sent: 1000})
	}
	q := j.Find(r)
	receive := func(want int, wantDead bool, facts ...byte) {
		t.Helper()
		got, found, err := j.Receive(q, queue.ReceiveArgs{Max: 1, HideUntil: j.Now()})
		if err != nil || len(got) != want || found != wantDead {
			t.Errorf("received %d, dead %v, %v", len(got), found, err)
		}
		if got := kinds(t, j.Record()); !slices.Equal(got, facts) {
			t.Errorf("facts %v, want %v", got, facts)
		}
		j.write()
		j.Advance(q)
	}
	receive(1, false, factReceived)
	receive(1, false, factReceived)
	j.Configure(q, Terms{MaxReceives: 1, Dead: &Target{Queue: dead}})
	receive(0, true, factQueue, factMoved)
	receive(0, false)
	if q.Counted.DeadLettered != 2 || j.Find(dead).Counts().Visible != 2 {
		t.Errorf("%d dead letters, %+v", q.Counted.DeadLettered, j.Find(dead).Counts())
	}
}

// What expires leaves the queue and the log.
func TestExpired(t *testing.T) {
	t.Parallel()
	r := Ref{ID: 1}
	terms := map[Ref]Terms{r: {Retention: 5000}}
	j := newJournalled(terms)
	j.post("x", Place{Queue: r, Sent: 1000})
	q := j.Find(r)
	j.Tick(6000)
	for j.Advance(q) {
	}
	if got := kinds(t, j.Record()); !slices.Equal(got, []byte{factRemoved}) {
		t.Errorf("facts %v", got)
	}
	j.write()
	if held := j.retained().items; held != 1 || q.Counts() != (queue.Counts{}) {
		t.Errorf("%d items are held, %+v", held, q.Counts())
	}
	if s := j.replayed(t, 2, nil); s.retained() != j.retained() || s.Find(r).Counts() != (queue.Counts{}) {
		t.Errorf("after a replay %+v are held, not %+v", s.retained(), j.retained())
	}
}

// Exhausted are messages that wait visibly, all of them, and no others.
func TestExhaustedAreVisible(t *testing.T) {
	t.Parallel()
	r := Ref{ID: 1}
	limit := Terms{MaxReceives: 2, Discard: true}
	j := newJournalled(nil)
	for range 6 {
		j.post("x", Place{Queue: r, Sent: 1000})
	}
	q := j.Find(r)
	twice := func(n int) {
		for range 2 {
			if got, _, err := j.Receive(q, queue.ReceiveArgs{Max: n, HideUntil: j.Now()}); err != nil || len(got) != n {
				t.Fatalf("received %d, %v", len(got), err)
			}
			j.Advance(q)
		}
	}
	twice(4)
	hidden, _, err := j.Receive(q, queue.ReceiveArgs{Max: 2, HideUntil: j.Now() + 5000})
	if err != nil || len(hidden) != 2 {
		t.Fatalf("received %d, %v", len(hidden), err)
	}
	if err := j.Postpone(q, hidden[0].Key, hidden[0].Receives, j.Now()+5000); err != nil {
		t.Fatal(err)
	}
	if keys := j.Exhausted(q); keys != nil {
		t.Errorf("%v are exhausted, without a limit", keys)
	}
	q.terms = limit
	var want []uint64
	q.m.Each(func(m queue.Message) bool {
		if m.Key != hidden[0].Key && m.Key != hidden[1].Key && m.Receives == 2 {
			want = append(want, m.Key)
		}
		return true
	})
	keys := j.Exhausted(q)
	slices.Sort(keys)
	slices.Sort(want)
	if len(want) < 2 || !slices.Equal(keys, want) {
		t.Errorf("%v are exhausted, want %v", keys, want)
	}
}

// The terms of a service's queue are asked for when they count: nobody told of a change.
func TestTermsOfTheFirstService(t *testing.T) {
	t.Parallel()
	r, dead := Ref{Kind: FirstService, ID: 1}, Ref{ID: 2}
	terms := map[Ref]Terms{r: {MaxReceives: 1, Discard: true}, dead: {}}
	j := newJournalled(terms)
	j.post("x", Place{Queue: r, Sent: 1000})
	q := j.Find(r)
	if _, _, err := j.Receive(q, queue.ReceiveArgs{Max: 1, HideUntil: 1000}); err != nil {
		t.Fatal(err)
	}
	terms[r] = Terms{MaxReceives: 1, Dead: &Target{Queue: dead}}
	j.Advance(q)
	j.write()
	if d := j.Find(dead); d == nil || d.Counts().Visible != 1 {
		t.Errorf("the dead letter went where the old terms say: %v", d)
	}
}
