package state

import (
	"github.com/waystation/waystation/internal/queue"
)

// Receive takes messages as the state machine says. dead reports whether
// messages were dead-lettered or discarded on the way, so that another call may
// give more. Errors: queue.ErrOverLimit.
func (s *State) Receive(q *Queue, a queue.ReceiveArgs) (got []queue.Message, dead bool, err error) {
	if q.m == nil {
		return nil, false, nil
	}
	got, exhausted, err := q.m.Receive(s.now, a)
	if err != nil {
		return nil, false, err
	}
	if len(got) > 0 {
		if q.pace != nil {
			q.pace.given(s.now, len(got))
		}
		q.Counted.Received += uint64(len(got))
		s.putReceived(&receivedFact{
			q: q.Ref, now: s.now, hidden: a.HideUntil, attempt: a.Attempt, expires: a.AttemptExpires, messages: got,
		})
		s.touch(q)
	}
	if len(exhausted) > 0 {
		s.exhaust(q, exhausted)
	}
	return got, len(exhausted) > 0, nil
}

// Hide hides a message in flight until another time. The errors are those of
// queue.Machine.ChangeVisibility.
func (s *State) Hide(q *Queue, key uint64, receive uint32, until Time) error {
	if q.m == nil {
		return queue.ErrNotFound
	}
	if _, err := q.m.ChangeVisibility(s.now, key, receive, until); err != nil {
		return err
	}
	s.putHidden(q.Ref, key, s.now, until, false)
	s.touch(q)
	return nil
}

// Postpone ends a receive: the message waits until a time and is not in flight
// meanwhile, or goes where exhausted ones go if that was its last one. The errors
// are those of queue.Machine.Postpone.
func (s *State) Postpone(q *Queue, key uint64, receive uint32, until Time) error {
	if q.m == nil {
		return queue.ErrNotFound
	}
	if err := q.m.Postpone(s.now, key, receive, until); err != nil {
		return err
	}
	s.putHidden(q.Ref, key, s.now, until, true)
	s.touch(q)
	return nil
}

// Receipt is one receive of one message.
type Receipt struct {
	Key     uint64 `cbor:"1,keyasint"`
	Receive uint32 `cbor:"2,keyasint"`
}

// Remove removes messages that were received. outcome gets one error for each,
// those of queue.Machine.Delete.
func (s *State) Remove(q *Queue, receipts []Receipt, outcome func(i int, err error)) {
	var buf [queue.MaxBatch]queue.Message
	removed := buf[:0]
	for i, r := range receipts {
		err := queue.ErrNotFound
		if q.m != nil {
			var m queue.Message
			if m, err = q.m.Delete(s.now, r.Key, r.Receive); err == nil {
				removed = append(removed, m)
			}
		}
		outcome(i, err)
	}
	if len(removed) > 0 {
		s.leave(q, removed...)
		q.Counted.Deleted += uint64(len(removed))
	}
}

// Advance lets time pass for a queue, one bounded step: what expired leaves it,
// what was received too often goes where its terms say. It reports whether there
// is more to do at this very time.
func (s *State) Advance(q *Queue) (more bool) {
	if q.m == nil {
		return false
	}
	c := q.m.Advance(s.now)
	if len(c.Expired) > 0 {
		s.leave(q, c.Expired...)
	}
	for i := range c.Forgotten {
		s.cfg.Log.Release(c.Forgotten[i].Append, dedupBytes)
	}
	if len(c.Dead) > 0 {
		s.exhaust(q, c.Dead)
	}
	return c.More
}

// Exhausted lists the messages of q that are visible though they were received
// too often: a replay leaves such, when it did not know the terms. It visits all.
func (s *State) Exhausted(q *Queue) (keys []uint64) {
	limit := q.terms.config().MaxReceives
	if limit == 0 || q.m == nil {
		return nil
	}
	q.m.Each(func(m queue.Message) bool {
		if !m.InFlight && m.VisibleAt == 0 && int64(m.Receives) >= int64(limit) {
			keys = append(keys, m.Key)
		}
		return true
	})
	return keys
}

// GiveUp sends messages where the terms say, as if they were just found to have
// been received too often.
func (s *State) GiveUp(q *Queue, keys []uint64) {
	if q.m == nil {
		return
	}
	dead := make([]queue.Message, 0, len(keys))
	for _, k := range keys {
		if m, ok := q.m.Remove(k); ok {
			dead = append(dead, m)
		}
	}
	if len(dead) > 0 {
		s.exhaust(q, dead)
	}
}

// exhaust sends messages that the machine gave up where the terms say.
func (s *State) exhaust(q *Queue, dead []queue.Message) {
	q.Counted.DeadLettered += uint64(len(dead))
	if q.Ref.Kind >= FirstService {
		// What its service says may have changed, and nobody told.
		if terms, ok := s.cfg.Terms(q.Ref); ok {
			s.Configure(q, terms)
		}
	}
	t := &q.terms
	if t.Dead == nil {
		s.leave(q, dead...)
		return
	}
	f := movedFact{from: q.Ref, fifo: t.DeadFIFO, source: t.Name, onward: t.Dead.Queue, revision: t.DeadRevision}
	var to *Queue
	if t.Dead.Partition == s.cfg.Partition {
		to = s.open(t.Dead.Queue, t.DeadFIFO)
		s.home(to, t.DeadRevision)
	} else {
		to = s.outbox(t.Dead.Partition)
	}
	f.to = to.Ref
	for i := range dead {
		m := &dead[i]
		st := step{from: m.Key, to: s.nextKey(to), sent: m.Sent, receives: s.notes.of(m.Source).Receives + m.Receives}
		// A FIFO queue counts retention anew from the move, a standard queue from
		// the first send (Amazon SQS Developer Guide, "Dead-letter queues and
		// message retention").
		if t.FIFO {
			st.sent = s.now
		}
		f.steps = append(f.steps, st)
	}
	s.putMoved(&f)
	for i := range dead {
		s.move(q, to, &dead[i], &f, f.steps[i])
	}
	s.touch(q)
}

// move places a message that left from in to; its payload stays where it is.
func (s *State) move(from, to *Queue, m *queue.Message, f *movedFact, st step) {
	s.unstray(from, m)
	old := s.notes.of(m.Source)
	n := queue.Message{
		Key: st.to, Append: m.Append, Offset: m.Offset, Len: m.Len, Sent: st.sent, Group: m.Group,
	}
	note := Note{Source: f.source, Receives: st.receives, Reference: old.Reference}
	if to.Ref.Kind == KindOutbox {
		to.setParcel(st.to, []Place{{Queue: f.onward, FIFO: f.fifo, Sent: st.sent, Group: m.Group, Note: note, Revision: f.revision}})
		n.Group = ""
	} else {
		n.Source = s.notes.put(note)
	}
	s.notes.drop(m.Source)
	to.machine().Insert(s.now, n)
	s.stray(to, &n)
	s.touch(to)
}

// Transfer removes messages from q and places each payload anew, all in the open
// record: for move tasks. placings has one target for each message.
func (s *State) Transfer(q *Queue, keys []uint64, items []Item) {
	var removed []queue.Message
	for i, k := range keys {
		m, ok := q.m.Remove(k)
		if !ok {
			continue
		}
		removed = append(removed, m)
		s.Post(items[i], func(Placed) {})
	}
	if len(removed) > 0 {
		s.leave(q, removed...)
	}
}
