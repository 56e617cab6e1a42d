package simulation

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/jet/jetsim"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// alone runs fn on one node in a bubble, with a FIFO queue of one message.
func alone(t *testing.T, fn func(ctx context.Context, world *jetsim.World, svc *partition.Service, def *registry.Queue)) {
	synctest.Test(t, func(t *testing.T) {
		world := jetsim.New(jetsim.Options{Seed: 1})
		ctx, stop := context.WithCancel(context.Background())
		net := world.Node("a")
		reg, err := registry.Open(ctx, net, "ws", registry.Config{})
		if err != nil {
			t.Fatal(err)
		}
		svc, err := partition.New(partition.Config{Conn: net, Registry: reg, Node: "a"})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 2)
		go func() { ended <- reg.Run(ctx) }()
		<-reg.Ready()
		go func() { ended <- svc.Run(ctx) }()
		<-svc.Ready()
		def, _, err := reg.CreateQueue(ctx, registry.Queue{
			Meta: registry.Meta{Account: account, Region: region, Name: "a.fifo"}, FIFO: true,
			RetentionSeconds: 3600, VisibilitySeconds: 600, MaxMessageSize: 1 << 20,
		}, func(*registry.Queue) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := svc.Send(ctx, def, []partition.Message{{ID: partition.NewID(), Body: "x", GroupID: "g", DedupID: "1", Delay: -1}}); err != nil {
			t.Fatal(err)
		}
		fn(ctx, world, svc, def)
		stop()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
}

// TestRepeatedAttemptKeepsWhatItGot: a client asks, goes away while the log is
// slow, and asks again by the same attempt. What the second request got is not
// given back for the first. Seed 106.
func TestRepeatedAttemptKeepsWhatItGot(t *testing.T) {
	t.Parallel()
	alone(t, func(ctx context.Context, world *jetsim.World, svc *partition.Service, def *registry.Queue) {
		receive := func(ctx context.Context) ([]partition.Received, error) {
			return svc.Receive(ctx, def, partition.ReceiveOptions{Max: 1, Visibility: -1, Attempt: "try"})
		}
		world.SlowStore(time.Second)
		first, leave := context.WithCancel(ctx)
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			if got, err := receive(first); err == nil {
				t.Errorf("a client that went away got %v", got)
			}
		}()
		time.Sleep(100 * time.Millisecond) // virtual: the first is under way
		go func() {
			time.Sleep(100 * time.Millisecond)
			leave()
		}()
		got, err := receive(ctx)
		if err != nil || len(got) != 1 {
			t.Fatalf("asked again: %v, %v", got, err)
		}
		<-gone
		errs, err := svc.Delete(ctx, def, []string{got[0].Receipt})
		if err != nil || errs[0] != nil {
			t.Errorf("the receipt of the second answer is refused: %v, %v", errs, err)
		}
	})
}

// TestRepeatedAttemptBesideAPoll: an attempt that is repeated gets its messages
// though another receive waits on the queue. Seed 2395.
func TestRepeatedAttemptBesideAPoll(t *testing.T) {
	t.Parallel()
	alone(t, func(ctx context.Context, _ *jetsim.World, svc *partition.Service, def *registry.Queue) {
		receive := func(attempt string, wait time.Duration) []partition.Received {
			got, err := svc.Receive(ctx, def, partition.ReceiveOptions{Max: 1, Visibility: -1, Attempt: attempt, Wait: wait})
			if err != nil {
				t.Error(err)
			}
			return got
		}
		if got := receive("try", 0); len(got) != 1 {
			t.Fatalf("got %v", got)
		}
		polled := make(chan []partition.Received)
		go func() { polled <- receive("other", 10*time.Second) }()
		time.Sleep(time.Second) // virtual: the other waits
		if got := receive("try", 2*time.Second); len(got) != 1 {
			t.Errorf("the attempt was repeated and got %v", got)
		}
		if got := <-polled; len(got) != 0 {
			t.Errorf("the other one got %v", got)
		}
	})
}
