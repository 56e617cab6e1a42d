package lease

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// inDoubt is a name whose holder, another run of the node, does not answer.
func inDoubt(t *testing.T) (*name, *link, uint64) {
	t.Helper()
	c := newFakeCluster()
	l := &link{fakeCluster: c}
	k, err := New(Config{Cluster: l, Node: "a", Run: "second", TTL: ttl, Serve: func(context.Context, uint32, func(func() uint64)) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if k.bucket, err = l.Bucket(t.Context(), jet.KVSpec{}); err != nil {
		t.Fatal(err)
	}
	deaf := make(chan struct{})
	t.Cleanup(func() { close(deaf) })
	c.served[aliveSubject("ws", "first")] = func(*jet.Incoming) { <-deaf }
	return &k.name, l, c.write(nodeKey("a"), `{"run":"first"}`)
}

// While it is not known whether another run has the name, it is not taken: neither by one
// that is told to stop meanwhile, nor by one that cannot find out.
func TestNameInDoubt(t *testing.T) {
	t.Run("called off", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m, _, _ := inDoubt(t)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(ttl/2, cancel) // while it asks
			if err := m.take(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("while it asks: %v", err)
			}
		})
	})
	t.Run("called off while it waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m, l, _ := inDoubt(t)
			ctx, cancel := context.WithCancel(t.Context())
			m.k.cfg.Cluster = unreachable{l}
			time.AfterFunc(ttl/2, cancel)
			if lives, err := m.lives(ctx, "first", 1); lives || !errors.Is(err, context.Canceled) {
				t.Errorf("lives: %v, %v", lives, err)
			}
		})
	})
	t.Run("the store is away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m, l, rev := inDoubt(t)
			l.fault = func(op, _ string) error {
				if op == "get" {
					return jet.ErrUnavailable
				}
				return nil
			}
			if _, err := m.lives(t.Context(), "first", rev); !errors.Is(err, jet.ErrUnavailable) {
				t.Errorf("lives: %v", err)
			}
			// A beat that met another's, and cannot find out whose.
			m.rev = rev + 1
			if err := m.beat(t.Context(), beat{}); !errors.Is(err, jet.ErrUnavailable) {
				t.Errorf("beat: %v", err)
			}
		})
	})
}

// unreachable is a cluster whose requests fail at once.
type unreachable struct{ *link }

func (unreachable) Request(context.Context, string, []byte) ([]byte, error) {
	return nil, jet.ErrUnavailable
}

// The highest number of partitions that can be is one that can be.
func TestHighestCount(t *testing.T) {
	c := newFakeCluster()
	l := &link{fakeCluster: c}
	c.write(countKey, fmt.Sprint(MaxCount))
	if err := agreeCount(t.Context(), fakeBucket{l}, 1); err != nil {
		t.Error(err)
	}
	a := newListener()
	a.hear(jet.KVEntry{Key: countKey, Value: fmt.Append(nil, MaxCount), Revision: 1})
	if a.count != MaxCount {
		t.Errorf("%d partitions are known", a.count)
	}
}

// A node that beats as before is no news: nobody is woken for it.
func TestABeatIsNoNews(t *testing.T) {
	a := newListener()
	a.beats("b")
	a.listen(3 * ttl)
	a.beats("b") // it was silent: news
	a.listen(ttl / 2)
	changed := a.changed
	a.beats("b")
	select {
	case <-changed:
		t.Error("all who wait for a change are woken")
	default:
	}
}

// A node that leaves, and is the only one, plans nothing, and does not fail for it.
func TestPlanOfOneThatLeaves(t *testing.T) {
	a := newListener()
	a.tell(countKey, 2)
	a.tell(nodeKey("a"), beat{Run: "run-a", Leaving: true})
	if claim, giveUp := a.plan(); len(giveUp) != 0 || len(claim) > 2 {
		t.Errorf("claims %v, gives up %v", claim, giveUp)
	}
}

// One that took a damaged partition beyond its share gives up its last whole one.
func TestGivesUpTheLastWholeOne(t *testing.T) {
	a := newListener()
	a.tell(countKey, 3)
	a.tell(leaseKey(0), lease{Node: "a", Run: "run-a", Damaged: "torn", Tried: []string{"run-b"}})
	a.owns(1, "a")
	for _, n := range []string{"a", "b", "c"} {
		a.beats(n)
	}
	if _, giveUp := a.plan(); len(giveUp) != 1 || giveUp[0] != 1 {
		t.Errorf("gives up %v", giveUp)
	}
}
