package bus

import (
	"context"
	"errors"
	"time"

	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

const (
	// expireEvery is how often events are removed whose time is over.
	expireEvery = time.Hour
	// sweepAgain is after what time something is tried again that failed.
	sweepAgain = 5 * time.Second
	// dropGrace is longer than a request goes on that did not know of a deletion.
	dropGrace = 10 * time.Second
	// scanAtOnce chunks, and removeAtOnce of them.
	scanAtOnce   = 1000
	removeAtOnce = 500
)

func (s *Service) wakeSweep() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// sweeping is an archive that was deleted, as this node sees it.
type sweeping struct {
	since   time.Time // by this node's clock
	dropped bool      // its queues were, once
}

// sweep removes what archives were deleted or have kept for long enough, and sees to it
// that replays go on, until ctx ends. All nodes do: it can be done twice.
func (s *Service) sweep(ctx context.Context) {
	seen := make(map[uint64]*sweeping) // as many as are being deleted
	expire := s.cfg.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
		there := make(map[uint64]*sweeping)
		next := expireEvery
		for _, a := range s.reg.Archives().By(registry.DeletingArchives, "yes") {
			w := seen[a.Remains]
			if w == nil {
				w = &sweeping{since: s.cfg.Now()}
			}
			there[a.Remains] = w
			wait, err := s.dropRemains(ctx, a, w)
			if err != nil && ctx.Err() == nil {
				s.log.Warn("the events of an archive cannot be removed yet", logkey.Resource, a.Of, logkey.Error, err)
				wait = sweepAgain
			}
			if wait > 0 {
				next = min(next, wait)
			}
		}
		seen = there
		if now := s.cfg.Now(); s.shorter.Swap(false) || !now.Before(expire) {
			if s.expireAll(ctx) {
				expire = now.Add(expireEvery)
			} else {
				expire = now.Add(sweepAgain)
			}
		}
		next = min(next, max(expire.Sub(s.cfg.Now()), time.Second), s.keepReplays(ctx))
		timer.Reset(next)
	}
}

// dropRemains drops the queues of an archive that was deleted. If no request can be under
// way that did not know, it is done, else it says when to come again.
func (s *Service) dropRemains(ctx context.Context, a *registry.Archive, w *sweeping) (time.Duration, error) {
	wait := w.since.Add(dropGrace).Sub(s.cfg.Now())
	if w.dropped && wait > 0 {
		return wait, nil
	}
	// Whoever deleted it may have died before its definition was.
	if r, ok := registry.ParseARN(a.Of); ok {
		err := s.forgetArchive(ctx, r.Account, r.Region, r.Name, a.Remains)
		if err != nil && !errors.Is(err, ErrNoArchive) && !errors.Is(err, registry.ErrNotFound) {
			return 0, err
		}
	}
	for p := range s.parts.Count() {
		if err := s.dropEvents(ctx, toPack{a.Remains, p}); err != nil {
			return 0, err
		}
	}
	w.dropped = true
	if wait > 0 {
		return wait, nil
	}
	err := s.reg.Archives().Delete(ctx, a.Account, a.Region, a.Name)
	if errors.Is(err, registry.ErrNotFound) {
		err = nil // another node did
	}
	return 0, err
}

// expireAll removes the events of all archives whose time is over, and reports whether
// that was possible.
func (s *Service) expireAll(ctx context.Context) bool {
	done := true
	for _, a := range s.allArchives() {
		if a.RetentionDays == 0 {
			continue
		}
		for p := range s.parts.Count() {
			if err := s.expire(ctx, a, p); err != nil && ctx.Err() == nil {
				s.log.Warn("events of an archive whose time is over cannot be removed yet", logkey.Resource, a.ARN(),
					logkey.Partition, p, logkey.Error, err)
				done = false
			}
		}
	}
	return done
}

// oldest is the first moment whose events an archive still keeps, in Unix milliseconds.
func (s *Service) oldest(a *registry.Archive) int64 {
	if a.RetentionDays == 0 {
		return 0
	}
	return s.cfg.Now().UnixMilli() - int64(a.RetentionDays)*24*int64(time.Hour/time.Millisecond)
}

// expire removes the chunks of an archive on a partition that hold only events whose time
// is over.
func (s *Service) expire(ctx context.Context, a *registry.Archive, p uint32) error {
	for attempts := 0; ; {
		more, err := s.expireSome(ctx, a, p)
		switch {
		case errors.Is(err, partition.ErrCondition) && attempts < packAttempts:
			attempts++
		case err != nil || !more:
			return err
		default:
			attempts = 0
		}
	}
}

func (s *Service) expireSome(ctx context.Context, a *registry.Archive, p uint32) (more bool, err error) {
	q := chunksOf(a.ID, p)
	list, _, err := s.parts.Scan(ctx, q, 0, scanAtOnce)
	if errors.Is(err, partition.ErrQueueGone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	have, key, err := s.tally(ctx, a.ID, p)
	if err != nil {
		return false, err
	}
	conditions := []partition.Condition{{Queue: q.Queue, Name: tallyName, Key: key, Remove: key != 0}}
	until := s.oldest(a)
	for i := range list {
		if list[i].Name == tallyName {
			continue
		}
		sp, ok := parseSpan(list[i].Reference)
		if !ok {
			continue // another release can read it
		}
		if sp.newest >= until {
			break // what comes behind it is newer
		}
		have.events -= sp.events
		have.bytes -= sp.bytes
		conditions = append(conditions, partition.Condition{Queue: q.Queue, Name: list[i].Name, Key: list[i].Key, Remove: true})
		if more = len(conditions) > removeAtOnce; more {
			break
		}
	}
	if len(conditions) == 1 {
		return false, nil
	}
	_, err = s.parts.PostIf(ctx, p, conditions, []partition.PostItem{
		{Payload: have.encode(), Targets: []partition.PostTarget{{Target: q, Name: tallyName}}},
	})
	return more, err
}
