package queue

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestFactsAboutAbsentMessagesAreIgnored(t *testing.T) {
	t.Parallel()
	m := New(Config{FIFO: true})
	send(m, 0, "a")
	m.ApplyReceive(0, 9, 1, 0, 0, second)
	m.ApplyVisibility(0, 9, second)
	m.ApplyAttempt(0, DedupID{1}, second, []uint64{1, 9})
	m.ApplyAttempt(0, DedupID{1}, second, []uint64{1}) // not in flight
	m.ApplyAttempt(0, DedupID{1}, second, []uint64{1, 1})
	m.ApplyAttempt(0, DedupID{1}, second, make([]uint64, 100))
	if c := m.Counts(); c != (Counts{Visible: 1, Bytes: 1, Groups: 1}) {
		t.Fatal(c)
	}
	if attemptsOf(m) != 0 {
		t.Fatal("attempt without messages in flight")
	}
}

// TestReplayOutOfOrder inserts what was written again in the orders that a log
// can have, and in none.
func TestReplayOutOfOrder(t *testing.T) {
	t.Parallel()
	const n = 20_000
	order := make([]uint64, n)
	for k := range order {
		order[k] = uint64(k + 1)
	}
	rotated := append(slices.Clone(order[n/3:]), order[:n/3]...)
	var mixed []uint64
	for k := range n / 2 {
		mixed = append(mixed, order[n/2+k], order[k])
	}
	shuffled := slices.Clone(order)
	rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	reversed := slices.Clone(order)
	slices.Reverse(reversed)
	for name, keys := range map[string][]uint64{"rotated": rotated, "mixed": mixed, "shuffled": shuffled, "reversed": reversed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := New(Config{FIFO: true})
			for _, key := range keys {
				m.Insert(0, Message{Key: key, Group: []string{"a", "b", "c"}[key%3]})
			}
			if err := m.verify(); err != nil {
				t.Fatal(err)
			}
			last := map[string]uint64{}
			seen := 0
			m.Peek(n, func(msg Message) bool {
				if msg.Key <= last[msg.Group] {
					t.Fatalf("%d after %d", msg.Key, last[msg.Group])
				}
				last[msg.Group] = msg.Key
				seen++
				return true
			})
			if err := m.verify(); err != nil {
				t.Fatal(err)
			}
			if seen != n {
				t.Fatalf("%d of %d messages", seen, n)
			}
		})
	}
}

func TestWrittenAgainKeepsItsState(t *testing.T) {
	t.Parallel()
	m := New(Config{})
	send(m, 0, "", "")
	want(t, receive(t, m, 0, 1), 1)
	m.Insert(second, Message{Key: 1, Append: 7, Offset: 8, Len: 9, Group: "ignored"})
	msg, _ := m.Get(1)
	if msg != (Message{Key: 1, Append: 7, Offset: 8, Len: 9, VisibleAt: 30 * second, Receives: 1, InFlight: true}) {
		t.Fatalf("%+v", msg)
	}
	if c := m.Counts(); c.Bytes != 10 || c.InFlight != 1 || c.Visible != 1 {
		t.Fatal(c)
	}
}
