package journal

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/waystation/waystation/internal/jet"
)

// claimed stores a writer's first fence, which says of late entries before it. mu is held.
func (l *fakeLog) claimed(writer string, late uint32) {
	data := build(writer, 0, flagFence)
	setLate(data, late)
	seal(data, 0)
	_, _ = l.store(request{data: data, id: entryID(writer, 0), expect: l.last()})
}

// TestRemovalCutShort claims logs that begin with an entry that does not count, as a removal may leave them
// that was under way when the log's server died.
func TestRemovalCutShort(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fill func(l *fakeLog)
		want []string
	}{
		"behind the first fence": {func(l *fakeLog) {
			l.intrude("a", 3, 0, "stale")
			l.intrude("a", 4, 0, "stale")
			l.intrude("a", 5, 0, "stale")
			l.intrude("b", 1, flagFence)
			l.intrude("b", 2, flagFence)
			l.intrude("b", 3, flagFence)
			l.intrude("b", 4, 0, "b 4")
		}, []string{"b 4"}},
		"behind the second": {func(l *fakeLog) {
			l.intrude("a", 3, 0, "stale")
			l.intrude("b", 2, flagFence)
			l.intrude("a", 4, 0, "stale")
			l.intrude("b", 3, flagFence)
		}, nil},
		"before a first fence": {func(l *fakeLog) {
			l.intrude("a", 3, 0, "a 3")
			l.claimed("b", 0)
			l.intrude("b", 1, flagFence)
		}, []string{"a 3"}},
		"before its own fences": {func(l *fakeLog) {
			for i := range uint64(3) {
				l.intrude("b", i+1, flagFence)
			}
			l.intrude("b", 4, 0, "b 4")
		}, []string{"b 4"}},
		"behind another's only fence": {func(l *fakeLog) {
			l.intrude("a", 3, 0, "stale")
			l.intrude("a", 4, 0, "stale")
			l.intrude("a", 5, 0, "stale")
			l.claimed("c", 3)
			l.intrude("c", 1, flagFence)
			l.intrude("c", 2, flagFence)
			l.intrude("c", 3, flagFence)
			l.intrude("c", 4, 0, "c 4")
		}, []string{"c 4"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := newFakeLog(t)
			test.fill(log)
			if got := replayOf(t, log); !slices.Equal(got, test.want) {
				t.Errorf("replayed %q, want %q", got, test.want)
			}
		})
	}
}

// TestClaimTellsOfLateEntries has one claim end after its first fence, a former owner's appends arrive behind
// it, and removals that are cut short at any entry from there on: whatever the log begins with, no later claim
// replays them, and each replays all that counts.
func TestClaimTellsOfLateEntries(t *testing.T) {
	t.Parallel()
	for arrived := range uint64(MaxInFlightLimit) {
		log := newFakeLog(t)
		log.claimed("a", 0)
		log.intrude("a", 1, 0, "a 1")
		log.claimed("b", 0)
		for i := range arrived {
			log.intrude("a", i+3, 0, "stale")
		}
		c := start(t, log)
		_, commit := c.add(t, "c")
		durable(t, commit)
		if !slices.Equal(c.replayed, []string{"a 1"}) {
			t.Fatalf("%d arrived: replayed %q", arrived, c.replayed)
		}
		c.close(t)
		for log.firstEntry() < 4+arrived { // c's first fence
			next := log.firstEntry() + 1
			if err := log.Purge(t.Context(), next); err != nil {
				t.Fatal(err)
			}
			want := []string{"c"}
			if next <= 2 {
				want = []string{"a 1", "c"}
			}
			if got := replayOf(t, log); !slices.Equal(got, want) {
				t.Errorf("%d arrived, the log begins at %d: replayed %q, want %q", arrived, next, got, want)
			}
		}
	}
}

// TestLate counts the late entries at the end of logs.
func TestLate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fill func(l *fakeLog)
		want uint32
	}{
		"none":         {func(l *fakeLog) { l.claimed("a", 0); l.intrude("a", 1, 0) }, 0},
		"empty":        {func(*fakeLog) {}, 0},
		"a fence":      {func(l *fakeLog) { l.claimed("a", 0); l.claimed("b", 0) }, 0},
		"one":          {func(l *fakeLog) { l.claimed("b", 0); l.intrude("a", 7, 0) }, 1},
		"of two":       {func(l *fakeLog) { l.claimed("b", 0); l.intrude("a", 7, 0); l.intrude("a", 8, 0) }, 2},
		"three":        {func(l *fakeLog) { l.claimed("b", 0); arrive(l, 3) }, 3},
		"of its own":   {func(l *fakeLog) { l.claimed("a", 0); arrive(l, 3) }, 0},
		"more than so": {func(l *fakeLog) { l.claimed("b", 0); arrive(l, 4) }, 0},
		"trimmed":      {func(l *fakeLog) { l.claimed("b", 0); arrive(l, 3); l.first, l.entries = 3, l.entries[2:] }, 0},
		"behind later fences": {func(l *fakeLog) {
			l.claimed("b", 0)
			l.intrude("a", 7, 0)
			l.intrude("b", 1, flagFence)
			l.intrude("a", 8, 0)
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := newFakeLog(t)
			test.fill(log)
			if got, err := prepare(t, log).late(t.Context(), log.last()); got != test.want || err != nil {
				t.Errorf("%d, %v; want %d", got, err, test.want)
			}
		})
	}
}

func arrive(l *fakeLog, n uint64) {
	for i := range n {
		l.intrude("a", 7+i, 0)
	}
}

// An entry that is there and not found is looked for again, and taken for trimmed only when it is.
func TestLateEntryIsLookedForAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(t)
		log.claimed("b", 0)
		log.intrude("a", 7, 0)
		asked := 0
		log.onGet = func(uint64) error {
			if asked++; asked < 3 {
				return jet.ErrNotFound
			}
			return nil
		}
		if got, err := prepare(t, log).late(t.Context(), log.last()); got != 1 || err != nil {
			t.Errorf("%d, %v", got, err)
		}
		log.onGet = func(uint64) error { return errOdd }
		if _, err := prepare(t, log).late(t.Context(), log.last()); !errors.Is(err, errOdd) {
			t.Errorf("an entry that cannot be read: %v", err)
		}
		if err := prepare(t, log).claim(t); !errors.Is(err, errOdd) {
			t.Errorf("a claim where it cannot be read: %v", err)
		}
	})
}

// An entry that is there and is never found is damage: it is told, with its number.
func TestLateEntryIsMissing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(t)
		log.claimed("a", 0)
		for i := range uint64(3) {
			log.intrude("a", i+1, 0, "x")
		}
		log.onGet = func(seq uint64) error {
			if seq == 3 {
				return jet.ErrNotFound
			}
			return nil
		}
		if err := corrupt(prepare(t, log).claim(t)); err == nil || err.Seq != 3 {
			t.Errorf("claim: %v", err)
		}
		// Not if the log was away for a while: it may be that it is only not there yet.
		asked := 0
		log.onGet = func(uint64) error {
			if asked++; asked < 5 {
				return jet.ErrUnavailable
			}
			return jet.ErrNotFound
		}
		if err := prepare(t, log).claim(t); !errors.Is(err, ErrUnavailable) || corrupt(err) != nil {
			t.Errorf("claim of a log that was away: %v", err)
		}
		if got := log.last(); got != 4 {
			t.Errorf("the log reaches to %d: it was claimed", got)
		}
	})
}

// A log that is trimmed between the look at its bounds and its replay begins, for its new owner, where it then
// begins, also when that is an entry that does not count.
func TestTrimmedUpToLateEntries(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	log.claimed("a", 0)
	log.intrude("a", 1, 0, "a 1")
	log.claimed("b", 0)
	log.intrude("a", 3, 0, "stale")
	log.claimed("c", 1)
	log.intrude("c", 1, 0, "c 1")
	o := prepare(t, &trimmedLog{fakeLog: log, at: 1, to: 4})
	if err := o.claim(t); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.replayed, []string{"c 1"}) {
		t.Errorf("replayed %q", o.replayed)
	}
}
