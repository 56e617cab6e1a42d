package scheduler

import (
	"context"
	"errors"
	"time"

	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

func (s *Service) wakeSweep() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// sweepAgain is after what time a group is looked at again whose queues could not be
// dropped.
const sweepAgain = 5 * time.Second

// sweeping is a group that is being deleted, as this node sees it.
type sweeping struct {
	since   time.Time // by this node's clock
	dropped bool      // its queues were, once
}

// sweep deletes the groups that are to be, until ctx ends. All nodes do: it can be done
// twice.
func (s *Service) sweep(ctx context.Context) {
	seen := make(map[uint64]*sweeping) // as many as are being deleted
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
		next := time.Hour
		there := make(map[uint64]*sweeping)
		for _, g := range s.reg.ScheduleGroups().By(registry.DeletingScheduleGroups, "yes") {
			w := seen[g.ID]
			if w == nil {
				w = &sweeping{since: s.cfg.Now()}
			}
			there[g.ID] = w
			wait, err := s.deleteGroup(ctx, g, w)
			if err != nil && ctx.Err() == nil {
				s.log.Warn("a group of schedules cannot be deleted yet", logkey.Resource, g.ARN(), logkey.Error, err)
				wait = sweepAgain
			}
			if wait > 0 {
				next = min(next, wait)
			}
		}
		seen = there
		timer.Reset(next)
	}
}

// deleteGroup drops a group's queues. If no request can be under way that did not know,
// the group goes too, else it says when to come again.
func (s *Service) deleteGroup(ctx context.Context, g *registry.ScheduleGroup, w *sweeping) (time.Duration, error) {
	wait := w.since.Add(deletingGrace).Sub(s.cfg.Now())
	if w.dropped && wait > 0 {
		return wait, nil
	}
	for p := range g.Partitions {
		if err := s.drop(ctx, queueOf(g, p)); err != nil {
			return 0, err
		}
	}
	w.dropped = true
	if wait > 0 {
		return wait, nil
	}
	err := s.reg.ScheduleGroups().Delete(ctx, g.Account, g.Region, g.Name)
	if errors.Is(err, registry.ErrNotFound) {
		err = nil // another node did
	}
	return 0, err
}

// drop removes the schedules of a queue, and what they fired and is tried again.
func (s *Service) drop(ctx context.Context, q partition.Target) error {
	firings := q
	firings.Queue.Kind = partition.KindFirings
	for _, t := range []partition.Target{q, firings} {
		if err := s.parts.Drop(ctx, t); err != nil && !errors.Is(err, partition.ErrQueueGone) {
			return err
		}
	}
	return nil
}
