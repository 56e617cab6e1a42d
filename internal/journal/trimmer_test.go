package journal

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// purgeLog is a log whose Purge can fail.
type purgeLog struct {
	*fakeLog
	fails atomic.Int64 // so many more times
	tried atomic.Int64
}

func (l *purgeLog) Purge(ctx context.Context, before uint64) error {
	l.tried.Add(1)
	if l.fails.Add(-1) >= 0 {
		return jet.ErrUnavailable
	}
	return l.fakeLog.Purge(ctx, before)
}

// trimming is a journal in virtual time, with five records of 1,000 bytes, each
// in an append of its own, and retained.
func trimming(t *testing.T, change ...func(*Config)) (*owner, *purgeLog, []Pos) {
	t.Helper()
	log := &purgeLog{fakeLog: newFakeLog(t)}
	o := start(t, log, append([]func(*Config){func(c *Config) { c.MaxAppend = 1 << 10 }}, change...)...)
	var places []Pos
	for range 5 {
		pos, c := o.add(t, strings.Repeat("x", 1000))
		o.Retain(pos.Append, 1, 1000)
		places = append(places, pos)
		durable(t, c)
	}
	return o, log, places
}

// A removal that fails is tried again, and counted once.
func TestTrimTriesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var hooked atomic.Uint64
		o, log, places := trimming(t, func(c *Config) { c.Observe.Trimmed = func(n uint64) { hooked.Add(n) } })
		time.Sleep(time.Minute)
		if log.firstEntry() != places[0].Append || o.Stats().Trimmed != places[0].Append-1 {
			t.Fatalf("the fences are not trimmed: %d are, the log begins at %d", o.Stats().Trimmed, log.firstEntry())
		}
		log.fails.Store(3)
		tried := log.tried.Load()
		o.Release(places[0].Append, 1000)
		o.Release(places[1].Append, 1000)
		time.Sleep(time.Minute)
		synctest.Wait()
		if log.firstEntry() != places[2].Append || log.tried.Load()-tried != 4 {
			t.Errorf("the log begins at %d, want %d; tried %d times, want 4", log.firstEntry(), places[2].Append, log.tried.Load()-tried)
		}
		if want := places[2].Append - 1; o.Stats().Trimmed != want || hooked.Load() != want {
			t.Errorf("%d are trimmed, the hook told of %d; want %d", o.Stats().Trimmed, hooked.Load(), want)
		}
	})
}

// A journal that stops while it can't trim ends all the same.
func TestStopWhileTrimming(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, log, places := trimming(t)
		log.fails.Store(1 << 40)
		o.Release(places[0].Append, 1000)
		time.Sleep(time.Minute)
		if log.tried.Load() < 10 {
			t.Errorf("a removal that fails is tried %d times in a minute", log.tried.Load())
		}
		if err := o.close(t); err != nil {
			t.Error(err)
		}
	})
}

// What is retained again while it waits to be trimmed stays.
func TestRetainedWhileTrimWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, log, places := trimming(t)
		time.Sleep(time.Minute)
		for _, pos := range places[:3] {
			o.Release(pos.Append, 1000)
		}
		durable(t, o.Barrier())
		synctest.Wait()
		o.Retain(places[1].Append, 1, 1000)
		time.Sleep(time.Minute)
		if log.firstEntry() != places[1].Append {
			t.Errorf("the log begins at %d, want %d", log.firstEntry(), places[1].Append)
		}
		if s := o.Stats(); s.First != places[1].Append || s.LiveItems != 3 || s.LiveBytes != 3000 {
			t.Errorf("%+v", s)
		}
		o.Release(places[1].Append, 1000)
		time.Sleep(time.Minute)
		if log.firstEntry() != places[3].Append {
			t.Errorf("the log begins at %d, want %d", log.firstEntry(), places[3].Append)
		}
	})
}

// When trimming is due: at once for much, after a while for little, and at once
// for little too while space is scarce.
func TestTrimIsDue(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		bytes  int64 // TrimBytes
		scarce int64
		room   int64
		within time.Duration
	}{
		"much":                             {500, 0, 0, time.Second},
		"little":                           {1 << 20, 0, 0, 5 * time.Second},
		"while space is scarce":            {1000, 1, 0, scarceTrimEvery},
		"little, while it is scarce":       {2 << 20, 1, 0, 5 * time.Second},
		"little for which rewriting waits": {1 << 20, 0, 1500, 2 * scarceTrimEvery},
		"little for which rewriting does not wait": {1 << 20, 0, 1 << 20, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o, log, places := trimming(t, func(c *Config) { c.TrimBytes = test.bytes })
				o.SpaceShort(test.scarce)
				o.RewriteWithin(test.room)
				time.Sleep(time.Minute)
				// What was trimmed last counts from there.
				o.Release(places[0].Append, 1000)
				time.Sleep(time.Minute)
				o.Release(places[1].Append, 1000)
				o.Release(places[2].Append, 1000)
				beginsWithin(t, log.fakeLog, places[3].Append, time.Now(), test.within)
			})
		})
	}
}

// beginsWithin waits, in virtual time, until the log begins with an entry, and wants
// that at most so long after began.
func beginsWithin(t *testing.T, log *fakeLog, entry uint64, began time.Time, within time.Duration) {
	t.Helper()
	for log.firstEntry() != entry {
		if time.Since(began) > time.Minute {
			t.Fatal("nothing is trimmed")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
	}
	if took := time.Since(began); took > within+2*time.Millisecond {
		t.Errorf("trimmed after %v, want %v", took, within)
	}
}

func TestFlushed(t *testing.T) {
	t.Parallel()
	o := still(t)
	if err := o.flushed(t.Context()); err != nil {
		t.Errorf("with nothing appended: %v", err)
	}
	o.add(t, "x")
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := o.flushed(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a record that is not stored: %v", err)
	}
	o.fail(errOdd)
	if err := o.flushed(t.Context()); err != errOdd {
		t.Errorf("of a journal that failed: %v", err)
	}
}

// Bytes below 0 are none.
func TestRetainBelowZero(t *testing.T) {
	t.Parallel()
	o := still(t)
	pos, _ := o.add(t, "x")
	o.Retain(pos.Append, 1, -5)
	o.Retain(pos.Append, 1, 7)
	o.seal()
	if s := o.Stats(); s.LiveItems != 2 || s.LiveBytes != 7 {
		t.Errorf("%+v", s)
	}
	o.Release(pos.Append, -5)
	if s := o.Stats(); s.LiveItems != 1 || s.LiveBytes != 7 {
		t.Errorf("%+v", s)
	}
	o.SpaceShort(-1)
	if o.ring.shortBy() > 0 {
		t.Error("space is short by less than nothing")
	}
}
