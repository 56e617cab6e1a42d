package queue

import "math/bits"

// A drained backlog leaves chunks with a few messages, or blocks of keys, each. As
// long as few of the slots are in use, every Advance moves some together, until the
// chunks they leave are empty and dropped.
const (
	sparse       = 4  // fewer than one in so many slots of messages used
	sparseBlocks = 2  // the same of blocks of keys
	enoughFew    = 16 // chunks that are not worth the trouble
	compactStep  = 64 // messages and blocks moved by one Advance
)

func (m *Machine) compact() {
	for k := 0; k < compactStep; k++ {
		if from := m.entries.scattered(m.enough, sparse); from != 0 {
			m.move(from)
		} else if from := m.keys.blocks.scattered(enoughFew, sparseBlocks); from != 0 {
			m.keys.move(m, from)
		} else {
			return
		}
	}
}

// scattered returns an item that should be moved to where there is room; 0 if there
// are no more than enough chunks, or at least one in sparse slots is used.
func (s *slab[T]) scattered(enough, sparse int) uint32 {
	for int(s.live) > enough && int(s.n)*sparse < int(s.live)*chunkSlots {
		// alloc fills the first chunk with room, so empty the second.
		c := s.heads[s.room-1].next
		if c == 0 {
			return 0
		}
		if used := s.heads[c-1].used; used != 0 {
			return (c-1)*chunkSlots + uint32(31-bits.LeadingZeros32(used)) + 1
		}
		s.release(c - 1)
	}
	return 0
}

// move gives the block numbered from another number, and frees that one.
func (t *keyTable) move(m *Machine, from uint32) {
	to := t.blocks.alloc()
	*t.numbers.link(m, &byNumber, from) = to
	*t.blocks.at(to) = *t.blocks.at(from)
	t.blocks.free(from)
	t.last = 0
}

// move gives the message numbered from another number, and frees that one.
func (m *Machine) move(from uint32) {
	to := m.entries.alloc()
	e := m.entries.at(to)
	*e = *m.entries.at(from)

	m.keys.moved(e.key, to)
	if e.name != 0 {
		m.named.items.at(e.name).entry = to
	}
	m.ages.moved(m, &byAge, to)
	if e.state != visible {
		m.timers.moved(m, &byTime, to)
	}
	if e.state == visible || m.cfg.FIFO {
		m.moveInLine(e, to)
	}
	if e.attempt != 0 {
		a := m.attempts.items.at(e.attempt)
		for k, i := range a.messages[:a.n] {
			if i == from {
				a.messages[k] = to
			}
		}
	}
	m.entries.free(from)
}

func (m *Machine) moveInLine(e *entry, to uint32) {
	gr := m.groups.at(e.group)
	switch {
	case e.line.prev != 0:
		m.entries.at(e.line.prev).line.next = to
	case e.late:
		gr.late = to
	default:
		gr.head = to
	}
	switch {
	case e.line.next != 0:
		m.entries.at(e.line.next).line.prev = to
	case !e.late:
		gr.tail = to
	}
}

// moved tells the timeline that an item is now numbered to, links copied.
func (t *timeline) moved(m *Machine, by *ordering, to uint32) {
	l := by.links(m, to)
	if l.prev&inHeap != 0 {
		*t.heap.at(l.prev &^ inHeap) = to
		return
	}
	if l.prev != 0 {
		by.links(m, l.prev).next = to
	} else {
		t.head = to
	}
	if l.next != 0 {
		by.links(m, l.next).prev = to
	} else {
		t.tail = to
	}
}
