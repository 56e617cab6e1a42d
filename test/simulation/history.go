package simulation

import (
	"context"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/registry"
)

// history is how the definitions of queues, subscriptions and rules were at each
// revision, as an observer reads them to whom nothing happens. It stands beside the
// nodes, so that a node can be held against what it knew.
type history struct {
	reg *registry.Registry

	mu     sync.Mutex // guards what follows
	queues map[string]*versions[registry.Queue]
	subs   map[uint64]map[string]*versions[registry.Subscription] // by topic and name
	rules  map[string]*versions[registry.Rule]                    // by name, with the bus's
	gone   map[uint64]time.Time                                   // topics by id: when they were seen to be deleted
}

// versions of one definition, in their order.
type versions[T any] struct{ list []version[T] }

type version[T any] struct {
	revision uint64
	def      *T // nil: deleted
}

func (v *versions[T]) add(revision uint64, def *T) {
	if n := len(v.list); n > 0 && v.list[n-1].revision == revision {
		v.list[n-1].def = def // deleted and made again at once
		return
	}
	v.list = append(v.list, version[T]{revision, def})
}

// during gives what the definition was at revision from, and all that it became up to
// to. nil stands for none.
func (v *versions[T]) during(from, to uint64) (list []*T) {
	if v == nil {
		return []*T{nil}
	}
	var first *T
	for _, x := range v.list {
		switch {
		case x.revision <= from:
			first = x.def
		case x.revision <= to:
			list = append(list, x.def)
		}
	}
	return append([]*T{first}, list...)
}

// observe starts the observer, and returns what ends it.
func (s *sim) observe() (stop func(), err error) {
	ctx, cancel := context.WithCancel(context.Background())
	reg, err := registry.Open(ctx, s.world.Node("observer"), "ws", registry.Config{})
	if err != nil {
		cancel()
		return nil, err
	}
	h := &history{
		reg: reg, queues: make(map[string]*versions[registry.Queue]),
		subs: make(map[uint64]map[string]*versions[registry.Subscription]), rules: make(map[string]*versions[registry.Rule]),
		gone: make(map[uint64]time.Time),
	}
	reg.OnQueue(func(old, now *registry.Queue) { noteVersion(h, h.queues, present(old, now).ARN(), now) })
	reg.Topics().OnChange(func(old, now *registry.Topic) {
		if now == nil {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.gone[old.ID] = time.Now()
		}
	})
	reg.Rules().OnChange(func(old, now *registry.Rule) { noteVersion(h, h.rules, present(old, now).Name, now) })
	reg.Subscriptions().OnChange(func(old, now *registry.Subscription) {
		def := present(old, now)
		h.mu.Lock()
		if h.subs[def.TopicID] == nil {
			h.subs[def.TopicID] = make(map[string]*versions[registry.Subscription])
		}
		of := h.subs[def.TopicID]
		h.mu.Unlock()
		noteVersion(h, of, def.Name, now)
	})
	var running sync.WaitGroup
	running.Go(func() {
		if err := reg.Run(ctx); err != nil {
			s.book.fault("the observer of the definitions ended: %v", err)
		}
	})
	<-reg.Ready()
	s.copies.history = h
	return func() { cancel(); running.Wait() }, nil
}

func present[T any](old, now *T) *T {
	if now != nil {
		return now
	}
	return old
}

// noteVersion notes a change. The registry tells of each at its revision.
func noteVersion[T any](h *history, list map[string]*versions[T], name string, now *T) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if list[name] == nil {
		list[name] = &versions[T]{}
	}
	list[name].add(h.reg.Revision(), now)
}

// reaches waits until the observer knows a revision.
func (h *history) reaches(revision uint64) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return h.reg.WaitFor(ctx, revision) == nil
}

// queue gives what a queue was from one revision to another. One that settled says was
// there long before the request, and until it ended, counts as known: who misses it has to
// look for it.
func (h *history) queue(arn string, from, to uint64, settled func(*registry.Queue) bool) []*registry.Queue {
	v := h.queues[arn]
	list := v.during(from, to)
	for i, q := range list {
		if q != nil || v == nil {
			continue
		}
		for _, x := range v.list {
			if x.revision > to && x.def != nil && settled(x.def) {
				list[i] = x.def // only this node did not hear of it
			}
		}
	}
	return list
}

// since gives what a queue became after a revision.
func (h *history) since(arn string, revision uint64) (list []*registry.Queue) {
	if v := h.queues[arn]; v != nil {
		for _, x := range v.list {
			if x.revision > revision && x.def != nil {
				list = append(list, x.def)
			}
		}
	}
	return list
}

// mortal reports whether a queue was deleted after a revision.
func (h *history) mortal(q *registry.Queue, after uint64) bool {
	v := h.queues[q.ARN()]
	for i, x := range v.list {
		if x.revision > after && (x.def == nil || x.def.ID != q.ID) && i > 0 && v.list[i-1].def != nil && v.list[i-1].def.ID == q.ID {
			return true
		}
	}
	return false
}
