package cluster

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/waystation/waystation/test/harness/fanout"
)

// TestFanout publishes and puts through two nodes at once, kills one in the middle, and
// the other one later, and checks that each subscriber and target has what was answered,
// in order and once where FIFO topics promise it, and that both nodes know the
// subscriptions that were made meanwhile.
func TestFanout(t *testing.T) {
	t.Parallel()
	s := seed(t)
	random := rand.New(rand.NewPCG(s, 0))
	p := startPair(t, 3)
	ctx, done := context.WithTimeout(context.Background(), 2*time.Minute)
	defer done()
	f, err := fanout.New(ctx, fanout.Config{
		URLs: []string{p.nodes["a"].URL(), p.nodes["b"].URL()}, Lag: 3 * time.Second, Seed: s,
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
		f.Run(stop)
	}()
	for i, name := range []string{"early", "late"} {
		pause(ctx, time.Duration(500+random.IntN(500))*time.Millisecond)
		if err := f.Join(ctx, name); err != nil {
			t.Fatal(err)
		}
		pause(ctx, time.Duration(random.IntN(200))*time.Millisecond)
		victim := p.nodes[[]string{"a", "b"}[(random.IntN(2)+i)%2]]
		victim.Kill()
		if err := victim.Again(); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Leave(ctx, "early"); err != nil {
		t.Fatal(err)
	}
	pause(ctx, 3500*time.Millisecond) // until what was changed counts everywhere
	cancel()
	<-stopped
	faults, stats := f.Check(ctx)
	for _, fault := range faults {
		t.Error(fault)
	}
	t.Logf("%+v", stats)
	if stats.Answered == 0 || stats.Again == 0 {
		t.Error("nothing was answered, or nothing was interrupted")
	}
}
