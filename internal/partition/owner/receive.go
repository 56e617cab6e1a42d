package owner

import (
	"context"
	"errors"
	"time"

	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/queue"
)

// ReceiveIn asks for messages of one queue.
type ReceiveIn struct {
	Queue state.Ref `cbor:"1,keyasint"`
	// Max messages, 1 to 10, and about MaxBytes of payloads, unless the first
	// alone is larger; 0: the owner's own bound.
	Max      int `cbor:"2,keyasint"`
	MaxBytes int `cbor:"3,keyasint,omitempty"`
	// Visibility timeout in seconds; -1 takes the queue's own.
	Visibility int32 `cbor:"4,keyasint"`
	// Wait for a first message.
	Wait time.Duration `cbor:"5,keyasint,omitempty"`
	// Attempt makes a receive from a FIFO queue repeatable.
	Attempt *queue.DedupID `cbor:"6,keyasint,omitempty"`
}

// ReceiveOut are the messages taken.
type ReceiveOut struct {
	Messages []Delivered `cbor:"1,keyasint,omitempty"`
}

// Delivered is a message handed to a consumer.
type Delivered struct {
	Receipt       state.Receipt `cbor:"1,keyasint"`
	Note          state.Note    `cbor:"2,keyasint"`
	Payload       []byte        `cbor:"3,keyasint"`
	Group         string        `cbor:"4,keyasint,omitempty"`
	Sent          state.Time    `cbor:"5,keyasint"`
	FirstReceived state.Time    `cbor:"6,keyasint"`
}

// DeliveredBytes is what a Delivered takes on the way to another node beside its
// payload, at most.
const DeliveredBytes = 2 << 10

// terms of one taking of messages.
type terms struct {
	max        int
	maxBytes   int64
	visibility state.Time // milliseconds
	attempt    *queue.DedupID
}

// delivery is what one taking gave.
type delivery struct {
	q        *state.Queue
	messages []queue.Message
	notes    []state.Note // nil: none has one
	commit   *journal.Commit
	dead     bool // messages were dead-lettered on the way
	paced    bool // by a pace that was set
	err      error

	attempt *queue.DedupID // that received them and can be repeated; nil: none
	use     *attemptUse    // of the attempt; nil: none, or not known
}

// take receives from the state. Call with mu held, after open; the commit is the
// one that holds what was taken.
func (o *Owner) take(q *state.Queue, t terms) delivery {
	now := o.st.Now()
	args := queue.ReceiveArgs{Max: t.max, MaxBytes: t.maxBytes, HideUntil: now + t.visibility}
	if t.attempt != nil {
		args.Attempt, args.AttemptExpires = t.attempt, now+dedupWindow
	}
	got, dead, err := o.st.Receive(q, args)
	if errors.Is(err, queue.ErrOverLimit) {
		return delivery{err: ErrOverLimit}
	}
	d := delivery{q: q, messages: got, dead: dead, err: err}
	if d.commit, err = o.write(); err != nil {
		return delivery{err: err}
	}
	if t.attempt != nil && len(got) > 0 {
		if repeated, ok := q.Repeated(*t.attempt); ok {
			d.attempt, d.use = t.attempt, o.joinAttempt(q, *t.attempt, repeated)
		}
	}
	for i := range got {
		if got[i].Source == 0 {
			continue
		}
		if d.notes == nil {
			d.notes = make([]state.Note, len(got))
		}
		d.notes[i] = o.st.Note(&got[i])
	}
	return d
}

// Receive takes messages of a queue, waiting for a first one if asked to. When
// ctx ends, what was taken becomes visible again.
func (o *Owner) Receive(ctx context.Context, in ReceiveIn) (ReceiveOut, error) {
	if err := o.cfg.Space.forReceives(); err != nil {
		return ReceiveOut{}, err
	}
	if err := o.admit(0); err != nil {
		return ReceiveOut{}, err
	}
	admitted := true
	leave := func() {
		if admitted {
			admitted = false
			o.leave(0)
		}
	}
	defer leave()
	o.mu.Lock()
	d, w, commit, err := o.receive(in)
	start := o.cfg.Elapsed() // a proof begun from here on is one of what was there while it waited
	o.mu.Unlock()
	if w != nil {
		leave() // a long poll does not count among the requests that wait for the log
		d = o.await(ctx, w, in.Wait, func() { o.unpoll(d.q, w) })
		err = d.err
	}
	if err != nil || len(d.messages) == 0 {
		switch {
		case w == nil || errors.Is(err, ErrNotOwner) || errors.Is(err, ErrQueueGone):
			return ReceiveOut{}, o.answer(commit, err)
		case ctx.Err() != nil:
			return ReceiveOut{}, ctx.Err()
		case err == nil && o.provenAt.Load() >= int64(start):
			return ReceiveOut{}, nil
		}
		return ReceiveOut{}, o.answer(o.j.Barrier(), err)
	}
	out, err := o.deliver(ctx, d)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		o.giveBack(d)
		return ReceiveOut{}, err
	}
	o.delivered(d)
	return ReceiveOut{Messages: out}, nil
}

// receive takes what is there, or registers a poll. Call with mu held.
func (o *Owner) receive(in ReceiveIn) (d delivery, w *waiter, commit *journal.Commit, err error) {
	q, def, err := o.open(in.Queue)
	if err != nil {
		return d, nil, nil, err
	}
	t := o.receiveTerms(in, def)
	d.q = q
	// Those who wait come first; with one waiting nothing is there to take, but for
	// what an attempt that is repeated holds already.
	if o.waiters[q].len() == 0 || t.attempt != nil {
		d = o.take(q, t)
		for d.err == nil && len(d.messages) == 0 && d.dead {
			// Others may get the lock: there may be many to dead-letter.
			o.letIn()
			if q, _, err = o.open(in.Queue); err != nil {
				return d, nil, nil, err
			}
			d = o.take(q, t)
		}
		d.q = q
	}
	if in.Wait > 0 && errors.Is(d.err, ErrOverLimit) {
		d.err = nil // only short polls are told; long ones wait for room
	}
	if d.err == nil && len(d.messages) == 0 && in.Wait > 0 {
		if o.waiting.Load() >= o.cfg.Limits.MaxWaiting {
			d.err = ErrBusy
		} else {
			w = o.poll(q, t)
		}
	}
	refusal := d.err
	commit, err = o.conclude()
	switch {
	case len(d.messages) > 0:
		return d, nil, commit, nil // taken in the log, whatever came behind it
	case err != nil:
		return d, nil, nil, err
	}
	o.abandon(q)
	return d, w, commit, refusal
}

func (o *Owner) receiveTerms(in ReceiveIn, def *definition) terms {
	t := terms{max: in.Max, maxBytes: int64(o.cfg.Limits.MaxAnswer), visibility: seconds(in.Visibility), attempt: in.Attempt}
	if in.MaxBytes > 0 {
		t.maxBytes = min(t.maxBytes, int64(in.MaxBytes))
	}
	if in.Visibility < 0 {
		if def != nil {
			t.visibility = seconds(int32(def.VisibilitySeconds))
		} else {
			k := o.cfg.Kinds[in.Queue.Kind]
			t.visibility = state.Time(k.visibility() / time.Millisecond)
		}
	}
	return t
}

// deliver reads the payloads and waits until the taking is durable.
func (o *Owner) deliver(ctx context.Context, d delivery) ([]Delivered, error) {
	out := make([]Delivered, 0, len(d.messages))
	for i := range d.messages {
		m := &d.messages[i]
		b, err := o.payload(ctx, d.q, m)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			if ctx.Err() == nil {
				o.log.Error("a payload can't be read", "append", m.Append, "offset", m.Offset, "error", err)
			}
			return nil, ErrUnavailable
		}
		r := Delivered{
			Receipt: state.Receipt{Key: m.Key, Receive: m.Receives}, Payload: b, Group: m.Group,
			Sent: m.Sent, FirstReceived: m.FirstReceived,
		}
		if d.notes != nil {
			r.Note = d.notes[i]
		}
		out = append(out, r)
	}
	return out, durable(d.commit)
}

var errGone = errors.New("the message is gone")

// payload reads what m carries. m may be written again elsewhere, and its old
// place trimmed, between the moment it was taken and the reading; then it is
// looked up anew. errGone if it was deleted or expired meanwhile.
func (o *Owner) payload(ctx context.Context, q *state.Queue, m *queue.Message) ([]byte, error) {
	for try := 0; ; try++ {
		at := journal.Pos{Append: m.Append, Offset: m.Offset}
		b, ok := o.j.TryRead(at, int(m.Len))
		if ok {
			return b, nil
		}
		b, err := o.j.Read(ctx, at, int(m.Len))
		if err == nil || try == 3 || !errors.Is(err, journal.ErrTrimmed) {
			return b, err
		}
		o.mu.Lock()
		now, ok := q.Get(m.Key)
		o.mu.Unlock()
		if !ok {
			return nil, errGone
		}
		m.Append, m.Offset = now.Append, now.Offset
	}
}
