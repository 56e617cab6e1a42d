package partition

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/waystation/waystation/internal/queue"
)

// A journal record is a list of facts that become true together. A fact is a
// type byte, a uvarint length and that many bytes; bytes beyond those that a
// release knows are left alone, so a fact can grow. A fact of an unknown type
// is refused: what it says cannot be passed over.
const (
	factMessage    = 1 // a payload stands in queues (sent, moved here, or written again)
	factReceived   = 2 // messages were received
	factVisibility = 3 // messages are hidden until another time
	factRemoved    = 4 // messages are gone (deleted, expired)
	factMoved      = 5 // messages went from one queue to another of this partition
	factRemembered = 6 // a deduplication id was seen
	factQueue      = 7 // all that is known of a queue beside its messages
	factPurged     = 8 // all messages below a key are gone
	factDropped    = 9 // the queue and all in it are gone
	factHighWater  = 10
	factTask       = 11
)

var errFact = errors.New("malformed fact")

// ref names a queue inside a partition: a queue of the registry by its id, or
// the outbox in which messages for the queue of that id wait, which lives on
// another partition.
type ref struct {
	id     uint64
	outbox bool
}

func (r ref) String() string {
	if r.outbox {
		return fmt.Sprintf("outbox to %x", r.id)
	}
	return fmt.Sprintf("queue %x", r.id)
}

func putRef(b []byte, r ref) []byte {
	var k byte
	if r.outbox {
		k = 1
	}
	b = append(b, k)
	return binary.LittleEndian.AppendUint64(b, r.id)
}

func (r *reader) ref() ref {
	k := r.byte()
	return ref{id: r.uint64(), outbox: k&1 != 0}
}

// place is one queue in which a payload stands, with all that is known of the
// message there.
type place struct {
	ref    ref
	fifo   bool
	key    uint64
	sent   queue.Time
	origin origin
	// visibleAt: when a delay or the present receive ends, 0 for neither.
	visibleAt    queue.Time
	inFlight     bool
	receives     uint32
	first, last  queue.Time
	dedup        bool
	dedupID      queue.DedupID
	dedupExpires queue.Time
}

const (
	placeFIFO = 1 << iota
	placeState
	placeInFlight
	placeDedup
	placeSource
	placeHidden
)

// factBuffer builds one record. The zero value is ready; reset reuses it.
type factBuffer struct {
	b     []byte
	start int
}

func (f *factBuffer) reset()      { f.b = f.b[:0] }
func (f *factBuffer) empty() bool { return len(f.b) == 0 }

// begin opens a fact; the length is patched in by end. Lengths are written as
// a fixed three-byte varint where they fit (up to 2 MiB).
func (f *factBuffer) begin(kind byte) {
	f.b = append(f.b, kind, 0, 0, 0, 0)
	f.start = len(f.b)
}

func (f *factBuffer) end() {
	n := uint32(len(f.b) - f.start)
	// A four-byte uvarint holds 28 bits: 256 MiB, above any append.
	p := f.b[f.start-4 : f.start]
	p[0] = byte(n) | 0x80
	p[1] = byte(n>>7) | 0x80
	p[2] = byte(n>>14) | 0x80
	p[3] = byte(n >> 21)
}

// message states that payload stands in places; it returns the payload's
// offset in the record.
func (f *factBuffer) message(places []place, payload []byte) (offset int) {
	f.begin(factMessage)
	b := binary.AppendUvarint(f.b, uint64(len(places)))
	for i := range places {
		p := &places[i]
		var flags byte
		if p.fifo {
			flags |= placeFIFO
		}
		if p.receives > 0 {
			flags |= placeState
		}
		if p.inFlight {
			flags |= placeInFlight
		}
		if p.dedup {
			flags |= placeDedup
		}
		if p.origin != (origin{}) {
			flags |= placeSource
		}
		if p.visibleAt != 0 {
			flags |= placeHidden
		}
		b = append(b, flags)
		b = putRef(b, p.ref)
		b = binary.AppendUvarint(b, p.key)
		b = binary.AppendVarint(b, int64(p.sent))
		if p.visibleAt != 0 {
			b = binary.AppendVarint(b, int64(p.visibleAt-p.sent))
		}
		if p.receives > 0 {
			b = binary.AppendUvarint(b, uint64(p.receives))
			b = binary.AppendVarint(b, int64(p.first-p.sent))
			b = binary.AppendVarint(b, int64(p.last-p.sent))
		}
		if p.origin != (origin{}) {
			b = putString(b, p.origin.arn)
			b = binary.AppendUvarint(b, uint64(p.origin.receives))
		}
		if p.dedup {
			b = append(b, p.dedupID[:]...)
			b = binary.AppendVarint(b, int64(p.dedupExpires-p.sent))
		}
	}
	b = binary.AppendUvarint(b, uint64(len(payload)))
	offset = len(b)
	f.b = append(b, payload...)
	f.end()
	return offset
}

// readMessage is the inverse; payload shares b's memory, and offset is its
// offset from the start of the fact's body.
func readMessage(b []byte, places []place) (_ []place, payload []byte, offset int, err error) {
	r := reader{b: b}
	n := r.length()
	for range n {
		var p place
		flags := r.byte()
		p.fifo = flags&placeFIFO != 0
		p.inFlight = flags&placeInFlight != 0
		p.ref = r.ref()
		p.key = r.uvarint()
		p.sent = queue.Time(r.varint())
		if flags&placeHidden != 0 {
			p.visibleAt = p.sent + queue.Time(r.varint())
		}
		if flags&placeState != 0 {
			p.receives = uint32(r.uvarint())
			p.first = p.sent + queue.Time(r.varint())
			p.last = p.sent + queue.Time(r.varint())
		}
		if flags&placeSource != 0 {
			p.origin.arn = r.string()
			p.origin.receives = uint32(r.uvarint())
		}
		if flags&placeDedup != 0 {
			p.dedup = true
			copy(p.dedupID[:], r.bytes(16))
			p.dedupExpires = p.sent + queue.Time(r.varint())
		}
		if r.err != nil {
			return nil, nil, 0, errFact
		}
		places = append(places, p)
	}
	size := r.length()
	offset = len(b) - len(r.b)
	payload = r.bytes(int(size))
	if r.err != nil {
		return nil, nil, 0, errFact
	}
	return places, payload, offset, nil
}

// received states what a receive did. attempt may be nil.
func (f *factBuffer) received(q ref, now, hidden queue.Time, attempt *queue.DedupID, attemptExpires queue.Time, msgs []queue.Message) {
	f.begin(factReceived)
	b := putRef(f.b, q)
	b = binary.AppendVarint(b, int64(now))
	b = binary.AppendVarint(b, int64(hidden-now))
	if attempt != nil {
		b = append(b, 1)
		b = append(b, attempt[:]...)
		b = binary.AppendVarint(b, int64(attemptExpires-now))
	} else {
		b = append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(msgs)))
	for i := range msgs {
		b = binary.AppendUvarint(b, msgs[i].Key)
		b = binary.AppendUvarint(b, uint64(msgs[i].Receives))
		b = binary.AppendVarint(b, int64(msgs[i].FirstReceived-now))
	}
	f.b = b
	f.end()
}

type receivedFact struct {
	q              ref
	now, hidden    queue.Time
	attempt        bool
	attemptID      queue.DedupID
	attemptExpires queue.Time
	msgs           []queue.Message // Key, Receives, FirstReceived
}

func readReceived(b []byte) (f receivedFact, err error) {
	r := reader{b: b}
	f.q = r.ref()
	f.now = queue.Time(r.varint())
	f.hidden = f.now + queue.Time(r.varint())
	if r.byte() == 1 {
		f.attempt = true
		copy(f.attemptID[:], r.bytes(16))
		f.attemptExpires = f.now + queue.Time(r.varint())
	}
	n := r.length()
	f.msgs = make([]queue.Message, 0, n)
	for range n {
		f.msgs = append(f.msgs, queue.Message{
			Key:           r.uvarint(),
			Receives:      uint32(r.uvarint()),
			FirstReceived: f.now + queue.Time(r.varint()),
		})
	}
	return f, r.done()
}

func (r *reader) done() error {
	if r.err != nil {
		return errFact
	}
	return nil
}

// visibility states that a message is hidden until then.
func (f *factBuffer) visibility(q ref, key uint64, until queue.Time) {
	f.begin(factVisibility)
	b := putRef(f.b, q)
	b = binary.AppendUvarint(b, key)
	f.b = binary.AppendVarint(b, int64(until))
	f.end()
}

// keys states a fact that is a queue and a list of keys.
func (f *factBuffer) removed(q ref, msgs []queue.Message) {
	f.begin(factRemoved)
	b := putRef(f.b, q)
	b = binary.AppendUvarint(b, uint64(len(msgs)))
	for i := range msgs {
		b = binary.AppendUvarint(b, msgs[i].Key)
	}
	f.b = b
	f.end()
}

// move is one message's way from one queue to another.
type move struct {
	from, to uint64 // keys
	sent     queue.Time
	receives uint32 // in all, before the move
}

// moved states that messages left queue from and stand in queue to, visible,
// never received there, coming from the source named.
func (f *factBuffer) moved(from, to ref, fifo bool, source string, moves []move) {
	f.begin(factMoved)
	b := putRef(f.b, from)
	b = putRef(b, to)
	var flags byte
	if fifo {
		flags |= placeFIFO
	}
	b = append(b, flags)
	b = putString(b, source)
	b = binary.AppendUvarint(b, uint64(len(moves)))
	for _, m := range moves {
		b = binary.AppendUvarint(b, m.from)
		b = binary.AppendUvarint(b, m.to)
		b = binary.AppendVarint(b, int64(m.sent))
		b = binary.AppendUvarint(b, uint64(m.receives))
	}
	f.b = b
	f.end()
}

type movedFact struct {
	from, to ref
	fifo     bool
	source   string
	moves    []move
}

func readMoved(b []byte) (f movedFact, err error) {
	r := reader{b: b}
	f.from = r.ref()
	f.to = r.ref()
	f.fifo = r.byte()&placeFIFO != 0
	f.source = r.string()
	n := r.length()
	f.moves = make([]move, 0, n)
	for range n {
		f.moves = append(f.moves, move{from: r.uvarint(), to: r.uvarint(), sent: queue.Time(r.varint()), receives: uint32(r.uvarint())})
	}
	return f, r.done()
}

// remembered states that a deduplication id was seen; it stands alone only
// where the message it came with is gone and the entry is written again.
func (f *factBuffer) remembered(q ref, fifo bool, id queue.DedupID, o queue.Original) {
	f.begin(factRemembered)
	b := putRef(f.b, q)
	var flags byte
	if fifo {
		flags |= placeFIFO
	}
	b = append(b, flags)
	b = append(b, id[:]...)
	b = append(b, o.ID[:]...)
	b = binary.AppendUvarint(b, o.Key)
	f.b = binary.AppendVarint(b, int64(o.Expires))
	f.end()
}

// queueFact is all that is known of a queue beside its messages.
type queueFact struct {
	q         ref
	fifo      bool
	nextKey   uint64
	purged    queue.Time
	highWater map[uint32]uint64
	tasks     []*moveTask
}

func (f *factBuffer) queue(q *queueFact) {
	f.begin(factQueue)
	b := putRef(f.b, q.q)
	var flags byte
	if q.fifo {
		flags |= placeFIFO
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, q.nextKey)
	b = binary.AppendVarint(b, int64(q.purged))
	b = binary.AppendUvarint(b, uint64(len(q.highWater)))
	for p, k := range q.highWater {
		b = binary.AppendUvarint(b, uint64(p))
		b = binary.AppendUvarint(b, k)
	}
	b = binary.AppendUvarint(b, uint64(len(q.tasks)))
	for _, t := range q.tasks {
		b = t.encode(b)
	}
	f.b = b
	f.end()
}

func readQueue(b []byte) (f queueFact, err error) {
	r := reader{b: b}
	f.q = r.ref()
	f.fifo = r.byte()&placeFIFO != 0
	f.nextKey = r.uvarint()
	f.purged = queue.Time(r.varint())
	n := r.length()
	if n > 0 {
		f.highWater = make(map[uint32]uint64, n)
	}
	for range n {
		p := uint32(r.uvarint())
		f.highWater[p] = r.uvarint()
	}
	n = r.length()
	for range n {
		t := new(moveTask)
		t.decode(&r)
		f.tasks = append(f.tasks, t)
	}
	return f, r.done()
}

func (f *factBuffer) purged(q ref, before uint64, at queue.Time) {
	f.begin(factPurged)
	b := putRef(f.b, q)
	b = binary.AppendUvarint(b, before)
	f.b = binary.AppendVarint(b, int64(at))
	f.end()
}

func (f *factBuffer) dropped(q ref) {
	f.begin(factDropped)
	f.b = putRef(f.b, q)
	f.end()
}

// highWater states that all of partition from's outbox to queue q up to key
// has been taken in.
func (f *factBuffer) highWater(q ref, from uint32, key uint64) {
	f.begin(factHighWater)
	b := putRef(f.b, q)
	b = binary.AppendUvarint(b, uint64(from))
	f.b = binary.AppendUvarint(b, key)
	f.end()
}

func (f *factBuffer) task(q ref, t *moveTask) {
	f.begin(factTask)
	b := putRef(f.b, q)
	f.b = t.encode(b)
	f.end()
}

// eachFact calls fn for every fact of a record with its body and the body's
// offset in the record.
func eachFact(rec []byte, fn func(kind byte, body []byte, offset int) error) error {
	at := 0
	for at < len(rec) {
		kind := rec[at]
		n, w := binary.Uvarint(rec[at+1:])
		if w <= 0 || n > uint64(len(rec)-at-1-w) {
			return errFact
		}
		at += 1 + w
		if err := fn(kind, rec[at:at+int(n)], at); err != nil {
			return err
		}
		at += int(n)
	}
	return nil
}
