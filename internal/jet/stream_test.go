package jet

import (
	"context"
	"errors"
	"slices"
	"strings"
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

// TestPurge reads around what is gone.
func TestPurge(t *testing.T) {
	t.Parallel()
	s := stream(t, open(t, Config{}))
	ctx := short(t)
	fill(t, s, 30, 100)
	read := func(from, to uint64) (got []uint64, err error) {
		err = s.Read(ctx, from, to, func(e Entry) error { got = append(got, e.Seq); return nil })
		return got, err
	}
	for _, before := range []uint64{0, 1, 11, 5} {
		if err := s.Purge(ctx, before); err != nil {
			t.Fatal(err)
		}
	}
	if first, last, err := s.Bounds(ctx); first != 11 || last != 30 || err != nil {
		t.Fatal(first, last, err)
	}
	for _, tt := range []struct {
		from, to, first uint64
		n               int
	}{
		{1, 30, 11, 20}, {11, 30, 11, 20}, {12, 20, 12, 9}, {1, 10, 0, 0}, {30, 30, 30, 1}, {5, 4, 0, 0}, {1, 11, 11, 1},
	} {
		got, err := read(tt.from, tt.to)
		if err != nil || len(got) != tt.n || tt.n > 0 && (got[0] != tt.first || got[tt.n-1] != tt.to) {
			t.Errorf("%+v: %v %v", tt, got, err)
		}
	}
	if got, err := read(25, 31); !errors.Is(err, ErrNotFound) || len(got) != 6 {
		t.Error(got, err)
	}
	if _, err := read(40, 50); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := s.Get(ctx, 10); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if list, err := s.GetRange(ctx, 3, 1); err != nil || len(list) != 1 || list[0].Seq != 11 {
		t.Error(list, err)
	}
	if list, err := s.GetRange(ctx, 12, 250); err != nil || len(list) != 2 || list[1].Seq != 13 { // 100 bytes of data and a header each
		t.Error(len(list), err)
	}
	stop := errors.New("stop")
	if err := s.Read(ctx, 11, 30, func(Entry) error { return stop }); err != stop {
		t.Error(err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.Read(cancelled, 11, 30, func(Entry) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}

	if err := s.Purge(ctx, 31); err != nil {
		t.Fatal(err)
	}
	if first, last, err := s.Bounds(ctx); first != 31 || last != 30 || err != nil {
		t.Fatal(first, last, err)
	}
	if got, err := read(1, 30); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
	fill(t, s, 2, 10)
	if got, err := read(1, 32); err != nil || len(got) != 2 {
		t.Error(got, err)
	}
}

// TestLeaderAnswers reads when no replica answers direct reads.
func TestLeaderAnswers(t *testing.T) {
	t.Parallel()
	c := open(t, Config{})
	s := stream(t, c)
	ctx := short(t)
	fill(t, s, 5, 300<<10)
	cfg := streamConfig(StreamSpec{Name: s.name, Subject: s.subject}, 1)
	cfg.AllowDirect = false
	if err := c.api(ctx, c.writes, "STREAM.UPDATE."+s.name, cfg, &struct{}{}); err != nil {
		t.Fatal(err)
	}
	e, err := s.Get(ctx, 4)
	if err != nil || e.ID != "w" || !slices.Equal(e.Data, payload(4, 300<<10)) || e.Time.IsZero() {
		t.Fatal(err)
	}
	if list, err := s.GetRange(ctx, 2, 100); err != nil || len(list) != 1 || list[0].Seq != 2 {
		t.Fatal(len(list), err)
	}
	if list, err := s.GetRange(ctx, 6, 100); err != nil || len(list) != 0 {
		t.Fatal(len(list), err)
	}
	n := 0
	if err := s.Read(ctx, 1, 5, func(Entry) error { n++; return nil }); err != nil || n != 5 {
		t.Fatal(n, err)
	}
}

// TestAppendLimits ends appends that cannot be, and takes the largest that can.
func TestAppendLimits(t *testing.T) {
	t.Parallel()
	c := open(t, Config{})
	s := stream(t, c)
	if o := end(t, start(s, make([]byte, c.MaxPayload()+1), "w", 0)); !errors.Is(o.err, ErrTooLarge) {
		t.Fatalf("%+v", o)
	}
	for _, id := range []string{"a b", "a\r\nX: y", strings.Repeat("x", 300)} {
		if o := end(t, start(s, nil, id, 0)); o.err == nil {
			t.Errorf("id %q was accepted", id)
		}
	}
	if o := end(t, start(s, make([]byte, c.MaxPayload()), strings.Repeat("x", 256), 0)); o.err != nil {
		t.Fatalf("%+v", o)
	}
	if e, err := s.Get(t.Context(), 1); err != nil || len(e.Data) != c.MaxPayload() || len(e.ID) != 256 {
		t.Fatal(err)
	}
	// One wrong one in the middle: it and those after it are refused.
	var pending []<-chan outcome
	for _, last := range []uint64{1, 2, 2, 3, 4} {
		pending = append(pending, start(s, []byte("x"), "w", last))
	}
	for i, want := range []error{nil, nil, ErrWrongSequence, nil, nil} {
		if o := end(t, pending[i]); !errors.Is(o.err, want) {
			t.Errorf("%d: %+v", i, o)
		}
	}
	// More than may be unanswered.
	pending = pending[:0]
	for i := range maxOutstanding + 500 {
		pending = append(pending, start(s, nil, "w", 5+uint64(i)))
	}
	for _, ch := range pending {
		if o := end(t, ch); o.err != nil && !errors.Is(o.err, ErrUnavailable) && !errors.Is(o.err, ErrWrongSequence) {
			t.Fatalf("%+v", o)
		}
	}
}

// TestFull maps the limit of a stream.
func TestFull(t *testing.T) {
	t.Parallel()
	c := open(t, Config{})
	s := stream(t, c)
	cfg := streamConfig(StreamSpec{Name: s.name, Subject: s.subject}, 1)
	cfg.MaxBytes = 100_000
	if err := c.api(short(t), c.writes, "STREAM.UPDATE."+s.name, cfg, &struct{}{}); err != nil {
		t.Fatal(err)
	}
	if o := end(t, start(s, make([]byte, 60_000), "w", 0)); o.err != nil {
		t.Fatalf("%+v", o)
	}
	if o := end(t, start(s, make([]byte, 60_000), "w", 1)); !errors.Is(o.err, ErrFull) {
		t.Fatalf("%+v", o)
	}
	if err := s.Purge(short(t), 2); err != nil {
		t.Fatal(err)
	}
	if o := end(t, start(s, make([]byte, 60_000), "w", 1)); o.err != nil || o.seq != 2 {
		t.Fatalf("%+v", o)
	}
}
