package queue

import (
	"cmp"
	"fmt"
	"math/bits"
)

// verify checks everything that has to hold inside a machine between calls.
func (m *Machine) verify() error {
	if err := m.entries.verify(); err != nil {
		return fmt.Errorf("entries: %w", err)
	}
	if err := m.groups.verify(); err != nil {
		return fmt.Errorf("groups: %w", err)
	}
	hidden := uint32(m.inFlight + m.delayed)
	for _, err := range []error{
		m.verifyKeys(), m.verifyNames(), m.names.verify(m, &byName, "names", m.groups.n),
		m.timers.verify(m, &byTime, "timers", hidden), m.ages.verify(m, &byAge, "ages", m.entries.n),
		m.verifyGroups(),
	} {
		if err != nil {
			return err
		}
	}
	if r := m.remembered; r != nil {
		if err := cmp.Or(r.items.verify(), r.ids.verify(m, &byID, "ids", r.items.n), r.order.verify(m, &byExpiry, "memories", r.items.n)); err != nil {
			return fmt.Errorf("remembered: %w", err)
		}
	}
	if a := m.attempts; a != nil {
		if err := cmp.Or(a.items.verify(), a.ids.verify(m, &byAttempt, "attempts", a.items.n), a.order.verify(m, &byAttemptExpiry, "attempts", a.items.n)); err != nil {
			return fmt.Errorf("attempts: %w", err)
		}
	}
	return m.verifyAttempts()
}

func (s *slab[T]) verify() error {
	n, room, empty, live := uint32(0), 0, 0, uint32(0)
	dropped := map[uint32]bool{}
	for c := s.holes; c != 0; c = s.heads[c-1].next {
		if dropped[c] || s.chunks[c-1] != nil || s.heads[c-1].used != 0 {
			return fmt.Errorf("chunk %d is not a hole", c-1)
		}
		dropped[c] = true
	}
	for c, h := range s.heads {
		if dropped[uint32(c+1)] {
			continue
		}
		live++
		if k := len(s.chunks[c]); k != chunkSlots && (c > 0 || k == 0 || len(s.chunks) > 1 || h.used>>k != 0) {
			return fmt.Errorf("chunk %d has %d slots, used %b", c, k, h.used)
		}
		n += uint32(bits.OnesCount32(h.used))
		if h.used != allUsed {
			room++
		}
		if h.used == 0 {
			empty++
		}
	}
	for c := s.room; c != 0; c = s.heads[c-1].next {
		room--
		if s.heads[c-1].used == allUsed {
			return fmt.Errorf("chunk %d is full and listed", c-1)
		}
	}
	if empty > 1 {
		return fmt.Errorf("%d chunks are empty", empty)
	}
	if n == 0 && len(s.chunks) > 0 && len(s.chunks[0]) > kept || len(s.chunks) != len(s.heads) {
		return fmt.Errorf("%d chunks, %d heads, %d items", len(s.chunks), len(s.heads), n)
	}
	if n != s.n || live != s.live || room != 0 {
		return fmt.Errorf("counted %d of %d used, %d of %d chunks live, %d chunks with room not listed", n, s.n, live, s.live, room)
	}
	return nil
}

func (x *index) verify(m *Machine, by *hashing, name string, want uint32) error {
	n := uint32(0)
	for b := uint32(0); b < x.heads.n; b++ {
		for i := *x.heads.at(b); i != 0; i = *by.next(m, i) {
			n++
			if x.bucket(by.hash(m, i)) != b {
				return fmt.Errorf("%s: item %d is in the wrong bucket", name, i)
			}
		}
	}
	if n != want || n != x.count {
		return fmt.Errorf("%s: has %d items, counts %d, should have %d", name, n, x.count, want)
	}
	if x.heads.n > fewHeads && x.heads.n > 2*x.count+2 {
		return fmt.Errorf("%s: %d buckets for %d items", name, x.heads.n, n)
	}
	return nil
}

func (m *Machine) verifyKeys() error {
	t := &m.keys
	if err := t.blocks.verify(); err != nil {
		return fmt.Errorf("blocks of keys: %w", err)
	}
	if t.last != 0 && t.blocks.at(t.last).used == 0 {
		return fmt.Errorf("the last block of keys is gone")
	}
	n, err := uint32(0), t.numbers.verify(m, &byNumber, "blocks of keys", t.blocks.n)
	t.blocks.each(func(_ uint32, b *block) bool {
		used := uint32(0)
		for k, i := range b.entries {
			if i == 0 {
				continue
			}
			if used++; m.entries.at(i).key != b.number*blockKeys+uint64(k) {
				err = fmt.Errorf("message %d is found by key %d", m.entries.at(i).key, b.number*blockKeys+uint64(k))
			}
		}
		if used == 0 || used != b.used {
			err = fmt.Errorf("a block of keys has %d messages and counts %d", used, b.used)
		}
		n += used
		return true
	})
	if err == nil && n != m.entries.n {
		err = fmt.Errorf("%d of %d messages are found by key", n, m.entries.n)
	}
	return err
}

func (m *Machine) verifyNames() (err error) {
	named := uint32(0)
	m.entries.each(func(i uint32, e *entry) bool {
		if e.name != 0 {
			if named++; m.named.items.at(e.name).entry != i {
				err = fmt.Errorf("message %d has the name of another", e.key)
			}
		}
		return true
	})
	t := m.named
	switch {
	case err != nil:
		return err
	case t == nil && named == 0:
		return nil
	case t == nil || t.items.n != named:
		return fmt.Errorf("%d messages have names, which is not what the table has", named)
	}
	return cmp.Or(t.items.verify(), t.ids.verify(m, &byNamed, "names of messages", named))
}

func (t *timeline) verify(m *Machine, by *ordering, name string, want uint32) error {
	n, prev := uint32(0), uint32(0)
	for i := t.head; i != 0; i = by.links(m, i).next {
		n++
		if by.links(m, i).prev != prev || prev != 0 && !by.less(m, prev, i) {
			return fmt.Errorf("%s: list is out of order at item %d", name, i)
		}
		prev = i
	}
	if prev != t.tail {
		return fmt.Errorf("%s: tail is wrong", name)
	}
	for k := uint32(0); k < t.heap.n; k++ {
		n++
		i := *t.heap.at(k)
		if by.links(m, i).prev != k|inHeap {
			return fmt.Errorf("%s: item %d does not know its position", name, i)
		}
		if k > 0 && by.less(m, i, *t.heap.at((k - 1) / 4)) {
			return fmt.Errorf("%s: heap is out of order at %d", name, k)
		}
	}
	if n != want {
		return fmt.Errorf("%s: has %d items, should have %d", name, n, want)
	}
	return nil
}

func (m *Machine) verifyGroups() (err error) {
	type tally struct{ count, waiting uint32 }
	tallies := map[uint32]tally{}
	var visibles, delays, flying int
	m.entries.each(func(i uint32, e *entry) bool {
		t := tallies[e.group]
		t.count++
		if m.cfg.FIFO || e.state == visible {
			t.waiting++
		}
		switch e.state {
		case visible:
			visibles++
		case delayed:
			delays++
		case inFlight:
			flying++
		default:
			err = fmt.Errorf("message %d has no state", e.key)
		}
		if e.state != inFlight && e.attempt != 0 {
			err = fmt.Errorf("message %d is of an attempt but not in flight", e.key)
		}
		tallies[e.group] = t
		return true
	})
	if err != nil {
		return err
	}
	if visibles != m.visible || delays != m.delayed || flying != m.inFlight {
		return fmt.Errorf("counts are wrong")
	}
	rings, unsettled := uint32(0), uint32(0)
	m.groups.each(func(g uint32, gr *group) bool {
		t := tallies[g]
		waiting, prev := uint32(0), uint32(0)
		for i := gr.head; i != 0; i = m.entries.at(i).line.next {
			e := m.entries.at(i)
			if e.group != g || e.late || e.line.prev != prev || m.cfg.FIFO && prev != 0 && m.entries.at(prev).key >= e.key {
				err = fmt.Errorf("group %q: line is wrong at message %d", gr.name, e.key)
			}
			prev = i
			waiting++
		}
		if prev != gr.tail {
			err = fmt.Errorf("group %q: tail is wrong", gr.name)
		}
		for i := gr.late; i != 0; i = m.entries.at(i).line.next {
			if !m.entries.at(i).late {
				err = fmt.Errorf("group %q: late list is wrong", gr.name)
			}
			waiting++
		}
		if t.count != gr.count || t.count == 0 || t.waiting != waiting {
			err = fmt.Errorf("group %q: counts %d %d, has %+v", gr.name, gr.count, waiting, t)
		}
		open := gr.head != 0 && gr.late == 0 && m.entries.at(gr.head).state == visible
		if open != (gr.where == inRing) || (gr.late != 0) != (gr.where == inUnsettled) {
			err = fmt.Errorf("group %q is in the wrong list", gr.name)
		}
		switch gr.where {
		case inRing:
			rings++
		case inUnsettled:
			unsettled++
		}
		return true
	})
	if err == nil && (rings != m.ring.n || unsettled != m.unsettled.n || len(tallies) != int(m.groups.n)) {
		err = fmt.Errorf("lists of groups are wrong")
	}
	for g := m.ring.head; g != 0; g = m.groups.at(g).ring.next {
		rings--
	}
	if err == nil && rings != 0 {
		err = fmt.Errorf("ring is broken")
	}
	return err
}

func (m *Machine) verifyAttempts() (err error) {
	held := 0
	if m.attempts != nil {
		m.attempts.items.each(func(a uint32, at *attempt) bool {
			for _, i := range at.messages[:at.n] {
				held++
				if m.entries.at(i).attempt != a {
					err = fmt.Errorf("attempt does not hold its message")
				}
			}
			return true
		})
	}
	m.entries.each(func(_ uint32, e *entry) bool {
		if e.attempt != 0 {
			held--
		}
		return true
	})
	if err == nil && held != 0 {
		err = fmt.Errorf("messages point at attempts that are gone")
	}
	return err
}
