package queue

import "math"

// Advance lets the time be now: messages beyond their retention expire, delays
// and visibility timeouts end, deduplication ids and attempts are forgotten. It
// handles at most 500 of each kind and says in Changes.More whether to call it
// again; until then, calls may still see what is overdue.
func (m *Machine) Advance(now Time) Changes {
	var c Changes
	m.expire(now, &c)
	m.wake(now, &c)
	m.forget(now, &c)
	m.forgetAttempts(now)
	m.compact()
	next, ok := m.Next()
	c.More = ok && next <= now || m.remembered != nil && len(m.remembered.replaced) > 0
	return c
}

// expire removes messages whose retention is over, whatever their state.
func (m *Machine) expire(now Time, c *Changes) {
	for k := 0; k < advanceStep; k++ {
		i := m.ages.first(m, &byAge)
		if i == 0 || m.expiry(i) > now {
			return
		}
		c.Expired = append(c.Expired, m.drop(i))
	}
}

func (m *Machine) expiry(i uint32) Time {
	if m.cfg.Retention <= 0 {
		return math.MaxInt64
	}
	return m.entries.at(i).sent.time() + Time(m.cfg.Retention)
}

// wake ends delays and visibility timeouts.
func (m *Machine) wake(now Time, c *Changes) {
	for k := 0; k < advanceStep; k++ {
		i := m.timers.first(m, &byTime)
		if i == 0 {
			return
		}
		e := m.entries.at(i)
		if e.visibleAt.time() > now {
			return
		}
		if e.state == inFlight && m.exhausted(e) {
			c.Dead = append(c.Dead, m.drop(i))
			continue
		}
		m.detach(i, e)
		m.show(i, e)
		m.check(e.group)
	}
}

// Next returns the earliest time at which Advance has something to do, which is
// also the earliest at which Available may change by itself. Forgetting is
// rounded up to whole seconds, so that it does not wake the caller often.
func (m *Machine) Next() (Time, bool) {
	next := Time(math.MaxInt64)
	if i := m.timers.first(m, &byTime); i != 0 {
		next = m.entries.at(i).visibleAt.time()
	}
	if i := m.ages.first(m, &byAge); i != 0 {
		next = min(next, m.expiry(i))
	}
	if i := m.firstMemory(); i != 0 {
		next = min(next, m.remembered.items.at(i).due())
	}
	if a := m.firstAttempt(); a != 0 {
		next = min(next, m.attempts.items.at(a).due())
	}
	return next, next != math.MaxInt64
}

// wholeSecond rounds up.
func wholeSecond(t Time) Time {
	if t > math.MaxInt64-1000 {
		return math.MaxInt64
	}
	return (t + 999) / 1000 * 1000
}
