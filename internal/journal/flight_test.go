package journal

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// gates is a log whose reads of some entries wait, and tell what they bring.
type gates struct {
	*fakeLog
	mu     sync.Mutex
	shut   map[uint64]chan struct{} // by the first sequence of a read
	ranges []uint64                 // last sequences that ranges brought
}

func (l *gates) pass(ctx context.Context, seq uint64) error {
	l.mu.Lock()
	gate := l.shut[seq]
	l.mu.Unlock()
	if gate == nil {
		return ctx.Err()
	}
	select {
	case <-gate:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *gates) Get(ctx context.Context, seq uint64) (jet.Entry, error) {
	if err := l.pass(ctx, seq); err != nil {
		return jet.Entry{}, err
	}
	return l.fakeLog.Get(ctx, seq)
}

func (l *gates) GetRange(ctx context.Context, from uint64, maxBytes int) ([]jet.Entry, error) {
	if err := l.pass(ctx, from); err != nil {
		return nil, err
	}
	list, err := l.fakeLog.GetRange(ctx, from, maxBytes)
	if len(list) > 0 {
		l.mu.Lock()
		l.ranges = append(l.ranges, list[len(list)-1].Seq)
		l.mu.Unlock()
	}
	return list, err
}

// shut has reads that begin with an entry wait until the gate is closed.
func (l *gates) close(seq uint64) (gate chan struct{}) {
	gate = make(chan struct{})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shut[seq] = gate
	return gate
}

func gated(t *testing.T, n int, change ...func(*Config)) (*owner, *gates) {
	t.Helper()
	o, log := filled(t, n, change...)
	l := &gates{fakeLog: log, shut: map[uint64]chan struct{}{}}
	o.cfg.Log = l
	return o, l
}

// reading starts a read of one record.
func (o *owner) reading(ctx context.Context, i int) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := o.Read(ctx, o.places[i], 1)
		done <- err
	}()
	return done
}

// Reads of different appends don't wait for each other.
func TestReadsSideBySide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, log := gated(t, 20)
		gate := log.close(o.places[10].Append)
		held := o.reading(t.Context(), 10)
		synctest.Wait()
		o.expect(t, 3)
		o.expect(t, 15)
		o.expect(t, 9)
		o.expect(t, 11)
		close(gate)
		if err := <-held; err != nil {
			t.Error(err)
		}
		if s := o.Stats(); s.CacheMisses != 5 {
			t.Errorf("%d reads waited for the log, want 5", s.CacheMisses)
		}
	})
}

// A read ahead stops where another read is under way.
func TestReadAheadStopsAtAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, log := gated(t, 40, func(c *Config) { c.MaxAppend = 16 << 10 })
		gate := log.close(o.places[12].Append)
		held := o.reading(t.Context(), 12)
		synctest.Wait()
		for i := range 12 {
			o.expect(t, i)
		}
		for _, last := range log.ranges {
			if last >= o.places[12].Append {
				t.Errorf("read up to entry %d, and %d is being read", last, o.places[12].Append)
			}
		}
		if len(log.ranges) == 0 {
			t.Error("nothing was read ahead")
		}
		if log.gets > 2 {
			t.Errorf("%d single reads", log.gets)
		}
		close(gate)
		if err := <-held; err != nil {
			t.Error(err)
		}
	})
}

// Who waits for another's read may be called off; who reads and fails tells those
// who wait.
func TestReadsWaitForAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, log := gated(t, 20)
		gate := log.close(o.places[10].Append)
		held := o.reading(t.Context(), 10)
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		impatient := o.reading(ctx, 10)
		patient := o.reading(t.Context(), 10)
		synctest.Wait()
		cancel()
		if err := <-impatient; !errors.Is(err, context.Canceled) {
			t.Errorf("one that was called off: %v", err)
		}
		log.set(func(l *fakeLog) { l.onGet = func(uint64) error { return errOdd } })
		close(gate)
		for _, done := range []<-chan error{held, patient} {
			if err := <-done; err != errOdd {
				t.Errorf("a read that fails: %v", err)
			}
		}
		if log.gets != 1 {
			t.Errorf("%d reads of the log, want one for both", log.gets)
		}
	})
}

// Four reads of the log are under way at most; who waits for a turn can be called off.
func TestReadsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, log := gated(t, 40, func(c *Config) { c.ReadAhead = 1 })
		var gatesShut []chan struct{}
		var held []<-chan error
		for i := range fetchesAtOnce {
			gatesShut = append(gatesShut, log.close(o.places[5*i].Append))
			held = append(held, o.reading(t.Context(), 5*i))
		}
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		fifth := o.reading(ctx, 30)
		synctest.Wait()
		if log.gets != 0 {
			t.Error("a fifth read was begun")
		}
		cancel()
		if err := <-fifth; !errors.Is(err, context.Canceled) {
			t.Errorf("called off: %v", err)
		}
		sixth := o.reading(t.Context(), 31)
		for _, g := range gatesShut {
			close(g)
		}
		for _, done := range append(held, sixth) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// A range that ends in damage brings what stands before it; the hook tells how much.
func TestReadAheadOverDamage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		appends, bytes, calls := 0, 0, 0
		o, log := gated(t, 20, func(c *Config) {
			c.MaxAppend = 8 << 10
			c.Observe.Fetched = func(d time.Duration, a, b int) {
				if d != time.Second {
					t.Errorf("a read took %v, want 1 s", d)
				}
				appends, bytes, calls = appends+a, bytes+b, calls+1
			}
		})
		log.set(func(l *fakeLog) { l.entries[o.places[5].Append-1].Data[60] ^= 1 })
		o.cfg.Log = slowReads{log}
		size := 0
		for i := range 5 {
			o.expect(t, i)
			size += len(log.entries[o.places[i].Append-1].Data)
		}
		if appends != 5 || bytes != size || calls < 2 {
			t.Errorf("the hook told of %d appends of %d bytes in %d reads; want 5, %d", appends, bytes, calls, size)
		}
		if _, err := o.Read(t.Context(), o.places[5], 1); corrupt(err) == nil || corrupt(err).Seq != o.places[5].Append {
			t.Errorf("the damaged one: %v", err)
		}
		o.expect(t, 6)
		if appends != 6 && appends < 6 {
			t.Errorf("the hook told of %d appends", appends)
		}
	})
}

// slowReads takes a second for each read.
type slowReads struct{ *gates }

func (l slowReads) Get(ctx context.Context, seq uint64) (jet.Entry, error) {
	time.Sleep(time.Second)
	return l.gates.Get(ctx, seq)
}

func (l slowReads) GetRange(ctx context.Context, from uint64, maxBytes int) ([]jet.Entry, error) {
	time.Sleep(time.Second)
	return l.gates.GetRange(ctx, from, maxBytes)
}

// A read that is called off does not take what a range brings for an answer.
func TestReadAheadCalledOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, log := gated(t, 20, func(c *Config) { c.MaxAppend = 8 << 10 })
		o.expect(t, 0)
		gate := log.close(o.places[1].Append)
		ctx, cancel := context.WithCancel(t.Context())
		held := o.reading(ctx, 1)
		synctest.Wait()
		cancel()
		if err := <-held; !errors.Is(err, context.Canceled) {
			t.Errorf("called off: %v", err)
		}
		close(gate)
		o.expect(t, 1)
	})
}

// What is not durable yet is read from memory, wherever it waits.
func TestReadWhatWaits(t *testing.T) {
	t.Parallel()
	o := still(t, func(c *Config) { c.MaxAppend = 1 << 10 })
	var places []Pos
	for i := range 4 { // three that are full, and one that is being gathered
		pos, _ := o.add(t, strings.Repeat(string(rune('a'+i)), 1000-300*(i/3)))
		places = append(places, pos)
	}
	for i, pos := range places {
		got, err := o.Read(t.Context(), pos, 2)
		if want := strings.Repeat(string(rune('a'+i)), 2); err != nil || string(got) != want {
			t.Errorf("record %d: %q, %v", i, got, err)
		}
	}
	if _, err := o.Read(t.Context(), Pos{Append: places[3].Append + 1, Offset: 50}, 1); corrupt(err) == nil {
		t.Errorf("behind the end: %v", err)
	}
	o.fail(errOdd)
	if _, err := o.Read(t.Context(), places[1], 2); err != errOdd {
		t.Errorf("after it failed: %v", err)
	}
}

// Who reads in order is told from who does not.
func TestCursor(t *testing.T) {
	t.Parallel()
	var r reads
	r.init()
	a := r.cursor(100)
	if a.window != 0 {
		t.Error("a new reader reads ahead")
	}
	a.from, a.next, a.window = 100, 104, 7
	for seq, same := range map[uint64]bool{100: false, 101: true, 104: true, 103 + stride: true, 104 + stride: false, 99: false} {
		clock, all := r.clock, r.cursors
		if got := r.cursor(seq).window == 7; got != same {
			t.Errorf("a read of %d after one of 100 to 103 is in order: %v, want %v", seq, got, same)
		}
		r.clock, r.cursors = clock, all
	}
	// With more readers than can be told apart the one who read longest ago is forgotten.
	for i := range uint64(cursors) {
		if i == 5 {
			r.cursor(101).next = 104 // still there
		}
		c := r.cursor(10_000 * (i + 1))
		c.from, c.next, c.window = 10_000*(i+1), 10_000*(i+1)+1, 9
	}
	if r.cursor(101).window != 7 {
		t.Error("the one who read lately was forgotten")
	}
	if r.cursor(10_001).window == 9 {
		t.Error("the one who read longest ago was not forgotten")
	}
}

// Each entry of the cache is in its list once, however much comes and goes.
func TestCacheListAndMapAgree(t *testing.T) {
	t.Parallel()
	c := cache{limit: 10 * (100 + cacheOverhead)}
	for i := range uint64(1000) {
		c.put(i*7919%50, make([]byte, i*31%200))
		c.get(i * 13 % 50)
		n, size := 0, int64(0)
		for e := c.ends.next; e != &c.ends; e = e.next {
			if c.bySeq[e.seq] != e || e.next.prev != e {
				t.Fatalf("step %d: entry %d stands in the list and not in the map", i, e.seq)
			}
			n++
			size += e.cost()
			if n > 50 {
				t.Fatalf("step %d: the list does not end", i)
			}
		}
		if n != len(c.bySeq) || size != c.size || size > c.limit {
			t.Fatalf("step %d: %d in the list, %d in the map; %d bytes, counted %d", i, n, len(c.bySeq), size, c.size)
		}
	}
	c = cache{limit: 100 + cacheOverhead}
	c.put(1, make([]byte, 100)) // as large as can be
	if _, ok := c.get(1); !ok {
		t.Error("an entry of just the limit is not taken")
	}
}

// What Oldest can't read it says, and rewriting is asked for again.
func TestOldestFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(l *fakeLog) (want error){
		"unreachable": func(l *fakeLog) error {
			l.lagging = true
			l.onGet = func(uint64) error { return jet.ErrUnavailable }
			return jet.ErrUnavailable
		},
		"altered": func(l *fakeLog) error { l.entries[3].Data[60] ^= 1; return nil },
		"a record does not fit": func(l *fakeLog) error {
			data := build("old", 3, 0, "record")
			data[len(data)-7] = 99 // its length
			seal(data, 1)
			l.entries[3].Data = data
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, log := filled(t, 10)
			o.ring.floor = 1
			for _, pos := range o.places[6:] {
				o.Release(pos.Append, len(recordNo(0)))
			}
			for _, pos := range o.places[:1] {
				o.Release(pos.Append, len(recordNo(0)))
			}
			var want error
			log.set(func(l *fakeLog) { want = test(l) })
			_, err := o.Oldest(t.Context(), 1<<20)
			if want != nil && !errors.Is(err, want) || want == nil && corrupt(err) == nil {
				t.Fatalf("oldest: %v", err)
			}
			if want == nil {
				return
			}
			if o.ring.asked {
				t.Error("rewriting is not asked for again")
			}
			log.set(func(l *fakeLog) { l.onGet = nil })
			list, err := o.Oldest(t.Context(), -1)
			if err != nil || len(list) != 1 || list[0].Pos != o.places[1] {
				t.Errorf("one append at least: %d, %v", len(list), err)
			}
		})
	}
}
