package state

import (
	"encoding/binary"
	"fmt"

	"github.com/waystation/waystation/internal/fields"
	"github.com/waystation/waystation/internal/queue"
)

// A fact is a type byte, a uvarint length and that many bytes; bytes beyond
// those that a release knows are passed over, so a fact can grow at its end. A
// fact of an unknown type is refused: what it says cannot be left out.
const (
	factPlaced     = 1  // a payload stands in queues (posted, moved here, or written again)
	factReceived   = 2  // messages were received
	factHidden     = 3  // a message is hidden until another time
	factRemoved    = 4  // messages are gone (deleted, expired, handed over)
	factMoved      = 5  // messages went from one queue to another
	factRemembered = 6  // a deduplication id was seen
	factQueue      = 7  // all that is known of a queue beside its messages
	factPurged     = 8  // all messages are gone, deduplication ids forgotten
	factDropped    = 9  // the queue and all in it are gone
	factMark       = 10 // how far another partition's outbox was taken in
	factTask       = 11 // a move task changed
	factAttempt    = 12 // messages in flight can be received again by the same attempt
)

// begin opens a fact in the open record. Its length is written by end, in four
// bytes: a uvarint of 28 bits, 256 MiB, above any append.
func (s *State) begin(kind byte) []byte {
	s.rec.b = append(s.rec.b, kind, 0, 0, 0, 0)
	s.rec.start = len(s.rec.b)
	return s.rec.b
}

func (s *State) end(b []byte) {
	s.rec.b = b
	n := uint32(len(b) - s.rec.start)
	p := b[s.rec.start-4 : s.rec.start]
	p[0] = byte(n) | 0x80
	p[1] = byte(n>>7) | 0x80
	p[2] = byte(n>>14) | 0x80
	p[3] = byte(n >> 21)
}

// eachFact calls fn for every fact of a record with its body and the body's
// offset in the record.
func eachFact(rec []byte, fn func(kind byte, body []byte, offset int) error) error {
	at := 0
	for at < len(rec) {
		kind := rec[at]
		n, w := binary.Uvarint(rec[at+1:])
		if w <= 0 || n > uint64(len(rec)-at-1-w) {
			return fields.ErrMalformed
		}
		at += 1 + w
		if err := fn(kind, rec[at:at+int(n)], at); err != nil {
			return fmt.Errorf("fact of type %d: %w", kind, err)
		}
		at += int(n)
	}
	return nil
}

// Place is one queue in which a payload stands, with all that is known of the
// message there.
type Place struct {
	Queue Ref    `cbor:"1,keyasint"`
	FIFO  bool   `cbor:"2,keyasint,omitempty"`
	Key   uint64 `cbor:"3,keyasint,omitempty"` // given by the queue
	Sent  Time   `cbor:"4,keyasint"`
	Group string `cbor:"5,keyasint,omitempty"`
	Note  Note   `cbor:"6,keyasint"`
	// VisibleAt is when a delay or the present receive ends; 0 for neither.
	VisibleAt Time  `cbor:"7,keyasint,omitempty"`
	Dedup     Dedup `cbor:"8,keyasint"`
	Name      Name  `cbor:"9,keyasint"` // zero: none
	// Replace: a message of the same Name gives way.
	Replace bool `cbor:"10,keyasint,omitempty"`
	// Revision of the queue's definition, as the poster knows it.
	Revision uint64 `cbor:"11,keyasint,omitempty"`

	inFlight    bool
	receives    uint32
	first, last Time
	// onward are the places on the other partition, of what stands in an outbox.
	onward []Place
}

// Dedup is a deduplication id that comes with a place: what is posted with the same
// ID until Expires is not taken, and answered with Answer.
type Dedup struct {
	ID      [16]byte `cbor:"1,keyasint"`
	Answer  [16]byte `cbor:"2,keyasint"`
	Expires Time     `cbor:"3,keyasint,omitempty"` // by the poster's clock; 0: there is none

	// Of what came from another partition, else 0: when it was posted, by the
	// poster's clock, and for how long beyond Expires it is remembered.
	posted, grace Time
}

// LateBy is how much longer than a first post one with the same deduplication id may
// wait in an outbox and still be known, in milliseconds.
const LateBy = 5 * 60 * 1000

// TakenIn is d of a post that came from another partition: only the poster's own
// times say which posts are the same. It is remembered for as much longer as it came
// late, and LateBy.
func (d Dedup) TakenIn(posted, now Time) Dedup {
	if d.Expires != 0 {
		d.posted, d.grace = posted, max(now-posted, 0)+LateBy
	}
	return d
}

func (d *Dedup) original(p *Place) queue.Original {
	o := queue.Original{ID: d.Answer, Key: p.Key, Sent: d.posted, Expires: d.Expires, Grace: d.grace}
	if d.posted == 0 {
		o.Sent = p.Sent
	}
	return o
}

const (
	placeFIFO = 1 << iota
	placeReceived
	placeInFlight
	placeDedup
	placeSource
	placeHidden
	placeGroup
	placeReference
	placeName
	placeOnward
	placeReplace
	placeRevision
	placeTakenIn
)

func (p *Place) flags() (f uint64) {
	set := func(on bool, flag uint64) {
		if on {
			f |= flag
		}
	}
	set(p.FIFO, placeFIFO)
	set(p.receives > 0, placeReceived)
	set(p.inFlight, placeInFlight)
	set(p.Dedup.Expires != 0, placeDedup)
	set(p.Dedup.posted != 0, placeTakenIn)
	set(p.Note.Source != "" || p.Note.Receives != 0, placeSource)
	set(p.VisibleAt != 0, placeHidden)
	set(p.Group != "", placeGroup)
	set(p.Note.Reference != "", placeReference)
	set(p.Name != Name{}, placeName)
	set(len(p.onward) > 0, placeOnward)
	set(p.Replace, placeReplace)
	set(p.Revision != 0, placeRevision)
	return f
}

func (p *Place) encode(b []byte) []byte {
	f := p.flags()
	b = binary.AppendUvarint(b, f)
	b = putRef(b, p.Queue)
	b = binary.AppendUvarint(b, p.Key)
	b = binary.AppendVarint(b, int64(p.Sent))
	if f&placeHidden != 0 {
		b = binary.AppendVarint(b, int64(p.VisibleAt-p.Sent))
	}
	if f&placeReceived != 0 {
		b = binary.AppendUvarint(b, uint64(p.receives))
		b = binary.AppendVarint(b, int64(p.first-p.Sent))
		b = binary.AppendVarint(b, int64(p.last-p.Sent))
	}
	if f&placeGroup != 0 {
		b = fields.AppendText(b, p.Group)
	}
	if f&placeSource != 0 {
		b = fields.AppendText(b, p.Note.Source)
		b = binary.AppendUvarint(b, uint64(p.Note.Receives))
	}
	if f&placeReference != 0 {
		b = fields.AppendText(b, p.Note.Reference)
	}
	if f&placeDedup != 0 {
		b = append(b, p.Dedup.ID[:]...)
		b = append(b, p.Dedup.Answer[:]...)
		b = binary.AppendVarint(b, int64(p.Dedup.Expires-p.Sent))
	}
	if f&placeTakenIn != 0 {
		b = binary.AppendVarint(b, int64(p.Dedup.posted-p.Sent))
		b = binary.AppendVarint(b, int64(p.Dedup.grace))
	}
	if f&placeName != 0 {
		b = append(b, p.Name[:]...)
	}
	if f&placeRevision != 0 {
		b = binary.AppendUvarint(b, p.Revision)
	}
	if f&placeOnward != 0 {
		b = binary.AppendUvarint(b, uint64(len(p.onward)))
		for i := range p.onward {
			b = p.onward[i].encode(b)
		}
	}
	return b
}

func (p *Place) decode(r *reader, depth int) {
	f := r.Uvarint()
	p.FIFO, p.inFlight, p.Replace = f&placeFIFO != 0, f&placeInFlight != 0, f&placeReplace != 0
	p.Queue = r.ref()
	p.Key = r.Uvarint()
	p.Sent = Time(r.Varint())
	if f&placeHidden != 0 {
		p.VisibleAt = p.Sent + Time(r.Varint())
	}
	if f&placeReceived != 0 {
		p.receives = uint32(r.Uvarint())
		p.first = p.Sent + Time(r.Varint())
		p.last = p.Sent + Time(r.Varint())
	}
	if f&placeGroup != 0 {
		p.Group = r.Text()
	}
	if f&placeSource != 0 {
		p.Note.Source = r.Text()
		p.Note.Receives = uint32(r.Uvarint())
	}
	if f&placeReference != 0 {
		p.Note.Reference = r.Text()
	}
	if f&placeDedup != 0 {
		p.Dedup.ID, p.Dedup.Answer = r.ID(), r.ID()
		p.Dedup.Expires = p.Sent + Time(r.Varint())
	}
	if f&placeTakenIn != 0 {
		p.Dedup.posted = p.Sent + Time(r.Varint())
		p.Dedup.grace = Time(r.Varint())
	}
	if f&placeName != 0 {
		p.Name = r.ID()
	}
	if f&placeRevision != 0 {
		p.Revision = r.Uvarint()
	}
	if f&placeOnward != 0 {
		if depth > 0 {
			r.Fail()
		}
		n := r.Length()
		for range n {
			var o Place
			if o.decode(r, depth+1); r.Err != nil {
				return
			}
			p.onward = append(p.onward, o)
		}
	}
}

// putPlaced states that payload stands in places, and returns the payload's
// offset in the record.
func (s *State) putPlaced(places []placing, payload []byte) (offset int) {
	b := s.begin(factPlaced)
	b = binary.AppendUvarint(b, uint64(len(places)))
	for i := range places {
		b = places[i].place.encode(b)
	}
	b = binary.AppendUvarint(b, uint64(len(payload)))
	offset = len(b)
	s.end(append(b, payload...))
	return offset
}

// readPlaced is the inverse; payload shares b's memory, offset is from the start of b.
func readPlaced(b []byte, places []Place) (_ []Place, payload []byte, offset int, err error) {
	r := newReader(b)
	for n := r.Length(); n > 0; n-- {
		places = append(places, Place{})
		if places[len(places)-1].decode(&r, 0); r.Err != nil {
			return nil, nil, 0, r.Err
		}
	}
	size := r.Length()
	offset = len(b) - len(r.Rest)
	payload = r.Bytes(size)
	return places, payload, offset, r.Err
}
