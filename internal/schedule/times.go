package schedule

import "time"

// CatchUp says which of the times that were missed are fired late: those of which the
// window was over more than Grace ago.
type CatchUp string

// What is caught up.
const (
	CatchUpAll  CatchUp = "all"
	CatchUpLast CatchUp = "last" // of one schedule, unless a time that was not missed is due too
	CatchUpNone CatchUp = "none" // but schedules that fire once
)

// Valid reports whether it is one of them.
func (c CatchUp) Valid() bool {
	return c == CatchUpAll || c == CatchUpLast || c == CatchUpNone
}

// Grace is how late a time may be fired without being missed.
const Grace = time.Minute

// Times are the times at which something falls due.
type Times struct {
	*Expression
	// Anchor is from where a rate counts.
	Anchor time.Time
	// Start and End bound the times of what falls due more than once; zero: no bound.
	Start, End time.Time
	// Window is how long after its time something may fall due, and Due the moment at
	// which it does, the same for whoever asks; nil: at its time.
	Window time.Duration
	Due    func(nominal time.Time) time.Time
}

// At is the moment at which a time falls due.
func (t *Times) At(nominal time.Time) time.Time {
	if t.Due == nil {
		return nominal
	}
	return t.Due(nominal)
}

// After is the first time after a given one; false if there is none any more.
func (t *Times) After(at time.Time) (time.Time, bool) {
	if t.Once() {
		return t.Next(at, time.Time{})
	}
	if !t.Start.IsZero() && at.Before(t.Start) {
		at = t.Start.Add(-1)
	}
	n, ok := t.Next(at, t.Anchor)
	if !ok || !t.End.IsZero() && n.After(t.End) {
		return time.Time{}, false
	}
	return n, true
}

// LastBefore is the last time before end, from one of its times on that is before end.
func (t *Times) LastBefore(from, end time.Time) time.Time {
	for width := time.Minute; ; width *= 2 {
		last := from
		begin := end.Add(-width)
		if begin.After(from) {
			var ok bool
			if last, ok = t.After(begin.Add(-1)); !ok || !last.Before(end) {
				continue
			}
		}
		for {
			next, ok := t.After(last)
			if !ok || !next.Before(end) {
				return last
			}
			last = next
		}
	}
}

// Decision is what is done with something that fell due.
type Decision struct {
	Fire    time.Time // zero: nothing
	Next    time.Time // zero: there is none any more
	Skipped bool      // times were missed that are not fired
}

// Decide says which time is fired by now of what waited for the time n. What was missed by
// more than age is never fired.
func (t *Times) Decide(rule CatchUp, age time.Duration, n, now time.Time) (d Decision) {
	// What is before this was missed, and before oldest too long ago.
	missed, oldest := now.Add(-t.Window-Grace), now.Add(-t.Window-age)
	if n.Before(missed) {
		n, d.Skipped = t.caughtUp(rule, n, missed, oldest)
	}
	if n.IsZero() {
		return d
	}
	if t.At(n).After(now) {
		d.Next = n // what was missed is skipped, and nothing else is due
		return d
	}
	d.Fire = n
	if next, ok := t.After(n); ok {
		d.Next = next
	}
	return d
}

// caughtUp is the time to fire, or to wait for, instead of one that was missed; zero if
// there is none. Unless it is that one, times are skipped.
func (t *Times) caughtUp(rule CatchUp, n, missed, oldest time.Time) (time.Time, bool) {
	fresh, ok := t.After(missed.Add(-1)) // the first that was not missed
	if !ok {
		fresh = time.Time{}
	}
	switch {
	case t.Once():
		rule = CatchUpAll
	case rule == CatchUpLast && ok && !t.At(fresh).After(missed.Add(t.Window+Grace)):
		return fresh, true // it is due as well
	}
	switch rule {
	case CatchUpAll:
		if !n.Before(oldest) {
			return n, false
		}
		if later, ok := t.After(oldest.Add(-1)); ok {
			return later, true
		}
	case CatchUpLast:
		last := t.LastBefore(n, missed)
		if !last.Before(oldest) {
			return last, !last.Equal(n)
		}
	}
	return fresh, true
}
