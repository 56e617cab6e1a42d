package jettest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

func keys(t *testing.T, s Subject) {
	a, b, ctx := openBucket(t, s.A), openBucket(t, s.B), within(t)
	_, err := a.Get(ctx, "k.1")
	is(t, err, jet.ErrNotFound)
	value := []byte("one")
	rev := ok(a.Put(ctx, "k.1", value))(t)
	value[0] = 'X' // it is the caller's again
	if e := ok(b.Get(ctx, "k.1"))(t); e.Key != "k.1" || string(e.Value) != "one" || e.Revision != rev || e.Deleted {
		t.Fatalf("%+v", e)
	}
	other := ok(b.Put(ctx, "k.2", nil))(t)
	if other <= rev {
		t.Fatalf("revision %d after %d", other, rev)
	}
	if e := ok(a.Get(ctx, "k.2"))(t); len(e.Value) != 0 {
		t.Fatalf("%+v", e)
	}
	gone := ok(b.Delete(ctx, "k.1", 0))(t)
	if gone <= other {
		t.Fatalf("revision %d after %d", gone, other)
	}
	_, err = a.Get(ctx, "k.1")
	is(t, err, jet.ErrNotFound)
	ok(a.Delete(ctx, "k.1", 0))(t)
	ok(a.Delete(ctx, "never", 0))(t)
	_, err = a.Put(ctx, "k.1", make([]byte, s.A.MaxPayload()+1))
	is(t, err, jet.ErrTooLarge)
}

func keysCompareAndSet(t *testing.T, s Subject) {
	b, ctx := openBucket(t, s.A), within(t)
	_, err := b.Update(ctx, "k", []byte("x"), 5)
	is(t, err, jet.ErrWrongSequence)
	r1 := ok(b.Create(ctx, "k", []byte("1")))(t)
	_, err = b.Create(ctx, "k", []byte("2"))
	is(t, err, jet.ErrExists)
	r2 := ok(b.Update(ctx, "k", []byte("2"), r1))(t)
	_, err = b.Update(ctx, "k", []byte("3"), r1)
	is(t, err, jet.ErrWrongSequence)
	_, err = b.Delete(ctx, "k", r1)
	is(t, err, jet.ErrWrongSequence)
	ok(b.Put(ctx, "other", nil))(t) // another key's change does not count
	r3 := ok(b.Delete(ctx, "k", r2))(t)
	_, err = b.Update(ctx, "k", []byte("4"), r2)
	is(t, err, jet.ErrWrongSequence)
	r4 := ok(b.Create(ctx, "k", []byte("4")))(t)
	if r1 >= r2 || r2 >= r3 || r3 >= r4 {
		t.Fatal(r1, r2, r3, r4)
	}
	if e := ok(b.Get(ctx, "k"))(t); string(e.Value) != "4" || e.Revision != r4 {
		t.Fatalf("%+v", e)
	}
}

func badKeys(t *testing.T, s Subject) {
	b, ctx := openBucket(t, s.A), within(t)
	for _, key := range []string{"", "a b", "a.*", ">", ".a", "a.", "a..b"} {
		if _, err := b.Put(ctx, key, nil); err == nil {
			t.Errorf("key %q was taken", key)
		}
		if _, err := b.Get(ctx, key); err == nil || errors.Is(err, jet.ErrNotFound) {
			t.Errorf("key %q was looked up: %v", key, err)
		}
	}
}

func oneCreates(t *testing.T, s Subject) {
	ctx := within(t)
	buckets := []jet.Bucket{openBucket(t, s.A), openBucket(t, s.B)}
	for round := range 4 {
		key := fmt.Sprint("k.", round%2) // later rounds meet a deletion
		var created atomic.Int32
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				_, err := buckets[i%2].Create(ctx, key, []byte("x"))
				if err == nil {
					created.Add(1)
				} else if !errors.Is(err, jet.ErrExists) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := created.Load(); n != 1 {
			t.Fatalf("round %d: %d created the key", round, n)
		}
		ok(buckets[0].Delete(ctx, key, 0))(t)
	}
}

// follower collects what a watch reports.
type follower struct {
	news    chan jet.KVEntry
	initial chan struct{}
	ended   chan error
	stop    context.CancelFunc
}

func follow(t *testing.T, b jet.Bucket, pattern string) *follower {
	ctx, cancel := context.WithCancel(t.Context())
	f := &follower{make(chan jet.KVEntry, 10_000), make(chan struct{}), make(chan error, 1), cancel}
	var busy atomic.Int32
	alone := func(fn func()) {
		if busy.Add(1) != 1 {
			t.Error("a watch made two calls at once")
		}
		fn()
		busy.Add(-1)
	}
	go func() {
		f.ended <- b.Watch(ctx, pattern, func(e jet.KVEntry) {
			alone(func() { f.news <- e })
		}, func() {
			alone(func() { close(f.initial) }) // panics when called twice
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-f.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the watch ended with %v", err)
		}
	})
	return f
}

func (f *follower) next(t *testing.T) jet.KVEntry {
	t.Helper()
	select {
	case e := <-f.news:
		return e
	case <-time.After(patience):
		t.Fatal("the watch reports nothing")
		return jet.KVEntry{}
	}
}

func (f *follower) caughtUp(t *testing.T) {
	t.Helper()
	select {
	case <-f.initial:
	case <-time.After(patience):
		t.Fatal("the watch never had all")
	}
}

// until collects reports until a key is reported as wanted, and returns the
// newest of each.
func (f *follower) until(t *testing.T, key, value string, deleted bool) map[string]jet.KVEntry {
	t.Helper()
	newest := map[string]jet.KVEntry{}
	for {
		e := f.next(t)
		newest[e.Key] = e
		if e.Key == key && e.Deleted == deleted && string(e.Value) == value {
			return newest
		}
	}
}

func watchFromTheStart(t *testing.T, s Subject) {
	a, b, ctx := openBucket(t, s.A), openBucket(t, s.B), within(t)
	for i := range 5 {
		ok(a.Put(ctx, fmt.Sprint("k.", i), []byte("old")))(t)
	}
	ok(a.Put(ctx, "k.1", []byte("new")))(t)
	ok(a.Delete(ctx, "k.2", 0))(t)
	f := follow(t, b, ">")
	f.caughtUp(t)
	first := map[string]string{}
	for len(f.news) > 0 {
		if e := f.next(t); !e.Deleted {
			first[e.Key] = string(e.Value)
		} else if e.Key != "k.2" {
			t.Fatalf("%+v", e)
		}
	}
	if want := "map[k.0:old k.1:new k.3:old k.4:old]"; fmt.Sprint(first) != want {
		t.Fatalf("the first state is %v, want %s", first, want)
	}
	// Then changes, in order.
	revs := []uint64{ok(a.Put(ctx, "x", []byte("1")))(t), ok(a.Put(ctx, "y", []byte("2")))(t), ok(a.Delete(ctx, "x", 0))(t), ok(a.Put(ctx, "z", nil))(t)}
	var last uint64
	for _, want := range []struct {
		key     string
		deleted bool
	}{{"x", false}, {"y", false}, {"x", true}, {"z", false}} {
		e := f.next(t)
		if e.Key == "y" && want.key == "x" && !want.deleted {
			continue // two quick changes of x came as one
		}
		if e.Revision <= last || e.Deleted && len(e.Value) > 0 {
			t.Fatalf("%+v after revision %d", e, last)
		}
		last = e.Revision
		if e.Key == "z" {
			break
		}
	}
	if last != revs[3] {
		t.Fatalf("the last change seen has revision %d, want %d", last, revs[3])
	}
}

func watchPattern(t *testing.T, s Subject) {
	b, ctx := openBucket(t, s.A), within(t)
	one, rest, exact := follow(t, b, "a.*"), follow(t, b, "a.>"), follow(t, b, "a.b.c")
	for _, f := range []*follower{one, rest, exact} {
		f.caughtUp(t)
	}
	for _, key := range []string{"a", "a.b", "a.b.c", "b.a", "a.end", "a.b.end"} {
		ok(b.Put(ctx, key, nil))(t)
	}
	seen := func(f *follower, last string) (keys []string) {
		for {
			e := f.next(t)
			keys = append(keys, e.Key)
			if e.Key == last {
				return keys
			}
		}
	}
	if got := fmt.Sprint(seen(one, "a.end")); got != "[a.b a.end]" {
		t.Errorf("a.*: %s", got)
	}
	if got := fmt.Sprint(seen(rest, "a.b.end")); got != "[a.b a.b.c a.end a.b.end]" {
		t.Errorf("a.>: %s", got)
	}
	if got := fmt.Sprint(seen(exact, "a.b.c")); got != "[a.b.c]" {
		t.Errorf("a.b.c: %s", got)
	}
}

func watchAfterInterruption(t *testing.T, s Subject) {
	b, ctx := openBucket(t, s.A), within(t)
	ok(b.Put(ctx, "stays", []byte("1")))(t)
	ok(b.Put(ctx, "changes", []byte("1")))(t)
	ok(b.Put(ctx, "goes", []byte("1")))(t)
	f := follow(t, b, ">")
	f.caughtUp(t)
	f.until(t, "goes", "1", false)
	s.Interrupt()
	ok(b.Put(ctx, "changes", []byte("2")))(t)
	ok(b.Delete(ctx, "goes", 0))(t)
	ok(b.Put(ctx, "comes", []byte("1")))(t)
	newest := f.until(t, "comes", "1", false)
	for len(newest) < 3 {
		e := f.next(t)
		newest[e.Key] = e
	}
	if e := newest["changes"]; string(e.Value) != "2" {
		t.Errorf("%+v", e)
	}
	if e := newest["goes"]; !e.Deleted {
		t.Errorf("%+v", e)
	}
	if e, again := newest["stays"]; again {
		t.Errorf("what did not change was reported again: %+v", e)
	}
	s.Interrupt()
	ok(b.Put(ctx, "end", nil))(t)
	f.until(t, "end", "", false)
}

func watchEnds(t *testing.T, s Subject) {
	f := follow(t, openBucket(t, s.A), ">")
	f.caughtUp(t)
	f.stop()
	select {
	case err := <-f.ended:
		f.ended <- err
		is(t, err, context.Canceled)
	case <-time.After(patience):
		t.Fatal("the watch does not end")
	}
}
