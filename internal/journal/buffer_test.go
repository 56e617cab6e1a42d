package journal

import (
	"strings"
	"testing"
	"testing/synctest"
)

// What waits, and later stays in the cache, holds little more memory than it has bytes,
// even after a time of large batches.
func TestBuffersAreCutToSize(t *testing.T) {
	t.Parallel()
	const large = 64 << 10
	o := still(t, func(c *Config) { c.MaxAppend, c.MaxPending = large, 64<<20 })
	sealed := func(record int) *batch {
		o.add(t, strings.Repeat("x", record))
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.gather != nil {
			o.seal()
		}
		return o.pending[len(o.pending)-1]
	}
	for range 40 {
		sealed(large)
	}
	for _, record := range []int{1, 1000, 20_000, 60_000} {
		b := sealed(record)
		if spare := cap(b.buf) - len(b.buf); spare > 4<<10 && cap(b.buf) > 2*len(b.buf) {
			t.Errorf("a batch of %d bytes holds %d", len(b.buf), cap(b.buf))
		}
		if got := string(b.buf[len(b.buf)-record:]); got != strings.Repeat("x", record) {
			t.Errorf("a record of %d bytes was altered", record)
		}
	}
	// Small ones follow: the guess at the next one's size comes down.
	for range 40 {
		sealed(1)
	}
	o.add(t, "x")
	if got := cap(o.gather.buf); got > 1<<10 {
		t.Errorf("a small batch among small ones begins with %d bytes", got)
	}
}

// What is not appended yet is not in memory, also right behind what waits.
func TestNothingBehindWhatWaits(t *testing.T) {
	t.Parallel()
	o := still(t)
	at, _ := o.add(t, "x")
	o.mu.Lock()
	o.seal()
	o.mu.Unlock()
	if _, ok := o.TryRead(at, 1); !ok {
		t.Error("what waits is not found")
	}
	if got, ok := o.TryRead(Pos{Append: at.Append + 1, Offset: at.Offset}, 1); ok {
		t.Errorf("found %q", got)
	}
}

// A journal that fails ends its writer, also one that sleeps.
func TestFailWakesTheWriter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := start(t, newFakeLog(t))
		synctest.Wait()
		o.fail(errOdd)
		synctest.Wait()
		select {
		case err := <-o.ended:
			o.ended <- err
			if err != errOdd {
				t.Errorf("Run: %v", err)
			}
		default:
			t.Error("it still runs")
		}
	})
}

// A header that is shorter than its writer's name is damage, whether or not records follow.
func TestHeaderHoldsItsWriter(t *testing.T) {
	t.Parallel()
	data := build("writer", 1, flagFence)
	data[offHeader]--
	seal(data, 0)
	if h, err := decode(1, data, ""); err == nil {
		t.Errorf("decoded %+v", h)
	}
}
