package state

import "github.com/waystation/waystation/internal/queue"

// Rewrite gathers what still lives of an old record in the open record, with its
// present state.
func (s *State) Rewrite(at Pos, rec []byte) error {
	return eachFact(rec, func(kind byte, b []byte, offset int) error {
		switch kind {
		case factPlaced:
			places, payload, in, err := readPlaced(b, nil)
			if err != nil {
				return err
			}
			s.rewritePlaced(Pos{at.Append, at.Offset + uint32(offset+in)}, places, payload)
		case factRemembered:
			f, err := readRemembered(b)
			if err != nil {
				return err
			}
			s.rewriteRemembered(at.Append, f.q, f.id)
		case factQueue:
			f, err := readQueue(b)
			if err != nil {
				return err
			}
			q := s.queues[f.q]
			if q == nil || q.homing || q.homeAt != (Pos{at.Append, at.Offset + uint32(offset)}) {
				return nil
			}
			// What the registry does not know stays as it was known here.
			if revision, definition, ok := s.cfg.Definition(f.q); ok {
				f.revision, f.definition = revision, definition
			}
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
}

func (s *State) rewritePlaced(at Pos, places []Place, payload []byte) {
	first := len(s.rec.placings)
	for i := range places {
		p := &places[i]
		q := s.queues[p.Queue]
		if q == nil || q.m == nil {
			continue
		}
		dedup := Dedup{}
		if p.Dedup.Expires != 0 {
			if o, ok := q.m.Duplicate(s.now, p.Dedup.ID); ok && o.Append == at.Append {
				dedup = Dedup{ID: p.Dedup.ID, Answer: o.ID, Expires: o.Expires}
			}
		}
		if m, ok := q.m.Get(p.Key); ok && m.Append == at.Append && m.Offset == at.Offset {
			present := s.present(q, &m, dedup)
			s.putPlace(q, &present)
		} else if dedup.Expires != 0 {
			s.rewriteRemembered(at.Append, p.Queue, dedup.ID)
		}
	}
	for _, t := range s.strays[at] {
		if m, ok := t.q.Get(t.key); ok {
			present := s.present(t.q, &m, Dedup{})
			s.putPlace(t.q, &present)
		}
	}
	s.putPayload(first, payload)
	for i := range s.rec.placings[first:] {
		s.rewriteAttempt(&s.rec.placings[first+i].place)
	}
}

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
	if id, expires, keys, ok := s.queues[p.Queue].m.AttemptOf(p.Key); ok && expires > s.now {
		s.putAttempt(p.Queue, id, expires, keys)
	}
}

func (s *State) rewriteRemembered(at uint64, r Ref, id queue.DedupID) {
	q := s.queues[r]
	if q == nil || q.m == nil {
		return
	}
	o, ok := q.m.Duplicate(s.now, id)
	if !ok || o.Append != at {
		return
	}
	s.putRemembered(r, q.terms.FIFO, id, o)
	s.rec.again = append(s.rec.again, remembering{q, id, o})
}
