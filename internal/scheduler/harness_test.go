package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/jet/jetsim"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/schedule"
	"github.com/waystation/waystation/internal/scheduler"
	"github.com/waystation/waystation/internal/topic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	account = "123456789012"
	other   = "210987654321"
	region  = "eu-west-1"
	role    = "arn:aws:iam::123456789012:role/scheduler"
	group   = registry.DefaultScheduleGroup
)

// cluster is nodes in virtual time.
type cluster struct {
	t          *testing.T
	world      *jetsim.World
	partitions uint32
	acc        *access.Access
	catchUp    schedule.CatchUp
	age        time.Duration
	ahead      atomic.Int64 // of all clocks
	set        atomic.Int64 // wall clocks alone, by so much
	// Of nodes that are started; may be nil.
	plan  func(topic string, p scheduler.Plan) scheduler.Plan
	parts func(scheduler.Partitions) scheduler.Partitions
	nodes []*node

	mu      sync.Mutex
	counted scheduler.Counted // guarded by mu
}

// bubble runs f in virtual time.
func bubble(t *testing.T, partitions uint32, f func(t *testing.T, c *cluster)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		acc, err := access.New(access.Config{})
		if err != nil {
			t.Fatal(err)
		}
		c := &cluster{
			t: t, world: jetsim.New(jetsim.Options{Seed: 1, AckTimeout: time.Second}), partitions: partitions, acc: acc,
			catchUp: schedule.CatchUpLast, age: 24 * time.Hour,
		}
		defer func() {
			for _, n := range c.nodes {
				n.stop()
			}
		}()
		f(t, c)
	})
}

func (c *cluster) now() time.Time {
	return time.Now().Add(time.Duration(c.ahead.Load() + c.set.Load()))
}

// node is one of them.
type node struct {
	*scheduler.Service
	c     *cluster
	sim   *jetsim.Node
	reg   *registry.Registry
	parts *partition.Service
	topic *topic.Service
	bus   *bus.Service
	stop  func() // clean
	kill  func() // at once
}

// start runs a node until it is stopped.
func (c *cluster) start(name string) *node {
	c.t.Helper()
	n := &node{c: c, sim: c.world.Node(name)}
	var err error
	must := func() {
		c.t.Helper()
		if err != nil {
			c.t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.reg, err = registry.Open(ctx, n.sim, "ws", registry.Config{Now: c.now, Place: func(q *registry.Queue) uint32 { return n.parts.Place(q) }})
	must()
	n.topic, err = topic.New(topic.Config{Registry: n.reg, Access: c.acc, Now: c.now})
	must()
	n.bus, err = bus.New(bus.Config{Registry: n.reg, Access: c.acc, Now: c.now})
	must()
	base := time.Now()
	kinds := scheduler.Kinds()
	for k, terms := range topic.Kinds() {
		kinds[k] = terms
	}
	n.parts, err = partition.New(partition.Config{
		Conn: n.sim, Registry: n.reg, Node: name, Count: c.partitions, Lease: time.Second, Kinds: kinds, Now: c.now,
		Elapsed:   func() time.Duration { return time.Since(base) + time.Duration(c.ahead.Load()) },
		Renderers: map[byte]partition.Renderer{topic.Form: n.topic.Envelopes().Render, bus.Form: bus.Render},
	})
	must()
	n.topic.SetPartitions(n.parts)
	n.bus.SetPartitions(n.parts)
	var parts scheduler.Partitions = n.parts
	if c.parts != nil {
		parts = c.parts(parts)
	}
	n.Service, err = scheduler.New(scheduler.Config{
		Registry: n.reg, Access: c.acc, Partitions: parts, Topics: topics{n.topic, c.plan}, Buses: buses{n.bus}, Now: c.now,
		CatchUp: c.catchUp, CatchUpAge: c.age, Observe: c.observe,
	})
	must()
	regCtx, stopReg := context.WithCancel(context.Background())
	var wg, regs sync.WaitGroup
	var killed atomic.Bool
	run := func(wg *sync.WaitGroup, ctx context.Context, run func(context.Context) error) {
		wg.Go(func() {
			if err := run(ctx); err != nil && !killed.Load() {
				c.t.Error(err)
			}
		})
	}
	run(&regs, regCtx, n.reg.Run)
	<-n.reg.Ready()
	firing, stopFiring := context.WithCancel(context.Background())
	var fired sync.WaitGroup
	run(&wg, ctx, n.parts.Run)
	n.stop = sync.OnceFunc(func() {
		stopFiring()
		fired.Wait()
		cancel()
		wg.Wait()
		stopReg()
		regs.Wait()
		n.sim.Kill()
	})
	n.kill = func() {
		killed.Store(true)
		n.sim.Kill()
		n.stop()
	}
	<-n.parts.Ready()
	err = n.topic.Envelopes().Load(ctx)
	must()
	run(&fired, firing, n.Run)
	c.nodes = append(c.nodes, n)
	return n
}

func (c *cluster) observe(n scheduler.Counted) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counted.Fired += n.Fired
	c.counted.Retried += n.Retried
	c.counted.Redriven += n.Redriven
	c.counted.Failed += n.Failed
	c.counted.Skipped += n.Skipped
}

// topics and buses are what app gives the scheduler.
type topics struct {
	*topic.Service
	plan func(string, scheduler.Plan) scheduler.Plan
}

func (t topics) Find(ctx context.Context, account, region, name string) (*registry.Topic, error) {
	def, err := t.Service.Find(ctx, account, region, name)
	if errors.Is(err, topic.ErrNotFound) {
		return nil, scheduler.ErrGone
	}
	return def, err
}

func (t topics) Plan(ctx context.Context, def *registry.Topic, m scheduler.Message) (scheduler.Plan, error) {
	p, err := t.Service.Plan(ctx, def, topic.Message{Body: m.Body, Subject: m.Subject, Attributes: m.Attributes, Group: m.Group, Dedup: m.Dedup})
	if err != nil {
		return scheduler.Plan{}, err
	}
	items, ok := p.Items()
	plan := scheduler.Plan{Items: items, Alone: !ok, Settle: p.Settle, Apart: func(ctx context.Context) error { return p.Post(ctx).Err }}
	if t.plan != nil {
		plan = t.plan(def.Name, plan)
	}
	return plan, nil
}

type buses struct{ *bus.Service }

func (b buses) Find(ctx context.Context, account, region, name string) (*registry.Bus, error) {
	def, err := b.Service.Find(ctx, account, region, name)
	if errors.Is(err, bus.ErrNoBus) {
		return nil, scheduler.ErrGone
	}
	return def, err
}

func (b buses) Plan(ctx context.Context, def *registry.Bus, e scheduler.Event) (scheduler.Plan, error) {
	p, err := b.Service.Plan(ctx, bus.Addressed{Bus: def, Event: bus.Event{
		Account: e.Account, Region: e.Region, Source: e.Source, DetailType: e.DetailType, Detail: e.Detail, Resources: e.Resources, Time: e.Time, Trace: e.Trace,
	}})
	if err != nil {
		return scheduler.Plan{}, err
	}
	items, ok := p.Items()
	return scheduler.Plan{Items: items, Alone: !ok, Settle: p.Settle, Apart: p.Post}, nil
}

func (n *node) queue(name string) *registry.Queue {
	n.c.t.Helper()
	q, _, err := n.reg.CreateQueue(n.c.t.Context(), registry.Queue{
		Meta: registry.Meta{Account: account, Region: region, Name: name}, FIFO: strings.HasSuffix(name, ".fifo"),
		RetentionSeconds: 1_209_600, VisibilitySeconds: 30, MaxMessageSize: 1 << 20,
	}, func(*registry.Queue) bool { return true })
	if err != nil {
		n.c.t.Fatal(err)
	}
	return q
}

// arn of a resource of the test's account.
func arn(kind, name string) string {
	return registry.Resource{Kind: kind, Account: account, Region: region, Name: name}.ARN()
}

// to is a target that gets an input.
func to(arn, input string) scheduler.Target {
	return scheduler.Target{ARN: arn, RoleARN: role, Input: input}
}

func (n *node) group(name string) *registry.ScheduleGroup {
	n.c.t.Helper()
	g, err := n.Group(n.c.t.Context(), account, region, name)
	if err != nil {
		n.c.t.Fatal(err)
	}
	return g
}

// make makes a schedule of the default group.
func (n *node) make(x scheduler.Schedule) {
	n.c.t.Helper()
	if err := n.Create(n.c.t.Context(), n.group(group), x); err != nil {
		n.c.t.Fatal(err)
	}
}

func (n *node) get(name string) (*scheduler.Schedule, error) {
	n.c.t.Helper()
	return n.Get(n.c.t.Context(), n.group(group), name)
}

// take receives and deletes all that a queue has.
func (n *node) take(q *registry.Queue) (list []partition.Received) {
	n.c.t.Helper()
	for {
		got, err := n.parts.Receive(n.c.t.Context(), q, partition.ReceiveOptions{Max: 10, Visibility: 30, Origin: "http://here"})
		if err != nil {
			n.c.t.Fatal(err)
		}
		if len(got) == 0 {
			return list
		}
		receipts := make([]string, len(got))
		for i := range got {
			receipts[i] = got[i].Receipt
		}
		if _, err := n.parts.Delete(n.c.t.Context(), q, receipts); err != nil {
			n.c.t.Fatal(err)
		}
		list = append(list, got...)
	}
}

// bodies are those of all that a queue has, sorted.
func (n *node) bodies(q *registry.Queue) (list []string) {
	n.c.t.Helper()
	for _, m := range n.take(q) {
		list = append(list, m.Body)
	}
	slices.Sort(list)
	return list
}

func (n *node) wantBodies(q *registry.Queue, want ...string) {
	n.c.t.Helper()
	slices.Sort(want)
	if got := n.bodies(q); !slices.Equal(got, want) {
		n.c.t.Errorf("%s has %q, want %q", q.Name, got, want)
	}
}

// at is an expression for a moment that is some time away.
func (c *cluster) at(d time.Duration) string {
	return c.now().Add(d).UTC().Format("at(2006-01-02T15:04:05)")
}

func numbered(prefix string, n int) string { return fmt.Sprintf("%s-%03d", prefix, n) }
