package queue

import "math"

// blockKeys is how many consecutive keys share a block.
const blockKeys = 16

// block says where the messages of consecutive keys are: 80 bytes without pointers.
type block struct {
	number  uint64            // key / blockKeys
	entries [blockKeys]uint32 // 0: no message of that key
	used    uint32            // entries that are not 0
	chain   uint32            // in keyTable.numbers
}

// keyTable finds messages by key. Keys rise as messages come and leave in about
// that order, so it hashes blocks of them: most calls meet the block of
// the call before, and to grow costs one step a block, which touches no message.
// A message takes 5 to 6 bytes here, 85 if it is the only one of its block.
type keyTable struct {
	blocks  slab[block]
	numbers index  // byNumber
	last    uint32 // the block used last; 0: none
	span    uint32 // by how much highest is above lowest; all ones: lowest is 0
	highest uint64 // number of a block, ever
}

var byNumber = hashing{
	hash: func(m *Machine, b uint32) uint64 { return mix(m.keys.blocks.at(b).number) },
	next: func(m *Machine, b uint32) *uint32 { return &m.keys.blocks.at(b).chain },
}

// block returns the block of that number, nil if no message belongs to it.
func (t *keyTable) block(number uint64) *block {
	if t.last != 0 {
		if b := t.blocks.at(t.last); b.number == number {
			return b
		}
	}
	for i := t.numbers.first(mix(number)); i != 0; {
		b := t.blocks.at(i)
		if b.number == number {
			t.last = i
			return b
		}
		i = b.chain
	}
	return nil
}

// find returns the message of that key, or 0.
func (t *keyTable) find(key uint64) uint32 {
	if b := t.block(key / blockKeys); b != nil {
		return b.entries[key%blockKeys]
	}
	return 0
}

// add puts message i in; no message of that key is in.
func (t *keyTable) add(m *Machine, key uint64, i uint32) {
	var b *block
	number := key / blockKeys
	if number <= t.highest {
		b = t.block(number)
	}
	if b == nil {
		t.last = t.blocks.alloc()
		b = t.blocks.at(t.last)
		b.number = number
		lowest := min(t.lowest(), number)
		if t.numbers.count == 0 {
			lowest = number
		}
		t.highest = max(t.highest, number)
		t.setLowest(lowest)
		t.numbers.add(m, &byNumber, t.last)
	}
	b.entries[key%blockKeys] = i
	b.used++
}

// remove takes out the message of that key; it must be in.
func (t *keyTable) remove(m *Machine, key uint64) {
	b := t.block(key / blockKeys)
	b.entries[key%blockKeys] = 0
	if b.used--; b.used == 0 {
		t.numbers.remove(m, &byNumber, t.last)
		t.blocks.free(t.last)
		t.last = 0
	}
}

// moved tells the table that the message of that key is now numbered to.
func (t *keyTable) moved(key uint64, to uint32) {
	t.block(key / blockKeys).entries[key%blockKeys] = to
}

// lowest: no block has a lower number.
func (t *keyTable) lowest() uint64 {
	if t.span == math.MaxUint32 {
		return 0
	}
	return t.highest - uint64(t.span)
}

func (t *keyTable) setLowest(number uint64) {
	t.span = uint32(min(t.highest-min(number, t.highest), math.MaxUint32))
}
