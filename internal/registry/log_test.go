package registry

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/jet/jetsim"
)

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
