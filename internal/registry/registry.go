package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/waystation/waystation/internal/jet"
)

// Registry answers from memory and changes definitions in the bucket. Safe for
// concurrent use.
type Registry struct {
	cfg Config
	log *slog.Logger

	ready   chan struct{} // closed when the first full state is in memory
	stopped chan struct{} // closed when Run returns

	// locks serialise this node's updates of one queue, so that they do not
	// lose compare-and-sets against each other; other nodes still can.
	locks [64]chan struct{}

	mu        sync.RWMutex // guards what follows
	index     *index
	creating  int // CreateQueue calls that count towards MaxQueues
	revision  uint64
	advanced  chan struct{} // closed and replaced when revision rises; nil while nobody waits
	listeners []func(old, new *Queue)
	place     func(*Queue) uint32
	running   bool
}

// New makes a Registry. It does nothing until Run.
func New(cfg Config) (*Registry, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &Registry{
		cfg:     cfg,
		log:     cfg.Logger,
		ready:   make(chan struct{}),
		stopped: make(chan struct{}),
		index:   newIndex(),
		place:   cfg.Place,
	}
	for i := range r.locks {
		r.locks[i] = make(chan struct{}, 1)
	}
	return r, nil
}

// SetPlacer replaces Config.Place.
func (r *Registry) SetPlacer(place func(*Queue) uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.place = place
}

// OnQueue has fn called for every change of a queue: old is nil when it was
// created, new is nil when it was deleted. Calls come in the order of the
// changes from Run's goroutine, after memory shows the change and before
// WaitFor reports its revision; fn must not block, and must not wait for the
// registry. A queue that was deleted and created again is reported as both,
// also when this node saw only the outcome. Changes that came quickly one after
// another may be reported as one. Register before Run to see every queue.
func (r *Registry) OnQueue(fn func(old, new *Queue)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listeners = append(r.listeners, fn)
}

// Ready is closed when the first full state is in memory.
func (r *Registry) Ready() <-chan struct{} { return r.ready }

// Run keeps memory up to date until ctx is cancelled, then returns nil. It
// returns an error when a definition cannot be read (*VersionError among
// them), since to go on without one would lose a queue. It can be called once.
func (r *Registry) Run(ctx context.Context) error {
	r.mu.Lock()
	if r.running {
		r.mu.Unlock()
		return errors.New("registry: Run called twice")
	}
	r.running = true
	r.mu.Unlock()
	defer close(r.stopped)

	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	var failed error
	err := r.cfg.KV.Watch(watching, ">", func(e jet.KVEntry) {
		if failed != nil {
			return // memory stays at the last good state
		}
		if failed = r.apply(e); failed != nil {
			cancel()
		}
	}, func() {
		if failed == nil {
			close(r.ready)
		}
	})
	switch {
	case failed != nil:
		return failed
	case ctx.Err() != nil:
		return nil
	}
	return fmt.Errorf("registry: watch definitions: %w", err)
}

// apply brings one stored change into memory and tells the listeners.
func (r *Registry) apply(e jet.KVEntry) error {
	if !strings.HasPrefix(e.Key, queueKeys) {
		r.advance(e.Revision)
		return nil
	}
	var old, now *Queue
	if e.Deleted {
		account, region, name, ok := splitQueueKey(e.Key)
		if !ok {
			r.advance(e.Revision)
			return nil
		}
		r.mu.Lock()
		old = r.index.remove(account, region, name)
		r.mu.Unlock()
	} else {
		var err error
		if now, err = decodeQueue(e.Key, e.Value, e.Revision); err != nil {
			return err
		}
		r.mu.Lock()
		old = r.index.put(now)
		r.mu.Unlock()
	}
	r.mu.RLock()
	listeners := r.listeners
	r.mu.RUnlock()
	tell := func(old, now *Queue) {
		for _, fn := range listeners {
			fn(old, now)
		}
	}
	switch {
	case old == nil && now == nil:
	case old != nil && now != nil && old.ID != now.ID:
		tell(old, nil)
		tell(nil, now)
	default:
		tell(old, now)
	}
	r.advance(e.Revision)
	return nil
}

// advance raises the revision that memory shows.
func (r *Registry) advance(revision uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if revision <= r.revision {
		return
	}
	r.revision = revision
	if r.advanced != nil {
		close(r.advanced)
		r.advanced = nil
	}
}

// Revision that memory shows: every change up to it is in.
func (r *Registry) Revision() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.revision
}

// WaitFor waits until memory shows revision and all listeners were told, ctx
// is done (its error) or Run has returned (ErrUnavailable).
func (r *Registry) WaitFor(ctx context.Context, revision uint64) error {
	for {
		r.mu.Lock()
		if r.revision >= revision {
			r.mu.Unlock()
			return nil
		}
		if r.advanced == nil {
			r.advanced = make(chan struct{})
		}
		advanced := r.advanced
		r.mu.Unlock()
		select {
		case <-advanced:
		case <-ctx.Done():
			return ctx.Err()
		case <-r.stopped:
			return fmt.Errorf("registry: stopped: %w", ErrUnavailable)
		}
	}
}

// Require makes sure that memory shows all changes up to revision, which the
// caller knows to have been stored: a journal's fact names it, say. It is what a
// partition calls with the highest revision that it replayed, before it takes
// anything for deleted.
//
// Errors: *BehindError when the store itself does not reach so far: definitions
// were lost, nothing may be concluded from their absence. ErrUnavailable: the
// store does not answer; retryable.
func (r *Registry) Require(ctx context.Context, revision uint64) error {
	return r.WaitFor(ctx, revision)
}

// Gone reports whether the queue with this ID was deleted, confirmed by the
// store: never because this node lags, the store is away or was damaged.
// revision is one of its definition's that the caller knows (Queue.Revision, as
// written beside its messages). IDs are never used again, so what is gone stays
// gone. Not gone does not mean that a definition is there: one that was lost to
// damage and could not be brought back is never gone; keep its messages.
// Cheap when memory knows revision already: no read of the store.
//
// Errors: as Require's. On any error the answer is not known.
func (r *Registry) Gone(ctx context.Context, id, revision uint64) (bool, error) {
	if err := r.Require(ctx, revision); err != nil {
		return false, err
	}
	_, there := r.QueueByID(id)
	return !there, nil
}

// Queue by its name, from memory.
func (r *Registry) Queue(account, region, name string) (*Queue, bool) {
	r.mu.RLock()
	q := r.index.byName[fullName{account, region, name}]
	r.mu.RUnlock()
	return q, q != nil
}

// FindQueue is Queue, but what memory does not have is looked for in the store
// before it is said not to exist: a queue that any node created before the call
// is found. ErrNotFound: there is none. ErrUnavailable: the store does not
// answer, so that nothing is known; retryable.
func (r *Registry) FindQueue(ctx context.Context, account, region, name string) (*Queue, error) {
	if q, ok := r.Queue(account, region, name); ok {
		return q, nil
	}
	if validate(account, region, name) != nil {
		return nil, ErrNotFound
	}
	e, err := r.cfg.KV.Get(ctx, queueKey(account, region, name))
	switch {
	case errors.Is(err, jet.ErrNotFound):
		return nil, ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("registry: find queue %s: %w", name, err)
	}
	if err := r.WaitFor(ctx, e.Revision); err != nil {
		return nil, err
	}
	if q, ok := r.Queue(account, region, name); ok {
		return q, nil
	}
	return nil, ErrNotFound
}

// QueueByARN from memory.
func (r *Registry) QueueByARN(arn string) (*Queue, bool) {
	account, region, name, ok := ParseARN(arn)
	if !ok {
		return nil, false
	}
	return r.Queue(account, region, name)
}

// QueueByID from memory.
func (r *Registry) QueueByID(id uint64) (*Queue, bool) {
	r.mu.RLock()
	q := r.index.byID[id]
	r.mu.RUnlock()
	return q, q != nil
}

// Queues returns up to limit queues of an account in a region whose names
// begin with prefix and come after after ("" = from the start), in name order,
// and whether there are more.
func (r *Registry) Queues(account, region, prefix, after string, limit int) (list []*Queue, more bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.index.list(account, region, prefix, after, limit)
}

// DeadLetterSources returns the queues whose redrive policy names arn, ordered
// by account, region and name.
func (r *Registry) DeadLetterSources(arn string) []*Queue {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.index.sources(arn)
}

// QueuesOf returns the queues of a partition, ordered by account, region and name.
func (r *Registry) QueuesOf(partition uint32) []*Queue {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.index.of(partition)
}

// CountOf is how many queues are placed on a partition, at no cost that grows
// with them.
func (r *Registry) CountOf(partition uint32) int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.index.counts[partition]
}

// Count is how many queues there are.
func (r *Registry) Count() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.index.byName)
}
