package protocol

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func (b *budget) lease(addr string) *lease {
	return &lease{budget: b, addr: netip.MustParseAddr(addr)}
}

// now asks without waiting.
func now(l *lease, n int64) bool {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return l.take(ctx, n)
}

func TestBudgetIsSharedByWhatIsFree(t *testing.T) {
	t.Parallel()
	b := newBudget(120, DefaultMaxRequests)
	one, two, three := b.lease("192.0.2.1"), b.lease("192.0.2.2"), b.lease("192.0.2.3")
	grab := func(l *lease) int64 {
		for now(l, 1) {
		}
		return l.held
	}
	if got := grab(one); got != 60 {
		t.Errorf("one alone holds %d of 120", got)
	}
	if got := grab(two); got != 30 {
		t.Errorf("the second holds %d", got)
	}
	if got := grab(three); got != 15 {
		t.Errorf("the third holds %d", got)
	}
	// Another connection of the first is the same caller, one in its /64 too.
	if now(b.lease("192.0.2.1"), 1) {
		t.Error("a caller got more by a second connection")
	}
	six := b.lease("2001:db8::1")
	grab(six)
	if now(b.lease("2001:db8::ffff:2"), 1) {
		t.Error("a caller got more by another address of its network")
	}
	for _, l := range []*lease{one, two, three, six} {
		l.end()
	}
	if b.memory.used != [classCount]int64{} {
		t.Errorf("used: %v", b.memory.used)
	}
}

// TestBudgetOfOneConnection: of a caller's half, one connection with many requests
// leaves something to the others.
func TestBudgetOfOneConnection(t *testing.T) {
	t.Parallel()
	b := newBudget(4000, DefaultMaxRequests)
	c := &connection{}
	held := int64(0)
	for range 100 {
		l := b.lease("192.0.2.1")
		l.conn = c
		for range 10 {
			if now(l, 10) {
				held += 10
			}
		}
	}
	if held < 900 || held > 1100 {
		t.Errorf("one connection holds %d of 4000", held)
	}
	if l := b.lease("192.0.2.1"); !now(l, 500) {
		t.Error("the caller's other connection gets nothing")
	}
}

func TestBudgetWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(100, DefaultMaxRequests)
		hog := b.lease("192.0.2.1")
		hog.force(90)
		got := make(chan bool, 1)
		go func() { got <- b.lease("192.0.2.2").take(context.Background(), 40) }()
		synctest.Wait()
		hog.give(20)
		synctest.Wait()
		if len(got) > 0 {
			t.Fatal("given too early")
		}
		hog.give(70)
		if !<-got {
			t.Error("not given though it was free")
		}

		// Who gives up, by itself or when its patience ends, leaves no trace.
		b.lease("192.0.2.3").force(50)
		ctx, cancel := context.WithCancel(context.Background())
		go func() { got <- b.lease("192.0.2.4").take(ctx, 30) }()
		synctest.Wait()
		cancel()
		if <-got || b.waiting[0].Len() != 0 {
			t.Error("given after giving up")
		}
		start := time.Now()
		patient := b.lease("192.0.2.4")
		for range 3 {
			if patient.take(context.Background(), 30) || time.Since(start) != bodyPatience || b.waiting[0].Len() != 0 {
				t.Errorf("given after %v", time.Since(start))
			}
		}
	})
}

// TestBudgetLargeWaiter: who waits for much does not keep what is free from those who
// came later and want less.
func TestBudgetLargeWaiter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(100, DefaultMaxRequests)
		hog := b.lease("192.0.2.1")
		hog.force(100)
		large, small := make(chan bool, 1), make(chan bool, 1)
		go func() { large <- b.lease("192.0.2.2").take(t.Context(), 40) }()
		synctest.Wait()
		go func() { small <- b.lease("192.0.2.3").take(t.Context(), 5) }()
		synctest.Wait()
		hog.give(20)
		synctest.Wait()
		if len(small) != 1 || len(large) != 0 {
			t.Errorf("20 are free: given to who wants 5: %v, 40: %v", len(small) == 1, len(large) == 1)
		}
		hog.give(80)
		if !<-large || !<-small {
			t.Error("not given though all is free")
		}
	})
}

func TestBudgetBoundsThoseWhoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(100, DefaultMaxRequests)
		b.lease("192.0.2.1").force(100)
		var waiters sync.WaitGroup
		for range maxPeerWaiting {
			waiters.Go(func() { b.lease("192.0.2.2").take(t.Context(), 1) })
		}
		synctest.Wait()
		start := time.Now()
		if b.lease("192.0.2.2").take(context.Background(), 1) || time.Since(start) != 0 {
			t.Error("one caller has more waiting than it may")
		}
		waiters.Wait()
	})
}

// TestBudgetHolds: whatever many do at a time, no more is used than there is, and
// all of it comes back.
func TestBudgetHolds(t *testing.T) {
	t.Parallel()
	b := newBudget(1<<20, DefaultMaxRequests)
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			for range 200 {
				l := b.lease(fmt.Sprintf("192.0.2.%d", i%5))
				l.class = class(i % int(classCount))
				ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
				for range 5 {
					l.take(ctx, r.Int64N(300<<10))
					l.give(r.Int64N(100 << 10))
				}
				b.mu.Lock()
				for c := range b.memory.used {
					if b.memory.used[c] > b.memory.parts[c] || b.memory.used[c] < 0 {
						t.Errorf("%v used of %v", b.memory.used, b.memory.parts)
					}
				}
				b.mu.Unlock()
				cancel()
				l.end()
			}
		})
	}
	all.Wait()
	waiting := 0
	for c := range b.waiting {
		waiting += b.waiting[c].Len()
	}
	if b.memory.used != [classCount]int64{} || len(b.peers) != 0 || waiting != 0 {
		t.Errorf("left: %v bytes, %d callers, %d who wait", b.memory.used, len(b.peers), waiting)
	}
}
