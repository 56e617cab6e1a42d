package topic_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/jet/jetsim"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/topic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	account = "123456789012"
	other   = "210987654321"
	region  = "eu-west-1"
	origin  = "http://here:4566"
)

// fixture is one node with topics.
type fixture struct {
	t     testing.TB
	world *jetsim.World
	*topic.Service
	reg   *registry.Registry
	parts *partition.Service
	acc   *access.Access
	ahead atomic.Int64 // the clock
	stop  func()

	mu      sync.Mutex
	counted topic.Counted                  // guarded by mu
	posts   func(partition.PostItem) error // asked before each, guarded by mu
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
	f.Service, err = topic.New(topic.Config{Registry: f.reg, Access: f.acc, Now: f.now, Observe: f.observe})
	must()
	base := time.Now()
	f.parts, err = partition.New(partition.Config{
		Conn: node, Registry: f.reg, Node: "one", Count: partitions, Lease: time.Second, Kinds: kinds(), Now: f.now,
		Elapsed:   func() time.Duration { return time.Since(base) + time.Duration(f.ahead.Load()) },
		Renderers: map[byte]partition.Renderer{topic.Form: f.Envelopes().Render},
	})
	must()
	f.SetPartitions(f)
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
	served := run(ctx, f.parts.Run)
	swept := run(ctx, f.Run)
	f.stop = sync.OnceFunc(func() {
		cancel()
		<-served
		<-swept
		stopReg()
		wg.Wait()
		node.Kill()
	})
	<-f.parts.Ready()
	err = f.Envelopes().Load(ctx)
	must()
}

func (f *fixture) restart(partitions uint32) {
	f.stop()
	f.start(partitions)
}

func (f *fixture) observe(c topic.Counted) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counted.Published += c.Published
	f.counted.Delivered += c.Delivered
	f.counted.Filtered += c.Filtered
	f.counted.Failed += c.Failed
	f.counted.Redriven += c.Redriven
}

func (f *fixture) wantCounted(want topic.Counted) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.counted != want {
		f.t.Errorf("counted %+v, want %+v", f.counted, want)
	}
}

// The fixture is the Partitions of its Service, to refuse posts that a test wants
// refused.
func (f *fixture) Count() uint32 { return f.parts.Count() }

func (f *fixture) Post(ctx context.Context, from uint32, items []partition.PostItem) ([]partition.Posted, error) {
	f.mu.Lock()
	ask := f.posts
	f.mu.Unlock()
	for i := range items {
		if ask != nil {
			if err := ask(items[i]); err != nil {
				return nil, err
			}
		}
	}
	return f.parts.Post(ctx, from, items)
}

func (f *fixture) Drop(ctx context.Context, q partition.Target) error { return f.parts.Drop(ctx, q) }

// refuse has posts asked about from now on.
func (f *fixture) refuse(ask func(partition.PostItem) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.posts = ask
}

func (f *fixture) topic(def registry.Topic) *registry.Topic {
	f.t.Helper()
	def.Account, def.Region = account, region
	t, _, err := f.Create(f.t.Context(), def, func(*registry.Topic) bool { return true })
	if err != nil {
		f.t.Fatal(err)
	}
	return t
}

func (f *fixture) queue(def registry.Queue) *registry.Queue {
	f.t.Helper()
	if def.Account == "" {
		def.Account = account
	}
	def.Region, def.RetentionSeconds, def.VisibilitySeconds, def.MaxMessageSize = region, 3600, 30, 1<<20
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

func (f *fixture) subscribe(t *registry.Topic, endpoint string, def registry.Subscription) *registry.Subscription {
	f.t.Helper()
	def.Owner, def.Protocol, def.Endpoint = account, topic.ProtocolSQS, endpoint
	sub, _, err := f.Subscribe(f.t.Context(), t, def, func(*registry.Subscription) bool { return true })
	if err != nil {
		f.t.Fatal(err)
	}
	return sub
}

// publish publishes and wants no error.
func (f *fixture) publish(t *registry.Topic, msgs ...topic.Message) []topic.Published {
	f.t.Helper()
	out := f.Publish(f.t.Context(), t, msgs)
	for i, r := range out {
		if r.Err != nil {
			f.t.Fatalf("message %d: %v", i, r.Err)
		}
	}
	return out
}

// take receives and deletes what a queue has until it has given n messages or nothing
// comes for a while.
func (f *fixture) take(q *registry.Queue, n int) (list []partition.Received) {
	f.t.Helper()
	for len(list) < n {
		got, err := f.parts.Receive(f.t.Context(), q, partition.ReceiveOptions{Max: 10, Visibility: -1, Wait: 10 * time.Second, Origin: origin})
		if err != nil {
			f.t.Fatal(err)
		}
		if len(got) == 0 {
			f.t.Fatalf("%s has %d messages, want %d", q.Name, len(list), n)
		}
		f.remove(q, got)
		list = append(list, got...)
	}
	return list
}

func (f *fixture) remove(q *registry.Queue, got []partition.Received) {
	f.t.Helper()
	receipts := make([]string, len(got))
	for i := range got {
		receipts[i] = got[i].Receipt
	}
	if _, err := f.parts.Delete(f.t.Context(), q, receipts); err != nil {
		f.t.Fatal(err)
	}
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

// envelope is a notification as a consumer reads it.
type envelope struct {
	Type, MessageId, SequenceNumber, Token, TopicArn, Subject, Message, SubscribeURL, Timestamp string
	SignatureVersion, Signature, SigningCertURL, UnsubscribeURL                                 string
	MessageAttributes                                                                           map[string]struct{ Type, Value string }
}

func (f *fixture) envelope(m partition.Received) (e envelope) {
	f.t.Helper()
	if err := json.Unmarshal([]byte(m.Body), &e); err != nil {
		f.t.Fatalf("%s: %v", m.Body, err)
	}
	return e
}

// eventually waits for what happens in the background.
func (f *fixture) eventually(what string, ok func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatalf("not seen: %s", what)
		}
	}
}

// sideBySide calls do for 0 to n-1, some at a time.
func (f *fixture) sideBySide(n int, do func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && !f.t.Failed(); i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}

func text(name, value string) partition.Attribute {
	return partition.Attribute{Name: name, Type: "String", Value: value}
}

func numbered(prefix string, n int) string { return fmt.Sprintf("%s-%04d", prefix, n) }

// kinds of queues: those of topics, and of what is pushed to endpoints.
func kinds() map[partition.Kind]partition.KindTerms {
	all := topic.Kinds()
	maps.Copy(all, delivery.Kinds(0))
	return all
}
