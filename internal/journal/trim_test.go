package journal

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestRingAgainstModel compares the ring with maps.
func TestRingAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type item struct {
			seq   uint64
			bytes int
		}
		r := ring{floor: 1000}
		first := rapid.Uint64Range(1, 100).Draw(t, "first")
		r.start(first)
		end, base := first, first
		total := map[uint64]int{}
		var items []item
		verify := func() {
			front := end
			for _, it := range items {
				front = min(front, it.seq)
			}
			r.move(end)
			live := map[uint64]int{}
			for _, it := range items {
				live[it.seq] += it.bytes
			}
			var wantLive, wantBytes, wantDead int64
			for seq, n := range live {
				if total[seq] > 0 { // still being gathered otherwise
					n = min(n, total[seq])
				}
				wantLive += int64(n)
			}
			for seq, n := range total {
				if seq >= front {
					wantBytes += int64(n)
				} else {
					wantDead += int64(n)
				}
			}
			if r.dead != wantDead {
				t.Fatalf("%d bytes wait to be trimmed, want %d", r.dead, wantDead)
			}
			if r.front != front || r.items != int64(len(items)) || r.live != wantLive || r.bytes != wantBytes || r.base != base {
				t.Fatalf("front %d items %d live %d bytes %d base %d, want %d %d %d %d %d",
					r.front, r.items, r.live, r.bytes, r.base, front, len(items), wantLive, wantBytes, base)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				end += rapid.Uint64Range(0, 2).Draw(t, "hole")
				n := rapid.IntRange(40, 4000).Draw(t, "size")
				r.add(end, n)
				total[end] = n
				end++
			},
			"retain": func(t *rapid.T) {
				if base == end {
					return
				}
				it := item{rapid.Uint64Range(base, end-1).Draw(t, "seq"), rapid.IntRange(0, 500).Draw(t, "bytes")}
				n := rapid.IntRange(1, 3).Draw(t, "items")
				r.retain(it.seq, n, n*it.bytes)
				items = append(items, slices.Repeat([]item{it}, n)...)
			},
			"release": func(t *rapid.T) {
				if len(items) == 0 {
					return
				}
				i := rapid.IntRange(0, len(items)-1).Draw(t, "item")
				r.release(items[i].seq, items[i].bytes)
				items = slices.Delete(items, i, i+1)
			},
			"too much": func(t *rapid.T) {
				r.release(end+5, 10)
				r.release(base-1, 10)
				r.retain(base-1, 1, 10)
			},
			"trim": func(t *rapid.T) {
				r.move(end)
				before := rapid.Uint64Range(base, end).Draw(t, "before")
				r.drop(before)
				base = max(base, min(before, r.front))
				for seq := range total {
					if seq < base {
						delete(total, seq)
					}
				}
			},
			"": func(t *rapid.T) { verify() },
		})
	})
}

func quickTrim(c *Config) {
	c.MaxAppend, c.MaxInFlight = 1<<10, 2
	c.TrimEvery, c.TrimBytes, c.TrimAge = time.Millisecond, 1, time.Millisecond
}

func TestTrim(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	o := start(t, log, quickTrim)
	rec := strings.Repeat("x", 600) // one an append
	var places []Pos
	for range 20 {
		pos, c := o.add(t, rec)
		o.Retain(pos.Append, 1, 600)
		places = append(places, pos)
		durable(t, c)
	}
	first := func() uint64 { first, _, _ := log.Bounds(t.Context()); return first }
	eventually(t, "the fences are trimmed", func() bool { return first() == places[0].Append })
	// In the middle nothing can go, at the front everything up to what lives.
	for _, pos := range places[3:10] {
		o.Release(pos.Append, 600)
	}
	for _, pos := range places[:2] {
		o.Release(pos.Append, 600)
	}
	eventually(t, "two are trimmed", func() bool { return first() == places[2].Append })
	o.Release(places[2].Append, 600)
	eventually(t, "ten are trimmed", func() bool { return first() == places[10].Append })
	if _, err := o.Read(t.Context(), Pos{Append: 1, Offset: 50}, 0); err != ErrTrimmed {
		t.Errorf("read of what was trimmed: %v", err)
	}
	for _, pos := range places[10:] {
		o.Release(pos.Append, 600)
	}
	eventually(t, "all but the last are trimmed", func() bool { return first() == places[19].Append })
	durable(t, o.Barrier())
	_, c := o.add(t, "more")
	durable(t, c)
	if s := o.Stats(); s.LiveItems != 0 || s.LiveBytes != 0 || s.Trimmed == 0 {
		t.Errorf("stats %+v", s)
	}
	o.close(t)
	if got := replayOf(t, log); !slices.Contains(got, "more") {
		t.Errorf("replayed %q", got)
	}
}

// TestTrimWaitsForTheFact holds back the append that says why something died.
// The log takes no appends while it removes, so much is removed bit by bit.
func TestTrimInSteps(t *testing.T) {
	t.Parallel()
	const size, n = 1 << 20, 40
	var largest atomic.Uint64
	o := start(t, newFakeLog(t), func(c *Config) {
		c.TrimEvery, c.TrimAge = time.Millisecond, time.Millisecond
		c.Observe.Trimmed = func(appends uint64) { largest.Store(max(largest.Load(), appends)) }
	})
	rec := strings.Repeat("x", size-1000)
	var places []Pos
	for range n {
		pos, c := o.add(t, rec)
		o.Retain(pos.Append, 1, size)
		places = append(places, pos)
		durable(t, c)
	}
	for _, pos := range slices.Backward(places) { // the first one last: then all can go
		o.Release(pos.Append, size)
	}
	durable(t, o.Barrier())
	eventually(t, "all are trimmed", func() bool { return o.Stats().Trimmed >= n })
	if got := largest.Load(); got*(size-1000) > purgeStep+size {
		t.Errorf("%d appends of 1 MiB were removed at once", got)
	}
}

// A process that is killed again and again before its first pause is over must
// not let the log grow.
func TestTrimAtOnceAfterStart(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	slow := func(c *Config) { c.TrimEvery, c.TrimAge, c.TrimBytes = time.Hour, time.Hour, 1<<20 }
	o := start(t, log, slow)
	for range 4 {
		_, c := o.add(t, strings.Repeat("x", 500_000))
		durable(t, c)
	}
	o.close(t)
	o = start(t, log, slow)
	eventually(t, "what was dead before is trimmed", func() bool { return o.Stats().Trimmed >= 4 })
}

func TestTrimWaitsForTheFact(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	o := start(t, log, quickTrim)
	pos, c := o.add(t, "payload")
	o.Retain(pos.Append, 1, 7)
	durable(t, c)
	eventually(t, "the fences are trimmed", func() bool { first, _, _ := log.Bounds(t.Context()); return first == pos.Append })
	_, c = o.add(t, "another, so that the payload's is not the last append")
	durable(t, c)

	hold := make(chan struct{})
	log.set(func(l *fakeLog) { l.hold = hold; l.purges = nil })
	_, c = o.add(t, "the payload is deleted")
	o.Release(pos.Append, 7)
	// While a journal beside it trims again and again, this one must not.
	beside := newFakeLog(t)
	other := start(t, beside, quickTrim)
	for range 10 {
		_, c := other.add(t, "nothing to keep")
		durable(t, c)
		eventually(t, "the other one is trimmed", func() bool { first, last, _ := beside.Bounds(t.Context()); return first == last })
	}
	log.set(func(l *fakeLog) {
		if len(l.purges) > 0 {
			t.Error("trimmed before the deletion is durable")
		}
		l.hold = nil
	})
	close(hold)
	durable(t, c)
	eventually(t, "it is trimmed", func() bool { first, _, _ := log.Bounds(t.Context()); return first > pos.Append })
}

// TestTrimNeverLosesWhatLives runs random work with rewriting, and claims the log again and again.
func TestTrimNeverLosesWhatLives(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		log := newFakeLog(t)
		type message struct {
			pos  Pos
			body string
		}
		state := map[string]message{} // by name
		learn := func(o *owner, pos Pos, rec string) {
			kind, rest, _ := strings.Cut(rec, " ")
			name, _, _ := strings.Cut(rest, " ")
			if m, ok := state[name]; ok {
				delete(state, name)
				o.Release(m.pos.Append, len(m.body))
			}
			if kind == "put" {
				state[name] = message{pos, rec}
				o.Retain(pos.Append, 1, len(rec))
			}
		}
		next := 0
		for range rapid.IntRange(1, 3).Draw(rt, "owners") {
			before := len(state)
			clear(state)
			o := prepare(t, log, quickTrim, func(c *Config) { c.RewriteFloor = 4 << 10; c.CacheBytes = 8 << 10 })
			if err := o.Claim(t.Context(), func(pos Pos, rec []byte) error { learn(o, pos, string(rec)); return nil }, nil); err != nil {
				rt.Fatal(err)
			}
			if len(state) != before {
				rt.Fatalf("%d lived, %d after the replay", before, len(state))
			}
			o.run(t)
			add := func(rec string) *Commit {
				pos, c := o.add(t, rec)
				learn(o, pos, rec)
				return c
			}
			for range rapid.IntRange(1, 60).Draw(rt, "steps") {
				var c *Commit
				switch rapid.IntRange(0, 3).Draw(rt, "step") {
				case 0, 1:
					next++
					c = add(fmt.Sprintf("put m%d %s", next, strings.Repeat("x", rapid.IntRange(0, 900).Draw(rt, "size"))))
				case 2:
					for name := range state {
						c = add("delete " + name)
						break
					}
				case 3:
					select {
					case <-o.Rewrite():
					default:
					}
					stored, err := o.Oldest(t.Context(), 2<<10)
					if err != nil {
						rt.Fatal(err)
					}
					for _, s := range stored {
						_, rest, _ := strings.Cut(string(s.Rec), " ")
						name, _, _ := strings.Cut(rest, " ")
						if m, ok := state[name]; ok && m.pos == s.Pos {
							c = add(m.body)
						}
					}
				}
				if c != nil && rapid.Bool().Draw(rt, "wait") {
					durable(t, c)
				}
			}
			durable(t, o.Barrier())
			for name, m := range state {
				got, err := o.Read(t.Context(), m.pos, len(m.body))
				if err != nil || string(got) != m.body {
					rt.Fatalf("%s: %q, %v", name, got, err)
				}
			}
			if err := o.close(t); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

func TestRewriteIsAskedForOncePerProgress(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	o := start(t, log, func(c *Config) { c.MaxAppend, c.RewriteFloor = 1<<10, 10<<10 })
	rec := strings.Repeat("x", 900)
	var places []Pos
	for range 30 {
		pos, c := o.add(t, rec)
		o.Retain(pos.Append, 1, 900)
		places = append(places, pos)
		durable(t, c)
	}
	asked := func() bool {
		select {
		case <-o.Rewrite():
			return true
		default:
			return false
		}
	}
	// The first stays, every other one dies: the log cannot be trimmed.
	for i, pos := range places[1:] {
		o.Release(pos.Append, 900)
		if i < 10 && asked() {
			t.Fatalf("asked for after %d of 30 died", i+1)
		}
	}
	if !asked() || asked() {
		t.Fatal("is to be asked for once")
	}
	got, err := o.Oldest(t.Context(), 1)
	if err != nil || len(got) != 1 || got[0].Pos != places[0] || string(got[0].Rec) != rec {
		t.Fatalf("oldest: %d, %v", len(got), err)
	}
	pos, c := o.add(t, rec)
	o.Retain(pos.Append, 1, 900)
	o.Release(places[0].Append, 900)
	durable(t, c)
	if s := o.Stats(); s.First != pos.Append || s.GarbageBytes > 200 {
		t.Errorf("after rewriting: %+v", s)
	}
	if asked() {
		t.Error("asked for without need")
	}
}

// TestTrimBetweenFences trims a log in which a former owner's appends arrived between the fence entries of the
// next claim, in steps that end anywhere, and claims what is left after each, as after a crash. What does not
// count must not count then either, and nothing is missing.
func TestTrimBetweenFences(t *testing.T) {
	t.Parallel()
	fill := func(l *fakeLog) (kept []uint64) {
		l.intrude("a", 0, flagFence)
		l.intrude("a", 1, 0, "a 1")
		l.intrude("b", 0, flagFence)
		l.intrude("a", 3, 0, "stale")
		l.intrude("a", 4, 0, "stale")
		l.intrude("b", 1, flagFence)
		l.intrude("a", 5, 0, "stale")
		l.intrude("b", 2, flagFence)
		l.intrude("b", 3, flagFence)
		l.intrude("b", 4, 0, "b 4")
		// One that came no further than its first fence.
		l.intrude("c", 0, flagFence)
		l.intrude("b", 6, 0, "stale")
		l.intrude("b", 7, 0, "stale")
		for i := range uint64(4) {
			l.intrude("d", i, flagFence)
		}
		return []uint64{l.intrude("d", 4, 0, "d 4")}
	}
	for enough := range int64(800) {
		log := newFakeLog(t)
		kept := fill(log)
		o := prepare(t, log)
		if err := o.claim(t); err != nil {
			t.Fatal(err)
		}
		if s := o.Stats(); s.StaleEntries != 5 {
			t.Fatalf("%d stale entries", s.StaleEntries)
		}
		before := min(kept[0], o.ring.advance(kept[0]))
		to, bytes := o.ring.step(before, enough)
		sum := int64(0)
		for seq := uint64(1); seq < to; seq++ {
			sum += int64(len(log.entries[seq-1].Data))
		}
		if bytes != sum {
			t.Fatalf("a step of %d bytes: %d are said to be passed, %d were", enough, bytes, sum)
		}
		if err := log.Purge(t.Context(), to); err != nil {
			t.Fatal(err)
		}
		next := prepare(t, log)
		if err := next.claim(t); err != nil {
			t.Fatalf("after a step of %d bytes, up to entry %d: %v", enough, to, err)
		}
		if slices.Contains(next.replayed, "stale") || !slices.Contains(next.replayed, "d 4") {
			t.Fatalf("after a step of %d bytes, up to entry %d: replayed %q", enough, to, next.replayed)
		}
	}
}
