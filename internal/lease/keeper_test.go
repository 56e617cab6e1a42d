package lease

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

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

// A node that has lost a lease and is not told so by its watch finds out when it
// writes, and lets the partition alone: or else it would take it from its owner, who
// would take it back, and so on.
func TestLostWithoutBeingTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster()
		again := make(chan struct{}, 1)
		a := startKeeper(t, c, "a", "run-a", 1, func(n *node) {
			n.serve = func(ctx context.Context, p uint32, ready func(func() uint64)) error {
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				go func() {
					select {
					case <-again:
						cancel()
					case <-ctx.Done():
					}
				}()
				if err := n.serveWell(ctx, p, ready); err != nil {
					return err
				}
				return errors.New("another writer owns the log")
			}
		})
		a.want(t, "[0:1]")
		deaf := make(chan struct{})
		defer close(deaf)
		a.link.set(func(l *link) { l.deaf = deaf })
		c.write("partition.0", `{"node":"b","run":"run-b"}`)
		tries := a.tries(0)
		again <- struct{}{}
		time.Sleep(time.Minute)
		if n := a.tries(0) - tries; n > 1 {
			t.Errorf("it was loaded %d times more", n)
		}
		a.want(t, "[]")
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
