package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// round is one scenario against one endpoint: its measured window and its
// workers.
type round struct {
	opt   *Command
	ep    *endpoint
	name  string
	pid   int
	bare  bool  // the endpoint is the bare handler: it knows no queues
	admin *conn // set-up and tear-down

	duration time.Duration
	count    int64              // > 0: stop after so many messages instead of after duration
	skip     int64              // > 0: the window starts once so many messages were carried
	finish   context.CancelFunc // ends the window early

	base  time.Time
	from  atomic.Int64 // measured window, since base
	until atomic.Int64
	taken atomic.Int64 // messages handed to workers
	done  atomic.Int64 // messages carried, warm-up included
	paced atomic.Int64
}

// worker is one connection of a round.
type worker struct {
	*tally
	round   *round
	conn    *conn
	index   int
	body    []byte // request being built
	got     []message
	seq     uint64
	last    time.Duration // since base: when its last message was carried
	failing int           // requests in a row that failed
	failure string        // code of the last of them
}

// unit is one unit of work, such as one send. It returns false when the worker
// has nothing more to do.
type unit func(ctx context.Context, w *worker) bool

var errFailing = errors.New("requests keep failing")

const (
	maxFailing  = 20 // in a row, after which a worker gives up
	retryPeriod = 50 * time.Millisecond
	countBound  = 5 * time.Minute // a round bounded by a count ends after this, too
)

// measured says whether something that ended at the given time counts.
func (r *round) measured(end time.Time) bool {
	at := int64(end.Sub(r.base))
	return at >= r.from.Load() && at <= r.until.Load()
}

// take claims n messages of the budget; it returns how many there are left to
// do, at most n.
func (r *round) take(n int) int {
	if r.count <= 0 {
		return n
	}
	before := r.taken.Add(int64(n)) - int64(n)
	return int(max(0, min(int64(n), r.count-before)))
}

// due waits for the next due time when requests are paced, and returns it; it
// returns the present when they are not.
func (r *round) due(ctx context.Context, rate float64) time.Time {
	if rate <= 0 {
		return time.Now()
	}
	n := r.paced.Add(1) - 1
	at := r.base.Add(time.Duration(float64(n) / rate * float64(time.Second)))
	if wait := time.Until(at); wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	return at
}

// group is a number of workers that do the same.
type group struct {
	workers int
	work    unit
	// polls are broken off at the end of the window; other requests are let
	// finish.
	polls bool
}

// drive runs the groups until the window ends or all of them have nothing more
// to do, and returns what was counted. warmup delays the start of the window;
// nothing is left out when a count bounds the round.
func (r *round) drive(ctx context.Context, warmup time.Duration, groups ...group) (*Result, error) {
	if r.count > 0 {
		warmup = 0
	}
	bound := warmup + r.duration
	if r.count > 0 {
		bound = countBound
	}
	window, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	r.finish = cancel
	r.base = time.Now()
	r.until.Store(int64(bound))
	r.from.Store(int64(warmup))
	if r.skip > 0 {
		r.from.Store(math.MaxInt64)
	}

	var used *meter
	var meterErr error
	metering := make(chan struct{})
	began, own := r.base, ownCPU()
	timer := time.AfterFunc(warmup, func() {
		defer close(metering)
		began, own = time.Now(), ownCPU()
		used, meterErr = startMeter(r.pid)
	})

	var workers []*worker
	var wg sync.WaitGroup
	for _, g := range groups {
		for range g.workers {
			w := &worker{tally: newTally(), round: r, conn: r.ep.open(), index: len(workers)}
			workers = append(workers, w)
			wg.Go(func() {
				defer w.conn.close()
				own := ctx
				if g.polls {
					own = window
				}
				for window.Err() == nil && w.failing < maxFailing && g.work(own, w) {
				}
			})
		}
	}
	wg.Wait()
	timedOut := errors.Is(window.Err(), context.DeadlineExceeded)
	if !timer.Stop() {
		<-metering
	}
	all, last, failing, failure := newTally(), time.Duration(0), 0, ""
	for _, w := range workers {
		all.merge(w.tally)
		last = max(last, w.last)
		if w.failing >= maxFailing {
			failing++
			failure = w.failure
		}
	}
	if timedOut {
		last = bound
	}
	res := r.result()
	if ctx.Err() != nil { // interrupted: what was counted until now
		if all.messages == 0 {
			return nil, ctx.Err()
		}
		res.Interrupted = true
		res.finish(all, max(min(time.Since(r.base), bound)-time.Duration(r.from.Load()), time.Nanosecond))
		return res, ctx.Err()
	}
	res.Client = float64(ownCPU()-own) / float64(max(time.Since(began), time.Nanosecond))
	res.finish(all, max(last-time.Duration(r.from.Load()), time.Nanosecond))
	if failing == len(workers) {
		return nil, fmt.Errorf("%w: %s", errFailing, failure)
	}
	if meterErr == nil {
		res.Server, meterErr = used.stop()
	}
	return res, meterErr
}

func (r *round) result() *Result {
	return &Result{Scenario: r.name, Endpoint: r.ep.url, Connections: r.opt.Connections, Size: r.opt.Size}
}

// call sends one request and counts it: its latency since start (the present
// if zero), or its error. It returns false if it failed. A request broken off
// by the end of the window counts as neither.
func (w *worker) call(ctx context.Context, operation string, start time.Time, wait time.Duration) ([]byte, bool) {
	if start.IsZero() {
		start = time.Now()
	}
	status, answer, err := w.conn.do(ctx, operation, w.body, wait)
	end := time.Now()
	if err != nil && ctx.Err() != nil {
		return nil, false
	}
	counts := w.round.measured(end)
	if err != nil || status != 200 {
		w.failing++
		w.failure = errorCode(status, answer, err)
		if counts {
			w.errors[w.failure]++
		}
		select { // do not hammer a server that is down
		case <-time.After(retryPeriod):
		case <-ctx.Done():
		}
		return nil, false
	}
	w.failing = 0
	if counts {
		w.requests++
		w.observe(operation, end.Sub(start))
	}
	return answer, true
}

// carried counts n messages and returns how many the round has carried,
// warm-up included.
func (w *worker) carried(n int) int64 {
	r, now := w.round, time.Now()
	if r.measured(now) {
		w.messages += int64(n)
		w.last = now.Sub(r.base)
	}
	total := r.done.Add(int64(n))
	if total >= r.skip && total-int64(n) < r.skip {
		r.from.Store(int64(now.Sub(r.base)))
	}
	return total
}
