package owner_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/registry"
)

// Where a post is placed once, its first target decides for all: they have it with the
// first one's key, or none has it. One of the others may be gone.
func TestPostOnce(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		first := c.defs.define(7, 0, func(q *registry.Queue) { q.FIFO = true })
		a, gone, b, far := c.defs.define(8, 0, nil), c.defs.define(9, 0, nil), c.defs.define(10, 0, nil), c.defs.define(11, 1, nil)
		c.defs.forget(gone.ID, true)
		o := c.start(0)
		c.start(1)
		one := func(id byte) owner.PostTarget {
			return to(first, func(p *owner.PostTarget) { p.Dedup, p.Group = &[16]byte{id}, "g" })
		}
		item := func(targets ...owner.PostTarget) owner.PostItem {
			return owner.PostItem{Payload: payload("room for the key"), Targets: targets, Once: true}
		}
		post := func(items ...owner.PostItem) []owner.Posted {
			t.Helper()
			out, err := o.Post(t.Context(), owner.PostIn{Items: items})
			if err != nil {
				t.Fatal(err)
			}
			return out.Posted
		}
		got := post(item(one(1), to(gone, nil), to(a, nil), to(far, nil)), item(to(gone, nil), to(a, nil), to(b, nil)), item(one(1), to(b, nil)), item(one(2), to(b, nil)))
		want := []owner.Posted{
			{Key: 1}, {Gone: true}, {Key: 1}, {},
			{Gone: true}, {}, {},
			{Key: 1, Duplicate: true}, {Duplicate: true},
			{Key: 2}, {Key: 1},
		}
		if len(got) != len(want) {
			t.Fatalf("%d outcomes: %+v", len(got), got)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("target %d: %+v, want %+v", i, got[i], want[i])
			}
		}
		later(0)
		for q, keys := range map[*registry.Queue][]uint64{a: {1}, b: {2}} {
			var have []uint64
			for _, m := range c.receive(o, q, 30) {
				have = append(have, binary.BigEndian.Uint64(m.Payload[owner.PayloadSequence:]))
			}
			if !slices.Equal(have, keys) {
				t.Errorf("queue %d has payloads with the keys %v, want %v", q.ID, have, keys)
			}
		}
		eventually(t, "the other partition has one", func() bool { return c.counts(c.owners[1], far).Visible == 1 })

		short := item(one(3))
		short.Payload = make([]byte, owner.PayloadSequence+7)
		for name, it := range map[string]owner.PostItem{"no room": short, "no target": item(), "a first target elsewhere": item(to(far, nil), one(3))} {
			if _, err := o.Post(t.Context(), owner.PostIn{Items: []owner.PostItem{it}}); err == nil {
				t.Errorf("%s: taken", name)
			}
		}
		if n := c.counts(o, first); n.Visible != 2 {
			t.Errorf("%+v", n)
		}
	})
}

// Without a delay of its own a message waits as its queue says.
func TestDelays(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		q := c.defs.define(7, 0, func(q *registry.Queue) { q.DelaySeconds = 60 })
		o := c.start(0)
		with := func(delay int32) owner.PostTarget {
			return to(q, func(p *owner.PostTarget) { p.Delay = delay })
		}
		c.post(o, "x", with(-1), with(0), with(10))
		c.want(o, q, 1, 0, 2)
		later(11 * time.Second)
		c.want(o, q, 2, 0, 1)
		later(48 * time.Second)
		c.want(o, q, 2, 0, 1)
		later(2 * time.Second)
		c.want(o, q, 3, 0, 0)
	})
}

// Nothing is taken when the storage is at its end.
func TestTakeWithoutSpace(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		c.kinds = map[state.Kind]owner.Kind{attempts: {}}
		o := c.start(0)
		c.post(o, "x", of(attempts, 1))
		c.space.Set(owner.SpaceEnd, 0)
		if out, err := o.Take(t.Context(), owner.TakeIn{Kind: attempts, Max: 1}); !errors.Is(err, owner.ErrFull) || len(out.Messages) != 0 {
			t.Errorf("took %+v, %v", out, err)
		}
		c.space.Set(owner.SpaceShort, 0)
		c.takeOne(o, attempts)
	})
}
