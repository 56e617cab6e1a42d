package delivery

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Service takes what waits for endpoints, and pushes it.
type Service struct {
	cfg      Config
	log      *slog.Logger
	parts    Partitions
	circuits circuits
	attempts *attemptLog

	busy  atomic.Int64  // messages worked on
	held  atomic.Int64  // bytes of their payloads
	freed chan struct{} // of capacity 1: there is room again
	work  sync.WaitGroup
}

// New checks the configuration. It starts nothing.
func New(cfg Config) (*Service, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	s := &Service{
		cfg: cfg, log: cfg.Logger, parts: cfg.Partitions, circuits: circuits{byID: make(map[uint64]*circuit)},
		freed: make(chan struct{}, 1),
	}
	s.attempts = newAttemptLog(s)
	return s, nil
}

const (
	// takersInAll are shared by the partitions; each has one at least.
	takersInAll = 4
	// countPeriod is how often partitions are looked for that were added.
	countPeriod = 30 * time.Second
)

// Run pushes what waits until ctx ends; then what is under way goes on for Config.Grace
// at most, and what did not get so far waits in its queue for whoever is next.
func (s *Service) Run(ctx context.Context) error {
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var takers, logging sync.WaitGroup
	logCtx, stopLog := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLog()
	logging.Go(func() { s.attempts.run(logCtx) })

	started := uint32(0)
	ticker := time.NewTicker(countPeriod)
	defer ticker.Stop()
	for ctx.Err() == nil {
		for count := s.parts.Count(); started < count; started++ {
			id := started
			for range max(takersInAll/int(count), 1) {
				takers.Go(func() { s.take(ctx, working, id) })
			}
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	takers.Wait()
	done := make(chan struct{})
	go func() {
		s.work.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(s.cfg.Grace):
		stop()
		<-done
	}
	stopLog()
	logging.Wait()
	return nil
}
