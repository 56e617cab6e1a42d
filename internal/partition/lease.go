package partition

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// leases says who should own which partition. It is a KV bucket with
//
//	node.NAME      beat: the node's present run, written again every beat
//	partition.N    lease: the node and run that owns it, or released
//	count          how many partitions there are
//
// A partition is free when its lease is missing or released, when its node has
// been silent for the lease time, or when its node runs anew. Silence is
// measured by the watcher's own monotonic clock from the moment it saw the
// last beat; clocks of different machines are never compared. The clock stands
// still while the watcher does not see its own beats come back: then the bucket
// has no leader, or the watch is broken, and silence says nothing. Two nodes that
// claim at once are told apart by compare-and-set on the lease; and whatever
// goes wrong here, the journal's fence lets only one of them write.
type leases struct {
	kv      jet.Bucket // set by Run
	node    string
	run     string
	ttl     time.Duration
	elapsed func() int64
	log     *slog.Logger

	mu      sync.Mutex
	watched int64 // nanoseconds for which beats would have been seen
	heard   int64 // elapsed when our own beat came back last; 0: not yet
	nodes   map[string]nodeBeat
	parts   map[uint32]partLease
	count   uint32
	loaded  bool
	changed chan struct{}     // closed and replaced at every change that routing depends on
	clash   bool              // another process uses our name
	durable map[uint32]uint64 // the furthest that any node told of
}

type beat struct {
	Run     string `json:"run"`
	N       uint64 `json:"n"`
	Stopped bool   `json:"stopped,omitempty"`
	// Durable is how far each partition's log reached at the last sign of life:
	// a log found shorter than that lost what had been acknowledged.
	Durable map[uint32]uint64 `json:"durable,omitempty"`
}

type nodeBeat struct {
	beat
	rev  uint64
	seen int64 // of the watched nanoseconds
	live bool  // it came while we watched; what was found at the start may be of a node long gone
}

type lease struct {
	Node     string `json:"node"`
	Run      string `json:"run"`
	Released bool   `json:"released,omitempty"`
}

type partLease struct {
	lease
	rev  uint64
	seen int64 // of the watched nanoseconds
}

func newLeases(node, run string, ttl time.Duration, elapsed func() int64, log *slog.Logger) *leases {
	return &leases{
		node: node, run: run, ttl: ttl, elapsed: elapsed, log: log,
		nodes: make(map[string]nodeBeat), parts: make(map[uint32]partLease), changed: make(chan struct{}),
		durable: make(map[uint32]uint64),
	}
}

// watch keeps the table until ctx ends; loaded is called once the table is whole.
func (l *leases) watch(ctx context.Context, loaded func()) error {
	return l.kv.Watch(ctx, ">", l.hear, func() {
		l.mu.Lock()
		l.loaded = true
		l.mu.Unlock()
		loaded()
	})
}

// hear is called by the watch.
func (l *leases) hear(e jet.KVEntry) {
	l.see(e)
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Key != "node."+l.node || l.nodes[l.node].Run != l.run {
		return
	}
	// After a gap the others get a chance to be heard again.
	now := l.elapsed()
	if l.heard != 0 {
		l.watched += min(now-l.heard, int64(l.ttl)/2)
	}
	l.heard = now
}

// see takes in an entry that was heard, or one that we wrote.
func (l *leases) see(e jet.KVEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch name, rest, _ := strings.Cut(e.Key, "."); name {
	case "count":
		if n, err := strconv.ParseUint(string(e.Value), 10, 32); err == nil {
			l.count = uint32(n)
			l.broadcast()
		}
	case "node":
		l.seeNode(rest, e)
	case "partition":
		n, err := strconv.ParseUint(rest, 10, 32)
		if err != nil {
			return
		}
		p := partLease{rev: e.Revision, seen: l.watched}
		if e.Deleted || json.Unmarshal(e.Value, &p.lease) != nil {
			p.Released = true
		}
		if old, ok := l.parts[uint32(n)]; ok && old.rev >= p.rev {
			return
		}
		l.parts[uint32(n)] = p
		l.broadcast()
	}
}

func (l *leases) seeNode(name string, e jet.KVEntry) {
	b := nodeBeat{rev: e.Revision, seen: l.watched, live: l.loaded}
	if e.Deleted || json.Unmarshal(e.Value, &b.beat) != nil {
		b.Stopped = true
	}
	l.reached(b.Durable)
	if name == l.node && b.Run != l.run && !b.Stopped && l.nodes[name].Run == l.run {
		l.clash = true
	}
	old, known := l.nodes[name]
	l.nodes[name] = b
	if !known || old.Run != b.Run || old.Stopped != b.Stopped || old.live != b.live {
		l.broadcast()
	}
}

// alive tells whether the holder of a lease has given a sign of life lately.
// Call with mu held.
func (l *leases) alive(le lease) bool {
	n := l.nodes[le.Node]
	return n.live && !n.Stopped && n.Run == le.Run && l.watched-n.seen <= int64(l.ttl)
}

// broadcast wakes all who wait for a change. Call with mu held.
func (l *leases) broadcast() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *leases) notify() {
	l.mu.Lock()
	l.broadcast()
	l.mu.Unlock()
}

// holder is the node run that holds the lease of a partition, "" for none, and
// a channel closed at the next change.
func (l *leases) holder(p uint32) (run string, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if le, ok := l.parts[p]; ok && !le.Released {
		run = le.Run
	}
	return run, l.changed
}

// free tells whether a partition may be claimed. Call with mu held.
func (l *leases) free(p uint32) bool {
	le, ok := l.parts[p]
	if !ok || le.Released {
		return true
	}
	if le.Run == l.run {
		return false
	}
	n, ok := l.nodes[le.Node]
	if ok && (n.Stopped || n.Run != le.Run) {
		// The node stopped, or runs anew and its former run is over. A beat
		// older than the lease says nothing: then the lease's own age counts.
		if n.rev > le.rev || n.Stopped || le.Node == l.node {
			return true
		}
	}
	seen := le.seen
	if ok && n.Run == le.Run {
		seen = max(seen, n.seen)
	}
	return l.watched-seen > int64(l.ttl)
}

// plan says which free partitions this node should claim now and which it
// should give up for others to have their share.
func (l *leases) plan() (claim []uint32, giveUp []uint32, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.clash {
		return nil, nil, fmt.Errorf("another process uses the node name %q: give each its own by --node", l.node)
	}
	if !l.loaded {
		return nil, nil, nil
	}
	live := 0
	for _, n := range l.nodes {
		if !n.Stopped && l.watched-n.seen <= int64(l.ttl) {
			live++
		}
	}
	share := int(l.count)
	if live > 1 {
		share = (int(l.count) + live - 1) / live
	}
	mine := 0
	for p := range l.count {
		if le, ok := l.parts[p]; ok && !le.Released && le.Run == l.run {
			mine++
			if mine > share {
				giveUp = append(giveUp, p)
			}
		}
	}
	for p := range l.count {
		if l.free(p) && mine+len(claim) < share {
			claim = append(claim, p)
		}
	}
	if len(giveUp) > 1 {
		giveUp = giveUp[:1]
	}
	return claim, giveUp, nil
}

// reached notes how far logs reach. Call with mu held.
func (l *leases) reached(durable map[uint32]uint64) {
	for p, seq := range durable {
		l.durable[p] = max(l.durable[p], seq)
	}
}

// least is how far a partition's log must reach.
func (l *leases) least(p uint32) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.durable[p]
}

// beat says that this node is alive, and how far the logs reach.
func (l *leases) beat(ctx context.Context, n uint64, stopped bool, durable map[uint32]uint64) error {
	l.mu.Lock()
	l.reached(durable)
	b, _ := json.Marshal(beat{Run: l.run, N: n, Stopped: stopped, Durable: l.durable})
	l.mu.Unlock()
	rev, err := l.kv.Put(ctx, "node."+l.node, b)
	if err == nil {
		l.see(jet.KVEntry{Key: "node." + l.node, Value: b, Revision: rev})
	}
	return err
}

func leaseKey(p uint32) string { return "partition." + strconv.FormatUint(uint64(p), 10) }

// claim takes the lease of a free partition; false if another was faster.
func (l *leases) claim(ctx context.Context, p uint32) (bool, error) {
	l.mu.Lock()
	old, ok := l.parts[p]
	l.mu.Unlock()
	b, _ := json.Marshal(lease{Node: l.node, Run: l.run})
	var rev uint64
	var err error
	if ok {
		rev, err = l.kv.Update(ctx, leaseKey(p), b, old.rev)
	} else {
		rev, err = l.kv.Create(ctx, leaseKey(p), b)
	}
	switch {
	case errors.Is(err, jet.ErrWrongSequence), errors.Is(err, jet.ErrExists):
		return false, nil
	case err != nil:
		return false, err
	}
	l.see(jet.KVEntry{Key: leaseKey(p), Value: b, Revision: rev})
	return true, nil
}

// release gives the lease back, if it is still ours.
func (l *leases) release(ctx context.Context, p uint32) error {
	l.mu.Lock()
	old := l.parts[p]
	l.mu.Unlock()
	if old.Run != l.run || old.Released {
		return nil
	}
	b, _ := json.Marshal(lease{Node: l.node, Run: l.run, Released: true})
	rev, err := l.kv.Update(ctx, leaseKey(p), b, old.rev)
	if errors.Is(err, jet.ErrWrongSequence) {
		return nil
	}
	if err == nil {
		l.see(jet.KVEntry{Key: leaseKey(p), Value: b, Revision: rev})
	}
	return err
}

func (l *leases) mine(p uint32) bool {
	run, _ := l.holder(p)
	return run == l.run
}

// agreeCount makes sure that there are at least n partitions.
func (l *leases) agreeCount(ctx context.Context, n uint32) error {
	for {
		e, err := l.kv.Get(ctx, "count")
		switch {
		case errors.Is(err, jet.ErrNotFound):
			_, err = l.kv.Create(ctx, "count", strconv.AppendUint(nil, uint64(n), 10))
		case err != nil:
			return err
		default:
			have, perr := strconv.ParseUint(string(e.Value), 10, 32)
			if perr != nil {
				return fmt.Errorf("the number of partitions reads %q: not a number", e.Value)
			}
			if uint32(have) >= n {
				return nil
			}
			_, err = l.kv.Update(ctx, "count", strconv.AppendUint(nil, uint64(n), 10), e.Revision)
		}
		if err == nil {
			return nil
		}
		if !errors.Is(err, jet.ErrExists) && !errors.Is(err, jet.ErrWrongSequence) {
			return err
		}
	}
}
