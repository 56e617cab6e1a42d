package state

import (
	"encoding/binary"

	"github.com/waystation/waystation/internal/fields"
	"github.com/waystation/waystation/internal/queue"
)

// receivedFact is what one receive did.
type receivedFact struct {
	q           Ref
	now, hidden Time
	attempt     *queue.DedupID // of a FIFO queue; expires is its end
	expires     Time
	messages    []queue.Message // Key, Receives, FirstReceived
}

func (s *State) putReceived(f *receivedFact) {
	b := putRef(s.begin(factReceived), f.q)
	b = binary.AppendVarint(b, int64(f.now))
	b = binary.AppendVarint(b, int64(f.hidden-f.now))
	if f.attempt != nil {
		b = append(b, 1)
		b = append(b, f.attempt[:]...)
		b = binary.AppendVarint(b, int64(f.expires-f.now))
	} else {
		b = append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(f.messages)))
	for i := range f.messages {
		m := &f.messages[i]
		b = binary.AppendUvarint(b, m.Key)
		b = binary.AppendUvarint(b, uint64(m.Receives))
		b = binary.AppendVarint(b, int64(m.FirstReceived-f.now))
	}
	s.end(b)
}

func readReceived(b []byte) (f receivedFact, err error) {
	r := newReader(b)
	f.q = r.ref()
	f.now = Time(r.Varint())
	f.hidden = f.now + Time(r.Varint())
	if r.Byte() == 1 {
		id := queue.DedupID(r.ID())
		f.attempt, f.expires = &id, f.now+Time(r.Varint())
	}
	n := r.Length()
	f.messages = make([]queue.Message, 0, min(n, queue.MaxBatch))
	for range n {
		f.messages = append(f.messages, queue.Message{
			Key: r.Uvarint(), Receives: uint32(r.Uvarint()), FirstReceived: f.now + Time(r.Varint()),
		})
		if r.Err != nil {
			break
		}
	}
	return f, r.Err
}

// putHidden states that a message is hidden until then, as of now: in flight, or
// postponed.
func (s *State) putHidden(q Ref, key uint64, now, until Time, postponed bool) {
	b := putRef(s.begin(factHidden), q)
	b = binary.AppendUvarint(b, key)
	b = binary.AppendVarint(b, int64(until))
	b = binary.AppendVarint(b, int64(until-now))
	if postponed {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	s.end(b)
}

// putRemoved states that messages are gone.
func (s *State) putRemoved(q Ref, messages []queue.Message) {
	b := putRef(s.begin(factRemoved), q)
	b = binary.AppendUvarint(b, uint64(len(messages)))
	for i := range messages {
		b = binary.AppendUvarint(b, messages[i].Key)
	}
	s.end(b)
}

// step is one message's way from one queue to another of this partition.
type step struct {
	from, to uint64 // keys
	sent     Time
	receives uint32 // in all, before the move
}

// movedFact says that messages left a queue and stand in another, visible,
// never received there. When that one is an outbox, onward is where they go.
type movedFact struct {
	from, to Ref
	fifo     bool // of the queue that they are for
	source   string
	onward   Ref
	revision uint64 // of onward's definition
	steps    []step
}

func (s *State) putMoved(f *movedFact) {
	b := putRef(s.begin(factMoved), f.from)
	b = putRef(b, f.to)
	var flags byte
	if f.fifo {
		flags |= placeFIFO
	}
	b = append(b, flags)
	b = fields.AppendText(b, f.source)
	if f.to.Kind == KindOutbox {
		b = putRef(b, f.onward)
		b = binary.AppendUvarint(b, f.revision)
	}
	b = binary.AppendUvarint(b, uint64(len(f.steps)))
	for _, m := range f.steps {
		b = binary.AppendUvarint(b, m.from)
		b = binary.AppendUvarint(b, m.to)
		b = binary.AppendVarint(b, int64(m.sent))
		b = binary.AppendUvarint(b, uint64(m.receives))
	}
	s.end(b)
}

func readMoved(b []byte) (f movedFact, err error) {
	r := newReader(b)
	f.from = r.ref()
	f.to = r.ref()
	f.fifo = r.Byte()&placeFIFO != 0
	f.source = r.Text()
	if f.to.Kind == KindOutbox {
		f.onward, f.revision = r.ref(), r.Uvarint()
	}
	n := r.Length()
	f.steps = make([]step, 0, min(n, 1000))
	for range n {
		f.steps = append(f.steps, step{from: r.Uvarint(), to: r.Uvarint(), sent: Time(r.Varint()), receives: uint32(r.Uvarint())})
		if r.Err != nil {
			break
		}
	}
	return f, r.Err
}

// rememberedSent is a flag of factRemembered: it says when the message was sent, too.
const rememberedSent = placeFIFO << 1

// putRemembered states that a deduplication id was seen; it stands alone only
// where the message it came with is gone and the entry is written again.
func (s *State) putRemembered(q Ref, fifo bool, id queue.DedupID, o queue.Original) {
	b := putRef(s.begin(factRemembered), q)
	flags := byte(rememberedSent)
	if fifo {
		flags |= placeFIFO
	}
	b = append(b, flags)
	b = append(b, id[:]...)
	b = append(b, o.ID[:]...)
	b = binary.AppendUvarint(b, o.Key)
	b = binary.AppendVarint(b, int64(o.Expires))
	b = binary.AppendVarint(b, int64(o.Sent))
	s.end(binary.AppendVarint(b, int64(o.Grace)))
}

type rememberedFact struct {
	q    Ref
	fifo bool
	id   queue.DedupID
	orig queue.Original
}

func readRemembered(b []byte) (f rememberedFact, err error) {
	r := newReader(b)
	f.q = r.ref()
	flags := r.Byte()
	f.fifo = flags&placeFIFO != 0
	f.id, f.orig.ID = r.ID(), r.ID()
	f.orig.Key, f.orig.Expires = r.Uvarint(), Time(r.Varint())
	if flags&rememberedSent != 0 {
		f.orig.Sent, f.orig.Grace = Time(r.Varint()), Time(r.Varint())
	}
	return f, r.Err
}

// queueFact is all that is known of a queue beside its messages.
type queueFact struct {
	q       Ref
	fifo    bool
	nextKey uint64
	purged  Time
	// revision and definition of the registry, as they were when this was
	// written; the definition is opaque here.
	revision   uint64
	definition []byte
	tasks      []*Task
}

func (s *State) putQueue(q *queueFact) {
	b := putRef(s.begin(factQueue), q.q)
	var flags byte
	if q.fifo {
		flags |= placeFIFO
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, q.nextKey)
	b = binary.AppendVarint(b, int64(q.purged))
	b = binary.AppendUvarint(b, q.revision)
	b = binary.AppendUvarint(b, uint64(len(q.definition)))
	b = append(b, q.definition...)
	b = binary.AppendUvarint(b, uint64(len(q.tasks)))
	for _, t := range q.tasks {
		b = t.encode(b)
	}
	s.end(b)
}

func readQueue(b []byte) (f queueFact, err error) {
	r := newReader(b)
	f.q = r.ref()
	f.fifo = r.Byte()&placeFIFO != 0
	f.nextKey = r.Uvarint()
	f.purged = Time(r.Varint())
	f.revision = r.Uvarint()
	f.definition = r.Bytes(r.Length())
	for n := r.Length(); n > 0 && r.Err == nil; n-- {
		t := new(Task)
		t.decode(&r)
		f.tasks = append(f.tasks, t)
	}
	return f, r.Err
}

func (s *State) putPurged(q Ref, at Time) {
	b := putRef(s.begin(factPurged), q)
	s.end(binary.AppendVarint(b, int64(at)))
}

func (s *State) putDropped(q Ref) { s.end(putRef(s.begin(factDropped), q)) }

// putMark states that partition from's outbox has been taken in up to key.
func (s *State) putMark(from uint32, key uint64) {
	b := binary.AppendUvarint(s.begin(factMark), uint64(from))
	s.end(binary.AppendUvarint(b, key))
}

func readMark(b []byte) (from uint32, key uint64, err error) {
	r := newReader(b)
	from, key = uint32(r.Uvarint()), r.Uvarint()
	return from, key, r.Err
}

func (s *State) putTask(q Ref, t *Task) { s.end(t.encode(putRef(s.begin(factTask), q))) }

// putAttempt states that the messages of these keys were received together.
func (s *State) putAttempt(q Ref, id queue.DedupID, expires Time, keys []uint64) {
	b := putRef(s.begin(factAttempt), q)
	b = append(b, id[:]...)
	b = binary.AppendVarint(b, int64(expires))
	b = binary.AppendUvarint(b, uint64(len(keys)))
	for _, k := range keys {
		b = binary.AppendUvarint(b, k)
	}
	s.end(b)
}
