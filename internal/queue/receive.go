package queue

// Receive picks up to a.Max messages, counts the receive and hides them until
// a.HideUntil. got shows the new values. Messages that were received MaxReceives
// times before (MaxReceives was lowered since) are removed and returned in dead;
// at most 100 per call, so both may be short of what a further call would give.
//
// At the in-flight limit a standard queue answers ErrOverLimit and a FIFO queue
// nothing.
//
// On a FIFO queue, a call that repeats an Attempt within its life gets the same
// messages with the same receive numbers, hidden anew until a.HideUntil, as long
// as all of them are still in flight as that attempt left them. If any was
// deleted, had its visibility changed or became visible again, the call is a new
// receive (API Reference, ReceiveMessage, ReceiveRequestAttemptId).
func (m *Machine) Receive(now Time, a ReceiveArgs) (got, dead []Message, err error) {
	a.Max = min(max(a.Max, 1), MaxBatch)
	attempt := m.cfg.FIFO && a.Attempt != nil
	if attempt {
		if got := m.repeat(now, a); got != nil {
			return got, nil, nil
		}
	}
	room := m.cfg.MaxInFlight - m.inFlight
	if room <= 0 {
		if m.cfg.FIFO {
			return nil, nil, nil
		}
		return nil, nil, ErrOverLimit
	}
	m.settle()
	var buf [MaxBatch]uint32
	picked, dead := m.pick(buf[:0], min(a.Max, room), a.MaxBytes)
	if len(picked) == 0 {
		return nil, dead, nil
	}
	for _, i := range picked {
		e := m.entries.at(i)
		e.receives++
		e.last = stampOf(now)
		if e.first == (stamp{}) {
			e.first = e.last
		}
	}
	got = m.conceal(now, picked, a.HideUntil)
	if attempt {
		m.addAttempt(now, *a.Attempt, a.AttemptExpires, picked)
	}
	return got, dead, nil
}

// pick takes up to limit visible messages in the order of service. They belong to
// no state until conceal gives them one; on a FIFO queue they stay in their lines.
// Their payloads stay within maxBytes (0: no bound), unless the first is larger.
func (m *Machine) pick(picked []uint32, limit int, maxBytes int64) (_ []uint32, dead []Message) {
	bytes := int64(0)
	for len(picked) < limit && m.ring.head != 0 && len(dead) < deadStep {
		g := m.ring.head
		i := m.groups.at(g).head
		for i != 0 && len(picked) < limit && len(dead) < deadStep {
			e := m.entries.at(i)
			if e.state != visible {
				break
			}
			next := e.line.next
			if m.exhausted(e) {
				dead = append(dead, m.drop(i))
				i = next
				continue
			}
			if bytes += int64(e.length); maxBytes > 0 && bytes > maxBytes && len(picked) > 0 {
				return picked, dead
			}
			m.detach(i, e)
			e.state = 0
			picked = append(picked, i)
			if !m.cfg.FIFO {
				m.takeGroup(g) // to the end of the ring
				m.check(g)
				break
			}
			// The group is closed to others from here on: go on with it now.
			m.check(g)
			i = next
		}
	}
	return picked, dead
}

// conceal hides what pick took.
func (m *Machine) conceal(now Time, picked []uint32, until Time) []Message {
	got := make([]Message, len(picked))
	for k, i := range picked {
		e := m.entries.at(i)
		m.hide(now, i, e, until)
		m.check(e.group)
		got[k] = m.message(e)
	}
	return got
}

// Available reports whether a Receive would return or dead-letter something.
func (m *Machine) Available(now Time) bool {
	if m.inFlight >= m.cfg.MaxInFlight {
		return false
	}
	m.settle()
	return m.ring.head != 0
}

// Peek visits up to max visible messages in about the order in which they would
// be received, and changes nothing: for reading ahead, and for moves. fn must not
// call the machine; it returns false to stop.
func (m *Machine) Peek(max int, fn func(Message) bool) {
	m.settle()
	if m.cfg.FIFO {
		for g := m.ring.head; g != 0; g = m.groups.at(g).ring.next {
			for i := m.groups.at(g).head; i != 0; {
				e := m.entries.at(i)
				if e.state != visible {
					break
				}
				if max <= 0 || !fn(m.message(e)) {
					return
				}
				max--
				i = e.line.next
			}
		}
		return
	}
	next := make([]uint32, 0, min(int(m.ring.n), max, 1024))
	for g := m.ring.head; g != 0 && len(next) < max; g = m.groups.at(g).ring.next {
		next = append(next, m.groups.at(g).head)
	}
	for len(next) > 0 {
		turn := next
		next = next[:0]
		for _, i := range turn {
			e := m.entries.at(i)
			if max <= 0 || !fn(m.message(e)) {
				return
			}
			max--
			if e.line.next != 0 {
				next = append(next, e.line.next)
			}
		}
	}
}
