package state

import (
	"math/rand/v2"
	"testing"

	"github.com/waystation/waystation/internal/queue"
)

// However it is taken from, in no time does a queue give more than its burst and one more
// for each interval, and one that is taken from as soon as it says gives all of that.
func TestPaceIsKept(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		j := newJournalled(nil)
		ref := Ref{Kind: 17, ID: 1}
		interval := 1 + r.Int64N(50*millisecond)
		burst := 1 + r.IntN(12)
		greedy := seed%2 == 0
		post := func() {
			for range 20 {
				j.post("x", Place{Queue: ref, Sent: j.Now()})
			}
		}
		post()
		q := j.Find(ref)
		j.SetPace(q, Pace{Interval: interval, Burst: burst})
		type given struct {
			at Time
			n  int
		}
		var all []given
		start := j.Now()
		for range 200 {
			for {
				room, wait := q.Room(1 + r.IntN(10))
				if room == 0 {
					if wait <= j.Now() {
						t.Fatalf("seed %d: nothing at %d, but at %d", seed, j.Now(), wait)
					}
					j.Tick(wait)
					if !greedy {
						j.Tick(wait + Time(r.IntN(200)))
					}
					if room, _ = q.Room(1); room == 0 {
						t.Fatalf("seed %d: nothing when it said", seed)
					}
					break
				}
				got, _, err := j.Receive(q, queue.ReceiveArgs{Max: room, HideUntil: j.Now() + 1_000_000_000})
				if err != nil || len(got) != room {
					t.Fatalf("%d of %d, %v", len(got), room, err)
				}
				var list []Receipt
				for _, m := range got {
					list = append(list, Receipt{Key: m.Key, Receive: m.Receives})
				}
				j.State.Remove(q, list, func(int, error) {})
				j.write()
				all = append(all, given{j.Now(), len(got)})
				if q.Counts().Visible < 10 {
					post()
				}
			}
		}
		total := int64(0)
		for i := range all {
			n := int64(0)
			for _, g := range all[i:] {
				n += int64(g.n)
				if most := int64(burst) + int64(g.at-all[i].at)*millisecond/interval; n > most {
					t.Fatalf("seed %d: %d in %d ms, want %d at most", seed, n, g.at-all[i].at, most)
				}
			}
			total += int64(all[i].n)
		}
		last := all[len(all)-1].at
		// It says when to the millisecond, which a burst makes up for.
		if least := int64(last-start) * millisecond / interval; greedy && int64(burst-1)*interval >= millisecond && total < least {
			t.Errorf("seed %d: %d in all, could be %d", seed, total, least)
		}
	}
}
