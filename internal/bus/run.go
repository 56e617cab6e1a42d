package bus

import (
	"context"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/partition"
)

const (
	takeWait = 20 * time.Second
	// takeAgain is how long a partition that gives nothing is left alone.
	takeAgain = time.Second
	// look is how often a node looks whether there are more partitions.
	look = 10 * time.Second
)

// Kinds are the terms of the queues of this package.
func Kinds() map[partition.Kind]partition.KindTerms {
	return map[partition.Kind]partition.KindTerms{
		partition.KindArrivals: {Visibility: 2 * packLimit},
		partition.KindArchives: {},
		partition.KindReplays:  {Visibility: replayVisibility},
		partition.KindTicks:    {Visibility: tickVisibility},
	}
}

// Run packs and expires archived events, carries out replays, and fires rules with a schedule,
// until ctx ends. Nodes that only put events need not run it, if others do.
func (s *Service) Run(ctx context.Context) error {
	select {
	case <-s.reg.Ready():
	case <-ctx.Done():
		return nil
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { s.sweep(ctx) })
	wg.Go(func() { s.keepTicks(ctx) })
	for range packers {
		wg.Go(func() { s.runPacker(ctx) })
	}
	timer := time.NewTicker(look)
	defer timer.Stop()
	for p := uint32(0); ; {
		for ; p < s.parts.Count(); p++ {
			id := p
			wg.Go(func() { s.takeArrivals(ctx, id) })
			wg.Go(func() { s.takeReplays(ctx, id) })
			wg.Go(func() { s.takeTicks(ctx, id) })
		}
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
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
