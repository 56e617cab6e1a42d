package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

const (
	fewQueues     = 20_000 // the first ones, against which the last are compared
	lastQueues    = 20_000
	queueCallers  = 64
	progressEvery = 10 * time.Second
	// settleAfter is longer than an empty queue keeps what it needs in use.
	settleAfter = 12 * time.Second
)

// queues makes many queues, uses each once, waits until they are drained and at
// rest, and starts again with them.
func queues(ctx context.Context, o options, r *report) error {
	if o.queues < 2*fewQueues || o.queues > maxQueues {
		return fmt.Errorf("-queues must lie between %d and %d", 2*fewQueues, maxQueues)
	}
	n, err := openTemp(ctx, o)
	if err != nil {
		return err
	}
	n.remove = false
	dir := n.dir
	defer os.RemoveAll(dir)
	if err := n.manyQueues(ctx, o, r); err != nil {
		n.close()
		return err
	}
	if err := n.close(); err != nil {
		return err
	}
	n = nil
	empty, size := heap(), logSize(dir)
	again, err := open(ctx, dir)
	if err != nil {
		return err
	}
	defer again.close()
	count := again.registry.Count()
	r.add("queues", fmt.Sprintf("restart with %d, %.0f MiB of log", count, size), []string{"s until ready", "heap B/queue"},
		again.loading.Seconds(), perQueue(empty, count))
	if count != o.queues {
		return fmt.Errorf("%d queues are there after the restart, want %d", count, o.queues)
	}
	return nil
}

func (n *node) manyQueues(ctx context.Context, o options, r *report) error {
	empty := heap()
	list := make([]*registry.Queue, o.queues)
	last := max(fewQueues, o.queues-lastQueues)
	var rates []float64
	for _, part := range [][2]int{{0, fewQueues}, {fewQueues, last}, {last, o.queues}} {
		began := time.Now()
		err := step("made", part[1]-part[0], func(i int) (err error) {
			i += part[0]
			list[i], err = n.queue(ctx, fmt.Sprintf("queue-%07d", i), false)
			return err
		})
		if err != nil {
			return err
		}
		rates = append(rates, float64(part[1]-part[0])/time.Since(began).Seconds())
	}
	r.add("queues", fmt.Sprintf("%d made by %d callers", o.queues, queueCallers),
		[]string{fmt.Sprintf("creates/s, first %d", fewQueues), "creates/s between", fmt.Sprintf("creates/s, last %d", o.queues-last)}, rates...)
	idle := perQueue(empty, o.queues) - 8 // list itself
	s := newSender(o.body())
	began := time.Now()
	if err := step("used", o.queues, func(i int) error { return n.useOnce(ctx, list[i], s) }); err != nil {
		return err
	}
	took := time.Since(began)
	list = nil
	select {
	case <-time.After(settleAfter):
	case <-ctx.Done():
		return ctx.Err()
	}
	drained := perQueue(empty, o.queues)
	runtime.KeepAlive(n)
	r.add("queues", "each used once, drained", []string{"send+receive+delete/s", "heap B/queue, never used", "heap B/queue, drained"},
		float64(o.queues)/took.Seconds(), idle, drained)
	return nil
}

// useOnce sends a message to a queue, receives and deletes it.
func (n *node) useOnce(ctx context.Context, q *registry.Queue, s *sender) error {
	if _, err := n.Send(ctx, q, []partition.Message{s.message("")}); err != nil {
		return err
	}
	got, err := n.Receive(ctx, q, partition.ReceiveOptions{Max: 1, Visibility: -1})
	if err != nil || len(got) != 1 {
		return fmt.Errorf("received %d messages, %w", len(got), err)
	}
	outcomes, err := n.Delete(ctx, q, []string{got[0].Receipt})
	if err != nil {
		return err
	}
	return outcomes[0]
}

// step does work for each of total queues by queueCallers, and tells on standard
// error now and then how far it is.
func step(what string, total int, work func(i int) error) error {
	var done atomic.Int64
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fmt.Fprintf(os.Stderr, "%s: %d of %d\n", what, done.Load(), total)
			case <-stop:
				return
			}
		}
	})
	err := parallel(queueCallers, total, 1, func(i, _ int) error {
		defer done.Add(1)
		return work(i)
	})
	close(stop)
	wg.Wait()
	return err
}

// heap is how many bytes of the heap are in use after a garbage collection.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func perQueue(before uint64, n int) float64 { return (float64(heap()) - float64(before)) / float64(n) }
