package queue

import (
	"testing"
)

func TestFIFOGroupIsClosedWhileInFlight(t *testing.T) {
	t.Parallel()
	m := New(Config{FIFO: true})
	send(m, 0, "a", "a", "b", "a", "b")
	want(t, receive(t, m, 0, 2), 1, 2) // several of one group, in order
	want(t, receive(t, m, 0, 1), 3)
	want(t, receive(t, m, 0, 10)) // 4 waits for 1 and 2, 5 for 3
	if m.Available(0) {
		t.Fatal("closed groups are available")
	}
	if _, err := m.Delete(0, 1, 1); err != nil {
		t.Fatal(err)
	}
	want(t, receive(t, m, 0, 10))
	if _, err := m.Delete(0, 2, 1); err != nil {
		t.Fatal(err)
	}
	want(t, receive(t, m, 0, 10), 4)
}

// A message in flight blocks those behind it, not those before it. The cases were
// recorded with Amazon SQS.
func TestFIFOInFlightBlocksWhatIsBehind(t *testing.T) {
	t.Parallel()
	start := func(prolonged uint64) *Machine {
		m := New(Config{FIFO: true})
		send(m, 0, "g", "g", "g", "g")
		got, _, _ := m.Receive(0, ReceiveArgs{Max: 3, HideUntil: second})
		want(t, keysOf(got), 1, 2, 3)
		if _, err := m.ChangeVisibility(0, prolonged, 1, 4*second); err != nil {
			t.Fatal(err)
		}
		return m
	}
	for prolonged, back := range map[uint64][]uint64{1: nil, 2: {1}, 3: {1, 2}} {
		m := start(prolonged)
		m.Advance(second)
		if m.Available(second) != (len(back) > 0) {
			t.Fatalf("%d prolonged: available %v", prolonged, m.Available(second))
		}
		want(t, receive(t, m, 2500, 10), back...)
		m.Advance(4 * second)
		for _, key := range back {
			want(t, receive(t, m, 4*second, 10)) // what came back blocks the rest again
			if _, err := m.Delete(4*second, key, 2); err != nil {
				t.Fatal(err)
			}
		}
		want(t, receive(t, m, 4*second, 10), []uint64{1, 2, 3, 4}[len(back):]...)
	}
}

// A message that is gone no longer blocks; one that came back, or is delayed, does.
func TestFIFOWhatBlocks(t *testing.T) {
	t.Parallel()
	m := New(Config{FIFO: true})
	send(m, 0, "g", "g", "g", "g", "g")
	want(t, receive(t, m, 0, 4), 1, 2, 3, 4)
	for _, key := range []uint64{4, 2} {
		if _, err := m.ChangeVisibility(0, key, 1, 0); err != nil {
			t.Fatal(err)
		}
		if m.Available(0) {
			t.Fatalf("%d is back and can be received before 1", key)
		}
	}
	if _, err := m.Delete(0, 1, 1); err != nil {
		t.Fatal(err)
	}
	want(t, receive(t, m, 0, 10), 2) // not 4: 3 is in flight
	if _, err := m.Delete(0, 3, 1); err != nil {
		t.Fatal(err)
	}
	want(t, receive(t, m, 0, 10))
	if _, err := m.Delete(0, 2, 2); err != nil {
		t.Fatal(err)
	}
	want(t, receive(t, m, 0, 10), 4, 5)
}

// A group that opens gets the last turn: recorded with Amazon SQS, too.
func TestFIFOReopenedGroupWaitsItsTurn(t *testing.T) {
	t.Parallel()
	m := New(Config{FIFO: true})
	send(m, 0, "g1", "g1")
	want(t, receive(t, m, 0, 10), 1, 2)
	send(m, 0, "g2")
	if _, err := m.ChangeVisibility(0, 1, 1, 0); err != nil {
		t.Fatal(err)
	}
	want(t, receive(t, m, 0, 3), 3, 1)
}

func TestFIFOReturnedBatchKeepsOrder(t *testing.T) {
	t.Parallel()
	m := New(Config{FIFO: true})
	send(m, 0, "a", "a", "a", "a", "a")
	want(t, receive(t, m, 0, 4), 1, 2, 3, 4)
	for _, key := range []uint64{3, 1, 4, 2} {
		if _, err := m.ChangeVisibility(0, key, 1, 0); err != nil {
			t.Fatal(err)
		}
	}
	want(t, receive(t, m, 0, 10), 1, 2, 3, 4, 5)
}

func TestFIFODelayedHeadClosesItsGroup(t *testing.T) {
	t.Parallel()
	m := New(Config{FIFO: true})
	m.Insert(0, Message{Key: 1, Group: "a", VisibleAt: 5 * second})
	send(m, 0, "a", "b")
	m.Insert(0, Message{Key: 4, Group: "b", VisibleAt: 7 * second})
	send(m, 0, "b")
	want(t, receive(t, m, 0, 10), 3) // neither 2 (behind 1) nor 5 (behind 4)
	if next, ok := m.Next(); !ok || next != 5*second {
		t.Fatal(next, ok)
	}
	want(t, receive(t, m, 5*second, 10), 1, 2)
}

// Receive sorts what a replay brought out of order by itself: nobody has to look first.
func TestReceiveAfterReplayOutOfOrder(t *testing.T) {
	t.Parallel()
	m := New(Config{FIFO: true})
	for key := uint64(60); key > 0; key-- {
		m.Insert(0, Message{Key: 1 + (key*7)%60, Group: "g"})
	}
	m.Insert(0, Message{Key: 100, Group: "h"})
	got, _, err := m.Receive(0, ReceiveArgs{Max: 3, HideUntil: second})
	if err != nil {
		t.Fatal(err)
	}
	want(t, keysOf(got), 100, 1, 2)
}
