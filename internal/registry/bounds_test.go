package registry

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/jet/jetsim"
)

// TestManyAtOnce: more changes than an entry takes are stored in several.
func TestManyAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		r := up(t, w.Node("a"), Config{})
		const n = 3*maxItems + 7
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				if _, made, err := r.CreateQueue(t.Context(), queue(fmt.Sprint("q", i)), yes); err != nil || !made {
					t.Error(made, err)
				}
			})
		}
		wg.Wait()
		if got := r.Revision(); r.Count() != n || got < 4 || got > 6 {
			t.Error(r.Count(), got)
		}
	})
}

// TestPendingIsBounded: past the bound a change is refused, and what it reserved is
// given back.
func TestPendingIsBounded(t *testing.T) {
	t.Parallel()
	r, err := New(Config{Log: noLog{}, Marks: noBucket{}})
	if err != nil {
		t.Fatal(err)
	}
	r.pending = make([]*change, maxPending)
	released := 0
	if err := r.submit(t.Context(), &change{release: func() { released++ }}); !errors.Is(err, ErrUnavailable) || released != 1 {
		t.Fatal(err, released)
	}
	if len(r.pending) != maxPending {
		t.Fatal("it waits all the same")
	}
	r.pending = r.pending[1:]
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.submit(ctx, &change{}); !errors.Is(err, context.Canceled) || len(r.pending) != maxPending {
		t.Fatal(err, len(r.pending))
	}
}

// TestMarksAway: without the mark it is not known how far the definitions must
// reach, so the node waits for it.
func TestMarksAway(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		n := w.Node("a")
		r, err := Open(t.Context(), n, "ws", Config{})
		if err != nil {
			t.Fatal(err)
		}
		w.LoseLeader("ws_marks", false)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		select {
		case <-r.Ready():
			t.Error("ready without the mark")
		case err := <-done:
			t.Fatal(err)
		default:
		}
		w.Elect("ws_marks")
		time.Sleep(5 * time.Second)
		select {
		case <-r.Ready():
		default:
			t.Error("never ready")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// purges is a log that fails to purge a few times.
type purges struct {
	jet.Log
	fail, done int
}

func (l *purges) Purge(ctx context.Context, before uint64) error {
	if l.fail > 0 {
		l.fail--
		return jet.ErrUnavailable
	}
	l.done++
	return l.Log.Purge(ctx, before)
}

// TestTrimFails: it is told, and the next one takes the rest along.
func TestTrimFails(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		log, marks, err := stores(t.Context(), w.Node("a"), "ws")
		if err != nil {
			t.Fatal(err)
		}
		failing := &purges{Log: log, fail: 1}
		var out bytes.Buffer
		r, err := New(Config{Log: failing, Marks: marks, Logger: slog.New(slog.NewTextHandler(&out, nil))})
		if err != nil {
			t.Fatal(err)
		}
		r.minGarbage = 5
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		<-r.Ready()
		if _, _, err := r.CreateQueue(t.Context(), queue("q"), yes); err != nil {
			t.Fatal(err)
		}
		for range 40 {
			if _, err := r.UpdateQueue(t.Context(), account, region, "q", func(q *Queue) error { q.DelaySeconds++; return nil }); err != nil {
				t.Fatal(err)
			}
		}
		if first, last, _ := w.Bounds("ws_registry"); last-first > 12 {
			t.Error(first, last)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := strings.Count(out.String(), "cannot be removed"); n != 1 || failing.done < 2 {
			t.Errorf("told %d times, trimmed %d times\n%s", n, failing.done, &out)
		}
	})
}

// TestUnknownFieldsStay: through a change by this release, and through compaction.
func TestUnknownFieldsStay(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		n := w.Node("a")
		def := resealed(t, tagQueue, 1, map[int]any{1: 7, 2: account, 3: region, 4: "q", 200: "new"})
		write(t, n, chained(entry{items: []item{{opPut, def}, put(2, "other", 1)}})...)
		r := up(t, n, Config{}, func(r *Registry) { r.minGarbage = 5 })
		check := func(r *Registry) {
			t.Helper()
			found := false
			if err := r.queues.mem.walk(fullName{}, func(name fullName, encoded []byte) bool {
				s, err := openSealed(encoded)
				if err != nil {
					t.Fatal(err)
				}
				fields := map[uint64]cbor.RawMessage{}
				if err := cbor.Unmarshal(s.body, &fields); err != nil {
					t.Fatal(err)
				}
				if _, has := fields[200]; has {
					found = true
				}
				if (name.name == "q") != (len(fields[200]) > 0) {
					t.Errorf("%s has %x", name.name, fields[200])
				}
				return true
			}); err != nil || !found {
				t.Fatal(found, err)
			}
		}
		check(r)
		for range 30 {
			if _, err := r.UpdateQueue(t.Context(), account, region, "q", func(q *Queue) error { q.DelaySeconds++; return nil }); err != nil {
				t.Fatal(err)
			}
		}
		check(r)
		if first, _, _ := w.Bounds("ws_registry"); first == 1 {
			t.Fatal("nothing was trimmed")
		}
		check(up(t, w.Node("b"), Config{}))
	})
}

// TestWaitForReads: it does not wait for the mark to be heard.
func TestWaitForReads(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		a := up(t, w.Node("a"), Config{})
		n := w.Node("b")
		b := up(t, n, Config{Refresh: time.Hour})
		n.LagWatch("ws_marks", time.Hour)
		q, _, err := a.CreateQueue(t.Context(), queue("q"), yes)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.WaitFor(ctx, q.Revision); err != nil {
			t.Fatal(err)
		}
		if _, ok := b.QueueByID(q.ID); !ok {
			t.Fatal("not there")
		}
	})
}

// TestDamageWhileRunning: a node that has to read all again and finds damage ends
// with it.
func TestDamageWhileRunning(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		a := up(t, w.Node("a"), Config{}, func(r *Registry) { r.minGarbage = 4 })
		if _, _, err := a.CreateQueue(t.Context(), queue("q"), yes); err != nil {
			t.Fatal(err)
		}
		n := w.Node("b")
		b, stop := simulated(t, n, Config{Refresh: time.Hour})
		<-b.Ready()
		n.LagWatch("ws_marks", time.Hour)
		for range 60 {
			if _, err := a.UpdateQueue(t.Context(), account, region, "q", func(q *Queue) error { q.DelaySeconds++; return nil }); err != nil {
				t.Fatal(err)
			}
		}
		_, last, _ := w.Bounds("ws_registry")
		if _, ok := w.Damage("ws_registry", last-1, 20); !ok {
			t.Fatal("not damaged")
		}
		err := b.Sync(t.Context())
		<-b.stopped
		if ended := stop(); !Damaged(ended) || err == nil {
			t.Fatal(err, ended)
		}
	})
}

// TestRevisionThatDoesNotEnd: the checksum is right, the number is not one.
func TestRevisionThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	for _, revision := range [][]byte{{0x80}, {0x80, 0x80}, bytes.Repeat([]byte{0x80}, 12)} {
		b := append([]byte{tagQueue, 1}, revision...)
		b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
		if s, err := openSealed(b); err == nil {
			t.Errorf("%x: %+v", b, s)
		}
	}
}

// TestUnknownKindIsJudged: a definition of an unknown kind needs what all have.
func TestUnknownKindIsJudged(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body any
		ok   bool
	}{
		"good":    {map[int]any{1: 5, 2: "a", 3: "r", 4: "n", 30: 1}, true},
		"no map":  {"x", false},
		"no ID":   {map[int]any{2: "a", 3: "r", 4: "n"}, false},
		"no name": {map[int]any{1: 5, 2: "a", 3: "r"}, false},
	} {
		s, err := openSealed(resealed(t, 77, 1, tt.body))
		if err != nil {
			t.Fatal(err)
		}
		d, err := openOpaque(s)
		if (err == nil) != tt.ok || tt.ok && (d.ID != 5 || d.Revision != 5 || d.version != 1) {
			t.Errorf("%s: %+v %v", name, d, err)
		}
	}
}

// TestRepairTrustsChecksumsOnly: of an entry whose end is missing, definitions are
// taken, which have their own checksums; deletions are not.
func TestRepairTrustsChecksumsOnly(t *testing.T) {
	t.Parallel()
	e := entry{revision: 9, floor: 1, items: []item{put(1, "one", 4), {opDelete, (&deletion{tagQueue, 1, fullName{account, region, "one"}}).encode()}}}
	b := e.encode()
	for cut, dead := range map[int]bool{0: true, 1: false, 8: false, 9: false} {
		p := &repair{cfg: RepairConfig{Logger: slog.New(slog.DiscardHandler)}, best: map[defKey]found{}, dead: map[defKey]bool{}}
		p.take(b[:len(b)-cut])
		key := defKey{tagQueue, 1}
		if p.dead[key] != dead || p.best[key].sealed.revision != 4 || (p.damaged == 0) != dead {
			t.Errorf("cut by %d: %+v", cut, p)
		}
		if want := uint64(9); dead && p.revision != want || !dead && p.revision != 4 {
			t.Errorf("cut by %d: revision %d", cut, p.revision)
		}
	}
	p := &repair{cfg: RepairConfig{Logger: slog.New(slog.DiscardHandler)}, best: map[defKey]found{}, dead: map[defKey]bool{}}
	p.take(append(b, "anything"...))
	if !p.dead[defKey{tagQueue, 1}] || p.damaged != 0 {
		t.Errorf("what stands behind an entry hides it: %+v", p)
	}
}

// TestWalkGoesOnAlone: once begun, writing all again does not wait for changes.
func TestWalkGoesOnAlone(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		r := up(t, w.Node("a"), Config{}, func(r *Registry) { r.minGarbage = 1 })
		const n = 900
		change := func(delay int) {
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() {
					q := queue(fmt.Sprint("q", i))
					q.Policy = strings.Repeat("p", 1000)
					if _, _, err := r.CreateQueue(t.Context(), q, yes); err != nil {
						t.Error(err)
					}
					if _, err := r.UpdateQueue(t.Context(), account, region, q.Name, func(q *Queue) error { q.DelaySeconds = delay; return nil }); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		change(1)
		change(2)
		change(3)
		time.Sleep(time.Second)
		synctest.Wait()
		log, _, err := stores(t.Context(), w.Node("reader"), "ws")
		if err != nil {
			t.Fatal(err)
		}
		first, last, _ := w.Bounds("ws_registry")
		if err := log.Read(t.Context(), first, last, func(e jet.Entry) error {
			if len(e.Data) > maxEntry+maxKeeps+4<<10 {
				t.Errorf("entry %d has %d bytes", e.Seq, len(e.Data))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if r.state.floor == 1 || first == 1 || r.walk != nil {
			t.Errorf("floor %d, log %d to %d, walk %+v", r.state.floor, first, last, r.walk)
		}
		if again := up(t, w.Node("b"), Config{}); same(contents(r), contents(again)) != nil || again.Count() != n {
			t.Error(same(contents(r), contents(again)), again.Count())
		}
	})
}

// TestTotals: what the log says it holds.
func TestTotals(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		r := up(t, w.Node("a"), Config{})
		for i := range 5 {
			if _, _, err := r.CreateQueue(t.Context(), queue(fmt.Sprint("q", i)), yes); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.DeleteQueue(t.Context(), account, region, "q0"); err != nil {
			t.Fatal(err)
		}
		if s := r.state; s.total != 6 || s.floorTotal != 0 || s.quiet != 6 || s.revision != 6 || s.size() != 4 {
			t.Errorf("%+v", s)
		}
	})
}

// TestRepairedUnderneath: a node that runs while the log begins anew takes the new
// state.
func TestRepairedUnderneath(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		n := w.Node("a")
		r := up(t, n, Config{})
		if _, _, err := r.CreateQueue(t.Context(), queue("old"), yes); err != nil {
			t.Fatal(err)
		}
		write(t, n, chained(entry{flags: flagBase, revision: 50, floor: 50, items: []item{put(9, "new", 40)}})...)
		if err := r.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := contents(r); len(got) != 1 || got["new"].ID != 9 || r.Revision() != 50 {
			t.Error(got, r.Revision())
		}
	})
}

// TestAwayIsTold once, and that it is over.
func TestAwayIsTold(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		var out bytes.Buffer
		r := up(t, w.Node("a"), Config{Logger: slog.New(slog.NewTextHandler(&out, nil))})
		w.LoseLeader("ws_registry", false)
		time.Sleep(10 * time.Second)
		w.Elect("ws_registry")
		time.Sleep(10 * time.Second)
		if err := r.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if a, b := strings.Count(out.String(), "cannot be read just now"), strings.Count(out.String(), "can be read again"); a != 1 || b != 1 {
			t.Errorf("%d and %d\n%s", a, b, &out)
		}
	})
}

// TestRepairFromFiles: entries out of files that were set aside.
func TestRepairFromFiles(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		n := w.Node("a")
		list := chained(entry{items: []item{put(1, "one", 1)}}, entry{items: []item{put(2, "two", 2)}})
		cfg := RepairConfig{Cluster: n, Prefix: "ws"}
		for i := range list {
			cfg.Raw = append(cfg.Raw, append(list[i].encode(), "and what stands behind it"...))
		}
		done, err := Repair(t.Context(), cfg)
		if err != nil || done.Definitions != 2 || done.FromJournals != 0 || done.Damaged != 0 || done.Revision != 3 {
			t.Fatalf("%+v %v", done, err)
		}
		_, marks, err := stores(t.Context(), n, "ws")
		if err != nil {
			t.Fatal(err)
		}
		if m, _, err := loadMark(t.Context(), marks); err != nil || m.Revision != 3 || m.Entry != 1 {
			t.Error(m, err)
		}
		w.LoseLeader("ws_marks", false)
		if _, err := Repair(t.Context(), cfg); !errors.Is(err, ErrUnavailable) {
			t.Error(err)
		}
		w.Elect("ws_marks")
		r := up(t, w.Node("b"), Config{})
		if got := contents(r); len(got) != 2 || r.state.total != 2 || r.state.quiet != 0 {
			t.Error(got, r.state.total, r.state.quiet)
		}
	})
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for i, c := range []Config{
		{Marks: noBucket{}}, {Log: noLog{}},
		{Log: noLog{}, Marks: noBucket{}, MaxQueues: -1},
		{Log: noLog{}, Marks: noBucket{}, Refresh: -1},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%d passes", i)
		}
	}
}

// TestCloneIsDeep: nothing of a copy is shared that could be altered.
func TestCloneIsDeep(t *testing.T) {
	t.Parallel()
	q := full()
	c := q.Clone()
	c.Redrive.MaxReceives++
	c.RedriveAllow.Permission = "denyAll"
	c.RedriveAllow.Sources[0] = "other"
	c.Tags["a"] = "other"
	want := full()
	if q.Redrive.MaxReceives != want.Redrive.MaxReceives || q.RedriveAllow.Permission != want.RedriveAllow.Permission ||
		q.RedriveAllow.Sources[0] != "a" || q.Tags["a"] != "b" {
		t.Errorf("%+v", q)
	}
}

// TestWalkIsDue: with more than twice as many items as definitions and least more,
// unless another node's walk was seen lately.
func TestWalkIsDue(t *testing.T) {
	t.Parallel()
	r, err := New(Config{Log: noLog{}, Marks: noBucket{}})
	if err != nil {
		t.Fatal(err)
	}
	r.minGarbage = 10
	s := r.state
	for id := range uint64(2) {
		s.contents[tagQueue].put(opened[Queue]{def: &Queue{Meta: Meta{ID: id + 1, Account: "a", Region: "r", Name: fmt.Sprint(id)}}})
	}
	for _, tt := range []struct {
		total, floorTotal, quiet uint64
		want                     bool
	}{
		{114, 100, 50, false}, {115, 100, 50, true}, {15, 0, 10, true}, {15, 0, 9, false}, {115, 101, 50, false}, {14, 0, 10, false},
	} {
		s.total, s.floorTotal, s.quiet = tt.total, tt.floorTotal, tt.quiet
		if got := s.due(10); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
	// Of a walk that another node overtook nothing is written, nor does it go on.
	s.total, s.floorTotal, s.quiet, s.floor = 2, 0, 2, 20
	for begin, goesOn := range map[uint64]bool{19: false, 20: false, 21: true} {
		r.walk = &walk{begin: begin}
		b := &batch{entry: entry{floor: s.floor}}
		r.keep(b, 0)
		if len(b.items) > 0 != goesOn || b.trim > 0 != goesOn || b.flags&flagKeeps > 0 != goesOn || goesOn && b.floor != begin {
			t.Errorf("begun at %d: %+v", begin, b)
		}
	}
}
