package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

func TestAppendAndReplay(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	o := start(t, log)
	var want []string
	var places []Pos
	var last *Commit
	for i := range 1000 {
		rec := fmt.Sprintf("record %d %s", i, strings.Repeat("x", i%700))
		pos, c := o.add(t, rec)
		want, places, last = append(want, rec), append(places, pos), c
	}
	durable(t, last)
	for i, pos := range places {
		got, err := o.Read(t.Context(), pos, len(want[i]))
		if err != nil || string(got) != want[i] {
			t.Fatalf("record %d: read %q, %v", i, got, err)
		}
	}
	if err := o.close(t); err != nil {
		t.Fatal(err)
	}
	next := prepare(t, log)
	if err := next.claim(t); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(next.replayed, want) || !slices.Equal(next.places, places) {
		t.Fatal("replay brought something else")
	}
}

func TestGroupCommitOfManyCallers(t *testing.T) {
	t.Parallel()
	for inFlight := 1; inFlight <= MaxInFlightLimit; inFlight++ {
		t.Run(fmt.Sprint(inFlight), func(t *testing.T) {
			t.Parallel()
			log := newFakeLog(t)
			o := start(t, log, func(c *Config) { c.MaxInFlight, c.MaxAppend = inFlight, 4<<10 })
			const callers, each = 64, 50
			var mu sync.Mutex
			var order []string
			var wg sync.WaitGroup
			for c := range callers {
				wg.Go(func() {
					for i := range each {
						rec := fmt.Sprintf("%d/%d", c, i)
						mu.Lock()
						pos, commit, err := o.Append([]byte(rec))
						order = append(order, rec)
						mu.Unlock()
						if err != nil {
							t.Error(err)
							return
						}
						if got, ok := o.TryRead(pos, len(rec)); !ok || string(got) != rec {
							t.Errorf("just appended, read %q, %v", got, ok)
						}
						if err := commit.Wait(t.Context()); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			s := o.Stats()
			if s.Records != callers*each || s.PendingBytes != 0 || s.InFlight != 0 {
				t.Errorf("stats: %+v", s)
			}
			if got := replayOf(t, log); !slices.Equal(got, order) {
				t.Error("the log has another order than the calls")
			}
		})
	}
}

func TestGathersWhileAppendsAreUnderWay(t *testing.T) {
	t.Parallel()
	for inFlight := 1; inFlight <= MaxInFlightLimit; inFlight++ {
		log := newFakeLog(t)
		o := start(t, log, func(c *Config) { c.MaxInFlight = inFlight })
		hold := make(chan struct{})
		log.set(func(l *fakeLog) { l.hold = hold })
		var last *Commit
		for i := range 1000 {
			_, last = o.add(t, fmt.Sprint(i))
		}
		log.set(func(l *fakeLog) { l.hold = nil })
		close(hold)
		durable(t, last)
		if s := o.Stats(); s.Records != 1000 || s.Appends > uint64(inFlight)+1 {
			t.Errorf("%d in flight: %d appends", inFlight, s.Appends)
		}
	}
}

func TestBatchesAndBounds(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	o := prepare(t, log, func(c *Config) { c.MaxAppend, c.MaxPayload, c.MaxPending = 1<<10, 64<<10, 100<<10 })
	if _, _, err := o.Append(nil); !errors.Is(err, ErrClosed) {
		t.Fatalf("before Claim: %v", err)
	}
	if err := outcome(t, o.Barrier()); !errors.Is(err, ErrClosed) {
		t.Fatalf("before Claim: %v", err)
	}
	if err := o.Run(t.Context()); !errors.Is(err, ErrClosed) {
		t.Fatalf("before Claim: %v", err)
	}
	if err := o.claim(t); err != nil {
		t.Fatal(err)
	}
	// Nothing is published before Run, so the batches are what they are.
	a, ca := o.add(t, strings.Repeat("a", 500))
	b, cb := o.add(t, strings.Repeat("b", 300))
	c, cc := o.add(t, strings.Repeat("c", 500))
	d, cd := o.add(t, strings.Repeat("d", 60000))
	e, _ := o.add(t, "")
	if a.Append != b.Append || c.Append != a.Append+1 || d.Append != a.Append+2 || e.Append != a.Append+3 {
		t.Errorf("placed at %v %v %v %v %v", a, b, c, d, e)
	}
	if ca != cb || ca == cc || cc == cd {
		t.Error("commits are not one a batch")
	}
	if _, _, err := o.Append(make([]byte, 61<<10)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if _, _, err := o.Append(make([]byte, 59<<10)); !errors.Is(err, ErrBusy) {
		t.Errorf("busy: %v", err)
	}
	o.run(t)
	durable(t, cd)
	_, commit, err := o.Append(make([]byte, 59<<10))
	if err != nil {
		t.Fatalf("busy is not over: %v", err)
	}
	durable(t, commit)
	o.close(t)
	if _, _, err := o.Append(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	if got := replayOf(t, log); len(got) != 6 || got[4] != "" {
		t.Errorf("replayed %d", len(got))
	}
}

func TestBarrier(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	o := start(t, log)
	before, _ := log.Last(t.Context())
	durable(t, o.Barrier())
	if after, _ := log.Last(t.Context()); after != before+1 {
		t.Errorf("an idle barrier took %d appends", after-before)
	}
	hold := make(chan struct{})
	log.set(func(l *fakeLog) { l.hold = hold })
	c := o.Barrier()
	select {
	case <-c.Done():
		t.Error("barrier done before it was stored")
	default:
	}
	log.set(func(l *fakeLog) { l.hold = nil })
	close(hold)
	durable(t, c)
	other := start(t, log)
	if err := outcome(t, o.Barrier()); !errors.Is(err, ErrFenced) {
		t.Errorf("barrier of a fenced journal: %v", err)
	}
	durable(t, other.Barrier())
}

func TestFencedByAnother(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	old := start(t, log)
	_, c := old.add(t, "one")
	durable(t, c)
	next := start(t, log)
	if !slices.Equal(next.replayed, []string{"one"}) {
		t.Fatalf("replayed %q", next.replayed)
	}
	_, c = old.add(t, "two")
	if err := outcome(t, c); !errors.Is(err, ErrFenced) {
		t.Fatalf("the old owner's append: %v", err)
	}
	if err := old.failure(t); !errors.Is(err, ErrFenced) {
		t.Fatal(err)
	}
	if err := old.close(t); !errors.Is(err, ErrFenced) {
		t.Fatalf("Run: %v", err)
	}
	if _, _, err := old.Append([]byte("three")); !errors.Is(err, ErrFenced) {
		t.Fatal(err)
	}
	_, c = next.add(t, "four")
	durable(t, c)
	if got := replayOf(t, log); !slices.Equal(got, []string{"one", "four"}) {
		t.Fatalf("replayed %q", got)
	}
}

// TestPipelinedAppendsAfterFence has a fence take the place of the first of several appends under way: the
// others then find the last sequence that they expect, and are stored. They must not count.
func TestPipelinedAppendsAfterFence(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	o := prepare(t, log, func(c *Config) { c.MaxInFlight, c.MaxAppend = 4, 1<<10 })
	if err := o.claim(t); err != nil {
		t.Fatal(err)
	}
	came, all := 0, make(chan struct{})
	log.set(func(l *fakeLog) {
		l.hold = all // none is answered before all are under way
		l.onAppend = func(string) fault {
			switch came++; came {
			case 1:
				l.intrude("rival", 0, flagFence)
			case 4:
				close(all)
			}
			return works
		}
	})
	var commits []*Commit
	for i := range 4 {
		_, c := o.add(t, strings.Repeat(fmt.Sprint(i), 1000))
		commits = append(commits, c)
	}
	o.run(t)
	for _, c := range commits {
		if err := outcome(t, c); !errors.Is(err, ErrFenced) {
			t.Fatal(err)
		}
	}
	last, _ := log.Last(t.Context())
	if last != 4+1+3 {
		t.Fatalf("last is %d: the case did not come about", last)
	}
	next := start(t, log)
	if len(next.replayed) != 0 || next.Stats().StaleEntries != 3 {
		t.Fatalf("replayed %d records, stale %d", len(next.replayed), next.Stats().StaleEntries)
	}
	durable(t, next.Barrier())
}

// TestClaimBetweenPipelinedAppends has a former owner's appends arrive between a claim's fence entries.
func TestClaimBetweenPipelinedAppends(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	log.intrude("old", 0, flagFence)
	log.intrude("old", 1, 0, "kept")
	n := 0
	log.onAppend = func(string) fault {
		if n++; n > 1 && n < 5 {
			log.intrude("old", uint64(n+1), 0, "stale") // number 2 was fenced off
		}
		return works
	}
	o := start(t, log)
	if !slices.Equal(o.replayed, []string{"kept"}) || o.Stats().StaleEntries != 3 {
		t.Fatalf("replayed %q, stale %d", o.replayed, o.Stats().StaleEntries)
	}
	_, c := o.add(t, "more")
	durable(t, c)
	if got := replayOf(t, log); !slices.Equal(got, []string{"kept", "more"}) {
		t.Fatalf("replayed %q", got)
	}
}

func TestClaimLosesToAnotherClaim(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	n := 0
	log.onAppend = func(string) fault {
		if n++; n == 3 {
			log.intrude("rival", 0, flagFence)
		}
		return works
	}
	o := prepare(t, log)
	if err := o.claim(t); !errors.Is(err, ErrFenced) {
		t.Fatal(err)
	}
	if err := o.failure(t); !errors.Is(err, ErrFenced) {
		t.Fatal(err)
	}
}

func TestClaimBeatsABusyWriter(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	log.intrude("old", 0, flagFence)
	n := uint64(0)
	log.onAppend = func(string) fault {
		if n++; n <= 10 {
			log.intrude("old", n, 0, "x")
		}
		return works
	}
	o := start(t, log)
	if len(o.replayed) != 10 {
		t.Fatalf("replayed %d", len(o.replayed))
	}
}

func TestAnswersThatWentWrong(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		faults []fault // of the appends after the claim, in order
		err    error
		kept   int // of three records in an append each
	}{
		{"fine", nil, nil, 3},
		{"lost answer", []fault{lostAnswer}, nil, 3},
		{"all answers lost", []fault{lostAnswer, lostAnswer, lostAnswer}, nil, 3},
		{"not stored", []fault{unreachable}, nil, 3},
		{"not stored twice", []fault{unreachable, works, works, unreachable, unreachable}, nil, 3},
		{"second not stored", []fault{works, unreachable}, nil, 3},
		{"second lost, third not stored", []fault{works, lostAnswer, unreachable}, nil, 3},
		{"held up", []fault{late}, nil, 3},
		{"all held up", []fault{late, late, late}, nil, 3},
		{"full", []fault{works, full}, ErrFull, 1},
		{"full at once", []fault{full}, ErrFull, 0},
		{"broken", []fault{works, works, broken}, context.DeadlineExceeded, 2},
		{"unknown, then full", []fault{unreachable, works, full, full}, ErrFull, 0},
	} {
		for inFlight := 1; inFlight <= 4; inFlight++ {
			t.Run(fmt.Sprintf("%s/%d", tc.name, inFlight), func(t *testing.T) {
				t.Parallel()
				log := newFakeLog(t)
				o := prepare(t, log, func(c *Config) { c.MaxInFlight, c.MaxAppend = inFlight, 1<<10 })
				if err := o.claim(t); err != nil {
					t.Fatal(err)
				}
				n := 0
				log.set(func(l *fakeLog) {
					l.onAppend = func(string) fault {
						if n++; n <= len(tc.faults) {
							return tc.faults[n-1]
						}
						return works
					}
				})
				var commits []*Commit
				var recs []string
				for i := range 3 {
					recs = append(recs, strings.Repeat(fmt.Sprint(i), 1000))
					_, c := o.add(t, recs[i])
					commits = append(commits, c)
				}
				o.run(t)
				acknowledged := 0
				for _, c := range commits {
					switch err := outcome(t, c); {
					case err == nil:
						acknowledged++
					case tc.err == nil || !errors.Is(err, tc.err):
						t.Fatalf("got %v", err)
					}
				}
				if tc.err == nil && acknowledged != 3 {
					t.Fatalf("%d acknowledged", acknowledged)
				}
				if tc.err != nil {
					if err := o.failure(t); !errors.Is(err, tc.err) {
						t.Fatal(err)
					}
				}
				log.set(func(l *fakeLog) { l.onAppend = nil })
				got := replayOf(t, log)
				if len(got) < acknowledged || !slices.Equal(got, recs[:len(got)]) {
					t.Fatalf("%d acknowledged, %d replayed", acknowledged, len(got))
				}
				if inFlight == 1 && len(got) != tc.kept && tc.name != "unknown, then full" {
					t.Errorf("%d replayed, not %d", len(got), tc.kept)
				}
			})
		}
	}
}

func TestGivesUpWhenUnreachable(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	o := start(t, log, func(c *Config) { c.GiveUp = 50 * time.Millisecond })
	log.set(func(l *fakeLog) { l.onAppend = func(string) fault { return unreachable } })
	_, c := o.add(t, "x")
	if err := outcome(t, c); !errors.Is(err, ErrUnavailable) || !errors.Is(err, jet.ErrUnavailable) {
		t.Fatal(err)
	}
	o = start(t, newFakeLog(t), func(c *Config) { c.GiveUp = 50 * time.Millisecond })
	o.cfg.Log.(*fakeLog).set(func(l *fakeLog) {
		l.onAppend = func(string) fault { return unreachable }
		l.onGet = func(uint64) error { return jet.ErrUnavailable }
	})
	_, c = o.add(t, "x")
	if err := outcome(t, c); !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
}

// TestFencedAndTrimmed has a new owner take the place of an append, and trim it before the old one looks.
func TestFencedAndTrimmed(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	o := start(t, log)
	log.set(func(l *fakeLog) {
		l.onAppend = func(string) fault {
			for i := range uint64(8) {
				l.intrude("rival", i, flagFence)
			}
			l.first, l.entries = l.last(), l.entries[len(l.entries)-1:]
			return works
		}
	})
	_, c := o.add(t, "x")
	if err := outcome(t, c); !errors.Is(err, ErrFenced) {
		t.Fatal(err)
	}
}

func TestLogThatForgot(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	o := start(t, log, func(c *Config) { c.GiveUp = 20 * time.Millisecond })
	_, c := o.add(t, "x")
	durable(t, c)
	log.set(func(l *fakeLog) { l.entries = l.entries[:2] })
	_, c = o.add(t, "y")
	if err := outcome(t, c); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "was acknowledged") {
		t.Fatal(err)
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	o := start(t, log)
	hold := make(chan struct{})
	log.set(func(l *fakeLog) { l.hold = hold })
	var commits []*Commit
	for i := range 100 {
		_, c := o.add(t, fmt.Sprint(i))
		commits = append(commits, c)
	}
	o.stop()
	eventually(t, "it takes nothing more", func() bool { return o.Err() != nil })
	select {
	case <-o.ended:
		t.Fatal("ended with answers open")
	default:
	}
	log.set(func(l *fakeLog) { l.hold = nil })
	close(hold)
	if err := o.close(t); err != nil {
		t.Fatal(err)
	}
	for _, c := range commits {
		durable(t, c)
	}
	select {
	case <-o.Failed():
		t.Error("a clean stop is no failure")
	default:
	}
	if err := o.Err(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestStopGivesUp(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	o := start(t, log, func(c *Config) { c.FlushTimeout = 20 * time.Millisecond })
	hold := make(chan struct{})
	log.set(func(l *fakeLog) { l.hold = hold })
	_, c := o.add(t, "x")
	if err := o.close(t); err != nil {
		t.Fatal(err)
	}
	if err := outcome(t, c); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	close(hold)
}

// TestStopGivesUpWhileResolving stops a journal that goes on asking an unreachable log.
func TestStopGivesUpWhileResolving(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	o := start(t, log, func(c *Config) { c.FlushTimeout = 30 * time.Millisecond; c.GiveUp = time.Minute })
	log.set(func(l *fakeLog) {
		l.onAppend = func(string) fault { return unreachable }
		l.onGet = func(uint64) error { return jet.ErrUnavailable }
	})
	_, c := o.add(t, "x")
	if err := o.close(t); err != nil {
		t.Fatal(err)
	}
	if err := outcome(t, c); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

func TestWaitEndsWithContext(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	o := prepare(t, log)
	if err := o.claim(t); err != nil {
		t.Fatal(err)
	}
	_, c := o.add(t, "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	for name, c := range map[string]Config{
		"no log":            {Writer: "w"},
		"no writer":         {Log: log},
		"long writer":       {Log: log, Writer: strings.Repeat("w", 65)},
		"in flight":         {Log: log, Writer: "w", MaxInFlight: 5},
		"payload":           {Log: log, Writer: "w", MaxPayload: 1000},
		"append":            {Log: log, Writer: "w", MaxAppend: 9 << 20},
		"pending":           {Log: log, Writer: "w", MaxPending: 100},
		"negative":          {Log: log, Writer: "w", CacheBytes: -1},
		"negative duration": {Log: log, Writer: "w", TrimEvery: -1},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := New(Config{Log: log, Writer: "w"}); err != nil {
		t.Error(err)
	}
}
