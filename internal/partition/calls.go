package partition

import (
	"context"
	"sync"
)

// callTable finds the requests of other nodes that are under way by their call
// ids, to cancel them. It is bounded by the slots of Service.
type callTable struct {
	mu    sync.Mutex
	calls map[string]context.CancelFunc
	over  bool
}

func newCallTable() *callTable { return &callTable{calls: make(map[string]context.CancelFunc)} }

func (t *callTable) start(id string) (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancel(context.Background())
	t.mu.Lock()
	if t.over {
		cancel()
	}
	t.calls[id] = cancel
	t.mu.Unlock()
	return ctx, func() {
		t.mu.Lock()
		delete(t.calls, id)
		t.mu.Unlock()
		cancel()
	}
}

func (t *callTable) cancel(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.calls[id]; c != nil {
		c()
	}
}

func (t *callTable) cancelAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	for _, c := range t.calls {
		c()
	}
}
