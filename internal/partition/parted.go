package partition

import (
	"context"

	"github.com/waystation/waystation/internal/queue"
)

// parted is what a queue held when it was purged or deleted. It is gone for
// everybody; only the log still has to be told that it may be trimmed.
type parted struct {
	qs      *queueState
	remains *queue.Remains
}

// releaseStep is how many messages are released before others get their turn:
// about 0.1 ms.
const releaseStep = 1000

// part has remains released in the background. Call with mu held; the fact by
// which they went is written before mu is let go.
func (o *owner) part(qs *queueState, r *queue.Remains) {
	o.parted = append(o.parted, parted{qs, r})
	wake(o.wakeParted)
}

// release lets go of what parted until ctx ends or the journal fails.
func (o *owner) release(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-o.j.Failed():
			return nil
		case <-o.wakeParted:
		}
		for ctx.Err() == nil && o.releaseSome() {
		}
	}
}

// releaseSome takes one step and returns whether there is more to do.
func (o *owner) releaseSome() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || len(o.parted) == 0 {
		return false
	}
	p := o.parted[0]
	more := p.remains.Next(releaseStep,
		func(m queue.Message) { o.gone(p.qs, m) },
		func(orig queue.Original) { o.j.Release(orig.Append, dedupBytes) })
	if !more {
		o.parted[0] = parted{}
		o.parted = o.parted[1:]
	}
	return len(o.parted) > 0
}
