package bench

import (
	"context"
	"fmt"
	"time"
)

// site is one queue whose receive cost is compared with that of the others.
type site struct {
	label  string
	queue  *queue
	counts *tally
	busy   time.Duration
}

const (
	depthTurns = 10  // alternating turns between the sites
	depthTurn  = 300 // receive+delete pairs of one turn
)

// runDepth fills queues to different depths, and one FIFO queue with a group
// that is closed by a message in flight at its head, and then measures receive
// and delete of single messages in turns between them on one connection. It is
// bounded by the depths, not by the duration.
func runDepth(ctx context.Context, r *round) (res *Result, err error) {
	var sites []*site
	defer func() {
		for _, s := range sites {
			if dropErr := r.drop(ctx, s.queue); err == nil {
				err = dropErr
			}
		}
	}()
	add := func(label string, fifo bool, n int, of func(uint64) int) (*site, error) {
		q, err := r.create(ctx, "depth", fifo)
		if err != nil {
			return nil, err
		}
		s := &site{label: label, queue: q, counts: newTally()}
		sites = append(sites, s)
		return s, r.fill(ctx, q, n, of)
	}
	turns := (depthTurns + 1) * depthTurn
	for _, depth := range r.opt.Depths {
		if _, err := add(fmt.Sprintf("depth %d", depth), false, depth+turns, nil); err != nil {
			return nil, err
		}
	}
	if r.opt.Blocked > 0 {
		// The same FIFO queue without and with a closed group before the rest.
		if _, err := add("fifo, open", true, turns*2, spread); err != nil {
			return nil, err
		}
		blocked, err := add(fmt.Sprintf("fifo, %d blocked", r.opt.Blocked), true, r.opt.Blocked, nil)
		if err != nil {
			return nil, err
		}
		if err := r.block(ctx, blocked.queue); err != nil {
			return nil, err
		}
		if err := r.fill(ctx, blocked.queue, turns*2, spread); err != nil {
			return nil, err
		}
	}

	w := &worker{tally: newTally(), round: r, conn: r.ep.open()}
	defer w.conn.close()
	r.base = time.Now()
	r.until.Store(int64(countBound))
	for turn := range depthTurns + 1 { // the first is warm-up
		for i := range sites {
			s := sites[(i+turn)%len(sites)]
			w.tally = newTally()
			start := time.Now()
			for range depthTurn {
				if err := w.receiveDelete(ctx, s.queue); err != nil {
					return nil, fmt.Errorf("%s: %w", s.label, err)
				}
			}
			if turn > 0 {
				s.busy += time.Since(start)
				s.counts.merge(w.tally)
			}
		}
	}

	res = r.result()
	res.Connections = 1
	all, busy := newTally(), time.Duration(0)
	for _, s := range sites {
		busy += s.busy
		all.messages += s.counts.messages
		all.requests += s.counts.requests
		for op, h := range s.counts.times {
			all.times[op+", "+s.label] = h
		}
	}
	res.finish(all, busy)
	ratio := func(name string, a, b *site) {
		p50 := func(s *site) float64 { return float64(s.counts.times["ReceiveMessage"].ValueAtQuantile(50)) }
		mean := func(s *site) float64 { return s.counts.times["ReceiveMessage"].Mean() }
		res.Figures = append(res.Figures,
			Figure{Name: name + ", p50", Value: p50(a) / p50(b), Unit: "×"},
			Figure{Name: name + ", mean", Value: mean(a) / mean(b), Unit: "×"})
	}
	plain := sites[:len(r.opt.Depths)]
	for _, s := range plain[1:] {
		ratio(s.label+" / "+plain[0].label, s, plain[0])
	}
	if r.opt.Blocked > 0 {
		ratio(sites[len(sites)-1].label+" / open", sites[len(sites)-1], sites[len(sites)-2])
	}
	return res, nil
}

// spread puts messages into many groups, none of them group 0.
func spread(number uint64) int { return 1 + int(number%997) }

// block takes the first message of a queue and keeps it in flight.
func (r *round) block(ctx context.Context, q *queue) error {
	in := map[string]any{"QueueUrl": q.url, "MaxNumberOfMessages": 1, "VisibilityTimeout": 43200}
	var out struct{ Messages []struct{} }
	if err := r.request(ctx, "ReceiveMessage", in, &out); err != nil {
		return err
	}
	if len(out.Messages) != 1 {
		return fmt.Errorf("the FIFO queue to be blocked gave %d messages, want 1", len(out.Messages))
	}
	return nil
}

func (w *worker) receiveDelete(ctx context.Context, q *queue) error {
	for empty := 0; ; empty++ {
		got, ok := w.receive(ctx, q, 1, 0)
		if ok && len(got) == 1 {
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if empty == emptyAnswers {
			return fmt.Errorf("the filled queue gave nothing: %v", w.errors)
		}
	}
	w.body = appendDelete(w.body[:0], q.text, w.got[0])
	if _, ok := w.call(ctx, "DeleteMessage", time.Time{}, 0); !ok {
		return fmt.Errorf("deleting failed: %v", w.errors)
	}
	w.messages++
	return nil
}
