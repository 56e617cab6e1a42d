package cluster

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/waystation/waystation/test/harness"
	"github.com/waystation/waystation/test/harness/ledger"
	"github.com/waystation/waystation/test/harness/load"
)

// disruptions is how often a node is taken away at least.
const disruptions = 9

// TestLedger takes nodes away under a mixed load through both of them, and
// checks the ledger.
func TestLedger(t *testing.T) {
	t.Parallel()
	p := startPair(t, 2)
	underLoad(t, p, func(i int, random *rand.Rand) {
		pause(t.Context(), time.Duration(500+random.IntN(1500))*time.Millisecond)
		p.disrupt([]string{"a", "b"}[random.IntN(2)], i%3, time.Duration(2000+random.IntN(5000))*time.Millisecond)
	})
}

// TestReplicated has three copies of everything on three NATS servers, and
// kills those one after another under the same load: what was acknowledged was
// accepted by two of them.
func TestReplicated(t *testing.T) {
	t.Parallel()
	servers := harness.StartNATSCluster(t, 3)
	var urls []string
	for _, s := range servers {
		urls = append(urls, s.URL())
	}
	p := startNodes(t, strings.Join(urls, ","), "--replicas", "3", "--partitions", "2")
	underLoad(t, p, func(i int, random *rand.Rand) {
		pause(t.Context(), time.Duration(1000+random.IntN(1500))*time.Millisecond)
		s := servers[i%len(servers)]
		s.Kill()
		pause(t.Context(), time.Duration(500+random.IntN(1500))*time.Millisecond)
		if err := s.Again(); err != nil {
			t.Fatal(err)
		}
	})
}

// underLoad disrupts again and again while clients put a mixed load on both
// nodes, and checks their ledger.
func underLoad(t *testing.T, p *pair, disrupt func(i int, random *rand.Rand)) {
	t.Helper()
	s := seed(t)
	random := rand.New(rand.NewPCG(s, 0))
	book := ledger.New(load.Queues()...)
	ctx := context.Background()
	l, err := load.New(ctx, load.Config{
		Clients: []*sqs.Client{p.client("a"), p.client("b")}, Ledger: book, Seed: s, Request: 4 * time.Second,
		Recover: func(ctx context.Context) error {
			pause(ctx, 50*time.Millisecond) // no hammering on a node that is down
			return ctx.Err()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		l.Run(stop)
	}()
	until := time.Now().Add(soak(t))
	for i := 0; (i < disruptions || time.Now().Before(until)) && len(book.Faults()) == 0; i++ {
		disrupt(i, random)
	}
	pause(ctx, time.Second)
	cancel()
	<-stopped
	drain, done := context.WithTimeout(ctx, 60*time.Second)
	defer done()
	if err := l.Drain(drain); err != nil {
		t.Error(err)
	}
	for _, fault := range book.Finish() {
		t.Error(fault)
	}
	t.Logf("%+v", book.Stats())
}

// disrupt takes a node away and brings it back: 0 kills it, 1 freezes it, 2
// stops it.
func (p *pair) disrupt(node string, how int, frozen time.Duration) {
	p.t.Helper()
	s := p.nodes[node]
	switch how {
	case 0:
		s.Kill()
	case 1:
		if err := s.Freeze(); err != nil {
			p.t.Fatal(err)
		}
		pause(context.Background(), frozen)
		if err := s.Thaw(); err != nil {
			p.t.Fatal(err)
		}
		return
	case 2:
		if code, err := s.Stop(30 * time.Second); err != nil || code != 0 {
			p.t.Errorf("node %s stopped with exit code %d, %v", node, code, err)
			s.Kill()
		}
	}
	if err := s.Again(); err != nil {
		p.t.Fatal(err)
	}
}
