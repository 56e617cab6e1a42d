package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// name is our node's entry: beats are a chain of compare-and-sets on it. One
// goroutine at a time uses it.
type name struct {
	k   *Keeper
	rev uint64 // of our newest beat
}

// take makes the node's name ours by a first beat. ErrNameTaken: its run lives.
func (m *name) take(ctx context.Context) error {
	for {
		former, rev, err := m.holder(ctx)
		if err != nil {
			return err
		}
		if former != "" {
			lives, err := m.lives(ctx, former, rev)
			if err != nil {
				return err
			}
			if lives {
				return fmt.Errorf("%w (%q)", ErrNameTaken, m.k.cfg.Node)
			}
		}
		m.rev = rev
		err = m.store(ctx, beat{Leaving: m.k.leaving.Load()})
		if !lostRace(err) {
			return err
		}
		// Another newcomer was faster, or it is our own first try.
	}
}

// holder is the run that has the name, as the leader knows it; "" if that is
// over, or is us. rev is the entry's revision, 0 if there is none.
func (m *name) holder(ctx context.Context) (run string, rev uint64, err error) {
	e, err := m.k.bucket.Get(ctx, nodeKey(m.k.cfg.Node))
	if errors.Is(err, jet.ErrNotFound) {
		return "", 0, nil
	}
	if err != nil {
		return "", 0, err
	}
	b := decodeBeat(e)
	if b.Stopped || b.Run == m.k.cfg.Run {
		return "", e.Revision, nil
	}
	return b.Run, e.Revision, nil
}

// lives reports whether a run is still there: it answers, or has beaten again by
// the time that it would have been given up. One that is dead has nobody serve
// its subject, which is known at once.
func (m *name) lives(ctx context.Context, run string, rev uint64) (bool, error) {
	cfg := &m.k.cfg
	began := cfg.Elapsed()
	asking, cancel := context.WithTimeout(ctx, cfg.TTL)
	_, err := cfg.Cluster.Request(asking, aliveSubject(cfg.Prefix, run), nil)
	cancel()
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, jet.ErrNoResponders):
		return false, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	}
	cfg.Logger.Info("a former run of this node may still be there, waiting for a sign of life", keyRun, run)
	if err := pause(ctx, cfg.TTL-(cfg.Elapsed()-began)); err != nil {
		return false, err
	}
	now, newRev, err := m.holder(ctx)
	return now == run && newRev != rev, err
}

// beat says that we live. ErrNameTaken: another run has our name.
func (m *name) beat(ctx context.Context, b beat) error {
	err := m.store(ctx, b)
	// A former beat of ours was stored though its answer was lost, the entry was
	// removed, or we were replaced.
	for try := 0; lostRace(err) && try < 3; try++ {
		former, rev, getErr := m.holder(ctx)
		if getErr != nil {
			return getErr
		}
		if former != "" {
			return fmt.Errorf("%w (%q): it took over while this one was silent", ErrNameTaken, m.k.cfg.Node)
		}
		m.rev = rev
		err = m.store(ctx, b)
	}
	return err
}

// store writes a beat in place of the entry with our revision.
func (m *name) store(ctx context.Context, b beat) (err error) {
	b.Run, b.Durable = m.k.cfg.Run, m.k.table.marks(m.k.reach())
	key, value := nodeKey(m.k.cfg.Node), encode(b)
	var rev uint64
	if m.rev == 0 {
		rev, err = m.k.bucket.Create(ctx, key, value)
	} else {
		rev, err = m.k.bucket.Update(ctx, key, value, m.rev)
	}
	if err == nil {
		m.rev = rev
	}
	return err
}

// lostRace reports whether a compare-and-set met something else than expected.
func lostRace(err error) bool {
	return errors.Is(err, jet.ErrWrongSequence) || errors.Is(err, jet.ErrExists)
}

// beats gives signs of life until ctx ends or the name is lost.
func (k *Keeper) beats(ctx context.Context) error {
	tick := time.NewTicker(k.period())
	defer tick.Stop()
	silent := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-k.beatNow:
		case <-tick.C:
		}
		// A beat that gets lost leaves time for another one within the lease.
		limited, cancel := context.WithTimeout(ctx, k.cfg.TTL/2)
		err := k.name.beat(limited, beat{Leaving: k.leaving.Load()})
		cancel()
		switch {
		case errors.Is(err, ErrNameTaken):
			return err
		case ctx.Err() != nil:
			return nil
		case err != nil && !silent:
			k.cfg.Logger.Warn("no sign of life can be given, other nodes may take over", keyError, err)
		case err == nil && silent:
			k.cfg.Logger.Info("signs of life are given again")
		}
		silent = err != nil
	}
}

// period between beats.
func (k *Keeper) period() time.Duration { return k.cfg.TTL / 4 }

// reach is how far the logs of the partitions served here reach.
func (k *Keeper) reach() map[uint32]uint64 {
	out := make(map[uint32]uint64)
	for _, r := range k.runs.list() {
		if durable := r.durable(); durable != nil {
			out[r.partition] = durable()
		}
	}
	return out
}

// aliveSubject is served by a run for as long as it lives.
func aliveSubject(prefix, run string) string { return prefix + ".alive." + run }

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
