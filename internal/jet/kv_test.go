package jet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
)

func bucket(tb testing.TB, c *Conn) *KV {
	tb.Helper()
	kv, err := c.KV(tb.Context(), KVSpec{Bucket: "ws_registry"})
	if err != nil {
		tb.Fatal(err)
	}
	return kv
}

func TestKV(t *testing.T) {
	t.Parallel()
	kv := bucket(t, open(t, Config{}))
	ctx := short(t)
	must := func(rev uint64, err error) uint64 {
		t.Helper()
		if err != nil || rev == 0 {
			t.Fatal(rev, err)
		}
		return rev
	}
	fails := func(want error) func(any, error) {
		return func(_ any, err error) {
			t.Helper()
			if !errors.Is(err, want) {
				t.Fatalf("%v, want %v", err, want)
			}
		}
	}
	fails(ErrNotFound)(kv.Get(ctx, "a.b"))
	r1 := must(kv.Create(ctx, "a.b", []byte("1")))
	fails(ErrExists)(kv.Create(ctx, "a.b", []byte("2")))
	r2 := must(kv.Update(ctx, "a.b", []byte("2"), r1))
	fails(ErrWrongSequence)(kv.Update(ctx, "a.b", []byte("3"), r1))
	fails(ErrWrongSequence)(kv.Delete(ctx, "a.b", r1))
	if e, err := kv.Get(ctx, "a.b"); err != nil || string(e.Value) != "2" || e.Revision != r2 || e.Key != "a.b" {
		t.Fatalf("%+v %v", e, err)
	}
	r3 := must(kv.Delete(ctx, "a.b", r2))
	fails(ErrNotFound)(kv.Get(ctx, "a.b"))
	r4 := must(kv.Create(ctx, "a.b", []byte("4")))
	if r4 <= r3 || r3 <= r2 {
		t.Fatal(r2, r3, r4)
	}
	must(kv.Put(ctx, "a.b", nil))
	if e, err := kv.Get(ctx, "a.b"); err != nil || len(e.Value) != 0 {
		t.Fatalf("%+v %v", e, err)
	}
	must(kv.Delete(ctx, "a.b", 0))
	for _, key := range []string{"", "a b", "a.*", ">", ".a", "a..b", "ä"} {
		if _, err := kv.Put(ctx, key, nil); err == nil {
			t.Errorf("key %q was accepted", key)
		}
	}
}

// TestKVCreateRace has many create one key at once: one of them does.
func TestKVCreateRace(t *testing.T) {
	t.Parallel()
	kv := bucket(t, open(t, Config{}))
	ctx := short(t)
	for round := range 5 {
		key := fmt.Sprint("k.", round%2) // the later rounds meet a deletion
		var wg sync.WaitGroup
		var mu sync.Mutex
		created := 0
		for range 8 {
			wg.Go(func() {
				_, err := kv.Create(ctx, key, []byte("x"))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					created++
				case !errors.Is(err, ErrExists):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if created != 1 {
			t.Fatalf("round %d: created %d times", round, created)
		}
		if _, err := kv.Delete(ctx, key, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// watched collects what a watch reports.
type watched struct {
	changes chan KVEntry
	initial chan struct{}
	ended   chan error
}

func follow(t *testing.T, kv *KV, pattern string) *watched {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watched{make(chan KVEntry, 10000), make(chan struct{}), make(chan error, 1)}
	go func() {
		w.ended <- kv.Watch(ctx, pattern, func(e KVEntry) { w.changes <- e }, func() { close(w.initial) })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-w.ended; !errors.Is(err, context.Canceled) && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
	return w
}

func (w *watched) next(t *testing.T) KVEntry {
	t.Helper()
	select {
	case e := <-w.changes:
		return e
	case <-short(t).Done():
		t.Fatal("no change came")
		return KVEntry{}
	}
}

func (w *watched) caughtUp(t *testing.T) {
	t.Helper()
	select {
	case <-w.initial:
	case <-short(t).Done():
		t.Fatal("never caught up")
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	kv := bucket(t, open(t, Config{}))
	ctx := short(t)

	empty := follow(t, kv, "none.>")
	empty.caughtUp(t)
	put := func(key, value string) {
		t.Helper()
		if _, err := kv.Put(ctx, key, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	put("q.a", "1")
	put("q.b", "1")
	put("q.a", "2")
	put("other", "1")
	w := follow(t, kv, "q.>")
	w.caughtUp(t)
	if len(w.changes) != 2 {
		t.Fatalf("%d values before caught up, want 2", len(w.changes))
	}
	if b, a := w.next(t), w.next(t); b.Key != "q.b" || a.Key != "q.a" || string(a.Value) != "2" {
		t.Fatalf("%+v %+v", b, a)
	}
	put("q.c", "1")
	if _, err := kv.Delete(ctx, "q.a", 0); err != nil {
		t.Fatal(err)
	}
	put("none.x", "1")
	if c := w.next(t); c.Key != "q.c" || c.Deleted {
		t.Fatalf("%+v", c)
	}
	if a := w.next(t); a.Key != "q.a" || !a.Deleted || a.Revision == 0 {
		t.Fatalf("%+v", a)
	}
	if x := empty.next(t); x.Key != "none.x" {
		t.Fatalf("%+v", x)
	}
}
