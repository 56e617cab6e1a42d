package main

import (
	"context"
	"fmt"
	"time"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

const (
	turns   = 10
	singles = 200  // receives of one turn from one caller
	many    = 5000 // receives of one turn from 64 callers
)

// site is one queue that is compared with its neighbour.
type site struct {
	name string
	q    *registry.Queue
	lone []float64 // µs a receive of one caller, a turn each
	busy []float64 // receives/s of 64 callers
}

// depth compares the cost of a receive at different depths, in turns.
func depth(ctx context.Context, o options, r *report) error {
	n, err := openTemp(ctx, o)
	if err != nil {
		return err
	}
	defer n.close()
	s := newSender(o.body())
	taken := (turns + 1) * (singles + many)
	fill := func(name string, fifo bool, total int, group func(int) string) (*site, error) {
		q, err := n.queue(ctx, name, fifo)
		if err != nil {
			return nil, err
		}
		return &site{name: name, q: q}, n.send(ctx, q, s, 64, total, 10, group)
	}
	open := func(i int) string { return fmt.Sprintf("g%d", i%997) }

	// The shallow queue is filled up again before each turn.
	shallow, err := fill("1000-deep", false, 1000, nil)
	if err != nil {
		return err
	}
	deep, err := fill(fmt.Sprintf("%d-deep", o.deep), false, o.deep+taken, nil)
	if err != nil {
		return err
	}
	if err := n.compare(ctx, s, r, shallow, deep); err != nil {
		return err
	}

	free, err := fill("fifo-open", true, taken+o.blocked/10, open)
	if err != nil {
		return err
	}
	blocked, err := fill(fmt.Sprintf("fifo-%d-blocked", o.blocked), true, o.blocked, func(int) string { return "blocked" })
	if err != nil {
		return err
	}
	if got, err := n.Receive(ctx, blocked.q, partition.ReceiveOptions{Max: 1, Visibility: 43200}); err != nil || len(got) != 1 {
		return fmt.Errorf("blocking the group: %d messages, %v", len(got), err)
	}
	if err := n.send(ctx, blocked.q, s, 64, taken+o.blocked/10, 10, open); err != nil {
		return err
	}
	return n.compare(ctx, s, r, free, blocked)
}

// compare measures two sites in turns and reports them and their ratio.
func (n *node) compare(ctx context.Context, s *sender, r *report, a, b *site) error {
	for turn := range turns + 1 {
		for k := range 2 {
			st := a
			if (turn+k)%2 == 1 {
				st = b
			}
			if st.name == "1000-deep" {
				if err := n.send(ctx, st.q, s, 64, singles+many, 10, nil); err != nil {
					return err
				}
			}
			if err := n.turn(ctx, st, turn > 0); err != nil {
				return fmt.Errorf("%s: %w", st.name, err)
			}
		}
	}
	columns := []string{"µs/receive, 1 caller", "receives/s, 64 callers"}
	for _, st := range []*site{a, b} {
		r.add("depth", st.name, columns, median(st.lone), median(st.busy))
	}
	r.add("depth", "cost "+b.name+" / "+a.name, []string{"1 caller", "64 callers"},
		median(b.lone)/median(a.lone), median(a.busy)/median(b.busy))
	return nil
}

// turn receives from one caller and then from 64; what was received is deleted
// outside of the measurement.
func (n *node) turn(ctx context.Context, st *site, counts bool) error {
	receipts := make([]string, singles+many)
	receive := func(from, to int) error {
		for i := from; i < to; i++ {
			got, err := n.Receive(ctx, st.q, partition.ReceiveOptions{Max: 1, Visibility: -1})
			if err != nil {
				return err
			}
			if len(got) != 1 {
				return fmt.Errorf("received %d messages, want 1", len(got))
			}
			receipts[i] = got[0].Receipt
		}
		return nil
	}
	remove := func(receipts []string) error {
		return parallel(64, len(receipts), 10, func(from, to int) error {
			_, err := n.Delete(ctx, st.q, receipts[from:to])
			return err
		})
	}
	began := time.Now()
	if err := receive(0, singles); err != nil {
		return err
	}
	lone := time.Since(began)
	if err := remove(receipts[:singles]); err != nil {
		return err
	}
	// In a FIFO queue each receive closes its group until its delete: at most
	// as many are taken at a time as there are groups.
	step := many
	if st.q.FIFO {
		step = 500
	}
	var busy time.Duration
	for from := singles; from < singles+many; from += step {
		began = time.Now()
		err := parallel(64, step, 1, func(i, _ int) error { return receive(from+i, from+i+1) })
		if err != nil {
			return err
		}
		busy += time.Since(began)
		if err := remove(receipts[from : from+step]); err != nil {
			return err
		}
	}
	if counts {
		st.lone = append(st.lone, lone.Seconds()*1e6/singles)
		st.busy = append(st.busy, many/busy.Seconds())
	}
	return nil
}
