package partition

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/jet/jetsim"
	"github.com/waystation/waystation/internal/registry"
)

// pair is two nodes, of which the first owns the only partition, and a queue on it.
func pair(t *testing.T, w *jetsim.World) (owning, other *node, q *registry.Queue) {
	t.Helper()
	owning = startOn(t, w.Node("a"), named("a"))
	other = startOn(t, w.Node("b"), named("b"))
	q = owning.queue("q", nil)
	later(time.Second)
	if owning.svc.local(0) == nil || other.svc.local(0) != nil {
		t.Fatal("the partition is not the first one's")
	}
	return owning, other, q
}

// A client of another node that goes away is not waited for, and what came for it is left
// to others.
func TestCalledOffThroughAnotherNode(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		a, b, q := pair(t, w)
		ctx, cancel := context.WithCancel(t.Context())
		polled := make(chan error, 1)
		go func() {
			_, err := b.svc.Receive(ctx, q, ReceiveOptions{Max: 1, Visibility: -1, Wait: time.Hour})
			polled <- err
		}()
		later(time.Second)
		if n := a.svc.Status()[0].Waiting; n != 1 {
			t.Errorf("%d wait", n)
		}
		cancel()
		if err := <-polled; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		later(time.Second)
		if n := a.svc.Status()[0].Waiting; n != 0 {
			t.Errorf("%d still wait", n)
		}
		a.send(q, message("x"))
		b.wantCounts(q, 1, 0, 0)
	})
}

// A long poll that is routed again waits for the rest of its time only.
func TestPollWaitsOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		a, b, q := pair(t, w)
		began := time.Now()
		polled := make(chan error, 1)
		go func() {
			got, err := b.svc.Receive(t.Context(), q, ReceiveOptions{Max: 1, Visibility: -1, Wait: 20 * time.Second})
			if len(got) != 0 {
				t.Errorf("received %+v", got)
			}
			polled <- err
		}()
		later(12 * time.Second)
		if err := a.stop(); err != nil {
			t.Fatal(err)
		}
		if err := <-polled; err != nil {
			t.Error(err)
		}
		if d := time.Since(began).Round(time.Second); d != 20*time.Second {
			t.Errorf("it waited for %v", d)
		}
	})
}

// What an owner refuses comes back through another node as it is.
func TestRefusedThroughAnotherNode(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		a, b, q := pair(t, w)
		gone := *q
		gone.ID++
		for _, n := range []*node{a, b} {
			if list, err := n.svc.ListMoves(t.Context(), &gone, 10); !errors.Is(err, ErrQueueGone) || list != nil {
				t.Errorf("moves: %+v, %v", list, err)
			}
			if _, err := n.svc.CancelMove(t.Context(), q, "none"); !errors.Is(err, ErrMoveNotFound) {
				t.Errorf("a move to cancel: %v", err)
			}
			if _, err := n.svc.Counts(t.Context(), &gone); !errors.Is(err, ErrQueueGone) {
				t.Errorf("counts: %v", err)
			}
			if _, err := n.svc.Send(t.Context(), &gone, []Message{message("x")}); !errors.Is(err, ErrQueueGone) {
				t.Errorf("a send: %v", err)
			}
		}
	})
}

// A partition that nobody owns is waited for, as long as it is said, and no longer.
func TestNobodyOwnsIt(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		n := startOn(t, w.Node("a"), nil)
		s, err := New(Config{Conn: w.Node("b"), Registry: n.reg, Node: "b", RouteTimeout: 7 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := s.Counts(t.Context(), n.queue("q", nil)); !errors.Is(err, ErrUnavailable) {
			t.Error(err)
		}
		if d := time.Since(began).Round(time.Second); d != 7*time.Second {
			t.Errorf("it waited for %v", d)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Counts(ctx, n.queue("q", nil)); !errors.Is(err, context.Canceled) {
			t.Errorf("called off: %v", err)
		}
	})
}
