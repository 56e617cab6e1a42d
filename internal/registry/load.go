package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// loadAttempts is how often a load is begun anew because others removed what it
// was about to read.
const loadAttempts = 10

// load reads the whole log and puts what it says in place of what memory holds.
// Listeners are told of the differences.
func (r *Registry) load(ctx context.Context) error {
	r.applying <- struct{}{}
	defer func() { <-r.applying }()
	for attempt := 1; ; attempt++ {
		s, err := r.readAll(ctx)
		if err == nil {
			r.adopt(s)
			return nil
		}
		if !errors.Is(err, errTrimmed) || attempt == loadAttempts {
			return err
		}
	}
}

// errTrimmed: the start of the log was removed while it was read.
var errTrimmed = errors.New("registry: the definitions were trimmed while they were read")

// readAll makes a state of all that the log holds.
func (r *Registry) readAll(ctx context.Context) (*state, error) {
	known, err := r.readMark(ctx)
	if err != nil {
		return nil, err
	}
	first, last, err := r.bounds(ctx, known)
	if err != nil {
		return nil, err
	}
	s := newState(r.kinds)
	began := time.Now()
	told := began
	err = r.cfg.Log.Read(ctx, first, last, func(e jet.Entry) error {
		n, err := s.read(e)
		if err != nil {
			return err
		}
		steps, err := s.steps(n, true)
		if err != nil {
			return inEntry(e.Seq, err)
		}
		s.apply(e.Seq, n, steps)
		if n.revision == known.Revision && n.sum != known.Sum {
			return &DamageError{e.Seq, "another one was stored with its revision: the definitions were replaced by a copy that had gone another way"}
		}
		if now := time.Now(); now.Sub(told) >= time.Second {
			told = now
			r.log.Info("loading definitions", "definitions", s.size(), "entries", e.Seq-first+1, "of", last-first+1)
		}
		return nil
	})
	if err == nil && s.seq < last {
		err = &DamageError{s.seq + 1, "it is missing"} // or all were removed since
	}
	if err == nil {
		err = s.whole()
	}
	if err != nil {
		return nil, r.explain(ctx, first, err)
	}
	switch {
	case s.revision < known.Revision:
		return nil, &BehindError{Have: s.revision, Known: known.Revision}
	case s.revision > known.Revision: // who stored the last ones may have died before it noted them
		wake(r.wakeMark)
	}
	if s.size() > 0 {
		r.log.Info("definitions loaded", "definitions", s.size(), "revision", s.revision,
			"loaded_in", time.Since(began).Round(time.Millisecond).String())
	}
	return s, nil
}

// bounds of the log. A replica that leads anew may lag behind what is known, so
// it is asked again for a while.
func (r *Registry) bounds(ctx context.Context, known mark) (first, last uint64, err error) {
	for attempt := 0; ; attempt++ {
		first, last, err = r.cfg.Log.Bounds(ctx)
		if err != nil {
			return 0, 0, err
		}
		if last >= known.Entry {
			break
		}
		if attempt == behindAttempts {
			have := int64(known.Revision) - int64(known.Entry-last)
			return 0, 0, &BehindError{Have: uint64(max(have, 0)), Known: known.Revision}
		}
		timer := time.NewTimer(behindPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return 0, 0, ctx.Err()
		}
	}
	if first > last && last > 0 {
		return 0, 0, &DamageError{0, fmt.Sprintf("all entries up to %d were removed", last)}
	}
	return first, last, nil
}

// explain finds out why reading from first on failed.
func (r *Registry) explain(ctx context.Context, first uint64, err error) error {
	if errors.Is(err, jet.ErrUnavailable) || ctx.Err() != nil {
		return err
	}
	now, _, e := r.cfg.Log.Bounds(ctx)
	switch {
	case e != nil:
		return e
	case now > first:
		return errTrimmed
	case errors.Is(err, jet.ErrNotFound):
		return &DamageError{0, err.Error()}
	}
	return err
}

// adopt has memory show s and tells the listeners what differs. Call it from within
// applying.
func (r *Registry) adopt(s *state) {
	r.mu.Lock()
	before := r.state
	r.state = s
	for tag, h := range r.kinds {
		h.show(s.contents[tag])
	}
	r.mu.Unlock()
	for tag, h := range r.kinds {
		s.contents[tag].differences(before.contents[tag], h.tell)
	}
	r.advance(s.revision)
}
