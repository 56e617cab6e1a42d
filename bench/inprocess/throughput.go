package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

var rates = []string{"sends/s", "receives/s", "deletes/s", "receive+delete/s"}

// throughput measures single-message sends, receives and deletes. A round
// sends a number of messages and receives and deletes one half of them in two
// passes, and the other half each message at once.
func throughput(ctx context.Context, o options, r *report) error {
	n, err := openTemp(ctx, o)
	if err != nil {
		return err
	}
	defer n.close()
	s := newSender(o.body())
	for text := range strings.SplitSeq(o.callers, ",") {
		callers, err := strconv.Atoi(text)
		if err != nil || callers < 1 || callers > 10_000 {
			return fmt.Errorf("-callers %q: want numbers from 1 to 10000", o.callers)
		}
		total := o.messages
		if callers == 1 {
			total = min(total, 2000)
		}
		q, err := n.queue(ctx, fmt.Sprintf("throughput-%d", callers), false)
		if err != nil {
			return err
		}
		var columns [4][]float64
		for range o.rounds + 1 {
			v, err := n.round(ctx, q, s, callers, total)
			if err != nil {
				return err
			}
			for i := range columns {
				columns[i] = append(columns[i], v[i])
			}
		}
		var medians []float64
		for _, c := range columns {
			medians = append(medians, median(c[1:])) // the first is warm-up
		}
		r.add("throughput", fmt.Sprintf("%d callers, %d B", callers, o.size), rates, medians...)
	}
	return nil
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

func (n *node) round(ctx context.Context, q *registry.Queue, s *sender, callers, total int) (v [4]float64, err error) {
	rate := func(i, count int, work func() error) {
		if err == nil {
			began := time.Now()
			err = work()
			v[i] = float64(count) / time.Since(began).Seconds()
		}
	}
	half := total / 2
	receipts := make([]string, total)
	receive := func(from, to int) error {
		for i := from; i < to; i++ {
			got, err := n.Receive(ctx, q, partition.ReceiveOptions{Max: 1, Visibility: -1})
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
	remove := func(from, to int) error {
		errs, err := n.Delete(ctx, q, receipts[from:to])
		if err == nil {
			err = errs[0]
		}
		return err
	}
	rate(0, total, func() error { return n.send(ctx, q, s, callers, total, 1, nil) })
	rate(1, half, func() error { return parallel(callers, half, 1, receive) })
	rate(2, half, func() error { return parallel(callers, half, 1, remove) })
	rate(3, total-half, func() error {
		return parallel(callers, total-half, 1, func(from, to int) error {
			if err := receive(from, to); err != nil {
				return err
			}
			return remove(from, to)
		})
	})
	return v, err
}
