package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// client is one consumer and producer. It sends its requests one after the
// other, each through any node.
type client struct {
	s      *sim
	r      *rand.Rand
	number int
	sent   int

	only    *node      // through which all is sent; nil: any
	batches []*batch   // sent to FIFO queues, oldest first
	posted  []madePost // oldest first
}

// patience of a client with one request, besides what it asked to wait.
const patience = 20 * time.Second

func (s *sim) client(ctx context.Context, number int) {
	c := &client{s: s, number: number, r: rand.New(rand.NewPCG(s.plan.seed, uint64(100+number)))}
	total := 0
	for v := range verbs {
		total += s.plan.load[v]
	}
	for ctx.Err() == nil {
		if rest(ctx, time.Duration(c.r.ExpFloat64()*float64(s.plan.think))) != nil {
			return
		}
		n := c.r.IntN(total)
		for v := range verbs {
			if n -= s.plan.load[v]; n < 0 {
				c.do(v)
				break
			}
		}
	}
}

// rest waits for d, or until ctx ends.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *client) node() *node {
	if c.only != nil {
		return c.only
	}
	return c.s.nodes[c.r.IntN(len(c.s.nodes))]
}

// queue picks one.
func (c *client) queue() queuePlan {
	list := c.s.queues()
	return list[c.r.IntN(len(list))]
}

// found makes queues while things go wrong, and sends to each at once, through the
// same node.
func (s *sim) found(ctx context.Context) {
	const most = 40
	c := &client{s: s, number: 90, r: rand.New(rand.NewPCG(s.plan.seed, 190))}
	for n := 1; n <= most; n++ {
		if rest(ctx, time.Duration(c.r.ExpFloat64()*float64(s.plan.founds))) != nil {
			return
		}
		c.only = c.s.nodes[c.r.IntN(len(c.s.nodes))]
		q := queuePlan{name: fmt.Sprint("new-", n), visibility: 5 * time.Second, retention: 4 * 24 * time.Hour}
		if s.create(c.only, q) != nil {
			continue // nobody uses it, whether it is there or not
		}
		c.send(q)
		s.mu.Lock()
		s.founded = append(s.founded, q)
		s.mu.Unlock()
	}
}

func (c *client) do(v verb) {
	q := c.queue()
	switch v {
	case sendVerb:
		c.send(q)
	case receiveVerb, pollVerb, leaveVerb:
		if !c.s.plan.hoard || !strings.HasPrefix(q.name, "dead-") {
			c.receive(q, v)
		}
	case countVerb:
		_, _, _ = on(c, c.node(), q, v, patience, func(ctx context.Context, r *run, def *registry.Queue) (partition.Counts, error) {
			return r.svc.Counts(ctx, def)
		})
	case purgeVerb:
		if c.r.IntN(4) == 0 {
			c.purge(q)
		}
	case recreateVerb:
		if q.churns {
			c.recreate(q)
		}
	case moveVerb:
		if strings.HasPrefix(q.name, "dead-") {
			c.move(q)
		}
	case updateVerb:
		c.update(q)
	case repeatVerb:
		c.repeat()
	}
}

// on runs a request about a queue on a node and judges a refusal. page is nil
// when the request did not get so far as to find its queue.
func on[T any](c *client, n *node, q queuePlan, v verb, limit time.Duration, fn func(context.Context, *run, *registry.Queue) (T, error)) (T, *page, error) {
	return onPage(c, n, q, v, limit, func(*page) {}, fn)
}

// found is the queue that a request went to, told before it is carried out.
func onPage[T any](c *client, n *node, q queuePlan, v verb, limit time.Duration, before func(*page), fn func(context.Context, *run, *registry.Queue) (T, error)) (T, *page, error) {
	s := c.s
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var none T
	def, err := ask(ctx, n, func(ctx context.Context, r *run) (*registry.Queue, error) {
		return r.reg.FindQueue(ctx, account, region, q.name)
	})
	if err != nil {
		if errors.Is(err, registry.ErrNotFound) && !q.churns {
			s.book.fault("queue %s is not found by node %s", q.name, n.name)
		}
		return none, nil, errDown
	}
	p := s.book.page(q, def)
	before(p)
	v1, err := ask(ctx, n, func(ctx context.Context, r *run) (T, error) { return fn(ctx, r, def) })
	switch {
	case err == nil:
		return v1, p, nil
	case errors.Is(err, errDown), errors.Is(err, partition.ErrBusy):
		err = errors.Join(errDown, err)
	case errors.Is(err, errUnknown), errors.Is(err, partition.ErrUnavailable), errors.Is(err, jet.ErrUnavailable),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, partition.ErrFull):
		if len(s.plan.faults) == 0 && v != leaveVerb && s.plan.disk == 0 {
			s.book.fault("%s of %s got no answer (%v) though nothing is wrong", verbNames[v], q.name, err)
		}
		err = errors.Join(errUnknown, err)
		s.book.unknown()
	default:
		s.book.refused(p, v, err)
	}
	return v1, p, err
}

func messageID(r *rand.Rand) (id partition.MessageID) {
	for i := range id {
		id[i] = byte(r.Uint32())
	}
	return id
}

// receive takes messages and does something with each.
func (c *client) receive(q queuePlan, v verb) {
	opts := partition.ReceiveOptions{Max: 1 + c.r.IntN(10), Visibility: int32(q.visibility / time.Second)}
	if c.r.IntN(4) == 0 {
		opts.Visibility = int32(1 + c.r.IntN(int(maxTime/time.Second)))
	}
	limit := patience
	if v != receiveVerb {
		opts.Wait = time.Duration(1+c.r.IntN(20)) * time.Second
		limit += opts.Wait
	}
	if v == leaveVerb {
		limit = time.Duration(c.r.Int64N(int64(opts.Wait)))
	}
	if q.fifo && c.r.IntN(2) == 0 {
		opts.Attempt = fmt.Sprintf("try-%d.%d", c.number, c.r.Uint32())
	}
	for try := range 3 {
		limit := limit
		if try == 0 && c.s.plan.hasty && opts.Attempt != "" {
			limit = time.Duration(c.r.Int64N(int64(time.Millisecond))) // leaves before there can be an answer
		}
		start := time.Now()
		ended := func() {}
		got, p, err := onPage(c, c.node(), q, v, limit, func(p *page) { ended = c.s.book.asking(p) },
			func(ctx context.Context, r *run, def *registry.Queue) ([]partition.Received, error) {
				return r.svc.Receive(ctx, def, opts)
			})
		if p != nil && errors.Is(err, errUnknown) {
			c.s.book.ghost(p)
		}
		ended()
		if err == nil {
			c.handle(c.s.book.received(p, start, time.Duration(opts.Visibility)*time.Second, opts.Attempt, got))
			return
		}
		if p == nil || !errors.Is(err, errUnknown) {
			return
		}
		if opts.Attempt == "" {
			return
		}
	}
}

// handle works on what was received.
func (c *client) handle(takes []*take) {
	for _, t := range takes {
		if c.s.plan.keep {
			continue
		}
		switch n := c.r.IntN(100); {
		case n < 60:
			c.remove(t)
		case n < 75:
			c.changeVisibility(t)
		}
		if c.r.IntN(4) == 0 {
			time.Sleep(time.Duration(c.r.ExpFloat64() * float64(2*time.Second)))
		}
	}
}

// remove deletes a message, trying again if there is no answer.
func (c *client) remove(t *take) {
	for range 3 {
		start := time.Now()
		errs, _, err := onPage(c, c.node(), t.page.queuePlan, sendVerb, patience, func(*page) { c.s.book.deleting(t) },
			func(ctx context.Context, r *run, def *registry.Queue) ([]error, error) {
				if def.ID != t.page.def.ID {
					return nil, errDown // the queue that it was of is gone
				}
				return r.svc.Delete(ctx, def, []string{t.receipt})
			})
		switch {
		case err != nil:
			if !errors.Is(err, errUnknown) {
				return
			}
			time.Sleep(time.Duration(c.r.Int64N(int64(2 * time.Second))))
			continue
		case errs[0] == nil:
			c.s.book.deleted(t)
		case errors.Is(errs[0], partition.ErrReceiptExpired):
			c.s.book.expired(t, start, errs[0])
		default:
			c.s.book.refused(t.page, receiveVerb, errs[0])
		}
		return
	}
}

func (c *client) changeVisibility(t *take) {
	timeout := int32(c.r.IntN(int(maxTime / time.Second)))
	start := time.Now()
	var fresh bool
	errs, _, err := onPage(c, c.node(), t.page.queuePlan, receiveVerb, patience, func(*page) {
		fresh = !t.changed
		c.s.book.changing(t)
	}, func(ctx context.Context, r *run, def *registry.Queue) ([]error, error) {
		if def.ID != t.page.def.ID {
			return nil, errDown
		}
		return r.svc.ChangeVisibility(ctx, def, []partition.VisibilityChange{{Receipt: t.receipt, Timeout: timeout}})
	})
	if err != nil || errs[0] == nil {
		return
	}
	if fresh {
		t := *t
		t.changed = false
		c.s.book.expired(&t, start, errs[0])
	}
}

func (c *client) purge(q queuePlan) {
	var done func()
	_, _, err := onPage(c, c.node(), q, purgeVerb, patience, func(p *page) { done = c.s.book.begin(&p.purges) },
		func(ctx context.Context, r *run, def *registry.Queue) (struct{}, error) {
			return struct{}{}, r.svc.Purge(ctx, def)
		})
	if err == nil {
		done()
		c.s.book.mu.Lock()
		c.s.book.stats.Purges++
		c.s.book.mu.Unlock()
	}
}

// recreate deletes a queue and makes it again, perhaps after a while.
func (c *client) recreate(q queuePlan) {
	var done func()
	_, _, err := onPage(c, c.node(), q, recreateVerb, patience, func(p *page) { done = c.s.book.begin(&p.drops) },
		func(ctx context.Context, r *run, def *registry.Queue) (struct{}, error) {
			return struct{}{}, r.reg.DeleteQueue(ctx, account, region, q.name)
		})
	if err == nil {
		done()
		c.s.book.mu.Lock()
		c.s.book.stats.Drops++
		c.s.book.mu.Unlock()
	}
	if c.r.IntN(2) == 0 {
		time.Sleep(time.Duration(c.r.Int64N(int64(10 * time.Second))))
	}
	for range 3 {
		if c.s.create(c.node(), q) == nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// move has the messages of a dead-letter queue moved back.
func (c *client) move(q queuePlan) {
	destination, name := "", ""
	if c.r.IntN(2) == 0 {
		name = strings.TrimPrefix(q.name, "dead-")
		destination = queueARN(name)
	}
	rate := 0
	if c.r.IntN(2) == 0 {
		rate = 1 + c.r.IntN(5)
	}
	task, _, err := onPage(c, c.node(), q, moveVerb, patience, func(p *page) {
		c.s.book.mu.Lock()
		p.moves = append(p.moves, moveNote{destination: name})
		c.s.book.stats.Moved++
		c.s.book.mu.Unlock()
	}, func(ctx context.Context, r *run, def *registry.Queue) (partition.MoveTask, error) {
		return r.svc.StartMove(ctx, def, destination, rate)
	})
	if err == nil && c.r.IntN(3) == 0 {
		time.Sleep(time.Duration(c.r.Int64N(int64(3 * time.Second))))
		_, _, _ = onPage(c, c.node(), q, countVerb, patience, func(*page) {}, func(ctx context.Context, r *run, def *registry.Queue) (struct{}, error) {
			_, err := r.svc.CancelMove(ctx, def, task.ID)
			if errors.Is(err, partition.ErrMoveNotRunning) || errors.Is(err, partition.ErrMoveNotFound) && q.churns {
				err = nil
			}
			return struct{}{}, err
		})
	}
}

// update changes a definition in a way that does not matter here.
func (c *client) update(q queuePlan) {
	_, _, _ = on(c, c.node(), q, updateVerb, patience, func(ctx context.Context, r *run, def *registry.Queue) (struct{}, error) {
		_, err := r.reg.UpdateQueue(ctx, account, region, q.name, func(q *registry.Queue) error {
			q.WaitSeconds = (q.WaitSeconds + 1) % 20
			return nil
		})
		if errors.Is(err, registry.ErrNotFound) && q.churns || errors.Is(err, registry.ErrFull) || errors.Is(err, registry.ErrConflict) {
			err = errUnknown
		}
		return struct{}{}, err
	})
}
