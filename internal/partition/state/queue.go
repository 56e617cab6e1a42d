package state

import (
	"github.com/waystation/waystation/internal/queue"
)

// Queue is one queue of the partition. What is not in use takes some 350 bytes,
// its place in the maps included: the state machine is there only as long as
// there is something in it, and a while longer.
type Queue struct {
	Ref   Ref
	state *State
	terms Terms
	m     *queue.Machine // nil: empty
	// nextKey while there is no machine.
	nextKey   uint64
	reserving uint64 // the next key, while the open record uses some; else 0
	homeAt    Pos    // where the newest fact about the queue stands; Append 0: nowhere yet
	homeLen   uint32 // of its body
	revision  uint64 // of the definition in it
	purged    Time

	due        int32 // index in the heap, -1: not in it
	strays     int32 // messages here that State.strays knows
	dueAt      Time
	touched    bool
	homing     bool // its fact is in the open record
	defined    bool // the log has a definition
	gone       bool
	inReady    bool
	held       bool   // given out by NextReady
	soon       bool   // see Soon
	prev, next *Queue // in the ready list
	pace       *pace  // nil: none

	messages int64 // as counted in Usage
	bytes    int64

	parcels     map[uint64][]Place // of an outbox, by key
	parcelBytes int64              // what their places take
	Counted     Counted            // since the partition was loaded
}

// Counted are events of a queue.
type Counted struct {
	Sent, Received, Deleted, DeadLettered uint64
}

// machine of the queue, made if there is none.
func (q *Queue) machine() *queue.Machine {
	if q.m == nil {
		q.m = queue.New(q.terms.config())
		q.m.SetNextKey(q.nextKey)
	}
	return q.m
}

// Terms of the queue.
func (q *Queue) Terms() *Terms { return &q.terms }

// Gone reports whether the queue was dropped.
func (q *Queue) Gone() bool { return q.gone }

// Revision of a definition that the log knows of, 0 if of none.
func (q *Queue) Revision() uint64 { return q.revision }

// Defined reports whether the log has that definition itself.
func (q *Queue) Defined() bool { return q.defined }

// Known reports whether the log knows the queue.
func (q *Queue) Known() bool { return q.homeAt.Append != 0 }

// Home is where the log has what is known of the queue, for ReadDefinition.
func (q *Queue) Home() (at Pos, length int) { return q.homeAt, int(q.homeLen) }

// NextKey is the key that the next message gets.
func (q *Queue) NextKey() uint64 {
	if q.m == nil {
		return q.nextKey
	}
	return q.m.NextKey()
}

func (q *Queue) setNextKey(k uint64) {
	if q.m == nil {
		q.nextKey = max(q.nextKey, k)
		return
	}
	q.m.SetNextKey(k)
}

// Counts of messages, exact after an Advance that left nothing to do.
func (q *Queue) Counts() queue.Counts {
	if q.m == nil {
		return queue.Counts{}
	}
	return q.m.Counts()
}

// Oldest is when the oldest message was sent.
func (q *Queue) Oldest() (Time, bool) {
	if q.m == nil {
		return 0, false
	}
	return q.m.Oldest()
}

// Get returns a message.
func (q *Queue) Get(key uint64) (queue.Message, bool) {
	if q.m == nil {
		return queue.Message{}, false
	}
	return q.m.Get(key)
}

// Peek visits up to n visible messages in about the order of service.
func (q *Queue) Peek(n int, fn func(queue.Message) bool) {
	if q.m != nil {
		q.m.Peek(n, fn)
	}
}

// Named returns the message that has the name.
func (q *Queue) Named(name Name) (queue.Message, bool) {
	if key, ok := q.named(name); ok {
		return q.m.Get(key)
	}
	return queue.Message{}, false
}

// NameOf is the name of the message of that key; zero: none.
func (q *Queue) NameOf(key uint64) (name Name) {
	if q.m != nil {
		name, _ = q.m.NameOf(key)
	}
	return name
}

// NamedAfter is queue.Machine's; a zero name is before all others.
func (q *Queue) NamedAfter(after Name, n int, visit func(Name, queue.Message) bool) (more bool) {
	switch {
	case q.m == nil:
		return false
	case after == Name{}:
		return q.m.NamedAfter(nil, n, visit)
	}
	return q.m.NamedAfter(&after, n, visit)
}

// KeysFrom is queue.Machine's.
func (q *Queue) KeysFrom(key uint64, n int, visit func(queue.Message) bool) (next uint64) {
	if q.m == nil {
		return 0
	}
	return q.m.KeysFrom(key, n, visit)
}

// Repeated is queue.Machine's.
func (q *Queue) Repeated(attempt queue.DedupID) (repeated, ok bool) {
	if q.m == nil {
		return false, false
	}
	return q.m.Repeated(attempt)
}

// Available reports whether a Receive would give, or dead-letter, something.
func (q *Queue) Available() bool { return q.m != nil && q.m.Available(q.state.now) }

// Note of a message of this state.
func (s *State) Note(m *queue.Message) Note { return s.notes.of(m.Source) }

// Define writes what is known of the queue, with its newest definition, if the
// log has an older one or none. What the log had of it before no longer counts.
func (s *State) Define(q *Queue) {
	revision, definition, ok := s.cfg.Definition(q.Ref)
	if ok && !q.homing && (!q.defined || q.revision < revision) {
		s.writeHome(q, revision, definition)
	}
}

// home writes what is known of the queue if the log knows nothing of it;
// revision is one of its definition, for the case that it is not known here.
func (s *State) home(q *Queue, revision uint64) {
	if q.Known() || q.homing {
		return
	}
	newest, definition, ok := s.cfg.Definition(q.Ref)
	if ok {
		revision = newest
	}
	s.writeHome(q, revision, definition)
}

func (s *State) writeHome(q *Queue, revision uint64, definition []byte) {
	f := queueFact{
		q: q.Ref, fifo: q.terms.FIFO, nextKey: q.NextKey(), purged: q.purged,
		revision: revision, definition: definition, tasks: s.tasks[q],
	}
	s.putQueue(&f)
	q.homing = true
	s.rec.homes = append(s.rec.homes, homing{q, revision, len(definition) > 0, uint32(s.rec.start), uint32(len(s.rec.b) - s.rec.start)})
}

// settled notes where the newest fact about the queue stands.
func (s *State) settled(q *Queue, at Pos, length int, revision uint64, defined bool) {
	if q.homeAt.Append != 0 {
		s.cfg.Log.Release(q.homeAt.Append, int(q.homeLen))
	}
	q.homeAt, q.homeLen, q.revision, q.defined, q.homing = at, uint32(length), revision, defined, false
	s.revision = max(s.revision, revision)
	s.cfg.Log.Retain(at.Append, 1, length)
}

// ReadDefinition reads the definition out of the bytes that stand at a queue's Home.
func ReadDefinition(body []byte) (revision uint64, definition []byte, err error) {
	f, err := readQueue(body)
	return f.revision, f.definition, err
}

// EachDefinition calls defined for the definitions that a record holds, and
// dropped for the queues that were dropped: the last one of a queue in the log
// counts. For repairs.
func EachDefinition(rec []byte, defined func(id, revision uint64, definition []byte), dropped func(id uint64)) error {
	return eachFact(rec, func(kind byte, b []byte, _ int) error {
		switch kind {
		case factQueue:
			f, err := readQueue(b)
			if err == nil && f.q.Kind == KindQueue && len(f.definition) > 0 {
				defined(f.q.ID, f.revision, f.definition)
			}
			return err
		case factDropped:
			r := newReader(b)
			if q := r.ref(); r.Err == nil && q.Kind == KindQueue {
				dropped(q.ID)
			}
			return r.Err
		}
		return nil
	})
}
