package owner

import (
	"context"
	"slices"

	"github.com/waystation/waystation/internal/partition/state"
)

// PostIn are payloads and where they are to stand. All of it is done at once or
// not at all: targets on this partition have it then, targets on others get it by
// way of this partition's outbox to theirs, each exactly once and in order.
type PostIn struct {
	Items []PostItem `cbor:"1,keyasint"` // at most MaxPostBytes of payloads
}

// PostItem is one payload, stored once however many targets it has.
type PostItem struct {
	Payload []byte       `cbor:"1,keyasint"`
	Targets []PostTarget `cbor:"2,keyasint"` // at most MaxPostTargets in a Post
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

// Post places payloads in queues. ErrFull, ErrMemory, ErrBusy: nothing was done.
func (o *Owner) Post(_ context.Context, in PostIn) (PostOut, error) {
	payloads, beside, targets, err := in.measure()
	if err != nil {
		return PostOut{}, err
	}
	if err := o.cfg.Space.forPosts(); err != nil {
		return PostOut{}, err
	}
	if o.cfg.Memory.Full() {
		return PostOut{}, ErrMemory
	}
	size := payloads + beside
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
	o.tick()
	for i := range in.Items {
		o.postItem(&in.Items[i], &out)
	}
	commit, err := o.conclude()
	o.mu.Unlock()
	return out, o.answer(commit, err)
}

// measure checks a post, and says how many bytes of payloads and about how many
// beside them, and how many targets it has.
func (in *PostIn) measure() (payloads, beside, targets int, err error) {
	for i := range in.Items {
		it := &in.Items[i]
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
	if payloads > MaxPostBytes || targets > MaxPostTargets {
		return 0, 0, 0, ErrTooLarge
	}
	return payloads, beside, targets, nil
}

func (o *Owner) postItem(it *PostItem, out *PostOut) {
	now := o.st.Now()
	first := len(out.Posted)
	o.placings = slices.Grow(o.placings[:0], len(it.Targets))
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
				continue
			}
			if delay < 0 && def != nil {
				delay = int32(def.DelaySeconds)
			}
		}
		o.placings = append(o.placings, state.Placing{Partition: t.Target.Partition, Queue: q})
		p := &o.placings[len(o.placings)-1].Place
		*p = state.Place{
			Queue: t.Target.Queue, FIFO: t.FIFO, Sent: now, Group: t.Group,
			Note: state.Note{Reference: t.Reference}, Name: t.Name, Replace: t.Replace, Revision: t.Revision,
		}
		switch {
		case t.VisibleAt > now:
			p.VisibleAt = t.VisibleAt
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
	o.st.Post(state.Item{Payload: it.Payload, Targets: o.placings}, func(p state.Placed) {
		for out.Posted[n].Gone {
			n++
		}
		r := &out.Posted[n]
		if n++; p.Duplicate {
			r.Duplicate, r.Answer = true, p.Answer
		}
		r.Key = p.Key
	})
	clear(o.placings)
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
