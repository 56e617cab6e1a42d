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

	// early are ids that were cancelled and are not under way, and order the same, the
	// oldest at oldest: the word of it can overtake the request, which waits its turn.
	early  map[string]struct{}
	order  []string
	oldest int
}

// earlyCalls ids are remembered at most, each of maxCallID bytes at most. Most of them
// are of requests that are done, and never come.
const (
	earlyCalls = 4096
	maxCallID  = 64
)

func newCallTable() *callTable {
	return &callTable{calls: make(map[string]context.CancelFunc), early: make(map[string]struct{})}
}

func (t *callTable) start(id string) (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancel(context.Background())
	t.mu.Lock()
	if _, cancelled := t.early[id]; cancelled || t.over {
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
		return
	}
	if _, known := t.early[id]; known || id == "" || len(id) > maxCallID {
		return
	}
	t.early[id] = struct{}{}
	if len(t.order) < earlyCalls {
		t.order = append(t.order, id)
		return
	}
	delete(t.early, t.order[t.oldest])
	t.order[t.oldest] = id
	t.oldest = (t.oldest + 1) % earlyCalls
}

func (t *callTable) cancelAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	for _, c := range t.calls {
		c()
	}
}
