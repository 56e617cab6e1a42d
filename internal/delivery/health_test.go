package delivery_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/egress"
)

// days of an hour all in all.
func days(c *delivery.Config) { c.DisableAfter = time.Hour }

// An endpoint that fails for days is disabled, on all nodes and over restarts, until it
// is enabled.
func TestDisabled(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		n := w.start("one", days)
		var down atomic.Bool
		down.Store(true)
		e := w.endpoint(1, nil, func(i int) (*egress.Answer, error) {
			if down.Load() {
				return status(500)(i)
			}
			return status(200)(i)
		})
		for i := range 32 {
			if n.counts().Disabled != 0 && i < 29 {
				t.Fatalf("disabled after %d messages", i)
			}
			n.send(t, e, fmt.Sprint(i))
			time.Sleep(2 * time.Minute)
		}
		if c := n.counts(); c.Disabled != 1 || len(w.disabled) != 1 || w.disabled[0] != e.Name {
			t.Fatalf("%+v, %v", c, w.disabled)
		}
		n.stop()
		n = w.start("two", days)
		down.Store(false)
		tried := len(w.pushes(e))
		n.send(t, e, "late")
		time.Sleep(time.Minute)
		kept, _, err := n.Undelivered(t.Context(), e.Name, delivery.Filter{Message: "late"}, "", 1000)
		if err != nil || len(kept) != 1 || kept[0].Class != delivery.Disabled || len(w.pushes(e)) != tried {
			t.Errorf("%+v, %v; tried %d times more", kept, err, len(w.pushes(e))-tried)
		}
		list, _, err := n.Endpoints(t.Context(), "", 10)
		if err != nil || len(list) != 1 || list[0].State != delivery.StateDisabled || list[0].DisabledAt == nil || list[0].Undelivered < 30 {
			t.Errorf("%+v, %v", list, err)
		}
		if _, err := n.Redeliver(t.Context(), e.Name, delivery.Filter{}, nil); !errors.Is(err, delivery.ErrDisabled) {
			t.Errorf("redelivered to a disabled one: %v", err)
		}

		if err := n.Enable(t.Context(), e.Name); err != nil {
			t.Fatal(err)
		}
		n.send(t, e, "again")
		time.Sleep(time.Minute)
		if got := w.pushes(e); got[len(got)-1].body != "again" || n.counts().Delivered != 1 {
			t.Errorf("%+v, %+v", got[len(got)-1], n.counts())
		}
		if err := n.Enable(t.Context(), "nobody"); !errors.Is(err, delivery.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}

// One success is enough not to be disabled.
func TestNotDisabled(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		n := w.start("one", days)
		e := w.endpoint(1, nil, func(i int) (*egress.Answer, error) {
			if i%50 == 49 {
				return status(200)(i)
			}
			return status(500)(i)
		})
		for i := range 80 {
			n.send(t, e, fmt.Sprint(i))
			time.Sleep(2 * time.Minute)
		}
		if c := n.counts(); c.Disabled != 0 || c.Delivered < 5 {
			t.Errorf("%+v", c)
		}
	})
}
