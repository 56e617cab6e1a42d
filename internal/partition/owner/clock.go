package owner

import (
	"context"
	"time"

	"github.com/waystation/waystation/internal/partition/state"
)

// clockSteps is how many queues are looked at before others get the lock, and
// clockHold after what time, however many they were: each may have thousands of
// messages that expire.
const (
	clockSteps = 100
	clockHold  = 2 * time.Millisecond
)

// clock looks at queues when their time comes.
func (o *Owner) clock(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait, ok := o.clockStep()
		if !ok {
			return nil
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

// clockStep looks at some queues that are due, and says how long to wait then.
func (o *Owner) clockStep() (wait time.Duration, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return 0, false
	}
	now := o.tick()
	// While conclude runs here nobody needs to wake the clock.
	o.clockAt = now
	if o.catchUp() != nil {
		return 0, false
	}
	wait = time.Hour
	if at, ok := o.st.Due(); ok {
		wait = min(wait, time.Duration(max(at-now, 0))*time.Millisecond)
	}
	o.clockAt = now + state.Time(wait/time.Millisecond)
	return wait, true
}

// catchUp looks at some queues that are due, until one of them has more to do than
// one change carries out, or clockHold is over. Call with mu held, after tick.
func (o *Owner) catchUp() error {
	o.behind = false
	began := o.cfg.Elapsed()
	for n := 0; n < clockSteps && !o.behind && o.cfg.Elapsed()-began < clockHold; n++ {
		if o.st.NextDue() == nil {
			break
		}
		if _, err := o.concludeQuietly(); err != nil {
			return err
		}
	}
	return nil
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
