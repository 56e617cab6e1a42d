package owner

import (
	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/queue"
)

// attemptKey is a receive attempt id of a queue.
type attemptKey struct {
	q  *state.Queue
	id queue.DedupID
}

// attemptUse counts the requests of one receive attempt that hold the same
// messages and are not answered yet. What they hold is given back only by the
// last one of them, if none was answered: the client may have it from any other,
// whichever came first. It is known while any of them is under way, so a request
// that comes when another was answered, or was answered by an owner before, finds
// none and gives nothing back.
type attemptUse struct {
	pending  int
	answered bool
}

// joinAttempt counts a request of an attempt; nil if those before it are not known
// any more. Call with mu held.
func (o *Owner) joinAttempt(q *state.Queue, id queue.DedupID, repeated bool) *attemptUse {
	key := attemptKey{q, id}
	u := o.attempts[key]
	switch {
	case !repeated:
		u = &attemptUse{}
		o.attempts[key] = u
	case u == nil:
		return nil
	}
	u.pending++
	return u
}

// endAttempt ends a request of an attempt, and reports whether what it holds is to
// be given back: never if it was answered. Call with mu held.
func (o *Owner) endAttempt(d delivery, answered bool) bool {
	u := d.use
	if u == nil {
		return false
	}
	u.pending--
	u.answered = u.answered || answered
	if !u.answered && u.pending > 0 {
		return false
	}
	if key := (attemptKey{d.q, *d.attempt}); o.attempts[key] == u {
		delete(o.attempts, key)
	}
	// If the attempt is gone, the client has dealt with some of it by now.
	_, there := d.q.Repeated(*d.attempt)
	return there && !u.answered
}

// delivered notes that the client of a delivery gets it.
func (o *Owner) delivered(d delivery) {
	if d.use == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.endAttempt(d, true)
}

// giveBack makes messages visible at once that were taken for a client who is
// no longer there to have them.
func (o *Owner) giveBack(d delivery) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if d.attempt != nil && !o.endAttempt(d, false) || o.closed || d.q.Gone() {
		return
	}
	now := o.tick()
	for i := range d.messages {
		_ = o.st.Hide(d.q, d.messages[i].Key, d.messages[i].Receives, now) // or it is gone, or received again
	}
	_, _ = o.concludeQuietly()
}
