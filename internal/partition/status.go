package partition

import (
	"context"
	"slices"

	"github.com/waystation/waystation/internal/partition/owner"
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
	Waiting                            int64 // long polls of clients
	Takes                              int64 // takes of services that wait
	Requests, RequestBytes             int64 // that wait for the log
	// Defined is how many queues are placed on it, used or not, whoever owns it.
	Defined int
	// Queues and messages in memory, and about what they take, in bytes.
	Queues      int
	Messages    int64
	MemoryBytes int64
	// Orphans are queues that keep their messages though the registry has no
	// definition of them.
	Orphans int
	// Backlog is how many messages wait for other partitions to take them.
	Backlog int64
}

// Count is how many partitions there are.
func (s *Service) Count() uint32 { return s.keeper.Count() }

// Status tells how all partitions are.
func (s *Service) Status() []Status {
	out := make([]Status, s.keeper.Count())
	for p := range out {
		st := &out[p]
		st.Number, st.Defined = uint32(p), s.cfg.Registry.CountOf(uint32(p))
		v := s.keeper.View(uint32(p))
		st.Owner, st.Mine, st.Ready, st.Damaged = v.Node, v.Mine, v.Ready && !v.Mine, v.Damaged
		if !st.Mine {
			continue
		}
		s.mu.Lock()
		slot := s.owned[uint32(p)]
		var o *owner.Owner
		if slot != nil {
			st.Entries, st.TotalEntries, st.LoadedBytes = slot.progress.Entries, slot.progress.TotalEntries, slot.progress.Bytes
			if slot.open {
				o = slot.owner
			}
		}
		s.mu.Unlock()
		if o != nil {
			st.Ready = true
			os := o.Status()
			st.LiveBytes, st.LogBytes, st.PendingBytes = os.Journal.LiveBytes, os.Journal.Bytes, os.Journal.PendingBytes
			st.Requests, st.RequestBytes = os.Requests, os.RequestBytes
			st.Waiting, st.Takes = os.Waiting, os.Takes
			st.Orphans, st.Backlog = os.Orphans, os.Backlog
			st.Queues, st.Messages, st.MemoryBytes = os.Usage.Queues, os.Usage.Messages, os.Usage.Bytes
		}
	}
	return out
}

// Memory is what messages take in this node's memory, about, and what they may
// take, in bytes; full says that sends are refused for it.
func (s *Service) Memory() (used, limit int64, full bool) {
	used, _ = s.memory.Used()
	limit, _ = s.memory.Limit()
	return used, limit, s.memory.Full()
}

// Space is how much room the storage has: SpaceEnough, SpaceShort or SpaceEnd of
// package owner.
func (s *Service) Space() int32 { return s.space.Level() }

// QueueStats is a queue that this node owns, at one moment.
type QueueStats = owner.QueueStats

// EachQueue visits the queues with a definition that this node owns and that were
// used, for metrics. Other requests go on in between.
func (s *Service) EachQueue(visit func(QueueStats)) {
	for _, o := range s.owners() {
		o.EachQueue(visit)
	}
}

// Orphan is a queue that has messages and no definition.
type Orphan = owner.Orphan

// Orphans lists the queues of this node's partitions that the registry does not
// know, with their definitions as the logs have them.
func (s *Service) Orphans(ctx context.Context) (list []Orphan, err error) {
	for _, o := range s.owners() {
		more, err := o.Orphans(ctx)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list, nil
}

// watchReady closes ready once every partition has an owner that answers, but for
// those that are damaged as long as one is not.
func (s *Service) watchReady(ctx context.Context) {
	for {
		changed := s.keeper.Changed()
		list := s.Status()
		served := slices.ContainsFunc(list, func(st Status) bool { return st.Ready })
		if served && !slices.ContainsFunc(list, func(st Status) bool { return !st.Ready && st.Damaged == "" }) {
			close(s.ready)
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
