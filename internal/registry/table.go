package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Table is all definitions of one kind: what Add gives. It answers from memory;
// what it returns is shared and must not be altered.
type Table[T any] struct {
	r    *Registry
	kind Kind[T]

	// Guarded by r.mu.
	mem       *memory[T]
	listeners []func(old, now *T)
	creating  int            // Create calls that count towards the kind's limit
	placing   map[uint32]int // by partition: those of them that are placed
}

// handle is a Table, whatever its kind.
type handle interface {
	// open decodes a definition for put.
	open(s sealed) (any, error)
	fresh() content
	// show has the Table answer from c, which fresh made. r.mu is held.
	show(c content)
	// tell calls the listeners. old or now is nil when there was or is none.
	tell(old, now any)
}

// Add makes a kind known to r. Call it before Run. It panics when the kind is
// described wrongly or its tag is taken.
func Add[T any](r *Registry, kind Kind[T]) *Table[T] {
	if err := kind.check(); err != nil {
		panic(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kinds[kind.Tag] != nil || r.running {
		panic(fmt.Sprintf("registry: kind %q: tag %d is taken, or the registry runs", kind.Name, kind.Tag))
	}
	t := &Table[T]{r: r, kind: kind, placing: make(map[uint32]int)}
	t.mem = newMemory(&t.kind)
	r.kinds[kind.Tag] = t
	r.state.contents[kind.Tag] = t.mem
	return t
}

func (t *Table[T]) open(s sealed) (any, error) {
	def, more, err := t.kind.decode(s)
	if err != nil {
		return nil, err
	}
	return opened[T]{def, more}, nil
}

func (t *Table[T]) fresh() content { return newMemory(&t.kind) }

func (t *Table[T]) show(c content) { t.mem = c.(*memory[T]) }

func (t *Table[T]) tell(old, now any) {
	t.r.mu.RLock()
	listeners := t.listeners
	t.r.mu.RUnlock()
	before, _ := old.(*T)
	after, _ := now.(*T)
	for _, fn := range listeners {
		if before != nil && after != nil && t.kind.Meta(before).ID != t.kind.Meta(after).ID {
			fn(before, nil)
			fn(nil, after)
			continue
		}
		fn(before, after)
	}
}

// OnChange has fn called for every change: old is nil when it was created, now is
// nil when it was deleted. Calls come one at a time in the order of the changes,
// after memory shows the change and before WaitFor reports its revision; fn must
// not block, nor wait for the registry. What was deleted and created again is
// reported as both. When a node starts, or lagged far behind, changes of one
// definition are reported as one. Register before Run to see every definition.
func (t *Table[T]) OnChange(fn func(old, now *T)) {
	t.r.mu.Lock()
	defer t.r.mu.Unlock()
	t.listeners = append(slices.Clip(t.listeners), fn)
}

// Get finds a definition by its name.
func (t *Table[T]) Get(account, region, name string) (*T, bool) {
	t.r.mu.RLock()
	def := t.mem.get(fullName{account, region, name})
	t.r.mu.RUnlock()
	return def, def != nil
}

// ByID finds a definition by its ID.
func (t *Table[T]) ByID(id uint64) (*T, bool) {
	t.r.mu.RLock()
	def := t.mem.byID[id]
	t.r.mu.RUnlock()
	return def, def != nil
}

// Find is Get, but before a definition is said not to exist, memory is brought up
// to what the store held when Find was called: what any node created before is
// found. All who miss something at a time share one read of the store, which
// brings its newest revision and only what memory lacks; names that do not exist
// cost no reads of their own.
//
// Errors: ErrNotFound; ErrUnavailable, the store does not answer, so that nothing
// is known (retryable); ctx's.
func (t *Table[T]) Find(ctx context.Context, account, region, name string) (*T, error) {
	if def, ok := t.Get(account, region, name); ok {
		return def, nil
	}
	if !(fullName{account, region, name}).valid() {
		return nil, ErrNotFound
	}
	if err := t.r.Sync(ctx); err != nil {
		return nil, fmt.Errorf("registry: find %s %s: %w", t.kind.Name, name, err)
	}
	if def, ok := t.Get(account, region, name); ok {
		return def, nil
	}
	return nil, ErrNotFound
}

// List returns up to limit definitions of an account in a region whose names
// begin with prefix and come after after ("" = from the start), in name order, and
// whether there are more.
func (t *Table[T]) List(account, region, prefix, after string, limit int) (list []*T, more bool) {
	t.r.mu.RLock()
	defer t.r.mu.RUnlock()
	return t.mem.list(account, region, prefix, after, limit)
}

// By returns the definitions to which the kind's index of that number gives
// value, ordered by account, region and name.
func (t *Table[T]) By(index int, value string) []*T {
	t.r.mu.RLock()
	defer t.r.mu.RUnlock()
	return t.mem.by(index, value)
}

// ByPage returns up to limit of the definitions to which the kind's index of that
// number gives value, behind the one named by after (the zero Meta: from the start),
// in the order of By, and whether there are more.
func (t *Table[T]) ByPage(index int, value string, after Meta, limit int) (list []*T, more bool) {
	t.r.mu.RLock()
	defer t.r.mu.RUnlock()
	return t.mem.byPage(index, value, after.fullName(), limit)
}

// Len is how many definitions there are.
func (t *Table[T]) Len() int {
	t.r.mu.RLock()
	defer t.r.mu.RUnlock()
	return t.mem.size()
}

// CountOf is how many definitions are placed on a partition, those included that
// are being created by this node.
func (t *Table[T]) CountOf(partition uint32) int {
	t.r.mu.RLock()
	defer t.r.mu.RUnlock()
	return t.mem.counts[partition] + t.placing[partition]
}

// Encode renders a definition with its revision and a checksum, to be kept
// outside the registry too: beside a queue's messages, from where a damaged
// registry is repaired. Opaque bytes to all but this package.
func (t *Table[T]) Encode(def *T) ([]byte, error) { return t.kind.encode(def, nil) }

// Gone reports whether the definition with this ID was deleted: never because this
// node lags, the store is away or was damaged. revision is one of the
// definition's that the caller knows (Meta.Revision, as written beside a queue's
// messages). Memory that shows this revision shows all changes up to it; IDs are
// never used again: so what is missing then was deleted, and stays so.
//
// It costs nothing when memory knows revision already. With revision 0 it brings
// memory up to the store first.
//
// Errors: as Require's. On any error the answer is not known.
func (t *Table[T]) Gone(ctx context.Context, id, revision uint64) (bool, error) {
	var err error
	if revision == 0 {
		err = t.r.Sync(ctx)
	} else {
		err = t.r.Require(ctx, revision)
	}
	if err != nil {
		return false, err
	}
	_, there := t.ByID(id)
	return !there, nil
}

// Create stores def unless its name is taken. When it is, what stands there is
// returned with created false if same says that it is what was asked for, else
// ErrConflict. ID, the partition, and Created and Modified if they are 0, are
// filled in. Nodes that create the same at once agree on one: the log decides.
// Memory shows the definition when Create returns.
//
// Errors: ErrConflict, ErrTooMany, ErrInvalid, ErrFull, ErrTooLarge,
// ErrUnavailable (it may have been created; ask again).
func (t *Table[T]) Create(ctx context.Context, def *T, same func(existing *T) bool) (*T, bool, error) {
	name := t.kind.Meta(def).fullName()
	failed := func(err error) (*T, bool, error) {
		return nil, false, fmt.Errorf("registry: create %s %s: %w", t.kind.Name, name.name, err)
	}
	if !name.valid() {
		return failed(ErrInvalid)
	}
	if err := t.r.waitReady(ctx); err != nil {
		return failed(err)
	}
	for range maxAttempts {
		if _, ok := t.Get(name.account, name.region, name.name); ok {
			if err := t.r.Sync(ctx); err != nil {
				return failed(err)
			}
			if existing, ok := t.Get(name.account, name.region, name.name); ok {
				if !same(existing) {
					return failed(ErrConflict)
				}
				return existing, false, nil
			}
		}
		created, err := t.create(ctx, def, name)
		if err == nil {
			return created, true, nil
		}
		if !errors.Is(err, errOvertaken) {
			return failed(err)
		}
	}
	return failed(ErrConflict)
}

// create stores a new incarnation of def under a name that must be free.
func (t *Table[T]) create(ctx context.Context, def *T, name fullName) (*T, error) {
	n := t.kind.Clone(def)
	meta := t.kind.Meta(n)
	if meta.ID = t.r.cfg.NewID(); meta.ID == 0 {
		return nil, errors.New("Config.NewID returned 0")
	}
	now := t.r.cfg.Now().Unix()
	if meta.Created == 0 {
		meta.Created = now
	}
	if meta.Modified == 0 {
		meta.Modified = now
	}
	release, err := t.reserve(n)
	if err != nil {
		return nil, err
	}
	c := &change{tag: t.kind.Tag, version: t.kind.Version, name: name, id: meta.ID, release: release}
	if c.body, err = t.kind.body(n, nil); err != nil {
		t.r.release(c)
		return nil, err
	}
	return t.store(ctx, c)
}

// reserve takes a place towards the limit and on a partition, until release is
// called, with r.mu held.
func (t *Table[T]) reserve(def *T) (release func(), err error) {
	t.r.placeMu.Lock()
	defer t.r.placeMu.Unlock()
	t.r.mu.RLock()
	full := t.kind.Limit > 0 && t.mem.size()+t.creating >= t.kind.Limit
	t.r.mu.RUnlock()
	if full {
		return nil, ErrTooMany
	}
	var p uint32
	if t.kind.Place != nil {
		t.kind.Place(def)
		p = t.kind.Partition(def)
	}
	count := func(n int) {
		t.creating += n
		if t.kind.Place != nil {
			if t.placing[p] += n; t.placing[p] == 0 {
				delete(t.placing, p)
			}
		}
	}
	t.r.mu.Lock()
	defer t.r.mu.Unlock()
	count(1)
	return func() { count(-1) }, nil
}

// Update changes a definition by compare-and-set: change gets a copy of the newest
// one and alters it, and is called again when another change came in between. An
// error of change ends it and is returned as it is. What Meta holds stays, and
// what the kind keeps; Modified is set unless the change is one that does not
// count. A change that changes nothing is not written. Memory shows the result
// when Update returns.
//
// Errors: ErrNotFound, ErrConflict (lost against others 100 times), ErrFull,
// ErrTooLarge, ErrUnavailable (it may have been made; ask again).
func (t *Table[T]) Update(ctx context.Context, account, region, name string, change func(*T) error) (*T, error) {
	failed := func(err error) (*T, error) {
		return nil, fmt.Errorf("registry: update %s %s: %w", t.kind.Name, name, err)
	}
	if err := t.r.Sync(ctx); err != nil {
		return failed(err)
	}
	for range maxAttempts {
		old, ok := t.Get(account, region, name)
		if !ok {
			return failed(ErrNotFound)
		}
		now := t.kind.Clone(old)
		if err := change(now); err != nil {
			return nil, err
		}
		written, err := t.replace(ctx, old, now)
		if err == nil {
			return written, nil
		}
		if !errors.Is(err, errOvertaken) {
			return failed(err)
		}
	}
	return failed(ErrConflict)
}

// replace stores now in place of old if old is still what stands there.
func (t *Table[T]) replace(ctx context.Context, old, now *T) (*T, error) {
	meta := t.kind.Meta(now)
	*meta = *t.kind.Meta(old)
	if t.kind.Keep != nil {
		t.kind.Keep(now, old)
	}
	t.r.mu.RLock()
	more := maps.Clone(t.mem.extras[meta.ID])
	t.r.mu.RUnlock()
	before, err := t.kind.body(old, more)
	if err != nil {
		return nil, err
	}
	body, err := t.kind.body(now, more)
	if err != nil {
		return nil, err
	}
	if slices.Equal(before, body) {
		return old, nil
	}
	counts := true
	if t.kind.Aside != nil {
		rest := t.kind.Clone(now)
		t.kind.Aside(rest, old)
		b, err := t.kind.body(rest, more)
		if err != nil {
			return nil, err
		}
		counts = !slices.Equal(before, b)
	}
	if counts {
		meta.Modified = t.r.cfg.Now().Unix()
		if body, err = t.kind.body(now, more); err != nil {
			return nil, err
		}
	}
	return t.store(ctx, &change{
		tag: t.kind.Tag, version: t.kind.Version, name: meta.fullName(), id: meta.ID, expect: meta.Revision, body: body,
	})
}

// Delete removes a definition. Memory shows that it is gone when Delete returns.
//
// Errors: ErrNotFound, ErrConflict (lost against others 100 times), ErrFull,
// ErrUnavailable (it may have been deleted; ask again).
func (t *Table[T]) Delete(ctx context.Context, account, region, name string) error {
	return t.DeleteIf(ctx, account, region, name, func(*T) error { return nil })
}

// DeleteIf is Delete of a definition that check lets go. It is asked about the newest
// one, and again when another change came in between; its error ends the call and is
// returned as it is.
func (t *Table[T]) DeleteIf(ctx context.Context, account, region, name string, check func(*T) error) error {
	failed := func(err error) error {
		return fmt.Errorf("registry: delete %s %s: %w", t.kind.Name, name, err)
	}
	full := fullName{account, region, name}
	for range maxAttempts {
		def, err := t.Find(ctx, account, region, name)
		if err != nil {
			return failed(err)
		}
		if err := check(def); err != nil {
			return err
		}
		meta := t.kind.Meta(def)
		_, err = t.store(ctx, &change{tag: t.kind.Tag, name: full, id: meta.ID, expect: meta.Revision})
		if err == nil {
			return nil
		}
		if !errors.Is(err, errOvertaken) {
			return failed(err)
		}
	}
	return failed(ErrConflict)
}

// store hands a change to the writer and waits until it is durable and memory
// shows it. It returns the definition as it was stored; nil for a deletion.
func (t *Table[T]) store(ctx context.Context, c *change) (*T, error) {
	if len(c.body) > maxBody {
		t.r.release(c)
		return nil, ErrTooLarge
	}
	if err := t.r.submit(ctx, c); err != nil || c.body == nil {
		return nil, err
	}
	if def, ok := t.ByID(c.id); ok && t.kind.Meta(def).Revision == c.revision {
		return def, nil
	}
	// Changed again already.
	def, _, err := t.kind.decode(sealed{t.kind.Tag, t.kind.Version, c.revision, c.body})
	return def, err
}
