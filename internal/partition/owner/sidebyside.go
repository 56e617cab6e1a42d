package owner

import (
	"context"
	"sync"
)

// sideBySide calls work for each item that list gives, in a goroutine of its own and
// never twice at a time for one, whenever it is woken, until ctx ends and all have
// returned. Whoever ends wakes: something may have come for it meanwhile.
func sideBySide[T comparable](ctx context.Context, woken chan struct{}, list func() []T, work func(context.Context, T)) {
	var running sync.Map // item -> nothing
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-woken:
		}
		for _, item := range list() {
			if _, on := running.LoadOrStore(item, nil); on {
				continue
			}
			wg.Go(func() {
				work(ctx, item)
				running.Delete(item)
				wake(woken)
			})
		}
	}
}
