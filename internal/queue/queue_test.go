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

func TestAdvanceIsBounded(t *testing.T) {
	t.Parallel()
	m := New(Config{FIFO: true, MaxReceives: 1, Retention: int64(1000 * second)})
	for k := range 2500 {
		m.Insert(0, Message{Key: m.NextKey(), VisibleAt: second, InFlight: true, Receives: uint32(k % 2)})
		m.Insert(0, Message{Key: m.NextKey(), Sent: -1000 * second})
		m.Remember(DedupID{byte(k), byte(k >> 8)}, Original{Key: uint64(k), Expires: 1})
		m.Remember(DedupID{byte(k), byte(k >> 8)}, Original{Key: uint64(k), Expires: 1})
	}
	expired, dead, forgotten, calls := 0, 0, 0, 0
	for more := true; more; calls++ {
		c := m.Advance(second)
		if len(c.Expired) > 500 || len(c.Dead) > 500 || len(c.Forgotten) > 500 {
			t.Fatal(len(c.Expired), len(c.Dead), len(c.Forgotten))
		}
		expired += len(c.Expired)
		dead += len(c.Dead)
		forgotten += len(c.Forgotten)
		more = c.More
	}
	if expired != 2500 || dead != 1250 || forgotten != 5000 || calls != 10 {
		t.Fatal(expired, dead, forgotten, calls)
	}
	if c := m.Counts(); c.Visible != 1250 || c.Remembered != 0 {
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

// One Advance handles no more than 500 of each kind, and says that there is more.
func TestAdvanceByParts(t *testing.T) {
	t.Parallel()
	m := New(Config{Retention: 10})
	for k := range uint64(1100) {
		m.Insert(0, Message{Key: k + 1, VisibleAt: 5})
	}
	for _, visible := range []int{500, 1000, 1100} {
		c := m.Advance(5)
		if n := m.Counts().Visible; n != visible || c.More != (visible < 1100) {
			t.Errorf("%d are visible, more: %v, want %d", n, c.More, visible)
		}
	}
	for _, expired := range []int{500, 500, 100} {
		c := m.Advance(10)
		if n := len(c.Expired); n != expired || c.More != (expired == 500) {
			t.Errorf("%d expired, more: %v, want %d", n, c.More, expired)
		}
	}
}
