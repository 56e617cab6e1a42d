package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// node is a Keeper that runs in a bubble of virtual time.
type node struct {
	*Keeper
	link *link
	stop func() error // and wait
	done chan error   // Run's
	logs *logs

	mu      sync.Mutex
	serving map[uint32]int // partitions that are served, and how often they were
	total   map[uint32]int
	serve   func(ctx context.Context, p uint32, ready func(func() uint64)) error // nil: serves well
}

// startKeeper runs a Keeper and waits until all is still.
func startKeeper(t *testing.T, c *fakeCluster, name, runName string, count uint32, change func(*node)) *node {
	t.Helper()
	n := &node{
		link: &link{fakeCluster: c}, serving: make(map[uint32]int), total: make(map[uint32]int),
		done: make(chan error, 1), logs: &logs{},
	}
	if change != nil {
		change(n)
	}
	var err error
	n.Keeper, err = New(Config{Cluster: n.link, Node: name, Run: runName, Count: count, TTL: ttl, Serve: n.run, Logger: slog.New(n.logs)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { n.done <- n.Run(ctx) }()
	n.stop = sync.OnceValue(func() error { cancel(); return <-n.done })
	t.Cleanup(func() { _ = n.stop() })
	synctest.Wait()
	return n
}

func (n *node) run(ctx context.Context, p uint32, ready func(func() uint64)) error {
	n.mu.Lock()
	n.total[p]++
	serve := n.serve
	n.mu.Unlock()
	if serve != nil {
		return serve(ctx, p, ready)
	}
	return n.serveWell(ctx, p, ready)
}

func (n *node) serveWell(ctx context.Context, p uint32, ready func(func() uint64)) error {
	n.mu.Lock()
	n.serving[p]++
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.serving[p]--; n.serving[p] == 0 {
			delete(n.serving, p)
		}
	}()
	ready(func() uint64 {
		if ctx.Err() != nil {
			return uint64(200 + p) // something was appended at last
		}
		return uint64(100 + p)
	})
	<-ctx.Done()
	return nil
}

// ended is what Run returned, and fails the test if it goes on.
func (n *node) ended(t *testing.T) error {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-n.done:
		n.done <- err
		return err
	default:
		t.Fatalf("%s goes on", n.cfg.Node)
		return nil
	}
}

// logs counts log lines by their text.
type logs struct {
	mu    sync.Mutex
	lines map[string]int
}

func (l *logs) Enabled(context.Context, slog.Level) bool { return true }
func (l *logs) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logs) WithGroup(string) slog.Handler            { return l }
func (l *logs) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines == nil {
		l.lines = make(map[string]int)
	}
	l.lines[r.Level.String()+" "+r.Message]++
	return nil
}

// want checks how often lines that begin so were written.
func (l *logs) want(t *testing.T, begin string, n int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	got := 0
	for line, times := range l.lines {
		if strings.HasPrefix(line, begin) {
			got += times
		}
	}
	if got != n {
		t.Errorf("%q is logged %d times, want %d; there are %v", begin, got, n, l.lines)
	}
}

func (n *node) serves() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.TrimPrefix(fmt.Sprint(n.serving), "map")
}

func (n *node) tries(p uint32) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.total[p]
}

func (n *node) want(t *testing.T, serves string) {
	t.Helper()
	synctest.Wait()
	if got := n.serves(); got != serves {
		t.Errorf("%s serves %s, want %s", n.cfg.Node, got, serves)
	}
}

func TestShareAndHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster()
		a := startKeeper(t, c, "a", "run-a", 4, nil)
		a.want(t, "[0:1 1:1 2:1 3:1]")
		if got := c.value("partition.3"); got != `{"node":"a","run":"run-a","served":1}` {
			t.Errorf("the lease is %s", got)
		}
		b := startKeeper(t, c, "b", "run-b", 2, nil)
		if a.Least(2) != 202 { // before the next beat
			t.Errorf("the log of a partition that was given up must reach %d, want 202", a.Least(2))
		}
		if a.Count() != 4 || b.Count() != 4 {
			t.Errorf("%d and %d partitions, want 4: fewer than there are change nothing", a.Count(), b.Count())
		}
		time.Sleep(ttl) // all are given up one after another
		a.want(t, "[0:1 1:1]")
		b.want(t, "[2:1 3:1]")
		if got := c.value("node.a"); !strings.Contains(got, `"0":100`) {
			t.Errorf("a beat of a is %s", got)
		}
		for _, n := range []*node{a, b} {
			v, _ := n.Partition(3)
			if v.Node != "b" || v.Run != "run-b" || !v.Ready || v.Mine != (n == b) {
				t.Errorf("%s sees partition 3 as %+v", n.cfg.Node, v)
			}
		}
		if err := b.stop(); err != nil {
			t.Fatal(err)
		}
		b.want(t, "[]")
		a.want(t, "[0:1 1:1 2:1 3:1]") // at once: b said so
		if got := c.value("node.b"); !strings.Contains(got, `"stopped":true`) || !strings.Contains(got, `"2":202`) {
			t.Errorf("the last words of b are %s", got)
		}
		if a.Least(2) != 202 {
			t.Errorf("the log of partition 2 must reach %d, b told of 202", a.Least(2))
		}
		a.logs.want(t, "INFO a partition goes to another node", 2)
		a.logs.want(t, "WARN", 0)
		b.logs.want(t, "WARN", 0)
	})
}

// A partition that takes long to stop holds up neither the beats nor the others.
func TestSlowStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster()
		slow := make(chan struct{})
		a := startKeeper(t, c, "a", "run-a", 4, func(n *node) {
			n.serve = func(ctx context.Context, p uint32, ready func(func() uint64)) error {
				err := n.serveWell(ctx, p, ready)
				if p == 2 {
					<-slow
				}
				return err
			}
		})
		b := startKeeper(t, c, "b", "run-b", 4, nil)
		if n := c.changes("count"); n != 1 {
			t.Errorf("the number of partitions was written %d times", n)
		}
		before := c.changes("node.a")
		time.Sleep(20 * ttl)
		if n := c.changes("node.a") - before; n < 79 || n > 81 {
			t.Errorf("%d beats in 20 s while a partition stops, want about 80", n)
		}
		if n := a.link.calls("get", "node.a"); n != 1 {
			t.Errorf("its own entry was read %d times, want once, at the start", n)
		}
		a.logs.want(t, "INFO a partition goes to another node", 1) // one after another
		a.want(t, "[0:1 1:1 3:1]")
		b.want(t, "[]") // 2 is still a's, which lives
		if v := b.View(2); v.Node != "a" {
			t.Errorf("partition 2 is %+v", v)
		}
		close(slow)
		time.Sleep(ttl)
		a.want(t, "[0:1 1:1]")
		b.want(t, "[2:1 3:1]")
	})
}

// A node that is handing over goes on to give signs of life.
func TestSlowHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster()
		slow := make(chan struct{})
		a := startKeeper(t, c, "a", "run-a", 5, func(n *node) {
			n.serve = func(ctx context.Context, p uint32, ready func(func() uint64)) error {
				err := n.serveWell(ctx, p, ready)
				if p == 1 {
					<-slow
				}
				return err
			}
		})
		done := make(chan error, 1)
		go func() { done <- a.stop() }()
		synctest.Wait()
		b := startKeeper(t, c, "b", "run-b", 5, nil)
		b.want(t, "[0:1 2:1 3:1 4:1]") // a is leaving: all are b's share
		time.Sleep(10 * ttl)
		b.want(t, "[0:1 2:1 3:1 4:1]")
		close(slow)
		if err := <-done; err != nil {
			t.Error(err)
		}
		b.want(t, "[0:1 1:1 2:1 3:1 4:1]")
	})
}

// A node that died without a word is given up after the lease's time.
func TestTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster()
		c.write("node.gone", `{"run":"run-gone","n":7,"durable":{"0":55}}`)
		c.write("partition.0", `{"node":"gone","run":"run-gone","served":1}`)
		a := startKeeper(t, c, "a", "run-a", 1, nil)
		a.want(t, "[]")
		if v := a.View(0); v.Ready || v.Node != "gone" {
			t.Errorf("partition 0 is %+v, and nobody has heard of its node", v)
		}
		time.Sleep(ttl)
		a.want(t, "[]")
		time.Sleep(ttl/2 + 1)
		a.want(t, "[0:1]")
		if a.Least(0) != 100 && a.Least(0) != 55 {
			t.Errorf("least is %d", a.Least(0))
		}
		time.Sleep(forgetAfter + ttl)
		synctest.Wait()
		if got := c.value("node.gone"); got != "" {
			t.Errorf("the entry of a node long gone is still there: %s", got)
		}
	})
}

func TestNameTaken(t *testing.T) {
	t.Run("by one that answers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newFakeCluster()
			a := startKeeper(t, c, "a", "first", 2, nil)
			writes := c.changes("node.a")
			second := startKeeper(t, c, "a", "second", 2, nil)
			if err := second.ended(t); !errors.Is(err, ErrNameTaken) {
				t.Errorf("the second ended with %v", err)
			}
			if n := second.link.calls("create", "node.a") + second.link.calls("update", "node.a"); n != 0 || c.changes("node.a") != writes {
				t.Errorf("the second tried %d times to write the first's entry", n)
			}
			second.want(t, "[]")
			time.Sleep(5 * ttl)
			a.want(t, "[0:1 1:1]")
			if a.tries(0) != 1 {
				t.Error("the first was disturbed")
			}
			if err := a.stop(); err != nil {
				t.Error(err)
			}
			a.logs.want(t, "WARN", 0)
			c.mu.Lock()
			defer c.mu.Unlock()
			if len(c.served) != 0 || len(c.watchers) != 0 {
				t.Errorf("%d subjects are served and %d watches go on after the end", len(c.served), len(c.watchers))
			}
		})
	})
	t.Run("by one that beats and does not answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newFakeCluster()
			a := startKeeper(t, c, "a", "first", 2, nil)
			deaf := make(chan struct{})
			defer close(deaf)
			c.mu.Lock()
			c.served[aliveSubject("ws", "first")] = func(*jet.Incoming) { <-deaf }
			c.mu.Unlock()
			second := startKeeper(t, c, "a", "second", 2, nil)
			time.Sleep(ttl + 1)
			if err := second.ended(t); !errors.Is(err, ErrNameTaken) {
				t.Errorf("the second ended with %v", err)
			}
			a.want(t, "[0:1 1:1]")
		})
	})
	t.Run("by one that was killed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newFakeCluster()
			c.write("node.a", `{"run":"first","n":3}`)
			c.write("partition.0", `{"node":"a","run":"first","served":1}`)
			began := time.Now()
			a := startKeeper(t, c, "a", "second", 1, nil)
			a.want(t, "[0:1]")
			if d := time.Since(began); d != 0 {
				t.Errorf("took its partition back after %v", d)
			}
		})
	})
	t.Run("by one that is frozen", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newFakeCluster()
			a := startKeeper(t, c, "a", "first", 1, nil)
			thaw := make(chan struct{})
			a.link.set(func(l *link) { l.frozen = thaw })
			impatient := startKeeper(t, c, "a", "impatient", 1, nil)
			time.Sleep(ttl / 2)
			began := time.Now()
			if err := impatient.stop(); err != nil || time.Since(began) != 0 {
				t.Errorf("one that was stopped while it waited ended with %v after %v", err, time.Since(began))
			}
			second := startKeeper(t, c, "a", "second", 1, nil)
			second.want(t, "[]")
			time.Sleep(ttl - 1)
			second.want(t, "[]")
			time.Sleep(2 * time.Nanosecond)
			second.want(t, "[0:1]")
			a.link.set(func(l *link) { l.frozen = nil })
			close(thaw)
			time.Sleep(ttl)
			synctest.Wait()
			a.want(t, "[]")
			if err := a.ended(t); !errors.Is(err, ErrNameTaken) {
				t.Errorf("the first ended with %v", err)
			}
			second.want(t, "[0:1]")
			if second.tries(0) != 1 {
				t.Error("the first came in between when it was back")
			}
			if got := c.value("node.a"); !strings.Contains(got, `"run":"second"`) || strings.Contains(got, "stopped") {
				t.Errorf("the entry is %s", got)
			}
		})
	})
	t.Run("by another newcomer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newFakeCluster()
			raced := false
			a := startKeeper(t, c, "a", "second", 1, func(n *node) {
				n.link.fault = func(op, key string) error {
					if op == "create" && key == "node.a" && !raced {
						raced = true
						c.write("node.a", `{"run":"first","n":1}`)
						c.mu.Lock()
						c.served[aliveSubject("ws", "first")] = func(in *jet.Incoming) { _ = in.Reply(nil) }
						c.mu.Unlock()
					}
					return nil
				}
			})
			if err := a.ended(t); !errors.Is(err, ErrNameTaken) {
				t.Errorf("ended with %v", err)
			}
		})
	})
}

// Answers that get lost don't make a node mistake itself for another.
func TestLostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster()
		var n atomic.Int64
		a := startKeeper(t, c, "a", "run-a", 3, func(a *node) {
			a.link.lost = func(op, key string) bool { return op != "get" && op != "open" && n.Add(1)%3 != 0 }
		})
		time.Sleep(2 * ttl)
		b := startKeeper(t, c, "b", "run-b", 3, nil)
		time.Sleep(2 * ttl)
		b.want(t, "[2:1]")
		if err := b.stop(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * ttl)
		b = startKeeper(t, c, "b", "run-b2", 1, func(b *node) {
			b.link.fault = func(op, key string) error {
				if op != "get" && key == "partition.1" {
					t.Errorf("b takes what is a's")
				}
				return nil
			}
		})
		time.Sleep(ttl / 8)
		if err := b.stop(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(ttl)
		a.want(t, "[0:1 1:1 2:1]")
		for p := range uint32(3) {
			if p < 2 && a.tries(p) != 1 {
				t.Errorf("partition %d was served %d times", p, a.tries(p))
			}
			if v := a.View(p); !v.Ready {
				t.Errorf("partition %d is %+v", p, v)
			}
		}
	})
}

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

// A partition that fails is served again under the same lease, after pauses that
// grow; who waits for it is woken each time, on other nodes too.
func TestServedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster()
		fail := make(chan error)
		loads := uint64(0)
		a := startKeeper(t, c, "a", "run-a", 1, func(n *node) {
			n.serve = func(ctx context.Context, p uint32, ready func(func() uint64)) error {
				loads++
				now := loads
				var failed atomic.Bool
				asked := 0 // since it failed
				ready(func() uint64 {
					if failed.Load() {
						if asked++; asked > 3 { // a beat may ask at the same time
							t.Error("asked again after the last time")
						}
					}
					return now
				})
				defer failed.Store(true)
				select {
				case <-ctx.Done():
					return nil
				case err := <-fail:
					return err
				}
			}
		})
		b := startKeeper(t, c, "b", "run-b", 1, nil)
		for i, want := range []time.Duration{50, 100, 200, 400, 800, 1600, 2000, 2000} {
			_, here := a.Partition(0)
			_, there := b.Partition(0)
			began := time.Now()
			fail <- errors.New("a test ends it")
			<-here
			if d := time.Since(began); d != want*time.Millisecond {
				t.Errorf("failure %d: served again after %v, want %v ms", i, d, want)
			}
			<-there
		}
		time.Sleep(steadyAfter + 1)
		began := time.Now()
		_, here := a.Partition(0)
		fail <- errors.New("a test ends it after a while")
		<-here
		if d := time.Since(began); d != leastPause {
			t.Errorf("after a long time it is served again after %v", d)
		}
		time.Sleep(ttl)
		if a.Least(0) != 10 {
			t.Errorf("the log must reach %d, want 10", a.Least(0))
		}
		if a.tries(0) != 10 || b.tries(0) != 0 {
			t.Errorf("served %d and %d times", a.tries(0), b.tries(0))
		}
	})
}

// While the bucket does not answer, what runs goes on, and nobody is given up.
func TestNoLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster()
		away := func(op, _ string) error {
			if op == "open" {
				return nil
			}
			return jet.ErrUnavailable
		}
		a := startKeeper(t, c, "a", "run-a", 2, func(n *node) { n.link.fault = away })
		time.Sleep(10 * ttl)
		a.want(t, "[]") // not even started
		a.logs.want(t, "WARN the leases can't be reached", 1)
		a.link.set(func(l *link) { l.fault = nil })
		time.Sleep(ttl)
		a.want(t, "[0:1 1:1]")
		b := startKeeper(t, c, "b", "run-b", 2, nil)
		time.Sleep(2 * ttl)
		a.want(t, "[0:1]")
		b.want(t, "[1:1]")
		for _, n := range []*node{a, b} {
			n.link.set(func(l *link) { l.fault = away })
		}
		time.Sleep(time.Minute)
		a.want(t, "[0:1]")
		b.want(t, "[1:1]")
		for _, n := range []*node{a, b} {
			n.link.set(func(l *link) { l.fault = nil })
		}
		time.Sleep(2 * ttl)
		a.want(t, "[0:1]")
		b.want(t, "[1:1]")
		if a.tries(0) != 1 || b.tries(1) != 1 {
			t.Error("partitions were stopped for it")
		}
		for _, n := range []*node{a, b} {
			n.logs.want(t, "WARN no sign of life can be given", 1)
			n.logs.want(t, "INFO signs of life are given again", 1)
		}
	})
}

// Another node takes a lease: the partition stops here, and its lease is left alone.
func TestLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster()
		a := startKeeper(t, c, "a", "run-a", 2, nil)
		c.write("node.b", `{"run":"run-b","n":1}`)
		c.write("partition.1", `{"node":"b","run":"run-b"}`)
		a.want(t, "[0:1]")
		if got := c.value("partition.1"); got != `{"node":"b","run":"run-b"}` {
			t.Errorf("the lease is %s", got)
		}
		a.logs.want(t, "WARN another node took the partition over", 1)
	})
}

// The same while it is being given up, which takes a while.
func TestLostWhileGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster()
		slow := make(chan struct{})
		a := startKeeper(t, c, "a", "run-a", 1, func(n *node) {
			n.serve = func(ctx context.Context, p uint32, ready func(func() uint64)) error {
				err := n.serveWell(ctx, p, ready)
				<-slow
				return err
			}
		})
		done := make(chan error, 1)
		go func() { done <- a.stop() }()
		synctest.Wait()
		c.write("partition.0", `{"node":"b","run":"run-b"}`)
		synctest.Wait()
		close(slow)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := c.value("partition.0"); got != `{"node":"b","run":"run-b"}` {
			t.Errorf("the lease is %s", got)
		}
		a.logs.want(t, "WARN", 0)
	})
}

// Leases that can't be written are tried again, and told of once.
func TestStuck(t *testing.T) {
	for name, test := range map[string]struct {
		op, key string
		value   string // of the lease before
		damaged bool
	}{
		"claim":                 {"create", "partition.1", "", false},
		"claim of another's":    {"update", "partition.1", `{"released":true}`, false},
		"saying that it serves": {"update", "partition.1", "", false},
		"release of a damaged":  {"update", "partition.1", "", true},
		"forgetting a node":     {"delete", "node.gone", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newFakeCluster()
				if test.value != "" {
					c.write("partition.1", test.value)
				}
				c.write("node.gone", `{"run":"gone"}`)
				fault := func(op, key string) error {
					if op == test.op && key == test.key {
						return jet.ErrUnavailable
					}
					return nil
				}
				a := startKeeper(t, c, "a", "run-a", 3, func(n *node) {
					n.link.fault = fault
					if test.damaged {
						n.serve = func(ctx context.Context, p uint32, ready func(func() uint64)) error {
							if p == 1 {
								return ErrDamaged
							}
							return n.serveWell(ctx, p, ready)
						}
					}
				})
				time.Sleep(forgetAfter + 10*ttl)
				synctest.Wait()
				a.logs.want(t, "WARN leases can't be changed just now", 1)
				a.logs.want(t, "INFO leases can be changed again", 0)
				if s := a.serves(); !strings.Contains(s, "0:1") || strings.Contains(s, "1:1") && (test.op == "create" || test.value != "" || test.damaged) {
					t.Errorf("serves %s", s)
				}
				a.link.set(func(l *link) { l.fault = nil })
				time.Sleep(ttl)
				synctest.Wait()
				a.logs.want(t, "WARN leases can't be changed just now", 1)
				a.logs.want(t, "INFO leases can be changed again", 1)
				if v := a.View(1); v.Ready == test.damaged || (v.Damaged != "") != test.damaged || v.Mine == test.damaged {
					t.Errorf("partition 1 is %+v", v)
				}
				if c.value("node.gone") != "" {
					t.Error("a node long gone is not forgotten")
				}
			})
		})
	}
}

// What goes wrong at the start, and does not pass, ends it.
func TestRunFails(t *testing.T) {
	for _, op := range []string{"open ws_leases", "get count", "create count", "serve ws.alive.run-a", "get node.a", "create node.a"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bad := errors.New("not what was expected")
				a := startKeeper(t, newFakeCluster(), "a", "run-a", 3, func(n *node) {
					n.link.fault = func(o, key string) error {
						if o+" "+key == op {
							return bad
						}
						return nil
					}
				})
				if err := a.ended(t); !errors.Is(err, bad) {
					t.Errorf("ended with %v", err)
				}
				a.want(t, "[]")
			})
		})
	}
}

// A node that is stopped while it waits for the bucket ends well.
func TestStoppedWhileWaiting(t *testing.T) {
	for _, key := range []string{"count", "node.a"} {
		t.Run(key, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := startKeeper(t, newFakeCluster(), "a", "run-a", 3, func(n *node) {
					n.link.fault = func(_, k string) error {
						if k == key {
							return jet.ErrUnavailable
						}
						return nil
					}
				})
				time.Sleep(ttl / 8)
				if err := a.stop(); err != nil {
					t.Errorf("ended with %v", err)
				}
			})
		})
	}
}

// A closed bucket ends the node, and what it serves.
func TestWatchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster()
		a := startKeeper(t, c, "a", "run-a", 3, nil)
		close(c.closed)
		if err := a.ended(t); !errors.Is(err, jet.ErrClosed) || !strings.Contains(err.Error(), "watch") {
			t.Errorf("ended with %v", err)
		}
		a.want(t, "[]")
		if got := c.value("node.a"); !strings.Contains(got, "stopped") {
			t.Errorf("its entry is %s", got)
		}
		b := startKeeper(t, c, "b", "run-b", 3, nil) // before the bucket was read
		if err := b.ended(t); !errors.Is(err, jet.ErrClosed) {
			t.Errorf("ended with %v", err)
		}
	})
}

// A lease that can't be released is told of.
func TestCannotRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster()
		a := startKeeper(t, c, "a", "run-a", 1, nil)
		a.link.set(func(l *link) {
			l.fault = func(_, key string) error {
				if key == "partition.0" {
					return jet.ErrUnavailable
				}
				return nil
			}
		})
		if err := a.stop(); err != nil {
			t.Error(err)
		}
		a.logs.want(t, "WARN a lease can't be released", 1)
		b := startKeeper(t, c, "b", "run-b", 1, nil)
		b.want(t, "[0:1]") // a stopped
	})
}

// An entry that was removed is written again, with what is known of the logs.
func TestEntryRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster()
		a := startKeeper(t, c, "a", "run-a", 1, nil)
		c.mu.Lock()
		c.store(jet.KVEntry{Key: "node.a", Deleted: true})
		c.mu.Unlock()
		time.Sleep(ttl)
		if got := c.value("node.a"); !strings.Contains(got, `"run":"run-a"`) || !strings.Contains(got, `"0":100`) {
			t.Errorf("the entry is %s", got)
		}
		a.want(t, "[0:1]")
		a.logs.want(t, "WARN", 0)
	})
}

// How many partitions were agreed on can be asked without taking part.
func TestAgreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &link{fakeCluster: newFakeCluster()}
		if _, err := Agreed(t.Context(), l, "ws"); !errors.Is(err, jet.ErrNotFound) {
			t.Errorf("where none ever ran: %v", err)
		}
		for value, want := range map[string]uint32{"1": 1, "1024": MaxCount, "0": 0, "1025": 0, "many": 0, "-1": 0} {
			l.write("count", value)
			n, err := Agreed(t.Context(), l, "ws")
			if n != want || (err == nil) != (want > 0) || err != nil && !strings.Contains(err.Error(), value) {
				t.Errorf("%q: %d, %v", value, n, err)
			}
		}
		for _, op := range []string{"open ws_leases", "get count"} {
			l.fault = func(o, key string) error {
				if o+" "+key == op {
					return jet.ErrUnavailable
				}
				return nil
			}
			if _, err := Agreed(t.Context(), l, "ws"); !errors.Is(err, jet.ErrUnavailable) {
				t.Errorf("%s fails: %v", op, err)
			}
		}
		if len(l.writes) != 6 {
			t.Error("it took part")
		}
	})
}

func TestPause(t *testing.T) {
	t.Parallel()
	if err := pause(t.Context(), -1); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, d := range []time.Duration{0, time.Hour} {
		if err := pause(ctx, d); !errors.Is(err, context.Canceled) {
			t.Errorf("%v: %v", d, err)
		}
	}
}

func TestCountIsNotANumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster()
		c.write("count", "many")
		a := startKeeper(t, c, "a", "run-a", 2, nil)
		if err := a.stop(); err == nil || !strings.Contains(err.Error(), `"many"`) {
			t.Errorf("ended with %v", err)
		}
	})
}

// Two nodes that raise the number of partitions at once.
func TestCountRaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster()
		raced := 0
		a := startKeeper(t, c, "a", "run-a", 3, func(n *node) {
			n.link.fault = func(op, key string) error {
				if key == "count" && op != "get" && raced < 2 {
					raced++
					c.write("count", fmt.Sprint(raced))
				}
				return nil
			}
		})
		if raced != 2 || a.Count() != 3 || c.value("count") != "3" {
			t.Errorf("after %d races %d partitions, stored are %s", raced, a.Count(), c.value("count"))
		}
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	good := func() Config {
		return Config{
			Cluster: &link{}, Node: "a", Run: "r",
			Serve: func(context.Context, uint32, func(func() uint64)) error { return nil },
		}
	}
	k, err := New(good())
	if err != nil {
		t.Fatal(err)
	}
	if c := k.cfg; c.Prefix != "ws" || c.Count != 1 || c.TTL != 2500*time.Millisecond || c.Logger == nil || c.Elapsed == nil {
		t.Errorf("defaults are %+v", c)
	}
	for name, change := range map[string]func(*Config){
		"no cluster":    func(c *Config) { c.Cluster = nil },
		"no serve":      func(c *Config) { c.Serve = nil },
		"no run":        func(c *Config) { c.Run = "" },
		"no node":       func(c *Config) { c.Node = "" },
		"dotted node":   func(c *Config) { c.Node = "a.b" },
		"too many":      func(c *Config) { c.Count = MaxCount + 1 },
		"time backward": func(c *Config) { c.TTL = -1 },
	} {
		c := good()
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	c := good()
	c.Count = MaxCount
	if _, err := New(c); err != nil {
		t.Error(err)
	}
}
