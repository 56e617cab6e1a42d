package state

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/waystation/waystation/internal/queue"
)

// heap is what is in use after a collection, in bytes.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Not parallel: both measure the heap.

// Items that wait far ahead, in no order and each with a name, take at most 200
// bytes: ten million of them 2 GB.
func TestWaitingItemsAreSmall(t *testing.T) {
	const n = 200_000
	rng := rand.New(rand.NewPCG(1, 2))
	s := testState(map[Ref]Terms{{Kind: 17, ID: 1}: {}})
	before := heap()
	at := uint64(0)
	for i := range n {
		p := Place{Queue: Ref{Kind: 17, ID: 1}, Sent: 1000, VisibleAt: Time(10_000 + rng.IntN(1e9))}
		binary.LittleEndian.PutUint64(p.Name[:], rng.Uint64())
		p.Name[15] = byte(i)
		s.Post(Item{Payload: []byte("x"), Targets: []Placing{{Place: p}}}, func(Placed) {})
		at++
		s.Written(Pos{Append: at})
		for q := s.NextTouched(); q != nil; q = s.NextTouched() {
			s.Review(q)
		}
	}
	each := (heap() - before) / n
	t.Logf("%d bytes each, %d accounted for", each, s.Usage().Bytes/n)
	if each > 200 {
		t.Errorf("%d bytes for an item, want at most 200", each)
	}
	if told := s.Usage().Bytes / n; told < each*8/10 || told > each*13/10 {
		t.Errorf("%d bytes are accounted for an item that takes %d", told, each)
	}
	runtime.KeepAlive(s)
}

// A queue that was used once and drained takes at most 400 bytes here.
func TestDrainedQueuesAreSmall(t *testing.T) {
	const n = 50_000
	s := testState(nil)
	before := heap()
	at := uint64(0)
	settle := func() {
		for q := s.NextTouched(); q != nil; q = s.NextTouched() {
			for s.Advance(q) {
			}
			s.Review(q)
		}
		if s.Record() != nil {
			at++
			s.Written(Pos{Append: at})
		}
	}
	for i := range uint64(n) {
		s.Post(Item{Payload: []byte("x"), Targets: []Placing{{Place: Place{Queue: Ref{ID: i + 1}, Sent: s.Now()}}}}, func(Placed) {})
		at++
		s.Written(Pos{Append: at})
		q := s.Find(Ref{ID: i + 1})
		got, _, err := s.Receive(q, queue.ReceiveArgs{Max: 1, HideUntil: s.Now() + 5000})
		if err != nil || len(got) != 1 {
			t.Fatalf("received %d, %v", len(got), err)
		}
		s.Remove(q, []Receipt{{got[0].Key, 1}}, func(int, error) {})
		settle()
	}
	s.Tick(s.Now() + 2*collapseAfter)
	for s.NextDue() != nil {
		settle()
	}
	each := (heap() - before) / n
	t.Logf("%d bytes each", each)
	if each > 400 {
		t.Errorf("%d bytes for a queue that holds nothing, want at most 400", each)
	}
	runtime.KeepAlive(s)
}
