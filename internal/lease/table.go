package lease

import (
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// table is what a node has heard of the bucket, and when.
type table struct {
	node    string
	run     string
	ttl     time.Duration
	elapsed func() time.Duration

	mu      sync.Mutex    // guards what follows
	watched time.Duration // for which beats would have been seen
	heard   time.Duration // elapsed when our own beat came back last
	hearing bool          // it came back once
	nodes   map[string]nodeBeat
	parts   map[uint32]partLease
	count   uint32
	loaded  bool
	durable map[uint32]uint64 // the furthest that any node told of

	changed chan struct{}            // closed and replaced at every change
	waiting map[uint32]chan struct{} // closed and removed when a partition changes
	poke    chan struct{}            // of length 1: the plan may have changed
}

type nodeBeat struct {
	beat
	rev  uint64
	seen time.Duration // of the watched time
	live bool          // it came while we watched; what was found at the start may be of a node long gone
}

type partLease struct {
	lease
	rev  uint64
	gone bool          // the entry was removed
	seen time.Duration // of the watched time
}

func newTable(node, run string, ttl time.Duration, elapsed func() time.Duration) *table {
	return &table{
		node: node, run: run, ttl: ttl, elapsed: elapsed,
		nodes: make(map[string]nodeBeat), parts: make(map[uint32]partLease), durable: make(map[uint32]uint64),
		changed: make(chan struct{}), waiting: make(map[uint32]chan struct{}), poke: make(chan struct{}, 1),
	}
}

// hear takes in what the watch reports.
func (t *table) hear(e jet.KVEntry) {
	t.see(e)
	if e.Key != nodeKey(t.node) || e.Deleted || decodeBeat(e).Run != t.run {
		return
	}
	// Our own beat came back: what others say comes through too. After a gap they
	// get a chance to be heard again.
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.elapsed()
	if t.hearing {
		t.watched += min(now-t.heard, t.ttl/2)
	}
	t.heard, t.hearing = now, true
}

// see takes in an entry that was heard, or one that we wrote. Older ones than
// what is known of the key say nothing.
func (t *table) see(e jet.KVEntry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch kind, name, _ := strings.Cut(e.Key, "."); kind {
	case countKey:
		if n, err := strconv.ParseUint(string(e.Value), 10, 32); err == nil && n <= MaxCount && uint32(n) > t.count {
			t.count = uint32(n)
			t.announce()
		}
	case nodePrefix:
		t.seeNode(name, e)
	case partitionPrefix:
		if p, err := strconv.ParseUint(name, 10, 32); err == nil {
			t.seeLease(uint32(p), e)
		}
	}
}

// older reports whether an entry says nothing beyond what is known since rev. A key
// may be told to be gone by the revision of its own last entry (jet.KV.Watch).
func older(e jet.KVEntry, rev uint64) bool {
	return e.Revision < rev || e.Revision == rev && !e.Deleted
}

// seeNode: mu is held.
func (t *table) seeNode(name string, e jet.KVEntry) {
	old, known := t.nodes[name]
	if known && older(e, old.rev) {
		return
	}
	n := nodeBeat{beat: decodeBeat(e), rev: e.Revision, seen: t.watched, live: t.loaded}
	t.reached(n.Durable)
	if e.Deleted {
		delete(t.nodes, name)
	} else {
		t.nodes[name] = n
	}
	silent := t.watched-old.seen > t.ttl // until now
	if old.Run != n.Run || old.Stopped != n.Stopped || old.Leaving != n.Leaving || old.live != n.live || silent {
		t.announce()
	}
}

// seeLease: mu is held.
func (t *table) seeLease(p uint32, e jet.KVEntry) {
	if old, ok := t.parts[p]; ok && older(e, old.rev) {
		return
	}
	t.parts[p] = partLease{lease: decodeLease(e), rev: e.Revision, gone: e.Deleted, seen: t.watched}
	t.wakeLocked(p)
	t.announce()
}

// reached notes how far logs reach. mu is held.
func (t *table) reached(durable map[uint32]uint64) {
	for p, seq := range durable {
		t.durable[p] = max(t.durable[p], seq)
	}
}

// marks notes how far our logs reach, and returns how far all do.
func (t *table) marks(ours map[uint32]uint64) map[uint32]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reached(ours)
	return maps.Clone(t.durable)
}

// least is how far a partition's log must reach.
func (t *table) least(p uint32) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.durable[p]
}

// complete says that the watch has reported all there was.
func (t *table) complete() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.loaded = true
	t.announce()
}

// announce wakes the plan, and the few who wait for any change. mu is held.
func (t *table) announce() {
	close(t.changed)
	t.changed = make(chan struct{})
	select {
	case t.poke <- struct{}{}:
	default:
	}
}

// wake wakes all who wait for a change of the partition, and the plan.
func (t *table) wake(p uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wakeLocked(p)
	t.announce()
}

func (t *table) wakeLocked(p uint32) {
	if c, ok := t.waiting[p]; ok {
		close(c)
		delete(t.waiting, p)
	}
}

// lease of a partition as it is known, and its revision; 0 when there is none.
func (t *table) lease(p uint32) (lease, uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.parts[p]
	if l.gone {
		return l.lease, 0 // whatever revision it went at
	}
	return l.lease, l.rev
}

// await is closed at the next change of the partition. mu is held.
func (t *table) await(p uint32) <-chan struct{} {
	c, ok := t.waiting[p]
	if !ok {
		c = make(chan struct{})
		t.waiting[p] = c
	}
	return c
}

// mine reports whether the lease of a partition is ours.
func (t *table) mine(p uint32) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ours(p)
}

// ours: mu is held.
func (t *table) ours(p uint32) bool {
	l := t.parts[p]
	return !l.Released && l.Run == t.run
}
