package simulation

import (
	"flag"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seedsFlag    = flag.Int("seeds", 50, "how many runs")
	seedFlag     = flag.Uint64("seed", 1, "seed of the first run")
	failuresFlag = flag.Int("failures", 10, "after how many failed runs to stop")
	planFlag     = flag.String("plan", "", "only seeds with the special plan of this name, see plans.go")
	storyFlag    = flag.Bool("story", false, "tell what happened in each run, with the nodes' logs")
)

// TestSimulation does runs with successive seeds. A failed one is done again by
// -seed N -seeds 1 -story.
func TestSimulation(t *testing.T) {
	n := *seedsFlag
	if testing.Short() {
		n = min(n, 20)
	}
	runSeeds(t, *seedFlag, n)
}

// runSeeds does n runs from a seed on, as many at a time as tests run in parallel.
func runSeeds(t *testing.T, first uint64, n int) {
	var mu sync.Mutex
	var total stats
	var failed atomic.Int32
	began := time.Now()
	t.Run("seeds", func(t *testing.T) {
		for i := range uint64(n) {
			seed := first + i
			if *planFlag != "" && newPlan(seed).name != *planFlag {
				continue
			}
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				if failed.Load() >= int32(*failuresFlag) {
					return // enough to look at
				}
				r := runSeed(t, seed, *storyFlag)
				mu.Lock()
				total.add(r.stats)
				mu.Unlock()
				if len(r.faults) > 0 {
					failed.Add(1)
					t.Error(r)
				}
				if *storyFlag {
					t.Log("\n" + strings.Join(r.story, "\n"))
				}
			})
		}
	})
	t.Logf("%d runs from seed %d in %v: %+v", n, first, time.Since(began).Round(time.Millisecond), total)
}

func runSeed(t *testing.T, seed uint64, story bool) (r *result) {
	synctest.Test(t, func(t *testing.T) {
		var logs *recorder
		if story {
			logs = &recorder{}
		}
		r = simulate(newPlan(seed), logs)
	})
	if r.plan.skew == 0 { // with other clocks what is visible for one owner is not for the next
		r.faults = append(r.faults, checkLinear(r.linear)...)
	}
	return r
}
