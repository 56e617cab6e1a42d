package state

import (
	"fmt"
	"testing"
)

// What a queue takes is the sum of what it holds.
func TestUsage(t *testing.T) {
	t.Parallel()
	fifo, named := Ref{ID: 1}, Ref{Kind: 17, ID: 2}
	j := newJournalled(map[Ref]Terms{fifo: {FIFO: true}})
	review := func() {
		for q := j.NextTouched(); q != nil; q = j.NextTouched() {
			j.Review(q)
		}
	}
	for i := range 3 {
		j.post("x", Place{
			Queue: fifo, FIFO: true, Sent: 1000, Group: fmt.Sprint("g", i%2),
			Dedup: Dedup{ID: [16]byte{byte(i)}, Expires: 300_000},
		})
	}
	for i := range 5 {
		j.post("x", Place{Queue: named, Sent: 1000, Name: Name{byte(i + 1)}})
	}
	places := []Place{{Queue: Ref{ID: 7}, Group: "group"}, {Queue: Ref{ID: 8}}}
	var out []Placing
	for _, p := range places {
		out = append(out, Placing{Partition: 1, Place: p})
	}
	j.Post(Item{Payload: []byte("x"), Targets: out}, func(Placed) {})
	j.write()
	review()
	if c := j.Find(fifo).Counts(); c.Groups != 2 || c.Remembered != 3 {
		t.Fatalf("%+v", c)
	}
	want := int64(3*queueBytes+3*machineBytes+(3+5+1)*messageBytes) +
		int64(2*groupBytes+3*dedupMemory+5*nameBytes+parcelBytes+BytesOf(places))
	for _, r := range []Ref{named, Outbox(1)} { // what is without a group has one, too
		want += int64(j.Find(r).Counts().Groups) * groupBytes
	}
	if u := j.Usage(); u.Queues != 3 || u.Messages != 9 || u.Bytes != want {
		t.Errorf("%+v, want %d bytes", u, want)
	}
}

// The rest of what a step did not reach is due a moment later, not at the same one: others
// come in between.
func TestRestOfAStep(t *testing.T) {
	t.Parallel()
	r := Ref{ID: 1}
	j := newJournalled(nil)
	var places []Place
	for range 1200 {
		places = append(places, Place{Queue: r, Sent: 1000, VisibleAt: 2000})
	}
	j.post("x", places...)
	q := j.NextTouched()
	j.Review(q)
	steps := 0
	for now, ok := j.Due(); ok && steps < 10; now, ok = j.Due() {
		if want := Time(2000 + steps); now != want {
			t.Fatalf("step %d is due at %d, not at %d", steps, now, want)
		}
		j.Tick(now)
		if j.NextDue() != q || j.NextTouched() != q {
			t.Fatal("it is not the one that is due")
		}
		j.Advance(q)
		j.Review(q)
		steps++
	}
	if c := q.Counts(); steps != 3 || c.Visible != 1200 || c.Delayed != 0 {
		t.Errorf("%d steps, %+v", steps, c)
	}
}
