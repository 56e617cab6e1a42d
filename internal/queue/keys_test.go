package queue

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"
)

// Messages are found by key whatever the distances between keys are, and whatever
// order they come and go in.
func TestKeysAgreeWithMap(t *testing.T) {
	t.Parallel()
	for _, among := range []uint64{50, 5000, 1 << 40} {
		rng := rand.New(rand.NewPCG(among, 2))
		m := New(Config{})
		want := map[uint64]uint32{}
		var keys []uint64
		for step := range 20_000 {
			key := rng.Uint64N(among) + 1
			if len(keys) > 0 && rng.IntN(4) > 0 {
				key = keys[rng.IntN(len(keys))] + rng.Uint64N(3)
			}
			if growing := step/2000%2 == 0; growing == (rng.IntN(4) > 0) {
				m.Insert(0, Message{Key: key, Len: uint32(step)})
				want[key] = uint32(step)
				keys = append(keys, key)
			} else {
				m.Remove(key)
				delete(want, key)
			}
			m.Advance(0)
			msg, ok := m.Get(key)
			if len, there := want[key]; ok != there || msg.Len != len {
				t.Fatalf("step %d: key %d: %v, %v, want %v, %v", step, key, msg, ok, len, there)
			}
			if step%500 == 0 {
				if err := m.verify(); err != nil {
					t.Fatalf("step %d: %v", step, err)
				}
			}
		}
	}
}

// A name stays with its message when messages are moved together.
func TestNamesOfMovedMessages(t *testing.T) {
	t.Parallel()
	const n = 5000
	m := New(Config{})
	name := func(key uint64) (d DedupID) {
		binary.LittleEndian.PutUint64(d[:], key*0x9E3779B97F4A7C15)
		return d
	}
	for key := uint64(1); key <= n; key++ {
		m.Insert(0, Message{Key: key})
		m.Name(key, name(key))
	}
	for key := uint64(1); key <= n; key++ {
		if key%100 != 0 {
			m.Remove(key)
		}
	}
	for range n {
		m.Advance(0)
	}
	if live := m.entries.live; live > enoughFew {
		t.Errorf("%d chunks for %d messages", live, m.entries.n)
	}
	if err := m.verify(); err != nil {
		t.Fatal(err)
	}
	for key := uint64(100); key <= n; key += 100 {
		if got, ok := m.NameOf(key); !ok || got != name(key) {
			t.Errorf("message %d has the name %v, %v", key, got, ok)
		}
		if got, ok := m.Named(name(key)); !ok || got != key {
			t.Errorf("the name of message %d finds %d, %v", key, got, ok)
		}
	}
}

// A message whose neighbours are gone takes at most 200 bytes: it has a block of
// keys to itself.
func TestMemoryOfScatteredMessages(t *testing.T) {
	const n, apart = 100_000, 3 * blockKeys
	before := heap()
	m := New(Config{MaxInFlight: n})
	for k := range uint64(n) {
		m.Insert(0, Message{Key: 1 + k*apart})
	}
	per := float64(heap()-before) / n
	t.Logf("%.1f bytes a message", per)
	if per > 200 {
		t.Errorf("%.1f bytes a message, want at most 200", per)
	}
	runtime.KeepAlive(m)
}
