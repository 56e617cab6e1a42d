package owner

import (
	"errors"
	"fmt"

	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/partition/state"
)

// admit takes a place among the requests that wait for the log, until leave. The
// journal itself bounds its pending bytes far above, so that a change which was
// let in can always be written.
func (o *Owner) admit(bytes int) error {
	n, b := o.admitted.Add(1), o.admittedBytes.Add(int64(bytes))
	if n > o.cfg.Limits.MaxRequests || b > o.cfg.Limits.MaxRequestBytes {
		o.leave(bytes)
		return ErrBusy
	}
	return nil
}

func (o *Owner) leave(bytes int) {
	o.admitted.Add(-1)
	o.admittedBytes.Add(-int64(bytes))
}

// change runs a change of one queue under the lock: fn decides, the answer is
// given when what it decided is durable. What fn refuses is told only then, too.
func (o *Owner) change(bytes int, r state.Ref, fn func(q *state.Queue, def *definition) error) error {
	if err := o.admit(bytes); err != nil {
		return err
	}
	defer o.leave(bytes)
	o.mu.Lock()
	commit, err := o.changeLocked(r, fn)
	o.mu.Unlock()
	return o.answer(commit, err)
}

func (o *Owner) changeLocked(r state.Ref, fn func(q *state.Queue, def *definition) error) (*journal.Commit, error) {
	q, def, err := o.open(r)
	if err != nil {
		return nil, err
	}
	refusal := fn(q, def)
	commit, err := o.conclude()
	if err != nil {
		return nil, err
	}
	return commit, refusal
}

// answer waits until commit is durable, then gives err. Without a commit err
// rests on nothing that another owner could have changed.
func (o *Owner) answer(commit *journal.Commit, err error) error {
	if commit == nil {
		return err
	}
	if failure := durable(commit); failure != nil {
		return failure
	}
	return err
}

// durable waits until everything up to c is durable, and turns a failure into
// what the client may know.
func durable(c *journal.Commit) error {
	<-c.Done()
	err := c.Err()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, journal.ErrFull):
		return ErrFull
	default:
		return fmt.Errorf("%w (%v)", ErrUnavailable, err) //nolint:errorlint // of the cause only its words
	}
}

// open finds a queue that requests may use and brings it up to now. Others may
// get the lock in between. Call with mu held.
func (o *Owner) open(r state.Ref) (*state.Queue, *definition, error) {
	for {
		if o.closed {
			return nil, nil, ErrNotOwner
		}
		o.tick()
		q, def, err := o.find(r)
		if err != nil {
			return nil, nil, err
		}
		if !o.st.Advance(q) {
			return q, def, nil
		}
		if _, err := o.write(); err != nil {
			return nil, nil, err
		}
		o.mu.Unlock()
		o.mu.Lock()
	}
}

// find finds or makes a queue that requests may use, and has its definition
// written if the log does not know it. Call with mu held.
func (o *Owner) find(r state.Ref) (*state.Queue, *definition, error) {
	switch {
	case r.Kind == state.KindQueue:
		def, ok := o.cfg.Registry.QueueByID(r.ID)
		if !ok || def.Partition != o.cfg.Partition {
			return nil, nil, ErrQueueGone
		}
		q := o.st.Open(r)
		if !q.Defined() || q.Revision() < def.Revision {
			o.st.Configure(q, o.termsOf(def))
			o.st.Define(q)
		}
		return q, def, nil
	case r.Kind >= state.FirstService:
		if _, ok := o.cfg.Kinds[r.Kind]; ok {
			return o.st.Open(r), nil, nil
		}
	}
	return nil, nil, ErrQueueGone
}

// conclude writes what was decided, serves those who wait for the queues that
// changed, and returns the commit that holds everything so far. Call with mu
// held, at the end of every change.
func (o *Owner) conclude() (*journal.Commit, error) {
	commit, err := o.concludeQuietly()
	if err == nil && commit == nil {
		commit = o.j.Barrier()
	}
	return commit, err
}

// concludeQuietly is conclude for changes that nobody waits for: no commit if
// nothing was written.
func (o *Owner) concludeQuietly() (*journal.Commit, error) {
	commit, err := o.write()
	for q := o.st.NextTouched(); q != nil && err == nil; q = o.st.NextTouched() {
		for n := 1; o.st.Advance(q); n++ {
			if commit, err = o.later(commit); err != nil {
				return nil, err
			}
			if n == advanceSteps {
				o.behind = true
				break
			}
		}
		if commit, err = o.later(commit); err != nil {
			return nil, err
		}
		if err = o.serve(q); err != nil {
			return nil, err
		}
		o.st.Review(q)
		if q.Ref.Kind == state.KindOutbox && q.Counts().Visible > 0 {
			wake(o.wakeForward)
		}
		if q.Ref.Kind >= state.FirstService {
			if g := o.gathers[q]; g != nil && g.satisfied(q) {
				wake(g.enough)
			}
			o.serveKind(q.Ref.Kind)
		}
	}
	if err != nil {
		return nil, err
	}
	o.account()
	if o.st.Trash() {
		wake(o.wakeRelease)
	}
	if at, ok := o.st.Due(); ok && at < o.clockAt {
		o.clockAt = at
		wake(o.wakeClock)
	}
	return commit, nil
}

// advanceSteps is how many steps of expiry and dead-lettering (1000 messages
// each) one change carries out beside itself: a few milliseconds. The clock goes on
// with the rest, and lets others in between.
const advanceSteps = 3

// later is the commit of what was decided since, or the given one.
func (o *Owner) later(commit *journal.Commit) (*journal.Commit, error) {
	c, err := o.write()
	if c == nil {
		c = commit
	}
	return c, err
}

// write hands the open record to the journal; a nil commit if there is none. If
// it can't, memory and log differ, and the owner is closed. Call with mu held.
func (o *Owner) write() (*journal.Commit, error) {
	rec := o.st.Record()
	if rec == nil {
		return nil, nil
	}
	at, c, err := o.j.Append(rec)
	if err != nil {
		o.log.Warn("the journal takes no more records, the partition is loaded again", "error", err)
		o.close()
		return nil, ErrNotOwner
	}
	o.st.Written(state.Pos(at))
	return c, nil
}
