package queue

import (
	"testing"
)

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
	t.Run("counted", func(t *testing.T) {
		m, again := start()
		for k := range 3 {
			if repeated, ok := m.Repeated(id); repeated != (k > 0) || !ok {
				t.Errorf("asked %d times again: repeated %v, %v", k, repeated, ok)
			}
			again(second, id)
		}
		if repeated, ok := m.Repeated(other); repeated || ok {
			t.Errorf("an attempt that never was: %v, %v", repeated, ok)
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

// What a replay says of an attempt that can not be repeated is not remembered.
func TestAttemptNotWorthRemembering(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keys    []uint64
		expires Time
	}{
		"good":           {[]uint64{1, 2}, second + 1},
		"expired":        {[]uint64{1, 2}, second},
		"of none":        {nil, second + 1},
		"one is gone":    {[]uint64{1, 99}, second + 1},
		"one is visible": {[]uint64{1, 12}, second + 1},
		"one twice":      {[]uint64{1, 1}, second + 1},
		"too many":       {[]uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, second + 1},
	} {
		m := New(Config{FIFO: true})
		for k := range 12 {
			send(m, 0, string(rune('a'+k)))
		}
		receive(t, m, 0, 10)
		receive(t, m, 0, 1)
		m.ApplyAttempt(second, DedupID{1}, c.expires, c.keys)
		if _, _, _, ok := m.AttemptOf(1); ok != (name == "good") {
			t.Errorf("%s: remembered %v", name, ok)
		}
	}
}
