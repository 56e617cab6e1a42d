package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// idleWait is the wait of an idle long poll in seconds: the longest allowed.
const idleWait = 20

// idleQueues is over how many queues the idle polls are spread.
const idleQueues = 100

// runIdlePolls opens --polls connections that each long poll an empty queue. It
// measures the server's CPU twice: while all of them wait ("parked"), and over
// a whole cycle in which each poll ends empty and begins again ("cycling").
// Finally one message to a queue must wake a poll. Bounded to about 80 s.
func runIdlePolls(ctx context.Context, r *round) (*Result, error) {
	if err := needFiles(r.opt.Polls + 64); err != nil {
		return nil, err
	}
	var queues []*queue
	defer func() {
		for _, q := range queues {
			r.drop(ctx, q)
		}
	}()
	for range min(idleQueues, r.opt.Polls) {
		q, err := r.create(ctx, "idle", false)
		if err != nil {
			return nil, err
		}
		queues = append(queues, q)
	}
	before := int64(0)
	if r.pid != 0 {
		var err error
		if before, err = (process{r.pid}).resident(); err != nil {
			return nil, err
		}
	}

	polls, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	stop := func() { cancel(); wg.Wait() }
	defer stop()
	var asked, answered, failed, woken atomic.Int64
	gate := make(chan struct{}, 64) // connections being opened at a time
	start := func(i int) {
		q := queues[i%len(queues)]
		c := r.ep.open()
		c.readSize = 1024
		wg.Go(func() {
			defer c.close()
			var got []message
			body := appendReceive(nil, q.text, 1, idleWait)
			for first := true; polls.Err() == nil; first = false {
				if first {
					gate <- struct{}{}
					if c.dial(polls) != nil {
						failed.Add(1)
						<-gate
						return
					}
					<-gate
				}
				asked.Add(1)
				status, answer, err := c.do(polls, "ReceiveMessage", body, idleWait*time.Second)
				switch {
				case polls.Err() != nil:
					return
				case err != nil || status != 200:
					failed.Add(1)
					return
				}
				answered.Add(1)
				if got, err = scanMessages(got[:0], answer); err == nil {
					woken.Add(int64(len(got)))
				}
			}
		})
	}

	// Parked: all begin at once, and for a while nothing happens.
	began := time.Now()
	for i := range r.opt.Polls {
		start(i)
	}
	if err := waitUntil(ctx, 15*time.Second, func() bool { return asked.Load()+failed.Load() >= int64(r.opt.Polls) }); err != nil {
		return nil, fmt.Errorf("opening %d polls: %w", r.opt.Polls, err)
	}
	if err := pause(ctx, 2*time.Second); err != nil {
		return nil, err
	}
	res := r.result()
	res.Connections = r.opt.Polls
	parked := time.Until(began.Add(idleWait*time.Second - time.Second))
	if parked > time.Second && r.pid != 0 {
		use, err := r.sample(ctx, parked)
		if err != nil {
			return nil, err
		}
		res.Figures = append(res.Figures, Figure{"CPU while parked", use.Cores * 100, "% of a core"})
	}
	// Cycling: one whole period, so that each poll ends and begins once.
	before0 := answered.Load()
	if r.pid != 0 {
		use, err := r.sample(ctx, idleWait*time.Second)
		if err != nil {
			return nil, err
		}
		res.Server = use
		res.Figures = append(res.Figures,
			Figure{"CPU while cycling", use.Cores * 100, "% of a core"},
			Figure{"memory a poll", (use.ResidentMiB - float64(before)/(1<<20)) * 1024 / float64(r.opt.Polls), "KiB"})
	} else if err := pause(ctx, idleWait*time.Second); err != nil {
		return nil, err
	}
	res.Figures = append(res.Figures,
		Figure{"polls renewed a second", float64(answered.Load()-before0) / idleWait, ""},
		Figure{"polls lost", float64(failed.Load()), ""})

	// One message wakes one poll.
	sent := time.Now()
	in := map[string]any{"QueueUrl": queues[0].url, "MessageBody": "wake"}
	if err := r.request(ctx, "SendMessage", in, nil); err != nil {
		return nil, err
	}
	if err := waitUntil(ctx, 5*time.Second, func() bool { return woken.Load() > 0 }); err != nil {
		return nil, fmt.Errorf("a message did not wake any poll: %w", err)
	}
	res.Figures = append(res.Figures, Figure{"send until a poll woke", time.Since(sent).Seconds() * 1000, "ms"})
	stop()
	counts := newTally()
	counts.requests, counts.messages = answered.Load(), woken.Load()
	res.finish(counts, time.Since(began))
	return res, nil
}

// sample measures the server's process over d.
func (r *round) sample(ctx context.Context, d time.Duration) (*Usage, error) {
	m, err := startMeter(r.pid)
	if err != nil {
		return nil, err
	}
	if err := pause(ctx, d); err != nil {
		return nil, err
	}
	return m.stop()
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func waitUntil(ctx context.Context, limit time.Duration, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for !done() {
		if err := pause(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
