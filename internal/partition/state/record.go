package state

import "github.com/waystation/waystation/internal/queue"

// record is the open one: facts, and what is done once they have their place.
type record struct {
	b     []byte
	start int // of the body of the fact being written

	placings []placing
	removed  []leaving
	homes    []homing
	marks    []marking
	again    []remembering
	dropped  []*Queue
}

type placing struct {
	q      *Queue
	place  *Place
	offset uint32 // of the payload in the record
	length uint32
	// together is how many places the payload has, from this one on; 0 but for the
	// first.
	together uint32
}

type leaving struct {
	q *Queue
	m queue.Message
}

type homing struct {
	q              *Queue
	revision       uint64
	defined        bool
	offset, length uint32
}

type marking struct {
	from uint32
	key  uint64
}

type remembering struct {
	q    *Queue
	id   queue.DedupID
	orig queue.Original
}

// Record is what was decided since the last Written, to be handed to the log;
// nil if nothing was. It is good until the next call of s.
func (s *State) Record() []byte {
	if len(s.rec.b) == 0 {
		return nil
	}
	return s.rec.b
}

// Written says where the open record stands in the log, and carries out what it says.
func (s *State) Written(at Pos) {
	r := &s.rec
	for _, q := range s.reserving {
		q.reserving = 0
	}
	s.reserving, s.pending = s.reserving[:0], s.pending[:0]
	for i := range r.placings {
		p := &r.placings[i]
		payload := Pos{at.Append, at.Offset + p.offset}
		if p.together > 0 {
			each := eachPlace(int(p.together), func(k int) *Place { return r.placings[i+k].place })
			s.hold(payload, p.length, p.together, each)
		}
		s.place(p.q, p.place, payload, p.length)
		*p = placing{}
	}
	for i := range r.removed {
		s.release(r.removed[i].q, &r.removed[i].m)
		r.removed[i] = leaving{}
	}
	for _, h := range r.homes {
		s.settled(h.q, Pos{at.Append, at.Offset + h.offset}, int(h.length), h.revision, h.defined)
	}
	for _, m := range r.marks {
		s.mark(m.from, m.key, at.Append)
	}
	for _, a := range r.again {
		a.orig.Append = at.Append
		s.remember(a.q, a.id, a.orig)
	}
	for i, q := range r.dropped {
		s.forget(q)
		r.dropped[i] = nil
	}
	if cap(r.b) > keepRecord {
		r.b = nil
	}
	if cap(r.placings) > keepItems {
		r.placings = nil
	}
	if cap(r.removed) > keepItems {
		r.removed = nil
	}
	r.b, r.placings, r.removed, r.homes = r.b[:0], r.placings[:0], r.removed[:0], r.homes[:0]
	r.marks, r.again, r.dropped = r.marks[:0], r.again[:0], r.dropped[:0]
}

// A record that was larger does not leave its buffers to the next ones.
const (
	keepRecord = 2 << 20
	keepItems  = 1000
)

// leave gathers messages that left q, which the machine has taken out already.
func (s *State) leave(q *Queue, messages ...queue.Message) {
	s.putRemoved(q.Ref, messages)
	for _, m := range messages {
		s.rec.removed = append(s.rec.removed, leaving{q, m})
	}
	s.touch(q)
}

// release is called for each message that left its queue for good.
func (s *State) release(q *Queue, m *queue.Message) {
	s.unstray(q, m)
	s.notes.drop(m.Source)
	if q.parcels != nil {
		q.setParcel(m.Key, nil)
	}
	s.unhold(Pos{m.Append, m.Offset}, m.Len)
}

// sharing is what is left of the places of one payload.
type sharing struct {
	left uint32
	each uint32 // bytes that one counts for
}

// eachPlace is about what each of n places takes in the log, on average. A single one
// that holds none for another partition counts for no more than placeBytes, which
// needs no entry in memory.
func eachPlace(n int, at func(i int) *Place) uint32 {
	if n == 1 && len(at(0).onward) == 0 {
		return placeBytes
	}
	total := 0
	for i := range n {
		total += at(i).logBytes()
	}
	return uint32(total / n)
}

// logBytes is about what the place takes in the log.
func (p *Place) logBytes() int {
	n := placeBytes + len(p.Group) + len(p.Note.Reference)
	for i := range p.onward {
		n += p.onward[i].logBytes()
	}
	return n
}

// hold retains a payload for its places, and what says so. It counts once, however
// many of them are left. Without the places themselves a log of small payloads with
// many places would seem to be garbage for the most part, and be written again
// without end.
func (s *State) hold(at Pos, length, places, each uint32) {
	if places > 1 || each != placeBytes {
		if s.shared == nil {
			s.shared = make(map[Pos]sharing)
		}
		s.shared[at] = sharing{places, each}
	}
	s.cfg.Log.Retain(at.Append, int(places), int(places)*int(each)+int(length))
}

// unhold takes back what one of the places holds.
func (s *State) unhold(at Pos, length uint32) {
	each := uint32(placeBytes)
	if h, ok := s.shared[at]; ok {
		each = h.each
		if h.left--; h.left > 0 {
			s.shared[at] = h
			length = 0
		} else {
			delete(s.shared, at)
		}
	}
	s.cfg.Log.Release(at.Append, int(each)+int(length))
}

// place puts a payload that stands at a position of the log, and is held there, into
// a queue: a new message, or one that is there already and was written again.
func (s *State) place(q *Queue, p *Place, at Pos, length uint32) {
	m := q.machine()
	if old, there := q.existing(p.Key); there {
		moved := old
		moved.Append, moved.Offset, moved.Len = at.Append, at.Offset, length
		m.Insert(s.now, moved)
		s.unstray(q, &old)
		s.unhold(Pos{old.Append, old.Offset}, old.Len)
	} else {
		m.Insert(s.now, queue.Message{
			Key: p.Key, Append: at.Append, Offset: at.Offset, Len: length,
			Sent: p.Sent, VisibleAt: p.VisibleAt, Group: p.Group, Receives: p.receives,
			FirstReceived: p.first, LastReceived: p.last, Source: s.notes.put(p.Note), InFlight: p.inFlight,
		})
		if p.Name != (Name{}) {
			m.Name(p.Key, p.Name)
		}
		if len(p.onward) > 0 {
			q.setParcel(p.Key, p.onward)
		}
	}
	if p.Dedup.Expires != 0 {
		o := p.Dedup.original(p)
		o.Append = at.Append
		s.remember(q, p.Dedup.ID, o)
	}
	s.touch(q)
}

// existing finds a message that is written again.
func (q *Queue) existing(key uint64) (queue.Message, bool) {
	if key >= q.m.NextKey() {
		return queue.Message{}, false // the usual case, without looking
	}
	return q.m.Get(key)
}

// setParcel sets where a message of an outbox goes; nil when it has gone.
func (q *Queue) setParcel(key uint64, places []Place) {
	q.parcelBytes += int64(BytesOf(places) - BytesOf(q.parcels[key]))
	switch {
	case len(places) == 0:
		delete(q.parcels, key)
	case q.parcels == nil:
		q.parcels = map[uint64][]Place{key: places}
	default:
		q.parcels[key] = places
	}
}

// remember notes a deduplication id unless its time is over. What it replaces is
// reported by the next Advance.
func (s *State) remember(q *Queue, id queue.DedupID, o queue.Original) {
	if o.Expires+o.Grace <= s.now {
		return
	}
	q.machine().Remember(id, o)
	s.cfg.Log.Retain(o.Append, 1, dedupBytes)
	s.touch(q)
}

// stray is a message whose payload's record does not name it.
type stray struct {
	q   *Queue
	key uint64
}

func (s *State) stray(q *Queue, m *queue.Message) {
	at := Pos{m.Append, m.Offset}
	s.strays[at] = append(s.strays[at], stray{q, m.Key})
	q.strays++
}

func (s *State) unstray(q *Queue, m *queue.Message) {
	if q.strays == 0 {
		return
	}
	at := Pos{m.Append, m.Offset}
	list := s.strays[at]
	for i, p := range list {
		if p.q == q && p.key == m.Key {
			q.strays--
			list[i] = list[len(list)-1]
			if list = list[:len(list)-1]; len(list) == 0 {
				delete(s.strays, at)
			} else {
				s.strays[at] = list
			}
			return
		}
	}
}
