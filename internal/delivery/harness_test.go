package delivery_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/egress"
	"github.com/waystation/waystation/internal/jet/jetsim"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// form of the payloads of these tests.
const form = 200

// world is a cluster in memory under virtual time, with endpoints that answer as told.
type world struct {
	t     *testing.T
	jet   *jetsim.World
	nodes []*node
	lease time.Duration // of partitions

	mu       sync.Mutex
	defs     map[uint64]*delivery.Endpoint                  // guarded by mu
	answers  map[string]func(n int) (*egress.Answer, error) // by URL; guarded by mu
	got      map[string][]push                              // by URL; guarded by mu
	busy     map[string]int                                 // guarded by mu
	most     map[string]int                                 // guarded by mu
	lagging  bool                                           // guarded by mu
	disabled []string                                       // guarded by mu
}

type push struct {
	at   time.Time
	body string
}

type node struct {
	*delivery.Service
	parts *partition.Service
	reg   *registry.Registry
	stop  func()

	mu      sync.Mutex
	counted delivery.Counted // guarded by mu
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, jet: jetsim.New(jetsim.Options{Seed: 1}), lease: time.Minute, defs: map[uint64]*delivery.Endpoint{},
		answers: map[string]func(int) (*egress.Answer, error){}, got: map[string][]push{}, busy: map[string]int{}, most: map[string]int{},
	}
	return w
}

// start starts a node.
func (w *world) start(name string, change func(*delivery.Config)) *node {
	w.t.Helper()
	conn := w.jet.Node(name)
	n := &node{}
	ctx, cancel := context.WithCancel(context.Background())
	must := func(err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
	}
	var err error
	n.reg, err = registry.Open(ctx, conn, "ws", registry.Config{})
	must(err)
	n.parts, err = partition.New(partition.Config{
		Conn: conn, Registry: n.reg, Node: name, Count: 1, Lease: w.lease, Kinds: delivery.Kinds(0),
	})
	must(err)
	cfg := delivery.Config{
		Partitions: n.parts, Health: n.reg.EndpointHealth(), Pusher: w, Resolvers: map[byte]delivery.Resolver{form: w},
		DisableAfter: 5 * 24 * time.Hour, Chance: func() float64 { return 0.5 },
		Disabled: func(_ context.Context, e *delivery.Endpoint, _ *registry.EndpointHealth) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.disabled = append(w.disabled, e.Name)
		},
		Observe: func(c delivery.Counted) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.counted.Delivered += c.Delivered
			n.counted.Failed += c.Failed
			n.counted.DeadLettered += c.DeadLettered
			n.counted.Undelivered += c.Undelivered
			n.counted.Dropped += c.Dropped
			n.counted.Disabled += c.Disabled
		},
	}
	if change != nil {
		change(&cfg)
	}
	n.Service, err = delivery.New(cfg)
	must(err)
	var wg sync.WaitGroup
	run := func(ctx context.Context, f func(context.Context) error) chan struct{} {
		done := make(chan struct{})
		wg.Go(func() {
			defer close(done)
			if err := f(ctx); err != nil {
				w.t.Error(err)
			}
		})
		return done
	}
	regCtx, stopReg := context.WithCancel(context.Background())
	partCtx, stopParts := context.WithCancel(context.Background())
	run(regCtx, n.reg.Run)
	<-n.reg.Ready()
	served := run(partCtx, n.parts.Run)
	<-n.parts.Ready()
	delivered := run(ctx, n.Run)
	n.stop = sync.OnceFunc(func() {
		cancel()
		<-delivered
		stopParts()
		<-served
		stopReg()
		wg.Wait()
		conn.Kill()
	})
	w.nodes = append(w.nodes, n)
	return n
}

// end stops all that runs: nothing of it may be left in the bubble.
func (w *world) end() {
	for _, n := range w.nodes {
		n.stop()
	}
}

// inWorld runs a test under virtual time.
func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		test(t, w)
	})
}

func (n *node) counts() delivery.Counted {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.counted
}

// endpoint makes one that answers by fn, which is told how often it was asked before.
func (w *world) endpoint(id uint64, change func(*delivery.Endpoint), fn func(n int) (*egress.Answer, error)) *delivery.Endpoint {
	url := "http://endpoint/" + strconv.FormatUint(id, 10)
	e := &delivery.Endpoint{
		Queue: partition.Target{Queue: partition.Ref{Kind: partition.KindDeliveries, ID: id}}, Name: url, Address: url,
		Schedule: delivery.Schedule{Backoff: 3, MinDelay: 20 * time.Second, MaxDelay: 20 * time.Second},
		Render: func(_ context.Context, m *delivery.Message) (delivery.Request, error) {
			if string(m.Payload[1:]) == "damaged" {
				return delivery.Request{}, errors.New("it is damaged")
			}
			return delivery.Request{URL: url, Header: []delivery.Header{{Name: "x-attempt", Value: strconv.Itoa(m.Attempt)}}, Body: m.Payload[1:]}, nil
		},
	}
	if change != nil {
		change(e)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.defs[id], w.answers[url] = e, fn
	return e
}

// send puts messages into an endpoint's queue.
func (n *node) send(t *testing.T, e *delivery.Endpoint, bodies ...string) {
	t.Helper()
	for _, b := range bodies {
		_, err := n.parts.Post(t.Context(), e.Queue.Partition, []partition.PostItem{{
			Payload: append([]byte{form}, b...), Targets: []partition.PostTarget{{Target: e.Queue, Reference: "ref-" + b[:1]}},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Do is delivery.Pusher's.
func (w *world) Do(ctx context.Context, r egress.Request) (*egress.Answer, error) {
	w.mu.Lock()
	n := len(w.got[r.URL])
	w.got[r.URL] = append(w.got[r.URL], push{time.Now(), string(r.Body)})
	fn := w.answers[r.URL]
	w.busy[r.URL]++
	w.most[r.URL] = max(w.most[r.URL], w.busy[r.URL])
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.busy[r.URL]--
	}()
	a, err := fn(n)
	if ctx.Err() != nil {
		return nil, &egress.Error{Kind: egress.CalledOff, Err: ctx.Err()}
	}
	return a, err
}

func (w *world) pushes(e *delivery.Endpoint) []push {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]push(nil), w.got[e.Name]...)
}

func (w *world) remove(id uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.defs, id)
}

func (w *world) lag(is bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lagging = is
}

// Resolve is delivery.Resolver's.
func (w *world) Resolve(_ context.Context, q partition.Target, m *delivery.Message) (*delivery.Endpoint, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m.ID = string(m.Payload[1:])
	switch e := w.defs[q.Queue.ID]; {
	case w.lagging:
		return nil, errors.New("not known yet")
	case e == nil:
		return nil, delivery.ErrGone
	default:
		return e, nil
	}
}

func (w *world) Named(_ context.Context, name string) (*delivery.Endpoint, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.defs {
		if e.Name == name {
			return e, nil
		}
	}
	return nil, delivery.ErrNotFound
}

func (w *world) Endpoints(after string, most int) (list []*delivery.Endpoint, more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := uint64(1); id < 100; id++ {
		e := w.defs[id]
		if e == nil || e.Name <= after {
			continue
		}
		if len(list) == most {
			return list, true
		}
		list = append(list, e)
	}
	return list, false
}

// Answers.
func status(code int, header ...string) func(int) (*egress.Answer, error) {
	return func(int) (*egress.Answer, error) {
		a := &egress.Answer{Status: code, Header: http.Header{}, Body: []byte("answer " + strconv.Itoa(code))}
		for i := 0; i+1 < len(header); i += 2 {
			a.Header.Set(header[i], header[i+1])
		}
		return a, nil
	}
}

func silent(int) (*egress.Answer, error) {
	time.Sleep(15 * time.Second)
	return nil, &egress.Error{Kind: egress.TimedOut, Err: errors.New("there was no answer in time")}
}

// inTurn answers by each in turn, then by the last.
func inTurn(list ...func(int) (*egress.Answer, error)) func(int) (*egress.Answer, error) {
	return func(n int) (*egress.Answer, error) { return list[min(n, len(list)-1)](n) }
}
