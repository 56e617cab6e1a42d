package scheduler

import (
	"encoding/binary"
	"hash/fnv"
	"time"

	"github.com/waystation/waystation/internal/schedule"
)

// times are when a schedule falls due.
type times struct {
	x *Schedule
	e *schedule.Expression
}

func (x *Schedule) times() (times, error) {
	zone, err := schedule.Zone(x.Zone)
	if err != nil {
		return times{}, err
	}
	e, err := schedule.Parse(x.Expression, zone)
	return times{x, e}, err
}

func milli(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// first is when a schedule that is made, or made anew, falls due first. It sets from
// where a rate counts.
func (t times) first(now time.Time) (time.Time, bool) {
	if t.e.Once() {
		return t.after(now.Add(-AtAllowance - 1))
	}
	t.x.Anchor = t.x.Start
	if t.x.Anchor == 0 {
		// In whole seconds, as times are told.
		t.x.Anchor = now.Truncate(time.Second).UnixMilli()
	}
	// A start that is just over still counts.
	from := milli(t.x.Anchor)
	if from.Before(now.Add(-AtAllowance)) {
		from = now
	}
	return t.after(from.Add(-1))
}

// after is the first time after a given one; false if there is none any more.
func (t times) after(at time.Time) (time.Time, bool) {
	if t.e.Once() {
		return t.e.Next(at, time.Time{})
	}
	if start := milli(t.x.Start); t.x.Start != 0 && at.Before(start) {
		at = start.Add(-1)
	}
	n, ok := t.e.Next(at, milli(t.x.Anchor))
	if !ok || t.x.End != 0 && n.After(milli(t.x.End)) {
		return time.Time{}, false
	}
	return n, true
}

// lastBefore is the last time before end, from one of its times on that is before end.
func (t times) lastBefore(from, end time.Time) time.Time {
	for width := time.Minute; ; width *= 2 {
		last := from
		begin := end.Add(-width)
		if begin.After(from) {
			var ok bool
			if last, ok = t.after(begin.Add(-1)); !ok || !last.Before(end) {
				continue
			}
		}
		for {
			next, ok := t.after(last)
			if !ok || !next.Before(end) {
				return last
			}
			last = next
		}
	}
}

// due is when a time falls due: at a moment within the window that is random, and the
// same for whoever asks.
func (x *Schedule) due(nominal time.Time) time.Time {
	if x.Window == 0 {
		return nominal
	}
	h := fnv.New64a()
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], uint64(nominal.UnixMilli()))
	binary.LittleEndian.PutUint64(b[8:], uint64(x.Created))
	h.Write(b[:])
	h.Write([]byte(x.Name))
	// FNV leaves the low bits of alike texts alike.
	n := h.Sum64()
	n ^= n >> 32
	n *= 0x9e3779b97f4a7c15
	return nominal.Add(time.Duration(n>>16%uint64(60_000*x.Window)) * time.Millisecond)
}

// decision is what is done with a schedule that was taken.
type decision struct {
	fire    time.Time // zero: nothing
	next    time.Time // zero: there is none any more
	skipped bool      // times were missed that are not fired
}

// decide says which time is fired by now, of a schedule whose next one is set.
func (t times) decide(rule CatchUp, age time.Duration, now time.Time) (d decision) {
	n := milli(t.x.Next)
	window := time.Duration(t.x.Window) * time.Minute
	// What is before this was missed, and before oldest too long ago.
	missed, oldest := now.Add(-window-grace), now.Add(-window-age)
	if n.Before(missed) {
		n, d.skipped = t.caughtUp(rule, n, missed, oldest)
	}
	if n.IsZero() {
		return d
	}
	if t.x.due(n).After(now) {
		d.next = n // what was missed is skipped, and nothing else is due
		return d
	}
	d.fire = n
	if next, ok := t.after(n); ok {
		d.next = next
	}
	return d
}

// caughtUp is the time to fire, or to wait for, instead of one that was missed; zero if
// there is none. Unless it is that one, times are skipped.
func (t times) caughtUp(rule CatchUp, n, missed, oldest time.Time) (time.Time, bool) {
	fresh, ok := t.after(missed.Add(-1)) // the first that was not missed
	if !ok {
		fresh = time.Time{}
	}
	switch {
	case t.e.Once():
		rule = CatchUpAll
	case rule == CatchUpLast && ok && !t.x.due(fresh).After(missed.Add(time.Duration(t.x.Window)*time.Minute+grace)):
		return fresh, true // it is due as well
	}
	switch rule {
	case CatchUpAll:
		if !n.Before(oldest) {
			return n, false
		}
		if later, ok := t.after(oldest.Add(-1)); ok {
			return later, true
		}
	case CatchUpLast:
		last := t.lastBefore(n, missed)
		if !last.Before(oldest) {
			return last, !last.Equal(n)
		}
	}
	return fresh, true
}
