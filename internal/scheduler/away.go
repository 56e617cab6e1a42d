package scheduler

import (
	"errors"
	"sync"
	"time"
)

const (
	// awayFor is how long nothing is sent by itself to a target that the engine could
	// not reach: many schedules that have it must not keep all who fire.
	awayFor = 5 * time.Second
	// maxAway bounds how many such targets are remembered; what is more is tried.
	maxAway = 1000
)

var errAway = errors.New("scheduler: the target could not be reached a moment ago")

// away are targets that the engine could not reach lately.
type away struct {
	mu    sync.Mutex
	until map[string]time.Time // by ARN; guarded by mu
}

// is reports whether a target is away.
func (a *away) is(arn string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	until, ok := a.until[arn]
	if !ok {
		return false
	}
	if !now.Before(until) || until.Sub(now) > awayFor { // or the clock was set back
		delete(a.until, arn)
		return false
	}
	return true
}

// note that a target is away.
func (a *away) note(arn string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.until) >= maxAway {
		for arn, until := range a.until {
			if !now.Before(until) {
				delete(a.until, arn)
			}
		}
		if len(a.until) >= maxAway {
			return
		}
	}
	if a.until == nil {
		a.until = make(map[string]time.Time)
	}
	a.until[arn] = now.Add(awayFor)
}
