package journal

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

// purgeHook is a log that has a test look at each removal, or answer it.
type purgeHook struct {
	*fakeLog
	on func(ctx context.Context, before uint64) error
}

func (l *purgeHook) Purge(ctx context.Context, before uint64) error {
	if l.on != nil {
		if err := l.on(ctx, before); err != nil {
			return err
		}
	}
	return l.fakeLog.Purge(ctx, before)
}

// threeSteps is a claimed journal that does not run, with three dead appends, each of which
// is a step of its own to remove.
func threeSteps(t *testing.T) (*owner, *purgeHook, uint64) {
	log := &purgeHook{fakeLog: newFakeLog(t)}
	log.intrude("old", 0, flagFence)
	for i := range uint64(3) {
		log.intrude("old", i+1, 0, strings.Repeat("x", 100))
	}
	o := prepare(t, log)
	if err := o.claim(t); err != nil {
		t.Fatal(err)
	}
	for seq := uint64(2); seq <= 4; seq++ {
		o.ring.at(seq).total = purgeStep
	}
	return o, log, 5
}

// A removal goes on, step by step, until all is removed; nothing to remove is no step.
func TestPurge(t *testing.T) {
	t.Parallel()
	o, log, before := threeSteps(t)
	if err := o.purge(t.Context(), o.ring.first()); err != nil || len(log.purges) != 0 {
		t.Errorf("nothing to remove: %v, %v", log.purges, err)
	}
	if err := o.purge(t.Context(), before); err != nil || !slices.Equal(log.purges, []uint64{3, 4, 5}) {
		t.Errorf("removed up to %v, %v", log.purges, err)
	}
	if got := o.ring.first(); got != before || o.Stats().Trimmed != before-1 {
		t.Errorf("the ring begins at %d, %d trimmed; want %d", got, o.Stats().Trimmed, before)
	}
}

// One that fails, or is called off between two steps, says so.
func TestPurgeFails(t *testing.T) {
	t.Parallel()
	o, log, before := threeSteps(t)
	log.on = func(context.Context, uint64) error { return errOdd }
	if err := o.purge(t.Context(), before); !errors.Is(err, errOdd) || o.ring.first() != 1 {
		t.Errorf("removed up to %d, %v", o.ring.first(), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	log.on = func(context.Context, uint64) error { cancel(); return nil }
	if err := o.purge(ctx, before); !errors.Is(err, context.Canceled) || o.ring.first() != 3 {
		t.Errorf("called off: removed up to %d, %v", o.ring.first(), err)
	}
}

// A journal has not ended while it still removes something.
func TestRunWaitsForARemoval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &purgeHook{fakeLog: newFakeLog(t)}
		release := make(chan struct{})
		log.on = func(context.Context, uint64) error { <-release; return nil }
		o := start(t, log)
		_, c := o.add(t, "x")
		durable(t, c)
		time.Sleep(time.Minute) // it is being removed
		o.stop()
		synctest.Wait()
		select {
		case err := <-o.ended:
			o.ended <- err
			t.Error("Run has returned")
		default:
		}
		close(release)
		if err := o.close(t); err != nil {
			t.Error(err)
		}
	})
}

// How much is dead decides when it is trimmed: at just TrimBytes at once, and while space
// is scarce at 1 MiB, however much it may be otherwise.
func TestTrimAtJustEnough(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		record int
		bytes  func(one int) int64 // TrimBytes, of an append's size
		scarce int64
		within time.Duration
	}{
		"just enough": {1000, func(one int) int64 { return int64(2 * one) }, 0, time.Second},
		"scarce":      {600 << 10, func(int) int64 { return 64 << 20 }, 1, scarceTrimEvery},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log := newFakeLog(t)
				o := start(t, log, func(c *Config) {
					c.MaxAppend = 1 << 10
					c.TrimBytes = test.bytes(headerLen(c.Writer) + recordLen(test.record))
				})
				o.SpaceShort(test.scarce)
				var places []Pos
				for range 3 {
					pos, c := o.add(t, strings.Repeat("x", test.record))
					o.Retain(pos.Append, 1, test.record)
					places = append(places, pos)
					durable(t, c)
				}
				time.Sleep(time.Minute) // the fences are trimmed, and something lately
				o.Release(places[0].Append, test.record)
				time.Sleep(time.Minute)
				if first := log.firstEntry(); first != places[1].Append {
					t.Fatalf("the log begins at %d", first)
				}
				began := time.Now()
				pos, c := o.add(t, strings.Repeat("x", test.record))
				o.Retain(pos.Append, 1, test.record)
				durable(t, c)
				o.Release(places[1].Append, test.record)
				o.Release(places[2].Append, test.record)
				beginsWithin(t, log, pos.Append, began, test.within)
			})
		})
	}
}

// When space gets short, rewriting is asked for at once, not at the next change.
func TestSpaceShortAsksAtOnce(t *testing.T) {
	t.Parallel()
	o, _ := filled(t, 10)
	for _, pos := range o.places[2:9] {
		o.Release(pos.Append, len(recordNo(0)))
	}
	select {
	case <-o.Rewrite():
		t.Fatal("a short log is rewritten")
	default:
	}
	if s := o.Stats(); s.GarbageBytes != s.Bytes-s.LiveBytes || s.GarbageBytes < 7000 {
		t.Errorf("%+v", s)
	}
	o.SpaceShort(1000)
	select {
	case <-o.Rewrite():
	default:
		t.Error("rewriting is not asked for")
	}
}

// rangeLog is a log whose ranges cannot be read.
type rangeLog struct{ *fakeLog }

func (l rangeLog) GetRange(context.Context, uint64, int) ([]jet.Entry, error) { return nil, errOdd }

// A scan reads the last entry, too, though it is the only one, and says what it cannot read.
func TestScanOfOne(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	log.intrude("w", 0, 0, "one")
	var got []string
	damaged, err := Scan(t.Context(), log, func(_ Pos, rec []byte) error { got = append(got, string(rec)); return nil })
	if err != nil || damaged != 0 || !slices.Equal(got, []string{"one"}) {
		t.Errorf("%q, %d damaged, %v", got, damaged, err)
	}
	if _, err := Scan(t.Context(), rangeLog{log}, func(Pos, []byte) error { return nil }); !errors.Is(err, errOdd) {
		t.Errorf("a log that cannot be read: %v", err)
	}
}
