package simulation

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

const (
	// resume is how long a cluster in which nothing is wrong any more may take
	// to answer: lease, replay, and the pauses between attempts.
	resume = 3 * time.Minute
	// empty is how long it may take to empty all queues from then on.
	empty = 8 * time.Minute
)

// drain receives and deletes everything, once all faults are ended: what is
// there then was promised, and nothing may be refused any more.
func (s *sim) drain() {
	c := &client{s: s, number: -1, r: rand.New(rand.NewPCG(s.plan.seed, 99))}
	deadline := time.Now().Add(resume)
	if len(s.ruined) > 0 {
		s.settles("what is damaged", s.ruins)
	}
	list := slices.DeleteFunc(s.queues(), s.onRuin)
	for _, q := range list {
		for _, n := range s.nodes {
			if !s.answers(c, n, q, deadline) {
				s.stuck = true
				return
			}
		}
	}
	s.trace("all answers again")
	s.settles("garbage", s.garbage)
	s.settles("what was received too often", func() string { return s.exhausted(c, list) })
	for deadline, quiet := time.Now().Add(empty), 0; quiet < 3; {
		left := 0
		for _, q := range list {
			left += s.drainSome(c, q)
		}
		if quiet++; left > 0 {
			quiet = 0
		}
		if time.Now().After(deadline) {
			s.book.fault("the queues don't become empty: %d messages are left", left)
			s.stuck = true
			return
		}
		time.Sleep(5 * time.Second)
	}
	if s.plan.posters > 0 {
		s.drainPosts(c)
	}
	if s.plan.counters {
		s.drainCounters(c)
	}
	if s.plan.announces() {
		s.drainCopies(c)
	}
	s.settles("what is left", func() string { return s.leftovers(c) })
}

// answers waits until a queue answers through a node.
func (s *sim) answers(c *client, n *node, q queuePlan, deadline time.Time) bool {
	for {
		_, _, err := on(c, n, q, countVerb, patience, func(ctx context.Context, r *run, def *registry.Queue) (partition.Counts, error) {
			return r.svc.Counts(ctx, def)
		})
		if err == nil {
			return true
		}
		if q.churns {
			_ = s.create(n, q) // perhaps it was deleted last
		}
		if time.Now().After(deadline) {
			s.book.fault("%s does not answer through node %s, %v after all faults ended: %v", q.name, n.name, resume, err)
			return false
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// drainSome receives and deletes what is visible in a queue, and returns how many
// messages it had in all.
func (s *sim) drainSome(c *client, q queuePlan) int {
	for {
		start := time.Now()
		got, p, err := on(c, c.node(), q, receiveVerb, patience, func(ctx context.Context, r *run, def *registry.Queue) ([]partition.Received, error) {
			return r.svc.Receive(ctx, def, partition.ReceiveOptions{Max: 10, Visibility: int32(maxTime / time.Second)})
		})
		if err != nil {
			s.settled(q, "receive", err)
			if p != nil && errors.Is(err, errUnknown) {
				s.book.ghost(p)
			}
			break
		}
		takes := s.book.received(p, start, maxTime, "", got)
		for _, t := range takes {
			if s.plan.disk > 0 {
				// The reserve of so small a disk could be used up between two looks at it.
				time.Sleep(10 * time.Millisecond)
			}
			c.remove(t)
		}
		if len(takes) == 0 {
			break
		}
	}
	counts, _, err := on(c, c.node(), q, countVerb, patience, func(ctx context.Context, r *run, def *registry.Queue) (partition.Counts, error) {
		return r.svc.Counts(ctx, def)
	})
	if err != nil {
		s.settled(q, "counts", err)
		return 1
	}
	return counts.Visible + counts.InFlight + counts.Delayed
}

// settled judges an error while nothing is wrong: partitions may still go from
// one node to another, which may be told by a retryable error, but not for long.
func (s *sim) settled(q queuePlan, what string, err error) {
	s.trace("%s of %s while nothing is wrong: %v", what, q.name, err)
}
