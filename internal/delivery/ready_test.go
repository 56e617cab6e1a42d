package delivery_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/egress"
	"github.com/waystation/waystation/internal/partition"
)

// What a request needs and is not to be had for a while is a failed attempt, nothing else.
func TestUnready(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		n := w.start("one", nil)
		missing := 0
		var answered []int
		e := w.endpoint(1, func(e *delivery.Endpoint) {
			render := e.Render
			e.Render = func(ctx context.Context, m *delivery.Message) (delivery.Request, error) {
				if missing++; missing <= 2 {
					return delivery.Request{}, &delivery.Unready{Reason: "there is no token"}
				}
				return render(ctx, m)
			}
			e.Answered = func(_ context.Context, status int) { answered = append(answered, status) }
		}, inTurn(status(401), status(200)))
		e.Permanent = func(status int) bool { return status != 401 }
		n.send(t, e, "m")
		time.Sleep(5 * time.Minute)
		log, _, err := n.Attempts(t.Context(), e.Name, delivery.Filter{}, "", 10)
		if err != nil || len(log) != 4 || log[0].Class != delivery.Unprepared || log[0].Text != "there is no token" || log[3].Class != delivery.Delivered {
			t.Errorf("%+v, %v", log, err)
		}
		if fmt.Sprint(answered) != "[401 200]" || n.counts().Delivered != 1 {
			t.Errorf("%v, %+v", answered, n.counts())
		}
	})
}

// What waits for an endpoint that was deleted gets to its dead-letter queue, however slow
// the endpoint was.
func TestDeletedWithDeadLetters(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		n := w.start("one", nil)
		dead := partition.Target{Queue: partition.Ref{Kind: partition.KindUndelivered, ID: 999}}
		e := w.endpoint(1, func(e *delivery.Endpoint) {
			e.PerSecond = 0.01
			e.Bury = func(_ context.Context, m *delivery.Message, f delivery.Failure) (*partition.PostItem, string, error) {
				if f.Class != delivery.Deleted {
					t.Errorf("%+v", f)
				}
				return &partition.PostItem{Payload: m.Payload, Targets: []partition.PostTarget{{Target: dead}}}, "", nil
			}
		}, func(int) (*egress.Answer, error) { return status(200)(0) })
		for i := range 50 {
			n.send(t, e, fmt.Sprint("m", i))
		}
		time.Sleep(time.Minute)
		gone := *e
		gone.Deleted = true
		w.mu.Lock()
		w.defs[1] = &gone
		w.mu.Unlock()
		time.Sleep(10 * time.Minute)
		list, _, err := n.parts.Read(t.Context(), dead, 0, 100)
		if pushed := len(w.pushes(e)); err != nil || len(list)+pushed != 50 || pushed > 8 { // four takers may have taken before there was a pace
			t.Errorf("%d pushed, %d dead letters, %v", pushed, len(list), err)
		}
	})
}

// A rate of one a second holds from the first message on, and what is too old when its
// turn comes is given up.
func TestSlowRate(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		n := w.start("one", nil)
		e := w.endpoint(1, func(e *delivery.Endpoint) {
			e.PerSecond, e.Schedule.MaxAge = 1, time.Minute
		}, status(200))
		for i := range 100 {
			n.send(t, e, fmt.Sprint("m", i))
		}
		time.Sleep(10 * time.Second)
		if got := len(w.pushes(e)); got < 8 || got > 15 { // four takers may have taken before there was a pace
			t.Errorf("%d after 10 s", got)
		}
		time.Sleep(10 * time.Minute)
		if got, c := len(w.pushes(e)), n.counts(); got < 50 || got > 70 || c.Undelivered+c.Delivered != 100 {
			t.Errorf("%d pushed in a minute, %+v", got, c)
		}
	})
}
