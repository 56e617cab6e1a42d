package journal

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// Run stores what is appended, answers commits and trims the log, until ctx ends or the journal fails. It
// is called once, after Claim. When ctx ends it takes no more appends, stores what is pending for at most
// FlushTimeout, and returns nil; commits that are left have failed with ErrClosed then. Otherwise it
// returns why the journal failed.
func (j *Journal) Run(ctx context.Context) error {
	j.mu.Lock()
	err := j.refusal()
	if err == nil && j.running {
		err = errors.New("journal: Run was called twice")
	}
	if err != nil {
		j.mu.Unlock()
		return err
	}
	j.running = true
	j.mu.Unlock()

	// The work goes on for a while after ctx has ended.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer stop()
	trimming, stopTrimming := context.WithCancel(ctx)
	defer stopTrimming()
	tasks.Go(func() { j.trimLoop(trimming) })
	written := make(chan error, 1)
	tasks.Go(func() { written <- j.write(work) })

	select {
	case err := <-written:
		j.fail(err)
		return j.Err()
	case <-ctx.Done():
	}
	j.mu.Lock()
	if j.state == open {
		j.state = stopping
	}
	j.mu.Unlock()
	signal(j.wake)
	limit := time.NewTimer(j.cfg.FlushTimeout)
	defer limit.Stop()
	select {
	case err := <-written:
		if err != nil {
			j.fail(err)
			return j.Err()
		}
	case <-limit.C:
		j.cfg.Logger.Warn("journal stopped before everything was stored", keyResource, j.cfg.Name)
	}
	j.fail(ErrClosed)
	return nil
}

// yields is how often the writer lets others run before it seals a batch.
const yields = 2

// step is what the writer has to do next.
type step int

const (
	wait step = iota
	publish
	resolve
	finish
)

// next decides.
func (j *Journal) next() (step, *batch) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.state == dead {
		return finish, nil
	}
	for _, b := range j.pending[:j.sent] {
		if b.answered && b.err != nil {
			// Those behind it have failed too or are about to: let all answers come in first.
			if j.inFlight > 0 {
				return wait, nil
			}
			return resolve, nil
		}
	}
	// Those count, too, that are answered while one before them is not: a claim's fences hold up only as many
	// sequences from the last one that is known to be stored.
	if j.sent >= j.cfg.MaxInFlight {
		return wait, nil
	}
	if j.sent == len(j.pending) {
		if j.gather == nil {
			if j.state == stopping && j.sent == 0 {
				return finish, nil
			}
			return wait, nil
		}
		if j.inFlight > 0 {
			// Beside appends under way only full ones are published. Others cost more than they gain:
			// each needs a sync of its own, and gathers more records while it waits.
			return wait, nil
		}
		j.seal()
	}
	b := j.pending[j.sent]
	j.sent++
	j.inFlight++
	return publish, b
}

// write is the writer: it publishes batches in order and sorts out what went wrong. It returns nil when
// the journal was stopped and nothing is left, or is dead.
func (j *Journal) write(ctx context.Context) error {
	for {
		what, b := j.next()
		switch what {
		case publish:
			j.publish(b)
		case resolve:
			if err := j.resolve(ctx); err != nil {
				return err
			}
		case finish:
			return nil
		case wait:
			select {
			case <-j.wake:
				// Those whose commits were just answered mostly append again at once: let them, so
				// that their records share one append. With nobody else to run this costs nothing.
				for range yields {
					runtime.Gosched()
				}
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// publish hands a batch to the log.
func (j *Journal) publish(b *batch) {
	if !b.complete {
		seal(b.buf, b.records)
		b.complete = true
	}
	b.published = j.cfg.Now()
	j.cfg.Log.Append(b.buf, entryID(j.cfg.Writer, b.number), b.seq-1, func(seq uint64, err error) {
		j.answer(b, seq, err)
	})
}

// answer takes the log's answer to one append.
func (j *Journal) answer(b *batch, seq uint64, err error) {
	if err == nil && seq != b.seq {
		err = fmt.Errorf("journal: append %d was stored as %d", b.seq, seq)
	}
	j.mu.Lock()
	if j.state == dead {
		j.mu.Unlock()
		return
	}
	b.answered, b.err = true, err
	j.inFlight--
	done := j.settle()
	j.mu.Unlock()
	j.announce(done)
	signal(j.wake)
}
