package owner_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"go.uber.org/goleak"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/jet/jetsim"
	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testLogger() *slog.Logger {
	if os.Getenv("WAYSTATION_TEST_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return slog.New(slog.DiscardHandler)
}

// definitions is a registry that knows what a test lets it know.
type definitions struct {
	mu       sync.Mutex
	queues   map[uint64]*registry.Queue
	gone     map[uint64]bool
	required uint64            // the highest revision asked for
	asked    map[uint64]uint64 // by queue, the revision that was known of one asked for
	behind   error             // answer of Require and Gone
	// looked comes before each look-up of a queue by its id.
	looked func(id uint64)
}

func newDefinitions() *definitions {
	return &definitions{queues: make(map[uint64]*registry.Queue), gone: make(map[uint64]bool), asked: make(map[uint64]uint64)}
}

func (d *definitions) put(q *registry.Queue) *registry.Queue {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queues[q.ID] = q
	return q
}

// forget lets the registry not know a queue; gone says that it was deleted.
func (d *definitions) forget(id uint64, gone bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.queues, id)
	d.gone[id] = gone
}

func (d *definitions) QueueByID(id uint64) (*registry.Queue, bool) {
	if d.looked != nil {
		d.looked(id)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	q, ok := d.queues[id]
	return q, ok
}

func (d *definitions) QueueByARN(arn string) (*registry.Queue, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, q := range d.queues {
		if q.ARN() == arn {
			return q, true
		}
	}
	return nil, false
}

func (d *definitions) DeadLetterSources(arn string) (list []*registry.Queue) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, q := range d.queues {
		if q.Redrive != nil && q.Redrive.TargetARN == arn {
			list = append(list, q)
		}
	}
	return list
}

func (d *definitions) Require(_ context.Context, revision uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.required = max(d.required, revision)
	return d.behind
}

func (d *definitions) Gone(_ context.Context, id, revision uint64) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked[id] = revision
	return d.gone[id], d.behind
}

// define makes the definition of a queue.
func (d *definitions) define(id uint64, partition uint32, change func(*registry.Queue)) *registry.Queue {
	q := &registry.Queue{
		Meta:             registry.Meta{ID: id, Account: "000000000000", Region: "us-east-1", Name: fmt.Sprint("q", id), Revision: id},
		Partition:        partition,
		RetentionSeconds: 345600, VisibilitySeconds: 30,
	}
	if change != nil {
		change(q)
	}
	return d.put(q)
}

// cluster is partitions over simulated logs, whose owners a test starts and stops.
type cluster struct {
	t     testing.TB
	node  *jetsim.Node
	defs  *definitions
	kinds map[state.Kind]owner.Kind
	run   atomic.Int64 // numbers writers and ids
	// clock: what the wall clock is off, and what the monotonic clock is ahead.
	wall, elapsed atomic.Int64
	freezing      atomic.Bool
	frozen        atomic.Int64 // if set, the monotonic clock stands there
	look          atomic.Int64 // what a look at the frozen clock takes
	// glance comes with each look at the monotonic clock, if it is set: in the middle of
	// what an owner does.
	glance atomic.Pointer[func()]
	// between comes with each new id: of a message that is moved, after it was read.
	between atomic.Pointer[func()]
	space   owner.Space
	memory  *owner.Memory
	limits  owner.Limits
	journal func(*journal.Config)
	// handOver comes before the hand-over to a partition; an error is its outcome,
	// after the hand-over if it is errAnswerLost.
	handOver func(to uint32) error
	largest  atomic.Int64 // hand-over, in bytes on its way
	logger   *slog.Logger

	mu     sync.Mutex
	owners map[uint32]*running
}

type running struct {
	*owner.Owner
	j    *journal.Journal
	stop func()
	done chan error
}

func newCluster(t testing.TB) *cluster {
	w := jetsim.New(jetsim.Options{Seed: 1, Disk: 4 << 30})
	c := &cluster{
		t: t, node: w.Node("a"), defs: newDefinitions(), memory: owner.NewMemory(0, 0), owners: make(map[uint32]*running),
		logger: testLogger(),
		limits: owner.Limits{MaxRequests: 1000, MaxRequestBytes: 64 << 20, MaxWaiting: 1000, MaxInFlight: 1000, MaxAnswer: 7 << 20},
	}
	t.Cleanup(func() {
		for p := range c.owners {
			c.stop(p)
		}
		c.node.Kill()
	})
	return c
}

// freeze lets the monotonic clocks stand, of one owner only, or go on.
func (c *cluster) freeze(on bool) {
	c.frozen.Store(0)
	c.freezing.Store(on)
}

func (c *cluster) ahead(d time.Duration) { c.elapsed.Add(int64(d)) }

// make makes an owner that is not loaded yet.
func (c *cluster) make(p uint32) *running {
	c.t.Helper()
	log, err := c.node.Log(c.t.Context(), jet.StreamSpec{Name: fmt.Sprint("journal_", p), Subject: fmt.Sprint("journal.", p)})
	if err != nil {
		c.t.Fatal(err)
	}
	cfg := journal.Config{Log: log, Name: fmt.Sprint(p), Writer: fmt.Sprint("w", c.run.Add(1)), Logger: testLogger()}
	if c.journal != nil {
		c.journal(&cfg)
	}
	j, err := journal.New(cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	base := time.Now()
	o, err := owner.New(owner.Config{
		Partition: p, Journal: j, Registry: c.defs, Kinds: c.kinds, Limits: c.limits, Space: &c.space, Memory: c.memory,
		HandOver: func(ctx context.Context, to uint32, in owner.AcceptIn) (owner.AcceptOut, error) {
			var err error
			if c.handOver != nil {
				err = c.handOver(to)
			}
			c.mu.Lock()
			o := c.owners[to]
			c.mu.Unlock()
			if o == nil || err != nil && err != errAnswerLost {
				return owner.AcceptOut{}, owner.ErrUnavailable
			}
			b, _ := cbor.Marshal(in)
			c.largest.Store(max(c.largest.Load(), int64(len(b))))
			out, acceptErr := o.Accept(ctx, in)
			if err != nil {
				return owner.AcceptOut{}, err
			}
			return out, acceptErr
		},
		Wall: func() time.Time { return time.Now().Add(time.Duration(c.wall.Load())) },
		Elapsed: func() time.Duration {
			if glance := c.glance.Load(); glance != nil {
				(*glance)()
			}
			now := int64(time.Since(base)) + c.elapsed.Load()
			if c.freezing.Load() && !c.frozen.CompareAndSwap(0, now) {
				now = c.frozen.Add(c.look.Load())
			}
			return time.Duration(now)
		},
		NewID: func() (id [16]byte) {
			if between := c.between.Load(); between != nil {
				(*between)()
			}
			binary.BigEndian.PutUint64(id[:], uint64(c.run.Add(1)))
			return id
		},
		Logger: c.logger,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return &running{Owner: o, j: j, done: make(chan error, 1)}
}

// start loads an owner and waits until it answers.
func (c *cluster) start(p uint32) *running {
	c.t.Helper()
	o := c.make(p)
	if err := o.Load(c.t.Context(), nil); err != nil {
		c.t.Fatal(err)
	}
	c.serve(p, o)
	return o
}

func (c *cluster) serve(p uint32, o *running) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	o.stop = cancel
	open := make(chan struct{})
	go func() { o.done <- o.Run(ctx, func() { close(open) }, func() {}) }()
	select {
	case <-open:
	case <-time.After(20 * time.Second):
		c.t.Fatal("the owner does not open")
	}
	c.mu.Lock()
	c.owners[p] = o
	c.mu.Unlock()
}

func (c *cluster) stop(p uint32) {
	c.mu.Lock()
	o := c.owners[p]
	delete(c.owners, p)
	c.mu.Unlock()
	if o != nil {
		o.stop()
		<-o.done
	}
}

// restart replaces the owner of a partition.
func (c *cluster) restart(p uint32) *running {
	c.t.Helper()
	c.stop(p)
	return c.start(p)
}

func ref(q *registry.Queue) state.Ref { return state.Ref{ID: q.ID} }

func target(q *registry.Queue) state.Target {
	return state.Target{Partition: q.Partition, Queue: ref(q)}
}

// to is a target of a post.
func to(q *registry.Queue, change func(*owner.PostTarget)) owner.PostTarget {
	t := owner.PostTarget{Target: target(q), FIFO: q.FIFO, Revision: q.Revision, Delay: -1}
	if change != nil {
		change(&t)
	}
	return t
}

// payload as a queue of the registry expects it: an id stands in it.
func payload(text string) []byte { return append(make([]byte, owner.PayloadID+16), text...) }

func text(b []byte) string { return string(b[owner.PayloadID+16:]) }

func (c *cluster) post(o *running, body string, targets ...owner.PostTarget) []owner.Posted {
	c.t.Helper()
	out, err := o.Post(c.t.Context(), owner.PostIn{Items: []owner.PostItem{{Payload: payload(body), Targets: targets}}})
	if err != nil {
		c.t.Fatal(err)
	}
	return out.Posted
}

func (c *cluster) receive(o *running, q *registry.Queue, visibility int32) []owner.Delivered {
	c.t.Helper()
	out, err := o.Receive(c.t.Context(), owner.ReceiveIn{Queue: ref(q), Max: 10, Visibility: visibility})
	if err != nil {
		c.t.Fatal(err)
	}
	return out.Messages
}

func (c *cluster) remove(o *running, r state.Ref, list ...owner.Delivered) {
	c.t.Helper()
	in := owner.RemoveIn{Queue: r}
	for i := range list {
		in.Receipts = append(in.Receipts, list[i].Receipt)
	}
	out, err := o.Remove(c.t.Context(), in)
	if err := errors.Join(append(out.Outcomes, err)...); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) counts(o *running, q *registry.Queue) owner.Counts {
	c.t.Helper()
	n, err := o.Count(c.t.Context(), owner.QueueIn{Queue: ref(q)})
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

func (c *cluster) want(o *running, q *registry.Queue, visible, inFlight, delayed int) {
	c.t.Helper()
	n := c.counts(o, q)
	if n.Visible != visible || n.InFlight != inFlight || n.Delayed != delayed {
		c.t.Fatalf("queue %d has %d visible, %d in flight, %d delayed; want %d, %d, %d",
			q.ID, n.Visible, n.InFlight, n.Delayed, visible, inFlight, delayed)
	}
}

// eventually waits for what happens in the background.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not seen: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
