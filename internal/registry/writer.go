package registry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

const (
	// maxAttempts bounds how often a change is tried against others'.
	maxAttempts = 100
	// maxPending bounds the changes that wait for the log; one more is
	// ErrUnavailable.
	maxPending = 1 << 14
	// maxEntry is how many bytes of items an entry takes, beyond its first.
	maxEntry = 256 << 10
	// maxBody bounds one encoded definition, in bytes: what a store takes at least,
	// with others and also in a journal.
	maxBody = 1 << 20
	// maxItems bounds the changes of one entry: memory is locked while they are
	// applied.
	maxItems = 1024
)

// errOvertaken: what the change expected stands there no more. Memory shows what
// does.
var errOvertaken = errors.New("registry: changed meanwhile")

// change is one definition's change on its way into the log.
type change struct {
	tag, version byte
	name         fullName
	id           uint64
	expect       uint64 // revision that must stand there; 0: none
	body         []byte // nil: a deletion

	// release gives back what a new definition has reserved; it is called once,
	// with r.mu held, when memory shows the definition or it is known not to come.
	// nil when there is nothing to give back.
	release func()

	ctx      context.Context
	revision uint64     // that it was stored with; read after done
	done     chan error // takes one
}

// submit waits until c is durable and memory shows it. errOvertaken: it was not
// stored, and memory shows why.
func (r *Registry) submit(ctx context.Context, c *change) error {
	c.ctx, c.done = ctx, make(chan error, 1)
	r.pendingMu.Lock()
	if len(r.pending) >= maxPending {
		r.pendingMu.Unlock()
		r.release(c)
		return fmt.Errorf("%w: too many changes wait", ErrUnavailable)
	}
	r.pending = append(r.pending, c)
	r.pendingMu.Unlock()
	wake(r.wakeWriter)
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-r.stopped:
		return errStopped
	}
}

// release gives back what changes have reserved.
func (r *Registry) release(list ...*change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	releaseAll(list)
}

func releaseAll(list []*change) {
	for _, c := range list {
		if c.release != nil {
			c.release()
			c.release = nil
		}
	}
}

// refuse answers a change that is not stored.
func (r *Registry) refuse(c *change, err error) {
	r.release(c)
	c.done <- err
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// write stores what is submitted, until ctx ends: while one entry is on its way,
// changes gather for the next.
func (r *Registry) write(ctx context.Context) error {
	lost := 0 // in a row, against other nodes
	for {
		if !r.moreToWrite() {
			select {
			case <-r.wakeWriter:
				continue
			case <-ctx.Done():
				return nil
			}
		}
		err := r.writeOnce(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, jet.ErrWrongSequence):
			lost++
			if err := r.catchUp(ctx); fatal(err) {
				return err
			}
			pause(ctx, lost)
		case fatal(err):
			return err
		default:
			lost = 0
		}
	}
}

func (r *Registry) moreToWrite() bool {
	if r.walk != nil {
		return true
	}
	r.pendingMu.Lock()
	defer r.pendingMu.Unlock()
	return len(r.pending) > 0
}

// batch is an entry on its way.
type batch struct {
	entry
	expect  uint64 // of the log
	changes []*change
	walk    *walk // as it stands once the entry is stored
	trim    uint64
}

// writeOnce stores one entry. On jet.ErrWrongSequence its changes wait again.
func (r *Registry) writeOnce(ctx context.Context) error {
	b := r.collect()
	if len(b.items) == 0 && b.trim == 0 {
		r.walk = b.walk
		return nil
	}
	data := b.encode()
	type answer struct {
		seq uint64
		err error
	}
	answered := make(chan answer, 1)
	r.entries++
	r.cfg.Log.Append(data, fmt.Sprintf("%s.%d", r.run, r.entries), b.expect, func(seq uint64, err error) {
		answered <- answer{seq, err}
	})
	a := <-answered // at the latest after jet's AckTimeout
	if errors.Is(a.err, jet.ErrWrongSequence) {
		r.pendingMu.Lock()
		r.pending = slices.Concat(b.changes, r.pending)
		r.pendingMu.Unlock()
		return a.err
	}
	if a.err == nil {
		// What the changes reserved ends in the moment in which memory counts them.
		a.err = r.take([]jet.Entry{{Seq: a.seq, Data: data}}, func() { releaseAll(b.changes) })
	}
	r.release(b.changes...)
	for _, c := range b.changes {
		c.revision = b.revision
		c.done <- a.err
	}
	if a.err != nil {
		r.walk = nil
		return a.err
	}
	r.walk = b.walk
	wake(r.wakeMark)
	r.trim(ctx, b.trim)
	return nil
}

// collect makes an entry of changes that wait, as far as what they expect stands
// there; the others are answered.
func (r *Registry) collect() *batch {
	r.pendingMu.Lock()
	waiting := r.pending
	r.pending = nil
	r.pendingMu.Unlock()

	refused := make(map[*change]error)
	defer func() {
		for c, err := range refused {
			r.refuse(c, err)
		}
	}()
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := r.state
	b := &batch{expect: s.seq, entry: entry{
		revision: s.revision + 1, floor: max(s.floor, 1), floorTotal: s.floorTotal, before: s.sum,
	}}
	type key struct {
		tag  byte
		name fullName
	}
	taken := make(map[key]bool, len(waiting))
	size := 0
	var later []*change
	for i, c := range waiting {
		if len(b.items) > 0 && (size >= maxEntry || len(b.items) >= maxItems) {
			later = append(later, waiting[i:]...)
			break
		}
		if err := c.ctx.Err(); err != nil {
			refused[c] = err
			continue
		}
		k := key{c.tag, c.name}
		if taken[k] {
			later = append(later, c)
			continue
		}
		if r.state.contents[c.tag].revision(c.name) != c.expect {
			refused[c] = errOvertaken
			continue
		}
		taken[k] = true
		it := item{op: opDelete}
		if c.body != nil {
			it = item{opPut, sealed{c.tag, c.version, b.revision, c.body}.append(nil)}
		} else {
			it.data = (&deletion{c.tag, c.id, c.name}).encode()
		}
		size += len(it.data)
		b.items = append(b.items, it)
		b.changes = append(b.changes, c)
	}
	if len(later) > 0 {
		r.pendingMu.Lock()
		r.pending = slices.Concat(later, r.pending)
		r.pendingMu.Unlock()
	}
	r.keep(b, size)
	b.total = s.total + uint64(len(b.items))
	return b
}

// pause waits a little before the next attempt at the log: up to 1 ms, doubled
// with each attempt up to 64 ms, at random, so that two nodes do not meet again
// and again.
func pause(ctx context.Context, attempt int) {
	timer := time.NewTimer(rand.N(time.Millisecond << min(attempt, 6)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
