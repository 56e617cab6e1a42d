package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/jet/jetsim"
)

// bubble runs f in virtual time with a simulated cluster.
func bubble(t *testing.T, f func(t *testing.T, w *jetsim.World)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { f(t, jetsim.New(jetsim.Options{Seed: 1, AckTimeout: time.Second})) })
}

// up runs a registry until the test ends.
func up(t *testing.T, n *jetsim.Node, cfg Config, prepare ...func(*Registry)) *Registry {
	t.Helper()
	r, stop := simulated(t, n, cfg, prepare...)
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	<-r.Ready()
	return r
}

// write stores entries as they are.
func write(t *testing.T, n *jetsim.Node, list ...entry) {
	t.Helper()
	log, _, err := stores(t.Context(), n, "ws")
	if err != nil {
		t.Fatal(err)
	}
	last, err := log.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		done := make(chan error, 1)
		log.Append(list[i].encode(), "test", last, func(_ uint64, err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		last++
	}
}

func put(id uint64, name string, revision uint64) item {
	b, err := EncodeQueue(&Queue{Meta: Meta{ID: id, Account: account, Region: region, Name: name, Revision: revision}})
	if err != nil {
		panic(err)
	}
	return item{opPut, b}
}

// chained sets what ties entries together.
func chained(list ...entry) []entry {
	total := uint64(0)
	for i := range list {
		if list[i].revision == 0 {
			list[i].revision = uint64(i + 1)
		}
		list[i].floor = max(list[i].floor, 1)
		total += uint64(len(list[i].items))
		list[i].total = total
		if i > 0 && list[i].before == (checksum{}) {
			list[i].before = list[i-1].sum
		}
		list[i].encode()
	}
	return list
}

// TestLogIsJudged: what Run says of logs that are not whole.
func TestLogIsJudged(t *testing.T) {
	bad := put(1, "q", 1)
	bad.data[5] ^= 1
	for name, tt := range map[string]struct {
		log  []entry
		want string // in the error; "" for none
		size int
	}{
		"whole":                {chained(entry{items: []item{put(1, "q", 1)}}, entry{items: []item{put(2, "p", 2)}}), "", 2},
		"empty":                {nil, "", 0},
		"later floor":          {chained(entry{revision: 5, floor: 5, items: []item{put(1, "q", 5)}}), "", 1},
		"no start":             {chained(entry{revision: 5, floor: 4, items: []item{put(1, "q", 5)}}), "they begin at revision 5, those from 4 on are needed", 0},
		"revision 0":           {[]entry{{floor: 1}}, "its revision is 0, after 0", 0},
		"gap":                  {chained(entry{revision: 1}, entry{revision: 3}), "entry 2: it does not belong behind", 0},
		"again":                {chained(entry{revision: 1}, entry{revision: 1}), "entry 2: it does not belong behind", 0},
		"another history":      {chained(entry{}, entry{before: checksum{1}}), "entry 2: it does not belong behind", 0},
		"open":                 {chained(entry{flags: flagBase | flagOpen}), "a repair was interrupted", 0},
		"damaged definition":   {chained(entry{items: []item{bad}}), "does not match its checksum", 0},
		"damaged deletion":     {chained(entry{items: []item{{opDelete, []byte{1}}}}), "cut short", 0},
		"unknown change":       {chained(entry{items: []item{{opKeep + 1, nil}}}), "newer release", 0},
		"newer definition":     {chained(entry{items: []item{{opPut, resealed(t, tagQueue, 2, map[int]any{1: 1, 2: "a", 3: "r", 4: "n"})}}}), "newer release", 0},
		"newer entry":          {chained(entry{flags: flagsKnown}), "newer release", 0},
		"new start":            {chained(entry{items: []item{put(1, "q", 1)}}, entry{flags: flagBase, revision: 9, floor: 9, items: []item{put(2, "p", 9)}}), "", 1},
		"new start, not ahead": {chained(entry{revision: 3, floor: 3}, entry{flags: flagBase, revision: 3, floor: 3}), "its revision is 3, after 3", 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *jetsim.World) {
				write(t, w.Node("writer"), tt.log...)
				r, stop := simulated(t, w.Node("a"), Config{})
				synctest.Wait()
				select {
				case <-r.Ready():
				case <-r.stopped:
				case <-time.After(time.Minute):
				}
				if tt.want == "" {
					if list, _ := r.Queues(account, region, "", "", 9); len(list) != tt.size {
						t.Errorf("%d queues", len(list))
					}
					if err := stop(); err != nil {
						t.Error(err)
					}
					return
				}
				err := stop()
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("%v", err)
				}
				if version := (*VersionError)(nil); Damaged(err) == errors.As(err, &version) {
					t.Error("neither or both, damaged and newer")
				}
				if Damaged(err) && !strings.Contains(err.Error(), "waystation repair") {
					t.Error("no next step in", err)
				}
				select {
				case <-r.Ready():
					t.Error("ready all the same")
				default:
				}
				if _, _, err := r.CreateQueue(t.Context(), queue("q"), yes); !errors.Is(err, ErrUnavailable) {
					t.Error(err)
				}
				if err := r.WaitFor(t.Context(), 100); !errors.Is(err, ErrUnavailable) {
					t.Error(err)
				}
			})
		})
	}
}

// TestMark: a log that ends before the mark, or went another way, is refused; one
// that goes beyond it is not, and raises it.
func TestMark(t *testing.T) {
	for name, tt := range map[string]struct {
		mark mark
		want string
	}{
		"reached":         {mark{Revision: 2, Entry: 2}, ""},
		"passed":          {mark{Revision: 1, Entry: 1}, ""},
		"ahead":           {mark{Revision: 5, Entry: 5}, "the definitions end at revision 2, but revision 5 was stored"},
		"another history": {mark{Revision: 2, Entry: 2, Sum: checksum{1}}, "gone another way"},
		"trimmed away":    {mark{Revision: 1, Entry: 0, Sum: checksum{1}}, "gone another way"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *jetsim.World) {
				n := w.Node("writer")
				list := chained(entry{items: []item{put(1, "q", 1)}}, entry{items: []item{put(2, "p", 2)}})
				write(t, n, list...)
				_, marks, err := stores(t.Context(), n, "ws")
				if err != nil {
					t.Fatal(err)
				}
				m := tt.mark
				if m.Sum == (checksum{}) && m.Revision <= 2 {
					m.Sum = list[m.Revision-1].sum
				}
				if err := putMark(t.Context(), marks, m, 0); err != nil {
					t.Fatal(err)
				}
				r, stop := simulated(t, w.Node("a"), Config{})
				select {
				case <-r.Ready():
				case <-r.stopped:
				}
				if tt.want != "" {
					if err := stop(); err == nil || !strings.Contains(err.Error(), tt.want) || !Damaged(err) {
						t.Fatal(err)
					}
					return
				}
				if _, _, err := r.CreateQueue(t.Context(), queue("new"), yes); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * markEvery)
				if got, _, err := loadMark(t.Context(), marks); err != nil || got.Revision != 3 || got.Entry != 3 || got.Sum != r.state.sum {
					t.Error(got, err)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestChecksumText(t *testing.T) {
	t.Parallel()
	s := checksum{1, 2, 3, 4, 5, 6, 7, 0xff}
	b, _ := s.MarshalText()
	var got checksum
	if err := got.UnmarshalText(b); err != nil || got != s {
		t.Fatal(got, err)
	}
	for _, bad := range []string{"", "01", string(b) + "00", strings.Repeat("x", 16)} {
		if err := got.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
}

// TestRequire: memory behind the log catches up; a log behind what is known is told.
func TestRequire(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		a := up(t, w.Node("a"), Config{})
		n := w.Node("b")
		b := up(t, n, Config{Refresh: time.Hour})
		n.LagWatch("ws_marks", time.Hour)
		q, _, err := a.CreateQueue(t.Context(), queue("q"), yes)
		if err != nil {
			t.Fatal(err)
		}
		if gone, err := b.Gone(t.Context(), q.ID, q.Revision); gone || err != nil {
			t.Fatal("a node that lags takes a queue for deleted", err)
		}
		if err := a.DeleteQueue(t.Context(), account, region, "q"); err != nil {
			t.Fatal(err)
		}
		// b does not know of the deletion: not gone is a right answer, with revision 0
		// it has to look.
		if gone, err := b.Gone(t.Context(), q.ID, q.Revision); gone || err != nil {
			t.Fatal(gone, err)
		}
		if gone, err := b.Gone(t.Context(), q.ID, 0); !gone || err != nil {
			t.Fatal(gone, err)
		}
		var behind *BehindError
		began := time.Now()
		if _, err := b.Gone(t.Context(), q.ID, 100); !errors.As(err, &behind) || behind.Known != 100 || behind.Have != b.Revision() {
			t.Fatal(err)
		}
		if d := time.Since(began); d < time.Second || d > 5*time.Second {
			t.Errorf("gave up after %v", d)
		}
		w.LoseLeader("ws_registry", false)
		if gone, err := b.Gone(t.Context(), q.ID, 100); gone || !errors.Is(err, ErrUnavailable) {
			t.Fatal(gone, err)
		}
		if _, err := b.Gone(t.Context(), q.ID, 1); err != nil {
			t.Fatal("what memory knows was asked for:", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.Require(ctx, 100); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if err := b.WaitFor(ctx, 100); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		w.Elect("ws_registry")
	})
}

// countedLog counts what is asked of the leader, and can hold it up.
type countedLog struct {
	jet.Log
	last atomic.Int64
	hold atomic.Pointer[chan struct{}]
}

func (l *countedLog) Last(ctx context.Context) (uint64, error) {
	l.last.Add(1)
	last, err := l.Log.Last(ctx)
	if hold := l.hold.Load(); hold != nil {
		<-*hold
	}
	return last, err
}

// TestMissesShareReads: many who look for names that do not exist share one read of
// the log; a queue that was created before anyone asked is found by all who ask
// then, also while an older read is on its way.
func TestMissesShareReads(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		a := up(t, w.Node("a"), Config{})
		n := w.Node("b")
		log, marks, err := stores(t.Context(), n, "ws")
		if err != nil {
			t.Fatal(err)
		}
		counted := &countedLog{Log: log}
		r, err := New(Config{Log: counted, Marks: marks, Refresh: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		<-r.Ready()
		n.LagWatch("ws_marks", time.Hour)

		hold := make(chan struct{})
		counted.hold.Store(&hold)
		counted.last.Store(0)
		var wg sync.WaitGroup
		miss := func() {
			if _, err := r.FindQueue(t.Context(), account, region, "nothing"); !errors.Is(err, ErrNotFound) {
				t.Error(err)
			}
		}
		wg.Go(miss)
		synctest.Wait()
		time.Sleep(time.Millisecond)
		synctest.Wait() // the first read has its answer and is held up
		q, _, err := a.CreateQueue(t.Context(), queue("late"), yes)
		if err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			wg.Go(miss)
		}
		wg.Go(func() {
			if got, err := r.FindQueue(t.Context(), account, region, "late"); err != nil || got.ID != q.ID {
				t.Error("not found, though it was created before:", got, err)
			}
		})
		synctest.Wait()
		counted.hold.Store(nil)
		close(hold)
		wg.Wait()
		if n := counted.last.Load(); n != 2 {
			t.Errorf("%d reads", n)
		}
		if _, err := r.FindQueue(t.Context(), account, region, "not/a//name"); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		if n := counted.last.Load(); n != 2 {
			t.Error("a name that cannot be costs a read")
		}
		w.LoseLeader("ws_registry", true)
		if _, err := r.FindQueue(t.Context(), account, region, "nothing"); !errors.Is(err, ErrUnavailable) {
			t.Error("missing and unreachable are one:", err)
		}
		if _, err := r.FindQueue(t.Context(), account, region, "late"); err != nil {
			t.Error("what is known is not found:", err)
		}
		w.Elect("ws_registry")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := r.FindQueue(t.Context(), account, region, "nothing"); !errors.Is(err, ErrUnavailable) {
			t.Error(err)
		}
	})
}

// TestStoreGone maps the log's errors.
func TestStoreGone(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		r := up(t, w.Node("a"), Config{})
		if _, _, err := r.CreateQueue(t.Context(), queue("q"), yes); err != nil {
			t.Fatal(err)
		}
		try := func(want error) {
			t.Helper()
			if _, _, err := r.CreateQueue(t.Context(), queue("new"), yes); !errors.Is(err, want) {
				t.Error(err)
			}
			if _, err := r.UpdateQueue(t.Context(), account, region, "q", func(q *Queue) error { q.DelaySeconds++; return nil }); !errors.Is(err, want) {
				t.Error(err)
			}
			if err := r.DeleteQueue(t.Context(), account, region, "q"); !errors.Is(err, want) {
				t.Error(err)
			}
			if r.Count() != 1 || r.CountOf(0) != 1 {
				t.Error("memory lost the queue, or a place is kept for one that did not come:", r.Count(), r.CountOf(0))
			}
		}
		w.LoseLeader("ws_registry", false)
		try(ErrUnavailable)
		w.Elect("ws_registry")
		big := func(q *Queue) error { q.Policy = strings.Repeat("x", 9<<20); return nil }
		if _, err := r.UpdateQueue(t.Context(), account, region, "q", big); !errors.Is(err, ErrTooLarge) {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := r.CreateQueue(ctx, queue("never"), yes); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if _, err := r.FindQueue(t.Context(), account, region, "never"); !errors.Is(err, ErrNotFound) {
			t.Error("what nobody waited for was stored", err)
		}
	})
}

// TestPlacing: queues that are created at once are spread, since each counts as soon
// as it is placed.
func TestPlacing(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		r := up(t, w.Node("a"), Config{MaxQueues: 64})
		r.SetPlacer(func(*Queue) uint32 {
			best := uint32(0)
			for p := range uint32(4) {
				if r.CountOf(p) < r.CountOf(best) {
					best = p
				}
			}
			return best
		})
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() {
				if _, _, err := r.CreateQueue(t.Context(), queue(fmt.Sprint("q", i)), yes); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for p := range uint32(4) {
			if n := r.CountOf(p); n != 16 {
				t.Errorf("partition %d has %d", p, n)
			}
		}
		if _, _, err := r.CreateQueue(t.Context(), queue("more"), yes); !errors.Is(err, ErrTooMany) {
			t.Error(err)
		}
		if n := r.Revision(); n > 3 {
			t.Errorf("%d entries for 64 that came at once", n)
		}
	})
}

// TestCompaction: the log is written again in parts, definitions of kinds that this
// node does not know included, and the start of the log goes.
func TestCompaction(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		n := w.Node("writer")
		unknown := resealed(t, 77, 9, map[int]any{1: 5, 2: "a", 3: "r", 4: "kept", 50: "?"})
		dropped := resealed(t, 77, 9, map[int]any{1: 6, 2: "a", 3: "r", 4: "dropped"})
		write(t, n, chained(
			entry{items: []item{{opPut, unknown}, {opPut, dropped}, put(1, "q", 1)}},
			entry{items: []item{{opDelete, (&deletion{77, 6, fullName{"a", "r", "dropped"}}).encode()}, {opDelete, (&deletion{77, 99, fullName{"a", "r", "kept"}}).encode()}}},
		)...)
		r := up(t, n, Config{}, func(r *Registry) { r.minGarbage = 10 })
		for range 100 {
			if _, err := r.UpdateQueue(t.Context(), account, region, "q", func(q *Queue) error { q.DelaySeconds++; return nil }); err != nil {
				t.Fatal(err)
			}
			if first, last, _ := w.Bounds("ws_registry"); last-first > 16 {
				t.Fatalf("the log holds %d to %d", first, last)
			}
		}
		again := up(t, w.Node("b"), Config{})
		q, ok := again.Queue(account, region, "q")
		if !ok || q.DelaySeconds != 100 || q.Revision != r.Revision() {
			t.Fatal(q)
		}
		kept, _ := again.state.contents[77].(*opaqueMemory)
		if kept == nil || kept.size() != 1 {
			t.Fatal("an unknown kind's definition was lost", kept)
		}
		if err := kept.walk(fullName{}, func(name fullName, encoded []byte) bool {
			if name.name != "kept" || !slices.Equal(encoded, unknown) {
				t.Errorf("%v: %x, not %x", name, encoded, unknown)
			}
			return true
		}); err != nil {
			t.Fatal(err)
		}
		if kept.revision(fullName{"a", "r", "kept"}) != 5 || kept.revision(fullName{"a", "r", "dropped"}) != 0 {
			t.Error("revisions of unknown kinds")
		}
	})
}

// TestLaggingNodeListsAgain: a node whose place in the log was removed meanwhile
// reads all, and tells its listeners the differences.
func TestLaggingNodeListsAgain(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		a := up(t, w.Node("a"), Config{}, func(r *Registry) { r.minGarbage = 4 })
		for _, name := range []string{"kept", "changed", "gone"} {
			if _, _, err := a.CreateQueue(t.Context(), queue(name), yes); err != nil {
				t.Fatal(err)
			}
		}
		n := w.Node("b")
		var told []string
		b := up(t, n, Config{Refresh: time.Hour}, func(r *Registry) {
			r.OnQueue(func(old, now *Queue) {
				switch {
				case old == nil:
					told = append(told, "+"+now.Name)
				case now == nil:
					told = append(told, "-"+old.Name)
				default:
					told = append(told, fmt.Sprint(now.Name, now.DelaySeconds-old.DelaySeconds))
				}
			})
		})
		if want := []string{"+changed", "+gone", "+kept"}; !slices.Equal(told, want) {
			t.Fatal(told)
		}
		told = nil
		n.LagWatch("ws_marks", time.Hour)
		if err := a.DeleteQueue(t.Context(), account, region, "gone"); err != nil {
			t.Fatal(err)
		}
		before, _, _ := w.Bounds("ws_registry")
		for range 60 {
			if _, err := a.UpdateQueue(t.Context(), account, region, "changed", func(q *Queue) error { q.DelaySeconds++; return nil }); err != nil {
				t.Fatal(err)
			}
		}
		if first, _, _ := w.Bounds("ws_registry"); first <= before+5 {
			t.Fatal("nothing was removed", first)
		}
		if len(told) != 0 {
			t.Fatal("the watch does not lag", told)
		}
		if err := b.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := []string{"-gone", "changed60"}; !slices.Equal(told, want) {
			t.Fatal(told)
		}
		if b.Revision() != a.Revision() {
			t.Fatal(b.Revision(), a.Revision())
		}
	})
}

// TestOthersHear: a change is heard by the mark at once, and by Refresh when its
// maker died before it could tell.
func TestOthersHear(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		a := up(t, w.Node("a"), Config{})
		b := up(t, w.Node("b"), Config{Refresh: 10 * time.Second})
		if _, _, err := a.CreateQueue(t.Context(), queue("q"), yes); err != nil {
			t.Fatal(err)
		}
		time.Sleep(markEvery)
		synctest.Wait()
		if b.Count() != 1 {
			t.Error("not heard by the mark")
		}
		time.Sleep(time.Second)
		w.LoseLeader("ws_marks", false) // as if a died
		if err := a.DeleteQueue(t.Context(), account, region, "q"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Second)
		if b.Count() != 0 {
			t.Error("not heard by Refresh")
		}
		w.Elect("ws_marks")
	})
}

// TestRepairOfWhat checks what a repair takes and what it leaves.
func TestRepairOfWhat(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		n := w.Node("a")
		list := chained(
			entry{items: []item{put(1, "one", 1), put(2, "two", 1), put(3, "three", 1), put(9, "reused", 1)}},
			entry{items: []item{put(2, "two", 2), {opDelete, (&deletion{tagQueue, 3, fullName{account, region, "three"}}).encode()}}},
			entry{items: []item{put(4, "four", 3)}},
			entry{items: []item{put(10, "reused", 4)}},
		)
		write(t, n, list...)
		cfg := RepairConfig{Cluster: n, Prefix: "ws"}
		if _, err := Repair(t.Context(), cfg); !errors.Is(err, ErrWhole) {
			t.Fatal(err)
		}
		if _, ok := w.Damage("ws_registry", 3, 20); !ok {
			t.Fatal("not damaged")
		}
		if err := Verify(t.Context(), n, "ws", 0); !Damaged(err) {
			t.Fatal(err)
		}
		known := func(id uint64, name string, revision uint64) Known {
			return Known{ID: id, Revision: revision, Encoded: put(id, name, revision).data}
		}
		broken := known(8, "broken", 3)
		broken.Encoded[7] ^= 1
		cfg.Known = []Known{known(1, "one", 1), known(3, "three", 1), known(4, "four", 3), known(5, "five", 7), broken}
		cfg.Revision = 40
		done, err := Repair(t.Context(), cfg)
		if err != nil || done.Definitions != 5 || done.FromJournals != 2 || done.Damaged != 1 || done.Revision != 41 {
			t.Fatalf("%+v %v", done, err)
		}
		if err := Verify(t.Context(), n, "ws", 41); err != nil {
			t.Fatal(err)
		}
		if err := Verify(t.Context(), n, "ws", 42); !Damaged(err) {
			t.Fatal(err)
		}
		r := up(t, w.Node("b"), Config{})
		got := contents(r)
		for name, id := range map[string]uint64{"one": 1, "two": 2, "four": 4, "five": 5, "reused": 10} {
			if got[name].ID != id {
				t.Errorf("%s: %+v", name, got[name])
			}
		}
		if len(got) != 5 || got["two"].Revision != 2 {
			t.Errorf("%+v", got)
		}
		if q, _, err := r.CreateQueue(t.Context(), queue("next"), yes); err != nil || q.Revision != 42 {
			t.Error(q, err)
		}
	})
}

// TestRepairOfNothing: the log is gone; the journals and the mark are there. More
// definitions than fit an entry, and a repair that is interrupted.
func TestRepairOfNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		n := w.Node("a")
		cfg := RepairConfig{Cluster: n, Prefix: "ws", Revision: 500}
		for i := range 300 {
			q := &Queue{Meta: Meta{ID: uint64(i + 1), Account: account, Region: region, Name: fmt.Sprint("q", i), Revision: uint64(i + 100)}, Policy: strings.Repeat("p", 2000)}
			b, err := EncodeQueue(q)
			if err != nil {
				t.Fatal(err)
			}
			cfg.Known = append(cfg.Known, Known{ID: q.ID, Revision: q.Revision, Encoded: b})
		}
		// Interrupted: the first entry only.
		write(t, n, chained(entry{flags: flagBase | flagOpen | flagKeeps, revision: 450, floor: 450, items: []item{{opKeep, cfg.Known[0].Encoded}}})...)
		done, err := Repair(t.Context(), cfg)
		if err != nil || done.Definitions != 300 || done.Revision < 502 || done.Damaged != 0 {
			t.Fatalf("%+v %v", done, err)
		}
		r := up(t, w.Node("b"), Config{})
		if list, _ := r.Queues(account, region, "", "", 1000); len(list) != 300 || r.Revision() != done.Revision {
			t.Fatal(len(list), r.Revision())
		}
		first, last, _ := w.Bounds("ws_registry")
		if last-first+1 != done.Revision-500 || first == 1 {
			t.Fatal(first, last, done.Revision)
		}
		for i := range 3 { // a walk can follow
			if _, _, err := r.CreateQueue(t.Context(), queue(fmt.Sprint("new", i)), yes); err != nil {
				t.Fatal(err)
			}
		}
	})
}
