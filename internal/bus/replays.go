package bus

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

const (
	// MaxReplays of an account in a region go on at a time.
	MaxReplays = 10
	// ReplayKept is how long a replay that has ended is kept.
	ReplayKept = 90 * 24 * time.Hour
	// maxReplaysHere are carried out by a node at a time.
	maxReplaysHere = 16
	// keepReplaysEvery is how often it is made sure that somebody carries replays out.
	keepReplaysEvery = time.Minute
)

// replaying is what a node knows of replays.
type replaying struct {
	room chan struct{} // takes one for each that this node carries out

	mu  sync.Mutex
	all map[uint64]*registry.Replay // by ID, as many as the registry lets there be; guarded by mu
}

// replayChanged is told by the registry.
func (s *Service) replayChanged(old, now *registry.Replay) {
	s.replays.mu.Lock()
	defer s.replays.mu.Unlock()
	if now == nil {
		delete(s.replays.all, old.ID)
		return
	}
	s.replays.all[now.ID] = now
}

// listed are the replays that are wanted.
func (k *replaying) listed(wanted func(*registry.Replay) bool) (list []*registry.Replay) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range k.all {
		if wanted(r) {
			list = append(list, r)
		}
	}
	return list
}

// Replay finds a replay. Errors: ErrNoReplay; those of registry.Table.Find.
func (s *Service) Replay(ctx context.Context, account, region, name string) (*registry.Replay, error) {
	r, err := s.reg.Replays().Find(ctx, account, region, name)
	return r, noReplay(err)
}

// StartReplay has the events of an archive replayed that def says, to the bus of the
// archive: Run does. Errors: ErrReplayExists, ErrReplays; those of registry.Table.Create.
func (s *Service) StartReplay(ctx context.Context, a *registry.Archive, name string, def registry.Replay) (*registry.Replay, error) {
	def.Meta = registry.Meta{Account: a.Account, Region: a.Region, Name: name}
	def.ArchiveARN, def.Archive, def.BusARN = a.ARN(), a.ID, a.BusARN()
	def.State, def.Started = registry.ReplayStarting, s.cfg.Now().UnixMilli()
	if _, there := s.reg.Replays().Get(a.Account, a.Region, name); !there &&
		len(s.reg.Replays().By(registry.ActiveReplays, a.Account+"/"+a.Region)) >= MaxReplays {
		return nil, ErrReplays
	}
	id := s.cfg.NewID()
	def.Partition = uint32(id[0]) % max(s.parts.Count(), 1)
	made, _, err := s.reg.Replays().Create(ctx, &def, func(*registry.Replay) bool { return false })
	if errors.Is(err, registry.ErrConflict) {
		return nil, ErrReplayExists
	}
	if err != nil {
		return nil, err
	}
	if err := s.tellReplay(ctx, made); err != nil {
		// It is told again by whoever sweeps.
		s.log.Debug("a replay begins later", logkey.Resource, made.ARN(), logkey.Error, err)
	}
	return made, nil
}

// CancelReplay has a replay end that goes on. Errors: ErrNoReplay, ErrReplayEnded; those
// of registry.Table.Update.
func (s *Service) CancelReplay(ctx context.Context, r *registry.Replay) (*registry.Replay, error) {
	now, err := s.reg.Replays().Update(ctx, r.Account, r.Region, r.Name, func(now *registry.Replay) error {
		switch {
		case now.ID != r.ID:
			return ErrNoReplay
		case now.State != registry.ReplayStarting && now.State != registry.ReplayRunning:
			return ErrReplayEnded
		}
		now.State = registry.ReplayCancelling
		return nil
	})
	return now, noReplay(err)
}

// Replays lists those of an account in pages; see registry.Table.List. wanted may be nil.
func (s *Service) Replays(account, region, prefix, after string, limit int, wanted func(*registry.Replay) bool) ([]*registry.Replay, bool) {
	return choose(s.reg.Replays(), account, region, prefix, after, limit, func(r *registry.Replay) *registry.Meta { return &r.Meta }, wanted)
}

func noReplay(err error) error {
	if errors.Is(err, registry.ErrNotFound) {
		return ErrNoReplay
	}
	return err
}

// replaysOf is the queue on a partition by which replays are told.
func replaysOf(p uint32) partition.Target {
	return partition.Target{Partition: p, Queue: partition.Ref{Kind: partition.KindReplays, ID: 1}}
}

// replayName is that of the message that tells of a replay; its payload is the same.
func replayName(id uint64) string { return strconv.FormatUint(id, 16) }

// tellReplay sees to it that a message tells of a replay, as long as there is one.
func (s *Service) tellReplay(ctx context.Context, r *registry.Replay) error {
	name := replayName(r.ID)
	_, err := s.parts.Post(ctx, r.Partition, []partition.PostItem{{
		Payload: []byte(name), Targets: []partition.PostTarget{{Target: replaysOf(r.Partition), Name: partition.NameOf(name)}},
	}})
	return err
}

// keepReplays sees to it that replays go on whose message was not posted, and removes
// those that ended long ago. It says when to come again.
func (s *Service) keepReplays(ctx context.Context) time.Duration {
	now := s.cfg.Now()
	next := expireEvery
	for _, r := range s.replays.listed((*registry.Replay).Active) {
		next = min(next, keepReplaysEvery)
		if now.UnixMilli()-r.Started < keepReplaysEvery.Milliseconds()/2 {
			continue // whoever started it is still about to
		}
		if err := s.tellReplay(ctx, r); err != nil && ctx.Err() == nil {
			s.log.Debug("a replay is told again later", logkey.Resource, r.ARN(), logkey.Error, err)
			next = sweepAgain
		}
	}
	for _, r := range s.replays.listed(func(r *registry.Replay) bool {
		return !r.Active() && now.UnixMilli()-r.Ended >= ReplayKept.Milliseconds()
	}) {
		err := s.reg.Replays().DeleteIf(ctx, r.Account, r.Region, r.Name, func(now *registry.Replay) error {
			if now.ID != r.ID {
				return ErrNoReplay
			}
			return nil
		})
		if err != nil && !errors.Is(err, ErrNoReplay) && !errors.Is(err, registry.ErrNotFound) && ctx.Err() == nil {
			s.log.Debug("a replay that ended long ago is removed later", logkey.Resource, r.ARN(), logkey.Error, err)
		}
	}
	return next
}

// takeReplays carries out replays that a partition tells of, until ctx ends.
func (s *Service) takeReplays(ctx context.Context, p uint32) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case s.replays.room <- struct{}{}:
		}
		taken, err := s.parts.Take(ctx, p, partition.KindReplays, partition.TakeTerms{Max: 1, Wait: takeWait})
		if err != nil || len(taken.Messages) == 0 {
			<-s.replays.room
			if err != nil && ctx.Err() == nil {
				s.log.Debug("a partition tells of no replays for the moment", logkey.Partition, p, logkey.Error, err)
				pause(ctx, takeAgain)
			}
			continue
		}
		wg.Go(func() {
			defer func() { <-s.replays.room }()
			s.carryOut(ctx, taken.Target, &taken.Messages[0])
		})
	}
}
