package queue

import "testing"

func TestRemains(t *testing.T) {
	const n = 1000
	m := New(Config{FIFO: true, MaxInFlight: 20})
	for i := range uint64(n) {
		m.Insert(1, Message{Key: i + 1, Append: i, Sent: 1, Len: 1, Group: string(rune('a' + i%7))})
		m.Remember(DedupID{byte(i), byte(i >> 8)}, Original{Key: i + 1, Append: i, Expires: 1000})
	}
	m.Remember(DedupID{0}, Original{Key: 1, Append: n, Expires: 1000}) // replaces the first
	if _, _, err := m.Receive(1, ReceiveArgs{Max: 10, HideUntil: 100}); err != nil {
		t.Fatal(err)
	}
	visit := func(r *Remains) (messages, ids map[uint64]bool) {
		t.Helper()
		messages, ids = map[uint64]bool{}, map[uint64]bool{}
		steps, more := 0, true
		for more {
			before := len(messages) + len(ids)
			more = r.Next(50,
				func(msg Message) {
					if messages[msg.Append] || msg.Key != msg.Append+1 {
						t.Errorf("message of append %d comes as %+v", msg.Append, msg)
					}
					messages[msg.Append] = true
				},
				func(o Original) {
					if ids[o.Append] {
						t.Errorf("id of append %d comes twice", o.Append)
					}
					ids[o.Append] = true
				})
			if got := len(messages) + len(ids) - before; got > 50+chunkSlots {
				t.Errorf("a step of 50 visits %d", got)
			}
			steps++
		}
		if steps < len(messages)/(50+chunkSlots) {
			t.Errorf("%d messages in %d steps", len(messages), steps)
		}
		return messages, ids
	}

	messages, ids := visit(m.Empty())
	if len(messages) != n || len(ids) != n+1 {
		t.Errorf("Empty leaves %d messages and %d ids, want %d and %d", len(messages), len(ids), n, n+1)
	}
	if c := m.Counts(); c != (Counts{}) {
		t.Errorf("after Empty: %+v", c)
	}
	if _, ok := m.Duplicate(DedupID{5}, 1, 2); ok {
		t.Error("Empty kept a deduplication id")
	}
	if m.NextKey() != n+1 {
		t.Errorf("next key %d, want %d", m.NextKey(), n+1)
	}
	m.Insert(1, Message{Key: n + 1, Append: n, Sent: 1, Len: 1, Group: "a"})
	if got, _, err := m.Receive(1, ReceiveArgs{Max: 10, HideUntil: 100}); err != nil || len(got) != 1 || got[0].Key != n+1 {
		t.Errorf("after Empty: received %v, %v", got, err)
	}
}
