package owner_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/registry"
)

// Run says when the owner answers and when it no longer does, once each, and why it ended.
func TestRunTells(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		for name, end := range map[string]func(o *running, cancel func()) error{
			"stopped": func(_ *running, cancel func()) error { cancel(); return nil },
			"closed":  func(o *running, _ func()) error { o.Stop(); return nil },
			"fenced": func(o *running, _ func()) error {
				c.fence()
				_, _ = o.Count(t.Context(), owner.QueueIn{Queue: state.Ref{ID: 7}}) // which is how it learns of it
				return journal.ErrFenced
			},
		} {
			c.defs.define(7, 0, nil)
			o := c.make(0)
			if err := o.Load(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var told []string
			done := make(chan error, 1)
			go func() {
				done <- o.Run(ctx, func() { told = append(told, "open") }, func() { told = append(told, "shut") })
			}()
			later(time.Second)
			if !slices.Equal(told, []string{"open"}) {
				t.Errorf("%s: while it runs, it told %q", name, told)
			}
			want := end(o, cancel)
			if err := <-done; !errors.Is(err, want) || err != nil && want == nil {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
			if !slices.Equal(told, []string{"open", "shut"}) {
				t.Errorf("%s: it told %q", name, told)
			}
			if _, err := o.Count(t.Context(), owner.QueueIn{Queue: state.Ref{ID: 7}}); !errors.Is(err, owner.ErrNotOwner) {
				t.Errorf("%s: it answers %v", name, err)
			}
			cancel()
		}
	})
}

// fence has another writer claim the journal of partition 0.
func (c *cluster) fence() {
	c.t.Helper()
	log, err := c.node.Log(c.t.Context(), jet.StreamSpec{Name: "journal_0", Subject: "journal.0"})
	if err != nil {
		c.t.Fatal(err)
	}
	other, err := journal.New(journal.Config{Log: log, Writer: "other"})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := other.Claim(c.t.Context(), func(journal.Pos, []byte) error { return nil }, nil); err != nil {
		c.t.Fatal(err)
	}
}

// An owner that is not the owner any more does not say that a queue is empty, however many
// wait for its messages.
func TestFencedLongPolls(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		c.kinds = map[state.Kind]owner.Kind{attempts: {}}
		q := c.defs.define(7, 0, nil)
		o := c.start(0)
		polled := make(chan error, 2)
		go func() {
			_, err := o.Receive(t.Context(), owner.ReceiveIn{Queue: ref(q), Max: 1, Wait: 500 * time.Millisecond})
			polled <- err
		}()
		go func() {
			_, err := o.Take(t.Context(), owner.TakeIn{Kind: attempts, Max: 1, Wait: 500 * time.Millisecond})
			polled <- err
		}()
		later(10 * time.Millisecond)
		c.fence()
		for range 2 {
			if err := <-polled; !errors.Is(err, owner.ErrUnavailable) && !errors.Is(err, owner.ErrNotOwner) {
				t.Errorf("a poll is answered with %v", err)
			}
		}
	})
}

// Those who wait long share what proves that there is nothing: it costs one append a second.
func TestLongPollsShareProofs(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		c.kinds = map[state.Kind]owner.Kind{attempts: {}}
		q := c.defs.define(7, 0, nil)
		o := c.start(0)
		later(5 * time.Second)
		before := o.Durable()
		later(time.Minute)
		if n := o.Durable() - before; n != 0 {
			t.Errorf("%d appends while nobody waits", n)
		}
		const polls = 200
		before = o.Durable()
		done := make(chan error, 2*polls)
		for i := range polls {
			wait := 20*time.Second + time.Duration(i)*20*time.Millisecond
			go func() {
				_, err := o.Receive(t.Context(), owner.ReceiveIn{Queue: ref(q), Max: 1, Wait: wait})
				done <- err
			}()
			go func() {
				_, err := o.Take(t.Context(), owner.TakeIn{Kind: attempts, Max: 1, Wait: wait})
				done <- err
			}()
		}
		for range 2 * polls {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if n := o.Durable() - before; n < 20 || n > 30 {
			t.Errorf("%d appends in 24 seconds", n)
		}
	})
}

// What expires all at once is worked off without anybody asking, step by step.
func TestClockWorksOff(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		const n = 5000
		q := c.defs.define(7, 0, func(q *registry.Queue) { q.RetentionSeconds = 60 })
		o := c.start(0)
		items := make([]owner.PostItem, 1000)
		for i := range items {
			items[i] = owner.PostItem{Payload: payload("x"), Targets: []owner.PostTarget{to(q, nil)}}
		}
		for range n / len(items) {
			if _, err := o.Post(t.Context(), owner.PostIn{Items: items}); err != nil {
				t.Fatal(err)
			}
		}
		const queues = 250 // more than are looked at in one step
		for i := range items {
			items[i].Targets = []owner.PostTarget{to(c.defs.define(100+uint64(i%queues), 0, nil), func(p *owner.PostTarget) { p.Delay = 20 })}
		}
		if _, err := o.Post(t.Context(), owner.PostIn{Items: items}); err != nil {
			t.Fatal(err)
		}
		visible := func() (sum int) {
			o.EachQueue(func(s owner.QueueStats) { sum += s.Visible })
			return sum
		}
		later(21 * time.Second)
		if got := visible(); got != n+len(items) {
			t.Errorf("%d messages are visible", got)
		}
		for id := range uint64(queues) {
			if _, err := o.Purge(t.Context(), owner.QueueIn{Queue: state.Ref{ID: 100 + id}}); err != nil {
				t.Fatal(err)
			}
		}
		later(38 * time.Second)
		if u := o.Status().Usage; u.Messages != n {
			t.Errorf("%d messages before their time", u.Messages)
		}
		before := o.Durable()
		later(2 * time.Second)
		if u := o.Status().Usage; u.Messages != 0 {
			t.Errorf("%d messages are left", u.Messages)
		}
		if steps := o.Durable() - before; steps < n/1000 {
			t.Errorf("all went with %d appends", steps)
		}
	})
}

// That the registry lacks what the log knows is told, and only then.
func TestRegistryBehindIsTold(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		const text = "the registry does not know what this partition's log knows"
		q := c.defs.define(7, 0, nil)
		c.post(c.start(0), "x", to(q, nil))
		var l lines
		c.logger = slog.New(slog.NewTextHandler(&l, nil))
		c.restart(0)
		if l.has(text) || c.defs.required != q.Revision {
			t.Errorf("told of a registry that knows all, or asked for revision %d", c.defs.required)
		}
		c.stop(0)
		c.defs.behind = errors.New("it is behind")
		o := c.start(0)
		if !l.has(text) || !l.has("it is behind") {
			t.Error("not told")
		}
		c.want(o, q, 1, 0, 0)
	})
}

// Queues without a definition are listed with what the log knows of them and what is told
// of them, until they have one again.
func TestOrphansAreListed(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		q := c.defs.define(7, 0, func(q *registry.Queue) { q.DelaySeconds = 3 })
		o := c.start(0)
		for range 3 {
			c.post(o, "x", to(q, func(p *owner.PostTarget) { p.Delay = 0 }))
		}
		c.post(o, "x", to(q, func(p *owner.PostTarget) { p.Delay = 50 }))
		c.receiveOne(o, q)
		c.defs.forget(q.ID, false)
		later(time.Minute) // the log knows it, and no message came
		if n := o.Status().Orphans; n != 0 {
			t.Errorf("%d orphans, while the registry lags", n)
		}
		c.stop(0)
		var l lines
		c.logger = slog.New(slog.NewTextHandler(&l, nil))
		o = c.start(0)
		later(time.Minute)
		list, err := o.Orphans(t.Context())
		if err != nil || len(list) != 1 || list[0].ID != q.ID || list[0].Messages != 4 || list[0].Definition == nil || list[0].Definition.DelaySeconds != 3 {
			t.Errorf("%+v, %v", list, err)
		}
		if !l.has("messages=4") || o.Status().Orphans != 1 {
			t.Errorf("%d orphans", o.Status().Orphans)
		}
		c.defs.put(q)
		later(time.Minute)
		if list, err := o.Orphans(t.Context()); err != nil || len(list) != 0 || o.Status().Orphans != 0 {
			t.Errorf("once it is known: %+v, %v", list, err)
		}
		c.want(o, q, 3, 1, 0)
	})
}

// An owner that begins while space is short works garbage off at once, and leaves it alone
// where there is enough.
func TestBeginsWhileSpaceIsShort(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		q := c.defs.define(7, 0, nil)
		o := c.start(0)
		kept, big := strings.Repeat("k", 1<<10), strings.Repeat("x", 200<<10)
		for range 20 {
			c.post(o, kept, to(q, nil))
			c.post(o, big, to(q, nil))
		}
		for range 4 {
			for _, m := range c.receive(o, q, 3600) {
				if len(m.Payload) > 100<<10 {
					c.remove(o, ref(q), m)
				}
			}
		}
		for _, tt := range []struct {
			level       int32
			least, most int64
		}{{owner.SpaceEnough, 4_000_000, 5_000_000}, {owner.SpaceShort, 0, 500_000}} {
			c.stop(0)
			c.space.Set(tt.level, 256<<10)
			o = c.start(0)
			later(10 * time.Minute)
			if n := o.Status().Journal.Bytes; n < tt.least || n > tt.most {
				t.Errorf("at level %d the log has %d bytes", tt.level, n)
			}
		}
		c.want(o, q, 0, 20, 0)
	})
}
