package queue

import (
	"fmt"
	"testing"
)

// fill sends n messages round the groups (0: none).
func fill(m *Machine, now Time, n, groups int) {
	for k := range n {
		msg := Message{Key: m.NextKey(), Append: uint64(k / 100), Len: 100, Sent: now}
		if groups > 0 {
			msg.Group = fmt.Sprint("group-", k%groups)
		}
		m.Insert(now, msg)
	}
}

// cycle is one send, receive and delete: the depth stays the same.
func cycle(b *testing.B, m *Machine, groups []string) {
	now := Time(1)
	b.ReportAllocs()
	for k := 0; b.Loop(); k++ {
		if k%100 == 0 {
			now++
		}
		m.Advance(now)
		m.Insert(now, Message{Key: m.NextKey(), Sent: now, Len: 100, Group: groups[k%len(groups)]})
		m.Advance(now)
		got, _, err := m.Receive(now, ReceiveArgs{Max: 1, HideUntil: now + 30_000})
		if err != nil || len(got) != 1 {
			b.Fatal(len(got), err)
		}
		m.Advance(now)
		if _, err := m.Delete(now, got[0].Key, got[0].Receives); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCycle(b *testing.B) {
	for _, fifo := range []bool{false, true} {
		for _, groups := range []int{1, 10_000} {
			for _, deep := range []int{1000, 100_000, 1_000_000} {
				kind := map[bool]string{false: "standard", true: "fifo"}[fifo]
				b.Run(fmt.Sprintf("%s/groups=%d/deep=%d", kind, groups, deep), func(b *testing.B) {
					m := New(Config{FIFO: fifo, Retention: 1 << 40, MaxReceives: 5})
					fill(m, 1, deep, groups)
					names := make([]string, groups)
					for k := range names {
						names[k] = fmt.Sprint("group-", k)
					}
					cycle(b, m, names)
				})
			}
		}
	}
}

// BenchmarkReceiveDelete drains a backlog: receive ten and delete them, per message.
func BenchmarkReceiveDelete(b *testing.B) {
	for _, deep := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprintf("deep=%d", deep), func(b *testing.B) {
			m := New(Config{})
			b.ReportAllocs()
			for n := 0; n < b.N; {
				b.StopTimer()
				fill(m, 1, deep-m.Counts().Visible, 0)
				b.StartTimer()
				for k := 0; k < deep/2 && n < b.N; k += 10 {
					m.Advance(1)
					got, _, _ := m.Receive(1, ReceiveArgs{Max: 10, HideUntil: 30_000})
					for _, msg := range got {
						if _, err := m.Delete(1, msg.Key, msg.Receives); err != nil {
							b.Fatal(err)
						}
					}
					n += len(got)
				}
			}
		})
	}
}

// BenchmarkBlockedGroup receives from free groups behind 100,000 messages of a
// group that has one in flight.
func BenchmarkBlockedGroup(b *testing.B) {
	m := New(Config{FIFO: true})
	fill(m, 1, 100_000, 1)
	if got, _, _ := m.Receive(1, ReceiveArgs{Max: 1, HideUntil: 1 << 40}); len(got) != 1 {
		b.Fatal("not blocked")
	}
	cycle(b, m, []string{"free-1", "free-2", "free-3"})
}

func BenchmarkSend(b *testing.B) {
	for _, groups := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("groups=%d", groups), func(b *testing.B) {
			names := make([]string, groups)
			for k := range names {
				names[k] = fmt.Sprint("group-", k)
			}
			m := New(Config{FIFO: true})
			b.ReportAllocs()
			for k := 0; b.Loop(); k++ {
				if k%1_000_000 == 0 {
					m = New(Config{FIFO: true})
				}
				m.Insert(1, Message{Key: m.NextKey(), Sent: 1, Len: 100, Group: names[k%groups]})
			}
		})
	}
}

// BenchmarkVisibility lets messages come back and be received again, 100,000 in
// flight at a time with timeouts out of order.
func BenchmarkVisibility(b *testing.B) {
	m := New(Config{})
	fill(m, 1, 100_000, 0)
	now := Time(1)
	b.ReportAllocs()
	for k := 0; b.Loop(); k++ {
		now++
		m.Advance(now)
		if _, _, err := m.Receive(now, ReceiveArgs{Max: 1, HideUntil: now + Time(k*7919%100_000)}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDedup remembers and looks up, with 100,000 ids remembered.
func BenchmarkDedup(b *testing.B) {
	m := New(Config{FIFO: true})
	id := func(k int) DedupID { return DedupID{byte(k), byte(k >> 8), byte(k >> 16), byte(k >> 24)} }
	b.ReportAllocs()
	for k := 0; b.Loop(); k++ {
		now := Time(k)
		m.Advance(now)
		if _, ok := m.Duplicate(id(k), now, now+100_000); ok {
			b.Fatal("known")
		}
		m.Remember(id(k), Original{Key: uint64(k), Sent: now, Expires: now + 100_000})
		if _, ok := m.Duplicate(id(k), now, now+100_000); !ok {
			b.Fatal("unknown")
		}
	}
}

// BenchmarkReplay inserts a backlog whose older half was written again later.
func BenchmarkReplay(b *testing.B) {
	const n = 1_000_000
	for b.Loop() {
		m := New(Config{FIFO: true})
		for k := range n {
			m.Insert(1, Message{Key: uint64((k+n/2)%n + 1), Sent: Time(k), Group: "g"})
		}
		if !m.Available(1) {
			b.Fatal("nothing there")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/message")
}

// BenchmarkPurge empties a queue of a million messages and visits what was there.
func BenchmarkPurge(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		m := New(Config{})
		fill(m, 1, 1_000_000, 0)
		b.StartTimer()
		for r := m.Empty(); r.Next(1000, func(Message) {}, func(Original) {}); {
		}
	}
}
