package owner

import (
	"errors"
	"fmt"
	"runtime"

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
	o.abandon(q)
	return commit, refusal
}

// abandon forgets a queue that was only asked for. Call with mu held.
func (o *Owner) abandon(q *state.Queue) {
	if o.waiters[q].len() == 0 {
		o.st.Abandon(q)
	}
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
		o.letIn()
	}
}

// letIn lets others have the lock in the middle of long work. To unlock alone is not
// enough: this goroutine would go on running and lock again before those that were
// woken get a processor. Call with mu held.
func (o *Owner) letIn() {
	o.mu.Unlock()
	runtime.Gosched()
	o.mu.Lock()
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
		if o.served[r.Kind] {
			return o.st.Open(r), nil, nil
		}
	}
	return nil, nil, ErrQueueGone
}

// conclude writes what was decided, serves those who wait for the queues that
// changed, and returns the commit that holds everything so far. An error says that
// nothing of the change was written, so that it can be made again elsewhere: from
// the moment its record is in the journal only the commit tells what became of it.
// Call with mu held, at the end of every change.
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
	if err != nil {
		return nil, err
	}
	last, err := o.follow()
	switch {
	case last != nil:
		return last, nil
	case commit != nil:
		return commit, nil
	}
	return nil, err
}

// follow does what follows from a change: it brings the queues that changed up to
// now and serves those who wait for them. If a write fails on the way the owner is
// closed; the commit is then that of what was written before. Call with mu held.
func (o *Owner) follow() (commit *journal.Commit, err error) {
	for q := o.st.NextTouched(); q != nil; q = o.st.NextTouched() {
		for n := 1; o.st.Advance(q); n++ {
			if commit, err = o.later(commit); err != nil {
				return commit, err
			}
			if n == advanceSteps {
				o.behind = true
				break
			}
		}
		if commit, err = o.later(commit); err != nil {
			return commit, err
		}
		if err = o.serve(q); err != nil {
			return commit, err
		}
		o.st.Review(q)
		o.noticeOrphan(q)
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
	o.account()
	if o.st.Trash() {
		wake(o.wakeRelease)
	}
	// Also when the time leapt, and what the clock sleeps until is over.
	if at, ok := o.st.Due(); ok && (at < o.clockAt || o.clockAt < o.st.Now()) {
		o.clockAt = at
		wake(o.wakeClock)
	}
	return commit, nil
}

// advanceSteps is how many steps of expiry and dead-lettering (500 messages each)
// one change carries out beside itself: a millisecond or two. The clock goes on with
// the rest, and lets others in between.
const advanceSteps = 1

// later is the commit of what was decided since, or the given one; also when the
// writing fails.
func (o *Owner) later(commit *journal.Commit) (*journal.Commit, error) {
	c, err := o.write()
	if c == nil {
		c = commit
	}
	return c, err
}

// write hands the open record to the journal; a nil commit if there is none. If
// it can't, memory and log differ, and the owner is closed: nothing that was decided
// from there on may reach the log. Call with mu held.
func (o *Owner) write() (*journal.Commit, error) {
	rec := o.st.Record()
	if rec == nil {
		return nil, nil
	}
	if o.closed {
		return nil, ErrNotOwner
	}
	at, c, err := o.j.Append(rec)
	if err != nil {
		o.log.Warn("the journal takes no more records, the partition is loaded again", "error", err)
		o.close()
		return nil, ErrNotOwner
	}
	o.st.Written(state.Pos(at))
	o.forgetDropped()
	return c, nil
}
