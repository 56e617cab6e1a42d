package state

// What an item takes in memory, in bytes, about.
const (
	queueBytes    = 350
	messageBytes  = 105
	groupBytes    = 110
	dedupMemory   = 80
	nameBytes     = 32
	parcelBytes   = 100 // beside its places
	machineBytes  = 900
	collapseAfter = 10_000 // milliseconds for which an empty queue keeps its machine
)

// touch notes that a queue changed.
func (s *State) touch(q *Queue) {
	if !q.touched {
		q.touched = true
		s.touched = append(s.touched, q)
	}
}

// Soon has the next Review make the queue due a moment later, whatever it holds:
// what was to be done with it is not done yet.
func (s *State) Soon(q *Queue) {
	q.soon = true
	s.touch(q)
}

// NextTouched takes a queue that changed since its last Review; nil if there is
// none. The caller calls Review with it.
func (s *State) NextTouched() *Queue {
	for {
		n := len(s.touched)
		if n == 0 {
			return nil
		}
		q := s.touched[n-1]
		s.touched[n-1] = nil
		s.touched = s.touched[:n-1]
		if !q.gone {
			return q
		}
		q.touched = false
	}
}

// Review brings all that hangs on a queue up to date after it changed: when it
// is due, whether it is ready, what it takes in memory.
func (s *State) Review(q *Queue) {
	q.touched = false
	if q.gone {
		return
	}
	if q.m == nil {
		s.due.set(q, 0, false)
		s.unready(q)
		s.weigh(q, 0, 0)
		return
	}
	c := q.m.Counts()
	n := int64(c.Visible + c.InFlight + c.Delayed)
	at, ok := q.m.Next()
	if n == 0 && c.Remembered == 0 && !ok {
		// Its machine goes when it has been empty for a while. When it was due for
		// what it held (retention, for one) does not count any more.
		at, ok = s.now+collapseAfter, true
		if q.due >= 0 && q.dueAt > s.now {
			at = min(at, q.dueAt)
		}
	} else if ok && at <= s.now {
		at = s.now + 1 // the rest of a step that did not reach everything
	}
	if q.soon {
		q.soon, at, ok = false, s.now+1, true
	}
	ready := q.Ref.Kind >= FirstService && !q.held && q.Available()
	if ready && q.pace != nil {
		room, wait := q.Room(1)
		ready = room > 0
		if wait != 0 && (!ok || wait < at) {
			at, ok = wait, true
		}
	}
	s.due.set(q, at, ok)
	if ready {
		s.setReady(q)
	} else {
		s.unready(q)
	}
	bytes := machineBytes + n*messageBytes + int64(c.Groups)*groupBytes + int64(c.Remembered)*dedupMemory +
		int64(c.Names)*nameBytes + int64(len(q.parcels))*parcelBytes + q.parcelBytes
	s.weigh(q, n, bytes)
}

func (s *State) weigh(q *Queue, messages, bytes int64) {
	s.usage.Messages += messages - q.messages
	s.usage.Bytes += bytes - q.bytes
	q.messages, q.bytes = messages, bytes
}

// empty reports whether the queue holds nothing that its machine is needed for.
func (q *Queue) empty() bool {
	if q.m == nil {
		return true
	}
	c := q.m.Counts()
	if c.Visible+c.InFlight+c.Delayed > 0 || c.Remembered > 0 {
		return false
	}
	_, due := q.m.Next()
	return !due
}

// shed drops the machine of an empty queue.
func (q *Queue) shed() {
	if q.m == nil {
		return
	}
	q.nextKey = q.m.NextKey()
	q.m, q.parcels, q.parcelBytes, q.pace = nil, nil, 0, nil
}

// readyList holds the queues of a kind that have something to give, in turn.
type readyList struct {
	head, tail *Queue
	n          int
}

func (s *State) setReady(q *Queue) {
	if q.inReady {
		return
	}
	l := s.ready[q.Ref.Kind]
	if l == nil {
		l = &readyList{}
		s.ready[q.Ref.Kind] = l
	}
	q.inReady, q.prev, q.next = true, l.tail, nil
	if l.tail != nil {
		l.tail.next = q
	} else {
		l.head = q
	}
	l.tail = q
	l.n++
}

func (s *State) unready(q *Queue) {
	if !q.inReady {
		return
	}
	l := s.ready[q.Ref.Kind]
	if q.prev != nil {
		q.prev.next = q.next
	} else {
		l.head = q.next
	}
	if q.next != nil {
		q.next.prev = q.prev
	} else {
		l.tail = q.prev
	}
	q.inReady, q.prev, q.next = false, nil, nil
	l.n--
}

// NextReady is the queue of a kind whose turn it is; nil if none has anything to
// give. Nobody else gets it until LetGo, after which it stands last.
func (s *State) NextReady(k Kind) *Queue {
	l := s.ready[k]
	if l == nil || l.head == nil {
		return nil
	}
	q := l.head
	s.unready(q)
	q.held = true
	return q
}

// LetGo ends what NextReady began.
func (s *State) LetGo(q *Queue) {
	q.held = false
	s.touch(q)
}

// Ready is how many queues of a kind have something to give.
func (s *State) Ready(k Kind) int {
	if l := s.ready[k]; l != nil {
		return l.n
	}
	return 0
}
