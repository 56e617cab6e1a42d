package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// maxAttempts bounds how often a change is tried against others'.
const maxAttempts = 100

// CreateQueue stores q unless its name is taken. When it is, the queue that
// stands there is returned with created false if same says that it is what was
// asked for, else ErrConflict. ID, Partition, and Created and Modified if they
// are 0, are filled in. Nodes that create the same queue at once agree on one:
// the bucket decides. Memory shows the queue when CreateQueue returns.
//
// Errors: ErrConflict, ErrTooMany, ErrInvalid, ErrFull, ErrUnavailable (it may
// have been created; ask again).
func (r *Registry) CreateQueue(ctx context.Context, q Queue, same func(existing *Queue) bool) (*Queue, bool, error) {
	if err := validate(q.Account, q.Region, q.Name); err != nil {
		return nil, false, fmt.Errorf("registry: create queue: %w", err)
	}
	if err := r.waitReady(ctx); err != nil {
		return nil, false, err
	}
	key := queueKey(q.Account, q.Region, q.Name)
	unlock, err := r.lock(ctx, key)
	if err != nil {
		return nil, false, err
	}
	defer unlock()

	_, known := r.Queue(q.Account, q.Region, q.Name)
	for range maxAttempts {
		// What memory knows is likely to be there still, and what it does not
		// know is likely not to be: either way one round trip decides.
		if known {
			existing, err := r.load(ctx, key)
			if err == nil {
				if err := r.WaitFor(ctx, existing.Revision); err != nil {
					return nil, false, err
				}
				if !same(existing) {
					return nil, false, fmt.Errorf("registry: create queue %s: %w", q.Name, ErrConflict)
				}
				return existing, false, nil
			}
			if !errors.Is(err, ErrNotFound) {
				return nil, false, fmt.Errorf("registry: create queue %s: %w", q.Name, err)
			}
		}
		created, err := r.create(ctx, key, &q)
		if err == nil {
			return created, true, nil
		}
		if !errors.Is(err, jet.ErrExists) {
			return nil, false, fmt.Errorf("registry: create queue %s: %w", q.Name, err)
		}
		known = true
	}
	return nil, false, fmt.Errorf("registry: create queue %s: %w", q.Name, ErrConflict)
}

// create stores a new incarnation of q under a key that must be free.
func (r *Registry) create(ctx context.Context, key string, q *Queue) (*Queue, error) {
	r.mu.Lock()
	if len(r.index.byName)+r.creating >= r.cfg.MaxQueues {
		r.mu.Unlock()
		return nil, ErrTooMany
	}
	r.creating++
	place := r.place
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.creating--
		r.mu.Unlock()
	}()

	n := q.Clone()
	n.ID = r.cfg.NewID()
	if n.ID == 0 {
		return nil, errors.New("Config.NewID returned 0")
	}
	now := r.cfg.Now().Unix()
	if n.Created == 0 {
		n.Created = now
	}
	if n.Modified == 0 {
		n.Modified = now
	}
	n.Partition = 0
	if place != nil {
		n.Partition = place(n)
	}
	data, err := encodeQueue(n)
	if err != nil {
		return nil, err
	}
	if n.Revision, err = r.cfg.KV.Create(ctx, key, data); err != nil {
		return nil, err
	}
	return n, r.WaitFor(ctx, n.Revision)
}

// UpdateQueue changes a queue by compare-and-set: change gets a copy of the
// newest definition and alters it, and is called again when another change came
// in between. An error of change ends it and is returned as it is. What tells
// the queue apart (ID, Account, Region, Name, Partition, Created, FIFO) stays.
// Modified is set unless only tags changed. A change that changes nothing is
// not written. Memory shows the result when UpdateQueue returns.
//
// Errors: ErrNotFound, ErrConflict (lost against others 100 times), ErrFull,
// ErrUnavailable (it may have been made; ask again).
func (r *Registry) UpdateQueue(ctx context.Context, account, region, name string, change func(*Queue) error) (*Queue, error) {
	if validate(account, region, name) != nil {
		return nil, fmt.Errorf("registry: update queue: %w", ErrNotFound)
	}
	key := queueKey(account, region, name)
	unlock, err := r.lock(ctx, key)
	if err != nil {
		return nil, err
	}
	defer unlock()

	for attempt := range maxAttempts {
		old, err := r.load(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("registry: update queue %s: %w", name, err)
		}
		now := old.Clone()
		if err := change(now); err != nil {
			return nil, err
		}
		written, err := r.replace(ctx, key, old, now)
		if err == nil {
			return written, nil
		}
		if !errors.Is(err, jet.ErrWrongSequence) {
			return nil, fmt.Errorf("registry: update queue %s: %w", name, err)
		}
		if err := pause(ctx, attempt); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("registry: update queue %s: %w", name, ErrConflict)
}

// replace stores now in place of old if old is still what stands there.
func (r *Registry) replace(ctx context.Context, key string, old, now *Queue) (*Queue, error) {
	now.ID, now.Account, now.Region, now.Name = old.ID, old.Account, old.Region, old.Name
	now.Partition, now.Created, now.FIFO = old.Partition, old.Created, old.FIFO
	now.Modified, now.Revision = old.Modified, old.Revision
	before, err := encodeQueue(old)
	if err != nil {
		return nil, err
	}
	data, err := encodeQueue(now)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(before, data) {
		return now, r.WaitFor(ctx, now.Revision)
	}
	onlyTags := *now
	onlyTags.Tags = old.Tags
	if rest, err := encodeQueue(&onlyTags); err != nil || maps.Equal(old.Tags, now.Tags) || !bytes.Equal(before, rest) {
		now.Modified = r.cfg.Now().Unix()
		if data, err = encodeQueue(now); err != nil {
			return nil, err
		}
	}
	if now.Revision, err = r.cfg.KV.Update(ctx, key, data, old.Revision); err != nil {
		return nil, err
	}
	return now, r.WaitFor(ctx, now.Revision)
}

// DeleteQueue removes a queue's definition. Memory shows that it is gone when
// DeleteQueue returns.
//
// Errors: ErrNotFound, ErrUnavailable (it may have been deleted; ask again).
func (r *Registry) DeleteQueue(ctx context.Context, account, region, name string) error {
	if validate(account, region, name) != nil {
		return fmt.Errorf("registry: delete queue: %w", ErrNotFound)
	}
	key := queueKey(account, region, name)
	unlock, err := r.lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()

	for attempt := range maxAttempts {
		q, err := r.load(ctx, key)
		if err != nil {
			return fmt.Errorf("registry: delete queue %s: %w", name, err)
		}
		revision, err := r.cfg.KV.Delete(ctx, key, q.Revision)
		if err == nil {
			return r.WaitFor(ctx, revision)
		}
		if !errors.Is(err, jet.ErrWrongSequence) {
			return fmt.Errorf("registry: delete queue %s: %w", name, err)
		}
		if err := pause(ctx, attempt); err != nil {
			return err
		}
	}
	return fmt.Errorf("registry: delete queue %s: %w", name, ErrConflict)
}

// Secret returns n random bytes that are made once and are the same on all
// nodes and after every restart. name has letters, digits, - and _. It needs no
// Run.
func (r *Registry) Secret(ctx context.Context, name string, n int) ([]byte, error) {
	if !token(name, maxName) || n <= 0 || n > 1024 {
		return nil, fmt.Errorf("registry: secret: %w", ErrInvalid)
	}
	key := secretKeys + name
	for range maxAttempts {
		e, err := r.cfg.KV.Get(ctx, key)
		if err == nil {
			if len(e.Value) != n {
				return nil, fmt.Errorf("registry: secret %s has %d bytes, needed are %d", name, len(e.Value), n)
			}
			return e.Value, nil
		}
		if !errors.Is(err, jet.ErrNotFound) {
			return nil, fmt.Errorf("registry: secret %s: %w", name, err)
		}
		secret := make([]byte, n)
		if _, err := io.ReadFull(r.cfg.Random, secret); err != nil {
			return nil, fmt.Errorf("registry: secret %s: %w", name, err)
		}
		if _, err = r.cfg.KV.Create(ctx, key, secret); err == nil {
			return secret, nil
		}
		if !errors.Is(err, jet.ErrExists) {
			return nil, fmt.Errorf("registry: secret %s: %w", name, err)
		}
	}
	return nil, fmt.Errorf("registry: secret %s: %w", name, ErrConflict)
}

// load reads the newest stored definition, past memory.
func (r *Registry) load(ctx context.Context, key string) (*Queue, error) {
	e, err := r.cfg.KV.Get(ctx, key)
	if errors.Is(err, jet.ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return decodeQueue(key, e.Value, e.Revision)
}

// waitReady waits for the first full state, so that MaxQueues and placement
// judge by all queues.
func (r *Registry) waitReady(ctx context.Context) error {
	select {
	case <-r.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-r.stopped:
		return fmt.Errorf("registry: stopped: %w", ErrUnavailable)
	}
}

var seed = maphash.MakeSeed()

// lock takes this node's turn at a key.
func (r *Registry) lock(ctx context.Context, key string) (unlock func(), err error) {
	turn := r.locks[maphash.String(seed, key)%uint64(len(r.locks))]
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// pause waits a little before the next attempt at a compare-and-set: up to
// 1 ms, doubled with each attempt up to 64 ms, at random, so that two nodes do
// not meet again and again.
func pause(ctx context.Context, attempt int) error {
	most := time.Millisecond << min(attempt, 6)
	timer := time.NewTimer(rand.N(most))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
