package queue

import "testing"

// What was freed comes back empty, and the room for a few is kept: to hold now an item,
// now none, allocates nothing.
func TestSlabKeepsRoomAndNothingElse(t *testing.T) {
	var s slab[int]
	first := s.alloc()
	second := s.alloc()
	*s.at(second) = 7
	s.free(second)
	if i := s.alloc(); i != second || *s.at(i) != 0 {
		t.Errorf("item %d comes back as %d with %d in it", second, i, *s.at(i))
	}
	s.free(second)
	s.free(first)
	if n := testing.AllocsPerRun(100, func() { s.free(s.alloc()) }); n != 0 {
		t.Errorf("an item that comes and goes allocates %g times", n)
	}
}

func TestPagesKeepRoomAndNothingElse(t *testing.T) {
	var p pages
	p.push(1)
	p.pop()
	p.push(2)
	if v := *p.at(0); v != 2 {
		t.Errorf("pushed 2, there is %d", v)
	}
	p.pop()
	change := func() {
		for range firstPage {
			p.push(3)
		}
		for range firstPage {
			p.pop()
		}
	}
	if n := testing.AllocsPerRun(100, change); n != 0 {
		t.Errorf("the first page, filled and drained, allocates %g times", n)
	}
}

// An index that was drained keeps a few buckets, and works.
func TestIndexKeepsFewBuckets(t *testing.T) {
	m := New(Config{})
	for range 2 {
		for k := range byte(100) {
			m.Insert(0, Message{Key: m.NextKey(), Group: "g" + string(rune('0'+k))})
		}
		if n := m.names.heads.n; n != 100 {
			t.Errorf("%d buckets for 100 groups", n)
		}
		for key := m.NextKey() - 100; key < m.NextKey(); key++ {
			if _, ok := m.Remove(key); !ok {
				t.Fatalf("message %d is not there", key)
			}
		}
		if n := m.names.heads.n; n != fewHeads {
			t.Errorf("%d buckets for no group, want %d", n, fewHeads)
		}
	}
}
