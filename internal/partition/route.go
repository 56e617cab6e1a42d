package partition

import (
	"context"
	"errors"
	"time"

	"github.com/waystation/waystation/internal/partition/owner"
)

// local is the owner of a partition in this process; nil if it is not here, or
// not loaded.
func (s *Service) local(p uint32) *owner.Owner {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.owned[p]; o != nil && o.open {
		return o.owner
	}
	return nil
}

// call has an operation done by the owner of a partition. While there is none, or
// it says that it no longer is the owner (so the request had no effect), it waits
// for the next, RouteTimeout in all; what an owner took to say so does not count.
func call[In, Out any](ctx context.Context, s *Service, partition uint32, op *operation[In, Out], in In) (Out, error) {
	if op.prepare != nil {
		op.prepare(&in)
	}
	if o := s.local(partition); o != nil {
		if out, err := op.run(o, ctx, in); !errors.Is(err, owner.ErrNotOwner) {
			return out, err
		}
	}
	return callFar(ctx, s, partition, op, in)
}

func callFar[In, Out any](ctx context.Context, s *Service, partition uint32, op *operation[In, Out], in In) (Out, error) {
	var zero Out
	left := s.cfg.RouteTimeout
	for rest := 25 * time.Millisecond; ; rest = min(2*rest, time.Second) {
		if op.prepare != nil {
			op.prepare(&in)
		}
		v, changed := s.keeper.Partition(partition)
		out, err := zero, owner.ErrNotOwner
		switch {
		case v.Run == "":
		case !v.Mine:
			out, err = ask(ctx, s, v.Run, partition, op, in)
		default:
			if o := s.local(partition); o != nil {
				out, err = op.run(o, ctx, in)
			}
		}
		if !errors.Is(err, owner.ErrNotOwner) {
			return out, err
		}
		// An owner that changes or has loaded anew shows in changed. A request to
		// another node may also have been lost: look again now and then.
		began := time.Now()
		again := time.NewTimer(min(rest, left))
		select {
		case <-changed:
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return zero, ctx.Err()
		}
		again.Stop()
		if left -= time.Since(began); left <= 0 {
			return zero, ErrUnavailable
		}
	}
}

// callWaiting is call for an operation that waits: what is left of the wait goes
// with each attempt.
func callWaiting[In, Out any](ctx context.Context, s *Service, partition uint32, op *operation[In, Out], in In, wait time.Duration, set func(*In, time.Duration)) (Out, error) {
	if wait <= 0 {
		return call(ctx, s, partition, op, in)
	}
	until := s.cfg.Elapsed() + wait
	timed := *op
	timed.prepare = func(in *In) { set(in, max(0, until-s.cfg.Elapsed())) }
	return call(ctx, s, partition, &timed, in)
}
