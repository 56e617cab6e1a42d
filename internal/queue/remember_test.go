package queue

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// What is remembered replaces all that it is the same as, also when the index shrinks
// meanwhile, and there is one report for every call.
func TestRememberReplacesAll(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		m := New(Config{FIFO: true})
		calls, reports := 0, 0
		for step := range 300 {
			var id DedupID
			binary.LittleEndian.PutUint64(id[:], 8*r.Uint64N(3)+7) // one chain, in the bucket that goes first
			sent := Time(1 + r.IntN(60))
			m.Remember(id, Original{Key: uint64(step + 1), Sent: sent, Expires: sent + Time(1+r.IntN(20)), Grace: 1000 * Time(r.IntN(3))})
			calls++
			var list []memory
			m.remembered.each(id, func(_ uint32, o *memory) { list = append(list, *o) })
			if len(list) > maxOriginals {
				t.Fatalf("seed %d: %d originals of one id", seed, len(list))
			}
			for i := range list {
				for k := range list {
					newest := list[k].key.uint64() == uint64(step+1)
					if i != k && newest && list[i].answers(list[k].sent.time(), list[k].expires.time()) {
						t.Fatalf("seed %d: one that is the same is still there", seed)
					}
				}
			}
			if r.IntN(6) == 0 {
				reports += len(m.Advance(Time(r.IntN(4000))).Forgotten)
			}
		}
		for more := true; more; {
			c := m.Advance(1 << 40)
			reports, more = reports+len(c.Forgotten), c.More
		}
		if reports != calls {
			t.Errorf("seed %d: %d calls, %d reports", seed, calls, reports)
		}
	}
}
