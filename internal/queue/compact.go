package queue

import "math/bits"

// A drained backlog leaves chunks with a few messages each. As long as less than
// a quarter of the slots is in use, every Advance moves a few messages together,
// until the chunks they leave are empty and dropped.
const (
	sparse      = 4  // fewer than one in so many slots used
	enoughFew   = 16 // chunks that are not worth the trouble
	compactStep = 64 // messages moved by one Advance
)

func (m *Machine) compact() {
	s := &m.entries
	for k := 0; k < compactStep; k++ {
		live := int(s.live)
		if live <= m.enough || int(s.n)*sparse >= live*chunkSlots {
			return
		}
		// alloc fills the first chunk with room, so empty the second.
		c := s.heads[s.room-1].next
		if c == 0 {
			return
		}
		if s.heads[c-1].used == 0 {
			s.release(c - 1)
			continue
		}
		slot := uint32(31 - bits.LeadingZeros32(s.heads[c-1].used))
		m.move((c-1)*chunkSlots + slot + 1)
	}
}

// move gives the message numbered from another number, and frees that one.
func (m *Machine) move(from uint32) {
	to := m.entries.alloc()
	e := m.entries.at(to)
	*e = *m.entries.at(from)

	*m.keys.link(m, &byKey, from) = to
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
