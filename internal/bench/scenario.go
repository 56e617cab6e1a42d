package bench

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// scenario is one kind of load.
type scenario struct {
	name string
	help string
	// run sets up, measures one round and tears down.
	run func(ctx context.Context, r *round) (*Result, error)
	// usual says whether it is run when no scenario is named.
	usual bool
}

// scenarios is the table of all kinds of load.
var scenarios = []scenario{
	{"send", "SendMessage from every connection", runSend, true},
	{"batch", "SendMessageBatch (--batch messages each) from every connection", runBatch, true},
	{"receive-delete", "ReceiveMessage of one and DeleteMessage until a filled queue is empty", runReceiveDelete, true},
	{"end-to-end", "paced sends to long polls; latency from send to receive", runEndToEnd, true},
	{"fifo", "send, receive ten and delete in --groups message groups; order is checked", runFIFO, true},
	{"mixed", "each connection sends, receives, deletes and hides in turn", runMixed, false},
	{"depth", "receive and delete at each of --depths, and behind a blocked FIFO group", runDepth, false},
	{"idle-polls", "CPU and memory of --polls idle long polls (with --pid)", runIdlePolls, false},
}

func findScenario(name string) (scenario, bool) {
	for _, s := range scenarios {
		if s.name == name {
			return s, true
		}
	}
	return scenario{}, false
}

// withQueue runs measure with a queue made for it.
func (r *round) withQueue(ctx context.Context, fifo bool, measure func(q *queue) (*Result, error)) (*Result, error) {
	q, err := r.create(ctx, r.name, fifo)
	if err != nil {
		return nil, err
	}
	res, err := measure(q)
	if dropErr := r.drop(ctx, q); err == nil {
		err = dropErr
	}
	return res, err
}

func runSend(ctx context.Context, r *round) (*Result, error) {
	return r.withQueue(ctx, false, func(q *queue) (*Result, error) {
		return r.drive(ctx, r.opt.Warmup, group{workers: r.opt.Connections, work: r.sends(q, r.opt.Rate, 1, true)})
	})
}

// sends sends single messages. In FIFO queues worker i uses the groups i,
// i+step, i+2·step… below --groups, so that one worker alone sends to a group;
// the senders are then the first workers of the round. counted says whether a
// sent message counts as carried.
func (r *round) sends(q *queue, rate float64, step int, counted bool) unit {
	return func(ctx context.Context, w *worker) bool {
		if r.take(1) == 0 {
			return false
		}
		due := r.due(ctx, rate)
		w.seq++
		number, of := w.seq, 0
		if q.fifo {
			own := (r.opt.Groups - w.index + step - 1) / step // groups of this worker
			of = w.index + step*int((w.seq-1)%uint64(own))
			number = (w.seq-1)/uint64(own) + 1
		}
		w.body = appendSend(w.body[:0], q.text, r.opt.Size, due, number, of, q.fifo)
		_, ok := w.call(ctx, "SendMessage", due, 0)
		for !ok && q.fifo && ctx.Err() == nil && w.failing < maxFailing {
			_, ok = w.call(ctx, "SendMessage", time.Time{}, 0) // a gap would count as lost order
		}
		if ok && counted {
			w.carried(1)
		}
		return true
	}
}

func runBatch(ctx context.Context, r *round) (*Result, error) {
	return r.withQueue(ctx, false, func(q *queue) (*Result, error) {
		return r.drive(ctx, r.opt.Warmup, group{workers: r.opt.Connections, work: func(ctx context.Context, w *worker) bool {
			n := r.take(r.opt.Batch)
			if n == 0 {
				return false
			}
			due := r.due(ctx, r.opt.Rate/float64(r.opt.Batch))
			w.body = appendSendBatch(w.body[:0], q.text, n, r.opt.Size, due, false, func() (uint64, int) {
				w.seq++
				return w.seq, 0
			})
			if answer, ok := w.call(ctx, "SendMessageBatch", due, 0); ok {
				w.carried(n - w.rejected(answer))
			}
			return true
		}})
	})
}

// receive takes up to n messages with a wait in seconds.
func (w *worker) receive(ctx context.Context, q *queue, n, wait int) ([]message, bool) {
	w.body = appendReceive(w.body[:0], q.text, n, wait)
	answer, ok := w.call(ctx, "ReceiveMessage", time.Time{}, time.Duration(wait)*time.Second)
	if !ok {
		return nil, false
	}
	var err error
	if w.got, err = scanMessages(w.got[:0], answer); err != nil {
		w.errors[err.Error()]++
		return nil, false
	}
	return w.got, true
}

// emptyAnswers in a row mean that a queue is empty; the real service may answer
// a short poll of a nearly empty queue with nothing.
const emptyAnswers = 3

func runReceiveDelete(ctx context.Context, r *round) (*Result, error) {
	return r.withQueue(ctx, false, func(q *queue) (*Result, error) {
		fill := int64(r.opt.Fill)
		if r.count > 0 {
			fill = r.count
		}
		if err := r.fill(ctx, q, int(fill), nil); err != nil {
			return nil, err
		}
		r.count = 0        // bounded by the fill and by the duration
		r.skip = fill / 10 // warm-up, in messages
		return r.drive(ctx, 0, group{workers: r.opt.Connections, work: func(ctx context.Context, w *worker) bool {
			for empty := 0; ; {
				got, ok := w.receive(ctx, q, 1, 0)
				if ok && len(got) > 0 {
					break
				}
				if empty++; empty == emptyAnswers || ctx.Err() != nil {
					return false
				}
			}
			w.body = appendDelete(w.body[:0], q.text, w.got[0])
			if _, ok := w.call(ctx, "DeleteMessage", time.Time{}, 0); ok {
				w.carried(1)
			}
			return true
		}})
	})
}

// defaultRate paces end-to-end when no rate is given: an open loop below
// saturation, since beyond it the latency is only that of the backlog.
const defaultRate = 1000

// pollWait is the wait of the receivers in seconds.
const pollWait = 10

func runEndToEnd(ctx context.Context, r *round) (*Result, error) {
	rate := r.opt.Rate
	if rate == 0 {
		rate = defaultRate
	}
	return r.withQueue(ctx, false, func(q *queue) (*Result, error) {
		senders := max(1, r.opt.Connections/2)
		receivers := max(1, r.opt.Connections-senders)
		return r.drive(ctx, r.opt.Warmup,
			group{workers: senders, work: r.sends(q, rate, 1, false)},
			group{workers: receivers, polls: true, work: func(ctx context.Context, w *worker) bool {
				got, _ := w.receive(ctx, q, 10, pollWait)
				return r.arrived(ctx, w, q, got, nil)
			}},
		)
	})
}

// arrived counts received messages with their latency since they were due, and
// deletes them in one batch.
func (r *round) arrived(ctx context.Context, w *worker, q *queue, got []message, each func(number uint64, group int)) bool {
	if len(got) == 0 {
		return true
	}
	now := time.Now()
	for _, m := range got {
		sent, number, of, err := readBody(m.body)
		if err != nil {
			w.errors[err.Error()]++
			return false
		}
		if r.measured(now) {
			w.observe("end to end", now.Sub(sent))
		}
		if each != nil {
			each(number, of)
		}
	}
	n := len(got)
	w.body = appendDeleteBatch(w.body[:0], q.text, got)
	if answer, ok := w.call(ctx, "DeleteMessageBatch", time.Time{}, 0); ok {
		if w.carried(n-w.rejected(answer)) >= r.count && r.count > 0 {
			r.finish()
		}
	}
	return true
}

// order checks that the numbers of each group rise by one.
type order struct {
	mu       sync.Mutex
	last     map[int]uint64
	wrong    int64
	repeated int64
}

func (o *order) see(number uint64, group int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch last := o.last[group]; {
	case number == last+1:
		o.last[group] = number
	case number <= last:
		o.repeated++
	default:
		o.wrong++
		o.last[group] = number
	}
}

func runFIFO(ctx context.Context, r *round) (*Result, error) {
	return r.withQueue(ctx, true, func(q *queue) (*Result, error) {
		senders := max(1, min(r.opt.Connections/2, r.opt.Groups))
		receivers := max(1, r.opt.Connections-senders)
		seen := order{last: map[int]uint64{}}
		res, err := r.drive(ctx, r.opt.Warmup,
			group{workers: senders, work: r.sends(q, r.opt.Rate, senders, false)},
			group{workers: receivers, polls: true, work: func(ctx context.Context, w *worker) bool {
				got, _ := w.receive(ctx, q, 10, pollWait)
				return r.arrived(ctx, w, q, got, seen.see)
			}},
		)
		if err != nil {
			return res, err
		}
		res.Figures = []Figure{
			{Name: "out of order", Value: float64(seen.wrong)},
			{Name: "repeated", Value: float64(seen.repeated)},
		}
		if seen.wrong > 0 {
			return res, fmt.Errorf("fifo: %d messages arrived out of order", seen.wrong)
		}
		return res, nil
	})
}

func runMixed(ctx context.Context, r *round) (*Result, error) {
	return r.withQueue(ctx, false, func(q *queue) (*Result, error) {
		single := r.sends(q, r.opt.Rate, 1, true)
		return r.drive(ctx, r.opt.Warmup, group{workers: r.opt.Connections, work: func(ctx context.Context, w *worker) bool {
			if !single(ctx, w) {
				return false
			}
			got, _ := w.receive(ctx, q, 2, 0)
			for i, m := range got {
				if w.seq%16 == 0 && i == 0 {
					w.body = appendVisibility(w.body[:0], q.text, m, 0)
					_, ok := w.call(ctx, "ChangeMessageVisibility", time.Time{}, 0)
					return ok || w.failing < maxFailing
				}
			}
			switch len(got) {
			case 0:
			case 1:
				w.body = appendDelete(w.body[:0], q.text, got[0])
				w.call(ctx, "DeleteMessage", time.Time{}, 0)
			default:
				w.body = appendDeleteBatch(w.body[:0], q.text, got)
				if answer, ok := w.call(ctx, "DeleteMessageBatch", time.Time{}, 0); ok {
					w.rejected(answer)
				}
			}
			return true
		}})
	})
}
