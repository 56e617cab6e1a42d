package state

// dueHeap holds the queues that want to be looked at, the earliest first.
type dueHeap []*Queue

// set puts q at its time, or takes it out when ok is false.
func (h *dueHeap) set(q *Queue, at Time, ok bool) {
	switch {
	case !ok && q.due < 0:
		return
	case !ok:
		i, last := int(q.due), len(*h)-1
		h.swap(i, last)
		(*h)[last] = nil
		*h = (*h)[:last]
		q.due = -1
		if i < last {
			h.fix(i)
		}
		return
	case q.due < 0:
		q.due = int32(len(*h))
		*h = append(*h, q)
	case q.dueAt == at:
		return
	}
	q.dueAt = at
	h.fix(int(q.due))
}

func (h dueHeap) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].due, h[j].due = int32(i), int32(j)
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

// Due is when the first queue wants to be advanced.
func (s *State) Due() (Time, bool) {
	if len(s.due) == 0 {
		return 0, false
	}
	return s.due[0].dueAt, true
}

// NextDue takes the first queue whose time has come; nil if there is none. It is
// touched: advance and review it.
func (s *State) NextDue() *Queue {
	if len(s.due) == 0 || s.due[0].dueAt > s.now {
		return nil
	}
	q := s.due[0]
	s.due.set(q, 0, false)
	if q.empty() {
		q.shed()
	}
	s.touch(q)
	return q
}
