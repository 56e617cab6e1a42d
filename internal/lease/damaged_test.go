package lease

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A partition that can't be loaded stops alone; each node tries it once.
func TestDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster()
		broken := true
		var mu sync.Mutex
		bad := func(n *node) {
			n.serve = func(ctx context.Context, p uint32, ready func(func() uint64)) error {
				mu.Lock()
				bad := broken
				mu.Unlock()
				if p == 1 && bad {
					return fmt.Errorf("%w: entry 7 is torn on %s", ErrDamaged, n.cfg.Node)
				}
				return n.serveWell(ctx, p, ready)
			}
		}
		a := startKeeper(t, c, "a", "run-a", 3, bad)
		a.want(t, "[0:1 2:1]")
		v, changed := a.Partition(1)
		if v.Node != "" || v.Ready || !strings.Contains(v.Damaged, "torn on a") {
			t.Errorf("partition 1 is %+v", v)
		}
		b := startKeeper(t, c, "b", "run-b", 3, bad)
		time.Sleep(20 * ttl)
		a.want(t, "[0:1 2:1]")
		b.want(t, "[]")
		if a.tries(1) != 1 || b.tries(1) != 1 {
			t.Errorf("tried %d and %d times, want each node once", a.tries(1), b.tries(1))
		}
		select {
		case <-changed:
		default:
			t.Error("who waits for the partition was not told that another node tries")
		}
		if v := a.View(1); !strings.Contains(v.Damaged, "torn on b") {
			t.Errorf("partition 1 is %+v", v)
		}
		// It is repaired, and one of the nodes is started again.
		mu.Lock()
		broken = false
		mu.Unlock()
		if err := b.stop(); err != nil {
			t.Fatal(err)
		}
		b = startKeeper(t, c, "b", "run-b2", 3, bad)
		b.want(t, "[1:1]")
		for _, n := range []*node{a, b} {
			if v := n.View(1); v.Damaged != "" || v.Node != "b" || !v.Ready {
				t.Errorf("%s sees the repaired partition as %+v", n.cfg.Node, v)
			}
		}
		// Now a may have it, too: that it found it damaged is forgotten.
		if err := b.stop(); err != nil {
			t.Fatal(err)
		}
		a.want(t, "[0:1 1:1 2:1]")
	})
}

// A partition that one node found damaged is tried by each other, also by one that
// has its share already: that one gives another up.
func TestDamagedIsTriedBeyondTheShare(t *testing.T) {
	for _, torn := range []uint32{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			c := newFakeCluster()
			b := startKeeper(t, c, "b", "run-b", 2, nil)
			a := startKeeper(t, c, "a", "run-a", 2, func(n *node) {
				n.serve = func(ctx context.Context, p uint32, ready func(func() uint64)) error {
					if p == torn {
						return fmt.Errorf("%w: torn on a", ErrDamaged)
					}
					return n.serveWell(ctx, p, ready)
				}
			})
			if torn == 0 {
				// b gives up the higher one: have it be the lower.
				if err := b.stop(); err != nil {
					t.Fatal(err)
				}
				a.want(t, "[1:1]")
				b = startKeeper(t, c, "b", "run-b2", 2, nil)
			}
			time.Sleep(10 * ttl)
			a.want(t, fmt.Sprintf("[%d:1]", 1-torn))
			b.want(t, fmt.Sprintf("[%d:1]", torn))
			if n := a.tries(torn); n > 2 {
				t.Errorf("a tried %d times", n)
			}
			if v := a.View(torn); v.Damaged != "" || v.Node != "b" || !v.Ready {
				t.Errorf("a sees the partition as %+v", v)
			}
			tries := [2]int{b.tries(0), b.tries(1)}
			time.Sleep(10 * ttl)
			if now := [2]int{b.tries(0), b.tries(1)}; now != tries {
				t.Errorf("b loads on and on: %v, then %v times", tries, now)
			}
		})
	}
}

// What each node has tried is forgotten with the runs that did.
func TestTriedIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster()
		for i := range 5 {
			a := startKeeper(t, c, "a", fmt.Sprintf("run-%d", i), 1, func(n *node) {
				n.serve = func(context.Context, uint32, func(func() uint64)) error { return ErrDamaged }
			})
			if a.tries(0) != 1 {
				t.Errorf("run %d tried %d times", i, a.tries(0))
			}
			if got, want := c.value("partition.0"), fmt.Sprintf(`"tried":["run-%d"]`, i); !strings.Contains(got, want) {
				t.Errorf("the lease is %s, want %s", got, want)
			}
			if err := a.stop(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
