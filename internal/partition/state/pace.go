package state

// Pace is how fast a queue gives what it has. It is in memory alone: a replay knows
// none, and it ends when the queue has been empty for a while.
type Pace struct {
	// MaxInFlight is how many messages are in flight at most; 0: as the terms say.
	MaxInFlight int `cbor:"1,keyasint,omitempty"`
	// Interval is the time between two messages on average, in nanoseconds, and
	// Burst how many may come at once (0 counts as 1). Interval 0: no bound.
	Interval int64 `cbor:"2,keyasint,omitempty"`
	Burst    int   `cbor:"3,keyasint,omitempty"`
	// NotBefore is when the next message may be given, in Unix milliseconds.
	NotBefore Time `cbor:"4,keyasint,omitempty"`
}

const (
	millisecond = 1_000_000 // in nanoseconds

	// What is longer counts as so long, in nanoseconds: an interval of nine years, and
	// 73 years for a burst of them. Then no sum of a time and these overflows.
	longestInterval = 1 << 58
	longestBurst    = 1 << 61
)

// pace is a Pace with what was given lately.
type pace struct {
	Pace
	// next is when the next message would be due if they came one by one, in Unix
	// nanoseconds (the generic cell rate algorithm's theoretical arrival time).
	next int64
}

// SetPace sets how fast a queue gives what it has. What was given at another pace
// counts on, as a full burst of the new one at most. It does nothing on a queue that
// holds nothing.
func (s *State) SetPace(q *Queue, p Pace) {
	if q.m == nil {
		return
	}
	p.MaxInFlight, p.Interval, p.Burst = max(p.MaxInFlight, 0), min(max(p.Interval, 0), longestInterval), max(p.Burst, 1)
	next := int64(0)
	if q.pace != nil {
		next = q.pace.next
	}
	if p.Interval > 0 {
		burst := min(int64(p.Burst), longestBurst/p.Interval)
		p.Burst, next = int(burst), min(next, int64(s.now)*millisecond+burst*p.Interval)
	}
	q.pace = &pace{p, next}
	s.touch(q)
}

// Paced reports whether a pace was set.
func (q *Queue) Paced() bool { return q.pace != nil }

// Room is how many messages the pace lets the queue give now, at most n; wait is
// when it may be more, if none now: 0 when that does not depend on the time.
func (q *Queue) Room(n int) (room int, wait Time) {
	p := q.pace
	if p == nil || q.m == nil {
		return n, 0
	}
	now := q.state.now
	if p.NotBefore > now {
		return 0, p.NotBefore
	}
	if p.Interval > 0 {
		ahead := max(p.next-int64(now)*millisecond, 0)
		used := (ahead + p.Interval - 1) / p.Interval
		if used >= int64(p.Burst) {
			at := p.next - int64(p.Burst-1)*p.Interval
			return 0, Time((at + millisecond - 1) / millisecond)
		}
		n = int(min(int64(n), int64(p.Burst)-used))
	}
	if p.MaxInFlight > 0 {
		n = min(n, max(p.MaxInFlight-q.m.Counts().InFlight, 0))
	}
	return n, 0
}

// given counts messages that the queue gave.
func (p *pace) given(now Time, n int) {
	if p.Interval > 0 {
		p.next = max(p.next, int64(now)*millisecond) + int64(n)*p.Interval
	}
}
