package queue

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

const second = Time(1000)

// send inserts messages with the given groups, visible at once.
func send(m *Machine, now Time, groups ...string) {
	for _, g := range groups {
		m.Insert(now, Message{Key: m.NextKey(), Sent: now, Len: 1, Group: g})
	}
}

// receive advances and returns the keys received, hidden for 30 seconds.
func receive(t *testing.T, m *Machine, now Time, n int) []uint64 {
	t.Helper()
	m.Advance(now)
	got, _, err := m.Receive(now, ReceiveArgs{Max: n, HideUntil: now + 30*second})
	if err != nil {
		t.Fatal(err)
	}
	return keysOf(got)
}

func keysOf(msgs []Message) []uint64 {
	keys := []uint64{}
	for _, msg := range msgs {
		keys = append(keys, msg.Key)
	}
	return keys
}

func want(t *testing.T, got []uint64, keys ...uint64) {
	t.Helper()
	if !slices.Equal(got, keys) {
		t.Fatalf("got %v, want %v", got, keys)
	}
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("got error %v, want %v", got, want)
	}
}

func TestStandardServesGroupsInTurn(t *testing.T) {
	t.Parallel()
	m := New(Config{})
	send(m, 0, "noisy", "noisy", "noisy", "noisy", "a", "b", "a", "")
	want(t, receive(t, m, 0, 10), 1, 5, 6, 8, 2, 7, 3, 4)
}

func TestReturnedMessageGoesToTheEndOnStandard(t *testing.T) {
	t.Parallel()
	m := New(Config{})
	send(m, 0, "", "", "")
	want(t, receive(t, m, 0, 1), 1)
	if _, err := m.ChangeVisibility(0, 1, 1, 0); err != nil {
		t.Fatal(err)
	}
	want(t, receive(t, m, 0, 3), 2, 3, 1)
	want(t, receive(t, m, 30*second, 3), 1, 2, 3) // all ran out at the same time: by key
}

func TestVisibilityZeroReceiveLeavesVisible(t *testing.T) {
	t.Parallel()
	for _, fifo := range []bool{false, true} {
		m := New(Config{FIFO: fifo, MaxReceives: 2})
		send(m, 0, "g", "g")
		args := ReceiveArgs{Max: 10}
		got, _, _ := m.Receive(0, args)
		want(t, keysOf(got), 1, 2)
		got, _, _ = m.Receive(0, args)
		want(t, keysOf(got), 1, 2)
		if got[0].Receives != 2 {
			t.Fatalf("received %d times", got[0].Receives)
		}
		// That was the last time allowed: dead as soon as the owner advances.
		if next, ok := m.Next(); !ok || next > 0 {
			t.Fatal(next, ok)
		}
		want(t, keysOf(m.Advance(0).Dead), 1, 2)
	}
}

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

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	m := New(Config{MaxReceives: 2})
	send(m, 0, "", "")
	want(t, receive(t, m, 0, 2), 1, 2)
	if _, err := m.Delete(0, 2, 1); err != nil {
		t.Fatal(err)
	}
	want(t, receive(t, m, 30*second, 1), 1)
	if c := m.Advance(59 * second); len(c.Dead) != 0 {
		t.Fatal("dead while in flight")
	}
	c := m.Advance(60 * second)
	want(t, keysOf(c.Dead), 1)
	if c.Dead[0].Receives != 2 || m.Counts() != (Counts{}) {
		t.Fatal(c.Dead[0], m.Counts())
	}
}

func TestDeadLettersAfterMaxReceivesWasLowered(t *testing.T) {
	t.Parallel()
	for _, fifo := range []bool{false, true} {
		m := New(Config{FIFO: fifo})
		for range 250 {
			m.Insert(0, Message{Key: m.NextKey(), Receives: 3, Group: "g"})
		}
		send(m, 0, "g")
		m.Configure(0, Config{MaxReceives: 3})
		var sizes []int
		for m.Available(0) {
			got, dead, err := m.Receive(0, ReceiveArgs{Max: 10, HideUntil: 1})
			if err != nil {
				t.Fatal(err)
			}
			sizes = append(sizes, len(dead), len(got))
		}
		if !slices.Equal(sizes, []int{100, 0, 100, 0, 50, 1}) {
			t.Fatal(sizes)
		}
	}
}

func TestInFlightLimit(t *testing.T) {
	t.Parallel()
	for _, fifo := range []bool{false, true} {
		m := New(Config{FIFO: fifo, MaxInFlight: 3})
		send(m, 0, "a", "b", "c", "d")
		want(t, receive(t, m, 0, 2), 1, 2)
		want(t, receive(t, m, 0, 2), 3)
		got, dead, err := m.Receive(0, ReceiveArgs{Max: 1, HideUntil: 1})
		if len(got)+len(dead) > 0 || fifo && err != nil || !fifo && !errors.Is(err, ErrOverLimit) || m.Available(0) {
			t.Fatal(got, dead, err)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for _, fifo := range []bool{false, true} {
		t.Run(fmt.Sprint("fifo=", fifo), func(t *testing.T) {
			m := New(Config{FIFO: fifo})
			send(m, 0, "a", "b")
			want(t, receive(t, m, 0, 1), 1)
			_, err := m.ChangeVisibility(0, 9, 1, second)
			wantErr(t, err, ErrNotFound)
			_, err = m.ChangeVisibility(0, 1, 2, second)
			wantErr(t, err, ErrStale)
			_, err = m.ChangeVisibility(0, 2, 0, second)
			wantErr(t, err, ErrNotInFlight)
			_, err = m.ChangeVisibility(30*second, 1, 1, 40*second) // ran out, not advanced
			wantErr(t, err, ErrNotInFlight)
			_, err = m.Delete(0, 9, 1)
			wantErr(t, err, ErrNotFound)
			_, err = m.Delete(0, 1, 2)
			wantErr(t, err, ErrStale)
			_, err = m.Delete(0, 2, 0) // never received
			wantErr(t, err, ErrStale)

			m.Advance(30 * second)
			_, err = m.Delete(30*second, 1, 1)
			if fifo {
				wantErr(t, err, ErrExpired)
			} else {
				wantErr(t, err, nil)
			}
			if _, ok := m.Remove(9); ok {
				t.Fatal("removed what is not there")
			}
			if _, ok := m.Get(9); ok {
				t.Fatal("got what is not there")
			}
		})
	}
}

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

func TestAttempts(t *testing.T) {
	t.Parallel()
	id, other := DedupID{1}, DedupID{2}
	start := func() (*Machine, func(now Time, id DedupID) []Message) {
		m := New(Config{FIFO: true})
		send(m, 0, "a", "a", "b", "c")
		again := func(now Time, id DedupID) []Message {
			m.Advance(now)
			got, _, err := m.Receive(now, ReceiveArgs{
				Max: 3, HideUntil: now + 30*second, Attempt: &id, AttemptExpires: now + 300*second,
			})
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		want(t, keysOf(again(0, id)), 1, 2, 3)
		return m, again
	}
	t.Run("repeated", func(t *testing.T) {
		m, again := start()
		got := again(20*second, id)
		want(t, keysOf(got), 1, 2, 3)
		for _, msg := range got {
			if msg.Receives != 1 || msg.LastReceived != 0 || msg.VisibleAt != 50*second {
				t.Fatalf("%+v", msg)
			}
		}
		want(t, keysOf(again(49*second, id)), 1, 2, 3) // hidden anew
		if next, _ := m.Next(); next != 79*second {
			t.Fatal(next)
		}
	})
	t.Run("another attempt", func(t *testing.T) {
		_, again := start()
		want(t, keysOf(again(0, other)), 4)
		want(t, keysOf(again(0, id)), 1, 2, 3)
	})
	t.Run("one deleted", func(t *testing.T) {
		m, again := start()
		if _, err := m.Delete(0, 3, 1); err != nil {
			t.Fatal(err)
		}
		want(t, keysOf(again(0, id)), 4)
	})
	t.Run("one changed", func(t *testing.T) {
		m, again := start()
		if _, err := m.ChangeVisibility(0, 3, 1, 60*second); err != nil {
			t.Fatal(err)
		}
		want(t, keysOf(again(0, id)), 4)
	})
	t.Run("ran out", func(t *testing.T) {
		_, again := start()
		got := again(30*second, id)
		want(t, keysOf(got), 4, 1, 2)
		if got[1].Receives != 2 {
			t.Fatal("not a new receive")
		}
	})
	t.Run("ran out and not advanced", func(t *testing.T) {
		m, _ := start()
		got, _, _ := m.Receive(30*second, ReceiveArgs{Max: 3, HideUntil: 60 * second, Attempt: &id, AttemptExpires: 300 * second})
		want(t, keysOf(got), 4)
	})
	t.Run("life over", func(t *testing.T) {
		m, again := start()
		for _, key := range []uint64{1, 2, 3} {
			m.ApplyVisibility(0, key, 1000*second)
		}
		m.ApplyAttempt(0, id, 300*second, []uint64{1, 2, 3})
		want(t, keysOf(again(300*second-1, id)), 1, 2, 3) // and renewed for as long again
		m.ApplyVisibility(300*second, 1, 1000*second)
		m.ApplyVisibility(300*second, 2, 1000*second)
		m.ApplyVisibility(300*second, 3, 1000*second)
		want(t, keysOf(again(600*second, id)), 4)
	})
	t.Run("visibility zero", func(t *testing.T) {
		m, _ := start()
		got, _, _ := m.Receive(second, ReceiveArgs{Max: 3, HideUntil: second, Attempt: &id, AttemptExpires: 300 * second})
		want(t, keysOf(got), 1, 2, 3)
		if c := m.Counts(); c.Visible != 4 {
			t.Fatal(c)
		}
	})
}

func TestMessageIsOfItsLastAttempt(t *testing.T) {
	t.Parallel()
	m := New(Config{FIFO: true})
	send(m, 0, "a", "a", "b")
	want(t, receive(t, m, 0, 3), 1, 2, 3)
	m.ApplyAttempt(0, DedupID{1}, second, []uint64{1, 2})
	m.ApplyAttempt(0, DedupID{2}, second, []uint64{2, 3})
	if err := m.verify(); err != nil {
		t.Fatal(err)
	}
	for key, held := range map[uint64][]uint64{1: nil, 2: {2, 3}, 3: {2, 3}} {
		id, expires, keys, ok := m.AttemptOf(key)
		want(t, keys, held...)
		if ok != (held != nil) || ok && (id != DedupID{2} || expires != second) {
			t.Fatal(key, id, expires, ok)
		}
	}
	if n := attemptsOf(m); n != 1 {
		t.Fatal(n)
	}
}

func TestRetention(t *testing.T) {
	t.Parallel()
	m := New(Config{Retention: int64(100 * second)})
	m.Insert(0, Message{Key: 1, Sent: 20 * second})
	m.Insert(0, Message{Key: 2, Sent: 5 * second}) // moved here, older
	m.Insert(0, Message{Key: 3, Sent: 30 * second, VisibleAt: 900 * second})
	m.Insert(0, Message{Key: 4, Sent: 10 * second, InFlight: true, VisibleAt: 900 * second})
	if oldest, _ := m.Oldest(); oldest != 5*second {
		t.Fatal(oldest)
	}
	if next, _ := m.Next(); next != 105*second {
		t.Fatal(next)
	}
	want(t, keysOf(m.Advance(110*second).Expired), 2, 4)
	m.Configure(111*second, Config{Retention: int64(80 * second)})
	if next, _ := m.Next(); next != 100*second {
		t.Fatal(next)
	}
	want(t, keysOf(m.Advance(111*second).Expired), 1, 3)
	if _, ok := m.Oldest(); ok {
		t.Fatal("empty queue has an oldest message")
	}
}

func TestDeduplication(t *testing.T) {
	t.Parallel()
	m := New(Config{FIFO: true})
	id := DedupID{1}
	first := Original{ID: [16]byte{1}, Key: 1, Append: 1, Expires: 10*second + 1}
	m.Remember(id, first)
	if o, ok := m.Duplicate(10*second, id); !ok || o != first {
		t.Fatal(o, ok)
	}
	if _, ok := m.Duplicate(10*second+1, id); ok {
		t.Fatal("expired, but a duplicate") // to the millisecond,
	}
	if next, _ := m.Next(); next != 11*second {
		t.Fatal(next) // forgotten by whole seconds
	}
	second := Original{ID: [16]byte{2}, Key: 2, Append: 2, Expires: 20 * second}
	m.Remember(id, second)
	if c := m.Advance(10001); !slices.Equal(c.Forgotten, []Original{first}) {
		t.Fatal(c)
	}
	if c := m.Advance(20000); !slices.Equal(c.Forgotten, []Original{second}) {
		t.Fatal(c)
	}
	if _, ok := m.Next(); ok {
		t.Fatal("nothing there, but something to do")
	}
}

func TestAdvanceIsBounded(t *testing.T) {
	t.Parallel()
	m := New(Config{FIFO: true, MaxReceives: 1, Retention: int64(1000 * second)})
	for k := range 2500 {
		m.Insert(0, Message{Key: m.NextKey(), VisibleAt: second, InFlight: true, Receives: uint32(k % 2)})
		m.Insert(0, Message{Key: m.NextKey(), Sent: -1000 * second})
		m.Remember(DedupID{byte(k), byte(k >> 8)}, Original{Key: uint64(k)})
		m.Remember(DedupID{byte(k), byte(k >> 8)}, Original{Key: uint64(k)})
	}
	expired, dead, forgotten, calls := 0, 0, 0, 0
	for more := true; more; calls++ {
		c := m.Advance(second)
		if len(c.Expired) > 1000 || len(c.Dead) > 1000 || len(c.Forgotten) > 1000 {
			t.Fatal(len(c.Expired), len(c.Dead), len(c.Forgotten))
		}
		expired += len(c.Expired)
		dead += len(c.Dead)
		forgotten += len(c.Forgotten)
		more = c.More
	}
	if expired != 2500 || dead != 1250 || forgotten != 5000 || calls != 5 {
		t.Fatal(expired, dead, forgotten, calls)
	}
	if c := m.Counts(); c.Visible != 1250 || c.Remembered != 0 {
		t.Fatal(c)
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

func TestPeekStops(t *testing.T) {
	t.Parallel()
	for _, fifo := range []bool{false, true} {
		m := New(Config{FIFO: fifo})
		send(m, 0, "a", "b", "c", "a", "b", "c")
		for _, limit := range []int{0, 1, 2, 4, 6, 9} {
			n := 0
			m.Peek(limit, func(Message) bool { n++; return true })
			if n != min(limit, 6) {
				t.Fatalf("peeked at %d, want %d", n, limit)
			}
		}
		n := 0
		m.Peek(6, func(Message) bool { n++; return n < 4 })
		if n != 4 {
			t.Fatal(n)
		}
		stopped := 0
		m.Each(func(Message) bool { stopped++; return stopped < 2 })
		if stopped != 2 {
			t.Fatal(stopped)
		}
	}
}

// TestMovedTogether drains a big FIFO queue with everything in use (delays, late
// messages, attempts, both timelines) and checks that moving the rest together
// leaves it as it was.
func TestMovedTogether(t *testing.T) {
	t.Parallel()
	const n = 20_000
	rng := rand.New(rand.NewPCG(3, 4))
	m := New(Config{FIFO: true})
	for _, key := range rng.Perm(n) {
		msg := Message{Key: uint64(key + 1), Sent: Time(rng.IntN(n)), Group: fmt.Sprint(key % 50)}
		switch key % 3 {
		case 0:
			msg.VisibleAt = second + Time(rng.IntN(n))
		case 1:
			msg.InFlight, msg.Receives, msg.VisibleAt = true, 1, second+Time(rng.IntN(n))
		}
		m.Insert(0, msg)
		if msg.InFlight {
			m.ApplyAttempt(0, DedupID{byte(key), byte(key >> 8)}, 100*second, []uint64{msg.Key})
		}
	}
	for key := range uint64(n) {
		if key%40 != 0 {
			m.Remove(key + 1)
		}
	}
	left := map[uint64]Message{}
	m.Each(func(msg Message) bool { left[msg.Key] = msg; return true })
	chunks := func() int { return int(m.entries.live) }
	before := chunks()
	for range 200 {
		m.Advance(0)
		if err := m.verify(); err != nil {
			t.Fatal(err)
		}
	}
	if after := chunks(); after*4 > before || after*chunkSlots > len(left)*4+enoughFew*chunkSlots {
		t.Fatalf("%d chunks before, %d after, for %d messages", before, after, len(left))
	}
	m.Each(func(msg Message) bool {
		if msg != left[msg.Key] {
			t.Fatalf("got %+v, want %+v", msg, left[msg.Key])
		}
		delete(left, msg.Key)
		return true
	})
	if len(left) != 0 {
		t.Fatalf("%d messages lost", len(left))
	}
}
