package queue

import "math/bits"

// chunkSlots is the number of items per chunk: few enough that a queue with one
// message stays small and that chunks of a drained backlog become empty.
const chunkSlots = 32

type chunk[T any] struct {
	items      [chunkSlots]T
	used       uint32 // bit per slot
	prev, next uint32 // chunks with room, by number+1
}

// slab hands out items of one type by number. Numbers start at 1, so 0 is "none"
// in every link; they are reused. Chunks that become empty are dropped, but for
// one at most.
type slab[T any] struct {
	chunks []*chunk[T]
	holes  []uint32 // numbers of dropped chunks
	room   uint32   // first chunk with room, by number+1
	n      int      // items in use
}

func (s *slab[T]) at(i uint32) *T {
	i--
	return &s.chunks[i/chunkSlots].items[i%chunkSlots]
}

// alloc returns the number of a zeroed item. Pointers from at stay valid.
func (s *slab[T]) alloc() uint32 {
	if s.room == 0 {
		s.grow()
	}
	c := s.room - 1
	ch := s.chunks[c]
	slot := uint32(bits.TrailingZeros32(^ch.used))
	ch.used |= 1 << slot
	if ch.used == ^uint32(0) {
		s.unlink(c)
	}
	s.n++
	return c*chunkSlots + slot + 1
}

func (s *slab[T]) free(i uint32) {
	i--
	c, slot := i/chunkSlots, i%chunkSlots
	ch := s.chunks[c]
	var zero T
	ch.items[slot] = zero
	if ch.used == ^uint32(0) {
		s.link(c)
	}
	ch.used &^= 1 << slot
	s.n--
	switch {
	case ch.used != 0:
	case s.n == 0 && len(s.chunks) > 1:
		// The last one is gone: keep this chunk alone, as number 0.
		ch.prev, ch.next = 0, 0
		s.chunks, s.holes, s.room = []*chunk[T]{ch}, nil, 1
	case ch.prev != 0 || ch.next != 0:
		s.release(c) // another chunk has room: no need of this one
	}
}

// release drops an empty chunk.
func (s *slab[T]) release(c uint32) {
	s.unlink(c)
	s.chunks[c] = nil
	s.holes = append(s.holes, c)
}

func (s *slab[T]) grow() {
	c := uint32(len(s.chunks))
	if k := len(s.holes); k > 0 {
		c = s.holes[k-1]
		s.holes = s.holes[:k-1]
		s.chunks[c] = new(chunk[T])
	} else {
		s.chunks = append(s.chunks, new(chunk[T]))
	}
	s.link(c)
}

func (s *slab[T]) link(c uint32) {
	ch := s.chunks[c]
	ch.prev, ch.next = 0, s.room
	if s.room != 0 {
		s.chunks[s.room-1].prev = c + 1
	}
	s.room = c + 1
}

func (s *slab[T]) unlink(c uint32) {
	ch := s.chunks[c]
	if ch.prev != 0 {
		s.chunks[ch.prev-1].next = ch.next
	} else {
		s.room = ch.next
	}
	if ch.next != 0 {
		s.chunks[ch.next-1].prev = ch.prev
	}
	ch.prev, ch.next = 0, 0
}

// each visits the items in use, in no particular order, until fn returns false.
// fn may free the item it is given and no other, and must not allocate.
func (s *slab[T]) each(fn func(i uint32, item *T) bool) {
	for c := range len(s.chunks) {
		if c < len(s.chunks) && s.eachOf(c, fn) < 0 {
			return
		}
	}
}

// eachOf is each for one chunk. It returns how many items it visited, at least
// 1 for the chunk itself, -1 if fn returned false.
func (s *slab[T]) eachOf(c int, fn func(i uint32, item *T) bool) int {
	ch := s.chunks[c]
	if ch == nil {
		return 1
	}
	n := 1
	for left := ch.used; left != 0; left &= left - 1 {
		slot := bits.TrailingZeros32(left)
		if !fn(uint32(c*chunkSlots+slot+1), &ch.items[slot]) {
			return -1
		}
		n++
	}
	return n
}
