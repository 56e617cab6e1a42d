package lease

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

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
