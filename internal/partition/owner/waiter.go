package owner

import (
	"container/list"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/waystation/waystation/internal/partition/state"
)

// waiter is one long poll.
type waiter struct {
	terms terms
	ch    chan delivery // capacity 1; exactly one delivery, or none if removed in time
	at    *list.Element // nil: in no list any more
}

// waiterList keeps long polls in the order in which they came.
type waiterList struct{ polls list.List }

func (l *waiterList) len() int {
	if l == nil {
		return 0
	}
	return l.polls.Len()
}

// first is the one that came first. The list is not empty.
func (l *waiterList) first() *waiter { return l.polls.Front().Value.(*waiter) }

func (l *waiterList) push(w *waiter) { w.at = l.polls.PushBack(w) }

// remove takes w out; false if it was taken out before.
func (l *waiterList) remove(w *waiter) bool {
	if w.at == nil {
		return false
	}
	l.polls.Remove(w.at)
	w.at = nil
	return true
}

// poll registers a long poll. Call with mu held.
func (o *Owner) poll(q *state.Queue, t terms) *waiter {
	l := o.waiters[q]
	if l == nil {
		l = &waiterList{}
		o.waiters[q] = l
	}
	w := &waiter{terms: t, ch: make(chan delivery, 1)}
	l.push(w)
	o.waiting.Add(1)
	return w
}

// unpoll takes a long poll out, if it was not served yet. Call with mu held.
func (o *Owner) unpoll(q *state.Queue, w *waiter) {
	l := o.waiters[q]
	if l == nil || !l.remove(w) {
		return
	}
	o.waiting.Add(-1)
	if l.len() == 0 {
		delete(o.waiters, q)
		o.abandon(q)
	}
}

// dismiss answers all polls of a list with err. Call with mu held.
func (o *Owner) dismiss(l *waiterList, err error) {
	for l.len() > 0 {
		w := l.first()
		l.remove(w)
		o.waiting.Add(-1)
		w.ch <- delivery{err: err}
	}
}

// deadTurns is how often serve meets nothing but messages that were received too
// often, 100 each time, until others get the lock. The clock goes on with the rest.
const deadTurns = 10

// serve gives those who wait for a queue what is there. Call with mu held.
func (o *Owner) serve(q *state.Queue) error {
	l := o.waiters[q]
	if l.len() == 0 || o.cfg.Space.forReceives() != nil {
		return nil
	}
	for turns := 0; l.len() > 0 && q.Available(); {
		w := l.first()
		d := o.take(q, w.terms)
		if errors.Is(d.err, ErrNotOwner) {
			return d.err
		}
		if d.err == nil && len(d.messages) == 0 {
			if !d.dead {
				break
			}
			if turns++; turns == deadTurns {
				o.behind = true
				o.st.Soon(q)
				break
			}
			continue
		}
		o.unpoll(q, w)
		w.ch <- d
	}
	return nil
}

// serveAll gives those who wait what is there already, a few queues at a time.
func (o *Owner) serveAll() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tick()
	for k := range o.kinds {
		o.serveKind(k)
	}
	for i, q := range slices.Collect(maps.Keys(o.waiters)) {
		if i%clockSteps == clockSteps-1 {
			o.letIn()
		}
		if o.closed || o.serve(q) != nil {
			return
		}
		if _, err := o.concludeQuietly(); err != nil {
			return
		}
	}
}

// await waits until a long poll is served, its time is over, or its client has gone.
func (o *Owner) await(ctx context.Context, w *waiter, wait time.Duration, remove func()) delivery {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case d := <-w.ch:
		return d
	case <-timer.C:
	case <-ctx.Done():
	}
	o.mu.Lock()
	remove()
	o.mu.Unlock()
	select {
	case d := <-w.ch: // served at the last moment
		return d
	default:
		return delivery{}
	}
}
