package demo

import (
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/waystation/waystation/examples/orders"
)

// tally counts what happens to the messages.
type tally struct {
	mu    sync.Mutex
	sent  int
	steps map[string]*stepTally
}

type stepTally struct {
	handled    int // messages handled and deleted
	deliveries int
	failed     int // deliveries that failed
	later      int // handled, but not at the first delivery
	dead       int // redriven from the dead-letter queue
	first      []time.Duration
	all        []time.Duration
	open       map[string]failure // by order: failed and not handled since
}

type failure struct {
	attempt int
	why     string
}

func newTally() *tally {
	t := &tally{steps: map[string]*stepTally{}}
	for _, s := range orders.Steps {
		t.steps[s] = &stepTally{open: map[string]failure{}}
	}
	return t
}

func (t *tally) observe(e orders.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.steps[e.Step]
	s.deliveries++
	if e.Err != nil {
		s.failed++
		s.open[e.Order] = failure{e.Attempt, e.Err.Error()}
		return
	}
	s.handled++
	s.all = append(s.all, e.Since)
	if _, failed := s.open[e.Order]; failed || e.Attempt > 1 {
		s.later++
	} else {
		s.first = append(s.first, e.Since)
	}
	delete(s.open, e.Order)
}

func (t *tally) submitted(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent += n
}

func (t *tally) redriven(step string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.steps[step].dead += n
}

// reasons lists why the orders that a step has given up on have failed, the
// most frequent reason first.
func (t *tally) reasons(step string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	count := map[string]int{}
	for _, f := range t.steps[step].open {
		if f.attempt >= orders.MaxReceives {
			count[f.why]++
		}
	}
	list := make([]string, 0, len(count))
	for why := range count {
		list = append(list, why)
	}
	sort.Slice(list, func(i, j int) bool {
		if count[list[i]] != count[list[j]] {
			return count[list[i]] > count[list[j]]
		}
		return list[i] < list[j]
	})
	for i, why := range list {
		list[i] = fmt.Sprintf("%d × %s", count[why], why)
	}
	return list
}

// percentile returns the duration that q of the list do not exceed.
func percentile(list []time.Duration, q float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	sorted := append([]time.Duration(nil), list...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i] < sorted[j] })
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
