package registry

import (
	"context"
	"errors"
	"time"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/logkey"
)

// round is one read of the log that brings memory up to its end. All who ask
// before it begins share it.
type round struct {
	done chan struct{}
	err  error // read after done
}

// Sync brings memory up to what the log held when Sync was called: it waits for a
// read that begins after that, which all share who wait. Errors: ErrUnavailable,
// ctx's.
func (r *Registry) Sync(ctx context.Context) error {
	r.roundMu.Lock()
	if r.round == nil {
		r.round = &round{done: make(chan struct{})}
		wake(r.wakeReader)
	}
	round := r.round
	r.roundMu.Unlock()
	select {
	case <-round.done:
		return round.err
	case <-ctx.Done():
		return ctx.Err()
	case <-r.stopped:
		return errStopped
	}
}

// read brings memory up to the log whenever somebody asks, and every
// Config.Refresh, until ctx ends.
func (r *Registry) read(ctx context.Context) error {
	refresh := time.NewTicker(r.cfg.Refresh)
	defer refresh.Stop()
	away := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.wakeReader:
		case <-refresh.C:
		}
		r.roundMu.Lock()
		round := r.round
		r.round = nil
		r.roundMu.Unlock()
		err := r.catchUp(ctx)
		if ctx.Err() != nil {
			err = errStopped
		}
		if round != nil {
			round.err = err
			close(round.done)
		}
		if ctx.Err() != nil {
			return nil
		}
		if fatal(err) {
			return err
		}
		if (err != nil) != away {
			if away = err != nil; away {
				r.log.Warn("the definitions cannot be read just now, memory answers", logkey.Error, err)
			} else {
				r.log.Info("the definitions can be read again")
			}
		}
	}
}

// fatal reports whether to go on after err would lose definitions.
func fatal(err error) bool {
	var damage *DamageError
	var behind *BehindError
	var version *VersionError
	return errors.As(err, &damage) || errors.As(err, &behind) || errors.As(err, &version)
}

// readBytes is how much of the log is read at a time, about.
const readBytes = 1 << 20

// catchUp takes in what the log has more than memory.
func (r *Registry) catchUp(ctx context.Context) error {
	last, err := r.cfg.Log.Last(ctx)
	if err != nil {
		return err
	}
	for {
		r.mu.RLock()
		have := r.state.seq
		r.mu.RUnlock()
		if have >= last {
			return nil
		}
		list, err := r.cfg.Log.GetRange(ctx, have+1, readBytes)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return &DamageError{have + 1, "it is missing"}
		}
		if list[0].Seq > have+1 {
			r.mu.RLock()
			moved := r.state.seq > have
			r.mu.RUnlock()
			if moved {
				continue
			}
			// Others have written all definitions again since, and removed what
			// this node did not read yet.
			if err := r.load(ctx); err != nil {
				return err
			}
			continue
		}
		if err := r.take(list, nil); errors.Is(err, errRepaired) {
			err = r.load(ctx)
			if err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
	}
}

// take brings entries into memory and tells the listeners. Those that memory has
// are passed over. with is called, if not nil, with mu held, when an entry is
// brought in.
func (r *Registry) take(list []jet.Entry, with func()) error {
	r.applying <- struct{}{}
	defer func() { <-r.applying }()
	for _, e := range list {
		if e.Seq <= r.state.seq { // changed only by who is in applying
			continue
		}
		n, err := r.state.read(e)
		if err != nil {
			return err
		}
		if n.flags&flagBase != 0 {
			return errRepaired
		}
		steps, err := r.state.steps(n, false)
		if err != nil {
			return inEntry(e.Seq, err)
		}
		r.mu.Lock()
		told := r.state.apply(e.Seq, n, steps)
		if with != nil {
			with()
		}
		r.mu.Unlock()
		for _, n := range told {
			r.kinds[n.tag].tell(n.old, n.now)
		}
		r.advance(n.revision)
	}
	return nil
}

// errRepaired: the log begins anew, memory has to be loaded.
var errRepaired = errors.New("registry: the definitions were repaired")

// inEntry makes err, about an item, one about its entry.
func inEntry(seq uint64, err error) error {
	if version := (*VersionError)(nil); errors.As(err, &version) {
		return err
	}
	return &DamageError{seq, err.Error()}
}

// advance raises the revision that listeners know.
func (r *Registry) advance(revision uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revision = revision
	if r.advanced != nil {
		close(r.advanced)
		r.advanced = nil
	}
}

// Revision that memory shows: every change up to it is in, and none that is newer.
// Listeners may not have been told of the last ones yet, see WaitFor.
func (r *Registry) Revision() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.state.revision
}

// told is the revision that memory shows and all listeners know.
func (r *Registry) told() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.revision
}

// WaitFor waits until memory shows revision and all listeners were told, ctx is
// done (its error) or Run has returned (ErrUnavailable). It has the log read at
// once if memory is behind.
func (r *Registry) WaitFor(ctx context.Context, revision uint64) error {
	for asked := false; ; asked = true {
		r.mu.Lock()
		if r.revision >= revision {
			r.mu.Unlock()
			return nil
		}
		if r.advanced == nil {
			r.advanced = make(chan struct{})
		}
		advanced := r.advanced
		r.mu.Unlock()
		if !asked {
			wake(r.wakeReader)
		}
		select {
		case <-advanced:
		case <-ctx.Done():
			return ctx.Err()
		case <-r.stopped:
			return errStopped
		}
	}
}

const (
	// behindAttempts and behindPause say how long the log is asked again when it
	// ends before a revision that is known: a replica that leads anew may lag.
	behindAttempts = 20
	behindPause    = 100 * time.Millisecond
)

// Require makes sure that memory shows all changes up to revision, which the
// caller knows to have been stored: a journal names it, say. It is what a
// partition calls with the highest revision that it replayed, before it takes
// anything for deleted. It costs nothing when memory shows revision already.
//
// Errors: *BehindError when the log itself does not reach so far: definitions
// were lost, nothing may be concluded from their absence. ErrUnavailable: the log
// cannot be read; retryable. ctx's.
func (r *Registry) Require(ctx context.Context, revision uint64) error {
	for attempt := 0; ; attempt++ {
		have := r.told()
		if have >= revision {
			return nil
		}
		if attempt > behindAttempts {
			return &BehindError{Have: have, Known: revision}
		}
		if attempt > 1 {
			timer := time.NewTimer(behindPause)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return ctx.Err()
			}
		}
		if err := r.Sync(ctx); err != nil {
			return err
		}
	}
}
