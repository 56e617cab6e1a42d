package partition

import (
	"github.com/waystation/waystation/internal/registry"
)

// Status is a partition as this node sees it.
type Status struct {
	Number uint32
	Owner  string // the node that should own it, "" when none does
	Mine   bool   // this node should own it
	Ready  bool   // it is served, as far as this node knows
	// Damaged is why it could not be loaded, "" if it could as far as is known.
	Damaged string
	// Of loading, and of the log, when it is this node's.
	Entries, TotalEntries, LoadedBytes uint64
	LiveBytes, LogBytes, PendingBytes  int64
	Waiting                            int64 // long polls
}

// Status tells how all partitions are.
func (s *Service) Status() []Status {
	out := make([]Status, s.keeper.Count())
	for p := range out {
		st := &out[p]
		st.Number = uint32(p)
		v := s.keeper.View(uint32(p))
		st.Owner, st.Mine, st.Ready, st.Damaged = v.Node, v.Mine, v.Ready && !v.Mine, v.Damaged
		if !st.Mine {
			continue
		}
		s.mu.Lock()
		if o := s.owners[uint32(p)]; o != nil {
			st.Entries, st.TotalEntries, st.LoadedBytes = o.progress.Entries, o.progress.TotalEntries, o.progress.Bytes
			if o.owner != nil {
				st.Ready = true
				js := o.owner.j.Stats()
				st.LiveBytes, st.LogBytes, st.PendingBytes = js.LiveBytes, js.Bytes, js.PendingBytes
				st.Waiting = o.owner.waiting.Load()
			}
		}
		s.mu.Unlock()
	}
	return out
}

// QueueStats is a queue that this node owns, at one moment.
type QueueStats struct {
	Queue *registry.Queue
	Counts
	Bytes int64
	// Counted since the partition was loaded.
	Sent, Received, Deleted, DeadLettered uint64
}

// EachQueue visits the queues that this node owns, for metrics. Other requests
// go on in between.
func (s *Service) EachQueue(visit func(QueueStats)) {
	s.mu.Lock()
	var owners []*owner
	for _, o := range s.owners {
		if o.owner != nil {
			owners = append(owners, o.owner)
		}
	}
	s.mu.Unlock()
	for _, o := range owners {
		o.mu.Lock()
		list := make([]*queueState, 0, len(o.queues))
		for r, qs := range o.queues {
			if !r.outbox && qs.def != nil {
				list = append(list, qs)
			}
		}
		o.mu.Unlock()
		for _, qs := range list {
			if st, ok := o.stats(qs); ok {
				visit(st)
			}
		}
	}
}

func (o *owner) stats(qs *queueState) (QueueStats, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.queues[qs.ref] != qs {
		return QueueStats{}, false
	}
	now := o.tick()
	o.advance(qs, now)
	o.settle(qs, now)
	return QueueStats{
		Queue: qs.def, Counts: countsOf(qs), Bytes: qs.m.Counts().Bytes,
		Sent: qs.sent, Received: qs.received, Deleted: qs.deleted, DeadLettered: qs.deadLettered,
	}, true
}

// Full tells whether sends are refused because the storage is nearly used up.
func (s *Service) Full() bool { return s.full.Load() }
