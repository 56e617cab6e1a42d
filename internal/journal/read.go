package journal

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/waystation/waystation/internal/jet"
)

const (
	// fetchesAtOnce bounds reads of the log under way, each of ReadAhead bytes at most; more wait.
	fetchesAtOnce = 4
	// cursors is how many sequential readers of different parts of the log are told apart.
	cursors = 16
	// stride is how far after the end of the last read the next one may start and still count as in order.
	stride = 16
)

// TryRead returns n bytes at pos if they are in memory: not yet durable, or in the cache. The bytes are
// shared and must not be altered.
func (j *Journal) TryRead(pos Pos, n int) ([]byte, bool) {
	data, ok := j.inMemory(pos.Append)
	if !ok {
		return nil, false
	}
	p := part(data, pos.Offset, n)
	if p == nil {
		return nil, false
	}
	j.reads.hits.Add(1)
	return p, true
}

// inMemory finds an append that is being gathered, is not yet durable, or is cached.
func (j *Journal) inMemory(seq uint64) ([]byte, bool) {
	if seq > j.durable.Load() {
		j.mu.Lock()
		if b := j.gather; b != nil && b.seq == seq {
			data := b.buf
			j.mu.Unlock()
			return data, true
		}
		if len(j.pending) > 0 && seq >= j.pending[0].seq && seq-j.pending[0].seq < uint64(len(j.pending)) {
			data := j.pending[seq-j.pending[0].seq].buf
			j.mu.Unlock()
			return data, true
		}
		j.mu.Unlock()
	}
	return j.cache.get(seq)
}

// Read returns n bytes at pos: from memory if they are there, else from the log. Reads of the same append
// at the same time cause one read of the log, and reads in order make it read ahead. The bytes are shared
// and must not be altered.
//
// Errors: *CorruptError, ErrTrimmed (everything in that append was released), jet's errors, ctx's.
func (j *Journal) Read(ctx context.Context, pos Pos, n int) ([]byte, error) {
	if p, ok := j.TryRead(pos, n); ok {
		return p, nil
	}
	data, err := j.load(ctx, pos.Append)
	if err != nil {
		return nil, err
	}
	p := part(data, pos.Offset, n)
	if p == nil {
		return nil, &CorruptError{Seq: pos.Append, Reason: "it is too short for what should stand in it"}
	}
	return p, nil
}

// reads knows the reads of the log that are under way, and who reads in order.
type reads struct {
	slots        chan struct{} // one for each read under way
	hits, misses atomic.Uint64

	mu      sync.Mutex
	flights []*flight
	cursors [cursors]cursor
	clock   uint64
}

// flight is one read of the log that several may wait for.
type flight struct {
	from, to uint64
	bytes    int
	done     chan struct{}
	data     map[uint64][]byte // written before done is closed
	err      error
}

// cursor is where a sequential reader is expected next, and how much it was last given.
type cursor struct {
	from   uint64 // first and next bound what it was last given
	next   uint64
	window int
	used   uint64
}

func (r *reads) init() { r.slots = make(chan struct{}, fetchesAtOnce) }

// load returns an append's data from memory or the log.
func (j *Journal) load(ctx context.Context, seq uint64) ([]byte, error) {
	for {
		if data, ok := j.inMemory(seq); ok {
			return data, nil
		}
		if seq > j.durable.Load() {
			if err := j.Err(); err != nil {
				return nil, err
			}
			return nil, &CorruptError{Seq: seq, Reason: "nothing was appended there yet"}
		}
		if seq < j.ring.first() {
			return nil, ErrTrimmed
		}
		f, mine := j.board(seq)
		if mine {
			j.fetch(ctx, f)
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if data := f.data[seq]; data != nil {
			return data, nil
		}
		if mine || f.err != nil && !errors.Is(f.err, context.Canceled) && !errors.Is(f.err, context.DeadlineExceeded) {
			return nil, f.err
		}
		// Who read it was called off, or its read ended before this append: read it ourselves.
	}
}

// board returns the flight that brings seq, a new one (mine) if there is none.
func (j *Journal) board(seq uint64) (f *flight, mine bool) {
	r := &j.reads
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.flights {
		if f.from <= seq && seq <= f.to {
			return f, false
		}
	}
	r.misses.Add(1)
	c := r.cursor(seq)
	limit := min(j.cfg.ReadAhead, j.cfg.CacheBytes/(2*fetchesAtOnce))
	f = &flight{from: seq, done: make(chan struct{})}
	last := j.durable.Load()
	for _, other := range r.flights { // do not read again what another flight brings
		if other.from > seq {
			last = min(last, other.from-1)
		}
	}
	f.to, f.bytes = j.ring.span(seq, last, min(c.window, limit))
	c.from, c.next = seq, f.to+1
	c.window = min(max(2*c.window, 2*j.cfg.MaxAppend), max(limit, 1))
	r.flights = append(r.flights, f)
	return f, true
}

// cursor finds the sequential reader that seq belongs to. A new one starts with a window of no bytes: its
// first read brings one append. mu is held.
func (r *reads) cursor(seq uint64) *cursor {
	r.clock++
	oldest := &r.cursors[0]
	for i := range r.cursors {
		c := &r.cursors[i]
		if c.used > 0 && seq > c.from && seq < c.next+stride {
			c.used = r.clock
			return c
		}
		if c.used < oldest.used {
			oldest = c
		}
	}
	*oldest = cursor{used: r.clock}
	return oldest
}

// fetch carries a flight out.
func (j *Journal) fetch(ctx context.Context, f *flight) {
	r := &j.reads
	defer func() {
		r.mu.Lock()
		for i, other := range r.flights {
			if other == f {
				r.flights = append(r.flights[:i], r.flights[i+1:]...)
				break
			}
		}
		r.mu.Unlock()
		close(f.done)
	}()
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		f.err = ctx.Err()
		return
	}
	started := j.cfg.Now()
	entries, err := j.readLog(ctx, f)
	if err != nil {
		f.err = err
		return
	}
	f.data = make(map[uint64][]byte, len(entries))
	size := 0
	for _, e := range entries {
		if _, err := decode(e.Seq, e.Data, ""); err != nil {
			if e.Seq == f.from {
				f.err = err
				return
			}
			break // who needs it reads it again and gets the error
		}
		f.data[e.Seq] = e.Data
		size += len(e.Data)
		j.cache.put(e.Seq, e.Data)
	}
	if hook := j.cfg.Observe.Fetched; hook != nil {
		hook(j.cfg.Now().Sub(started), len(f.data), size)
	}
}

// readLog reads what a flight is to bring; its first append at least.
func (j *Journal) readLog(ctx context.Context, f *flight) ([]jet.Entry, error) {
	if f.to > f.from {
		entries, err := j.cfg.Log.GetRange(ctx, f.from, f.bytes)
		if err == nil && len(entries) > 0 && entries[0].Seq == f.from {
			return entries, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		// A replica that lags, or a log that cannot read ranges: ask for the one.
	}
	e, err := j.cfg.Log.Get(ctx, f.from)
	if errors.Is(err, jet.ErrNotFound) {
		if first, _, boundsErr := j.cfg.Log.Bounds(ctx); boundsErr == nil && first > f.from {
			return nil, ErrTrimmed
		}
		return nil, &CorruptError{Seq: f.from, Reason: "entry is missing from the log"}
	}
	if err != nil {
		return nil, err
	}
	return []jet.Entry{e}, nil
}
