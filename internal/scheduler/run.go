package scheduler

import (
	"context"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
)

const (
	// takeWait is how long one asks for what falls due.
	takeWait = 20 * time.Second
	// takeMax messages are taken at a time.
	takeMax = 10
	// atOnce: what is given so fast was there already, and there may be more.
	atOnce = 100 * time.Millisecond
	// maxTakers work on one kind of queues of a partition side by side, while there is
	// much to do: they share the writes of its log.
	maxTakers = 16
	// look is how often a node looks whether there are more partitions.
	look = 10 * time.Second
)

// Run fires what falls due, and deletes groups, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	select {
	case <-s.reg.Ready():
	case <-ctx.Done():
		return nil
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { s.sweep(ctx) })
	timer := time.NewTicker(look)
	defer timer.Stop()
	for p := uint32(0); ; {
		for ; p < s.parts.Count(); p++ {
			for _, k := range []partition.Kind{partition.KindSchedules, partition.KindFirings} {
				t := &taker{s: s, partition: p, kind: k, room: make(chan struct{}, maxTakers-1)}
				wg.Go(func() { t.run(ctx) })
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
	}
}

// taker takes messages of one kind of queues on a partition.
type taker struct {
	s         *Service
	partition uint32
	kind      partition.Kind
	others    sync.WaitGroup
	room      chan struct{} // for others
}

func (t *taker) run(ctx context.Context) {
	defer t.others.Wait()
	for failures := 0; ctx.Err() == nil; {
		began := time.Now()
		got, err := t.take(ctx, takeWait)
		switch {
		case err == nil:
			failures = 0
		case ctx.Err() == nil:
			if failures++; t.s.told.may("take", t.s.cfg.Now()) {
				t.s.log.Warn("what falls due cannot be taken for the moment", logkey.Partition, t.partition, logkey.Error, err)
			}
			pause(ctx, min(50*time.Millisecond<<min(failures, 6), 2*time.Second))
		}
		if len(got.Messages) == 0 {
			continue
		}
		if len(got.Messages) == takeMax || time.Since(began) < atOnce {
			t.help(ctx)
		}
		// What takes its time holds up nothing else, while there is room.
		if !t.aside(func() { t.fire(ctx, got) }) {
			t.fire(ctx, got)
		}
	}
}

// aside runs f beside the others, if there is room.
func (t *taker) aside(f func()) bool {
	select {
	case t.room <- struct{}{}:
	default:
		return false
	}
	t.others.Go(func() {
		defer func() { <-t.room }()
		f()
	})
	return true
}

// help has another one take, as long as there is something.
func (t *taker) help(ctx context.Context) {
	t.aside(func() {
		for ctx.Err() == nil {
			got, err := t.take(ctx, 0)
			if err != nil || len(got.Messages) == 0 {
				return
			}
			t.help(ctx)
			t.fire(ctx, got)
		}
	})
}

func (t *taker) take(ctx context.Context, wait time.Duration) (partition.Taken, error) {
	return t.s.parts.Take(ctx, t.partition, t.kind, partition.TakeTerms{Max: takeMax, Wait: wait})
}

// fire does what was taken, also when ctx ends.
func (t *taker) fire(ctx context.Context, got partition.Taken) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callLimit)
	defer cancel()
	t.s.fire(ctx, got)
}
