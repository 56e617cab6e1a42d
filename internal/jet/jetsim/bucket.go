package jetsim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// historyAge is how long a bucket's changes are remembered for watches that lag.
const historyAge = 5 * time.Minute

// bucket is a stored key-value bucket. World.mu guards it.
type bucket struct {
	w        *World
	name     string
	trouble  trouble
	revision uint64
	keys     map[string]jet.KVEntry // newest of each key, deletions too
	markers  []marker               // of deletions, oldest first
	history  []change               // in order
	bytes    int
	watches  []*watch
}

type marker struct {
	key      string
	revision uint64
	until    time.Time
}

type change struct {
	at time.Time
	e  jet.KVEntry
}

// expire drops deletions that are forgotten by now, and old history.
func (b *bucket) expire() {
	now := time.Now()
	for len(b.markers) > 0 && b.markers[0].until.Before(now) {
		if m := b.markers[0]; b.keys[m.key].Revision == m.revision {
			delete(b.keys, m.key)
		}
		b.markers = b.markers[1:]
	}
	n := 0
	for n < len(b.history) && now.Sub(b.history[n].at) > historyAge {
		n++
	}
	if n > 256 {
		b.history = slices.Clone(b.history[n:])
	}
}

// put stores a value or a deletion, if expect is nil or still the key's newest
// revision (0: never had one).
func (b *bucket) put(key string, value []byte, deleted bool, expect *uint64) (uint64, error) {
	b.expire()
	old := b.keys[key]
	if expect != nil && old.Revision != *expect {
		return 0, jet.ErrWrongSequence
	}
	if !b.w.fits(len(key) + len(value) + envelope) {
		return 0, jet.ErrFull
	}
	b.revision++
	e := jet.KVEntry{Key: key, Value: slices.Clone(value), Revision: b.revision, Deleted: deleted}
	if old.Revision == 0 {
		b.bytes += len(key) + envelope
	}
	b.bytes += len(value) - len(old.Value)
	b.keys[key] = e
	b.history = append(b.history, change{time.Now(), e})
	if deleted {
		b.markers = append(b.markers, marker{key, b.revision, time.Now().Add(b.w.opts.MarkerLife)})
	}
	b.wakeAll()
	return b.revision, nil
}

func (b *bucket) wakeAll() {
	for _, w := range b.watches {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// asOf is the revision that the bucket had at a time.
func (b *bucket) asOf(at time.Time) uint64 {
	i, _ := slices.BinarySearchFunc(b.history, at, func(c change, at time.Time) int {
		if c.at.After(at) {
			return 1
		}
		return -1
	})
	if i == len(b.history) {
		return b.revision
	}
	return b.history[i].e.Revision - 1
}

// state is what the bucket held at a revision, by key: the newest change of each.
func (b *bucket) state(revision uint64) map[string]jet.KVEntry {
	s := make(map[string]jet.KVEntry, len(b.keys))
	old := make(map[string]bool) // changed since
	for _, c := range b.history {
		if c.e.Revision <= revision {
			s[c.e.Key] = c.e
		} else {
			old[c.e.Key] = true
		}
	}
	for k, e := range b.keys {
		if e.Revision <= revision && !old[k] {
			s[k] = e
		}
	}
	return s
}

// Relist has every watch of a bucket start over.
func (w *World) Relist(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.buckets[name]
	if b == nil {
		return
	}
	for _, watch := range b.watches {
		watch.broken = true
	}
	b.wakeAll()
}

// bucketOf is a node's way to a bucket.
type bucketOf struct {
	n      *Node
	bucket *bucket
}

func (b *bucketOf) failed(verb, key string, err error) error {
	return failed(verb, fmt.Sprintf("%s in bucket %s", key, b.bucket.name), err)
}

var errInvalidKey = errors.New("invalid key")

func validKey(key string) bool {
	if key == "" || len(key) > 256 {
		return false
	}
	for part := range strings.SplitSeq(key, ".") {
		if part == "" || strings.ContainsAny(part, "*> \t\r\n") {
			return false
		}
	}
	return true
}

// store changes a key.
func (b *bucketOf) store(ctx context.Context, verb, key string, value []byte, deleted bool, expect *uint64) (rev uint64, err error) {
	switch {
	case !validKey(key):
		err = errInvalidKey
	case len(value) > b.n.w.opts.MaxPayload:
		err = jet.ErrTooLarge
	default:
		value = slices.Clone(value) // it may be made late
		err = b.n.visit(ctx, &b.bucket.trouble, true, func() error {
			var err error
			rev, err = b.bucket.put(key, value, deleted, expect)
			return err
		})
	}
	if err != nil {
		return 0, b.failed(verb, key, err)
	}
	return rev, nil
}

// get reads a key, deletions too.
func (b *bucketOf) get(ctx context.Context, key string) (e jet.KVEntry, err error) {
	if !validKey(key) {
		return e, errInvalidKey
	}
	err = b.n.visit(ctx, &b.bucket.trouble, false, func() error {
		b.bucket.expire()
		var ok bool
		if e, ok = b.bucket.keys[key]; !ok {
			return jet.ErrNotFound
		}
		return nil
	})
	return e, err
}

// Get is jet.Bucket's.
func (b *bucketOf) Get(ctx context.Context, key string) (jet.KVEntry, error) {
	e, err := b.get(ctx, key)
	if err == nil && e.Deleted {
		err = jet.ErrNotFound
	}
	if err != nil {
		return jet.KVEntry{}, b.failed("get", key, err)
	}
	e.Value = slices.Clone(e.Value)
	return e, nil
}

// Create is jet.Bucket's.
func (b *bucketOf) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	var expect uint64
	for range 16 {
		rev, err := b.store(ctx, "create", key, value, false, &expect)
		if !errors.Is(err, jet.ErrWrongSequence) {
			return rev, err
		}
		e, err := b.get(ctx, key)
		switch {
		case err == nil && !e.Deleted:
			return 0, b.failed("create", key, jet.ErrExists)
		case err == nil:
			expect = e.Revision
		case errors.Is(err, jet.ErrNotFound):
			expect = 0
		default:
			return 0, b.failed("create", key, err)
		}
	}
	return 0, b.failed("create", key, jet.ErrWrongSequence)
}

// Update is jet.Bucket's.
func (b *bucketOf) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	return b.store(ctx, "update", key, value, false, &revision)
}

// Put is jet.Bucket's.
func (b *bucketOf) Put(ctx context.Context, key string, value []byte) (uint64, error) {
	return b.store(ctx, "put", key, value, false, nil)
}

// Delete is jet.Bucket's.
func (b *bucketOf) Delete(ctx context.Context, key string, revision uint64) (uint64, error) {
	expect := &revision
	if revision == 0 {
		expect = nil
	}
	return b.store(ctx, "delete", key, nil, true, expect)
}

// watch is one call of Watch. World.mu guards cursor and broken; the rest is of
// the one goroutine that watches.
type watch struct {
	b       *bucketOf
	pattern string
	wake    chan struct{} // of length 1
	broken  bool          // start over

	cursor uint64            // revision that was looked at last
	known  map[string]uint64 // keys that were reported with a value
	high   uint64            // highest revision reported
}

// Watch is jet.Bucket's.
func (b *bucketOf) Watch(ctx context.Context, pattern string, fn func(jet.KVEntry), initial func()) error {
	w := &watch{b: b, pattern: pattern, wake: make(chan struct{}, 1), known: make(map[string]uint64), broken: true}
	world := b.n.w
	world.mu.Lock()
	b.bucket.watches = append(b.bucket.watches, w)
	world.mu.Unlock()
	defer func() {
		world.mu.Lock()
		defer world.mu.Unlock()
		b.bucket.watches = slices.DeleteFunc(b.bucket.watches, func(other *watch) bool { return other == w })
	}()
	for {
		if err := b.n.Awake(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return b.failed("watch", pattern, jet.ErrClosed)
		}
		world.mu.Lock()
		news, again, wait := w.look()
		world.mu.Unlock()
		for _, e := range news {
			w.report(e, fn)
		}
		if again {
			if err := w.compare(ctx, news, fn); err != nil {
				world.mu.Lock()
				w.broken = true
				world.mu.Unlock()
				wait = 100 * time.Millisecond
			} else if initial != nil {
				initial()
				initial = nil
			}
		}
		if err := w.sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// sleep waits for news, for wait at most (0: for as long as it takes).
func (w *watch) sleep(ctx context.Context, wait time.Duration) error {
	var timeout <-chan time.Time
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		timeout = t.C
		select {
		case <-timeout:
		case <-w.b.n.dead:
		case <-ctx.Done():
			return ctx.Err()
		}
		return nil
	}
	select {
	case <-w.wake:
	case <-w.b.n.dead:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// look takes what is to be reported now: changes since the last look, or with
// again all that there is. wait says after what time to look once more, 0: when
// woken. World.mu is held.
func (w *watch) look() (news []jet.KVEntry, again bool, wait time.Duration) {
	n, b := w.b.n, w.b.bucket
	b.expire()
	if n.cut || b.trouble.noLeader {
		w.broken = w.broken || n.w.chance(0.5)
		return nil, false, 100 * time.Millisecond
	}
	lag := n.lag[b.name] + n.slow
	if !w.broken {
		lag += n.w.opts.Latency
	}
	seen := b.asOf(time.Now().Add(-lag))
	if w.broken {
		// A replica serves it, which may be behind what was seen already.
		w.broken, w.cursor = false, seen
		for _, e := range b.state(seen) {
			if matches(w.pattern, e.Key) {
				news = append(news, e)
			}
		}
		again = true
	} else {
		newest := make(map[string]uint64)
		for i := len(b.history) - 1; i >= 0 && b.history[i].e.Revision > w.cursor; i-- {
			e := b.history[i].e
			if e.Revision > seen || !matches(w.pattern, e.Key) {
				continue
			}
			// Of several changes of a key the earlier ones may be left out.
			if newest[e.Key] > 0 && n.w.chance(0.5) {
				continue
			}
			newest[e.Key] = e.Revision
			news = append(news, e)
		}
	}
	slices.SortFunc(news, func(a, b jet.KVEntry) int { return cmp.Compare(a.Revision, b.Revision) })
	w.cursor = max(w.cursor, seen)
	if seen < b.revision {
		i, _ := slices.BinarySearchFunc(b.history, seen+1, func(c change, r uint64) int { return cmp.Compare(c.e.Revision, r) })
		if i < len(b.history) {
			wait = max(time.Until(b.history[i].at.Add(lag)), time.Nanosecond)
		}
	}
	return news, again, wait
}

// report hands on what is news.
func (w *watch) report(e jet.KVEntry, fn func(jet.KVEntry)) {
	w.high = max(w.high, e.Revision)
	before, known := w.known[e.Key]
	if known && e.Revision < before || known && e.Revision == before && !e.Deleted {
		return
	}
	if e.Deleted {
		e.Value = nil
		delete(w.known, e.Key)
	} else {
		e.Value = slices.Clone(e.Value)
		w.known[e.Key] = e.Revision
	}
	fn(e)
}

// compare reports as deleted what was reported and is not there any more; the
// leader is asked about each.
func (w *watch) compare(ctx context.Context, all []jet.KVEntry, fn func(jet.KVEntry)) error {
	there := make(map[string]bool, len(all))
	for _, e := range all {
		there[e.Key] = true
	}
	for _, key := range slices.Sorted(maps.Keys(w.known)) {
		if there[key] {
			continue
		}
		e, err := w.b.get(ctx, key)
		switch {
		case errors.Is(err, jet.ErrNotFound):
			e = jet.KVEntry{Key: key, Revision: w.high, Deleted: true}
		case err != nil:
			return err
		}
		if e.Deleted || e.Revision > w.known[key] {
			w.report(e, fn)
		}
	}
	return nil
}
