package simulation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/jet/jetsim"
	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/lease"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/topic"
)

// clock is a node's clocks. They drift from the World's time, and the wall clock steps.
type clock struct {
	drift float64 // seconds a second, from began on
	began time.Time
	steps atomic.Int64 // how often the wall clock stepped

	mu     sync.Mutex // guards what follows
	offset time.Duration
}

// elapsed is the monotonic clock.
func (c *clock) elapsed() time.Duration {
	d := time.Since(c.began)
	return d + time.Duration(c.drift*float64(d))
}

// now is the wall clock.
func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	// Without its monotonic reading: that one does not step with the wall's.
	return c.began.Add(c.elapsed() + c.offset).Round(0)
}

// set puts the wall clock off by offset.
func (c *clock) set(offset time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset = offset
	c.steps.Add(1)
}

// node is a place where runs of a server follow each other.
type node struct {
	s     *sim
	name  string
	clock clock
	rng   *rand.Rand // for placing; guarded by mu

	mu  sync.Mutex // guards what follows
	run *run       // nil while it is down
}

// run is one process, from its start to its end.
type run struct {
	node   *node
	net    *jetsim.Node
	reg    *registry.Registry
	svc    *partition.Service
	topics *topic.Service
	buses  *bus.Service
	cancel context.CancelFunc
	done   chan struct{} // closed when everything of it has ended
}

// start begins a new run. It returns at once; the run may end by itself.
func (n *node) start() {
	ctx, cancel := context.WithCancel(context.Background())
	r := &run{node: n, net: n.s.world.Node(n.name), cancel: cancel, done: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.run != nil || n.s.over() {
		cancel()
		return
	}
	n.run = r
	n.s.runs.Go(func() {
		err := r.serve(ctx)
		cancel()
		n.mu.Lock()
		if n.run == r {
			n.run = nil
		}
		n.mu.Unlock()
		close(r.done)
		if err != nil && !r.killed() && !errors.Is(err, context.Canceled) {
			// A supervisor starts it again.
			n.s.trace("node %s ended by itself: %v", n.name, err)
			if err != errNotNow {
				n.s.ended(n.name, err)
			}
			time.AfterFunc(2*time.Second, n.start)
		}
	})
}

func (r *run) killed() bool {
	select {
	case <-r.net.Killed():
		return true
	default:
		return false
	}
}

// errNotNow: the process could not start, since the store did not answer.
var errNotNow = errors.New("the store does not answer")

// serve is what a process does: the same as internal/app, without its HTTP.
func (r *run) serve(ctx context.Context) error {
	n, p := r.node, r.node.s.plan
	log := slog.New(slog.DiscardHandler)
	if n.s.logs != nil {
		log = slog.New(n.s.logs.of(n.name))
	}
	reg, err := registry.Open(ctx, r.net, "ws", registry.Config{Now: n.clock.now, Logger: log})
	if errors.Is(err, jet.ErrUnavailable) {
		return errNotNow
	}
	if err != nil {
		return err
	}
	reg.OnQueue(func(old, now *registry.Queue) {
		if now == nil {
			n.s.book.removed(old.ID)
		}
	})
	if err := r.openServices(reg, log); err != nil {
		return err
	}
	svc, err := partition.New(partition.Config{
		Conn: r.net, Registry: reg, Node: n.name, Count: n.s.count(), Lease: p.lease,
		CacheBytes: p.cache, MaxRequests: p.requests, Reserve: p.disk / 8, Kinds: kindsOf(), Renderers: r.renderers(),
		Logger: log, Now: n.clock.now, Elapsed: n.clock.elapsed, MaxMessages: p.messages,
		Journal: func(c *journal.Config) {
			c.RewriteFloor, c.TrimBytes, c.TrimEvery = p.floor, p.trim, p.trimEvery
			c.MaxAppend, c.MaxInFlight = p.append, p.inFlight
		},
	})
	if err != nil {
		return err
	}
	place := svc.Place
	if p.scatter {
		place = func(*registry.Queue) uint32 {
			n.mu.Lock()
			defer n.mu.Unlock()
			at := uint32(n.rng.IntN(int(p.partitions)))
			for n.s.spoilt(at) { // there is another one; the service does not place there either
				at = (at + 1) % p.partitions
			}
			return at
		}
	}
	reg.SetPlacer(place)
	r.joinPartitions(reg, svc)
	n.mu.Lock()
	r.reg, r.svc = reg, svc
	n.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	defer all.Wait()
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWatching()
	all.Go(func() {
		if err := reg.Run(watching); err != nil {
			cancel(fmt.Errorf("registry: %w", err))
		}
	})
	select {
	case <-reg.Ready():
	case <-ctx.Done():
		return cause(ctx)
	}
	if p.announces() {
		if err := r.loadSigner(ctx, reg); errors.Is(err, jet.ErrUnavailable) {
			return errNotNow
		} else if err != nil {
			return err
		}
		all.Go(func() { _ = r.topics.Run(ctx) })
	}
	err = svc.Run(ctx)
	select {
	case <-svc.Ready():
	default:
		if errors.Is(err, jet.ErrUnavailable) {
			return errNotNow
		}
	}
	if err != nil {
		return fmt.Errorf("partitions: %w", err)
	}
	return cause(ctx)
}

func cause(ctx context.Context) error {
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// rival starts another process under the node's name for a while, while the node is
// well: it has to see that and end.
func (n *node) rival(for_ time.Duration) {
	twin := &node{s: n.s, name: n.name, rng: rand.New(rand.NewPCG(n.s.plan.seed, 7))}
	twin.clock.began = n.clock.began
	ctx, cancel := context.WithTimeout(context.Background(), for_)
	r := &run{node: twin, net: n.s.world.Node(n.name), cancel: cancel, done: make(chan struct{})}
	n.s.runs.Go(func() {
		defer cancel()
		err := r.serve(ctx)
		r.net.Kill()
		if !errors.Is(err, lease.ErrNameTaken) && !errors.Is(err, errNotNow) {
			n.s.book.fault("another process started under the name of node %s and went on: %v", n.name, err)
		}
	})
}

// kill ends the present run at once. Nobody hears of it any more.
func (n *node) kill() {
	n.mu.Lock()
	r := n.run
	n.run = nil
	n.mu.Unlock()
	if r != nil {
		r.net.Kill()
		r.cancel()
	}
}

// stop ends the present run as SIGTERM does, and waits for it.
func (n *node) stop() {
	n.mu.Lock()
	r := n.run
	n.mu.Unlock()
	if r != nil {
		r.cancel()
		select {
		case <-r.done:
		case <-time.After(30 * time.Second): // a supervisor's patience
			n.kill()
		}
	}
}

// current is the present run, nil if there is none that takes requests.
func (n *node) current() *run {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.run == nil || n.run.svc == nil {
		return nil
	}
	return n.run
}

// with calls fn with the way of the present run to the World, if there is one.
func (n *node) with(fn func(*jetsim.Node)) {
	n.mu.Lock()
	r := n.run
	n.mu.Unlock()
	if r != nil {
		fn(r.net)
	}
}

// The outcomes of a request that got no answer.
var (
	errDown    = errors.New("connection refused") // no effect
	errUnknown = errors.New("no answer")          // any effect
)

// ask sends a request to a node, as a client over a connection does. fn runs on
// the node; its outcome comes back unless the node dies before, or the client's
// time (ctx) is over.
func ask[T any](ctx context.Context, n *node, fn func(ctx context.Context, r *run) (T, error)) (T, error) {
	var none T
	r := n.current()
	if r == nil {
		return none, errDown
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		v   T
		err error
	}
	answer := make(chan outcome, 1)
	n.s.calls.Go(func() {
		var o outcome
		if r.net.Awake(ctx) != nil {
			o.err = errUnknown
		} else if o.v, o.err = fn(ctx, r); r.net.Awake(ctx) != nil {
			o.err = errUnknown
		}
		answer <- o
	})
	select {
	case o := <-answer:
		if r.killed() {
			return none, errUnknown
		}
		return o.v, o.err
	case <-ctx.Done():
		return none, errUnknown
	case <-r.net.Killed():
		return none, errUnknown
	}
}
