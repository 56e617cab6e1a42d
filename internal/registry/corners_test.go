package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/jet/jetsim"
)

// runOn runs a registry over stores until the test ends or stop is called, which
// returns what Run did.
func runOn(t *testing.T, cfg Config) (r *Registry, stop func() error) {
	t.Helper()
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return r, func() error { cancel(); return <-done }
}

// An entry that ends anywhere in its head is cut, whoever reads it: a repair gets such
// out of files. One of nothing but empty changes is whole.
func TestHeadsOfEntries(t *testing.T) {
	t.Parallel()
	e := entry{revision: 1000, floor: 300, total: 70_000, floorTotal: 9, items: []item{{opDelete, nil}, {opDelete, nil}}}
	b := e.encode()
	if got, err := decodeEntry(b); err != nil || len(got.items) != 2 {
		t.Errorf("empty changes: %+v, %v", got, err)
	}
	head := len(b) - len(checksum{}) - 2*len(e.items)
	for n := range head {
		loose := entry{}
		if end, err := loose.parse(slices.Clip(b[:n])); err == nil || end != 0 {
			t.Errorf("cut to %d of a head of %d: %d, %v", n, head, end, err)
		}
	}
	other := slices.Clone(b)
	other[0]++
	loose := entry{}
	if end, err := loose.parse(other); err == nil || end != 0 {
		t.Errorf("another version: %d, %v", end, err)
	}
	many := entry{items: slices.Repeat([]item{{opDelete, nil}}, 100)}
	loose = entry{}
	if end, err := loose.parse(many.encode()[:100]); err == nil || end != 0 || len(loose.items) > 0 {
		t.Errorf("more changes than there is room for: %d, %v, %d items", end, err, len(loose.items))
	}
}

// What a newer release wrote under something else than a number cannot be kept: the
// definition is refused, rather than taken without it.
func TestFieldsWithoutNumbers(t *testing.T) {
	t.Parallel()
	b := resealed(t, tagQueue, 1, map[any]any{1: 7, 2: "a", 3: "r", 4: "n", "text": 1})
	if q, err := DecodeQueue(b); err == nil {
		t.Errorf("taken as %+v", q)
	}
}

// fickleMarks is a bucket that does not take a mark so many times, or cannot be watched.
type fickleMarks struct {
	jet.Bucket
	refuse  atomic.Int64
	tries   atomic.Int64
	unheard error
}

func (b *fickleMarks) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	b.tries.Add(1)
	if b.refuse.Add(-1) >= 0 {
		return 0, jet.ErrUnavailable
	}
	return b.Bucket.Create(ctx, key, value)
}

func (b *fickleMarks) Watch(ctx context.Context, pattern string, fn func(jet.KVEntry), initial func()) error {
	if b.unheard != nil {
		return b.unheard
	}
	return b.Bucket.Watch(ctx, pattern, fn, initial)
}

// A mark that was not taken is written later, though nothing else changes.
func TestMarkThatIsNotTaken(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		_, bucket, err := stores(t.Context(), w.Node("a"), "ws")
		if err != nil {
			t.Fatal(err)
		}
		marks := &fickleMarks{Bucket: bucket}
		marks.refuse.Store(2)
		r := up(t, w.Node("a"), Config{}, func(r *Registry) { r.cfg.Marks = marks })
		create(t, r, "q")
		time.Sleep(10 * markRetry)
		m, _, err := loadMark(t.Context(), bucket)
		if err != nil || m.Revision != r.Revision() || marks.tries.Load() != 3 {
			t.Errorf("the mark is at %d after %d tries, memory at %d, %v", m.Revision, marks.tries.Load(), r.Revision(), err)
		}
	})
}

// What was stored by a node that died before it noted how far the definitions reach is
// noted by the next one that loads them: else nobody would miss it, were it cut off.
func TestMarkIsRaisedByALoad(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		write(t, w.Node("writer"), chained(entry{items: []item{put(1, "q", 1)}}, entry{items: []item{put(2, "p", 2)}})...)
		_, marks, err := stores(t.Context(), w.Node("a"), "ws")
		if err != nil {
			t.Fatal(err)
		}
		up(t, w.Node("a"), Config{})
		time.Sleep(10 * markEvery)
		if m, _, err := loadMark(t.Context(), marks); err != nil || m.Revision != 2 {
			t.Errorf("the mark is at %d, %v", m.Revision, err)
		}
	})
}

// A node that cannot hear of others' changes ends, with the reason.
func TestMarksThatCannotBeWatched(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		log, bucket, err := stores(t.Context(), w.Node("a"), "ws")
		if err != nil {
			t.Fatal(err)
		}
		unheard := errors.New("unheard of")
		r, stop := runOn(t, Config{Log: log, Marks: &fickleMarks{Bucket: bucket, unheard: unheard}})
		time.Sleep(time.Minute)
		select {
		case <-r.stopped:
		default:
			t.Error("it goes on")
		}
		if err := stop(); !errors.Is(err, unheard) {
			t.Error(err)
		}
	})
}

// Its own marks tell a node nothing: it does not read the log for them.
func TestOwnMarksCostNoReads(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		log, marks, err := stores(t.Context(), w.Node("a"), "ws")
		if err != nil {
			t.Fatal(err)
		}
		counted := &countedLog{Log: log}
		r, stop := runOn(t, Config{Log: counted, Marks: marks, Refresh: time.Hour})
		<-r.Ready()
		before := counted.last.Load()
		create(t, r, "q")
		time.Sleep(time.Minute)
		if m, _, err := loadMark(t.Context(), marks); err != nil || m.Revision != 1 {
			t.Fatal(m, err)
		}
		if n := counted.last.Load() - before; n != 0 {
			t.Errorf("%d reads", n)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// Who no longer wants to wait for a read does not.
func TestSyncCalledOff(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		log, marks, err := stores(t.Context(), w.Node("a"), "ws")
		if err != nil {
			t.Fatal(err)
		}
		counted := &countedLog{Log: log}
		r, stop := runOn(t, Config{Log: counted, Marks: marks, Refresh: time.Hour})
		<-r.Ready()
		hold := make(chan struct{})
		counted.hold.Store(&hold)
		ctx, cancel := context.WithCancel(t.Context())
		synced := make(chan error, 1)
		go func() { synced <- r.Sync(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-synced; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		close(hold)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// silentLog does not answer at first, and counts what it was asked.
type silentLog struct {
	jet.Log
	asked atomic.Int64
}

func (l *silentLog) Bounds(context.Context) (uint64, uint64, error) {
	l.asked.Add(1)
	return 0, 0, jet.ErrUnavailable
}

// A log that does not answer is asked often at first, and then every two seconds.
func TestBeginsAgain(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		log, marks, err := stores(t.Context(), w.Node("a"), "ws")
		if err != nil {
			t.Fatal(err)
		}
		silent := &silentLog{Log: log}
		_, stop := runOn(t, Config{Log: silent, Marks: marks})
		time.Sleep(time.Second)
		synctest.Wait()
		soon := silent.asked.Load()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		// Ten milliseconds doubled until they are two seconds.
		if later := silent.asked.Load() - soon; soon < 5 || soon > 10 || later < 250 || later > 310 {
			t.Errorf("asked %d times in a second, %d times in the next ten minutes", soon, later)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// An entry that another node stored and that cannot be taken ends this one, with the
// entry's number.
func TestEntryThatCannotBeTaken(t *testing.T) {
	for name, spoil := range map[string]func(*entry){
		"a change that was altered": func(e *entry) { e.items[0].data[5] ^= 1 },
		"another history":           func(e *entry) { e.before[0] ^= 1 },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *jetsim.World) {
				n := w.Node("a")
				r, stop := simulated(t, n, Config{Refresh: time.Hour})
				<-r.Ready()
				create(t, r, "q")
				e := entry{revision: 2, floor: 1, total: 2, before: r.state.sum, items: []item{put(2, "p", 2)}}
				spoil(&e)
				write(t, n, e)
				damage := (*DamageError)(nil)
				if err := r.Sync(t.Context()); !errors.As(err, &damage) || damage.Entry != 2 {
					t.Error(err)
				}
				time.Sleep(time.Minute)
				if err := stop(); !errors.As(err, &damage) {
					t.Error(err)
				}
				if r.Count() != 1 {
					t.Errorf("%d queues", r.Count())
				}
			})
		})
	}
}

// countedAppends refuses to store anything, and counts what it was given.
type countedAppends struct {
	jet.Log
	n int
}

func (l *countedAppends) Append(_ []byte, _ string, _ uint64, done func(uint64, error)) {
	l.n++
	done(0, jet.ErrUnavailable)
}

// A walk that cannot go on ends: the writer would try for ever, without a pause.
func TestWalksEnd(t *testing.T) {
	t.Parallel()
	made := func() (*Registry, *countedAppends, *Table[brittle]) {
		log := &countedAppends{}
		r, err := New(Config{Log: log, Marks: noBucket{}})
		if err != nil {
			t.Fatal(err)
		}
		table := Add(r, brittles)
		r.state.floor, r.state.revision = 5, 20
		r.walk = &walk{begin: 10}
		return r, log, table
	}

	r, log, table := made() // what comes next cannot be encoded
	table.mem.put(opened[brittle]{def: newBrittle("a", "broken")})
	if err := r.writeOnce(t.Context()); err != nil || r.walk != nil || log.n != 0 {
		t.Errorf("cannot be encoded: %v, %+v, %d appends", err, r.walk, log.n)
	}
	r, log, _ = made() // another node was faster
	r.state.floor = 10
	if err := r.writeOnce(t.Context()); err != nil || r.walk != nil || log.n != 0 {
		t.Errorf("overtaken: %v, %+v, %d appends", err, r.walk, log.n)
	}
	r, log, table = made() // the log does not take it
	table.mem.put(opened[brittle]{def: newBrittle("a", "whole")})
	if err := r.writeOnce(t.Context()); !errors.Is(err, ErrUnavailable) || r.walk != nil || log.n != 1 {
		t.Errorf("not taken: %v, %+v, %d appends", err, r.walk, log.n)
	}
	r, _, _ = made() // nothing is left to be written again, which is no reason to wait for the next walk
	b := &batch{}
	if r.keep(b, 0); b.trim != 10 || b.flags != 0 || len(b.items) != 0 {
		t.Errorf("nothing to write: %+v", b)
	}
}

// A change that is refused leaves no entry behind.
func TestRefusedChangesAreNotStored(t *testing.T) {
	t.Parallel()
	log := &countedAppends{}
	r, err := New(Config{Log: log, Marks: noBucket{}})
	if err != nil {
		t.Fatal(err)
	}
	c := &change{tag: tagQueue, name: fullName{account, region, "q"}, expect: 7, ctx: t.Context(), done: make(chan error, 1)}
	r.pending = append(r.pending, c)
	if err := r.writeOnce(t.Context()); err != nil || log.n != 0 {
		t.Errorf("%v, %d appends", err, log.n)
	}
	if err := <-c.done; err != errOvertaken {
		t.Error(err)
	}
}

// oddStores is a cluster whose log loses an entry, or does not tell something.
type oddStores struct {
	jet.Cluster
	lost               uint64
	log, bounds, entry error
}

type oddLog struct {
	jet.Log
	*oddStores
}

func (c *oddStores) Log(ctx context.Context, spec jet.StreamSpec) (jet.Log, error) {
	if c.log != nil {
		return nil, c.log
	}
	log, err := c.Cluster.Log(ctx, spec)
	return &oddLog{log, c}, err
}

func (l *oddLog) Bounds(ctx context.Context) (first, last uint64, err error) {
	if l.bounds != nil {
		return 0, 0, l.bounds
	}
	return l.Log.Bounds(ctx)
}

func (l *oddLog) Get(ctx context.Context, seq uint64) (jet.Entry, error) {
	switch {
	case l.entry != nil:
		return jet.Entry{}, l.entry
	case seq == l.lost:
		return jet.Entry{}, fmt.Errorf("entry %d: %w", seq, jet.ErrNotFound)
	}
	return l.Log.Get(ctx, seq)
}

// An entry that a repair cannot find counts as damaged, and the others are taken. What
// the stores say ends a repair before it wrote anything. The revision that a journal
// names counts, though what stands with it cannot be read.
func TestRepairOfWhatIsMissing(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		n := w.Node("a")
		write(t, n, chained(
			entry{items: []item{put(1, "one", 1)}},
			entry{items: []item{put(2, "two", 2)}},
			entry{items: []item{put(3, "three", 3)}},
		)...)
		if _, ok := w.Damage("ws_registry", 2, 20); !ok {
			t.Fatal("not damaged")
		}
		odd := &oddStores{Cluster: n, lost: 2}
		cfg := RepairConfig{Cluster: odd, Prefix: "ws", Known: []Known{{ID: 8, Revision: 70, Encoded: []byte("?")}}}
		said := errors.New("what the stores say")
		for name, at := range map[string]*error{"the log": &odd.log, "its bounds": &odd.bounds, "an entry": &odd.entry} {
			*at = said
			if done, err := Repair(t.Context(), cfg); !errors.Is(err, said) || done != (Repaired{}) {
				t.Errorf("%s: %+v, %v", name, done, err)
			}
			raw := cfg // it does not ask first whether all is whole
			raw.Raw = [][]byte{nil}
			if done, err := Repair(t.Context(), raw); !errors.Is(err, said) || done != (Repaired{}) {
				t.Errorf("%s, with files: %+v, %v", name, done, err)
			}
			*at = nil
		}
		if first, last, _ := w.Bounds("ws_registry"); first != 1 || last != 3 {
			t.Fatalf("the log is %d to %d", first, last)
		}
		done, err := Repair(t.Context(), cfg)
		if want := (Repaired{Definitions: 2, Damaged: 1, Revision: 71}); err != nil || done != want {
			t.Errorf("%+v, %v", done, err)
		}
	})
}

// A definition stands with its name's hash, and elsewhere only while another one's name
// has the same.
func TestOnlyEqualHashesSpill(t *testing.T) {
	t.Parallel()
	m := newMemory(&brittles)
	for _, name := range []string{"a", "bb", "ccc"} {
		m.put(opened[brittle]{def: newBrittle(name, "whole")})
	}
	if len(m.byHash) != 3 || len(m.spilled) != 0 {
		t.Errorf("%d by hash, %d elsewhere", len(m.byHash), len(m.spilled))
	}
}
