package demo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/waystation/waystation/examples/orders"
)

// run is one day at the shop.
type run struct {
	cmd       *Command
	shop      *orders.Shop
	server    server
	tally     *tally
	out       *screen
	began     time.Time
	submitted time.Duration // how long submitting took
	ended     time.Duration // when the last order had ended
}

const (
	batch       = 10
	submitTime  = 2 * time.Second        // the orders come in over this time
	lookPeriod  = 200 * time.Millisecond // between looks at the queues
	maxRedrives = 5                      // more would mean that repairing does not help
	retryPause  = 200 * time.Millisecond
)

// day opens the shop, submits the orders, and returns when all of them have
// ended and the queues are empty.
func (r *run) day(ctx context.Context, list []orders.Order) error {
	r.shop.Observe = r.tally.observe
	r.out.line("%d orders come in; %d workers a step; a failed attempt comes back after %v, after %d it goes to the dead-letter queue",
		len(list), r.cmd.Workers, orders.VisibilityTimeout, orders.MaxReceives)

	work, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer func() {
		stop()
		wg.Wait()
		r.out.clear()
	}()
	wg.Go(func() { r.shop.Work(work, r.cmd.Workers) })
	wg.Go(func() { r.show(work) })

	join := func(ctx context.Context, name string, only ...string) error {
		s, err := r.shop.News.Subscribe(ctx, name, only...)
		if err == nil {
			wg.Go(func() { s.Work(work) })
		}
		return err
	}
	if err := join(ctx, "email-sender"); err != nil {
		return err
	}
	if err := join(ctx, "sms-sender", orders.PaymentAuthorized); err != nil {
		return err
	}
	r.out.line("payments are announced on a bus; a topic behind it tells email-sender, and sms-sender of those authorized")
	newcomer := func() error {
		r.out.line("loyalty-points subscribes to the topic, while everything goes on")
		return join(ctx, "loyalty-points", orders.PaymentAuthorized)
	}
	if err := r.submit(ctx, list, newcomer); err != nil {
		return err
	}
	r.submitted = time.Since(r.began)
	return r.settle(ctx)
}

// submit sends all orders, some of them twice. After a quarter of them it calls newcomer.
func (r *run) submit(ctx context.Context, list []orders.Order, newcomer func() error) error {
	pace := time.NewTicker(max(time.Millisecond, submitTime*batch/time.Duration(len(list))))
	defer pace.Stop()
	killAt := -1
	if r.cmd.Kill {
		killAt = len(list) / 2
	}
	var killed chan error
	for from := 0; from < len(list); from += batch {
		part := list[from:min(from+batch, len(list))]
		if newcomer != nil && from >= len(list)/4 {
			if err := newcomer(); err != nil {
				return err
			}
			newcomer = nil
		}
		if killed == nil && killAt >= 0 && from >= killAt {
			r.out.line("killing the server (SIGKILL) with %d orders submitted", from)
			killed = make(chan error, 1)
			go func() { killed <- r.restart(ctx) }()
		}
		if err := r.patiently(ctx, part); err != nil {
			return err
		}
		var again []orders.Order
		for _, o := range part {
			if o.Trouble.SubmittedTwice {
				again = append(again, o)
			}
		}
		if len(again) > 0 {
			if err := r.patiently(ctx, again); err != nil {
				return err
			}
		}
		r.tally.submitted(len(part))
		select {
		case <-pace.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if killed != nil {
		return <-killed
	}
	return nil
}

// patiently submits until the server takes it. A submit whose answer was lost
// may have been taken: then the orders come twice, which does no harm.
func (r *run) patiently(ctx context.Context, part []orders.Order) error {
	for {
		err := r.shop.Submit(ctx, part)
		if err == nil {
			return nil
		}
		if !r.cmd.Kill || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(retryPause):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

func (r *run) restart(ctx context.Context) error {
	began := time.Now()
	if err := r.server.kill(ctx); err != nil {
		return fmt.Errorf("restarting the killed server: %w", err)
	}
	r.out.line("the server is back on the same folder after %v", time.Since(began).Round(time.Millisecond))
	return nil
}

// settle waits until the queues are empty; what has ended in the dead-letter
// queues is repaired and redriven.
func (r *run) settle(ctx context.Context) error {
	tick := time.NewTicker(lookPeriod)
	defer tick.Stop()
	for redrives := 0; ; {
		waiting, dead := 0, map[string]int{}
		for _, step := range orders.Steps {
			d, err := r.shop.Depth(ctx, step)
			if err != nil {
				return err
			}
			waiting += d.Waiting
			if d.Dead > 0 {
				dead[step] = d.Dead
			}
		}
		open, _, _ := r.shop.Book.Count()
		if open == 0 && r.ended == 0 {
			r.ended = time.Since(r.began)
		}
		untold, err := r.shop.News.Waiting(ctx)
		if err != nil {
			return err
		}
		switch {
		case waiting == 0 && len(dead) == 0 && untold > 0:
		case waiting == 0 && len(dead) == 0:
			// A message on its way from one queue to the other stands in one of
			// them at any time, so empty queues mean that nothing is left.
			return nil
		case waiting == 0:
			if redrives++; redrives > maxRedrives {
				return fmt.Errorf("orders keep coming back to the dead-letter queues: %v", dead)
			}
			if err := r.operate(ctx, dead); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// operate is the operator: reads what went wrong, repairs it, redrives.
func (r *run) operate(ctx context.Context, dead map[string]int) error {
	for _, step := range orders.Steps {
		if dead[step] == 0 {
			continue
		}
		r.out.line("%d orders in %s-dlq:", dead[step], step)
		for _, why := range r.tally.reasons(step) {
			r.out.line("    %s", why)
		}
		r.tally.redriven(step, dead[step])
	}
	r.shop.Repair()
	r.out.line("the operator repairs the causes and redrives them")
	for _, step := range orders.Steps {
		if dead[step] == 0 {
			continue
		}
		if err := r.shop.Redrive(ctx, step); err != nil {
			return err
		}
	}
	return nil
}
