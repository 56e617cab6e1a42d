package state

import (
	"slices"

	"github.com/waystation/waystation/internal/queue"
)

// Rewrite gathers what still lives of an old record in the open record, with its
// present state, which may take more than it did: write is called, to write the open
// record, before that grows beyond about room bytes. left counts payloads that do not
// fit even alone; they stay where they are. An error of write ends it.
func (s *State) Rewrite(at Pos, rec []byte, room int, write func() error) (left int, err error) {
	err = eachFact(rec, func(kind byte, b []byte, offset int) error {
		if s.written() > room/2 {
			if err := write(); err != nil {
				return err
			}
		}
		switch kind {
		case factPlaced:
			places, payload, in, err := readPlaced(b, nil)
			if err != nil {
				return err
			}
			r := rewriting{s: s, payload: payload, room: room, write: write}
			if err := r.placed(Pos{at.Append, at.Offset + uint32(offset+in)}, places); err != nil {
				return err
			}
			left += r.left
		case factRemembered:
			f, err := readRemembered(b)
			if err != nil {
				return err
			}
			s.rewriteRemembered(at.Append, f.q, f.id, f.orig.Key)
		case factQueue:
			f, err := readQueue(b)
			if err != nil {
				return err
			}
			q := s.Find(f.q)
			if q == nil || q.homing || q.homeAt != (Pos{at.Append, at.Offset + uint32(offset)}) {
				return nil
			}
			// The definition stays as it is: a newer one is written by Define, in a
			// record of its own. Many that grew might not fit one record.
			s.writeHome(q, f.revision, f.definition)
		case factMark:
			from, _, err := readMark(b)
			if err != nil {
				return err
			}
			if m := s.marks[from]; m.append == at.Append {
				s.SetMark(from, m.key)
			}
		}
		return nil
	})
	return left, err
}

// written is how many bytes of facts stand in the open record.
func (s *State) written() int { return len(s.rec.b) }

// rewriting is a payload that is written again with its places: in one fact, or in
// several, each with the payload, if they don't fit one record.
type rewriting struct {
	s       *State
	payload []byte
	room    int
	write   func() error

	first int // of the places gathered in the open record
	size  int // about what they take, with the payload
	left  int // 1: some place does not fit a record, even alone
}

func (r *rewriting) placed(at Pos, places []Place) error {
	s := r.s
	r.first = len(s.rec.placings)
	for i := range places {
		p := &places[i]
		q := s.Find(p.Queue)
		if q == nil || q.m == nil {
			continue
		}
		dedup := Dedup{}
		if p.Dedup.Expires != 0 {
			if o, ok := q.m.Remembered(p.Dedup.ID, p.Key); ok && o.Append == at.Append {
				dedup = p.Dedup
			}
		}
		if m, ok := q.m.Get(p.Key); ok && m.Append == at.Append && m.Offset == at.Offset {
			if err := r.place(q, s.present(q, &m, dedup)); err != nil {
				return err
			}
		} else if dedup.Expires != 0 {
			if err := r.fit(PlaceBytes); err != nil {
				return err
			}
			s.rewriteRemembered(at.Append, p.Queue, dedup.ID, p.Key)
		}
	}
	for _, t := range slices.Clone(s.strays[at]) { // writing takes them off the list
		if m, ok := t.q.Get(t.key); ok {
			if err := r.place(t.q, s.present(t.q, &m, Dedup{})); err != nil {
				return err
			}
		}
	}
	r.flush()
	return nil
}

// growth is what a place may take more, by now, than when it was posted: where it was
// dead-lettered from, its way to another partition, its attempt. Who says how much
// room there is leaves as much beside it.
const growth = 2 << 10

// place gathers one more place.
func (r *rewriting) place(q *Queue, p Place) error {
	n := bytesOf(&p) + BytesOf(p.onward)
	if p.FIFO && p.inFlight {
		n += attemptBytes
	}
	if len(r.payload)+n-growth > r.room {
		r.left = 1
		return nil
	}
	more := n
	if r.size == 0 {
		more += len(r.payload)
	}
	if err := r.fit(more); err != nil {
		return err
	}
	if r.size == 0 {
		r.size = len(r.payload)
	}
	r.size += n
	r.s.putPlace(q, &p)
	return nil
}

// fit has the open record written if so many bytes more don't fit it.
func (r *rewriting) fit(n int) error {
	if r.s.written()+r.size+n <= r.room {
		return nil
	}
	r.flush()
	err := r.write()
	r.first = 0
	return err
}

// flush states that the payload stands in the places gathered so far.
func (r *rewriting) flush() {
	r.s.putPayload(r.first, r.payload)
	for i := range r.s.rec.placings[r.first:] {
		r.s.rewriteAttempt(r.s.rec.placings[r.first+i].place)
	}
	r.size = 0
}

// attemptBytes is the most that a receive attempt takes in the log: an id, a time, and
// the keys of ten messages.
const attemptBytes = 150

// present is a message's place with all its state.
func (s *State) present(q *Queue, m *queue.Message, dedup Dedup) Place {
	p := Place{
		Queue: q.Ref, FIFO: q.terms.FIFO, Key: m.Key, Sent: m.Sent, Group: m.Group, Note: s.notes.of(m.Source),
		VisibleAt: m.VisibleAt, inFlight: m.InFlight, receives: m.Receives, first: m.FirstReceived, last: m.LastReceived,
		Dedup: dedup, onward: q.parcels[m.Key],
	}
	p.Name, _ = q.m.NameOf(m.Key)
	return p
}

// rewriteAttempt writes the attempt that holds a message in flight again, with it.
func (s *State) rewriteAttempt(p *Place) {
	if !p.FIFO || !p.inFlight {
		return
	}
	if id, expires, keys, ok := s.Find(p.Queue).m.AttemptOf(p.Key); ok && expires > s.now {
		s.putAttempt(p.Queue, id, expires, keys)
	}
}

func (s *State) rewriteRemembered(at uint64, r Ref, id queue.DedupID, key uint64) {
	q := s.Find(r)
	if q == nil || q.m == nil {
		return
	}
	o, ok := q.m.Remembered(id, key)
	if !ok || o.Append != at {
		return
	}
	s.putRemembered(r, q.terms.FIFO, id, o)
	s.rec.again = append(s.rec.again, remembering{q, id, o})
}
