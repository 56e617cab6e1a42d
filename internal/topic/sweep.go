package topic

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/registry"
)

const (
	// othersSweep is how long a node waits until it looks after a topic that another
	// one has deleted: that one does at once, unless it died.
	othersSweep = 30 * time.Second
	// expiryPeriod is how often subscriptions are looked for that nobody confirmed.
	expiryPeriod = time.Hour
	// sweepers delete side by side, so that their changes share a write.
	sweepers = 32
)

// topicChanged is told by the registry.
func (s *Service) topicChanged(old, now *registry.Topic) {
	if now == nil && s.fanout(old.ID, false) != nil {
		s.sweep(old.ID, othersSweep)
	}
}

// sweep has Run remove the subscriptions of a deleted topic, after a while.
func (s *Service) sweep(topic uint64, after time.Duration) {
	at := s.cfg.Now().Add(after)
	s.sweepMu.Lock()
	if t, ok := s.sweeps[topic]; !ok || at.Before(t) {
		s.sweeps[topic] = at
	}
	s.sweepMu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run removes the subscriptions of topics that were deleted, and those that nobody
// confirmed in time, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	if err := s.sweepAll(ctx); err != nil {
		return nil //nolint:nilerr // ctx ended
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	expiry := time.NewTicker(expiryPeriod)
	defer expiry.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-timer.C:
		case <-expiry.C:
			s.expire(ctx)
		}
		timer.Reset(s.sweepDue(ctx))
	}
}

// sweepAll looks for subscriptions whose topics are gone: a node may have died between
// the one and the other.
func (s *Service) sweepAll(ctx context.Context) error {
	select {
	case <-s.reg.Ready():
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.RLock()
	topics := make([]uint64, 0, len(s.fanouts))
	for id := range s.fanouts {
		topics = append(topics, id)
	}
	s.mu.RUnlock()
	for _, id := range topics {
		if _, ok := s.reg.Topics().ByID(id); !ok {
			s.sweep(id, 0)
		}
	}
	return nil
}

// sweepDue sweeps the topics whose time has come, and says when the next does.
func (s *Service) sweepDue(ctx context.Context) time.Duration {
	now := s.cfg.Now()
	next := time.Hour
	var due []uint64
	s.sweepMu.Lock()
	for id, at := range s.sweeps {
		if wait := at.Sub(now); wait > 0 {
			next = min(next, wait)
		} else {
			due = append(due, id)
			delete(s.sweeps, id)
		}
	}
	s.sweepMu.Unlock()
	for _, id := range due {
		list := s.fanout(id, false).list()
		if len(list) == 0 {
			s.forget(id)
			continue
		}
		// Each names a revision at which its topic was there: what is not known now, was
		// deleted.
		gone, err := s.reg.Topics().Gone(ctx, id, list[0].Revision)
		if err == nil && gone {
			err = s.remove(ctx, list, func(*registry.Subscription) bool { return true })
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("subscriptions of a deleted topic cannot be removed yet", logkey.Error, err)
			s.sweep(id, othersSweep)
		}
		if err == nil && gone {
			s.forget(id)
		}
	}
	return next
}

// forget drops the fanout of a topic that has no subscriptions any more.
func (s *Service) forget(topic uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.fanouts[topic]; f != nil && len(f.list()) == 0 {
		delete(s.fanouts, topic)
	}
}

// expire removes subscriptions that nobody confirmed in time.
func (s *Service) expire(ctx context.Context) {
	before := s.cfg.Now().Add(-ConfirmWithin).Unix()
	s.mu.RLock()
	fanouts := make([]*fanout, 0, len(s.fanouts))
	for _, f := range s.fanouts {
		fanouts = append(fanouts, f)
	}
	s.mu.RUnlock()
	expired := func(sub *registry.Subscription) bool { return sub.Pending && sub.Created < before }
	var old []*registry.Subscription
	for _, f := range fanouts {
		for _, sub := range f.list() {
			if expired(sub) {
				old = append(old, sub)
			}
		}
	}
	if err := s.remove(ctx, old, expired); err != nil && ctx.Err() == nil {
		s.log.Warn("subscriptions that nobody confirmed cannot be removed yet", logkey.Error, err)
	}
}

// remove deletes subscriptions that go by their newest definitions, side by side.
func (s *Service) remove(ctx context.Context, list []*registry.Subscription, goes func(*registry.Subscription) bool) error {
	var mu sync.Mutex
	var failed error // guarded by mu
	next := make(chan *registry.Subscription)
	var wg sync.WaitGroup
	for range min(sweepers, len(list)) {
		wg.Go(func() {
			for sub := range next {
				if err := s.unsubscribeIf(ctx, sub, goes); err != nil {
					mu.Lock()
					failed = cmp.Or(failed, err)
					mu.Unlock()
				}
			}
		})
	}
	for _, sub := range list {
		next <- sub
	}
	close(next)
	wg.Wait()
	return failed
}
