package journal

import (
	"slices"
	"testing"
)

// ringOf makes a ring of appends from 10 on: for each its size, and whether
// something of half its size lives in it.
func ringOf(appends ...int) *ring {
	r := &ring{}
	r.start(10)
	for i, size := range appends {
		seq := uint64(10 + i)
		r.add(seq, max(size, -size))
		if size > 0 {
			r.retain(seq, 1, size/2)
		}
	}
	return r
}

// A read goes over what lives, and small dead ones between, within its budget.
func TestSpan(t *testing.T) {
	t.Parallel()
	const small = 4 << 10
	for name, test := range map[string]struct {
		appends    []int // below 0: dead
		from, last uint64
		budget     int
		to         uint64
		bytes      int
	}{
		"one":                        {[]int{100, 100, 100}, 10, 12, 0, 10, 100},
		"as many as the budget has":  {[]int{100, 100, 100}, 10, 12, 200, 11, 200},
		"one byte too few":           {[]int{100, 100, 100}, 10, 12, 199, 10, 100},
		"not past the last":          {[]int{100, 100, 100}, 10, 11, 9999, 11, 200},
		"not past the end":           {[]int{100, 100, 100}, 10, 99, 9999, 12, 300},
		"from the middle":            {[]int{100, 200, 300}, 11, 12, 9999, 12, 500},
		"the last one":               {[]int{100, 200, 300}, 12, 12, 9999, 12, 300},
		"over a small dead one":      {[]int{100, -small, 100}, 10, 12, 9999, 12, 200 + small},
		"not over a large dead one":  {[]int{100, -small - 1, 100}, 10, 12, 99999, 10, 100},
		"over a large live one":      {[]int{100, small + 1, 100}, 10, 12, 99999, 12, 201 + small},
		"not to a dead one":          {[]int{100, 100, -100}, 10, 12, 9999, 11, 200},
		"a dead one beyond budget":   {[]int{100, -200, 100}, 10, 12, 350, 10, 100},
		"what is asked for, if dead": {[]int{-100, 100, 100}, 10, 12, 9999, 12, 300},
		"before the start":           {[]int{100, 100}, 9, 11, 9999, 9, 0},
		"behind the end":             {[]int{100, 100}, 12, 99, 9999, 12, 0},
	} {
		to, bytes := ringOf(test.appends...).span(test.from, test.last, test.budget)
		if to != test.to || bytes != test.bytes {
			t.Errorf("%s: up to %d with %d bytes, want %d and %d", name, to, bytes, test.to, test.bytes)
		}
	}
}

func TestOldest(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		appends []int
		last    uint64
		bytes   int
		want    []uint64
	}{
		"none":                  {nil, 99, 1, nil},
		"one":                   {[]int{100, 100}, 99, 1, []uint64{10}},
		"until they are enough": {[]int{100, 100, 100}, 99, 200, []uint64{10, 11}},
		"and one more":          {[]int{100, 100, 100}, 99, 201, []uint64{10, 11, 12}},
		"up to the last":        {[]int{100, 100, 100}, 11, 9999, []uint64{10, 11}},
		"all":                   {[]int{100, 100, 100}, 99, 9999, []uint64{10, 11, 12}},
		"dead ones don't count": {[]int{100, -5000, 100}, 99, 150, []uint64{10, 12}},
	} {
		if got := ringOf(test.appends...).oldest(test.last, test.bytes); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestStep(t *testing.T) {
	t.Parallel()
	r := ringOf(-100, -100, -100, -100)
	for _, test := range []struct {
		stale  []uint64
		before uint64
		enough int64
		to     uint64
		bytes  int64
	}{
		{nil, 14, 1, 11, 100},
		{nil, 14, 200, 12, 200},
		{nil, 14, 201, 13, 300},
		{nil, 99, 9999, 14, 400}, // not past the end
		{nil, 10, 9999, 10, 0},
		{[]uint64{11}, 14, 1, 12, 200},          // goes past one that does not count
		{[]uint64{11, 12, 13}, 14, 1, 14, 400},  // and past several
		{[]uint64{12}, 12, 9999, 11, 100},       // stops before one that the end is at
		{[]uint64{11, 12}, 12, 9999, 10, 0},     // or before all
		{[]uint64{10, 11, 12}, 12, 9999, 10, 0}, // the log may begin with one already
		{[]uint64{13}, 12, 9999, 12, 200},
	} {
		r.stale = test.stale
		if to, bytes := r.step(test.before, test.enough); to != test.to || bytes != test.bytes {
			t.Errorf("before %d, from %d bytes on, %v don't count: up to %d with %d bytes, want %d and %d",
				test.before, test.enough, test.stale, to, bytes, test.to, test.bytes)
		}
	}
	// What does not count is forgotten with what is trimmed.
	r.stale = []uint64{10, 11, 12, 13}
	r.move(13)
	r.drop(12)
	if !slices.Equal(r.stale, []uint64{12, 13}) || r.base != 12 || r.dead != 100 {
		t.Errorf("%v don't count, from %d on, %d bytes wait to be trimmed", r.stale, r.base, r.dead)
	}
	r.drop(12)
	r.drop(5)
	if r.base != 12 || len(r.slots)-r.head != 2 {
		t.Errorf("from %d on, %d slots", r.base, len(r.slots)-r.head)
	}
}

func TestRelease(t *testing.T) {
	t.Parallel()
	r := ringOf(100, 100)
	r.floor = 1 << 20
	for _, test := range []struct {
		name  string
		seq   uint64
		bytes int
		first bool
		live  int64
		items int64
	}{
		{"behind the end", 12, 50, false, 100, 2},
		{"before the start", 9, 50, false, 100, 2},
		{"not the first", 11, 50, false, 50, 1},
		{"one that is dead", 11, 50, false, 50, 1},
		{"fewer bytes than there are", 10, 10, true, 0, 0}, // the last item takes all with it
	} {
		rewrite, first := r.release(test.seq, test.bytes)
		if rewrite || first != test.first || r.live != test.live || r.items != test.items {
			t.Errorf("%s: rewriting %v, first %v, %d bytes of %d items live; want false, %v, %d, %d",
				test.name, rewrite, first, r.live, r.items, test.first, test.live, test.items)
		}
	}
	if r.retain(10, 1, 7); r.live != 7 {
		t.Errorf("%d bytes live, want 7", r.live)
	}
	r.retain(10, 1, 7)
	if _, first := r.release(10, 7); first {
		t.Error("the first one is told to be dead, and one item lives")
	}
	// More is released of an append than stands in it.
	if _, first := r.release(10, 70); !first || r.live != 0 {
		t.Errorf("first %v, %d bytes live", first, r.live)
	}
}

// Rewriting is asked for once, until the front has moved, there was less garbage,
// or it was to be tried again.
func TestRewriteDue(t *testing.T) {
	t.Parallel()
	r := ringOf(1000, -5000, 1000, -5000, 1000)
	due := func(want bool, when string) {
		t.Helper()
		if got := r.rewriteDue(); got != want {
			t.Errorf("%s: due is %v, want %v", when, got, want)
		}
	}
	due(true, "at first")
	due(false, "again")
	r.retry()
	due(true, "after it failed")
	r.release(10, 500)
	if _, due := r.review(99); !due {
		t.Error("not due when the front has moved")
	}
	due(false, "again")
	r.floor = 1 << 20
	due(false, "in a short log")
	r.floor = 0
	due(true, "when there had been less")
	if !r.short(5) || r.short(5) || r.shortBy() != 5 || !r.short(0) || r.shortBy() != 0 {
		t.Error("what is news of scarce space is told wrongly")
	}
}

// A retained append before the front moves it back, one that is added there counts
// among what waits to be trimmed.
func TestFrontMovesBack(t *testing.T) {
	t.Parallel()
	r := ringOf(-100, -200, -300)
	if got := r.advance(12); got != 12 || r.dead != 300 || r.bytes != 300 {
		t.Errorf("the front is at %d, %d bytes wait, %d are left", got, r.dead, r.bytes)
	}
	r.retain(11, 1, 50)
	if r.front != 11 || r.dead != 100 || r.bytes != 500 {
		t.Errorf("the front is at %d, %d bytes wait, %d are left", r.front, r.dead, r.bytes)
	}
	r = &ring{}
	r.start(10)
	r.retain(10, 1, 5)
	r.release(10, 5)
	r.move(99) // not past what there is
	if r.front != 11 {
		t.Errorf("the front is at %d, want 11", r.front)
	}
	r.add(10, 100)
	if r.dead != 100 || r.bytes != 0 {
		t.Errorf("%d bytes wait, %d are left", r.dead, r.bytes)
	}
}
