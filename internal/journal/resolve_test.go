package journal

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// A log that can't be reached is asked again after pauses that grow to a second,
// until it gives up.
func TestResolvePauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(t)
		o := start(t, log, func(c *Config) { c.GiveUp = 10 * time.Second })
		began := time.Now()
		var at []time.Duration
		log.set(func(l *fakeLog) {
			l.onAppend = func(string) fault { return unreachable }
			l.onGet = func(uint64) error { at = append(at, time.Since(began)); return jet.ErrUnavailable }
		})
		_, c := o.add(t, "x")
		if err := outcome(t, c); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "append 5") {
			t.Errorf("commit: %v", err)
		}
		ms := time.Millisecond
		for i, want := range []time.Duration{0, 20 * ms, 60 * ms, 140 * ms, 300 * ms, 620 * ms, 1260 * ms, 2260 * ms, 3260 * ms} {
			if i >= len(at) || at[i] != want {
				t.Fatalf("asked after %v, the %d. should be %v", at, i, want)
			}
		}
		if d := time.Since(began); d < 10*time.Second || d > 12*time.Second {
			t.Errorf("gave up after %v", d)
		}
		if err := o.close(t); !errors.Is(err, ErrUnavailable) {
			t.Errorf("Run: %v", err)
		}
	})
}

// When it can be reached again, all goes on, and the next trouble begins anew.
func TestResolveGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(t)
		o := start(t, log)
		for range 3 { // longer in all than it gives up after
			log.set(func(l *fakeLog) {
				l.onAppend = func(string) fault { return unreachable }
				l.onGet = func(uint64) error { return jet.ErrUnavailable }
			})
			_, c := o.add(t, "x")
			time.Sleep(3 * time.Second)
			log.set(func(l *fakeLog) { l.onAppend, l.onGet = nil, nil })
			durable(t, c)
		}
		_, c := o.add(t, "y")
		durable(t, c)
		if got := replayOf(t, log); len(got) != 4 {
			t.Errorf("replayed %q", got)
		}
	})
}

// What the log says that is neither of the two ends the journal.
func TestResolveFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		set  func(l *oddLog)
		want string
	}{
		"a look fails": {func(l *oddLog) {
			l.onAppend = func(string) fault { return unreachable }
			l.onGet = func(uint64) error { return errOdd }
		}, errOdd.Error()},
		"the last entry is not told": {func(l *oddLog) {
			l.onAppend = func(string) fault { return unreachable }
			l.onBounds = func(int) (uint64, uint64, error, bool) { return 0, 0, errOdd, true }
		}, errOdd.Error()},
		"it was stored elsewhere": {func(l *oddLog) {
			l.onDone = func(seq uint64, err error) (uint64, error) { return seq + 1, err }
		}, "append 5 was stored as 6"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log := &oddLog{fakeLog: newFakeLog(t)}
				o := start(t, log)
				log.set(func(*fakeLog) { test.set(log) })
				_, c := o.add(t, "x")
				if err := outcome(t, c); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("commit: %v", err)
				}
				_, _, err := o.Append([]byte("y"))
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("an append after it: %v", err)
				}
			})
		})
	}
}

// Which entries stand where an append should, and what that means.
func TestLook(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	for i := range uint64(5) {
		log.intrude("w", i, 0)
	}
	for _, test := range []struct {
		seq  uint64
		id   string
		want verdict
		err  error
	}{
		{5, "w/4", stored, nil},
		{5, "w/9", foreign, nil},
		{6, "w/5", absent, nil},
		{7, "w/6", 0, jet.ErrUnavailable}, // what is before it is missing
	} {
		got, err := look(t.Context(), log, test.seq, test.id)
		if got != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s at %d: %v, %v", test.id, test.seq, got, err)
		}
	}
	// Trimmed already, so another owned it.
	if err := log.Purge(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	if got, err := look(t.Context(), log, 3, "w/2"); got != foreign || err != nil {
		t.Errorf("a place that is trimmed: %v, %v", got, err)
	}
	odd := &oddLog{fakeLog: log, onBounds: func(int) (uint64, uint64, error, bool) { return 0, 0, errOdd, true }}
	if _, err := look(t.Context(), odd, 6, "w/5"); err != errOdd {
		t.Errorf("the last entry is not told: %v", err)
	}
}

func TestRest(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	if err := rest(ctx, 0); err != nil {
		t.Error(err)
	}
	cancel()
	for _, d := range []time.Duration{0, time.Hour} {
		if err := rest(ctx, d); !errors.Is(err, context.Canceled) {
			t.Errorf("%v: %v", d, err)
		}
	}
}

// A journal that fails tells all who wait, holds nothing back, and ends.
func TestFailTellsAll(t *testing.T) {
	t.Parallel()
	o := still(t, func(c *Config) { c.MaxAppend = 1 << 10 })
	_, sealed := o.add(t, strings.Repeat("x", 1000))
	_, gathered := o.add(t, "y")
	o.fail(errOdd)
	for _, c := range []*Commit{sealed, gathered, o.Barrier()} {
		select {
		case <-c.Done():
			if c.Err() != errOdd {
				t.Errorf("commit: %v", c.Err())
			}
		default:
			t.Error("one who waits is not told")
		}
	}
	if s := o.Stats(); s.PendingBytes != 0 || s.InFlight != 0 {
		t.Errorf("%+v", s)
	}
	o = start(t, newFakeLog(t))
	o.fail(errOdd)
	select { // nobody stops it
	case err := <-o.ended:
		o.ended <- err
		if err != errOdd {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(patience):
		t.Error("Run does not end")
	}
}

func TestRunOnce(t *testing.T) {
	t.Parallel()
	o := start(t, newFakeLog(t))
	_, c := o.add(t, "x")
	durable(t, c) // it runs
	if err := o.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a second Run: %v", err)
	}
}

// A journal that fails while it stops says so.
func TestFailsWhileStopping(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(t)
		o := start(t, log)
		hold := make(chan struct{})
		log.set(func(l *fakeLog) { l.hold = hold; l.onAppend = func(string) fault { return full } })
		_, c := o.add(t, "x")
		synctest.Wait()
		o.stop()
		synctest.Wait()
		close(hold)
		if err := outcome(t, c); !errors.Is(err, ErrFull) {
			t.Errorf("commit: %v", err)
		}
		if err := o.close(t); !errors.Is(err, ErrFull) {
			t.Errorf("Run: %v", err)
		}
	})
}

// The latency that hooks are told is that from publishing to the answer.
func TestLatency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(t)
		var told time.Duration
		o := start(t, log, func(c *Config) { c.Observe.Appended = func(d time.Duration, _, _ int) { told = d } })
		time.Sleep(time.Hour)
		hold := make(chan struct{})
		log.set(func(l *fakeLog) { l.hold = hold })
		_, c := o.add(t, "x")
		time.Sleep(3 * time.Second)
		close(hold)
		durable(t, c)
		synctest.Wait()
		if told != 3*time.Second {
			t.Errorf("told %v, want 3 s", told)
		}
	})
}

// Figures are of this moment, whether or not somebody looked before.
func TestStatsMoveTheFront(t *testing.T) {
	t.Parallel()
	o := start(t, newFakeLog(t), func(c *Config) { c.MaxAppend, c.TrimEvery = 1<<10, time.Hour })
	var last *Commit
	var at Pos
	for range 3 {
		at, last = o.add(t, strings.Repeat("x", 1000))
	}
	durable(t, last)
	if s := o.Stats(); s.First != at.Append {
		t.Errorf("the first that may hold something is %d, want %d", s.First, at.Append)
	}
}

// What does not fit into a header or an entry is damage, to the byte.
func TestDecodeBounds(t *testing.T) {
	t.Parallel()
	reseal := func(change func(b []byte)) []byte {
		b := build("writer", 1, 0, "record")
		change(b)
		records := int(b[offRecords])
		seal(b, records)
		return b
	}
	for name, test := range map[string]struct {
		data  []byte
		ok    bool
		newer bool
	}{
		"whole":                  {reseal(func([]byte) {}), true, false},
		"the longest writer":     {build(strings.Repeat("w", maxWriterLen), 1, 0), true, false},
		"too long a writer":      {build(strings.Repeat("w", maxWriterLen+1), 1, 0), false, false},
		"no writer":              {reseal(func(b []byte) { b[offWriter] = 0 }), false, false},
		"a longer header":        {reseal(func(b []byte) { b[offHeader]--; b[offWriter]-- }), false, false},
		"a writer that is cut":   {reseal(func(b []byte) { b[offHeader]-- }), false, false},
		"a header beyond":        {reseal(func(b []byte) { b[offHeader] = byte(len(b) + 1) }), false, false},
		"nothing but a header":   {build("writer", 1, flagFence), true, false},
		"an older format":        {reseal(func(b []byte) { b[offVersion] = 0 }), false, false},
		"a newer format":         {reseal(func(b []byte) { b[offVersion] = formatVersion + 1 }), false, true},
		"a record less":          {reseal(func(b []byte) { b[offRecords] = 0 }), false, false},
		"a record more":          {reseal(func(b []byte) { b[offRecords] = 2 }), false, false},
		"a record that is long":  {reseal(func(b []byte) { b[len(b)-7]++ }), false, false},
		"a record that is short": {reseal(func(b []byte) { b[len(b)-7]-- }), false, false},
	} {
		_, _, err := records(1, test.data)
		if (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
		if c := corrupt(err); err != nil && (c == nil || c.Newer != test.newer) {
			t.Errorf("%s: %v, newer %v", name, err, c != nil && c.Newer)
		}
	}
	data := build("w", 1, 0, "record")
	for _, test := range []struct {
		offset uint32
		n      int
		ok     bool
	}{
		{minHeader, 1, true}, {minHeader - 1, 1, false}, {minHeader, 0, true}, {minHeader, -1, false},
		{uint32(len(data)), 0, true}, {uint32(len(data)), 1, false}, {uint32(len(data) - 1), 1, true},
	} {
		if got := part(data, test.offset, test.n); (got != nil) != test.ok || test.ok && len(got) != test.n {
			t.Errorf("%d bytes at %d: %v", test.n, test.offset, got)
		}
	}
}
