package owner

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/waystation/waystation/internal/partition/state"
)

// PostIn are payloads and where they are to stand. All of it is done at once or
// not at all: targets on this partition have it then, targets on others get it by
// way of this partition's outbox to theirs, each exactly once and in order.
type PostIn struct {
	Items []PostItem `cbor:"1,keyasint"` // at most MaxPostBytes of payloads
	// If all of these hold, at most MaxPostTargets; else ErrCondition.
	If []Condition `cbor:"2,keyasint,omitempty"`
}

// PostItem is one payload, stored once however many targets it has.
type PostItem struct {
	Payload []byte       `cbor:"1,keyasint"`
	Targets []PostTarget `cbor:"2,keyasint"` // at most MaxPostTargets in a Post
	// Once: the first target, which lies on the partition that is posted from,
	// decides about all. If the payload is a duplicate there, or its queue is gone,
	// it is placed nowhere; else its key there is written into the payload, at
	// PayloadSequence.
	Once bool `cbor:"3,keyasint,omitempty"`
}

// PostTarget is one queue that gets the payload, and on which terms.
type PostTarget struct {
	Target state.Target `cbor:"1,keyasint"`
	// FIFO and Revision say what the poster knows of the queue, for the case that
	// its partition does not know it yet.
	FIFO     bool   `cbor:"2,keyasint,omitempty"`
	Revision uint64 `cbor:"3,keyasint,omitempty"`
	// Group of messages, at most MaxGroup bytes.
	Group string `cbor:"4,keyasint,omitempty"`
	// Dedup names the message: until DedupUntil (Unix milliseconds; 0: for five
	// minutes) another one with the same id is answered with Answer and not taken.
	Dedup      *[16]byte  `cbor:"5,keyasint,omitempty"`
	DedupUntil state.Time `cbor:"6,keyasint,omitempty"`
	Answer     [16]byte   `cbor:"7,keyasint"`
	// VisibleAt is when it can first be received, in Unix milliseconds; 0: see
	// Delay, in seconds; -1 takes the queue's own.
	VisibleAt state.Time `cbor:"8,keyasint,omitempty"`
	Delay     int32      `cbor:"9,keyasint,omitempty"`
	// Reference comes back with the message, at most state.MaxReference bytes.
	Reference string `cbor:"10,keyasint,omitempty"`
	// Name under which it can be replaced and cancelled while it is there; zero:
	// none. Without Replace, a message of a name that is there is a duplicate. Of
	// several with one name in the same post the first stands.
	Name    state.Name `cbor:"11,keyasint"`
	Replace bool       `cbor:"12,keyasint,omitempty"`
}

// PostOut has one entry for each target of each item, in order.
type PostOut struct {
	Posted []Posted `cbor:"1,keyasint"`
}

// Posted is what became of one target.
type Posted struct {
	// Key of the message in its queue, rising; 0 on another partition.
	Key uint64 `cbor:"1,keyasint,omitempty"`
	// Answer of the message that is there: this one's, or that of the one whose
	// Duplicate it is.
	Answer    [16]byte `cbor:"2,keyasint"`
	Duplicate bool     `cbor:"3,keyasint,omitempty"`
	// Gone: the queue was deleted.
	Gone bool `cbor:"4,keyasint,omitempty"`
}

// dedupWindow is how long a deduplication id, or a receive attempt id, is
// remembered (Amazon SQS API Reference, SendMessage and ReceiveMessage).
const dedupWindow = 5 * 60 * 1000

// Post places payloads in queues, and removes what its conditions say. ErrFull and
// ErrMemory (not if there are no items), ErrBusy, ErrCondition: nothing was done.
func (o *Owner) Post(_ context.Context, in PostIn) (PostOut, error) {
	payloads, beside, targets, err := in.measure(o.cfg.Partition)
	if err != nil {
		return PostOut{}, err
	}
	if err := o.roomFor(in.Items); err != nil {
		return PostOut{}, err
	}
	size := payloads + beside
	if size > o.maxAtOnce() {
		return PostOut{}, ErrTooLarge
	}
	if err := o.admit(size); err != nil {
		return PostOut{}, err
	}
	defer o.leave(size)
	out := PostOut{Posted: make([]Posted, 0, targets)}
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return PostOut{}, ErrNotOwner
	}
	if err := o.openConditions(in.If); err != nil {
		o.mu.Unlock()
		return PostOut{}, err
	}
	o.tick()
	if err := o.defineTargets(in.Items); err != nil {
		o.mu.Unlock()
		return PostOut{}, err
	}
	refusal := o.meet(in.If)
	if refusal == nil {
		o.placings = slices.Grow(o.placings[:0], targets)
		for i := range in.Items {
			o.postItem(&in.Items[i], &out)
		}
	}
	commit, err := o.conclude()
	o.closeConditions(in.If)
	o.closeTargets(in.Items)
	clear(o.placings)
	o.mu.Unlock()
	if err == nil {
		err = refusal
	}
	return out, o.answer(commit, err)
}

// roomFor refuses what adds messages while there is no room for any. What only removes
// some, by conditions, makes room.
func (o *Owner) roomFor(items []PostItem) error {
	if len(items) == 0 {
		return nil
	}
	if err := o.cfg.Space.forPosts(); err != nil {
		return err
	}
	if o.cfg.Memory.Full() {
		return ErrMemory
	}
	return nil
}

// measure checks a post, and says how many bytes of payloads and about how many
// beside them, and how many targets it has.
func (in *PostIn) measure(partition uint32) (payloads, beside, targets int, err error) {
	for i := range in.Items {
		it := &in.Items[i]
		if it.Once && (len(it.Payload) < PayloadSequence+sequenceBytes || len(it.Targets) == 0 || it.Targets[0].Target.Partition != partition) {
			return 0, 0, 0, errOnce
		}
		payloads += len(it.Payload)
		targets += len(it.Targets)
		for k := range it.Targets {
			t := &it.Targets[k]
			beside += state.PlaceBytes + len(t.Group) + len(t.Reference)
			if len(t.Reference) > state.MaxReference || len(t.Group) > MaxGroup {
				return 0, 0, 0, ErrTooLarge
			}
			if t.Target.Queue.Kind != state.KindQueue && t.Target.Queue.Kind < state.FirstService {
				return 0, 0, 0, ErrQueueGone
			}
		}
	}
	beside += len(in.If) * conditionBytes
	if payloads > MaxPostBytes || targets > MaxPostTargets || len(in.If) > MaxPostTargets {
		return 0, 0, 0, ErrTooLarge
	}
	return payloads, beside, targets, nil
}

var errOnce = errors.New("owner: a post that is placed once needs a first target on its partition, and room for the key")

// maxAtOnce is how many bytes of payloads and places can be written at once: as one
// record, which is handed to another partition as one message.
func (o *Owner) maxAtOnce() int { return o.j.MaxRecord() - atOnceSlack }

// atOnceSlack is for what stands in a record, or a message between nodes, beside
// payloads and places: marks, the kinds and lengths of facts, and what a place has
// more when it is written again.
const atOnceSlack = 8 << 10

// defineTargets has the definitions of queues here written that the log does not
// know, each as a record of its own: a post may have a thousand targets, and a
// definition may be long. Call with mu held.
func (o *Owner) defineTargets(items []PostItem) error {
	var last state.Ref
	for i := range items {
		for k := range items[i].Targets {
			t := &items[i].Targets[k].Target
			if t.Partition != o.cfg.Partition || t.Queue == last {
				continue
			}
			last = t.Queue
			if err := o.define(last); err != nil {
				return err
			}
		}
	}
	return nil
}

// closeTargets forgets queues in which nothing was placed after all. Call with mu held.
func (o *Owner) closeTargets(items []PostItem) {
	for i := range items {
		for k := range items[i].Targets {
			t := &items[i].Targets[k].Target
			if t.Partition != o.cfg.Partition || t.Queue.Kind < state.FirstService {
				continue
			}
			if q := o.st.Find(t.Queue); q != nil {
				o.abandon(q)
			}
		}
	}
}

// define has the definition of a queue written, if there is one that the log does
// not know. Call with mu held.
func (o *Owner) define(r state.Ref) error {
	_, _, _ = o.find(r) // that it is not there is told of elsewhere
	_, err := o.write()
	return err
}

// postItem gives one payload of a post to the state. Its placings are in use until
// the record is written, and there is room for those of all items.
func (o *Owner) postItem(it *PostItem, out *PostOut) {
	now := o.st.Now()
	first, firstPlacing := len(out.Posted), len(o.placings)
	for i := range it.Targets {
		t := &it.Targets[i]
		local := t.Target.Partition == o.cfg.Partition
		delay := t.Delay
		var q *state.Queue
		if local {
			var def *definition
			var err error
			if q, def, err = o.find(t.Target.Queue); err != nil {
				out.Posted = append(out.Posted, Posted{Gone: true})
				if it.Once && i == 0 {
					out.Posted = append(out.Posted, make([]Posted, len(it.Targets)-1)...)
					return
				}
				continue
			}
			if delay < 0 && def != nil {
				delay = int32(def.DelaySeconds)
			}
		}
		o.placings = o.placings[:len(o.placings)+1] // it is zero there
		placing := &o.placings[len(o.placings)-1]
		placing.Partition, placing.Queue = t.Target.Partition, q
		p := &placing.Place
		p.Queue, p.FIFO, p.Revision, p.Sent = t.Target.Queue, t.FIFO, t.Revision, now
		p.Group, p.Note.Reference, p.Name, p.Replace = t.Group, t.Reference, t.Name, t.Replace
		switch at := o.here(t.VisibleAt); {
		case at > now:
			p.VisibleAt = at
		case t.VisibleAt == 0 && delay > 0:
			p.VisibleAt = now + seconds(delay)
		}
		if t.Dedup != nil {
			p.Dedup = state.Dedup{ID: *t.Dedup, Answer: t.Answer, Expires: t.DedupUntil}
			if t.DedupUntil == 0 {
				p.Dedup.Expires = now + dedupWindow
			}
		}
		out.Posted = append(out.Posted, Posted{Answer: t.Answer})
	}
	n := first
	o.st.Post(state.Item{Payload: it.Payload, Targets: o.placings[firstPlacing:], Once: it.Once}, func(p state.Placed) {
		for out.Posted[n].Gone {
			n++
		}
		if it.Once && n == first && !p.Duplicate {
			binary.BigEndian.PutUint64(it.Payload[PayloadSequence:], p.Key)
		}
		r := &out.Posted[n]
		if n++; p.Duplicate {
			r.Duplicate, r.Answer = true, p.Answer
		}
		r.Key = p.Key
	})
}

// CancelIn names a message that waits.
type CancelIn struct {
	Queue state.Ref  `cbor:"1,keyasint"`
	Name  state.Name `cbor:"2,keyasint"`
}

// CancelOut says whether it was there.
type CancelOut struct {
	Found bool `cbor:"1,keyasint"`
}

// Cancel removes the message of a name, whatever its state.
func (o *Owner) Cancel(_ context.Context, in CancelIn) (out CancelOut, err error) {
	err = o.change(0, in.Queue, func(q *state.Queue, _ *definition) error {
		out.Found = o.st.Cancel(q, in.Name)
		return nil
	})
	return out, err
}
