package state

import (
	"fmt"

	"github.com/waystation/waystation/internal/queue"
)

// Replay makes the facts of one record true again. Nothing is decided here:
// facts about messages that are no longer in the log (their payload was trimmed,
// so they were gone) are passed over.
func (s *State) Replay(at Pos, rec []byte) error {
	takenIn := false
	err := eachFact(rec, func(kind byte, b []byte, offset int) error {
		if kind == factMark {
			takenIn = true
		}
		return s.replay(at, kind, b, offset, takenIn)
	})
	if err != nil {
		return fmt.Errorf("append %d: %w", at.Append, err)
	}
	return nil
}

// replay makes one fact true again. Times of what was taken in are of another
// partition's owner and say nothing about this one.
func (s *State) replay(at Pos, kind byte, b []byte, offset int, takenIn bool) error {
	switch kind {
	case factPlaced:
		return s.replayPlaced(at, b, offset, takenIn)
	case factReceived:
		f, err := readReceived(b)
		if err == nil {
			s.replayReceived(&f)
		}
		return err
	case factMoved:
		f, err := readMoved(b)
		if err == nil {
			s.replayMoved(&f)
		}
		return err
	case factQueue:
		f, err := readQueue(b)
		if err == nil {
			s.replayQueue(Pos{at.Append, at.Offset + uint32(offset)}, len(b), &f)
		}
		return err
	case factRemembered:
		f, err := readRemembered(b)
		if err == nil {
			f.orig.Append = at.Append
			s.remember(s.open(f.q, f.fifo), f.id, f.orig)
		}
		return err
	case factMark:
		from, key, err := readMark(b)
		if err == nil {
			s.mark(from, key, at.Append)
		}
		return err
	}
	return s.replayOf(kind, b)
}

// replayOf makes a fact about a queue true again, if there is that queue.
func (s *State) replayOf(kind byte, b []byte) error {
	r := reader{b: b}
	q := s.queues[r.ref()]
	switch kind {
	case factHidden:
		key, until := r.uvarint(), Time(r.varint())
		now := until - Time(r.varint())
		postponed := r.byte() == 1
		if q == nil || q.m == nil || r.err != nil {
			break
		}
		if s.Tick(now); postponed {
			q.m.ApplyPostpone(s.now, key, until)
		} else {
			q.m.ApplyVisibility(s.now, key, until)
		}
	case factRemoved:
		for n := r.length(); n > 0 && r.err == nil; n-- {
			key := r.uvarint()
			if q == nil || q.m == nil || r.err != nil {
				continue
			}
			if m, ok := q.m.Remove(key); ok {
				s.release(q, &m)
			}
		}
	case factPurged:
		at := Time(r.varint())
		if q != nil && r.err == nil {
			s.Tick(at)
			q.purged = at
			if q.m != nil {
				s.discard(q, q.m.Empty())
			}
		}
	case factDropped:
		if q != nil && r.err == nil {
			s.forget(q)
		}
		return r.err
	case factTask:
		t := new(Task)
		t.decode(&r)
		if q != nil && r.err == nil {
			s.task(q, t)
		}
	case factAttempt:
		id, expires := queue.DedupID(r.id()), Time(r.varint())
		var keys []uint64
		for n := r.length(); n > 0 && r.err == nil; n-- {
			keys = append(keys, r.uvarint())
		}
		if q != nil && q.m != nil && r.err == nil && expires > s.now {
			q.m.ApplyAttempt(s.now, id, expires, keys)
		}
	default:
		return fmt.Errorf("unknown to this release; it was written by a newer one")
	}
	if q != nil {
		s.touch(q)
	}
	return r.err
}

func (s *State) replayPlaced(at Pos, b []byte, offset int, takenIn bool) error {
	places, payload, in, err := readPlaced(b, s.scratch[:0])
	if err != nil {
		return err
	}
	for i := range places {
		p := &places[i]
		if !takenIn && p.receives == 0 && p.Note.Source == "" {
			s.Tick(p.Sent)
		}
		s.place(s.open(p.Queue, p.FIFO), p, Pos{at.Append, at.Offset + uint32(offset+in)}, uint32(len(payload)), share{uint32(i), uint32(len(places))})
	}
	clear(places)
	s.scratch = places[:0]
	return nil
}

func (s *State) replayReceived(f *receivedFact) {
	s.Tick(f.now)
	q := s.queues[f.q]
	if q == nil || q.m == nil {
		return
	}
	var keys []uint64
	for i := range f.messages {
		m := &f.messages[i]
		q.m.ApplyReceive(s.now, m.Key, m.Receives, m.FirstReceived, f.now, f.hidden)
		if f.attempt != nil {
			keys = append(keys, m.Key)
		}
	}
	if f.attempt != nil && f.expires > s.now {
		q.m.ApplyAttempt(s.now, *f.attempt, f.expires, keys)
	}
	s.touch(q)
}

func (s *State) replayMoved(f *movedFact) {
	from := s.queues[f.from]
	to := s.open(f.to, f.fifo)
	for _, st := range f.steps {
		to.setNextKey(st.to + 1)
		if from == nil || from.m == nil {
			continue
		}
		if m, ok := from.m.Remove(st.from); ok {
			s.move(from, to, &m, f, st)
		}
	}
	if from != nil {
		s.touch(from)
	}
}

func (s *State) replayQueue(at Pos, length int, f *queueFact) {
	q := s.open(f.q, f.fifo)
	q.setNextKey(f.nextKey)
	q.purged = f.purged
	s.setTasks(q, f.tasks)
	s.settled(q, at, length, f.revision, len(f.definition) > 0)
	s.revision = max(s.revision, f.revision)
}
