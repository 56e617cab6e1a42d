package owner_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
)

func named(id uint64, name byte) owner.PostTarget {
	t := of(attempts, id)
	t.Name, t.Replace, t.Reference = state.Name{name}, true, fmt.Sprint("ref-", name)
	return t
}

func (c *cluster) browse(o *running, in owner.BrowseIn) owner.BrowseOut {
	c.t.Helper()
	in.Queue = state.Ref{Kind: attempts, ID: 9}
	out, err := o.Browse(c.t.Context(), in)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// Reading takes nothing, and tells what is there: by name, all names page by page,
// all messages in their order; also after a replay.
func TestBrowse(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.kinds = map[state.Kind]owner.Kind{attempts: {}}
	o := c.start(0)
	for name := range byte(100) {
		c.post(o, fmt.Sprint("x", name), named(9, name+1))
	}
	c.post(o, "x7 anew", named(9, 8))
	c.post(o, "nameless", of(attempts, 9))
	c.post(o, "not this queue's", named(10, 1))
	_, m := c.takeOne(o, attempts)
	check := func() {
		t.Helper()
		one := c.browse(o, owner.BrowseIn{Name: state.Name{8}}).Found
		if len(one) != 1 || text(one[0].Payload) != "x7 anew" || one[0].Key != 101 || one[0].Reference != "ref-8" || one[0].InFlight {
			t.Errorf("by name: %+v", one)
		}
		if none := c.browse(o, owner.BrowseIn{Name: state.Name{200}}); len(none.Found) != 0 || none.More {
			t.Errorf("by a name that nobody has: %+v", none)
		}
		first := c.browse(o, owner.BrowseIn{Name: state.Name{1}}).Found
		if len(first) != 1 || first[0].Key != m.Receipt.Key || !first[0].InFlight || first[0].Receives != 1 || first[0].VisibleAt == 0 {
			t.Errorf("what was taken: %+v", first)
		}
		seen := map[state.Name]string{}
		for in := (owner.BrowseIn{Named: true, Max: 7}); ; {
			out := c.browse(o, in)
			for _, f := range out.Found {
				if seen[f.Name] != "" {
					t.Errorf("%x twice", f.Name)
				}
				seen[f.Name] = text(f.Payload)
			}
			if in.After = out.Last; !out.More {
				break
			}
		}
		if len(seen) != 100 || seen[state.Name{8}] != "x7 anew" || seen[state.Name{50}] != "x49" {
			t.Errorf("%d names, of them %q and %q", len(seen), seen[state.Name{8}], seen[state.Name{50}])
		}
		last, n := uint64(0), 0
		for in := (owner.BrowseIn{Max: 10, MaxBytes: 12 << 10}); ; {
			out := c.browse(o, in)
			if len(out.Found) > 6 {
				t.Errorf("%d messages in 12 KiB", len(out.Found))
			}
			for _, f := range out.Found {
				if f.Key <= last {
					t.Errorf("%d comes after %d", f.Key, last)
				}
				last = f.Key
				n++
			}
			if in.From = out.Next; !out.More {
				break
			}
		}
		if n != 101 || last != 102 {
			t.Errorf("%d messages up to %d", n, last)
		}
	}
	check()
	c.stop(0)
	o = c.start(0)
	check()
	if _, err := o.Browse(t.Context(), owner.BrowseIn{Queue: state.Ref{ID: 9}}); !errors.Is(err, owner.ErrQueueGone) {
		t.Errorf("a queue of clients: %v", err)
	}
}

// A post is done if all its conditions hold, and nothing of it else; what it removes
// goes with it. A replay knows the same.
func TestConditions(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.kinds = map[state.Kind]owner.Kind{attempts: {}, failures: {}}
	o := c.start(0)
	c.post(o, "first", named(9, 1))  // key 1
	c.post(o, "second", named(9, 2)) // key 2
	_, taken := c.takeOne(o, attempts)
	if taken.Receipt.Key != 1 {
		t.Fatalf("took %+v", taken)
	}
	q := state.Ref{Kind: attempts, ID: 9}
	is := func(name byte, key uint64) owner.Condition {
		return owner.Condition{Queue: q, Name: state.Name{name}, Key: key}
	}
	post := func(want error, conditions ...owner.Condition) {
		t.Helper()
		out, err := o.Post(t.Context(), owner.PostIn{
			Items: []owner.PostItem{{Payload: payload("fired"), Targets: []owner.PostTarget{of(failures, 1)}}, {Payload: payload("next"), Targets: []owner.PostTarget{named(9, 1)}}},
			If:    conditions,
		})
		if !errors.Is(err, want) || want == nil && len(out.Posted) != 2 {
			t.Errorf("%+v: %+v, %v, want %v", conditions, out, err, want)
		}
	}
	gone := is(2, 2)
	gone.Remove = true
	post(owner.ErrCondition, is(1, 2))
	post(owner.ErrCondition, is(1, 0))
	post(owner.ErrCondition, is(3, 1))
	post(owner.ErrCondition, gone, is(1, 7))
	post(owner.ErrQueueGone, owner.Condition{Queue: state.Ref{ID: 9}})
	unknown := is(1, 0)
	unknown.Queue.ID = 77
	if n := o.Status().Usage; n.Messages != 2 {
		t.Fatalf("refused posts left %d messages", n.Messages)
	}
	queues := o.Status().Usage.Queues
	post(owner.ErrCondition, unknown, is(1, 7))
	if n := o.Status().Usage.Queues; n != queues {
		t.Errorf("a condition made a queue: %d, were %d", n, queues)
	}
	post(nil, is(1, 1), gone, is(3, 0), unknown)
	post(owner.ErrCondition, is(1, 1)) // done already
	for range 2 {
		if out := c.browse(o, owner.BrowseIn{}).Found; len(out) != 1 || out[0].Key != 3 || text(out[0].Payload) != "next" || out[0].InFlight {
			t.Errorf("there is %+v", out)
		}
		if n := o.Status().Usage.Messages; n != 2 {
			t.Errorf("%d messages, want one in each queue", n)
		}
		// The receipt of what was replaced is of no use.
		c.remove(o, q, taken)
		c.stop(0)
		o = c.start(0)
	}
	// Removals alone.
	last := is(1, 3)
	last.Remove = true
	if _, err := o.Post(t.Context(), owner.PostIn{If: []owner.Condition{last}}); err != nil {
		t.Error(err)
	}
	if out := c.browse(o, owner.BrowseIn{}).Found; len(out) != 0 {
		t.Errorf("there is %+v", out)
	}
	many := make([]owner.Condition, owner.MaxPostTargets+1)
	for i := range many {
		many[i] = is(1, 0)
	}
	if _, err := o.Post(t.Context(), owner.PostIn{If: many}); !errors.Is(err, owner.ErrTooLarge) {
		t.Errorf("%d conditions: %v", len(many), err)
	}
}

// trimmedLog lets the entry at a number be trimmed while it is read.
type trimmedLog struct {
	journal.Log
	at   atomic.Uint64
	then func() // comes just before
}

func (l *trimmedLog) Get(ctx context.Context, seq uint64) (jet.Entry, error) {
	if at := l.at.Load(); at == 0 || seq != at {
		return l.Log.Get(ctx, seq)
	}
	l.then()
	return jet.Entry{}, jet.ErrNotFound
}

func (l *trimmedLog) Bounds(ctx context.Context) (first, last uint64, err error) {
	first, last, err = l.Log.Bounds(ctx)
	return max(first, l.at.Load()+1), last, err
}

// A message can be replaced, and what it was trimmed, while it is read. By its name it
// is what it is then. A walk by key, whose order its new key is not in, comes to it later
// or not at all: whoever goes on behind what was given passes nothing over.
func TestReplacedWhileItIsRead(t *testing.T) {
	t.Parallel()
	for what, tt := range map[string]struct {
		in   owner.BrowseIn
		want string
	}{
		"by key":          {owner.BrowseIn{}, "2 second"},
		"by key, a page":  {owner.BrowseIn{Max: 1}, ""},
		"all names":       {owner.BrowseIn{Named: true}, "2 second, 3 anew"},
		"by name":         {owner.BrowseIn{Name: state.Name{1}}, "3 anew"},
		"by another name": {owner.BrowseIn{Name: state.Name{2}}, "2 second"},
	} {
		c := newCluster(t)
		c.kinds = map[state.Kind]owner.Kind{attempts: {}}
		log := &trimmedLog{}
		c.journal = func(cfg *journal.Config) { log.Log, cfg.Log, cfg.CacheBytes = cfg.Log, log, 1 }
		o := c.start(0)
		c.post(o, "first", named(9, 1))
		at := o.j.Stats().Last
		c.post(o, "second", named(9, 2))
		log.then = sync.OnceFunc(func() { c.post(o, "anew", named(9, 1)) })
		log.at.Store(at)
		out := c.browse(o, tt.in)
		log.at.Store(0)
		var got []string
		for _, f := range out.Found {
			got = append(got, fmt.Sprint(f.Key, " ", text(f.Payload)))
		}
		if slices.Sort(got); strings.Join(got, ", ") != tt.want {
			t.Errorf("%s: got %q, want %q", what, got, tt.want)
		}
		if tt.in.Max == 1 && (out.Next != 2 || !out.More) {
			t.Errorf("%s: it goes on at %d", what, out.Next)
		}
		c.stop(0)
	}
}
