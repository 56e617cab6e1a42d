package registry

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/jet/jetsim"
)

var (
	seeds     = flag.Int("registry.seeds", 60, "how many clusters are simulated")
	firstSeed = flag.Int("registry.seed", 0, "the first one's seed")
)

// simulated runs a registry on a simulated cluster. stop ends it and returns what
// Run returned.
func simulated(t *testing.T, n *jetsim.Node, cfg Config, prepare ...func(*Registry)) (r *Registry, stop func() error) {
	t.Helper()
	r, err := Open(t.Context(), n, "ws", cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, fn := range prepare {
		fn(r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return r, sync.OnceValue(func() error { cancel(); return <-done })
}

// contents of a registry's memory, by name.
func contents(r *Registry) map[string]Queue {
	list, _ := r.Queues(account, region, "", "", 1000)
	m := make(map[string]Queue)
	for _, q := range list {
		c := *q
		m[q.Name] = c
	}
	return m
}

func same(a, b map[string]Queue) error {
	if len(a) != len(b) {
		return fmt.Errorf("%d and %d definitions", len(a), len(b))
	}
	for name, q := range a {
		o := b[name]
		if q.ID != o.ID || q.Revision != o.Revision || q.DelaySeconds != o.DelaySeconds || q.Partition != o.Partition {
			return fmt.Errorf("%s: %+v and %+v", name, q, o)
		}
	}
	return nil
}

// ledger is what clients were told.
type ledger struct {
	mu      sync.Mutex
	created map[uint64]uint64 // revision by ID
	counted map[uint64]int    // acknowledged increments by ID
	maybe   map[string]int    // increments of a name that may have been made
	deleted map[uint64]bool
	doubt   map[string]bool // names that may have been deleted
}

// TestSimulatedClusters has nodes change definitions while everything goes wrong,
// with the log rewritten all the time, and nodes that come and go. In the end all
// nodes, and one that starts anew, hold the same, and it is what clients were told.
func TestSimulatedClusters(t *testing.T) {
	t.Parallel()
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		synctest.Test(t, func(t *testing.T) { simulate(t, uint64(seed)) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func simulate(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 6))
	w := jetsim.New(jetsim.Options{Seed: seed, AckTimeout: time.Second})
	l := &ledger{created: map[uint64]uint64{}, counted: map[uint64]int{}, maybe: map[string]int{}, deleted: map[uint64]bool{}, doubt: map[string]bool{}}
	const nodes = 3
	var mu sync.Mutex
	live := make([]*Registry, nodes)
	stops := make([]func() error, nodes)
	sims := make([]*jetsim.Node, nodes)
	boot := func(i int) {
		n := w.Node(fmt.Sprint("node", i))
		r, stop := simulated(t, n, Config{Place: func(q *Queue) uint32 { return uint32(q.Name[0]) }}, func(r *Registry) { r.minGarbage = 5 })
		mu.Lock()
		defer mu.Unlock()
		live[i], stops[i], sims[i] = r, stop, n
	}
	for i := range nodes {
		boot(i)
	}
	var clients sync.WaitGroup
	over := make(chan struct{})
	for c := range 6 {
		random := rand.New(rand.NewPCG(seed, uint64(c)+100))
		clients.Go(func() {
			for {
				select {
				case <-over:
					return
				case <-time.After(time.Duration(random.IntN(10)) * time.Millisecond):
				}
				mu.Lock()
				r := live[random.IntN(nodes)]
				mu.Unlock()
				l.act(t, r, random)
			}
		})
	}
	for range 40 {
		time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
		i := rng.IntN(nodes)
		switch rng.IntN(8) {
		case 0:
			w.Trouble("ws_registry", jetsim.Odds{Lost: 0.1, LostAck: 0.1, Late: 0.1, LateBy: 300 * time.Millisecond, Lag: 0.2})
		case 1:
			w.Trouble("ws_registry", jetsim.Odds{})
		case 2:
			w.LoseLeader("ws_registry", rng.IntN(2) == 0)
		case 3:
			w.Elect("ws_registry")
		case 4:
			sims[i].Freeze()
		case 5:
			sims[i].Thaw()
		case 6:
			sims[i].LagWatch("ws_marks", time.Duration(rng.IntN(5000))*time.Millisecond)
		case 7:
			killed := rng.IntN(2) == 0
			if killed {
				sims[i].Kill()
			}
			sims[i].Thaw()
			if err := stops[i](); err != nil && !killed {
				t.Errorf("node %d: %v", i, err)
			}
			sims[i].Kill()
			boot(i)
		}
	}
	for i := range nodes {
		sims[i].Thaw()
	}
	w.Trouble("ws_registry", jetsim.Odds{})
	w.Elect("ws_registry")
	close(over)
	clients.Wait()
	time.Sleep(5 * time.Second) // what was late has arrived

	if err := live[0].Sync(t.Context()); err != nil {
		t.Error(err)
	}
	want := contents(live[0])
	extra, stopExtra := simulated(t, w.Node("new"), Config{})
	<-extra.Ready()
	for i, r := range append(live, extra) {
		if err := r.Sync(t.Context()); err != nil {
			t.Error(err)
		}
		if err := same(want, contents(r)); err != nil {
			t.Errorf("node %d of %d: %v", i, nodes, err)
		}
		count := 0
		for p := range uint32(256) {
			count += r.CountOf(p)
		}
		if count != len(want) || r.Count() != len(want) {
			t.Errorf("node %d counts %d, %d, there are %d", i, count, r.Count(), len(want))
		}
	}
	l.check(t, want)
	first, last, _ := w.Bounds("ws_registry")
	if last > 300 && first == 1 {
		t.Errorf("the log was never trimmed: %d to %d", first, last)
	}
	for _, stop := range append(stops, stopExtra) {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}

// act does one thing and notes what it was told.
func (l *ledger) act(t *testing.T, r *Registry, random *rand.Rand) {
	name := string(rune('a' + random.IntN(12)))
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+random.IntN(3000))*time.Millisecond)
	defer cancel()
	expected := func(err error) bool {
		return errors.Is(err, ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrConflict)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	unlocked := func(f func()) { l.mu.Unlock(); defer l.mu.Lock(); f() }
	switch random.IntN(6) {
	case 0, 1:
		var q *Queue
		var made bool
		var err error
		unlocked(func() { q, made, err = r.CreateQueue(ctx, queue(name), yes) })
		switch {
		case err == nil && made:
			if l.created[q.ID] != 0 {
				t.Errorf("%s was created twice with ID %d", name, q.ID)
			}
			l.created[q.ID] = q.Revision
		case err != nil && !expected(err):
			t.Error(err)
		}
	case 2:
		var err error
		var id uint64
		unlocked(func() {
			if q, e := r.FindQueue(ctx, account, region, name); e == nil {
				id = q.ID
			}
			err = r.DeleteQueue(ctx, account, region, name)
		})
		switch {
		case err == nil:
			l.deleted[id] = true
			l.doubt[name] = true // it may have been another incarnation
		case expected(err):
			l.doubt[name] = true
		case !errors.Is(err, ErrNotFound):
			t.Error(err)
		}
	default:
		var q *Queue
		var err error
		unlocked(func() {
			q, err = r.UpdateQueue(ctx, account, region, name, func(q *Queue) error { q.DelaySeconds++; return nil })
		})
		switch {
		case err == nil:
			l.counted[q.ID]++
		case expected(err):
			l.maybe[name]++
		case !errors.Is(err, ErrNotFound):
			t.Error(err)
		}
	}
}

// check compares what there is with what clients were told.
func (l *ledger) check(t *testing.T, have map[string]Queue) {
	for name, q := range have {
		if n := l.counted[q.ID]; q.DelaySeconds < n || q.DelaySeconds > n+l.maybe[name] {
			t.Errorf("%s counts %d, acknowledged were %d, %d may have been", name, q.DelaySeconds, n, l.maybe[name])
		}
	}
	there := make(map[uint64]bool)
	for _, q := range have {
		there[q.ID] = true
	}
	if len(l.doubt) == 0 {
		for id := range l.created {
			if !there[id] {
				t.Errorf("ID %d was created and is gone, though nothing was deleted", id)
			}
		}
	}
}
