package owner

import (
	"context"
	"time"

	"github.com/waystation/waystation/internal/partition/state"
)

// Messages for queues on another partition wait in the outbox to it, a queue of
// the partition that they come from, in the order in which they came. They are
// handed over in that order; the other side notes in the same record how far it
// accepted them (its mark for this partition), so that a hand-over that is
// repeated, by this owner or by the next one, puts nothing there twice. What was
// accepted leaves the outbox.

// AcceptIn are parcels of another partition's outbox, in the order of keys.
type AcceptIn struct {
	From    uint32   `cbor:"1,keyasint"`
	Parcels []Parcel `cbor:"2,keyasint"`
}

// Parcel is one payload and its places on the partition that it is for.
type Parcel struct {
	Key     uint64        `cbor:"1,keyasint"` // in the outbox
	Payload []byte        `cbor:"2,keyasint"`
	Places  []state.Place `cbor:"3,keyasint"`
}

// AcceptOut tells up to which key the partition has accepted them.
type AcceptOut struct {
	Mark uint64 `cbor:"1,keyasint"`
}

const (
	parcelChunk = 100     // parcels handed over at once
	parcelBytes = 1 << 20 // of payloads and places, unless the first alone is larger
)

// forward hands over what stands in the outboxes, side by side: a partition that
// can't be reached holds up no other.
func (o *Owner) forward(ctx context.Context) error {
	sideBySide(ctx, o.wakeForward, func() []uint32 {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.st.Outboxes()
	}, o.forwardTo)
	return nil
}

// forwardTo empties the outbox to one partition.
func (o *Owner) forwardTo(ctx context.Context, p uint32) {
	const least, most = 20 * time.Millisecond, 2 * time.Second
	pause, told := least, false
	for ctx.Err() == nil {
		more, err := o.forwardSome(ctx, p)
		switch {
		case err == nil && !more:
			return
		case err == nil:
			pause = least
			continue
		case ctx.Err() != nil:
			return
		}
		if !told {
			told = true
			o.log.Warn("messages can't be handed to another partition just now", "to", p, "error", err)
		}
		if !rest(ctx, pause) {
			return
		}
		pause = min(2*pause, most)
	}
}

// forwardSome hands over some parcels and reports whether there were any.
func (o *Owner) forwardSome(ctx context.Context, p uint32) (more bool, err error) {
	in, keys, err := o.collect(ctx, p)
	if err != nil || len(keys) == 0 {
		return false, err
	}
	out, err := o.cfg.HandOver(ctx, p, in)
	if err != nil {
		return false, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false, nil
	}
	o.tick()
	o.st.HandedOver(p, keys, out.Mark)
	_, err = o.conclude()
	return true, err
}

// collect reads the parcels at the head of an outbox, once they are durable.
func (o *Owner) collect(ctx context.Context, p uint32) (in AcceptIn, keys []uint64, err error) {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return in, nil, nil
	}
	parcels := o.st.Parcels(p, parcelChunk, min(parcelBytes, o.maxAtOnce()))
	q := o.st.Find(state.Outbox(p))
	commit := o.j.Barrier()
	o.mu.Unlock()
	if len(parcels) == 0 {
		return in, nil, nil
	}
	if err := durable(commit); err != nil {
		return in, nil, err
	}
	in.From = o.cfg.Partition
	for i := range parcels {
		b, err := o.payload(ctx, q, &parcels[i].At)
		if err != nil {
			return in, nil, err
		}
		keys = append(keys, parcels[i].Key)
		in.Parcels = append(in.Parcels, Parcel{Key: parcels[i].Key, Payload: b, Places: parcels[i].Places})
	}
	return in, keys, nil
}

// Accept takes parcels from another partition's outbox in, each once.
func (o *Owner) Accept(_ context.Context, in AcceptIn) (AcceptOut, error) {
	size := 0
	for i := range in.Parcels {
		size += len(in.Parcels[i].Payload)
		size += state.BytesOf(in.Parcels[i].Places)
		for _, p := range in.Parcels[i].Places {
			if _, ok := o.cfg.Kinds[p.Queue.Kind]; !ok && p.Queue.Kind != state.KindQueue {
				// A newer release knows it: it waits until this node runs that, too.
				return AcceptOut{}, ErrUnavailable
			}
		}
	}
	if err := o.cfg.Space.forPosts(); err != nil {
		return AcceptOut{}, err
	}
	if o.cfg.Memory.Full() {
		return AcceptOut{}, ErrMemory
	}
	if err := o.admit(size); err != nil {
		return AcceptOut{}, err
	}
	defer o.leave(size)
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return AcceptOut{}, ErrNotOwner
	}
	o.tick()
	// A record for each, so that one can replace what the one before it placed.
	for i := range in.Parcels {
		p := &in.Parcels[i]
		if p.Key <= o.st.Mark(in.From) {
			continue
		}
		if err := o.accept(in.From, p); err != nil {
			o.mu.Unlock()
			return AcceptOut{}, err
		}
	}
	mark := o.st.Mark(in.From)
	commit, err := o.conclude()
	o.mu.Unlock()
	return AcceptOut{Mark: mark}, o.answer(commit, err)
}

// accept writes one parcel and how far they were accepted; before them, the
// definitions of its queues. Call with mu held.
func (o *Owner) accept(from uint32, p *Parcel) error {
	for i := range p.Places {
		if err := o.define(p.Places[i].Queue); err != nil {
			return err
		}
	}
	o.st.SetMark(from, p.Key)
	o.place(p)
	_, err := o.write()
	return err
}

// place places one parcel. A queue that is not known here is no reason to lose
// it: it is kept until it is known whether the queue was deleted. Where the other
// owner's clock is ahead of ours, the message was sent now: nothing in this log may
// be later than its own time, which a replay would follow.
func (o *Owner) place(p *Parcel) {
	it := state.Item{Payload: p.Payload}
	for i := range p.Places {
		place := p.Places[i]
		place.Dedup = place.Dedup.TakenIn(place.Sent, o.st.Now())
		place.Sent = min(place.Sent, o.st.Now())
		if place.VisibleAt != 0 && place.VisibleAt <= o.st.Now() {
			place.VisibleAt = 0
		}
		it.Targets = append(it.Targets, state.Placing{Partition: o.cfg.Partition, Place: place})
	}
	o.st.Post(it, func(state.Placed) {})
}
