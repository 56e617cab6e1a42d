package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/egress"
	"github.com/waystation/waystation/internal/partition"
)

func TestRedeliver(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		n := w.start("one", nil)
		var code atomic.Int64
		code.Store(400)
		e := w.endpoint(1, nil, func(i int) (*egress.Answer, error) { return status(int(code.Load()))(i) })
		for i := range 6 {
			if i == 4 {
				code.Store(410)
			}
			n.send(t, e, fmt.Sprint("m", i))
			time.Sleep(time.Hour)
		}
		code.Store(200)
		sent := len(w.pushes(e))
		redeliver := func(f delivery.Filter, ids []string, want int, bodies ...string) {
			t.Helper()
			got, err := n.Redeliver(t.Context(), e.Name, f, ids)
			if err != nil || got != want {
				t.Errorf("%d, %v; want %d", got, err, want)
			}
			time.Sleep(time.Minute)
			var pushed []string
			for _, p := range w.pushes(e)[sent:] {
				pushed = append(pushed, p.body)
			}
			sent = len(w.pushes(e))
			slices.Sort(pushed)
			if !slices.Equal(pushed, bodies) {
				t.Errorf("pushed %v, want %v", pushed, bodies)
			}
		}
		kept, _, err := n.Undelivered(t.Context(), e.Name, delivery.Filter{}, "", 100)
		if err != nil || len(kept) != 6 || kept[1].Message != "m1" {
			t.Fatalf("%+v, %v", kept, err)
		}
		redeliver(delivery.Filter{}, []string{kept[1].ID}, 1, "m1")
		redeliver(delivery.Filter{}, []string{kept[1].ID}, 0) // it is not there any more
		redeliver(delivery.Filter{Message: "m0"}, nil, 1, "m0")
		redeliver(delivery.Filter{Status: 410}, nil, 2, "m4", "m5")
		redeliver(delivery.Filter{Since: kept[3].Time}, nil, 1, "m3")
		redeliver(delivery.Filter{}, nil, 1, "m2")
		redeliver(delivery.Filter{}, nil, 0)
		if c := n.counts(); c.Delivered != 6 {
			t.Errorf("%+v", c)
		}
		if _, err := n.Redeliver(t.Context(), "nobody", delivery.Filter{}, nil); !errors.Is(err, delivery.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}

// What an endpoint refuses again while the others are tried is not tried without end.
func TestRedeliverInVain(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		const sent = 250 // more than are read at once
		n := w.start("one", nil)
		e := w.endpoint(1, nil, status(400))
		for i := range sent {
			n.send(t, e, fmt.Sprint("m", i))
		}
		time.Sleep(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if got, err := n.Redeliver(ctx, e.Name, delivery.Filter{}, nil); err != nil || got != sent {
			t.Errorf("%d, %v; want %d", got, err, sent)
		}
		time.Sleep(time.Hour)
		if got := len(w.pushes(e)); got != 2*sent {
			t.Errorf("%d pushes, want %d", got, 2*sent)
		}
	})
}

func TestAttemptsFilteredAndInPages(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		n := w.start("one", nil)
		e := w.endpoint(1, nil, func(i int) (*egress.Answer, error) { return status(200 + i%2*204)(i) })
		for i := range 250 {
			n.send(t, e, fmt.Sprint("m", i))
			time.Sleep(time.Second)
		}
		read := func(f delivery.Filter, max int) (all []delivery.Attempt, pages int) {
			t.Helper()
			for from := ""; ; pages++ {
				list, next, err := n.Attempts(t.Context(), e.Name, f, from, max)
				if err != nil {
					t.Fatal(err)
				}
				if all = append(all, list...); next == "" {
					return all, pages + 1
				}
				from = next
			}
		}
		all, pages := read(delivery.Filter{}, 30)
		if len(all) != 250 || pages < 8 {
			t.Errorf("%d in %d pages", len(all), pages)
		}
		for i, a := range all {
			if a.Message != fmt.Sprint("m", i) {
				t.Fatalf("%d is %+v", i, a)
			}
		}
		if failed, _ := read(delivery.Filter{Failed: true}, 1000); len(failed) != 125 || failed[0].Status != 404 {
			t.Errorf("%d failed", len(failed))
		}
		if since, _ := read(delivery.Filter{Since: all[200].Time}, 1000); len(since) != 50 {
			t.Errorf("%d since", len(since))
		}
		if one, _ := read(delivery.Filter{Message: "m7"}, 1000); len(one) != 1 {
			t.Errorf("%+v", one)
		}
		if one, _ := read(delivery.Filter{Class: delivery.Delivered}, 1000); len(one) != 125 {
			t.Errorf("%d delivered", len(one))
		}
		if _, _, err := n.Attempts(t.Context(), e.Name, delivery.Filter{}, "x", 1); !errors.Is(err, delivery.ErrPage) {
			t.Errorf("%v", err)
		}
	})
}

// The log of an endpoint holds the newest attempts only.
func TestAttemptsAreBounded(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		n := w.start("one", nil)
		e := w.endpoint(1, nil, status(200))
		const sent = 900
		for i := range sent {
			n.send(t, e, fmt.Sprint("m", i))
			time.Sleep(time.Second)
		}
		queue := partition.Target{Queue: partition.Ref{Kind: partition.KindAttempts, ID: 1}}
		c, err := n.parts.CountOf(t.Context(), queue)
		if err != nil || c.Visible > 564 || c.Visible < 500 {
			t.Errorf("%+v, %v", c, err)
		}
		list, _, err := n.Attempts(t.Context(), e.Name, delivery.Filter{Message: fmt.Sprint("m", sent-1)}, "", 10)
		if err != nil || len(list) != 1 {
			t.Errorf("the last: %+v, %v", list, err)
		}
		if list, _, err := n.Attempts(t.Context(), e.Name, delivery.Filter{Message: "m0"}, "", 10); err != nil || len(list) != 0 {
			t.Errorf("the first: %+v, %v", list, err)
		}
	})
}

func TestEndpointsInPages(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		n := w.start("one", nil)
		for id := range uint64(9) {
			w.endpoint(id+1, nil, status(200))
		}
		var names []string
		for after := ""; ; {
			list, next, err := n.Endpoints(t.Context(), after, 4)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range list {
				names = append(names, e.Name)
			}
			if next == "" {
				break
			}
			after = next
		}
		if len(names) != 9 || len(slices.Compact(slices.Clone(names))) != 9 {
			t.Errorf("%v", names)
		}
		if _, _, err := n.Endpoints(t.Context(), "nonsense", 1); !errors.Is(err, delivery.ErrPage) {
			t.Errorf("%v", err)
		}
	})
}
