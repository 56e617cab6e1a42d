package journal

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// witness remembers what one owner appended and what of it was acknowledged.
type witness struct {
	*owner
	mu       sync.Mutex
	appended []string
	acked    int // so many of appended, from the start
}

// TestRandomFaults runs owners after and beside one another on a log that misbehaves at random, and checks
// each replay: what was acknowledged is there; of each owner it holds the beginning of what it appended,
// in that order; nothing else; and what one replay saw, every later one sees.
func TestRandomFaults(t *testing.T) {
	t.Parallel()
	runs := 150
	if testing.Short() {
		runs = 30
	}
	for seed := range runs {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			randomFaults(t, rand.New(rand.NewPCG(uint64(seed), 1)))
		})
	}
}

func randomFaults(t *testing.T, rnd *rand.Rand) {
	log := newFakeLog(t)
	var mu sync.Mutex // guards rnd from here on
	chance := func(n int) bool { mu.Lock(); defer mu.Unlock(); return rnd.IntN(n) == 0 }
	pick := func(n int) int { mu.Lock(); defer mu.Unlock(); return rnd.IntN(n) }
	rate := 3 + pick(20)
	rivals := 0
	calm := false
	log.onAppend = func(string) fault {
		switch {
		case calm || !chance(rate):
			return works
		case chance(15):
			rivals++
			log.intrude(fmt.Sprintf("rival-%d", rivals), 0, flagFence)
			return works
		case chance(15):
			return full
		}
		return []fault{unreachable, lostAnswer, late}[pick(3)]
	}
	log.onGet = func(uint64) error { return nil }

	var all []*witness
	var seen []string
	for range 2 + pick(4) {
		o := prepare(t, log, func(c *Config) {
			c.MaxInFlight, c.MaxAppend = 1+pick(MaxInFlightLimit), 1<<10
			c.GiveUp = time.Second
		})
		if o.claim(t) != nil {
			continue
		}
		check(t, all, seen, o.replayed, false)
		seen = o.replayed
		w := &witness{owner: o}
		all = append(all, w)
		w.run(t)
		// The former owner, which may not know yet that it is none, goes on beside the new one.
		var wg sync.WaitGroup
		for _, w := range all[max(0, len(all)-2):] {
			wg.Go(func() { w.work(t, 1+pick(60), pick) })
		}
		wg.Wait()
	}
	log.set(func(*fakeLog) { calm = true })
	o := prepare(t, log)
	if err := o.claim(t); err != nil {
		t.Fatal(err)
	}
	check(t, all, seen, o.replayed, true)
}

// work appends records and waits for their commits in order, all at once or one after another.
func (w *witness) work(t *testing.T, n int, pick func(int) int) {
	var commits []*Commit
	collect := func() bool {
		for _, c := range commits {
			if outcome(t, c) != nil {
				return false
			}
			w.mu.Lock()
			w.acked++
			w.mu.Unlock()
		}
		commits = commits[:0]
		return true
	}
	for range n {
		w.mu.Lock()
		rec := fmt.Sprintf("%s: %d %s", w.cfg.Writer, len(w.appended), strings.Repeat("x", pick(600)))
		_, c, err := w.Append([]byte(rec))
		if err != nil {
			w.mu.Unlock()
			return
		}
		w.appended = append(w.appended, rec)
		w.mu.Unlock()
		commits = append(commits, c)
		if pick(8) == 0 && !collect() {
			return
		}
	}
	collect()
}

func check(t *testing.T, all []*witness, before, now []string, final bool) {
	t.Helper()
	if len(now) < len(before) || !slices.Equal(now[:len(before)], before) {
		t.Fatalf("what was replayed before is replayed otherwise: %d records, then %d", len(before), len(now))
	}
	if !final {
		return
	}
	rest := now
	for _, w := range all {
		w.mu.Lock()
		n := 0
		for n < len(rest) && n < len(w.appended) && rest[n] == w.appended[n] {
			n++
		}
		if n < w.acked {
			t.Errorf("%s: %d of %d acknowledged, %d replayed", w.cfg.Writer, w.acked, len(w.appended), n)
		}
		rest = rest[n:]
		w.mu.Unlock()
	}
	if len(rest) > 0 {
		t.Errorf("%d records are replayed that belong nowhere, the first %.40q", len(rest), rest[0])
	}
}
