package owner

import (
	"context"
	"math"
	"time"

	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/partition/state"
)

// clockSteps is how many queues are looked at before others get the lock, and
// clockHold after what time, however many they were: each may have thousands of
// messages that expire.
const (
	clockSteps = 100
	clockHold  = 2 * time.Millisecond
)

// apart is how far the wall clock can be from the owner's time, in milliseconds, before
// moments that callers name are set right by it.
const apart = 2 * 1000

// here is what the owner's time will be when the wall clock says at (Unix milliseconds; up
// to 0 it is no moment). They differ after the wall clock was set, and where the log's last
// time was ahead of this machine's clock. Call with mu held, after tick.
func (o *Owner) here(at state.Time) state.Time {
	if at <= 0 {
		return at
	}
	ahead := o.st.Now() - state.Time(o.cfg.Wall().UnixMilli())
	switch {
	case -apart <= ahead && ahead <= apart:
		return at
	case ahead > 0 && at > math.MaxInt64-ahead:
		return math.MaxInt64
	}
	return max(at+ahead, 1)
}

// clock looks at queues when their time comes. When there is more to do than one
// step, each waits until what the one before wrote is durable: the log would else
// be full of it, and a request wait behind all of that.
func (o *Owner) clock(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait, commit, ok := o.clockStep()
		if !ok {
			return nil
		}
		if wait == 0 && commit != nil {
			_ = commit.Wait(ctx) // its failure ends the owner
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case <-o.wakeClock:
		case <-timer.C:
		}
	}
}

// clockStep looks at some queues that are due, and says how long to wait then, and
// what it wrote.
func (o *Owner) clockStep() (wait time.Duration, commit *journal.Commit, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return 0, nil, false
	}
	now := o.tick()
	// While conclude runs here nobody needs to wake the clock.
	o.clockAt = now
	commit, err := o.catchUp()
	if err != nil {
		return 0, nil, false
	}
	wait = time.Hour
	if at, ok := o.st.Due(); ok {
		if at-now < state.Time(wait/time.Millisecond) { // far times do not fit a Duration
			wait = time.Duration(max(at-now, 0)) * time.Millisecond
		}
	}
	o.clockAt = now + state.Time(wait/time.Millisecond)
	return wait, commit, true
}

// catchUp looks at some queues that are due, until one of them has more to do than
// one change carries out, or clockHold is over. The commit is that of all it wrote,
// nil if that is nothing. Call with mu held, after tick.
func (o *Owner) catchUp() (commit *journal.Commit, err error) {
	o.behind = false
	began := o.cfg.Elapsed()
	for n := 0; n < clockSteps && !o.behind && o.cfg.Elapsed()-began < clockHold; n++ {
		if o.st.NextDue() == nil {
			break
		}
		c, err := o.concludeQuietly()
		if err != nil {
			return nil, err
		}
		if c != nil {
			commit = c
		}
	}
	return commit, nil
}

// provePeriod is how often long polls that ended empty share a proof.
const provePeriod = time.Second

// prove keeps provenAt fresh while long polls wait: at most one empty append each
// period, whatever their number.
func (o *Owner) prove(ctx context.Context) error {
	tick := time.NewTicker(provePeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if o.waiting.Load() == 0 {
			continue
		}
		start := o.cfg.Elapsed()
		if c := o.j.Barrier(); c.Wait(ctx) == nil {
			o.provenAt.Store(int64(start))
		}
	}
}
