package jetsim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// Node is one run of a node's way to the World: a jet.Cluster with faults of
// its own. Safe for concurrent use.
type Node struct {
	w    *World
	name string
	dead chan struct{} // closed by Kill

	// Guarded by World.mu.
	killed bool
	cut    bool          // from everything that is stored
	slow   time.Duration // on top of every message's delay
	mute   bool          // its answers are lost
	lag    map[string]time.Duration
	frozen bool
	thawed chan struct{} // closed while it is not frozen
}

var _ jet.Cluster = (*Node)(nil)

// Kill ends the node: nothing that it does from now on has an effect, and
// whatever it waits for fails.
func (n *Node) Kill() {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	if n.killed {
		return
	}
	n.killed = true
	close(n.dead)
	if n.frozen {
		n.frozen = false
		close(n.thawed)
	}
	kept := n.w.served[:0]
	for _, s := range n.w.served {
		if s.n == n {
			s.close()
		} else {
			kept = append(kept, s)
		}
	}
	clear(n.w.served[len(kept):])
	n.w.served = kept
	for _, b := range n.w.buckets {
		b.wakeAll()
	}
}

// Killed is closed when the node was killed.
func (n *Node) Killed() <-chan struct{} { return n.dead }

// Freeze lets nothing in or out until Thaw.
func (n *Node) Freeze() {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	if !n.frozen && !n.killed {
		n.frozen, n.thawed = true, make(chan struct{})
	}
}

// Thaw ends Freeze.
func (n *Node) Thaw() {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	if n.frozen {
		n.frozen = false
		close(n.thawed)
	}
}

// Awake waits while the node is frozen. Callers of a node's services use it on
// the way in and out. Errors: ctx's, jet.ErrUnavailable when it was killed.
func (n *Node) Awake(ctx context.Context) error {
	for {
		n.w.mu.Lock()
		frozen, thawed := n.frozen, n.thawed
		n.w.mu.Unlock()
		select {
		case <-n.dead:
			return fmt.Errorf("%w: the node was killed", jet.ErrUnavailable)
		default:
		}
		if !frozen {
			return nil
		}
		select {
		case <-thawed:
		case <-n.dead:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// CutStore severs the node from everything that is stored, or joins it again.
func (n *Node) CutStore(severed bool) {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	n.cut = severed
	for _, b := range n.w.buckets {
		b.wakeAll()
	}
}

// Slow adds a delay to every message of the node.
func (n *Node) Slow(by time.Duration) {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	n.slow = by
}

// Mute has the node's answers to other nodes be lost, or no longer.
func (n *Node) Mute(mute bool) {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	n.mute = mute
}

// LagWatch has the node's watches of a bucket show what stood there so long
// ago.
func (n *Node) LagWatch(bucket string, by time.Duration) {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	n.lag[bucket] = by
	if b := n.w.buckets[bucket]; b != nil {
		b.wakeAll()
	}
}

// within gives ctx a deadline when it has none.
func (n *Node) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, n.w.opts.AckTimeout)
}

// outcome turns the end of a context into what jet makes of it.
func outcome(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", jet.ErrUnavailable, ctx.Err())
}

// silence waits until ctx ends: no answer will come.
func (n *Node) silence(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return outcome(ctx)
	case <-n.dead:
		return fmt.Errorf("%w: the node was killed", jet.ErrUnavailable)
	}
}

// visit carries out what a node asks of something stored, f, with World.mu held.
// change says that f alters what is stored. f is run at most once here, and
// perhaps later.
func (n *Node) visit(ctx context.Context, t *trouble, change bool, f func() error) error {
	ctx, cancel := n.within(ctx)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return outcome(ctx)
	}
	if err := n.Awake(ctx); err != nil {
		if ctx.Err() != nil {
			err = outcome(ctx)
		}
		return err
	}
	w := n.w
	w.mu.Lock()
	d := w.delay() + n.slow
	if change {
		d += w.slow
	}
	w.mu.Unlock()
	if pause(ctx, d) != nil {
		return outcome(ctx)
	}

	w.mu.Lock()
	switch {
	case n.killed, n.cut, t.noLeader && t.silent:
		w.mu.Unlock()
		return n.silence(ctx)
	case t.noLeader:
		w.mu.Unlock()
		return fmt.Errorf("%w: no leader", jet.ErrUnavailable)
	case change && w.chance(t.odds.Lost):
		w.mu.Unlock()
		return n.silence(ctx)
	case change && w.chance(t.odds.Late):
		by := time.Duration(w.random.Int64N(int64(t.odds.LateBy) + 1))
		w.mu.Unlock()
		err := n.silence(ctx)
		time.AfterFunc(by, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			if !t.noLeader {
				_ = f() // nobody hears of it
			}
		})
		return err
	}
	err := f()
	mute := change && w.chance(t.odds.LostAck)
	w.mu.Unlock()
	if mute {
		return n.silence(ctx)
	}
	if awake := n.Awake(ctx); awake != nil {
		if ctx.Err() != nil {
			awake = outcome(ctx)
		}
		return awake
	}
	return err
}

// Log is jet.Cluster's.
func (n *Node) Log(ctx context.Context, spec jet.StreamSpec) (jet.Log, error) {
	w := n.w
	var l *log
	err := n.visit(ctx, new(trouble), true, func() error {
		if l = w.logs[spec.Name]; l == nil {
			l = &log{w: w, name: spec.Name, subject: spec.Subject, first: 1}
			w.logs[spec.Name] = l
		}
		if l.subject != spec.Subject {
			return &jet.DriftError{Stream: spec.Name, Drifts: []jet.Drift{{Field: "subjects", Have: l.subject, Want: spec.Subject}}}
		}
		return nil
	})
	if err != nil {
		return nil, failed("open stream", spec.Name, err)
	}
	return &logOf{n: n, log: l}, nil
}

// Bucket is jet.Cluster's.
func (n *Node) Bucket(ctx context.Context, spec jet.KVSpec) (jet.Bucket, error) {
	w := n.w
	var b *bucket
	err := n.visit(ctx, new(trouble), true, func() error {
		if b = w.buckets[spec.Bucket]; b == nil {
			b = &bucket{w: w, name: spec.Bucket, keys: make(map[string]jet.KVEntry)}
			w.buckets[spec.Bucket] = b
		}
		return nil
	})
	if err != nil {
		return nil, failed("open bucket", spec.Bucket, err)
	}
	return &bucketOf{n: n, bucket: b}, nil
}

// Space is jet.Cluster's.
func (n *Node) Space(ctx context.Context) (jet.Space, error) {
	if err := n.Awake(ctx); err != nil {
		return jet.Space{}, err
	}
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	if n.cut || n.killed {
		return jet.Space{}, failed("measure", "space", jet.ErrUnavailable)
	}
	return n.w.space(), nil
}

// MaxPayload is jet.Cluster's.
func (n *Node) MaxPayload() int { return n.w.opts.MaxPayload }
