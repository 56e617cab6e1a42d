package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/egress"
	"github.com/waystation/waystation/internal/partition"
)

func TestDelivers(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		n := w.start("one", nil)
		e := w.endpoint(1, nil, status(204))
		n.send(t, e, "a", "b", "c")
		time.Sleep(time.Second)
		if got := w.pushes(e); len(got) != 3 {
			t.Errorf("%+v", got)
		}
		if c := n.counts(); c.Delivered != 3 || c.Failed != 0 {
			t.Errorf("%+v", c)
		}
		list, next, err := n.Attempts(t.Context(), e.Name, delivery.Filter{}, "", 100)
		if err != nil || next != "" || len(list) != 3 || list[0].Class != delivery.Delivered || list[0].Status != 204 ||
			list[0].Number != 1 || list[0].Text != "answer 204" || list[0].Message == "" {
			t.Errorf("%+v, %q, %v", list, next, err)
		}
	})
}

// offsets are when pushes came after the first, in whole seconds.
func offsets(list []push) (out []int) {
	for _, p := range list {
		out = append(out, int(p.at.Sub(list[0].at).Round(time.Second)/time.Second))
	}
	return out
}

func TestRetries(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer func(int) (*egress.Answer, error)
		change func(*delivery.Endpoint)
		body   string
		at     []int
		class  delivery.Class // of what is undelivered; "": nothing is
		status int
	}{
		"delivered the third time": {answer: inTurn(status(500), silent, status(200)), at: []int{0, 20, 55}},
		"given up after all":       {answer: status(503), at: []int{0, 20, 40, 60}, class: delivery.Refused, status: 503},
		"never an answer":          {answer: silent, at: []int{0, 35, 70, 105}, class: "timeout"},
		"refused for good":         {answer: status(404), at: []int{0}, class: delivery.Refused, status: 404},
		"too many requests":        {answer: inTurn(status(429), status(200)), at: []int{0, 20}},
		"asked to wait":            {answer: inTurn(status(503, "Retry-After", "90"), status(200)), at: []int{0, 90}},
		"asked to wait until":      {answer: inTurn(status(503, "Retry-After", "Sat, 01 Jan 2000 00:02:00 GMT"), status(200)), at: []int{0, 120}},
		"asked to wait, nonsense":  {answer: inTurn(status(503, "Retry-After", "soon"), status(200)), at: []int{0, 20}},
		"a damaged message":        {answer: status(200), body: "damaged", class: delivery.Damaged},
		"a redirect": {
			answer: status(302), at: []int{0}, class: delivery.Refused, status: 302,
			change: func(e *delivery.Endpoint) { e.Permanent = func(s int) bool { return s/100 != 5 } },
		},
		"too old for another": {
			answer: status(500), at: []int{0, 20}, class: delivery.Refused, status: 500,
			change: func(e *delivery.Endpoint) { e.Schedule.MaxAge = 30 * time.Second },
		},
		"at once, at the least, growing, at the most": {
			answer: status(500), at: []int{0, 0, 1, 2, 6, 10}, class: delivery.Refused, status: 500,
			change: func(e *delivery.Endpoint) {
				e.Schedule = delivery.Schedule{Immediate: 1, AtMin: 1, Backoff: 2, AtMax: 1, MinDelay: time.Second, MaxDelay: 4 * time.Second}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				n := w.start("one", func(c *delivery.Config) { c.OpenAfter = 100 })
				e := w.endpoint(1, tt.change, tt.answer)
				body := "m"
				if tt.body != "" {
					body = tt.body
				}
				time.Sleep(time.Until(time.Date(2000, 1, 1, 0, 0, 1, 0, time.UTC)))
				n.send(t, e, body)
				time.Sleep(5 * time.Minute)
				if got := w.pushes(e); len(got) != len(tt.at) || len(got) > 0 && !near(offsets(got), tt.at) {
					t.Errorf("pushed %v, want %v", offsets(got), tt.at)
				}
				kept, _, err := n.Undelivered(t.Context(), e.Name, delivery.Filter{}, "", 10)
				if err != nil {
					t.Fatal(err)
				}
				if tt.class == "" {
					if len(kept) != 0 || n.counts().Delivered != 1 {
						t.Errorf("%+v, %+v", kept, n.counts())
					}
				} else if len(kept) != 1 || kept[0].Class != tt.class || kept[0].Status != tt.status || kept[0].Message != body ||
					kept[0].Attempts != len(tt.at) || n.counts().Undelivered != 1 {
					t.Errorf("%+v, %+v", kept, n.counts())
				}
				if c, err := n.parts.CountOf(t.Context(), e.Queue); err == nil && c.Visible+c.InFlight+c.Delayed != 0 {
					t.Errorf("left: %+v", c)
				}
				log, _, err := n.Attempts(t.Context(), e.Name, delivery.Filter{}, "", 100)
				if err != nil || len(log) != len(tt.at) {
					t.Errorf("%+v, %v", log, err)
				}
				for i := range log {
					if log[i].Number != i+1 {
						t.Errorf("attempt %d is number %d", i+1, log[i].Number)
					}
				}
			})
		})
	}
}

// near compares but for a second.
func near(a, b []int) bool {
	return slices.EqualFunc(a, b, func(x, y int) bool { return x-y <= 1 && y-x <= 1 })
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		n := w.start("one", nil)
		dead := partition.Target{Queue: partition.Ref{Kind: partition.KindUndelivered, ID: 999}}
		asked := 0
		e := w.endpoint(1, func(e *delivery.Endpoint) {
			e.Bury = func(_ context.Context, m *delivery.Message, f delivery.Failure) (*partition.PostItem, string, error) {
				asked++
				switch {
				case asked == 1:
					return nil, "", errors.New("the registry does not answer")
				case string(m.Payload[1:]) == "b":
					return nil, "it does not exist", nil
				}
				if f.Class != delivery.Refused || f.Status != 410 || f.Attempts != 2 { // one more since the registry did not answer
					t.Errorf("%+v", f)
				}
				return &partition.PostItem{Payload: m.Payload, Targets: []partition.PostTarget{{Target: dead, Reference: m.Reference}}}, "", nil
			}
		}, status(410))
		n.send(t, e, "a")
		time.Sleep(10 * time.Minute)
		n.send(t, e, "b")
		time.Sleep(10 * time.Minute)
		list, _, err := n.parts.Read(t.Context(), dead, 0, 10)
		if err != nil || len(list) != 1 || string(list[0].Payload[1:]) != "a" || list[0].Reference != "ref-a" {
			t.Errorf("%+v, %v", list, err)
		}
		kept, _, err := n.Undelivered(t.Context(), e.Name, delivery.Filter{}, "", 10)
		if err != nil || len(kept) != 1 || kept[0].Message != "b" || !strings.Contains(kept[0].Text, "nor to the dead-letter queue: it does not exist") {
			t.Errorf("%+v, %v", kept, err)
		}
		if c := n.counts(); c.DeadLettered != 1 || c.Undelivered != 1 {
			t.Errorf("%+v", c)
		}
	})
}

// Nothing is dropped because this node does not know the endpoint; what was deleted is.
func TestUnknownAndDeletedEndpoints(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		n := w.start("one", nil)
		e := w.endpoint(1, nil, status(200))
		w.lag(true)
		n.send(t, e, "a", "b")
		time.Sleep(time.Hour)
		if c, err := n.parts.CountOf(t.Context(), e.Queue); err != nil || c.Visible+c.InFlight+c.Delayed != 2 || len(w.pushes(e)) != 0 {
			t.Errorf("while it is not known: %+v, %v", c, err)
		}
		w.lag(false)
		time.Sleep(time.Minute)
		if n.counts().Delivered != 2 {
			t.Errorf("%+v", n.counts())
		}
		w.remove(1)
		n.send(t, e, "c", "d")
		time.Sleep(time.Minute)
		if c, err := n.parts.CountOf(t.Context(), e.Queue); err == nil && c.Visible+c.InFlight+c.Delayed != 0 || len(w.pushes(e)) != 2 {
			t.Errorf("of a deleted one: %+v, %v", c, err)
		}
	})
}

// What is down is tried now and then only, delays nobody else, and gets what is not too
// old when it is back.
func TestCircuitOpens(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		n := w.start("one", nil)
		var down atomic.Bool
		down.Store(true)
		e := w.endpoint(1, func(e *delivery.Endpoint) {
			e.Schedule = delivery.Schedule{Backoff: 3, MinDelay: 20 * time.Minute, MaxDelay: 20 * time.Minute}
		}, func(i int) (*egress.Answer, error) {
			if down.Load() {
				return nil, &egress.Error{Kind: egress.NotReached, Err: errors.New("refused")}
			}
			return status(200)(i)
		})
		other := w.endpoint(2, nil, status(200))
		for i := range 300 {
			n.send(t, e, fmt.Sprint("m", i))
			n.send(t, other, fmt.Sprint("m", i))
		}
		time.Sleep(10 * time.Minute)
		if got := len(w.pushes(e)); got < 10 || got > 60 {
			t.Errorf("tried %d times", got)
		}
		if got := len(w.pushes(other)); got != 300 {
			t.Errorf("the other has %d", got)
		}
		list, _, err := n.Endpoints(t.Context(), "", 10)
		if err != nil || len(list) != 2 || list[0].State != delivery.StateOpen || list[0].Since == nil || list[0].Waiting < 290 ||
			list[0].Class != "connect" || list[1].State != delivery.StateOK {
			t.Errorf("%+v, %v", list, err)
		}
		down.Store(false)
		time.Sleep(2 * time.Minute) // those that wait for their next attempt come later
		before := n.counts().Delivered
		time.Sleep(time.Hour)
		if c := n.counts(); before < 300+250 || c.Delivered != 600 || c.Undelivered != 0 {
			t.Errorf("%d, then %+v", before, c)
		}
		if list, _, err := n.Endpoints(t.Context(), "", 10); err != nil || list[0].State != delivery.StateOK || list[0].Since != nil || list[0].Waiting != 0 {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// What waits behind an open circuit is given up once its schedule is over.
func TestBacklogOfDeadEndpoint(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		n := w.start("one", nil)
		e := w.endpoint(1, nil, silent)
		for range 20 {
			for i := range 20 {
				n.send(t, e, fmt.Sprint("m", i))
			}
			time.Sleep(10 * time.Second)
		}
		time.Sleep(4 * time.Minute)
		c, err := n.parts.CountOf(t.Context(), e.Queue)
		if err != nil || c.Visible+c.InFlight+c.Delayed != 0 || n.counts().Undelivered != 400 {
			t.Errorf("left %+v, %v; %+v", c, err, n.counts())
		}
		if got := len(w.pushes(e)); got > 100 {
			t.Errorf("tried %d times", got)
		}
	})
}

func TestLimits(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		n := w.start("one", nil)
		slow := w.endpoint(1, nil, func(i int) (*egress.Answer, error) {
			time.Sleep(500 * time.Millisecond)
			return status(200)(i)
		})
		rated := w.endpoint(2, func(e *delivery.Endpoint) { e.PerSecond = 10 }, status(200))
		dead := w.endpoint(3, nil, silent)
		quick := w.endpoint(4, nil, status(200))
		for i := range 200 {
			for _, e := range []*delivery.Endpoint{slow, rated, dead, quick} {
				n.send(t, e, fmt.Sprint("m", i))
			}
		}
		time.Sleep(10 * time.Second)
		if got := len(w.pushes(quick)); got != 200 {
			t.Errorf("the quick one has %d", got)
		}
		if got := len(w.pushes(rated)); got < 95 || got > 120 {
			t.Errorf("the one with a rate of 10 a second has %d after 10 s", got)
		}
		w.mu.Lock()
		if w.most[slow.Name] > 10 || w.most[slow.Name] < 8 {
			t.Errorf("the slow one had %d at a time", w.most[slow.Name])
		}
		w.mu.Unlock()
		time.Sleep(time.Minute)
		if a, b := len(w.pushes(slow)), len(w.pushes(rated)); a != 200 || b != 200 {
			t.Errorf("%d and %d in the end", a, b)
		}
	})
}

// An owner forgets the pace of a queue that was empty for a while, and a new owner knows
// none: it is told again, though nothing changed for who delivers.
func TestLimitsAreToldAgain(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		n := w.start("one", nil)
		e := w.endpoint(1, func(e *delivery.Endpoint) { e.PerSecond = 10 }, status(200))
		for round := range 3 {
			before := len(w.pushes(e))
			for i := range 100 {
				n.send(t, e, fmt.Sprint(round, " ", i))
			}
			time.Sleep(5 * time.Second)
			if got := len(w.pushes(e)) - before; got < 45 || got > 70 {
				t.Errorf("round %d: the one with a rate of 10 a second has %d after 5 s", round, got)
			}
			time.Sleep(5 * time.Minute)
			if got := len(w.pushes(e)) - before; got != 100 {
				t.Errorf("round %d: %d in the end", round, got)
			}
		}
	})
}

// A node works on no more messages, and on no more bytes, than it may.
func TestWorkersAreBounded(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*delivery.Config){
		"messages": func(c *delivery.Config) { c.Workers = 8 },
		"bytes":    func(c *delivery.Config) { c.Bytes = 8 * 1001 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				n := w.start("one", change)
				busy, most := 0, 0
				var list []*delivery.Endpoint
				for id := range uint64(50) {
					list = append(list, w.endpoint(id+1, nil, func(i int) (*egress.Answer, error) {
						w.mu.Lock()
						busy++
						most = max(most, busy)
						w.mu.Unlock()
						time.Sleep(time.Second)
						w.mu.Lock()
						busy--
						w.mu.Unlock()
						return status(200)(i)
					}))
				}
				for _, e := range list {
					n.send(t, e, strings.Repeat("x", 1000), strings.Repeat("y", 1000))
				}
				time.Sleep(5 * time.Minute)
				w.mu.Lock()
				defer w.mu.Unlock()
				// Four takers may each have let in a batch of four when there was room for one.
				if most > 8+16 || most < 8 {
					t.Errorf("%d at a time", most)
				}
				if n.counts().Delivered != 100 {
					t.Errorf("%+v", n.counts())
				}
			})
		})
	}
}

// A message stays hidden as long as its attempt takes.
func TestLongAttempts(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		n := w.start("one", nil)
		e := w.endpoint(1, func(e *delivery.Endpoint) { e.Timeout = 5 * time.Minute }, func(i int) (*egress.Answer, error) {
			time.Sleep(4 * time.Minute)
			return status(200)(i)
		})
		n.send(t, e, "m")
		time.Sleep(10 * time.Minute)
		if got := w.pushes(e); len(got) != 1 || n.counts().Delivered != 1 {
			t.Errorf("%d pushes, %+v", len(got), n.counts())
		}
	})
}

// silentParts notes no outcomes.
type silentParts struct{ delivery.Partitions }

func (silentParts) Retry(context.Context, partition.Target, []partition.RetryEntry) ([]error, error) {
	return nil, partition.ErrUnavailable
}

// That it cannot be noted what became of a message whose endpoint is not known is told,
// and the message comes again.
func TestUnknownEndpointAndNoAnswer(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		n := w.start("one", func(c *delivery.Config) { c.Partitions = silentParts{c.Partitions} })
		e := w.endpoint(1, nil, status(200))
		w.lag(true)
		n.send(t, e, "a")
		time.Sleep(time.Minute)
		w.lag(false)
		time.Sleep(time.Minute)
		if got := w.pushes(e); len(got) != 1 {
			t.Errorf("%+v", got)
		}
	})
}
