package queue

import (
	"hash/maphash"
	"strings"
)

// group is a message group, there as long as it has messages: 48 bytes and its
// name. Messages without a group are the group "".
type group struct {
	name       string
	count      uint32 // messages in any state
	head, tail uint32 // the line; see Machine.enqueue
	late       uint32 // unsorted list of messages that came out of order (FIFO)
	chain      uint32 // in the index of names
	ring       links  // in Machine.ring or Machine.unsettled
	where      place
}

var byName = hashing{
	hash: func(m *Machine, g uint32) uint64 { return maphash.String(m.seed, m.groups.at(g).name) },
	next: func(m *Machine, g uint32) *uint32 { return &m.groups.at(g).chain },
}

// place is the list a group is in.
type place uint8

const (
	nowhere place = iota
	inRing
	inUnsettled
)

// groupList is a list of groups through their ring links.
type groupList struct {
	head, tail uint32
	n          uint32
}

func (m *Machine) pushGroup(l *groupList, p place, g uint32) {
	gr := m.groups.at(g)
	gr.ring, gr.where = links{prev: l.tail}, p
	if l.tail != 0 {
		m.groups.at(l.tail).ring.next = g
	} else {
		l.head = g
	}
	l.tail = g
	l.n++
}

// takeGroup takes a group out of the list it is in.
func (m *Machine) takeGroup(g uint32) {
	gr := m.groups.at(g)
	var l *groupList
	switch gr.where {
	case nowhere:
		return
	case inRing:
		l = &m.ring
	case inUnsettled:
		l = &m.unsettled
	}
	if gr.ring.prev != 0 {
		m.groups.at(gr.ring.prev).ring.next = gr.ring.next
	} else {
		l.head = gr.ring.next
	}
	if gr.ring.next != 0 {
		m.groups.at(gr.ring.next).ring.prev = gr.ring.prev
	} else {
		l.tail = gr.ring.prev
	}
	gr.ring, gr.where = links{}, nowhere
	l.n--
}

// join counts one more message in the group of that name, and makes the group
// if it is not there.
func (m *Machine) join(name string) uint32 {
	if g := m.recent; g != 0 {
		if gr := m.groups.at(g); gr.name == name {
			gr.count++
			return g
		}
	}
	g := m.names.first(maphash.String(m.seed, name))
	for g != 0 && m.groups.at(g).name != name {
		g = m.groups.at(g).chain
	}
	if g == 0 {
		g = m.groups.alloc()
		m.groups.at(g).name = strings.Clone(name) // do not hold on to a request
		m.names.add(m, &byName, g)
	}
	m.groups.at(g).count++
	m.recent = g
	return g
}

// leave counts one message less, and removes the group with the last.
func (m *Machine) leave(g uint32) {
	gr := m.groups.at(g)
	gr.count--
	if gr.count > 0 {
		m.check(g)
		return
	}
	if m.recent == g {
		m.recent = 0
	}
	m.takeGroup(g)
	m.names.remove(m, &byName, g)
	m.groups.free(g)
}

// check puts a group into the ring if it can be served and takes it out if not:
// a message at the head of its line can be received. It is called after every
// change to a group. A group that stays in the ring keeps its turn.
func (m *Machine) check(g uint32) {
	gr := m.groups.at(g)
	want := nowhere
	switch {
	case gr.late != 0:
		want = inUnsettled
	case gr.head == 0:
	case m.entries.at(gr.head).state == visible:
		want = inRing
	}
	if gr.where == want {
		return
	}
	m.takeGroup(g)
	switch want {
	case inRing:
		m.pushGroup(&m.ring, inRing, g)
	case inUnsettled:
		m.pushGroup(&m.unsettled, inUnsettled, g)
	}
}

// nearby is how far enqueue looks for a message's place before it leaves that to
// settle. Live, keys rise, and a message that is put back (its dead-letter queue
// was just deleted) belongs to those at the head.
const nearby = 2 * MaxBatch

// enqueue puts a message into its group's line. On a standard queue that holds
// what is visible, and the message goes to its end. On a FIFO queue it holds all
// messages of the group, whatever their state, in the order of keys: so the
// messages at its head that are visible are exactly those with none before them
// that is delayed or in flight.
func (m *Machine) enqueue(i uint32, e *entry) {
	gr := m.groups.at(e.group)
	if !m.cfg.FIFO || gr.tail == 0 || m.entries.at(gr.tail).key < e.key {
		m.insertAfter(gr, gr.tail, i, e)
		return
	}
	after := uint32(0)
	next := gr.head
	for k := 0; k < nearby && gr.late == 0; k++ {
		n := m.entries.at(next)
		if n.key > e.key {
			m.insertAfter(gr, after, i, e)
			return
		}
		after, next = next, n.line.next
	}
	e.late = true
	e.line = links{next: gr.late}
	if gr.late != 0 {
		m.entries.at(gr.late).line.prev = i
	}
	gr.late = i
}

// insertAfter links a message into the line behind another (0: at the head).
func (m *Machine) insertAfter(gr *group, after, i uint32, e *entry) {
	next := gr.head
	if after != 0 {
		a := m.entries.at(after)
		next, a.line.next = a.line.next, i
	} else {
		gr.head = i
	}
	if next != 0 {
		m.entries.at(next).line.prev = i
	} else {
		gr.tail = i
	}
	e.line = links{prev: after, next: next}
}

// dequeue takes a message out of its group's line or late list.
func (m *Machine) dequeue(i uint32, e *entry) {
	gr := m.groups.at(e.group)
	head, tail := &gr.head, &gr.tail
	if e.late {
		head, tail = &gr.late, nil
	}
	if e.line.prev != 0 {
		m.entries.at(e.line.prev).line.next = e.line.next
	} else {
		*head = e.line.next
	}
	if e.line.next != 0 {
		m.entries.at(e.line.next).line.prev = e.line.prev
	} else if tail != nil {
		*tail = e.line.prev
	}
	e.line, e.late = links{}, false
}

// settle sorts what came out of order into the lines. Only a replay brings
// messages out of order, so this does something once after it.
func (m *Machine) settle() {
	for m.unsettled.head != 0 {
		g := m.unsettled.head
		gr := m.groups.at(g)
		m.relink(gr, m.merge(gr.head, m.sorted(gr.late)))
		gr.late = 0
		m.check(g)
	}
}

// sorted sorts a late list by key, in place: merge sort of the runs found in it.
// What was written again comes in order, and stands in the list last first, so
// such runs are long.
func (m *Machine) sorted(list uint32) uint32 {
	var runs [32]uint32 // runs[k] was merged from 2^k runs, or is empty
	for list != 0 {
		run, e := list, m.entries.at(list)
		list, e.line.next = e.line.next, 0
		for list != 0 {
			next := m.entries.at(list)
			if next.key > e.key {
				break
			}
			e = next
			run, list, next.line.next = list, next.line.next, run
		}
		k := 0
		for ; k < len(runs)-1 && runs[k] != 0; k++ {
			run, runs[k] = m.merge(runs[k], run), 0
		}
		if runs[k] != 0 {
			run = m.merge(runs[k], run)
		}
		runs[k] = run
	}
	out := uint32(0)
	for _, run := range runs {
		out = m.merge(out, run)
	}
	return out
}

// merge joins two sorted lists; only the next links are right afterwards.
func (m *Machine) merge(a, b uint32) uint32 {
	var head uint32
	p := &head
	for a != 0 && b != 0 {
		x, y := m.entries.at(a), m.entries.at(b)
		if x.key < y.key {
			*p, p, a = a, &x.line.next, x.line.next
		} else {
			*p, p, b = b, &y.line.next, y.line.next
		}
	}
	*p = a | b
	return head
}

// relink makes a list of right next links the line of a group.
func (m *Machine) relink(gr *group, head uint32) {
	prev := uint32(0)
	gr.head = head
	for i := head; i != 0; {
		e := m.entries.at(i)
		e.line.prev, e.late = prev, false
		prev, i = i, e.line.next
	}
	gr.tail = prev
}
