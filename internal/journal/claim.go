package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

const (
	// claimTries bounds how often a claim is tried again because another writer was faster.
	claimTries = 64

	// A chunk of entries on its way from the log to replay, and how many may wait.
	chunkEntries = 512
	chunkBytes   = 1 << 20
	chunks       = 4

	progressEvery = 200 * time.Millisecond
)

// Claim makes this journal the owner of the log: it fences former writers out and calls replay for every
// record there is, in order, on the calling goroutine. rec is a part of a larger buffer: copy what is to be
// kept. replay calls Retain and Release for what it learns. progress (which may be nil) is called now and
// then, and at the end. Claim is called once, before everything else; when it returns nil, appends are
// taken and Run has to be started.
//
// Errors: *CorruptError, ErrFenced (others are claiming too), ErrFull, ErrUnavailable, ErrTrimmed, or what
// replay returned. The journal is of no use then.
func (j *Journal) Claim(ctx context.Context, replay func(pos Pos, rec []byte) error, progress func(Progress)) error {
	j.mu.Lock()
	if j.state != fresh {
		j.mu.Unlock()
		return errors.New("journal: Claim was called twice")
	}
	j.state = claiming
	j.mu.Unlock()

	err := j.claim(ctx, replay, progress)
	if err != nil {
		err = fmt.Errorf("claim %s: %w", j.cfg.Name, err)
		j.fail(err)
	}
	return err
}

func (j *Journal) claim(ctx context.Context, replay func(pos Pos, rec []byte) error, progress func(Progress)) error {
	fence, err := j.fence(ctx)
	if err != nil {
		return err
	}
	if err := j.replay(ctx, fence, replay, progress); err != nil {
		return err
	}
	j.mu.Lock()
	j.durable.Store(fence)
	j.nextSeq, j.nextNumber = fence+1, MaxInFlightLimit
	j.state = open
	j.mu.Unlock()
	j.review()
	return nil
}

// fence writes the fence entries, one after another, and returns the sequence of the last.
func (j *Journal) fence(ctx context.Context) (uint64, error) {
	last, err := again(ctx, j, func() (uint64, error) { return j.cfg.Log.Last(ctx) })
	if err != nil {
		return 0, err
	}
	for number, tries := uint64(0), 0; number < MaxInFlightLimit; {
		what, err := j.place(ctx, number, last+1)
		if err != nil {
			return 0, err
		}
		if what == stored {
			last++
			number++
			continue
		}
		if tries++; tries > claimTries {
			return 0, fmt.Errorf("%w: it goes on writing", ErrFenced)
		}
		if number > 0 {
			// Either a former writer's append that was on its way already, which does not matter, or
			// somebody else has claimed the log after us.
			other, err := j.isFence(ctx, last+1)
			if err != nil {
				return 0, err
			}
			if other {
				return 0, ErrFenced
			}
			last++
			continue
		}
		if last, err = again(ctx, j, func() (uint64, error) { return j.cfg.Log.Last(ctx) }); err != nil {
			return 0, err
		}
	}
	return last, nil
}

// place tries to store a fence entry at seq, and finds out what became of it.
func (j *Journal) place(ctx context.Context, number, seq uint64) (verdict, error) {
	data := appendHeader(nil, j.cfg.Writer, number, flagFence)
	seal(data, 0)
	id := entryID(j.cfg.Writer, number)
	return again(ctx, j, func() (verdict, error) {
		answer := make(chan error, 1)
		j.cfg.Log.Append(data, id, seq-1, func(at uint64, err error) {
			if err == nil && at != seq {
				err = fmt.Errorf("fence %d was stored as %d", seq, at)
			}
			answer <- err
		})
		var err error
		select {
		case err = <-answer:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		switch {
		case err == nil:
			return stored, nil
		case errors.Is(err, jet.ErrFull):
			return 0, fmt.Errorf("%w: %w", ErrFull, err)
		case !errors.Is(err, jet.ErrWrongSequence) && !retryable(err):
			return 0, err
		}
		what, lookErr := look(ctx, j.cfg.Log, seq, id)
		if lookErr == nil && what == absent {
			return 0, fmt.Errorf("%w: %w", jet.ErrUnavailable, err) // publish it again
		}
		return what, lookErr
	})
}

// isFence says whether the entry at seq is a fence.
func (j *Journal) isFence(ctx context.Context, seq uint64) (bool, error) {
	e, err := again(ctx, j, func() (jet.Entry, error) { return j.cfg.Log.Get(ctx, seq) })
	if errors.Is(err, jet.ErrNotFound) {
		return true, nil // stored and trimmed since: only an owner does that
	}
	if err != nil {
		return false, err
	}
	h, err := decode(seq, e.Data, "")
	return h.fence, err
}

// again calls fn until it answers other than that the log cannot be reached, for GiveUp at most.
func again[T any](ctx context.Context, j *Journal, fn func() (T, error)) (T, error) {
	started := j.cfg.Now()
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		v, err := fn()
		if err == nil || !retryable(err) {
			return v, err
		}
		if j.cfg.Now().Sub(started) > j.cfg.GiveUp {
			return v, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		if err := rest(ctx, pause); err != nil {
			return v, err
		}
	}
}

// opening finds where the entries that count begin. The log's owner never trims up to an entry that does not
// count, but a removal that was cut short may end there: then a fence follows that is not its writer's first,
// and what stands before it came after the first.
func (j *Journal) opening(ctx context.Context, first, to uint64) (uint64, error) {
	from := first
	var former string
	_, err := again(ctx, j, func() (struct{}, error) {
		return struct{}{}, j.cfg.Log.Read(ctx, first, min(to, first+MaxInFlightLimit-1), func(e jet.Entry) error {
			h, err := decode(e.Seq, e.Data, "")
			switch {
			case err != nil:
				return errOpened // replay will say so
			case !h.fence:
				former = h.writer
				return nil
			case former != "" && h.writer != former && h.number > 0:
				from = e.Seq
			}
			return errOpened
		})
	})
	if errors.Is(err, errOpened) || errors.Is(err, jet.ErrNotFound) {
		err = nil
	}
	return from, err
}

// errOpened ends opening's read.
var errOpened = errors.New("opened")

// epoch follows who owns the log from entry to entry, and tells entries that count from those which a
// former owner had on their way when it was fenced.
type epoch struct {
	from   uint64 // no entry before it counts
	known  bool
	writer string
	next   uint64
}

// take says whether an entry counts.
func (p *epoch) take(seq uint64, h header) (bool, error) {
	switch {
	case seq < p.from:
		return false, nil
	case !p.known, h.fence && h.writer != p.writer:
		if p.known && h.number != 0 {
			return false, &CorruptError{Seq: seq, Reason: fmt.Sprintf("the first %d entries of its writer are missing", h.number)}
		}
		p.known, p.writer = true, h.writer
	case h.writer != p.writer:
		return false, nil
	case h.number != p.next:
		return false, &CorruptError{Seq: seq, Reason: fmt.Sprintf(
			"is its writer's entry %d where %d was to follow: entries are missing", h.number, p.next)}
	}
	p.next = h.number + 1
	return true, nil
}

// replay reads the log up to and with the entry at to. Entries are read by one goroutine, while this one
// checks and replays those read before.
func (j *Journal) replay(ctx context.Context, to uint64, fn func(Pos, []byte) error, progress func(Progress)) error {
	first, err := again(ctx, j, func() (uint64, error) {
		first, _, err := j.cfg.Log.Bounds(ctx)
		return first, err
	})
	if err != nil {
		return err
	}
	j.ring.start(first)
	own := epoch{}
	if own.from, err = j.opening(ctx, first, to); err != nil {
		return err
	}
	reading, stop := context.WithCancel(ctx)
	in := make(chan []jet.Entry, chunks)
	read := make(chan error, 1)
	go func() {
		read <- readChunks(reading, j.cfg.Log, first, to, in)
		close(in)
	}()
	finish := func() error { // the reader has ended when this returns
		stop()
		for range in {
		}
		return <-read
	}

	started := j.cfg.Now()
	reported := started
	p := Progress{TotalEntries: to - first + 1}
	report := func(now time.Time) {
		p.Elapsed, reported = now.Sub(started), now
		if progress != nil {
			progress(p)
		}
	}
	expect := first
	for chunk := range in {
		for _, e := range chunk {
			if e.Seq != expect {
				if expect, err = j.gap(ctx, first, expect, e.Seq); err != nil {
					_ = finish()
					return err
				}
				p.TotalEntries = to - expect + 1
			}
			records, err := j.replayEntry(e, &own, fn)
			if err != nil {
				_ = finish()
				return err
			}
			expect++
			p.Entries++
			p.Bytes += uint64(len(e.Data))
			p.Records += uint64(records)
		}
		if now := j.cfg.Now(); now.Sub(reported) >= progressEvery {
			report(now)
		}
	}
	if err := finish(); err != nil && !errors.Is(err, jet.ErrNotFound) {
		if retryable(err) {
			err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return err
	}
	if expect != to+1 {
		if first, _, err := j.cfg.Log.Bounds(ctx); err == nil && first > expect {
			return ErrTrimmed
		}
		return &CorruptError{Seq: expect, Reason: "entry is missing from the log"}
	}
	report(j.cfg.Now())
	return nil
}

// gap judges a jump from expect to seq, and returns where replay goes on.
func (j *Journal) gap(ctx context.Context, first, expect, seq uint64) (uint64, error) {
	now, _, err := j.cfg.Log.Bounds(ctx)
	switch {
	case err != nil:
		return 0, err
	case seq < expect || now < seq:
		return 0, &CorruptError{Seq: expect, Reason: "entry is missing from the log"}
	case expect != first:
		// The former owner trimmed what it knew to be dead. What was replayed before the gap may have died in it.
		return 0, ErrTrimmed
	}
	j.ring.start(seq)
	return seq, nil
}

// replayEntry replays the records of one entry and returns how many there were.
func (j *Journal) replayEntry(e jet.Entry, own *epoch, fn func(Pos, []byte) error) (int, error) {
	h, err := decode(e.Seq, e.Data, own.writer)
	if err != nil {
		return 0, err
	}
	counts, err := own.take(e.Seq, h)
	if err != nil {
		return 0, err
	}
	j.ring.add(e.Seq, len(e.Data))
	if !counts {
		j.stale.Add(1)
		j.ring.pass(e.Seq)
		return 0, nil
	}
	return h.records, eachRecord(e.Seq, e.Data, h, fn)
}

// readChunks reads from..to into chunks. It does not wait for more once ctx has ended.
func readChunks(ctx context.Context, log Log, from, to uint64, out chan<- []jet.Entry) error {
	var chunk []jet.Entry
	size := 0
	flush := func() error {
		if len(chunk) == 0 {
			return nil
		}
		select {
		case out <- chunk:
			chunk, size = nil, 0
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := log.Read(ctx, from, to, func(e jet.Entry) error {
		chunk = append(chunk, e)
		size += len(e.Data)
		if len(chunk) >= chunkEntries || size >= chunkBytes {
			return flush()
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	return flush()
}
