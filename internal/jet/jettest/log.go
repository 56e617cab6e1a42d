package jettest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/waystation/waystation/internal/jet"
)

func appendComparesAndSets(t *testing.T, s Subject) {
	l := openLog(t, s.A)
	if a := await(t, add(t, l, "x", "i", 7)); !errors.Is(a.err, jet.ErrWrongSequence) {
		t.Fatalf("%+v, want ErrWrongSequence", a)
	}
	fill(t, l, 3)
	for _, expect := range []uint64{0, 2, 4} {
		if a := await(t, add(t, l, "x", "i", expect)); !errors.Is(a.err, jet.ErrWrongSequence) {
			t.Fatalf("expecting %d: %+v, want ErrWrongSequence", expect, a)
		}
	}
	if last := ok(l.Last(within(t)))(t); last != 3 {
		t.Fatalf("last = %d, want 3", last)
	}
	fill(t, l, 1)
}

func appendsInOrder(t *testing.T, s Subject) {
	l := openLog(t, s.A)
	const n = 50
	var list []<-chan answer
	for i := range uint64(n) {
		list = append(list, add(t, l, fmt.Sprint(i+1), "i", i))
	}
	for i, ch := range list {
		if a := await(t, ch); a.err != nil || a.seq != uint64(i)+1 {
			t.Fatalf("append %d: %+v", i, a)
		}
	}
	// One that fails takes those after it along, since they expect it.
	list = nil
	for _, expect := range []uint64{n, n + 5, n + 6, n + 1} {
		list = append(list, add(t, l, "x", "i", expect))
	}
	for i, want := range []bool{true, false, false, true} {
		a := await(t, list[i])
		if want != (a.err == nil) || !want && !errors.Is(a.err, jet.ErrWrongSequence) {
			t.Fatalf("append %d of the second lot: %+v", i, a)
		}
	}
	if e := ok(l.Get(within(t), n+1))(t); string(e.Data) != "x" {
		t.Fatalf("%+v", e)
	}
}

func appendTooLarge(t *testing.T, s Subject) {
	l := openLog(t, s.A)
	if a := await(t, add(t, l, string(make([]byte, s.A.MaxPayload()+1)), "i", 0)); !errors.Is(a.err, jet.ErrTooLarge) {
		t.Fatalf("%+v, want ErrTooLarge", a.err)
	}
	if a := await(t, add(t, l, string(make([]byte, s.A.MaxPayload())), "i", 0)); a.err != nil {
		t.Fatalf("the largest: %+v", a.err)
	}
	if e := ok(l.Get(within(t), 1))(t); len(e.Data) != s.A.MaxPayload() {
		t.Fatalf("%d bytes came back", len(e.Data))
	}
}

func emptyLog(t *testing.T, s Subject) {
	l, ctx := openLog(t, s.A), within(t)
	if last := ok(l.Last(ctx))(t); last != 0 {
		t.Fatalf("last = %d, want 0", last)
	}
	if first, last, err := l.Bounds(ctx); err != nil || first != 1 || last != 0 {
		t.Fatalf("bounds = %d, %d, %v; want 1, 0", first, last, err)
	}
	_, err := l.Get(ctx, 1)
	is(t, err, jet.ErrNotFound)
	_, err = l.Get(ctx, 0)
	is(t, err, jet.ErrNotFound)
	if list := ok(l.GetRange(ctx, 1, 1000))(t); len(list) != 0 {
		t.Fatalf("%d entries", len(list))
	}
	is(t, l.Read(ctx, 1, 3, func(jet.Entry) error { return nil }), jet.ErrNotFound)
	if err := l.Purge(ctx, 10); err != nil {
		t.Fatal(err)
	}
}

// read returns the numbers of what Read gives.
func read(t *testing.T, l jet.Log, from, to uint64) (seqs []uint64, err error) {
	t.Helper()
	err = l.Read(within(t), from, to, func(e jet.Entry) error {
		if string(e.Data) != fmt.Sprint(e.Seq) || e.ID != fmt.Sprint("id", e.Seq) || e.Time.IsZero() {
			t.Fatalf("%+v", e)
		}
		seqs = append(seqs, e.Seq)
		return nil
	})
	return seqs, err
}

func reads(t *testing.T, s Subject) {
	l, ctx := openLog(t, s.A), within(t)
	fill(t, l, 20)
	if e := ok(l.Get(ctx, 7))(t); e.Seq != 7 || string(e.Data) != "7" || e.ID != "id7" || e.Time.IsZero() {
		t.Fatalf("%+v", e)
	}
	_, err := l.Get(ctx, 21)
	is(t, err, jet.ErrNotFound)

	for next := uint64(5); next <= 20; {
		list := ok(l.GetRange(ctx, next, 1<<20))(t)
		if len(list) == 0 || list[0].Seq != next {
			t.Fatalf("from %d: %v", next, list)
		}
		for _, e := range list {
			if e.Seq != next || string(e.Data) != fmt.Sprint(next) {
				t.Fatalf("%+v, want %d", e, next)
			}
			next++
		}
	}
	if list := ok(l.GetRange(ctx, 3, 1))(t); len(list) != 1 || list[0].Seq != 3 {
		t.Fatalf("one byte: %v", list)
	}
	if list := ok(l.GetRange(ctx, 21, 1<<20))(t); len(list) != 0 {
		t.Fatalf("after the end: %v", list)
	}

	if seqs, err := read(t, l, 2, 19); err != nil || len(seqs) != 18 || seqs[0] != 2 || seqs[17] != 19 {
		t.Fatal(seqs, err)
	}
	if seqs, err := read(t, l, 5, 4); err != nil || len(seqs) != 0 {
		t.Fatal(seqs, err)
	}
	if _, err := read(t, l, 15, 25); !errors.Is(err, jet.ErrNotFound) {
		t.Fatalf("past the end: %v, want ErrNotFound", err)
	}
	stop := errors.New("stop")
	calls := 0
	is(t, l.Read(ctx, 1, 20, func(jet.Entry) error { calls++; return stop }), stop)
	if calls != 1 {
		t.Fatalf("%d calls after an error", calls)
	}
}

func purge(t *testing.T, s Subject) {
	l, ctx := openLog(t, s.A), within(t)
	fill(t, l, 10)
	if err := l.Purge(ctx, 4); err != nil {
		t.Fatal(err)
	}
	if first, last, err := l.Bounds(ctx); err != nil || first != 4 || last != 10 {
		t.Fatalf("bounds = %d, %d, %v; want 4, 10", first, last, err)
	}
	_, err := l.Get(ctx, 3)
	is(t, err, jet.ErrNotFound)
	if list := ok(l.GetRange(ctx, 1, 1<<20))(t); len(list) == 0 || list[0].Seq != 4 {
		t.Fatalf("from 1: %v", list)
	}
	if seqs, err := read(t, l, 1, 10); err != nil || len(seqs) != 7 || seqs[0] != 4 {
		t.Fatal(seqs, err)
	}
	if seqs, err := read(t, l, 1, 3); err != nil || len(seqs) != 0 {
		t.Fatalf("what was removed: %v %v", seqs, err)
	}
	if err := l.Purge(ctx, 2); err != nil { // done already
		t.Fatal(err)
	}
	if err := l.Purge(ctx, 11); err != nil { // all
		t.Fatal(err)
	}
	if first, last, err := l.Bounds(ctx); err != nil || first != 11 || last != 10 {
		t.Fatalf("bounds = %d, %d, %v; want 11, 10", first, last, err)
	}
	fill(t, l, 1)
	if e := ok(l.Get(ctx, 11))(t); string(e.Data) != "11" {
		t.Fatalf("%+v", e)
	}
}

func logsAreShared(t *testing.T, s Subject) {
	a, b := openLog(t, s.A), openLog(t, s.B)
	fill(t, a, 2)
	if e := ok(b.Get(within(t), 2))(t); string(e.Data) != "2" {
		t.Fatalf("%+v", e)
	}
	fill(t, b, 1)
	if x := await(t, add(t, a, "x", "i", 2)); !errors.Is(x.err, jet.ErrWrongSequence) {
		t.Fatalf("%+v, want ErrWrongSequence", x)
	}
	fill(t, a, 1)
	s.Interrupt()
	if seqs, err := read(t, b, 1, 4); err != nil || len(seqs) != 4 {
		t.Fatal(seqs, err)
	}
}

func subjectDrift(t *testing.T, s Subject) {
	openLog(t, s.A)
	_, err := s.B.Log(within(t), jet.StreamSpec{Name: "log", Subject: "another"})
	var drift *jet.DriftError
	if !errors.As(err, &drift) {
		t.Fatalf("%v, want a DriftError", err)
	}
}

func fullDisk(t *testing.T, s Subject) {
	if s.Fill == nil {
		t.Log("the disk of this cluster can't be filled: see the tests with a full file system")
		return
	}
	l, b, ctx := openLog(t, s.A), openBucket(t, s.A), within(t)
	fill(t, l, 2)
	s.Fill()
	if a := await(t, add(t, l, "3", "id3", 2)); !errors.Is(a.err, jet.ErrFull) {
		t.Fatalf("%+v, want ErrFull", a)
	}
	_, err := b.Put(ctx, "k", []byte("v"))
	is(t, err, jet.ErrFull)
	if sp := ok(s.A.Space(ctx))(t); sp.Free > 1000 {
		t.Fatalf("%d bytes are free", sp.Free)
	}
	if seqs, err := read(t, l, 1, 2); err != nil || len(seqs) != 2 {
		t.Fatal(seqs, err)
	}
	if err := l.Purge(ctx, 2); err != nil {
		t.Fatal(err)
	}
	s.Free()
	fill(t, l, 1)
	ok(b.Put(ctx, "k", []byte("v")))(t)
}

func cancelled(t *testing.T, s Subject) {
	l, b := openLog(t, s.A), openBucket(t, s.A)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.Last(ctx)
	is(t, err, context.Canceled)
	_, err = l.Get(ctx, 1)
	is(t, err, context.Canceled)
	_, err = b.Get(ctx, "k")
	is(t, err, context.Canceled)
	_, err = b.Put(ctx, "k", nil)
	is(t, err, context.Canceled)
	_, err = s.A.Request(ctx, "nobody", nil)
	is(t, err, context.Canceled)
}
