package pattern

import (
	"fmt"
	"sync"
	"testing"
)

// Matches see whole snapshots while the set changes: a pattern that is replaced is
// always there, and of a chain that adds the next link before it removes the last
// there are always one or two, neighbours.
func TestMatchSeesWholeSnapshots(t *testing.T) {
	t.Parallel()
	const kept, rounds = 40, 1500
	p := compiled(t, Events, `{"a":[1]}`)
	s := NewSet()
	for i := range kept {
		s.Add(fmt.Sprint("kept", i), p)
	}
	s.Add("link0", p)
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	writers.Go(func() {
		for i := range rounds {
			s.Add(fmt.Sprint("kept", i%kept), p)
		}
	})
	writers.Go(func() {
		for i := range rounds {
			s.Add(fmt.Sprint("link", i+1), p)
			s.Remove(fmt.Sprint("link", i))
		}
	})
	writers.Go(func() {
		for range rounds {
			if n := s.Len(); n < kept+1 || n > kept+2 {
				t.Errorf("%d patterns", n)
			}
		}
	})
	for range 3 {
		readers.Go(func() {
			for last := 0; ; {
				if last = checkSnapshot(t, s, kept, last); last < 0 {
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	if last := checkSnapshot(t, s, kept, rounds); last != rounds {
		t.Errorf("the chain ends at %d, want %d", last, rounds)
	}
}

// checkSnapshot gives the chain's highest link, or -1 after a failure.
func checkSnapshot(t *testing.T, s *Set, kept, last int) int {
	ids, err := s.Match([]byte(`{"a":1}`))
	if err != nil {
		t.Error(err)
		return -1
	}
	seen := map[string]bool{}
	low, high, links := 1<<30, -1, 0
	for _, id := range ids {
		var n int
		if seen[id] {
			t.Errorf("%s is there twice", id)
		}
		seen[id] = true
		if _, err := fmt.Sscanf(id, "link%d", &n); err == nil {
			low, high, links = min(low, n), max(high, n), links+1
		}
	}
	if len(ids) != kept+links || links < 1 || links != high-low+1 || links > 2 || high < last {
		t.Errorf("%d patterns, links %d to %d, of %d kept, after link %d", len(ids), low, high, kept, last)
		return -1
	}
	return high
}
