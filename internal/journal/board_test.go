package journal

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/jet"
)

// A reader in order is expected next behind what it was given, and never given more than
// ReadAhead, however long it goes on.
func TestReaderInOrder(t *testing.T) {
	t.Parallel()
	const ahead = 8 << 10
	log := newFakeLog(t)
	log.intrude("old", 0, flagFence)
	for i := range uint64(400) {
		log.intrude("old", i+1, 0, strings.Repeat("x", 1000))
	}
	o := prepare(t, log, func(c *Config) { c.ReadAhead, c.MaxAppend = ahead, 1<<10 })
	if err := o.claim(t); err != nil {
		t.Fatal(err)
	}
	for _, pos := range o.places {
		o.Retain(pos.Append, 1, 1000)
	}
	largest := 0
	for seq, end := o.places[0].Append, o.places[len(o.places)-1].Append; seq <= end; {
		f, mine := o.board(seq)
		if !mine {
			t.Fatalf("somebody else reads %d", seq)
		}
		o.reads.flights = nil
		at := -1
		for i, c := range o.reads.cursors {
			if c.used > 0 && c.from == seq {
				at = i
			}
		}
		if at < 0 {
			t.Fatalf("no cursor stands at %d", seq)
		}
		c := o.reads.cursors[at]
		if c.next != f.to+1 || c.window > ahead {
			t.Fatalf("given %d to %d; expected next at %d, with %d bytes", f.from, f.to, c.next, c.window)
		}
		largest = max(largest, f.bytes)
		seq = f.to + 1
	}
	if largest > ahead || largest < ahead/2 {
		t.Errorf("%d bytes at once at most, of %d", largest, ahead)
	}
}

// A read that brings nothing says why: it was called off, what it read is damaged, or the
// log lacks it, which is not the same as that it was trimmed.
func TestFetchSaysWhy(t *testing.T) {
	t.Parallel()
	fetch := func(t *testing.T, set func(o *owner, log *fakeLog) context.Context) error {
		log := newFakeLog(t)
		log.intrude("old", 0, flagFence)
		log.intrude("old", 1, 0, "x")
		o := prepare(t, log)
		if err := o.claim(t); err != nil {
			t.Fatal(err)
		}
		f := &flight{from: 1, to: 1, done: make(chan struct{})}
		o.fetch(set(o, log), f)
		if f.data[1] != nil {
			t.Errorf("brought %q", f.data[1])
		}
		return f.err
	}
	err := fetch(t, func(o *owner, _ *fakeLog) context.Context {
		for range fetchesAtOnce { // others are under way
			o.reads.slots <- struct{}{}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		return ctx
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("called off: %v", err)
	}
	err = fetch(t, func(_ *owner, log *fakeLog) context.Context {
		log.entries[0].Data[offNumber] ^= 1
		return t.Context()
	})
	if c := corrupt(err); c == nil || !strings.Contains(c.Reason, "checksum") {
		t.Errorf("damaged: %v", err)
	}
	err = fetch(t, func(_ *owner, log *fakeLog) context.Context {
		log.onGet = func(uint64) error { return jet.ErrNotFound } // and yet the log begins with it
		return t.Context()
	})
	if c := corrupt(err); c == nil || !strings.Contains(c.Reason, "missing") {
		t.Errorf("missing: %v", err)
	}
}

// Rewriting that was asked for, and could not begin, is asked for again.
func TestOldestIsAskedForAgain(t *testing.T) {
	t.Parallel()
	o, log := filled(t, 10)
	o.ring.floor = 1
	for _, pos := range o.places[2:9] {
		o.Release(pos.Append, len(recordNo(0)))
	}
	asked := func() bool {
		select {
		case <-o.Rewrite():
			return true
		default:
			return false
		}
	}
	if !asked() {
		t.Fatal("rewriting is not asked for")
	}
	o.RewriteWithin(1 << 20) // looks once more
	o.RewriteWithin(0)
	if asked() {
		t.Fatal("asked for twice")
	}
	log.set(func(l *fakeLog) {
		l.lagging = true
		l.onGet = func(uint64) error { return jet.ErrUnavailable }
	})
	if _, err := o.Oldest(t.Context(), 1<<20); !errors.Is(err, jet.ErrUnavailable) {
		t.Fatalf("oldest: %v", err)
	}
	o.Release(o.places[9].Append, len(recordNo(0)))
	if !asked() {
		t.Error("it is not asked for again")
	}
}

// An append whose place the log has passed, and trimmed since, was not stored by us.
func TestLookAtTheTrimmedEnd(t *testing.T) {
	t.Parallel()
	log := newFakeLog(t)
	for i := range uint64(5) {
		log.intrude("w", i, 0)
	}
	if err := log.Purge(t.Context(), 6); err != nil {
		t.Fatal(err)
	}
	if got, err := look(t.Context(), log, 5, "w/4"); got != foreign || err != nil {
		t.Errorf("the last one, trimmed: %v, %v", got, err)
	}
}
