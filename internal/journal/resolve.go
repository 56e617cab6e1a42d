package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// verdict says what became of an append.
type verdict int

const (
	stored  verdict = iota // it stands in the log
	absent                 // it does not, and its place is free
	foreign                // its place is taken by another entry
)

// lookTimeout bounds each look at what became of an append.
const lookTimeout = time.Second

// resolve is called when the log has answered everything that was published, and something went wrong. It
// finds out what became of the first batch that is not known to be durable, and either settles it, has
// everything from there on published again, or returns why the journal has to fail.
//
// Publishing again is safe even if an earlier attempt is still on its way: both carry the same bytes and
// expect the same last sequence, so one of them is stored at most.
func (j *Journal) resolve(ctx context.Context) error {
	j.mu.Lock()
	if len(j.pending) == 0 { // failed meanwhile
		j.mu.Unlock()
		return nil
	}
	b := j.pending[0]
	if j.troubleSince.IsZero() {
		j.troubleSince = j.cfg.Now()
	}
	since, pause := j.troubleSince, j.backoff
	j.backoff = min(max(2*j.backoff, 20*time.Millisecond), time.Second)
	j.mu.Unlock()

	switch {
	case errors.Is(b.err, jet.ErrFull):
		return fmt.Errorf("%w: %w", ErrFull, b.err)
	case !errors.Is(b.err, jet.ErrWrongSequence) && !retryable(b.err):
		return fmt.Errorf("journal: append %d: %w", b.seq, b.err)
	}
	if err := rest(ctx, pause); err != nil {
		return nil // stopped: Run says so to those who wait
	}
	// Questions to a log without a leader get lost; ask again rather than wait long.
	asking, cancel := context.WithTimeout(ctx, lookTimeout)
	what, err := look(asking, j.cfg.Log, b.seq, entryID(j.cfg.Writer, b.number))
	cancel()
	switch {
	case err != nil && ctx.Err() != nil:
		return nil
	case err != nil && !retryable(err):
		return err
	case j.cfg.Now().Sub(since) > j.cfg.GiveUp:
		if err == nil {
			err = b.err
		}
		return fmt.Errorf("%w: append %d: %w", ErrUnavailable, b.seq, err)
	case err != nil:
		return nil // look again, later
	case what == foreign:
		return ErrFenced
	}
	j.mu.Lock()
	var done []*batch
	if j.state != dead {
		if what == stored {
			b.answered, b.err = true, nil
			done = j.settle()
		} else {
			for _, b := range j.pending[:j.sent] {
				b.answered, b.err = false, nil
			}
			j.sent = 0
		}
	}
	j.mu.Unlock()
	j.announce(done)
	return nil
}

// look finds out whether the append with this id stands at seq.
func look(ctx context.Context, log Log, seq uint64, id string) (verdict, error) {
	for range 2 {
		e, err := log.Get(ctx, seq)
		if err == nil {
			if e.ID == id {
				return stored, nil
			}
			return foreign, nil
		}
		if !errors.Is(err, jet.ErrNotFound) {
			return 0, err
		}
		first, last, err := log.Bounds(ctx)
		if err != nil {
			return 0, err
		}
		if last == seq-1 {
			return absent, nil
		}
		if last < seq-1 {
			// What was acknowledged is not there. A leader that just lost its office may say so for a
			// moment, so it is asked again for a while.
			return 0, fmt.Errorf("%w: its last sequence is %d, %d was acknowledged", jet.ErrUnavailable, last, seq-1)
		}
		if first > seq {
			return foreign, nil // trimmed already: only an owner does that
		}
		// Something was stored there since we looked: look once more.
	}
	// It may be ours: a leader that has just come to its office may not have it for a moment.
	return 0, fmt.Errorf("%w: entry %d", errMissing, seq)
}

// errMissing: the log says that it has an entry, and does not find it.
var errMissing = fmt.Errorf("%w: what was stored is not found", jet.ErrUnavailable)

// rest waits for d, or until ctx ends.
func rest(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// retryable says whether err leaves open what the log did, or may go away by itself.
func retryable(err error) bool {
	return errors.Is(err, jet.ErrUnavailable) || errors.Is(err, jet.ErrNoResponders)
}
