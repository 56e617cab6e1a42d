package queue

import (
	"slices"
	"testing"
)

func TestDeduplication(t *testing.T) {
	t.Parallel()
	m := New(Config{FIFO: true})
	id := DedupID{1}
	first := Original{ID: [16]byte{1}, Key: 1, Append: 1, Expires: 10*second + 1}
	m.Remember(id, first)
	if o, ok := m.Duplicate(id, 10*second, 20*second); !ok || o != first {
		t.Fatal(o, ok)
	}
	if _, ok := m.Duplicate(id, 10*second+1, 20*second); ok {
		t.Fatal("expired, but a duplicate") // to the millisecond,
	}
	if next, _ := m.Next(); next != 11*second {
		t.Fatal(next) // forgotten by whole seconds
	}
	second := Original{ID: [16]byte{2}, Key: 2, Append: 2, Sent: 9 * second, Expires: 20 * second}
	m.Remember(id, second)
	if c := m.Advance(10001); !slices.Equal(c.Forgotten, []Original{first}) {
		t.Fatal(c) // replaced
	}
	if c := m.Advance(20000); !slices.Equal(c.Forgotten, []Original{second}) {
		t.Fatal(c)
	}
	if _, ok := m.Next(); ok {
		t.Fatal("nothing there, but something to do")
	}
}

// Sends with one id are the same if the later was sent before the earlier expired,
// whichever comes first; those that are further apart stand side by side, up to a
// bound, and each is remembered for its own grace.
func TestDeduplicationOfLateSends(t *testing.T) {
	t.Parallel()
	m := New(Config{FIFO: true})
	id := DedupID{1}
	for k := Time(1); k <= 5; k++ {
		m.Remember(id, Original{Key: uint64(k), Sent: 100 * k * second, Expires: (100*k + 10) * second, Grace: 300*second - 1})
	}
	for _, c := range []struct {
		sent, expires Time
		key           uint64 // 0: new
	}{
		{199 * second, 199*second + 500, 0},
		{199 * second, 200 * second, 0},
		{199 * second, 200*second + 1, 2},
		{200 * second, 200 * second, 2}, // at the same time: the one here came first
		{209 * second, 219 * second, 2},
		{210 * second, 220 * second, 0},
		{295 * second, 305 * second, 3},
		{509 * second, 519 * second, 5},
		{105 * second, 115 * second, 0}, // one too many
	} {
		if o, ok := m.Duplicate(id, c.sent, c.expires); o.Key != c.key || ok != (c.key != 0) {
			t.Errorf("sent at %d: the same as %d, want %d", c.sent, o.Key, c.key)
		}
	}
	if o, ok := m.Remembered(id, 2); !ok || o.Grace != 300*second {
		t.Error(o, ok)
	}
	if c := m.Advance(0); len(c.Forgotten) != 1 || c.Forgotten[0].Key != 1 {
		t.Error(c)
	}
	if next, _ := m.Next(); next != 510*second {
		t.Error(next)
	}
	if c := m.Advance(510 * second); len(c.Forgotten) != 1 || c.Forgotten[0].Key != 2 {
		t.Error(c)
	}
	m.Remember(id, Original{Key: 6, Sent: 600 * second, Expires: 601 * second, Grace: 2 * MaxGrace})
	if o, _ := m.Remembered(id, 6); o.Grace != MaxGrace {
		t.Error(o)
	}
}
