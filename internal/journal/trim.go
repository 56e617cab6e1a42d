package journal

import (
	"context"
	"time"
)

// Retain says that so many more live items stand in an append and need so many of its bytes in all. What has no
// live item, and nothing live before it, is trimmed. Retain at once after Append, and while replaying.
func (j *Journal) Retain(append uint64, items, bytes int) {
	j.ring.retain(append, max(items, 0), max(bytes, 0))
}

// Release takes back one item of a Retain, with its part of the bytes. Append the fact by which the item died first: an
// append is trimmed only after everything appended before the Release is durable. It costs O(1).
func (j *Journal) Release(append uint64, bytes int) {
	rewrite, first := j.ring.release(append, max(bytes, 0))
	if rewrite {
		signal(j.rewrite)
	}
	if first {
		j.review()
	}
}

// review wakes the trimmer if it has something to do, and asks for rewriting if that is due.
func (j *Journal) review() (trim bool) {
	trim, rewrite := j.ring.review(j.durable.Load())
	if trim {
		signal(j.trim)
	}
	if rewrite {
		signal(j.rewrite)
	}
	if held, _ := j.ring.held(); held {
		signal(j.hurry)
	}
	return trim
}

// How often and from what on a dead prefix is removed while space is scarce: an eighth of the garbage that
// rewriting is asked for, and so much at most.
const (
	scarceTrimEvery = 20 * time.Millisecond
	scarceTrimBytes = 1 << 20
)

// SpaceShort says that the log's space is nearly used up (more than 0), or no longer is (0). While it is, a
// dead prefix is removed at once, and rewriting is asked for as soon as there are so many bytes of garbage,
// however much lives; yet never while half as much waits to be removed, 4 MiB at most, so that rewriting does
// not use up what is left. It may be called again and again.
func (j *Journal) SpaceShort(garbage int64) {
	if j.ring.short(max(garbage, 0)) {
		j.review()
	}
}

// RewriteWithin says how many bytes that rewriting has freed may wait to be removed: while there are as many,
// it waits, since it needs room itself, and they are removed at once. 0: any. It may be called again and again.
func (j *Journal) RewriteWithin(bytes int64) {
	if j.ring.within(max(bytes, 0)) {
		j.review()
	}
}

// trimLoop removes the dead prefix of the log, not more often than every TrimEvery. It sleeps while there
// is none.
func (j *Journal) trimLoop(ctx context.Context) {
	last := j.cfg.Now()
	pause := time.Duration(0) // at first: what was replayed is durable
	for {
		select {
		case <-j.trim:
		case <-ctx.Done():
			return
		}
		for j.review() {
			// What is dead now is trimmed after a pause, and once everything appended until after the
			// pause is durable: also the facts by which it died.
			front := j.ring.advance(j.durable.Load())
			if j.pause(ctx, pause) != nil {
				return
			}
			enough := j.cfg.TrimBytes
			pause = j.cfg.TrimEvery
			if short := j.ring.shortBy(); short > 0 {
				pause, enough = min(pause, scarceTrimEvery), min(enough, scarceTrimBytes, short/8)
			} else if held, room := j.ring.held(); held {
				enough = min(enough, room)
			}
			now := j.cfg.Now()
			if _, dead := j.ring.step(front, enough); dead < enough && now.Sub(last) < j.cfg.TrimAge {
				continue
			}
			if j.flushed(ctx) != nil {
				return
			}
			front = min(front, j.ring.advance(j.durable.Load()))
			if err := j.purge(ctx, front); err != nil {
				if ctx.Err() != nil {
					return
				}
				j.cfg.Logger.Warn("cannot trim the journal", keyResource, j.cfg.Name, keyError, err)
				continue
			}
			last = now
		}
	}
}

// pause waits so long, or until rewriting waits for the trimming.
func (j *Journal) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-j.hurry:
		return rest(ctx, min(d, scarceTrimEvery))
	case <-ctx.Done():
		return ctx.Err()
	}
}

// flushed waits until everything appended so far is durable.
func (j *Journal) flushed(ctx context.Context) error {
	j.mu.Lock()
	var c *Commit
	switch {
	case j.gather != nil:
		c = j.gather.commit
	case len(j.pending) > 0:
		c = j.pending[len(j.pending)-1].commit
	default:
		err := j.refusal()
		j.mu.Unlock()
		return err
	}
	j.mu.Unlock()
	return c.Wait(ctx)
}

// purgeStep is how much of the log is removed at once, in bytes: one block of a JetStream file store.
const purgeStep = 8 << 20

// purge removes everything before an append from the log, in steps: the log takes no appends while it
// removes, for about half a millisecond a megabyte. After each step it is left alone for as long as that
// took.
func (j *Journal) purge(ctx context.Context, before uint64) error {
	for {
		first := j.ring.first()
		to, _ := j.ring.step(before, purgeStep)
		if to <= first {
			return nil
		}
		began := time.Now()
		limited, cancel := context.WithTimeout(ctx, 30*time.Second)
		err := j.cfg.Log.Purge(limited, to)
		cancel()
		if err != nil {
			return err
		}
		j.ring.drop(to)
		j.trimmed.Add(to - first)
		if hook := j.cfg.Observe.Trimmed; hook != nil {
			hook(to - first)
		}
		if to >= before {
			return nil
		}
		if err := rest(ctx, time.Since(began)); err != nil {
			return err
		}
	}
}
