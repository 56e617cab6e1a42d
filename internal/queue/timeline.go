package queue

// links are an item's neighbours in a list; in a timeline's heap, prev is the
// item's position with the top bit set.
type links struct{ prev, next uint32 }

const inHeap = uint32(1) << 31

// timeline keeps items of a slab in an order, gives the first and takes out any.
//
// Times nearly always arrive in order: messages are sent one after the other and
// hidden for the same while. Such items form a list, at O(1) a step. Those that
// come out of order go to a heap beside it, at O(log n).
type timeline struct {
	head, tail uint32
	heap       pages
}

// ordering says how the items of a timeline are ordered and linked.
type ordering struct {
	less  func(m *Machine, a, b uint32) bool // a total order
	links func(m *Machine, i uint32) *links
}

func (t *timeline) add(m *Machine, by *ordering, i uint32) {
	l := by.links(m, i)
	switch {
	case t.tail == 0:
		t.head, t.tail = i, i
		*l = links{}
	case by.less(m, t.tail, i):
		*l = links{prev: t.tail}
		by.links(m, t.tail).next = i
		t.tail = i
	default:
		t.heap.push(i)
		t.up(m, by, t.heap.n-1, i)
	}
}

// first returns the item that comes first, or 0.
func (t *timeline) first(m *Machine, by *ordering) uint32 {
	if t.heap.n == 0 {
		return t.head
	}
	top := *t.heap.at(0)
	if t.head != 0 && by.less(m, t.head, top) {
		return t.head
	}
	return top
}

// remove takes i out; it must be in.
func (t *timeline) remove(m *Machine, by *ordering, i uint32) {
	l := by.links(m, i)
	if l.prev&inHeap == 0 {
		if l.prev != 0 {
			by.links(m, l.prev).next = l.next
		} else {
			t.head = l.next
		}
		if l.next != 0 {
			by.links(m, l.next).prev = l.prev
		} else {
			t.tail = l.prev
		}
		*l = links{}
		return
	}
	pos := l.prev &^ inHeap
	*l = links{}
	if last := t.heap.pop(); last != i {
		if pos > 0 && by.less(m, last, *t.heap.at((pos - 1) / 4)) {
			t.up(m, by, pos, last)
		} else {
			t.down(m, by, pos, last)
		}
	}
}

// set puts item i at a position of the heap.
func (t *timeline) set(m *Machine, by *ordering, pos, i uint32) {
	*t.heap.at(pos) = i
	by.links(m, i).prev = pos | inHeap
}

func (t *timeline) up(m *Machine, by *ordering, pos, i uint32) {
	for pos > 0 {
		parent := (pos - 1) / 4
		p := *t.heap.at(parent)
		if !by.less(m, i, p) {
			break
		}
		t.set(m, by, pos, p)
		pos = parent
	}
	t.set(m, by, pos, i)
}

func (t *timeline) down(m *Machine, by *ordering, pos, i uint32) {
	for {
		child := pos*4 + 1
		if child >= t.heap.n {
			break
		}
		best, at := *t.heap.at(child), child
		for k := child + 1; k < child+4 && k < t.heap.n; k++ {
			if c := *t.heap.at(k); by.less(m, c, best) {
				best, at = c, k
			}
		}
		if !by.less(m, best, i) {
			break
		}
		t.set(m, by, pos, best)
		pos = at
	}
	t.set(m, by, pos, i)
}
