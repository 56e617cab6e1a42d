package lease

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/waystation/waystation/internal/jet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeCluster is a bucket and the requests between nodes, in memory.
type fakeCluster struct {
	jet.Cluster // what is not faked panics

	mu       sync.Mutex
	rev      uint64
	keys     map[string]jet.KVEntry
	watchers map[*fakeWatch]struct{}
	served   map[string]func(*jet.Incoming)
	writes   []jet.KVEntry
	closed   chan struct{} // watches end when it is closed
}

type fakeWatch struct {
	queue []jet.KVEntry
	news  chan struct{} // of length 1
}

func newFakeCluster() *fakeCluster {
	return &fakeCluster{
		keys: make(map[string]jet.KVEntry), watchers: make(map[*fakeWatch]struct{}),
		served: make(map[string]func(*jet.Incoming)), closed: make(chan struct{}),
	}
}

// write stores a value whatever stands there, as from elsewhere.
func (c *fakeCluster) write(key, value string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.store(jet.KVEntry{Key: key, Value: []byte(value)})
}

// value of a key; "" when there is none.
func (c *fakeCluster) value(key string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.keys[key].Value)
}

// changes counts how often a key was written.
func (c *fakeCluster) changes(key string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.writes {
		if e.Key == key {
			n++
		}
	}
	return n
}

// vanish removes a key of which nothing is left: a watch that starts over only finds
// that it is not there any more.
func (c *fakeCluster) vanish(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.keys, key)
	for w := range c.watchers {
		w.queue = append(w.queue, jet.KVEntry{Key: key, Revision: c.rev, Deleted: true})
		w.signal()
	}
}

// store: mu is held.
func (c *fakeCluster) store(e jet.KVEntry) uint64 {
	c.rev++
	e.Revision = c.rev
	c.keys[e.Key] = e
	c.writes = append(c.writes, e)
	for w := range c.watchers {
		w.queue = append(w.queue, e)
		w.signal()
	}
	return c.rev
}

func (w *fakeWatch) signal() {
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// link is the cluster as one node reaches it.
type link struct {
	*fakeCluster

	mu     sync.Mutex
	fault  func(op, key string) error // before an operation; nil: none
	lost   func(op, key string) bool  // after one: its answer gets lost
	ops    map[string]int             // calls by operation and key
	deaf   chan struct{}              // what watches bring waits for it to be closed; nil: it doesn't
	frozen chan struct{}              // requests to this node, and its own operations, wait for it to be closed; nil: they don't
}

func (l *link) set(f func(l *link)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l)
}

// calls counts operations on a key since the last time it was asked.
func (l *link) calls(op, key string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer delete(l.ops, op+" "+key)
	return l.ops[op+" "+key]
}

// do runs one operation with this link's faults.
func (l *link) do(ctx context.Context, op, key string, f func() error) error {
	l.mu.Lock()
	fault, lost, frozen := l.fault, l.lost, l.frozen
	if l.ops == nil {
		l.ops = make(map[string]int)
	}
	l.ops[op+" "+key]++
	l.mu.Unlock()
	if frozen != nil {
		select {
		case <-frozen:
		case <-ctx.Done():
			return jet.ErrUnavailable
		}
	}
	if fault != nil {
		if err := fault(op, key); err != nil {
			return err
		}
	}
	l.fakeCluster.mu.Lock()
	err := f()
	l.fakeCluster.mu.Unlock()
	if err == nil && lost != nil && lost(op, key) {
		return jet.ErrUnavailable
	}
	return err
}

func (l *link) Bucket(ctx context.Context, spec jet.KVSpec) (jet.Bucket, error) {
	if err := l.do(ctx, "open", spec.Bucket, func() error { return nil }); err != nil {
		return nil, err
	}
	return fakeBucket{l}, nil
}

func (l *link) Serve(subject string, h func(*jet.Incoming)) (func(), error) {
	c := l.fakeCluster
	if l.fault != nil {
		if err := l.fault("serve", subject); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.served[subject] = func(in *jet.Incoming) {
		l.mu.Lock()
		frozen := l.frozen
		l.mu.Unlock()
		if frozen != nil {
			<-frozen
		}
		h(in)
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.served, subject)
	}, nil
}

func (l *link) Request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	c := l.fakeCluster
	c.mu.Lock()
	h := c.served[subject]
	c.mu.Unlock()
	if h == nil {
		return nil, jet.ErrNoResponders
	}
	answer := make(chan []byte, 1)
	go h(jet.NewIncoming(subject, data, func(data []byte) error { answer <- data; return nil }))
	select {
	case data := <-answer:
		return data, nil
	case <-ctx.Done():
		return nil, jet.ErrUnavailable
	}
}

type fakeBucket struct{ l *link }

func (b fakeBucket) Get(ctx context.Context, key string) (e jet.KVEntry, err error) {
	err = b.l.do(ctx, "get", key, func() error {
		var ok bool
		if e, ok = b.l.keys[key]; !ok || e.Deleted {
			return jet.ErrNotFound
		}
		return nil
	})
	return e, err
}

func (b fakeBucket) Create(ctx context.Context, key string, value []byte) (rev uint64, err error) {
	err = b.l.do(ctx, "create", key, func() error {
		if e, ok := b.l.keys[key]; ok && !e.Deleted {
			return jet.ErrExists
		}
		rev = b.l.store(jet.KVEntry{Key: key, Value: value})
		return nil
	})
	return rev, err
}

func (b fakeBucket) Update(ctx context.Context, key string, value []byte, expect uint64) (rev uint64, err error) {
	err = b.l.do(ctx, "update", key, func() error {
		if b.l.keys[key].Revision != expect {
			return jet.ErrWrongSequence
		}
		rev = b.l.store(jet.KVEntry{Key: key, Value: value})
		return nil
	})
	return rev, err
}

func (b fakeBucket) Put(context.Context, string, []byte) (uint64, error) {
	return 0, errors.New("leases are never put")
}

func (b fakeBucket) Delete(ctx context.Context, key string, expect uint64) (rev uint64, err error) {
	err = b.l.do(ctx, "delete", key, func() error {
		if b.l.keys[key].Revision != expect {
			return jet.ErrWrongSequence
		}
		rev = b.l.store(jet.KVEntry{Key: key, Deleted: true})
		return nil
	})
	return rev, err
}

func (b fakeBucket) Watch(ctx context.Context, pattern string, fn func(jet.KVEntry), initial func()) error {
	c := b.l.fakeCluster
	w := &fakeWatch{news: make(chan struct{}, 1)}
	c.mu.Lock()
	for _, e := range c.keys {
		if !e.Deleted {
			w.queue = append(w.queue, e)
		}
	}
	c.watchers[w] = struct{}{}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.watchers, w)
	}()
	select {
	case <-c.closed:
		return jet.ErrClosed
	default:
	}
	w.signal()
	for {
		select {
		case <-w.news:
		case <-c.closed:
			return jet.ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
		b.l.mu.Lock()
		frozen, deaf := b.l.frozen, b.l.deaf
		b.l.mu.Unlock()
		if deaf != nil {
			select {
			case <-deaf:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if frozen != nil {
			select {
			case <-frozen:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		c.mu.Lock()
		queue := w.queue
		w.queue = nil
		c.mu.Unlock()
		for _, e := range queue {
			if pattern == ">" || strings.HasPrefix(e.Key, pattern) {
				fn(e)
			}
		}
		if initial != nil {
			initial()
			initial = nil
		}
	}
}
