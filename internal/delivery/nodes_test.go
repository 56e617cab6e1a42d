package delivery_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/egress"
)

// Two nodes share the work and the limits, and what one had under way when it died the
// other delivers.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.lease = 5 * time.Second
		one := w.start("one", nil)
		two := w.start("two", nil)
		e := w.endpoint(1, nil, func(i int) (*egress.Answer, error) {
			time.Sleep(500 * time.Millisecond)
			return status(200)(i)
		})
		const sent = 400
		for i := range sent {
			one.send(t, e, fmt.Sprint("m", i))
		}
		time.Sleep(5 * time.Second)
		w.mu.Lock()
		if w.most[e.Name] > 10 {
			t.Errorf("%d at a time", w.most[e.Name])
		}
		w.mu.Unlock()
		if one.counts().Delivered == 0 || two.counts().Delivered == 0 {
			t.Errorf("%+v and %+v", one.counts(), two.counts())
		}
		w.jet.Node("two").Kill()
		time.Sleep(3 * time.Minute)
		seen := map[string]int{}
		for _, p := range w.pushes(e) {
			seen[p.body]++
		}
		if len(seen) != sent {
			t.Errorf("%d of %d arrived", len(seen), sent)
		}
	})
}

// A node that stops lets what is under way end, and leaves the rest to others.
func TestStops(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		n := w.start("one", func(c *delivery.Config) { c.Grace = 3 * time.Second })
		e := w.endpoint(1, nil, func(i int) (*egress.Answer, error) {
			time.Sleep(2 * time.Second)
			return status(200)(i)
		})
		hung := w.endpoint(2, nil, inTurn(silent, status(200)))
		n.send(t, e, "a")
		n.send(t, hung, "b")
		time.Sleep(time.Second)
		n.stop()
		if c := n.counts(); c.Delivered != 1 || c.Failed != 0 {
			t.Errorf("%+v", c)
		}
		n = w.start("two", nil)
		time.Sleep(time.Minute)
		if a, b := len(w.pushes(e)), len(w.pushes(hung)); a != 1 || b != 2 || n.counts().Delivered != 1 {
			t.Errorf("%d and %d pushes, %+v", a, b, n.counts())
		}
	})
}
