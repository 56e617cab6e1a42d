package crash

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/waystation/waystation/test/harness"
	"github.com/waystation/waystation/test/harness/ledger"
	"github.com/waystation/waystation/test/harness/load"
)

// kills is how often the server is killed at least.
const kills = 24

// TestKill kills the server at random moments under a mixed load, some times
// again while it recovers, and checks the ledger.
func TestKill(t *testing.T) {
	s := seed(t)
	random := rand.New(rand.NewPCG(s, 0))
	server := harness.Start(t, harness.Options{})
	up := newGate()
	book := ledger.New(load.Queues()...)
	var clients []*sqs.Client
	for range 4 {
		clients = append(clients, harness.SQS(server.URL()))
	}
	ctx := context.Background()
	l, err := load.New(ctx, load.Config{Clients: clients, Ledger: book, Seed: s, Recover: up.wait})
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
	var longest time.Duration
	for round := 0; (round < kills || time.Now().Before(until)) && len(book.Faults()) == 0; round++ {
		before := book.Stats()
		moment := time.Duration(150+random.IntN(1100)) * time.Millisecond
		pause(ctx, moment)
		up.shut()
		server.Kill()
		after := book.Stats()
		if moment > time.Second/2 && after.Acknowledged+after.Deletes == before.Acknowledged+before.Deletes {
			t.Errorf("round %d: the server was up for %v and acknowledged nothing", round, moment)
		}
		t.Logf("round %d: %v up: %d sends, %d deletes", round, moment, after.Acknowledged-before.Acknowledged, after.Deletes-before.Deletes)
		start := time.Now()
		if random.IntN(4) == 0 { // once more, in the middle of its recovery
			again, err := harness.Spawn(harness.Options{Addr: server.Addr(), Data: server.Data()})
			if err != nil {
				t.Fatal(err)
			}
			pause(ctx, time.Duration(random.IntN(150))*time.Millisecond)
			again.Kill()
		}
		if err := server.Again(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		longest = max(longest, time.Since(start))
		up.lift()
	}
	cancel()
	<-stopped

	drain, done := context.WithTimeout(ctx, 90*time.Second)
	defer done()
	if err := l.Drain(drain); err != nil {
		t.Error(err)
	}
	for _, fault := range book.Finish() {
		t.Error(fault)
	}
	t.Logf("%+v; slowest restart %v", book.Stats(), longest)
	if book.Stats().Dead == 0 {
		t.Error("no message ended in a dead-letter queue")
	}
}
