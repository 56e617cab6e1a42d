package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
		late := uint32(0)
		if number == 0 {
			if late, err = j.late(ctx, last); err != nil {
				return 0, err
			}
		}
		what, err := j.place(ctx, number, last+1, late)
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

// late counts the entries at the end of the log that do not count: somebody claimed it, a former writer's
// appends were stored all the same, and then the claim ended. The fence that follows them says so, or else
// nobody could tell once the one before them is trimmed.
func (j *Journal) late(ctx context.Context, last uint64) (uint32, error) {
	var writers []string // of the entries passed, the last one first
	for seq := last; seq > 0 && len(writers) < MaxInFlightLimit; seq-- {
		always := true
		e, err := again(ctx, j, func() (jet.Entry, error) {
			e, err := j.entry(ctx, seq)
			always = always && errors.Is(err, errMissing)
			return e, err
		})
		if always && errors.Is(err, errMissing) {
			return 0, &CorruptError{Seq: seq, Reason: "entry is missing from the log"}
		}
		if errors.Is(err, jet.ErrNotFound) {
			break // the log begins behind it, and was trimmed by the writer of what follows
		}
		if err != nil {
			return 0, err
		}
		h, err := decode(seq, e.Data, "")
		if err != nil {
			break // replay will say so
		}
		if h.fence {
			n := slices.Index(writers, h.writer)
			if n < 0 {
				n = len(writers)
			}
			return uint32(n), nil
		}
		writers = append(writers, h.writer)
	}
	return 0, nil
}

// entry is the one at seq; jet.ErrNotFound if it is trimmed, and only then.
func (j *Journal) entry(ctx context.Context, seq uint64) (jet.Entry, error) {
	e, err := j.cfg.Log.Get(ctx, seq)
	if !errors.Is(err, jet.ErrNotFound) {
		return e, err
	}
	first, _, boundsErr := j.cfg.Log.Bounds(ctx)
	if boundsErr == nil && first <= seq {
		boundsErr = fmt.Errorf("%w: entry %d", errMissing, seq)
	}
	if boundsErr != nil {
		return e, boundsErr
	}
	return e, err
}

// place tries to store a fence entry at seq, and finds out what became of it. late is said of the entries
// right before it.
func (j *Journal) place(ctx context.Context, number, seq uint64, late uint32) (verdict, error) {
	data := appendHeader(nil, j.cfg.Writer, number, flagFence)
	setLate(data, late)
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
	e, err := again(ctx, j, func() (jet.Entry, error) { return j.entry(ctx, seq) })
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

// opening finds where the entries that count begin, by the first MaxInFlightLimit of a log, or all it has. Its
// owner never trims up to an entry that does not count, but a removal that was cut short may end there. Then a
// fence follows, before which there are fewer than it can have held up: either it is not its writer's first,
// and what stands before it came after the first; or it says itself that they do not count.
func opening(head []jet.Entry) uint64 {
	var former string
	for _, e := range head {
		h, err := decode(e.Seq, e.Data, "")
		if err != nil {
			break // replay will say so
		}
		if !h.fence {
			former = h.writer
			continue
		}
		if h.number > 0 && former != "" && former != h.writer || h.number == 0 && h.late > 0 {
			return e.Seq
		}
		break
	}
	return head[0].Seq
}

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
	r := replaying{j: j, first: first, expect: first, fn: fn, p: &p}
	for chunk := range in {
		for _, e := range chunk {
			if err := r.take(ctx, e, to); err != nil {
				_ = finish()
				return err
			}
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
	if err := r.open(ctx); err != nil {
		return err
	}
	if r.expect != to+1 {
		if first, _, err := j.cfg.Log.Bounds(ctx); err == nil && first > r.expect {
			return ErrTrimmed
		}
		return &CorruptError{Seq: r.expect, Reason: "entry is missing from the log"}
	}
	report(j.cfg.Now())
	return nil
}

// replaying is a replay under way.
type replaying struct {
	j      *Journal
	first  uint64      // where the log began
	expect uint64      // the next entry
	head   []jet.Entry // the first ones, until they say where those begin that count
	opened bool
	own    epoch
	fn     func(Pos, []byte) error
	p      *Progress
}

// take replays the next entry of those up to to.
func (r *replaying) take(ctx context.Context, e jet.Entry, to uint64) error {
	if r.opened {
		return r.one(ctx, e)
	}
	r.head = append(r.head, e)
	if len(r.head) < MaxInFlightLimit && e.Seq < to {
		return nil
	}
	return r.open(ctx)
}

// open replays the first entries, once they are all there.
func (r *replaying) open(ctx context.Context) error {
	if r.opened || len(r.head) == 0 {
		return nil
	}
	r.opened, r.own.from = true, opening(r.head)
	for _, e := range r.head {
		if err := r.one(ctx, e); err != nil {
			return err
		}
	}
	r.head = nil
	return nil
}

// one replays an entry.
func (r *replaying) one(ctx context.Context, e jet.Entry) error {
	if e.Seq != r.expect {
		if err := r.gap(ctx, e.Seq); err != nil {
			return err
		}
	}
	records, err := r.j.replayEntry(e, &r.own, r.fn)
	if err != nil {
		return err
	}
	r.expect++
	r.p.Entries++
	r.p.Bytes += uint64(len(e.Data))
	r.p.Records += uint64(records)
	return nil
}

// gap judges a jump to the entry at seq: replay may go on there, or not.
func (r *replaying) gap(ctx context.Context, seq uint64) error {
	now, _, err := r.j.cfg.Log.Bounds(ctx)
	switch {
	case err != nil:
		return err
	case seq < r.expect || now < seq:
		return &CorruptError{Seq: r.expect, Reason: "entry is missing from the log"}
	case r.expect != r.first:
		// The former owner trimmed what it knew to be dead. What was replayed before the gap may have died in it.
		return ErrTrimmed
	}
	r.j.ring.start(seq)
	r.p.TotalEntries -= seq - r.expect
	r.expect = seq
	return nil
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
