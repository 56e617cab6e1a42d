package owner

import (
	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/partition/state"
)

// Status of the partition.
type Status struct {
	Journal journal.Stats
	Usage   state.Usage
	Waiting int64 // long polls of clients
	Takes   int64 // takes of services that wait, as they do nearly always
	Orphans int   // queues that have messages and no definition
	Backlog int64 // messages that wait in outboxes
	// Requests that wait for the log, and their bytes.
	Requests, RequestBytes int64
}

// Status of the partition now.
func (o *Owner) Status() Status {
	s := Status{
		Journal:  o.j.Stats(),
		Requests: o.admitted.Load(), RequestBytes: o.admittedBytes.Load(),
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range o.kinds {
		s.Takes += int64(l.len())
	}
	s.Waiting = o.waiting.Load() - s.Takes
	s.Usage, s.Orphans, s.Backlog = o.st.Usage(), len(o.orphans), o.st.Backlog()
	return s
}

// Durable is how far the log reaches.
func (o *Owner) Durable() uint64 { return o.j.Stats().Last }

// QueueStats is a queue at one moment.
type QueueStats struct {
	Queue *definition
	Counts
	Bytes int64
	state.Counted
}

// EachQueue visits the queues that have a definition. Other requests go on in
// between.
func (o *Owner) EachQueue(visit func(QueueStats)) {
	o.mu.Lock()
	list := o.st.Queues()
	o.mu.Unlock()
	for _, q := range list {
		if q.Ref.Kind != state.KindQueue {
			continue
		}
		if st, ok := o.stats(q); ok {
			visit(st)
		}
	}
}

func (o *Owner) stats(q *state.Queue) (QueueStats, bool) {
	def, ok := o.cfg.Registry.QueueByID(q.Ref.ID)
	if !ok {
		return QueueStats{}, false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || q.Gone() {
		return QueueStats{}, false
	}
	o.tick()
	o.st.Advance(q) // one step; the clock goes on with the rest
	s := QueueStats{Queue: def, Counts: countsOf(q), Bytes: q.Counts().Bytes, Counted: q.Counted}
	if _, err := o.concludeQuietly(); err != nil {
		return QueueStats{}, false
	}
	return s, true
}
