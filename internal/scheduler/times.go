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
	schedule.Times
}

func (x *Schedule) times() (*times, error) {
	zone, err := schedule.Zone(x.Zone)
	if err != nil {
		return nil, err
	}
	e, err := schedule.Parse(x.Expression, zone)
	if err != nil {
		return nil, err
	}
	return &times{x, schedule.Times{
		Expression: e, Anchor: orZero(x.Anchor), Start: orZero(x.Start), End: orZero(x.End),
		Window: time.Duration(x.Window) * time.Minute, Due: x.due,
	}}, nil
}

func milli(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func orZero(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return milli(ms)
}

// first is when a schedule that is made, or made anew, falls due first. It sets from
// where a rate counts.
func (t *times) first(now time.Time) (time.Time, bool) {
	if t.Once() {
		return t.After(now.Add(-AtAllowance - 1))
	}
	t.x.Anchor = t.x.Start
	if t.x.Anchor == 0 {
		// In whole seconds, as times are told.
		t.x.Anchor = now.Truncate(time.Second).UnixMilli()
	}
	t.Anchor = milli(t.x.Anchor)
	// A start that is just over still counts.
	from := t.Anchor
	if from.Before(now.Add(-AtAllowance)) {
		from = now
	}
	return t.After(from.Add(-1))
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
