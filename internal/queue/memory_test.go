package queue

import (
	"fmt"
	"runtime"
	"testing"
)

// heap returns the bytes of live objects. Tests that use it are not parallel, so
// they run while the parallel ones wait.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

func TestMemory(t *testing.T) {
	const n = 1_000_000
	group := make([]string, 1000)
	for k := range group {
		group[k] = fmt.Sprint("group-", k)
	}
	cases := []struct {
		name string
		fifo bool
		msg  func(k int) Message
	}{
		{"standard", false, func(k int) Message { return Message{} }},
		{"standard with 1000 groups", false, func(k int) Message { return Message{Group: group[k%1000]} }},
		{"FIFO with 1000 groups", true, func(k int) Message { return Message{Group: group[k%1000]} }},
		{"delayed", false, func(k int) Message { return Message{VisibleAt: 1000} }},
		// Both timelines out of order: everything is in the heaps.
		{"in flight", true, func(k int) Message {
			return Message{Group: group[k%1000], Sent: Time(-k), InFlight: true, VisibleAt: Time(n - k)}
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			before := heap()
			m := New(Config{FIFO: c.fifo, MaxInFlight: n})
			for k := range n {
				msg := c.msg(k)
				msg.Key, msg.Append, msg.Len = m.NextKey(), uint64(k/100), 100
				m.Insert(0, msg)
			}
			per := float64(heap()-before) / n
			t.Logf("%.1f bytes a message", per)
			if per > 115 {
				t.Errorf("%.1f bytes a message, want at most 115", per)
			}

			// All but one in a thousand go; those left are scattered.
			for key := uint64(1); key <= n; key++ {
				if key%1000 != 0 {
					m.Remove(key)
				}
				if key%10 == 0 {
					m.Advance(0)
				}
			}
			for range 100 {
				m.Advance(0)
			}
			if err := m.verify(); err != nil {
				t.Fatal(err)
			}
			left := heap() - before
			t.Logf("%d KB with %d messages left", left>>10, m.entries.n)
			if left > 2<<20 {
				t.Errorf("%d bytes with %d messages left, want at most 2 MiB", left, m.entries.n)
			}

			m.Empty()
			left = heap() - before
			t.Logf("%d bytes when empty", left)
			if left > 16<<10 {
				t.Errorf("%d bytes when empty, want at most 16 KiB", left)
			}
			runtime.KeepAlive(m)
		})
	}
}

// TestMemoryOfOthers measures what doc.go says of groups, deduplication ids,
// attempts and small queues.
func TestMemoryOfOthers(t *testing.T) {
	const n = 200_000
	measure := func(name string, limit float64, fill func(m *Machine, k int)) {
		t.Run(name, func(t *testing.T) {
			before := heap()
			m := New(Config{FIFO: true, MaxInFlight: n})
			for k := range n {
				fill(m, k)
			}
			per := float64(heap()-before) / n
			t.Logf("%.1f bytes", per)
			if per > limit {
				t.Errorf("%.1f bytes, want at most %v", per, limit)
			}
			runtime.KeepAlive(m)
		})
	}
	id := func(k int) DedupID { return DedupID{byte(k), byte(k >> 8), byte(k >> 16)} }
	measure("a message with a group of its own", 190, func(m *Machine, k int) {
		m.Insert(0, Message{Key: m.NextKey(), Group: fmt.Sprintf("%016d", k)})
	})
	measure("deduplication id", 80, func(m *Machine, k int) {
		m.Remember(id(k), Original{Key: uint64(k), Expires: Time(k)})
	})
	measure("deduplication id out of order", 85, func(m *Machine, k int) {
		m.Remember(id(k), Original{Key: uint64(k), Expires: Time(n - k)})
	})
	measure("a message with an attempt of its own", 205, func(m *Machine, k int) {
		key := m.NextKey()
		m.Insert(0, Message{Key: key, InFlight: true, VisibleAt: 1})
		m.ApplyAttempt(0, id(k), 1, []uint64{key})
	})

	const queues = 1000
	before := heap()
	all := make([]*Machine, queues)
	for k := range all {
		all[k] = New(Config{})
	}
	empty := (heap() - before) / queues
	for _, m := range all {
		m.Insert(0, Message{Key: 1})
	}
	one := (heap() - before) / queues
	for _, m := range all {
		for range 1000 {
			m.Insert(0, Message{Key: m.NextKey()})
		}
		for key := uint64(1); key < m.NextKey(); key++ {
			m.Remove(key)
		}
	}
	drained := (heap() - before) / queues
	t.Logf("a machine: %d bytes empty, %d with one message, %d drained", empty, one, drained)
	if empty > 512 || one > 1000 || drained > 1000 {
		t.Errorf("a machine takes %d bytes empty, %d with one message, %d drained", empty, one, drained)
	}
	runtime.KeepAlive(all)
}
