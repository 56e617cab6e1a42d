package queue

import (
	"bytes"
	"math/bits"
	"slices"
)

// walkSteps bounds the blocks that one KeysFrom looks for: most are there, but
// nothing says how far apart the keys of old messages are.
const walkSteps = 4096

// KeysFrom visits up to n messages with keys from key on, in the order of keys.
// next is where to go on, 0 at the end; fewer than n, or none, may have been
// visited before it. visit must not call the machine; it returns false to leave the
// message it is given to the next call.
func (m *Machine) KeysFrom(key uint64, n int, visit func(Message) bool) (next uint64) {
	t := &m.keys
	key = max(key, t.lowest()*blockKeys)
	for steps := 0; key/blockKeys <= t.highest && t.numbers.count > 0; steps++ {
		if steps == walkSteps {
			return key
		}
		b := t.block(key / blockKeys)
		if b == nil {
			if key/blockKeys == t.lowest() {
				t.setLowest(key/blockKeys + 1)
			}
			key = (key/blockKeys + 1) * blockKeys
			continue
		}
		for k := key % blockKeys; k < blockKeys; k++ {
			i := b.entries[k]
			if i == 0 {
				continue
			}
			if n == 0 || !visit(m.message(m.entries.at(i))) {
				return key - key%blockKeys + k
			}
			n--
		}
		key = (key/blockKeys + 1) * blockKeys
	}
	return 0
}

// place of a name in the order of NamedAfter: that of its hash with the bits turned
// round, so that each bucket of the table holds what lies between two places.
func (d DedupID) place() uint32 { return bits.Reverse32(uint32(d.hash())) }

// compareNames orders names by place, then by their bytes.
func compareNames(a, b DedupID) int {
	if x, y := a.place(), b.place(); x != y {
		if x < y {
			return -1
		}
		return 1
	}
	return bytes.Compare(a[:], b[:])
}

// NamedAfter visits up to n messages that have a name, in an order of names that
// never changes, from behind after on (nil: from the start), and reports whether
// there are more. Whoever goes on behind the last name visits each message that is
// there all the while once, whatever comes, goes and is replaced in between, also
// in another machine that was replayed. visit must not call the machine; it returns
// false to leave the message it is given to the next call.
func (m *Machine) NamedAfter(after *DedupID, n int, visit func(DedupID, Message) bool) (more bool) {
	if m.named == nil {
		return false
	}
	t := m.named
	at := uint32(0)
	if after != nil {
		at = after.place()
	}
	var found []uint32
	for {
		h := bits.Reverse32(at)
		found = found[:0]
		for i := t.ids.first(uint64(h)); i != 0; i = t.items.at(i).chain {
			if after == nil || compareNames(t.items.at(i).name, *after) > 0 {
				found = append(found, i)
			}
		}
		slices.SortFunc(found, func(a, b uint32) int { return compareNames(t.items.at(a).name, t.items.at(b).name) })
		for _, i := range found {
			it := t.items.at(i)
			if n == 0 || !visit(it.name, m.message(m.entries.at(it.entry))) {
				return true
			}
			n--
		}
		// The bucket holds the hashes that end in its width of bits: the places that
		// begin with those.
		width := t.ids.width(h)
		last := at | (uint32(1)<<(32-width) - 1)
		if width == 0 || last == ^uint32(0) {
			return false
		}
		at = last + 1
	}
}

// width is how many bits the hashes have in common that share a bucket with h.
func (x *index) width(h uint32) int {
	n := x.heads.n
	k := bits.Len32(n - 1)
	if k > 0 && h&(uint32(1)<<k-1) >= n {
		return k - 1
	}
	// The bucket above it may not be there yet: then it holds that one's, too.
	if k > 0 && h&(uint32(1)<<k-1)|uint32(1)<<(k-1) >= n {
		return k - 1
	}
	return k
}
