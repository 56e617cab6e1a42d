package jet

import (
	"errors"
	"testing"
)

func TestAppendRead(t *testing.T) {
	t.Parallel()
	s := stream(t, open(t, Config{}))
	ctx := short(t)

	if last, err := s.Last(ctx); last != 0 || err != nil {
		t.Fatal(last, err)
	}
	if first, last, err := s.Bounds(ctx); first != 1 || last != 0 || err != nil {
		t.Fatal(first, last, err)
	}
	if list, err := s.GetRange(ctx, 1, 1<<20); len(list) != 0 || err != nil {
		t.Fatal(list, err)
	}
	fill(t, s, 50, 1000)
	if o := end(t, start(s, []byte("x"), "w", 49)); !errors.Is(o.err, ErrWrongSequence) {
		t.Fatalf("%+v", o)
	}
	e, err := s.Get(ctx, 7)
	if err != nil || e.Seq != 7 || e.ID != "w" || string(e.Data) != string(payload(7, 1000)) || e.Time.IsZero() {
		t.Fatalf("%+v %v", e, err)
	}
	if _, err := s.Get(ctx, 51); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if _, err := s.Get(ctx, 0); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	next := uint64(1)
	if err := s.Read(ctx, 1, 50, func(e Entry) error {
		if e.Seq != next || string(e.Data) != string(payload(next, 1000)) {
			t.Errorf("%d: %+v", next, e)
		}
		next++
		return nil
	}); err != nil || next != 51 {
		t.Fatal(next, err)
	}
}
