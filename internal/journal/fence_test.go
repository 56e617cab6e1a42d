package journal

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/waystation/waystation/internal/jet"
)

// A fence that did not reach the log is published again, whichever of them it is: it is
// not taken for another's claim.
func TestFenceIsPublishedAgain(t *testing.T) {
	t.Parallel()
	for lost := range MaxInFlightLimit {
		synctest.Test(t, func(t *testing.T) {
			log := newFakeLog(t)
			n := 0
			log.onAppend = func(string) fault {
				if n++; n == lost+1 {
					return unreachable
				}
				return works
			}
			o := prepare(t, log)
			if err := o.claim(t); err != nil {
				t.Errorf("the fence of number %d was lost once: %v", lost, err)
			}
			if got := log.last(); got != MaxInFlightLimit {
				t.Errorf("%d fences in the log", got)
			}
		})
	}
}

// A fence that was stored is looked for until it is found: a leader that has just come to
// its office may not have it for a moment. Stored once more it would make the log one that
// nobody can read.
func TestStoredFenceIsLookedForAgain(t *testing.T) {
	t.Parallel()
	for lost := range MaxInFlightLimit {
		synctest.Test(t, func(t *testing.T) {
			log := newFakeLog(t)
			n, gets := 0, 0
			log.onAppend = func(string) fault {
				if n++; n == lost+1 {
					return lostAnswer
				}
				return works
			}
			log.onGet = func(uint64) error {
				if gets++; gets <= 5 {
					return jet.ErrNotFound
				}
				return nil
			}
			if err := prepare(t, log).claim(t); err != nil {
				t.Errorf("the answer to the fence of number %d was lost: %v", lost, err)
			}
			if got := log.last(); got != MaxInFlightLimit {
				t.Errorf("%d fences in the log", got)
			}
		})
	}
}

// One that finds another's fence trimmed already has lost: it writes no further ones.
func TestClaimEndsAtATrimmedFence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(t)
		tries := 0
		log.onAppend = func(string) fault {
			if tries++; tries == 2 {
				log.intrude("rival", 0, flagFence)
				log.intrude("rival", 1, flagFence)
				log.first, log.entries = log.last(), log.entries[1:]
			}
			return works
		}
		log.onGet = func(seq uint64) error {
			if seq < log.first {
				return jet.ErrNotFound
			}
			return nil
		}
		if err := prepare(t, log).claim(t); !errors.Is(err, ErrFenced) {
			t.Errorf("claim: %v", err)
		}
		if tries != 2 {
			t.Errorf("%d fences were tried, the second was too late", tries)
		}
	})
}

// A claim that is called off while the log cannot be reached says so, and takes nothing for
// stored.
func TestAgainIsCalledOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := prepare(t, newFakeLog(t))
		ctx, cancel := context.WithCancel(t.Context())
		_, err := again(ctx, o.Journal, func() (verdict, error) {
			cancel()
			return stored, jet.ErrUnavailable
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("called off: %v", err)
		}
	})
}

// What is said once and not again still counts: the bounds of the log, and its first entries.
func TestClaimFailsAtOnce(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(l *oddLog){
		"the bounds are not told": func(l *oddLog) {
			l.onBounds = func(n int) (uint64, uint64, error, bool) { return 1, 9, errOdd, n == 1 }
		},
		"where it begins cannot be read": func(l *oddLog) {
			n := 0
			l.onRead = func(context.Context, uint64, uint64, func(jet.Entry) error) (error, bool) {
				n++
				return errOdd, n == 1
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &oddLog{fakeLog: newFakeLog(t)}
			log.intrude("old", 0, flagFence)
			set(log)
			if err := prepare(t, log).claim(t); !errors.Is(err, errOdd) {
				t.Errorf("claim: %v", err)
			}
		})
	}
}

// A replay that is called off reads no further entry, even in the midst of a chunk.
func TestReadIsCalledOff(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	read := 0
	log := &oddLog{fakeLog: newFakeLog(t)}
	log.onRead = func(_ context.Context, from, to uint64, fn func(jet.Entry) error) (error, bool) {
		for seq := from; seq <= to; seq++ {
			read++
			if seq == 3 {
				cancel()
			}
			if err := fn(jet.Entry{Seq: seq}); err != nil {
				return err, true
			}
		}
		return nil, true
	}
	if err := readChunks(ctx, log, 1, 100, make(chan []jet.Entry, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("read: %v", err)
	}
	if read != 3 {
		t.Errorf("%d entries were read, it was called off at the third", read)
	}
}

// A log that is trimmed while it is replayed begins, for its new owner, where it then begins.
func TestRingBeginsBehindAGap(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	log.intrude("old", 0, flagFence)
	for i := range uint64(9) {
		log.intrude("old", i+1, 0, "x")
	}
	o := prepare(t, &trimmedLog{fakeLog: log, at: 1, to: 9})
	if err := o.claim(t); err != nil {
		t.Fatal(err)
	}
	if got := o.ring.first(); got != log.first {
		t.Errorf("the ring begins at %d, the log at %d", got, log.first)
	}
}
