package journal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/waystation/waystation/internal/jet"
)

// filled is a claimed journal over a log of n appends with one record of a KiB each; nothing is cached.
func filled(t *testing.T, n int, change ...func(*Config)) (*owner, *fakeLog) {
	t.Helper()
	log := newFakeLog(t)
	log.intrude("old", 0, flagFence)
	for i := range n {
		log.intrude("old", uint64(i+1), 0, recordNo(i))
	}
	o := prepare(t, log, change...)
	err := o.Claim(t.Context(), func(pos Pos, rec []byte) error {
		o.places = append(o.places, pos)
		o.Retain(pos.Append, 1, len(rec))
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	log.set(func(l *fakeLog) { l.gets, l.ranges = 0, 0 })
	return o, log
}

func recordNo(i int) string { return fmt.Sprintf("%d %s", i, strings.Repeat("x", 1000)) }

func (o *owner) expect(t *testing.T, i int) {
	t.Helper()
	want := recordNo(i)
	got, err := o.Read(t.Context(), o.places[i], len(want))
	if err != nil || string(got) != want {
		t.Errorf("record %d: %.20q, %v", i, got, err)
	}
}

func TestReadAhead(t *testing.T) {
	t.Parallel()
	o, log := filled(t, 1000, func(c *Config) { c.MaxAppend, c.ReadAhead, c.CacheBytes = 2<<10, 64<<10, 1<<20 })
	for i := range 1000 {
		o.expect(t, i)
	}
	if reads := log.gets + log.ranges; reads > 40 {
		t.Errorf("%d reads of the log for 1000 records in order", reads)
	}
	if s := o.Stats(); s.CacheBytes > 1<<20 || s.CacheMisses > 40 || s.CacheHits < 900 {
		t.Errorf("stats %+v", s)
	}
	if _, ok := o.TryRead(o.places[999], 10); !ok {
		t.Error("what was just read is not in memory")
	}
	if _, ok := o.TryRead(o.places[0], 10); ok {
		t.Error("the cache is larger than its limit")
	}
}

func TestTwoReadersInOrderAndOneAtRandom(t *testing.T) {
	t.Parallel()
	o, log := filled(t, 1000, func(c *Config) { c.MaxAppend, c.ReadAhead = 2<<10, 64<<10 })
	for i := range 450 {
		o.expect(t, i)
		o.expect(t, 500+i)
		if i%50 == 0 {
			o.expect(t, (i*7919+960)%1000)
		}
	}
	if reads := log.gets + log.ranges; reads > 60 {
		t.Errorf("%d reads of the log", reads)
	}
}

func TestReadsOfOneAppendAreOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, log := filled(t, 3)
		started, goOn := make(chan struct{}), make(chan struct{})
		var once sync.Once
		slow := &slowLog{fakeLog: log, before: func() { once.Do(func() { close(started); <-goOn }) }}
		o.cfg.Log = slow
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if _, err := o.Read(ctx, o.places[1], 1); !errors.Is(err, context.Canceled) {
				t.Errorf("called off: %v", err)
			}
		})
		<-started
		for range 20 {
			wg.Go(func() { o.expect(t, 1) })
		}
		synctest.Wait() // until all of them wait
		// The one who reads is called off; one of those who wait takes over.
		cancel()
		close(goOn)
		wg.Wait()
		if log.gets > 2 {
			t.Errorf("%d reads of one append", log.gets)
		}
	})
}

// slowLog lets a test stop a Get.
type slowLog struct {
	*fakeLog
	before func()
}

func (l *slowLog) Get(ctx context.Context, seq uint64) (jet.Entry, error) {
	l.before()
	if err := ctx.Err(); err != nil {
		return jet.Entry{}, err
	}
	return l.fakeLog.Get(ctx, seq)
}

func TestReadFromALaggingReplica(t *testing.T) {
	t.Parallel()
	o, log := filled(t, 50, func(c *Config) { c.MaxAppend = 2 << 10 })
	log.set(func(l *fakeLog) { l.lagging = true })
	for i := range 50 {
		o.expect(t, i)
	}
}

func TestReadErrors(t *testing.T) {
	t.Parallel()
	o, log := filled(t, 10)
	o.run(t)
	log.set(func(l *fakeLog) { l.lagging = true }) // no reading ahead
	if _, err := o.Read(t.Context(), Pos{Append: 999, Offset: 50}, 1); corrupt(err) == nil {
		t.Errorf("beyond the end: %v", err)
	}
	if _, err := o.Read(t.Context(), Pos{Append: o.places[0].Append, Offset: 2}, 1); corrupt(err) == nil {
		t.Errorf("within the header: %v", err)
	}
	if _, err := o.Read(t.Context(), o.places[0], 100000); corrupt(err) == nil {
		t.Errorf("too long: %v", err)
	}
	log.set(func(l *fakeLog) { l.onGet = func(uint64) error { return jet.ErrUnavailable } })
	if _, err := o.Read(t.Context(), o.places[5], 1); !errors.Is(err, jet.ErrUnavailable) {
		t.Errorf("unreachable: %v", err)
	}
	log.set(func(l *fakeLog) {
		l.onGet = nil
		l.entries[7].Data[60] ^= 1
	})
	if _, err := o.Read(t.Context(), o.places[6], 1); corrupt(err) == nil || corrupt(err).Seq != 8 {
		t.Errorf("altered: %v", err)
	}
	o.expect(t, 5)
	o.expect(t, 7)
	log.set(func(l *fakeLog) { l.onGet = func(uint64) error { return jet.ErrNotFound } })
	if _, err := o.Read(t.Context(), o.places[2], 1); corrupt(err) == nil {
		t.Errorf("gone: %v", err)
	}
	log.Purge(t.Context(), 6)
	if _, err := o.Read(t.Context(), o.places[2], 1); err != ErrTrimmed {
		t.Errorf("trimmed by somebody else: %v", err)
	}
}

func TestCacheKeepsWhatWasUsedLast(t *testing.T) {
	t.Parallel()
	c := cache{limit: 4 * (100 + cacheOverhead)}
	for seq := range uint64(4) {
		c.put(seq, make([]byte, 100))
	}
	c.get(0)
	c.put(4, make([]byte, 100))
	c.put(5, make([]byte, 10000)) // larger than the limit
	c.put(4, make([]byte, 50))    // there already
	for seq, want := range []bool{true, false, true, true, true, false} {
		if _, got := c.get(uint64(seq)); got != want {
			t.Errorf("%d: %v", seq, got)
		}
	}
	if c.bytes() != c.limit {
		t.Errorf("%d bytes", c.bytes())
	}
}

func TestReplayProgressAndErrors(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	log.intrude("old", 0, flagFence)
	for i := range uint64(3000) {
		log.intrude("old", i+1, 0, "one", "two")
	}
	o := prepare(t, log)
	var last Progress
	calls := 0
	err := o.Claim(t.Context(), func(Pos, []byte) error { return nil }, func(p Progress) { last = p; calls++ })
	if err != nil || calls == 0 || last.Entries != 3005 || last.TotalEntries != 3005 || last.Records != 6000 || last.Bytes == 0 {
		t.Errorf("%d calls, %+v, %v", calls, last, err)
	}
	stop := errors.New("stop")
	o = prepare(t, log)
	n := 0
	err = o.Claim(t.Context(), func(Pos, []byte) error {
		if n++; n == 10 {
			return stop
		}
		return nil
	}, nil)
	if !errors.Is(err, stop) || n != 10 {
		t.Errorf("%d, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o = prepare(t, log)
	err = o.Claim(ctx, func(Pos, []byte) error { cancel(); return nil }, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("called off: %v", err)
	}
}

// TestTrimmedWhileReplayed has the former owner trim during a replay.
func TestTrimmedWhileReplayed(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	log.intrude("old", 0, flagFence)
	for i := range uint64(9) {
		log.intrude("old", i+1, 0, "x")
	}
	o := prepare(t, &trimmedLog{fakeLog: log, at: 4, to: 8})
	if err := o.claim(t); !errors.Is(err, ErrTrimmed) {
		t.Errorf("in the middle: %v", err)
	}
	o = prepare(t, &trimmedLog{fakeLog: log, at: 8, to: 9})
	if err := o.claim(t); err != nil || len(o.replayed) != 2 {
		t.Errorf("before the first: %q, %v", o.replayed, err)
	}
}

// trimmedLog is purged up to an entry when a Read arrives at another.
type trimmedLog struct {
	*fakeLog
	at, to uint64
}

func (l *trimmedLog) Read(ctx context.Context, from, to uint64, fn func(jet.Entry) error) error {
	if from >= l.at {
		l.Purge(ctx, l.to)
	}
	return l.fakeLog.Read(ctx, from, to, func(e jet.Entry) error {
		if e.Seq == l.at {
			l.Purge(ctx, l.to)
		}
		return fn(e)
	})
}
