package queue

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// Names agree with two maps, whatever comes and goes.
func TestNamesAgreeWithMaps(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	m := New(Config{})
	byName, byKey := map[DedupID]uint64{}, map[uint64]DedupID{}
	there := map[uint64]bool{}
	lose := func(key uint64) {
		if name, ok := byKey[key]; ok {
			delete(byName, name)
			delete(byKey, key)
		}
	}
	for step := range 20_000 {
		key := rng.Uint64N(300) + 1
		switch {
		case rng.IntN(3) == 0:
			m.Remove(key)
			lose(key)
			delete(there, key)
		case step%5000 == 4999:
			m.Empty()
			clear(byName)
			clear(byKey)
			clear(there)
		default:
			if rng.IntN(10) > 0 { // else it names a message that may not be there
				m.Insert(0, Message{Key: key})
				there[key] = true
			}
			var name DedupID
			binary.LittleEndian.PutUint64(name[:], rng.Uint64N(200)+1)
			m.Name(key, name)
			if there[key] {
				if other, ok := byName[name]; ok {
					lose(other)
				}
				lose(key)
				byName[name], byKey[key] = key, name
			}
		}
		if n := m.Counts().Names; n != len(byName) {
			t.Fatalf("step %d: %d names, want %d", step, n, len(byName))
		}
		name, ok := m.NameOf(key)
		if want, has := byKey[key]; ok != has || name != want {
			t.Fatalf("step %d: key %d has the name %v, %v; want %v, %v", step, key, name, ok, want, has)
		}
		if !ok {
			binary.LittleEndian.PutUint64(name[:], rng.Uint64N(200)+1)
		}
		k, ok := m.Named(name)
		if want, has := byName[name]; ok != has || k != want {
			t.Fatalf("step %d: the name %v finds %d, %v; want %d, %v", step, name, k, ok, want, has)
		}
	}
}
