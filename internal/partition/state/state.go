package state

import "github.com/waystation/waystation/internal/queue"

// State of one partition.
type State struct {
	cfg Config
	now Time // never goes back

	queues   queueTable
	outboxes map[uint32]*Queue
	rec      record
	// Of the open record: keys given out, and what must not be used twice.
	reserving []*Queue
	pending   []pending
	scratch   []Place // of replays

	notes  notes
	marks  map[uint32]mark
	tasks  map[*Queue][]*Task // the newest last
	active map[*Queue]*Task   // the one that runs or is being cancelled

	// strays finds the places of payloads that their record does not name.
	// Without entries it costs nothing.
	strays map[Pos][]stray
	// shared has the places of payloads that were placed in several queues.
	shared map[Pos]sharing

	due     dueHeap
	touched []*Queue
	ready   map[Kind]*readyList
	trash   []remains // removed all at once, released bit by bit

	usage    Usage
	revision uint64 // the highest of all definitions in the log
}

// Usage is what a partition holds in memory.
type Usage struct {
	Queues   int
	Messages int64
	Bytes    int64 // about, without what the garbage collector adds
}

// Config of a State. All of it is needed.
type Config struct {
	Partition uint32
	Log       Log
	// Terms of a queue of this partition; false if it has none (yet): then it
	// keeps what it holds.
	Terms func(Ref) (Terms, bool)
	// Definition is the newest one of a queue that has one; opaque here.
	Definition func(Ref) (revision uint64, definition []byte, ok bool)
	// Now is the time at which the state starts.
	Now Time
}

// New makes the empty state of a partition.
func New(cfg Config) *State {
	return &State{
		cfg: cfg, now: cfg.Now,
		outboxes: make(map[uint32]*Queue), marks: make(map[uint32]mark),
		tasks: make(map[*Queue][]*Task), active: make(map[*Queue]*Task),
		strays: make(map[Pos][]stray), ready: make(map[Kind]*readyList),
	}
}

// Tick lets the time be now, unless it is later already, and returns it.
func (s *State) Tick(now Time) Time {
	s.now = max(s.now, now)
	return s.now
}

// Now is the time of the last Tick, or of the last fact that was replayed.
func (s *State) Now() Time { return s.now }

// Revision is the highest one of a definition that the log knows of.
func (s *State) Revision() uint64 { return s.revision }

// Usage of memory, as of the last Review of each queue.
func (s *State) Usage() Usage {
	u := s.usage
	u.Queues = s.queues.n
	u.Bytes += s.notes.bytes + int64(u.Queues)*queueBytes
	return u
}

// Find returns a queue; nil if the partition has no such queue.
func (s *State) Find(r Ref) *Queue { return s.queues.find(r) }

// Queues returns all queues, in no particular order.
func (s *State) Queues() []*Queue {
	list := make([]*Queue, 0, s.queues.n)
	for _, ids := range s.queues.kinds {
		for _, q := range ids {
			list = append(list, q)
		}
	}
	return list
}

// Open finds or makes a queue of this partition.
func (s *State) Open(r Ref) *Queue { return s.open(r, false) }

// open finds or makes a queue; fifo says what it is if its terms are not known.
func (s *State) open(r Ref, fifo bool) *Queue {
	q := s.queues.find(r)
	if q != nil {
		return q
	}
	terms := outboxTerms
	if r.Kind != KindOutbox {
		var ok bool
		if terms, ok = s.cfg.Terms(r); !ok {
			terms = Terms{FIFO: fifo}
		}
	}
	q = &Queue{Ref: r, state: s, terms: terms, due: -1, nextKey: 1}
	if d := s.Find(Ref{Kind: kindDropped}); d != nil && r.Kind >= FirstService {
		q.nextKey = d.nextKey
	}
	s.queues.put(q)
	if r.Kind == KindOutbox {
		s.outboxes[uint32(r.ID)] = q
	}
	return q
}

// outbox finds or makes the outbox to a partition. It is a FIFO queue without
// groups: what stands in it leaves it in the order of keys, always.
func (s *State) outbox(partition uint32) *Queue {
	q := s.Open(Outbox(partition))
	s.home(q, 0)
	return q
}

var outboxTerms = Terms{FIFO: true}

// Configure gives a queue other terms.
func (s *State) Configure(q *Queue, terms Terms) {
	terms.FIFO = q.terms.FIFO
	q.terms = terms
	if q.m != nil {
		q.m.Configure(s.now, terms.config())
		s.touch(q)
	}
}

// Drop removes a queue with all that is in it. Another one of a service may be made
// in its place; it begins with a higher key, so that no old receipt is good there.
func (s *State) Drop(q *Queue) {
	s.putDropped(q.Ref)
	s.rec.dropped = append(s.rec.dropped, q)
	if q.Ref.Kind < FirstService || !q.Known() {
		return
	}
	d := s.open(Ref{Kind: kindDropped}, false)
	if next := q.NextKey(); next > d.nextKey {
		d.nextKey = next
		s.writeHome(d, 0, nil)
	}
}

// Abandon forgets a queue of a service that was asked for and does not exist: the
// log does not know it.
func (s *State) Abandon(q *Queue) {
	if q.Ref.Kind >= FirstService && !q.Known() && !q.homing && q.m == nil {
		s.forget(q)
	}
}

// forget is what follows from a drop.
func (s *State) forget(q *Queue) {
	if s.queues.find(q.Ref) != q {
		return
	}
	if q.m != nil {
		s.discard(q, q.m.Empty())
	}
	if q.homeAt.Append != 0 {
		s.cfg.Log.Release(q.homeAt.Append, int(q.homeLen))
	}
	s.due.set(q, 0, false)
	s.unready(q)
	s.weigh(q, 0, 0)
	delete(s.tasks, q)
	delete(s.active, q)
	s.queues.remove(q)
	q.gone = true
}

// Purge removes all messages of a queue, and forgets its deduplication ids.
func (s *State) Purge(q *Queue) {
	s.putPurged(q.Ref, s.now)
	q.purged = s.now
	if q.m != nil {
		s.discard(q, q.m.Empty())
	}
	s.touch(q)
}

// Purged is when the queue was purged last; 0: never.
func (q *Queue) Purged() Time { return q.purged }

// remains is what a queue held when it was purged or dropped. It is gone for
// everybody; only the log still has to be told.
type remains struct {
	q *Queue
	r *queue.Remains
}

func (s *State) discard(q *Queue, r *queue.Remains) {
	q.parcels, q.parcelBytes = nil, 0
	s.trash = append(s.trash, remains{q, r})
}

// Trash reports whether ReleaseSome has work.
func (s *State) Trash() bool { return len(s.trash) > 0 }

// ReleaseSome releases about n of the messages that were purged or dropped.
func (s *State) ReleaseSome(n int) {
	if len(s.trash) == 0 {
		return
	}
	t := s.trash[0]
	more := t.r.Next(n,
		func(m queue.Message) { s.release(t.q, &m) },
		func(o queue.Original) { s.cfg.Log.Release(o.Append, dedupBytes) })
	if !more {
		s.trash[0] = remains{}
		s.trash = s.trash[1:]
	}
}
