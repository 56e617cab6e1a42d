package bus_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/jet/jetsim"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/topic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	account = "123456789012"
	region  = "eu-west-1"
)

// fixture is one node with buses.
type fixture struct {
	t     testing.TB
	world *jetsim.World
	*bus.Service
	reg    *registry.Registry
	topics *topic.Service
	parts  *partition.Service
	acc    *access.Access
	ahead  atomic.Int64 // the clock
	rules  int          // MaxRules
	stop   func()

	mu      sync.Mutex
	counted bus.Counted                       // guarded by mu
	posts   int                               // guarded by mu
	ask     func([]partition.PostItem) error  // before each post, may be nil; guarded by mu
	publish func(body string) (string, error) // before each publish, may be nil; guarded by mu
	// instead of each conditional post; may be nil; guarded by mu
	postIf func(post func() ([]partition.Posted, error)) ([]partition.Posted, error)
}

func newFixture(t testing.TB, partitions uint32, enforce bool) *fixture {
	f := &fixture{t: t, world: jetsim.New(jetsim.Options{Seed: 1})}
	var err error
	if f.acc, err = access.New(access.Config{EnforcePolicies: enforce}); err != nil {
		t.Fatal(err)
	}
	f.start(partitions)
	t.Cleanup(func() { f.stop() })
	return f
}

func (f *fixture) now() time.Time { return time.Now().Add(time.Duration(f.ahead.Load())) }

func (f *fixture) start(partitions uint32) {
	f.t.Helper()
	node := f.world.Node("one")
	ctx, cancel := context.WithCancel(context.Background())
	var err error
	must := func() {
		f.t.Helper()
		if err != nil {
			f.t.Fatal(err)
		}
	}
	f.reg, err = registry.Open(ctx, node, "ws", registry.Config{Place: func(q *registry.Queue) uint32 { return f.parts.Place(q) }, Now: f.now})
	must()
	f.Service, err = bus.New(bus.Config{Registry: f.reg, Access: f.acc, Now: f.now, MaxRules: f.rules, CatchUpAge: 24 * time.Hour, Observe: f.observe})
	must()
	f.topics, err = topic.New(topic.Config{Registry: f.reg, Access: f.acc, Now: f.now})
	must()
	kinds := topic.Kinds()
	maps.Copy(kinds, delivery.Kinds(0))
	maps.Copy(kinds, bus.Kinds())
	f.parts, err = partition.New(partition.Config{
		Conn: node, Registry: f.reg, Node: "one", Count: partitions, Lease: time.Second, Kinds: kinds,
		Renderers: map[byte]partition.Renderer{bus.Form: bus.Render, topic.Form: f.topics.Envelopes().Render},
	})
	must()
	f.SetPartitions(posting{f.parts, f})
	f.SetTopics(f)
	f.topics.SetPartitions(f.parts)
	var wg sync.WaitGroup
	regCtx, stopReg := context.WithCancel(context.Background())
	run := func(ctx context.Context, run func(context.Context) error) chan struct{} {
		done := make(chan struct{})
		wg.Go(func() {
			defer close(done)
			if err := run(ctx); err != nil {
				f.t.Error(err)
			}
		})
		return done
	}
	run(regCtx, f.reg.Run)
	<-f.reg.Ready()
	busCtx, stopBus := context.WithCancel(context.Background())
	served, routed := run(ctx, f.parts.Run), run(busCtx, f.Run)
	f.stop = sync.OnceFunc(func() {
		stopBus()
		<-routed
		cancel()
		<-served
		stopReg()
		wg.Wait()
		node.Kill()
	})
	<-f.parts.Ready()
	err = f.topics.Envelopes().Load(f.t.Context())
	must()
}

func (f *fixture) restart(partitions uint32) {
	f.stop()
	f.start(partitions)
}

func (f *fixture) observe(c bus.Counted) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counted.Put += c.Put
	f.counted.Matched += c.Matched
	f.counted.Delivered += c.Delivered
	f.counted.Failed += c.Failed
	f.counted.Redriven += c.Redriven
	f.counted.Archived += c.Archived
	f.counted.Replayed += c.Replayed
	f.counted.Scheduled += c.Scheduled
}

func (f *fixture) wantCounted(want bus.Counted) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.counted != want {
		f.t.Errorf("counted %+v, want %+v", f.counted, want)
	}
}

// posting are the partitions of a fixture's Service, to refuse posts that a test wants
// refused.
type posting struct {
	*partition.Service
	f *fixture
}

func (p posting) Post(ctx context.Context, from uint32, items []partition.PostItem) ([]partition.Posted, error) {
	return p.f.post(ctx, from, items)
}

func (p posting) PostIf(ctx context.Context, from uint32, conditions []partition.Condition, items []partition.PostItem) ([]partition.Posted, error) {
	p.f.mu.Lock()
	instead := p.f.postIf
	p.f.mu.Unlock()
	post := func() ([]partition.Posted, error) { return p.f.parts.PostIf(ctx, from, conditions, items) }
	if instead != nil {
		return instead(post)
	}
	return post()
}

func (f *fixture) post(ctx context.Context, from uint32, items []partition.PostItem) ([]partition.Posted, error) {
	f.mu.Lock()
	ask := f.ask
	f.posts++
	f.mu.Unlock()
	if ask != nil {
		if err := ask(items); err != nil {
			return nil, err
		}
	}
	return f.parts.Post(ctx, from, items)
}

// The fixture is the Topics of its Service, too.
func (f *fixture) PublishText(ctx context.Context, t *registry.Topic, body, trace string) (string, error) {
	f.mu.Lock()
	publish := f.publish
	f.mu.Unlock()
	if publish != nil {
		if refused, err := publish(body); refused != "" || err != nil {
			return refused, err
		}
	}
	return f.topics.PublishText(ctx, t, body, trace)
}

// topic makes a topic whose messages q gets as they are.
func (f *fixture) topic(def registry.Topic, q *registry.Queue) *registry.Topic {
	f.t.Helper()
	def.Account, def.Region = account, region
	t, _, err := f.topics.Create(f.t.Context(), def, func(*registry.Topic) bool { return true })
	if err != nil {
		f.t.Fatal(err)
	}
	sub := registry.Subscription{Owner: account, Protocol: topic.ProtocolSQS, Endpoint: q.ARN(), Raw: true}
	if _, _, err := f.topics.Subscribe(f.t.Context(), t, sub, func(*registry.Subscription) bool { return true }); err != nil {
		f.t.Fatal(err)
	}
	return t
}

func (f *fixture) bus(name string) *registry.Bus {
	f.t.Helper()
	b, err := f.Create(f.t.Context(), registry.Bus{Meta: registry.Meta{Account: account, Region: region, Name: name}})
	if errors.Is(err, bus.ErrExists) {
		b, err = f.Find(f.t.Context(), account, region, name)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}

// rule makes a rule with targets; ids are their places.
func (f *fixture) rule(b *registry.Bus, name, pattern string, targets ...registry.Target) *registry.Rule {
	f.t.Helper()
	r, err := f.PutRule(f.t.Context(), b, name, registry.Rule{Pattern: pattern, CreatedBy: account})
	if err != nil {
		f.t.Fatal(err)
	}
	for i := range targets {
		targets[i].ID = string(rune('a' + i))
	}
	if len(targets) > 0 {
		if err := f.PutTargets(f.t.Context(), b, name, targets); err != nil {
			f.t.Fatal(err)
		}
	}
	return r
}

func (f *fixture) queue(def registry.Queue) *registry.Queue {
	f.t.Helper()
	def.Account, def.Region, def.RetentionSeconds, def.VisibilitySeconds = account, region, 3600, 30
	def.FIFO = strings.HasSuffix(def.Name, ".fifo")
	if def.MaxMessageSize == 0 {
		def.MaxMessageSize = 1 << 20
	}
	q, _, err := f.reg.CreateQueue(f.t.Context(), def, func(*registry.Queue) bool { return true })
	if err != nil {
		f.t.Fatal(err)
	}
	return q
}

func (f *fixture) standard(name string) *registry.Queue {
	f.t.Helper()
	return f.queue(registry.Queue{Meta: registry.Meta{Name: name}})
}

func event(source, detail string) bus.Event {
	return bus.Event{Account: account, Region: region, Source: source, DetailType: "paid", Detail: detail}
}

// put puts events on a bus and wants no error; it gives their ids.
func (f *fixture) put(b *registry.Bus, events ...bus.Event) (ids []string) {
	f.t.Helper()
	list := make([]bus.Addressed, len(events))
	for i := range events {
		list[i] = bus.Addressed{Bus: b, Event: events[i]}
	}
	for i, r := range f.Put(f.t.Context(), list) {
		if r.Err != nil {
			f.t.Fatalf("event %d: %v", i, r.Err)
		}
		ids = append(ids, r.ID.String())
	}
	return ids
}

// take receives and deletes n messages.
func (f *fixture) take(q *registry.Queue, n int) (list []partition.Received) {
	f.t.Helper()
	for len(list) < n {
		got, err := f.parts.Receive(f.t.Context(), q, partition.ReceiveOptions{Max: 10, Visibility: -1, Wait: 10 * time.Second})
		if err != nil {
			f.t.Fatal(err)
		}
		if len(got) == 0 {
			f.t.Fatalf("%s has %d messages, want %d", q.Name, len(list), n)
		}
		receipts := make([]string, len(got))
		for i := range got {
			receipts[i] = got[i].Receipt
		}
		if _, err := f.parts.Delete(f.t.Context(), q, receipts); err != nil {
			f.t.Fatal(err)
		}
		list = append(list, got...)
	}
	return list
}

// body is the only message of a queue.
func (f *fixture) body(q *registry.Queue) string {
	f.t.Helper()
	got := f.take(q, 1)
	f.none(q)
	return got[0].Body
}

// none checks that a queue is empty.
func (f *fixture) none(queues ...*registry.Queue) {
	f.t.Helper()
	for _, q := range queues {
		if n, err := f.parts.Counts(f.t.Context(), q); err != nil || n.Visible+n.InFlight > 0 {
			f.t.Errorf("%s has %+v, %v", q.Name, n, err)
		}
	}
}
