package delivery

import (
	"context"
	"time"

	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
)

const (
	// takeMax messages of an endpoint at once: as many as nothing speaks against when
	// nothing is known of it.
	takeMax   = firstLimit
	takeBytes = 1 << 20
	takeWait  = 20 * time.Second
	// takeAgain is how long a partition that gives nothing is left alone.
	takeAgain = time.Second
)

// take takes messages of one partition until ctx ends, each batch only when there is
// room. working ends later.
func (s *Service) take(ctx, working context.Context, id uint32) {
	for s.room(ctx) {
		taken, err := s.parts.Take(ctx, id, partition.KindDeliveries, partition.TakeTerms{Max: takeMax, MaxBytes: takeBytes, Wait: takeWait})
		if err != nil && ctx.Err() == nil {
			s.log.Debug("a partition gives nothing to deliver", logkey.Partition, id, logkey.Error, err)
			pause(ctx, jittered(takeAgain, s.cfg.Chance()))
		}
		if len(taken.Messages) > 0 && !taken.Paced { // nor what this node asked for before
			s.circuits.unpaced(taken.Target.Queue.ID)
		}
		for i := range taken.Messages {
			d := &taken.Messages[i]
			s.busy.Add(1)
			s.held.Add(int64(len(d.Payload)))
			s.work.Go(func() {
				s.handle(working, &taken, i)
				s.busy.Add(-1)
				s.held.Add(-int64(len(d.Payload)))
				s.signal()
			})
		}
	}
}

// room waits until fewer messages are worked on, and of fewer bytes, than may be; false
// when ctx ended. Takers that are let in at once may take some more, a batch each.
func (s *Service) room(ctx context.Context) bool {
	for s.full() {
		select {
		case <-s.freed:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return false
		}
	}
	s.signal() // the next taker looks for itself
	return ctx.Err() == nil
}

func (s *Service) full() bool {
	return s.busy.Load() >= int64(s.cfg.Workers) || s.held.Load() >= s.cfg.Bytes
}

// signal wakes a taker that waits for room, if there is some.
func (s *Service) signal() {
	if s.full() {
		return
	}
	select {
	case s.freed <- struct{}{}:
	default:
	}
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
