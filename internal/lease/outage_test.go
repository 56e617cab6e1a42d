package lease

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

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

// A lease that somebody removed is taken again, though the watch can't tell at which
// revision it went.
func TestLeaseIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster()
		a := startKeeper(t, c, "a", "run-a", 2, nil)
		a.want(t, "[0:1 1:1]")
		c.vanish("partition.1")
		a.want(t, "[0:1 1:1]")
		if a.tries(1) != 2 || c.value("partition.1") != `{"node":"a","run":"run-a","served":1}` {
			t.Errorf("served %d times, the lease is %q", a.tries(1), c.value("partition.1"))
		}
	})
}
