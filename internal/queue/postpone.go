package queue

// Postpone ends a receive: the message waits until a time, as if it were delayed,
// and does not count as in flight meanwhile. One that has been received
// MaxReceives times is reported dead by the next Advance instead. The errors are
// those of ChangeVisibility.
func (m *Machine) Postpone(now Time, key uint64, receive uint32, until Time) error {
	i := m.find(key)
	if i == 0 {
		return ErrNotFound
	}
	e := m.entries.at(i)
	if e.receives != receive {
		return ErrStale
	}
	if e.state != inFlight || e.visibleAt.time() <= now {
		return ErrNotInFlight
	}
	m.postpone(now, i, e, until)
	return nil
}

// ApplyPostpone repeats a Postpone.
func (m *Machine) ApplyPostpone(now Time, key uint64, until Time) {
	if i := m.find(key); i != 0 {
		m.postpone(now, i, m.entries.at(i), until)
	}
}

func (m *Machine) postpone(now Time, i uint32, e *entry, until Time) {
	if until <= now || m.exhausted(e) {
		m.rehide(now, i, e, now)
		return
	}
	m.detach(i, e)
	e.state, e.visibleAt = delayed, stampOf(until)
	m.delayed++
	m.timers.add(m, &byTime, i)
	m.check(e.group)
}
