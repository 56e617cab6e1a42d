package queue

import (
	"encoding/binary"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever comes and goes between two pages: each message that is there all the
// while is visited once, under its name; none that was never there.
func TestNamedAfterVisitsEachOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := New(Config{})
		names := map[DedupID]bool{} // of all that are there
		var order []DedupID         // of their coming; some are gone
		add := func(label string) {
			// Some hashes are much alike.
			var name DedupID
			binary.LittleEndian.PutUint64(name[:], uint64(rapid.IntRange(0, 300).Draw(rt, label))<<rapid.IntRange(0, 40).Draw(rt, "shift"))
			name[15] = byte(rapid.IntRange(0, 2).Draw(rt, "tail"))
			if key, ok := m.Named(name); ok {
				m.Remove(key)
			}
			key := m.NextKey()
			m.Insert(0, Message{Key: key, Append: 1})
			m.Name(key, name)
			names[name] = true
			order = append(order, name)
		}
		remove := func() {
			if len(order) == 0 {
				return
			}
			i := rapid.IntRange(0, len(order)-1).Draw(rt, "removed")
			name := order[i]
			if order = slices.Delete(order, i, i+1); !names[name] {
				return
			}
			key, _ := m.Named(name)
			m.Remove(key)
			delete(names, name)
		}
		for range rapid.IntRange(0, 100).Draw(rt, "first") {
			add("name")
		}
		stayed, ever := map[DedupID]bool{}, map[DedupID]bool{}
		for n := range names {
			stayed[n], ever[n] = true, true
		}
		seen := map[DedupID]int{}
		var after *DedupID
		for more := true; more; {
			var last DedupID
			n, max := 0, rapid.IntRange(1, 20).Draw(rt, "page")
			more = m.NamedAfter(after, max, func(name DedupID, msg Message) bool {
				if key, ok := m.Named(name); !ok || key != msg.Key {
					rt.Fatalf("%x is said to be of %d, and is of %d, %v", name, msg.Key, key, ok)
				}
				if after != nil && compareNames(name, *after) <= 0 || n > 0 && compareNames(name, last) <= 0 {
					rt.Fatalf("%x comes too late", name)
				}
				seen[name]++
				last = name
				n++
				return true
			})
			if n > max || more && n == 0 {
				rt.Fatalf("a page of %d has %d (more: %v)", max, n, more)
			}
			if n > 0 {
				after = &last
			}
			for range rapid.IntRange(0, 20).Draw(rt, "added") {
				add("more")
			}
			for range rapid.IntRange(0, 20).Draw(rt, "gone") {
				remove()
			}
			for n := range names {
				ever[n] = true
			}
			for n := range stayed {
				if !names[n] {
					delete(stayed, n)
				}
			}
		}
		for n := range stayed {
			if seen[n] != 1 {
				rt.Fatalf("%x was there all the while and was visited %d times", n, seen[n])
			}
		}
		for n, times := range seen {
			if !ever[n] || times > 1 {
				rt.Fatalf("%x was visited %d times", n, times)
			}
		}
	})
}

func TestKeysFrom(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := New(Config{})
		key := uint64(rapid.IntRange(1, 1_000_000_000).Draw(rt, "first"))
		var want []uint64
		for range rapid.IntRange(0, 100).Draw(rt, "messages") {
			m.Insert(0, Message{Key: key, Append: 1})
			want = append(want, key)
			key += uint64(rapid.SampledFrom([]int{1, 1, 1, 2, 17, 1000, 3 * walkSteps * blockKeys}).Draw(rt, "gap"))
		}
		for len(want) > 0 && rapid.IntRange(0, 3).Draw(rt, "remove") > 0 {
			i := rapid.IntRange(0, len(want)-1).Draw(rt, "which")
			m.Remove(want[i])
			want = slices.Delete(want, i, i+1)
		}
		from := uint64(0)
		if len(want) > 0 && rapid.Bool().Draw(rt, "later") {
			from = want[rapid.IntRange(0, len(want)-1).Draw(rt, "from")]
			want = want[slices.Index(want, from):]
		}
		var got []uint64
		for n := 0; ; n++ {
			max := rapid.IntRange(1, 20).Draw(rt, "page")
			before := len(got)
			from = m.KeysFrom(from, max, func(msg Message) bool {
				if len(got) > before && msg.Key%7 == 0 {
					return false
				}
				got = append(got, msg.Key)
				return true
			})
			if len(got)-before > max {
				rt.Fatalf("%d instead of %d", len(got)-before, max)
			}
			if from == 0 {
				break
			}
			if n > 100_000 {
				rt.Fatal("no end")
			}
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("got %v, want %v", got, want)
		}
	})
}

// What was removed at the front is not looked for again and again.
func TestKeysFromForgetsTheFront(t *testing.T) {
	t.Parallel()
	m := New(Config{})
	m.Insert(0, Message{Key: 1, Append: 1})
	m.Insert(0, Message{Key: 10 * walkSteps * blockKeys, Append: 1})
	m.Remove(1)
	pages := func() (n int) {
		from := uint64(0)
		for n = 1; ; n++ {
			if from = m.KeysFrom(from, 1, func(Message) bool { return true }); from == 0 {
				return n
			}
		}
	}
	if n := pages(); n < 10 {
		t.Fatalf("it takes %d steps the first time: nothing is tested", n)
	}
	if n := pages(); n != 1 {
		t.Errorf("it takes %d steps the second time", n)
	}
	m.Insert(0, Message{Key: 5, Append: 1}) // as a replay may do
	if next := m.KeysFrom(0, 1, func(msg Message) bool {
		if msg.Key != 5 {
			t.Errorf("key %d comes first", msg.Key)
		}
		return true
	}); next == 0 {
		t.Error("nothing comes behind it")
	}
}
