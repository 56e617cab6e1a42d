package partition

import "github.com/waystation/waystation/internal/queue"

// dueHeap holds the queues that want to be looked at, the earliest first.
type dueHeap []*queueState

// set puts qs at its time, or takes it out when ok is false.
func (h *dueHeap) set(qs *queueState, at queue.Time, ok bool) {
	switch {
	case !ok && qs.due < 0:
		return
	case !ok:
		i, last := qs.due, len(*h)-1
		h.swap(i, last)
		*h = (*h)[:last]
		qs.due = -1
		if i < last {
			h.fix(i)
		}
		return
	case qs.due < 0:
		qs.due = len(*h)
		*h = append(*h, qs)
	}
	qs.dueAt = at
	h.fix(qs.due)
}

func (h dueHeap) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].due, h[j].due = i, j
}

func (h dueHeap) fix(i int) {
	for i > 0 {
		p := (i - 1) / 2
		if h[p].dueAt <= h[i].dueAt {
			break
		}
		h.swap(i, p)
		i = p
	}
	for {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && h[c+1].dueAt < h[c].dueAt {
			c++
		}
		if h[i].dueAt <= h[c].dueAt {
			return
		}
		h.swap(i, c)
		i = c
	}
}

// waiter is one long poll.
type waiter struct {
	opts       takeOptions
	ch         chan delivery // capacity 1; exactly one delivery, or none if removed in time
	prev, next *waiter
	list       *waiterList
}

// waiterList keeps long polls in the order in which they came.
type waiterList struct {
	head, tail *waiter
	n          int
}

func (l *waiterList) len() int       { return l.n }
func (l *waiterList) front() *waiter { return l.head }

func (l *waiterList) push(w *waiter) {
	w.list, w.prev = l, l.tail
	if l.tail != nil {
		l.tail.next = w
	} else {
		l.head = w
	}
	l.tail = w
	l.n++
}

// remove takes w out; false if it is in no list.
func (l *waiterList) remove(w *waiter) bool {
	if w.list != l {
		return false
	}
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		l.head = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		l.tail = w.prev
	}
	w.prev, w.next, w.list = nil, nil, nil
	l.n--
	return true
}

func (l *waiterList) pop() *waiter {
	w := l.head
	if w != nil {
		l.remove(w)
	}
	return w
}
