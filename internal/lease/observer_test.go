package lease

import (
	"testing"
	"testing/synctest"
	"time"
)

// An observer takes no partition, not even when nobody else is there, leaves the others
// their shares, and knows who serves what.
func TestObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster()
		o := startKeeper(t, c, "o", "run-o", 4, func(n *node) { n.observer = true })
		time.Sleep(3 * ttl)
		o.want(t, "[]")
		a := startKeeper(t, c, "a", "run-a", 4, nil)
		time.Sleep(ttl)
		a.want(t, "[0:1 1:1 2:1 3:1]")
		if v := o.View(3); v.Node != "a" || !v.Ready || v.Mine {
			t.Errorf("the observer sees partition 3 as %+v", v)
		}
		if err := a.stop(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * ttl)
		o.want(t, "[]")
	})
}
