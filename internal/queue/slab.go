package queue

import "math/bits"

// chunkSlots is the number of items per chunk: few enough that chunks of a drained
// backlog become empty.
const chunkSlots = 32

// allUsed is the used bits of a full chunk.
const allUsed = ^uint32(0)

// slab hands out items of one type by number. Numbers start at 1, so 0 is "none"
// in every link; they are reused. Items lie in chunks without anything beside them,
// which the allocator would round up. The first chunk is small and grows, since most
// queues hold little. Chunks that become empty are dropped, but for one at most.
type slab[T any] struct {
	chunks [][]T       // of chunkSlots, the first perhaps of fewer; nil: dropped
	heads  []chunkHead // one for each of chunks
	room   uint32      // first chunk with room, by number+1
	holes  uint32      // first of the dropped chunks, by number+1
	live   uint32      // chunks that are not dropped
	n      uint32      // items in use
}

// chunkHead is what is known of a chunk.
type chunkHead struct {
	used       uint32 // bit per slot
	prev, next uint32 // chunks with room, or (next only) dropped chunks, by number+1
}

func (s *slab[T]) at(i uint32) *T {
	i--
	return &s.chunks[i/chunkSlots][i%chunkSlots]
}

// alloc returns the number of a zeroed item. It ends the life of pointers from at.
func (s *slab[T]) alloc() uint32 {
	if s.room == 0 {
		s.grow()
	}
	c := s.room - 1
	h := &s.heads[c]
	slot := uint32(bits.TrailingZeros32(^h.used))
	if int(slot) == len(s.chunks[c]) {
		s.growFirst()
	}
	h.used |= 1 << slot
	if h.used == allUsed {
		s.unlink(c)
	}
	s.n++
	return c*chunkSlots + slot + 1
}

// growFirst lets the first chunk have 4, 16, then all its slots.
func (s *slab[T]) growFirst() {
	c := make([]T, min(4*len(s.chunks[0]), chunkSlots))
	copy(c, s.chunks[0])
	s.chunks[0] = c
}

// kept is how many items' room an empty slab keeps, so that a queue that holds now
// a message, now none, does not allocate each time.
const kept = 4

func (s *slab[T]) free(i uint32) {
	var zero T
	*s.at(i) = zero
	c, slot := (i-1)/chunkSlots, (i-1)%chunkSlots
	h := &s.heads[c]
	if h.used == allUsed {
		s.link(c)
	}
	h.used &^= 1 << slot
	s.n--
	switch {
	case h.used != 0:
	case s.n == 0 && (len(s.chunks) > 1 || len(s.chunks[0]) > kept):
		*s = slab[T]{}
	case h.prev != 0 || h.next != 0:
		s.release(c) // another chunk has room: no need of this one
	}
}

// release drops an empty chunk.
func (s *slab[T]) release(c uint32) {
	s.unlink(c)
	s.chunks[c] = nil
	s.heads[c].next = s.holes
	s.holes = c + 1
	s.live--
}

func (s *slab[T]) grow() {
	c, slots := s.holes-1, chunkSlots
	if s.holes != 0 {
		s.holes = s.heads[c].next
	} else {
		c = uint32(len(s.chunks))
		if c == 0 {
			slots = 1
		}
		s.chunks, s.heads = append(s.chunks, nil), append(s.heads, chunkHead{})
	}
	s.chunks[c] = make([]T, slots)
	s.link(c)
	s.live++
}

func (s *slab[T]) link(c uint32) {
	h := &s.heads[c]
	h.prev, h.next = 0, s.room
	if s.room != 0 {
		s.heads[s.room-1].prev = c + 1
	}
	s.room = c + 1
}

func (s *slab[T]) unlink(c uint32) {
	h := &s.heads[c]
	if h.prev != 0 {
		s.heads[h.prev-1].next = h.next
	} else {
		s.room = h.next
	}
	if h.next != 0 {
		s.heads[h.next-1].prev = h.prev
	}
	h.prev, h.next = 0, 0
}

// each visits the items in use, in no particular order, until fn returns false.
// fn may free the item it is given and no other, and must not allocate.
func (s *slab[T]) each(fn func(i uint32, item *T) bool) {
	for c := 0; c < len(s.chunks); c++ {
		if s.eachOf(c, fn) < 0 {
			return
		}
	}
}

// eachOf is each for one chunk. It returns how many items it visited, at least
// 1 for the chunk itself, -1 if fn returned false.
func (s *slab[T]) eachOf(c int, fn func(i uint32, item *T) bool) int {
	n := 1
	for left := s.heads[c].used; left != 0; left &= left - 1 {
		i := uint32(c*chunkSlots+bits.TrailingZeros32(left)) + 1
		if !fn(i, s.at(i)) {
			return -1
		}
		n++
	}
	return n
}
