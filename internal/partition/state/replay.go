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
	return eachFact(rec, func(kind byte, b []byte, offset int) error {
		if kind == factMark {
			takenIn = true
		}
		return s.replay(at, kind, b, offset, takenIn)
	})
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
	r := newReader(b)
	q := s.Find(r.ref())
	switch kind {
	case factHidden:
		key, until := r.Uvarint(), Time(r.Varint())
		now := until - Time(r.Varint())
		postponed := r.Byte() == 1
		if q == nil || q.m == nil || r.Err != nil {
			break
		}
		if s.Tick(now); postponed {
			q.m.ApplyPostpone(s.now, key, until)
		} else {
			q.m.ApplyVisibility(s.now, key, until)
		}
	case factRemoved:
		for n := r.Length(); n > 0 && r.Err == nil; n-- {
			key := r.Uvarint()
			if q == nil || q.m == nil || r.Err != nil {
				continue
			}
			if m, ok := q.m.Remove(key); ok {
				s.release(q, &m)
			}
		}
	case factPurged:
		at := Time(r.Varint())
		if q != nil && r.Err == nil {
			s.Tick(at)
			q.purged = at
			if q.m != nil {
				s.discard(q, q.m.Empty())
			}
		}
	case factDropped:
		if q != nil && r.Err == nil {
			s.forget(q)
		}
		return r.Err
	case factTask:
		t := new(Task)
		t.decode(&r)
		if q != nil && r.Err == nil {
			s.task(q, t)
		}
	case factAttempt:
		id, expires := queue.DedupID(r.ID()), Time(r.Varint())
		var keys []uint64
		for n := r.Length(); n > 0 && r.Err == nil; n-- {
			keys = append(keys, r.Uvarint())
		}
		if q != nil && q.m != nil && r.Err == nil && expires > s.now {
			q.m.ApplyAttempt(s.now, id, expires, keys)
		}
	default:
		return fmt.Errorf("unknown to this release; it was written by a newer one")
	}
	if q != nil {
		s.touch(q)
	}
	return r.Err
}

func (s *State) replayPlaced(at Pos, b []byte, offset int, takenIn bool) error {
	places, payload, in, err := readPlaced(b, s.scratch[:0])
	if err != nil {
		return err
	}
	payloadAt := Pos{at.Append, at.Offset + uint32(offset+in)}
	if len(places) > 0 {
		each := eachPlace(len(places), func(k int) *Place { return &places[k] })
		s.hold(payloadAt, uint32(len(payload)), uint32(len(places)), each)
	}
	for i := range places {
		p := &places[i]
		if !takenIn && p.receives == 0 && p.Note.Source == "" {
			s.Tick(p.Sent)
		}
		s.place(s.open(p.Queue, p.FIFO), p, payloadAt, uint32(len(payload)))
	}
	clear(places)
	s.scratch = places[:0]
	return nil
}

func (s *State) replayReceived(f *receivedFact) {
	s.Tick(f.now)
	q := s.Find(f.q)
	if q == nil || q.m == nil {
		return
	}
	var keys []uint64
	for i := range f.messages {
		m := &f.messages[i]
		last := f.now
		if f.attempt != nil {
			keys = append(keys, m.Key)
			if before, ok := q.m.Get(m.Key); ok && before.Receives == m.Receives {
				last = before.LastReceived // the attempt was repeated
			}
		}
		q.m.ApplyReceive(s.now, m.Key, m.Receives, m.FirstReceived, last, f.hidden)
	}
	if f.attempt != nil && f.expires > s.now {
		q.m.ApplyAttempt(s.now, *f.attempt, f.expires, keys)
	}
	s.touch(q)
}

func (s *State) replayMoved(f *movedFact) {
	from := s.Find(f.from)
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
}
