package journal

import (
	"context"
	"time"
)

// Retain says that one more live item stands in an append and needs so many of its bytes. What has no live
// item, and nothing live before it, is trimmed. Retain at once after Append, and while replaying.
func (j *Journal) Retain(append uint64, bytes int) { j.ring.retain(append, max(bytes, 0)) }

// Release takes back one Retain with the same bytes. Append the fact by which the item died first: an
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
	return trim
}

// trimLoop removes the dead prefix of the log, not more often than every TrimEvery. It sleeps while there
// is none.
func (j *Journal) trimLoop(ctx context.Context) {
	last := j.cfg.Now()
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
			if rest(ctx, j.cfg.TrimEvery) != nil {
				return
			}
			now := j.cfg.Now()
			if j.ring.dead(front, j.cfg.TrimBytes) < j.cfg.TrimBytes && now.Sub(last) < j.cfg.TrimAge {
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
				j.cfg.Logger.Warn("cannot trim the journal", keyService, "journal", keyResource, j.cfg.Name, keyError, err)
				continue
			}
			last = now
		}
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

// purge removes everything before an append from the log.
func (j *Journal) purge(ctx context.Context, before uint64) error {
	first := j.ring.first()
	if before <= first {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := j.cfg.Log.Purge(limited, before); err != nil {
		return err
	}
	j.ring.drop(before)
	j.trimmed.Add(before - first)
	if hook := j.cfg.Observe.Trimmed; hook != nil {
		hook(before - first)
	}
	return nil
}
