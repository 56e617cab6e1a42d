package lease

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/waystation/waystation/internal/jet"
)

// How many partitions were agreed on can be asked without taking part.
func TestAgreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &link{fakeCluster: newFakeCluster()}
		if _, err := Agreed(t.Context(), l, "ws"); !errors.Is(err, jet.ErrNotFound) {
			t.Errorf("where none ever ran: %v", err)
		}
		for value, want := range map[string]uint32{"1": 1, "1024": MaxCount, "0": 0, "1025": 0, "many": 0, "-1": 0} {
			l.write("count", value)
			n, err := Agreed(t.Context(), l, "ws")
			if n != want || (err == nil) != (want > 0) || err != nil && !strings.Contains(err.Error(), value) {
				t.Errorf("%q: %d, %v", value, n, err)
			}
		}
		for _, op := range []string{"open ws_leases", "get count"} {
			l.fault = func(o, key string) error {
				if o+" "+key == op {
					return jet.ErrUnavailable
				}
				return nil
			}
			if _, err := Agreed(t.Context(), l, "ws"); !errors.Is(err, jet.ErrUnavailable) {
				t.Errorf("%s fails: %v", op, err)
			}
		}
		if len(l.writes) != 6 {
			t.Error("it took part")
		}
	})
}

func TestCountIsNotANumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster()
		c.write("count", "many")
		a := startKeeper(t, c, "a", "run-a", 2, nil)
		if err := a.stop(); err == nil || !strings.Contains(err.Error(), `"many"`) {
			t.Errorf("ended with %v", err)
		}
	})
}

// A number of partitions that cannot be is no reason to look at each of them.
func TestCountIsTooHigh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster()
		a := startKeeper(t, c, "a", "run-a", 2, nil)
		c.write("count", fmt.Sprint(MaxCount+1))
		a.want(t, "[0:1 1:1]")
		if a.Count() != 2 {
			t.Errorf("%d partitions", a.Count())
		}
		b := startKeeper(t, c, "b", "run-b", 2, nil)
		if err := b.stop(); err == nil || !strings.Contains(err.Error(), fmt.Sprint(MaxCount+1)) {
			t.Errorf("ended with %v", err)
		}
	})
}

// Two nodes that raise the number of partitions at once.
func TestCountRaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster()
		raced := 0
		a := startKeeper(t, c, "a", "run-a", 3, func(n *node) {
			n.link.fault = func(op, key string) error {
				if key == "count" && op != "get" && raced < 2 {
					raced++
					c.write("count", fmt.Sprint(raced))
				}
				return nil
			}
		})
		if raced != 2 || a.Count() != 3 || c.value("count") != "3" {
			t.Errorf("after %d races %d partitions, stored are %s", raced, a.Count(), c.value("count"))
		}
	})
}
