package lease

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

const ttl = time.Second

// listener is a table with a clock that the test moves.
type listener struct {
	*table
	now time.Duration
	rev uint64
}

func newListener() *listener {
	l := &listener{now: time.Hour}
	l.table = newTable("a", "run-a", ttl, func() time.Duration { return l.now })
	l.complete()
	return l
}

func (l *listener) tell(key string, value any) {
	l.rev++
	b, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	l.hear(jet.KVEntry{Key: key, Value: b, Revision: l.rev})
}

func (l *listener) beats(node string) {
	l.tell("node."+node, beat{Run: "run-" + node})
}

func (l *listener) owns(p uint32, node string) {
	l.tell(leaseKey(p), lease{Node: node, Run: "run-" + node})
}

// listen lets time pass in which only we beat.
func (l *listener) listen(d time.Duration) {
	l.beats("a")
	for ; d > 0; d -= ttl / 4 {
		l.now += min(d, ttl/4)
		l.beats("a")
	}
}

func (l *listener) isFree(p uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.free(p)
}

// Another node is given up when it is silent while we hear ourselves, not when
// nothing can be heard at all.
func TestSilenceCountsOnlyWhileListening(t *testing.T) {
	t.Parallel()
	l := newListener()
	l.tell("count", 1)
	claims := func() bool {
		claim, _ := l.plan()
		return slices.Contains(claim, 0)
	}
	l.owns(0, "b")
	for range 4 {
		l.beats("a")
		l.beats("b")
		l.now += ttl / 4
	}
	if claims() {
		t.Fatal("claims from a node that beats")
	}
	l.now += time.Minute // nobody is heard
	if claims() {
		t.Error("claims while nothing is heard")
	}
	l.beats("a") // the watch works again, and we are the first to be heard
	if claims() {
		t.Error("claims before the other had a chance to be heard")
	}
	l.now += ttl / 4
	l.beats("b")
	l.beats("a")
	if claims() {
		t.Error("claims from a node that beats again")
	}
	// Now b dies.
	steps := 0
	for !claims() {
		if steps++; steps > 8 {
			t.Fatal("does not claim from a node that is silent")
		}
		l.now += ttl / 4
		l.beats("a")
	}
	if steps != 4 {
		t.Errorf("claims after %d quarters of the lease", steps)
	}
}

// Only our own beats prove that others would be heard.
func TestOthersDoNotProveThatWeListen(t *testing.T) {
	t.Parallel()
	l := newListener()
	l.beats("a")
	l.owns(0, "b")
	for range 20 {
		l.now += ttl / 4
		l.beats("c")
		l.tell("node.a", beat{Run: "run-of-another"})
		l.tell(leaseKey(1), lease{Node: "a", Run: "run-a"})
	}
	if l.watched != 0 || l.isFree(0) {
		t.Errorf("%v count as watched without a beat of ours", l.watched)
	}
}

func TestFree(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		do   func(l *listener)
		want bool
	}{
		{"no lease", func(*listener) {}, true},
		{"released", func(l *listener) {
			l.beats("b")
			l.tell("partition.0", lease{Node: "b", Run: "run-b", Released: true})
		}, true},
		{"unreadable", func(l *listener) { l.tell("partition.0", "nonsense") }, true},
		{"ours", func(l *listener) { l.owns(0, "a"); l.listen(3 * ttl) }, false},
		{"of our former run", func(l *listener) {
			l.beats("a")
			l.tell("partition.0", lease{Node: "a", Run: "former"})
		}, true},
		{"of a node that beats", func(l *listener) {
			l.owns(0, "b")
			l.listen(2 * ttl)
			l.beats("b")
		}, false},
		{"of a node silent for just the lease", func(l *listener) {
			l.owns(0, "b")
			l.beats("b")
			l.listen(ttl)
		}, false},
		{"of a node silent for longer", func(l *listener) {
			l.owns(0, "b")
			l.beats("b")
			l.listen(ttl + 1)
		}, true},
		{"of a node never heard, young", func(l *listener) { l.owns(0, "b"); l.listen(ttl) }, false},
		{"of a node never heard, old", func(l *listener) { l.owns(0, "b"); l.listen(ttl + 1) }, true},
		{"of a node heard before, young", func(l *listener) {
			l.beats("b")
			l.listen(2 * ttl)
			l.owns(0, "b") // it lives, or it could not have written this
		}, false},
		{"of a node that stopped", func(l *listener) {
			l.owns(0, "b")
			l.tell("node.b", beat{Run: "run-b", Stopped: true})
		}, true},
		{"of a node that stopped before it took it", func(l *listener) {
			l.tell("node.b", beat{Run: "run-b", Stopped: true})
			l.owns(0, "b")
		}, true},
		{"of a node that runs anew", func(l *listener) {
			l.owns(0, "b")
			l.tell("node.b", beat{Run: "next"})
		}, true},
		{"of a run that beats later than its lease", func(l *listener) {
			l.tell("node.b", beat{Run: "former"})
			l.owns(0, "b")
		}, false},
		{"of a run that never beats", func(l *listener) {
			l.tell("node.b", beat{Run: "former"})
			l.owns(0, "b")
			l.listen(ttl + 1)
		}, true},
		{"of a run that never beats, while the former one does", func(l *listener) {
			l.owns(0, "b")
			l.listen(ttl + 1)
			l.rev -= 100 // older than the lease
			l.table.nodes["b"] = nodeBeat{beat: beat{Run: "former"}, seen: l.watched}
		}, true},
		{"of a node whose entry was removed", func(l *listener) {
			l.owns(0, "b")
			l.beats("b")
			l.rev++
			l.hear(jet.KVEntry{Key: "node.b", Deleted: true, Revision: l.rev})
		}, false},
		{"damaged, tried by us", func(l *listener) {
			l.tell("partition.0", lease{Node: "b", Released: true, Damaged: "x", Tried: []string{"run-b", "run-a"}})
		}, false},
		{"damaged, tried by another", func(l *listener) {
			l.tell("partition.0", lease{Node: "b", Released: true, Damaged: "x", Tried: []string{"run-b"}})
		}, true},
		{"tried by us, held by a dead one", func(l *listener) {
			l.tell("partition.0", lease{Node: "b", Run: "run-b", Damaged: "x", Tried: []string{"run-a"}})
			l.listen(2 * ttl)
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newListener()
			test.do(l)
			if got := l.isFree(0); got != test.want {
				t.Errorf("free is %v, want %v", got, test.want)
			}
		})
	}
}

func TestAlive(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		do   func(l *listener)
		want bool
	}{
		{"never heard", func(*listener) {}, false},
		{"just heard", func(l *listener) { l.beats("b") }, true},
		{"silent for just the lease", func(l *listener) { l.beats("b"); l.listen(ttl) }, true},
		{"silent for longer", func(l *listener) { l.beats("b"); l.listen(ttl + 1) }, false},
		{"stopped", func(l *listener) { l.tell("node.b", beat{Run: "run-b", Stopped: true}) }, false},
		{"another run", func(l *listener) { l.tell("node.b", beat{Run: "next"}) }, false},
		{"leaving", func(l *listener) { l.tell("node.b", beat{Run: "run-b", Leaving: true}) }, true},
		{"unreadable", func(l *listener) { l.tell("node.b", 7) }, false},
		{"heard from the past only", func(l *listener) {
			l.loaded = false
			l.beats("b")
			l.loaded = true
		}, false},
		{"heard from the past, and again", func(l *listener) {
			l.loaded = false
			l.beats("b")
			l.loaded = true
			l.beats("b")
		}, true},
		{"an older entry comes late", func(l *listener) {
			l.beats("b")
			l.hear(jet.KVEntry{Key: "node.b", Value: []byte(`{"run":"former","stopped":true}`), Revision: l.rev})
		}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newListener()
			l.tell("partition.0", lease{Node: "b", Run: "run-b", Served: 1})
			test.do(l)
			l.mu.Lock()
			defer l.mu.Unlock()
			if got := l.alive(l.parts[0].lease); got != test.want {
				t.Errorf("alive is %v, want %v", got, test.want)
			}
			if got := l.view(0).Ready; got != test.want {
				t.Errorf("ready is %v, want %v", got, test.want)
			}
			l.seeLease(0, jet.KVEntry{Value: []byte(`{"node":"b","run":"run-b"}`), Revision: l.rev + 1})
			if l.view(0).Ready {
				t.Error("ready, and was never served")
			}
		})
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name          string
		do            func(l *listener)
		claim, giveUp []uint32
	}{
		{"alone", func(*listener) {}, []uint32{0, 1, 2, 3, 4}, nil},
		{"not everything is known", func(l *listener) { l.loaded = false }, nil, nil},
		{"our name is another's", func(l *listener) { l.tell("node.a", beat{Run: "another"}) }, nil, nil},
		{"one of two", func(l *listener) { l.beats("b") }, []uint32{0, 1, 2}, nil},
		{"one of three, some taken", func(l *listener) {
			l.beats("b")
			l.beats("c")
			l.owns(0, "b")
			l.owns(1, "a")
		}, []uint32{2}, nil},
		{"the other has stopped", func(l *listener) { l.tell("node.b", beat{Stopped: true}) }, []uint32{0, 1, 2, 3, 4}, nil},
		{"the other is leaving", func(l *listener) {
			l.tell("node.b", beat{Run: "run-b", Leaving: true})
			l.owns(0, "b")
		}, []uint32{1, 2, 3, 4}, nil},
		{"the other is silent for just the lease", func(l *listener) { l.beats("b"); l.listen(ttl) }, []uint32{0, 1, 2}, nil},
		{"the other is silent", func(l *listener) { l.beats("b"); l.listen(ttl + 1) }, []uint32{0, 1, 2, 3, 4}, nil},
		{"too much", func(l *listener) {
			for p := range uint32(5) {
				l.owns(p, "a")
			}
			l.beats("b")
		}, nil, []uint32{3}},
		{"just enough", func(l *listener) {
			for p := range uint32(3) {
				l.owns(p, "a")
			}
			l.beats("b")
		}, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newListener()
			l.tell("count", 5)
			l.beats("a")
			test.do(l)
			claim, giveUp := l.plan()
			if !slices.Equal(claim, test.claim) || !slices.Equal(giveUp, test.giveUp) {
				t.Errorf("claims %v, gives up %v; want %v and %v", claim, giveUp, test.claim, test.giveUp)
			}
		})
	}
}

// A change wakes those who wait for that partition, nobody else.
func TestWakes(t *testing.T) {
	t.Parallel()
	l := newListener()
	wait := func(p uint32) <-chan struct{} {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.await(p)
	}
	closed := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	zero, one := wait(0), wait(1)
	if wait(0) != zero {
		t.Error("two who wait for the same have a channel each")
	}
	l.beats("b")
	l.tell("count", 3)
	l.owns(1, "b")
	if closed(zero) || !closed(one) {
		t.Errorf("a lease of partition 1 woke those of 0: %v, of 1: %v", closed(zero), closed(one))
	}
	one = wait(1)
	l.hear(jet.KVEntry{Key: leaseKey(1), Value: []byte(`{}`), Revision: l.rev})
	if closed(one) {
		t.Error("what was known already woke")
	}
	l.wake(0)
	if !closed(zero) || closed(one) {
		t.Errorf("a wake of 0 woke those of 0: %v, of 1: %v", closed(zero), closed(one))
	}
	any := l.changed
	l.wake(7)
	if !closed(any) {
		t.Error("who waits for any change is not woken")
	}
	if len(l.waiting) != 1 {
		t.Errorf("%d channels are left, want the one of partition 1", len(l.waiting))
	}
}

// A watch that starts over tells what is gone meanwhile with the highest revision that
// it has seen, which may be the entry's own.
func TestGoneAtItsOwnRevision(t *testing.T) {
	t.Parallel()
	l := newListener()
	l.owns(1, "b")
	l.hear(jet.KVEntry{Key: leaseKey(1), Revision: l.rev, Deleted: true})
	if !l.isFree(1) {
		t.Error("a lease that is gone is not free")
	}
	l.beats("b")
	l.hear(jet.KVEntry{Key: "node.b", Revision: l.rev, Deleted: true})
	if _, known := l.nodes["b"]; known {
		t.Error("a node that is gone is known")
	}
	l.tell("node.b", beat{Run: "run-b"})
	l.hear(jet.KVEntry{Key: "node.b", Revision: l.rev - 1, Deleted: true})
	if _, known := l.nodes["b"]; !known {
		t.Error("an older deletion says something")
	}
}

// A node that was silent and beats again is news: its partitions are ready again,
// and it counts for the shares.
func TestHeardAgain(t *testing.T) {
	t.Parallel()
	l := newListener()
	l.tell(leaseKey(1), lease{Node: "b", Run: "run-b", Served: 1})
	l.beats("b")
	l.listen(2 * ttl)
	if l.view(1).Ready {
		t.Fatal("a partition of a silent node is ready")
	}
	changed := l.changed
	l.beats("b")
	if !l.view(1).Ready {
		t.Fatal("a partition of a node that lives is not ready")
	}
	select {
	case <-changed:
	default:
		t.Error("who waits for it is not told")
	}
}

// The plan is made anew for a change that may matter to it, not for every beat.
func TestPoke(t *testing.T) {
	t.Parallel()
	l := newListener()
	poked := func() bool {
		select {
		case <-l.poke:
			return true
		default:
			return false
		}
	}
	for i, step := range []struct {
		do   func()
		want bool
	}{
		{func() {}, true}, // complete
		{func() { l.beats("b") }, true},
		{func() { l.beats("b") }, false},
		{func() { l.tell("node.b", beat{Run: "run-b", Leaving: true}) }, true},
		{func() { l.tell("node.b", beat{Run: "run-b", Leaving: true, Stopped: true}) }, true},
		{func() { l.tell("node.b", beat{Run: "next", Leaving: true, Stopped: true}) }, true},
		{func() { l.rev++; l.hear(jet.KVEntry{Key: "node.b", Deleted: true, Revision: l.rev}) }, true},
		{func() { l.tell("count", 2) }, true},
		{func() { l.tell("count", 2) }, false},
		{func() { l.tell("count", 1) }, false},
		{func() { l.tell("count", "nonsense") }, false},
		{func() { l.tell("partition.x", lease{}) }, false},
		{func() { l.tell("partition.1", lease{}) }, true},
		{func() { l.loaded = false; l.beats("c") }, true},
		{func() { l.loaded = true; l.beats("c") }, true}, // now it is known to live
	} {
		step.do()
		if got := poked(); got != step.want {
			t.Errorf("step %d: poked is %v, want %v", i, got, step.want)
		}
	}
	if l.count != 2 {
		t.Errorf("%d partitions, want 2", l.count)
	}
}

func TestMarks(t *testing.T) {
	t.Parallel()
	l := newListener()
	l.tell("node.b", beat{Run: "run-b", Durable: map[uint32]uint64{0: 7, 1: 3}})
	l.tell("node.b", beat{Run: "run-b", Durable: map[uint32]uint64{0: 5}})
	if got := fmt.Sprint(l.marks(map[uint32]uint64{1: 9, 2: 1})); got != "map[0:7 1:9 2:1]" {
		t.Errorf("marks are %v", got)
	}
	if l.least(0) != 7 || l.least(1) != 9 || l.least(5) != 0 {
		t.Errorf("least are %d, %d, %d", l.least(0), l.least(1), l.least(5))
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	l := newListener()
	l.listen(ttl)
	l.beats("b")
	l.beats("c")
	l.owns(0, "c")
	l.listen(forgetAfter)
	if name, _, ok := l.forgettable(); ok {
		t.Fatalf("forgets %s too early", name)
	}
	l.listen(time.Second)
	if name, rev, ok := l.forgettable(); !ok || name != "b" || rev != l.nodes["b"].rev {
		t.Fatalf("forgets %q (%d, %v), want b", name, rev, ok)
	}
	l.rev++
	l.hear(jet.KVEntry{Key: "node.b", Deleted: true, Revision: l.rev})
	if name, _, ok := l.forgettable(); ok {
		t.Fatalf("forgets %s, which holds a lease", name)
	}
	l.tell("partition.0", lease{Node: "c", Released: true})
	if name, _, ok := l.forgettable(); !ok || name != "c" {
		t.Errorf("does not forget c")
	}
}

func TestPresentRuns(t *testing.T) {
	t.Parallel()
	l := newListener()
	l.beats("a")
	l.beats("b")
	l.tell("node.c", beat{Run: "run-c", Stopped: true})
	l.mu.Lock()
	defer l.mu.Unlock()
	if got := l.present([]string{"run-b", "former", "run-c", "run-a"}); !slices.Equal(got, []string{"run-b", "run-a"}) {
		t.Errorf("present are %v", got)
	}
}
