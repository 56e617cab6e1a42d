package registry

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/jet/jetsim"
)

var errFragile = errors.New("it cannot be encoded")

// fragile is a text that cannot be encoded when it is "broken".
type fragile string

func (f fragile) MarshalCBOR() ([]byte, error) {
	if f == "broken" {
		return nil, errFragile
	}
	return cbor.Marshal(string(f))
}

type brittle struct {
	Meta
	Value fragile `cbor:"10,keyasint"`
}

var brittles = Kind[brittle]{
	Tag: 78, Name: "brittle", Version: 1, Limit: 1,
	Meta:  func(b *brittle) *Meta { return &b.Meta },
	Clone: func(b *brittle) *brittle { c := *b; return &c },
}

func newBrittle(name string, value fragile) *brittle {
	return &brittle{Meta{ID: uint64(len(name)), Account: account, Region: region, Name: name}, value}
}

// What cannot be encoded is refused, and takes no place; nor does a walk pass over it.
func TestCannotBeEncoded(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		var table *Table[brittle]
		up(t, w.Node("a"), Config{}, func(r *Registry) { table = Add(r, brittles) })
		if got, created, err := table.Create(t.Context(), newBrittle("a", "broken"), nil); !errors.Is(err, errFragile) {
			t.Errorf("created: %v, %v, %v", got, created, err)
		}
		def, created, err := table.Create(t.Context(), newBrittle("a", "whole"), nil)
		if err != nil || !created {
			t.Fatalf("the only one there may be: %v", err)
		}
		if got, _ := table.Get(account, region, "a"); got != def {
			t.Error("what was created is not what memory holds")
		}
		got, err := table.Update(t.Context(), account, region, "a", func(b *brittle) error { b.Value = "broken"; return nil })
		if !errors.Is(err, errFragile) {
			t.Errorf("updated: %v, %v", got, err)
		}
		// As if it stood there.
		broken := *def
		broken.Value = "broken"
		table.r.mu.Lock()
		table.mem.put(opened[brittle]{def: &broken})
		table.r.mu.Unlock()
		got, err = table.Update(t.Context(), account, region, "a", func(b *brittle) error { b.Value = "new"; return nil })
		if !errors.Is(err, errFragile) {
			t.Errorf("updated what cannot be encoded: %v, %v", got, err)
		}
	})
	m := newMemory(&brittles)
	m.put(opened[brittle]{def: newBrittle("a", "broken")})
	m.put(opened[brittle]{def: newBrittle("bb", "whole")})
	if err := m.walk(fullName{}, func(fullName, []byte) bool { return true }); !errors.Is(err, errFragile) {
		t.Errorf("walk: %v", err)
	}
}

// Fields that this release does not know go with the definition that had them.
func TestUnknownFieldsGo(t *testing.T) {
	t.Parallel()
	m := newMemory(&brittles)
	m.put(opened[brittle]{newBrittle("a", "old"), extra{99: cbor.RawMessage{1}}})
	if len(m.extras) != 1 {
		t.Fatalf("%v", m.extras)
	}
	m.put(opened[brittle]{def: newBrittle("a", "new")})
	if len(m.extras) != 0 {
		t.Errorf("what took its place has %v", m.extras)
	}
}

// awayMarks is a bucket that does not answer so many times.
type awayMarks struct {
	jet.Bucket
	away atomic.Int64
}

func (b *awayMarks) Get(ctx context.Context, key string) (jet.KVEntry, error) {
	if b.away.Add(-1) >= 0 {
		return jet.KVEntry{}, jet.ErrUnavailable
	}
	return b.Bucket.Get(ctx, key)
}

// A mark that could not be written is written later, though nothing else changes.
func TestMarkIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		_, bucket, err := stores(t.Context(), w.Node("a"), "ws")
		if err != nil {
			t.Fatal(err)
		}
		marks := &awayMarks{Bucket: bucket}
		r := up(t, w.Node("a"), Config{}, func(r *Registry) { r.cfg.Marks = marks })
		marks.away.Store(2)
		create(t, r, "q")
		time.Sleep(10 * markRetry)
		m, _, err := loadMark(t.Context(), bucket)
		if err != nil || m.Revision != r.Revision() {
			t.Errorf("the mark is at %d, memory at %d, %v", m.Revision, r.Revision(), err)
		}
	})
}

// oddBounds is a log whose bounds are not told.
type oddBounds struct{ jet.Log }

var errBounds = errors.New("no bounds")

func (oddBounds) Bounds(context.Context) (uint64, uint64, error) { return 0, 0, errBounds }

// A log that cannot be reached is not asked what else may be wrong, nor is it when the
// caller has gone.
func TestExplain(t *testing.T) {
	t.Parallel()
	r := &Registry{cfg: Config{Log: oddBounds{}}}
	away := fmt.Errorf("read: %w", jet.ErrUnavailable)
	if err := r.explain(t.Context(), 1, away); err != away {
		t.Errorf("unreachable: %v", err)
	}
	if err := r.explain(t.Context(), 1, jet.ErrNotFound); err != errBounds {
		t.Errorf("the bounds are not told: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.explain(ctx, 1, jet.ErrNotFound); err != jet.ErrNotFound {
		t.Errorf("called off: %v", err)
	}
}

// After any of these a node must not go on; after a store that is away it may.
func TestFatal(t *testing.T) {
	t.Parallel()
	for _, err := range []error{&DamageError{1, "x"}, &BehindError{Have: 1, Known: 2}, &VersionError{What: "x", Version: 2, Known: 1}} {
		if !fatal(fmt.Errorf("more: %w", err)) {
			t.Errorf("%v is not fatal", err)
		}
	}
	if fatal(nil) || fatal(jet.ErrUnavailable) {
		t.Error("a store that is away is fatal")
	}
}
