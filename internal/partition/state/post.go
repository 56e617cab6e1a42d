package state

import "github.com/waystation/waystation/internal/queue"

// Item is one payload and where it is to stand. Queues on this partition get it
// at once, those on others by way of the outbox to their partition. Its targets are
// the State's until Written: a post has many, and they are not copied.
type Item struct {
	Payload []byte
	Targets []Placing
	// Once: nothing is placed if the first target is a duplicate, which is one on
	// this partition then.
	Once bool
}

// Placing is one target of an Item: the partition, and the place there. The key
// is given by the queue.
type Placing struct {
	Partition uint32
	Queue     *Queue // if the caller has found it already
	Place     Place
}

// Placed is what became of one target.
type Placed struct {
	// Key in the queue: of this message, or of the one of which it is a
	// duplicate; 0 on another partition, which decides when it takes it in.
	Key uint64
	// Answer of the message of which this is a duplicate.
	Answer    [16]byte
	Duplicate bool
}

// Post places a payload. Duplicates, by deduplication id or by the name of a
// message that is there, are not placed. each gets one Placed for every target of
// the item, in order, before the payload is written.
func (s *State) Post(it Item, each func(Placed)) {
	first := len(s.rec.placings)
	var others []away
	for i := range it.Targets {
		t := &it.Targets[i]
		if t.Partition != s.cfg.Partition {
			others = send(others, t)
			each(Placed{})
			continue
		}
		q := t.Queue
		if q == nil {
			q = s.open(t.Place.Queue, t.Place.FIFO)
		}
		s.home(q, t.Place.Revision)
		if d, ok := s.duplicate(q, &t.Place); ok {
			each(d)
			if it.Once && i == 0 {
				for range it.Targets[1:] {
					each(Placed{Duplicate: true})
				}
				return
			}
			continue
		}
		p := &t.Place
		p.FIFO, p.Key = q.terms.FIFO, s.nextKey(q)
		p.Revision = 0 // its queue has it
		s.putPlace(q, p)
		s.reserve(q, p)
		q.Counted.Sent++
		each(Placed{Key: p.Key, Answer: p.Dedup.Answer})
	}
	for i := range others {
		q := s.outbox(others[i].partition)
		s.putPlace(q, &Place{Queue: q.Ref, FIFO: true, Key: s.nextKey(q), Sent: s.now, onward: others[i].places})
	}
	s.putPayload(first, it.Payload)
}

// putPlace gathers one place of a payload in the open record, for putPayload. It
// keeps p until Written.
func (s *State) putPlace(q *Queue, p *Place) {
	s.rec.placings = append(s.rec.placings, placing{q: q, place: p})
}

// putPayload states that payload stands in the places gathered since there were
// first of them, in which it does not stand yet.
func (s *State) putPayload(first int, payload []byte) {
	list := s.rec.placings[first:]
	if len(list) == 0 {
		return
	}
	offset := s.putPlaced(list, payload)
	for i := range list {
		p := &list[i]
		p.offset, p.length = uint32(offset), uint32(len(payload))
	}
	list[0].together = uint32(len(list))
}

type away struct {
	partition uint32
	places    []Place
}

func send(list []away, t *Placing) []away {
	for i := range list {
		if list[i].partition == t.Partition {
			list[i].places = append(list[i].places, t.Place)
			return list
		}
	}
	return append(list, away{t.Partition, []Place{t.Place}})
}

// nextKey gives out a key of a queue, for the open record.
func (s *State) nextKey(q *Queue) uint64 {
	if q.reserving == 0 {
		s.reserving = append(s.reserving, q)
		q.reserving = q.NextKey()
	}
	k := q.reserving
	q.reserving++
	return k
}

// reserve keeps a deduplication id and a name from being used twice in the open
// record.
func (s *State) reserve(q *Queue, p *Place) {
	if p.Dedup.Expires != 0 || p.Name != (Name{}) {
		s.pending = append(s.pending, pending{q, p.Dedup, p.Name, p.Key})
	}
}

type pending struct {
	q     *Queue
	dedup Dedup
	name  Name
	key   uint64
}

// duplicate looks for a message that makes p harmless: one with its
// deduplication id, or one of its name that is not to be replaced.
func (s *State) duplicate(q *Queue, p *Place) (Placed, bool) {
	if p.Dedup.Expires != 0 {
		for i := range s.pending {
			if o := &s.pending[i]; o.q == q && o.dedup.Expires != 0 && o.dedup.ID == p.Dedup.ID {
				return Placed{Key: o.key, Answer: o.dedup.Answer, Duplicate: true}, true
			}
		}
		if q.m != nil {
			o := p.Dedup.original(p)
			if o, ok := q.m.Duplicate(p.Dedup.ID, o.Sent, o.Expires); ok {
				return Placed{Key: o.Key, Answer: o.ID, Duplicate: true}, true
			}
		}
	}
	if p.Name == (Name{}) {
		return Placed{}, false
	}
	for i := range s.pending {
		if o := &s.pending[i]; o.q == q && o.name == p.Name {
			return Placed{Key: o.key, Duplicate: true}, true
		}
	}
	key, ok := q.named(p.Name)
	if !ok {
		return Placed{}, false
	}
	if !p.Replace {
		return Placed{Key: key, Duplicate: true}, true
	}
	if m, ok := q.m.Remove(key); ok {
		s.leave(q, m)
	}
	return Placed{}, false
}

func (q *Queue) named(name Name) (key uint64, ok bool) {
	if q.m == nil {
		return 0, false
	}
	return q.m.Named(name)
}

// Cancel removes the message of that name and reports whether there was one.
func (s *State) Cancel(q *Queue, name Name) bool {
	key, ok := q.named(name)
	if !ok {
		return false
	}
	m, ok := q.m.Remove(key)
	if ok {
		s.leave(q, m)
	}
	return ok
}

// Parcel is what stands in an outbox: a payload and its places on another partition.
type Parcel struct {
	Key    uint64
	At     queue.Message
	Places []Place
}

// PlaceBytes is about what a place takes beside its strings, in the log, on the way
// to another node and in memory: the most of the three.
const PlaceBytes = 250

// BytesOf is about what places take.
func BytesOf(places []Place) (n int) {
	for i := range places {
		n += bytesOf(&places[i])
	}
	return n
}

func bytesOf(p *Place) int {
	return PlaceBytes + len(p.Group) + len(p.Note.Source) + len(p.Note.Reference)
}

// Parcels are the first ones of the outbox to a partition, at most n of them and
// maxBytes of payloads and places, but at least one if there is any.
func (s *State) Parcels(partition uint32, n int, maxBytes int) []Parcel {
	q := s.Find(Outbox(partition))
	if q == nil {
		return nil
	}
	var list []Parcel
	size := 0
	q.Peek(n, func(m queue.Message) bool {
		places := q.parcels[m.Key]
		if size += int(m.Len) + BytesOf(places); len(list) > 0 && size > maxBytes {
			return false
		}
		list = append(list, Parcel{Key: m.Key, At: m, Places: places})
		return true
	})
	return list
}

// HandedOver removes parcels that the other partition has taken in: of those of
// the given keys, the ones up to mark.
func (s *State) HandedOver(partition uint32, keys []uint64, mark uint64) {
	q := s.Find(Outbox(partition))
	if q == nil || q.m == nil {
		return
	}
	var removed []queue.Message
	for _, k := range keys {
		if k > mark {
			continue
		}
		if m, ok := q.m.Remove(k); ok {
			removed = append(removed, m)
		}
	}
	if len(removed) > 0 {
		s.leave(q, removed...)
	}
}

// Outboxes are the partitions for which something waits.
func (s *State) Outboxes() []uint32 {
	var list []uint32
	for r, q := range s.outboxes {
		if q.Counts().Visible > 0 {
			list = append(list, r)
		}
	}
	return list
}

// Backlog is how many parcels wait in all outboxes.
func (s *State) Backlog() (n int64) {
	for _, q := range s.outboxes {
		n += int64(q.Counts().Visible)
	}
	return n
}

// mark is how far the outbox of another partition was taken in.
type mark struct {
	key    uint64
	append uint64 // that says so
}

func (s *State) mark(from uint32, key, at uint64) {
	old := s.marks[from]
	if old.append != 0 {
		s.cfg.Log.Release(old.append, markBytes)
	}
	s.marks[from] = mark{max(old.key, key), at}
	s.cfg.Log.Retain(at, 1, markBytes)
}

// Mark is how far the outbox of another partition was taken in.
func (s *State) Mark(from uint32) uint64 { return s.marks[from].key }

// SetMark notes how far the outbox of another partition is taken in by the open
// record. It comes before the Posts.
func (s *State) SetMark(from uint32, key uint64) {
	s.putMark(from, key)
	s.rec.marks = append(s.rec.marks, marking{from, key})
}
