package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/waystation/waystation/test/harness"
	"github.com/waystation/waystation/test/harness/fanout"
)

// TestFanoutKill kills the server again and again while messages are published to topics
// and events are put, and while subscriptions and targets come and go, and checks that
// each subscriber and target has what was answered.
func TestFanoutKill(t *testing.T) {
	s := seed(t)
	random := rand.New(rand.NewPCG(s, 0))
	server := harness.Start(t, harness.Options{Args: []string{"--partitions", "3"}})
	up := newGate()
	ctx, done := context.WithTimeout(context.Background(), 2*time.Minute)
	defer done()
	f, err := fanout.New(ctx, fanout.Config{URLs: []string{server.URL()}, Seed: s, Recover: up.wait})
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
	const rounds = 4
	for i := range rounds {
		changed := make(chan error, 1)
		go func() {
			err := f.Join(ctx, fmt.Sprint("round-", i))
			if err == nil && i%2 == 1 {
				err = f.Leave(ctx, fmt.Sprint("round-", i-1))
			}
			changed <- err
		}()
		pause(ctx, time.Duration(100+random.IntN(500))*time.Millisecond)
		up.shut()
		server.Kill()
		if err := server.Again(); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		up.lift()
		if err := <-changed; err != nil {
			t.Fatal(err)
		}
	}
	pause(ctx, 300*time.Millisecond)
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
