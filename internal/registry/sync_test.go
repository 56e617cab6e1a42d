package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/jet/jetsim"
)

// TestRequire: memory behind the log catches up; a log behind what is known is told.
func TestRequire(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		a := up(t, w.Node("a"), Config{})
		n := w.Node("b")
		b := up(t, n, Config{Refresh: time.Hour})
		n.LagWatch("ws_marks", time.Hour)
		q, _, err := a.CreateQueue(t.Context(), queue("q"), yes)
		if err != nil {
			t.Fatal(err)
		}
		if gone, err := b.Gone(t.Context(), q.ID, q.Revision); gone || err != nil {
			t.Fatal("a node that lags takes a queue for deleted", err)
		}
		if err := a.DeleteQueue(t.Context(), account, region, "q"); err != nil {
			t.Fatal(err)
		}
		// b does not know of the deletion: not gone is a right answer, with revision 0
		// it has to look.
		if gone, err := b.Gone(t.Context(), q.ID, q.Revision); gone || err != nil {
			t.Fatal(gone, err)
		}
		if gone, err := b.Gone(t.Context(), q.ID, 0); !gone || err != nil {
			t.Fatal(gone, err)
		}
		var behind *BehindError
		began := time.Now()
		if _, err := b.Gone(t.Context(), q.ID, 100); !errors.As(err, &behind) || behind.Known != 100 || behind.Have != b.Revision() {
			t.Fatal(err)
		}
		if d := time.Since(began); d < time.Second || d > 5*time.Second {
			t.Errorf("gave up after %v", d)
		}
		w.LoseLeader("ws_registry", false)
		if gone, err := b.Gone(t.Context(), q.ID, 100); gone || !errors.Is(err, ErrUnavailable) {
			t.Fatal(gone, err)
		}
		if _, err := b.Gone(t.Context(), q.ID, 1); err != nil {
			t.Fatal("what memory knows was asked for:", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.Require(ctx, 100); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if err := b.WaitFor(ctx, 100); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		w.Elect("ws_registry")
	})
}

// countedLog counts what is asked of the leader, and can hold it up.
type countedLog struct {
	jet.Log
	last atomic.Int64
	hold atomic.Pointer[chan struct{}]
}

func (l *countedLog) Last(ctx context.Context) (uint64, error) {
	l.last.Add(1)
	last, err := l.Log.Last(ctx)
	if hold := l.hold.Load(); hold != nil {
		<-*hold
	}
	return last, err
}

// TestMissesShareReads: many who look for names that do not exist share one read of
// the log; a queue that was created before anyone asked is found by all who ask
// then, also while an older read is on its way.
func TestMissesShareReads(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		a := up(t, w.Node("a"), Config{})
		n := w.Node("b")
		log, marks, err := stores(t.Context(), n, "ws")
		if err != nil {
			t.Fatal(err)
		}
		counted := &countedLog{Log: log}
		r, err := New(Config{Log: counted, Marks: marks, Refresh: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		<-r.Ready()
		n.LagWatch("ws_marks", time.Hour)

		hold := make(chan struct{})
		counted.hold.Store(&hold)
		counted.last.Store(0)
		var wg sync.WaitGroup
		miss := func() {
			if _, err := r.FindQueue(t.Context(), account, region, "nothing"); !errors.Is(err, ErrNotFound) {
				t.Error(err)
			}
		}
		wg.Go(miss)
		synctest.Wait()
		time.Sleep(time.Millisecond)
		synctest.Wait() // the first read has its answer and is held up
		q, _, err := a.CreateQueue(t.Context(), queue("late"), yes)
		if err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			wg.Go(miss)
		}
		wg.Go(func() {
			if got, err := r.FindQueue(t.Context(), account, region, "late"); err != nil || got.ID != q.ID {
				t.Error("not found, though it was created before:", got, err)
			}
		})
		synctest.Wait()
		counted.hold.Store(nil)
		close(hold)
		wg.Wait()
		if n := counted.last.Load(); n != 2 {
			t.Errorf("%d reads", n)
		}
		if _, err := r.FindQueue(t.Context(), account, region, "not/a//name"); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		if n := counted.last.Load(); n != 2 {
			t.Error("a name that cannot be costs a read")
		}
		w.LoseLeader("ws_registry", true)
		if _, err := r.FindQueue(t.Context(), account, region, "nothing"); !errors.Is(err, ErrUnavailable) {
			t.Error("missing and unreachable are one:", err)
		}
		if _, err := r.FindQueue(t.Context(), account, region, "late"); err != nil {
			t.Error("what is known is not found:", err)
		}
		w.Elect("ws_registry")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := r.FindQueue(t.Context(), account, region, "nothing"); !errors.Is(err, ErrUnavailable) {
			t.Error(err)
		}
	})
}

// TestStoreGone maps the log's errors.
func TestStoreGone(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		r := up(t, w.Node("a"), Config{})
		if _, _, err := r.CreateQueue(t.Context(), queue("q"), yes); err != nil {
			t.Fatal(err)
		}
		try := func(want error) {
			t.Helper()
			if _, _, err := r.CreateQueue(t.Context(), queue("new"), yes); !errors.Is(err, want) {
				t.Error(err)
			}
			if _, err := r.UpdateQueue(t.Context(), account, region, "q", func(q *Queue) error { q.DelaySeconds++; return nil }); !errors.Is(err, want) {
				t.Error(err)
			}
			if err := r.DeleteQueue(t.Context(), account, region, "q"); !errors.Is(err, want) {
				t.Error(err)
			}
			if r.Count() != 1 || r.CountOf(0) != 1 {
				t.Error("memory lost the queue, or a place is kept for one that did not come:", r.Count(), r.CountOf(0))
			}
		}
		w.LoseLeader("ws_registry", false)
		try(ErrUnavailable)
		w.Elect("ws_registry")
		big := func(q *Queue) error { q.Policy = strings.Repeat("x", 9<<20); return nil }
		if _, err := r.UpdateQueue(t.Context(), account, region, "q", big); !errors.Is(err, ErrTooLarge) {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := r.CreateQueue(ctx, queue("never"), yes); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if _, err := r.FindQueue(t.Context(), account, region, "never"); !errors.Is(err, ErrNotFound) {
			t.Error("what nobody waited for was stored", err)
		}
	})
}

// A definition that is too large is refused by itself: those that are stored together
// with others are not refused with it.
func TestTooLargeHarmsNobodyElse(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		r := up(t, w.Node("one"), Config{})
		big := queue("big")
		big.Policy = strings.Repeat("x", maxBody)
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if _, _, err := r.CreateQueue(t.Context(), queue(fmt.Sprint("small", i)), yes); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				if _, _, err := r.CreateQueue(t.Context(), big, yes); !errors.Is(err, ErrTooLarge) {
					t.Errorf("the large one: %v", err)
				}
			})
		}
		wg.Wait()
		if r.Count() != 20 || r.CountOf(0) != 20 {
			t.Errorf("%d queues, %d places", r.Count(), r.CountOf(0))
		}
		big.Policy = big.Policy[:maxBody-1000]
		if _, _, err := r.CreateQueue(t.Context(), big, yes); err != nil {
			t.Errorf("as large as may be: %v", err)
		}
	})
}
