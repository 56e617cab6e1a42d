package partition

import (
	"context"
	"errors"
	"time"

	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/queue"
	"github.com/waystation/waystation/internal/registry"
)

// Messages for a queue on another partition wait in an outbox, a queue of the
// partition that they come from. The forwarder hands them over in order; the
// other side notes in the same record how far it took them in (its high-water
// mark for the source partition), so that a hand-over that is repeated, by this
// owner or by the next one, puts nothing there twice. What was taken in then
// leaves the outbox.

// handed is one message on its way to another partition.
type handed struct {
	Key      uint64 `cbor:"1,keyasint"` // in the outbox
	Sent     int64  `cbor:"2,keyasint"`
	Source   string `cbor:"3,keyasint,omitempty"`
	Payload  []byte `cbor:"4,keyasint"`
	Receives uint32 `cbor:"5,keyasint,omitempty"` // in all, before
}

const (
	handChunk = 100
	handBytes = 1 << 20
)

// forward sends what stands in the outboxes, until ctx ends.
func (o *owner) forward(ctx context.Context) error {
	const least, most = 20 * time.Millisecond, 2 * time.Second
	backoff := least
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-o.wakeOutbox:
		}
		again := false
		for _, r := range o.fullOutboxes() {
			more, err := o.forwardSome(ctx, r)
			if err != nil && ctx.Err() == nil {
				o.log.Warn("messages can't be handed to another partition just now", "outbox", r.String(), "error", err)
			}
			again = again || more || err != nil
			if err == nil {
				backoff = least
			}
		}
		if !again {
			continue
		}
		timer := time.NewTimer(backoff)
		backoff = min(2*backoff, most)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		wake(o.wakeOutbox)
	}
}

func (o *owner) fullOutboxes() (list []ref) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for r, qs := range o.queues {
		if r.outbox && qs.m.Counts().Visible > 0 {
			list = append(list, r)
		}
	}
	return list
}

// forwardSome hands over messages of one outbox until it is empty.
func (o *owner) forwardSome(ctx context.Context, r ref) (more bool, err error) {
	for ctx.Err() == nil {
		target, ok := o.svc.cfg.Registry.QueueByID(r.id)
		if !ok {
			o.mu.Lock()
			if qs := o.queues[r]; qs != nil && !o.closed {
				o.drop(qs)
			}
			o.mu.Unlock()
			return false, nil
		}
		items, err := o.collect(ctx, r)
		if err != nil || len(items) == 0 {
			return false, err
		}
		mark, err := o.svc.takeIn(ctx, target, o.id, items)
		if errors.Is(err, ErrQueueGone) {
			continue // the registry says so in a moment
		}
		if err != nil {
			return true, err
		}
		if err := o.handedOver(r, mark); err != nil {
			return false, err
		}
	}
	return false, nil
}

// collect reads the messages at the head of an outbox, once they are durable.
func (o *owner) collect(ctx context.Context, r ref) ([]handed, error) {
	o.mu.Lock()
	qs := o.queues[r]
	if qs == nil || o.closed {
		o.mu.Unlock()
		return nil, nil
	}
	o.advance(qs, o.tick())
	var msgs []queue.Message
	var origins []origin
	size := 0
	qs.m.Peek(handChunk, func(m queue.Message) bool {
		if len(msgs) > 0 && size+int(m.Len) > handBytes {
			return false
		}
		size += int(m.Len)
		msgs = append(msgs, m)
		origins = append(origins, o.origins.of(m.Source))
		return true
	})
	commit := o.j.Barrier()
	o.mu.Unlock()
	if err := o.durable(commit); err != nil {
		return nil, err
	}
	items := make([]handed, len(msgs))
	for i := range msgs {
		m := &msgs[i]
		b, err := o.payload(ctx, r, m)
		if err != nil {
			return nil, err
		}
		items[i] = handed{Key: m.Key, Sent: int64(m.Sent), Source: origins[i].arn, Receives: origins[i].receives, Payload: b}
	}
	return items, nil
}

// handedOver removes what the other partition has up to key mark.
func (o *owner) handedOver(r ref, mark uint64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	qs := o.queues[r]
	if qs == nil || o.closed {
		return nil
	}
	var removed []queue.Message
	qs.m.Peek(handChunk, func(m queue.Message) bool {
		if m.Key <= mark {
			removed = append(removed, m)
		}
		return m.Key < mark
	})
	if len(removed) == 0 {
		return nil
	}
	o.facts.reset()
	o.facts.removed(r, removed)
	if _, _, err := o.write(); err != nil {
		return err
	}
	for i := range removed {
		if m, ok := qs.m.Remove(removed[i].Key); ok {
			o.gone(qs, m)
		}
	}
	return nil
}

// takeIn puts messages from another partition's outbox into the queue, each
// once, and tells up to which key it has them.
func (o *owner) takeIn(ctx context.Context, id uint64, from uint32, items []handed) (mark uint64, err error) {
	size := 0
	for i := range items {
		size += len(items[i].Payload)
	}
	if o.svc.full.Load() {
		return 0, ErrFull
	}
	if err := o.admit(size); err != nil {
		return 0, err
	}
	defer o.leave(size)
	o.mu.Lock()
	mark, commit, err := o.takeInLocked(id, from, items)
	o.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return mark, o.durable(commit)
}

func (o *owner) takeInLocked(id uint64, from uint32, items []handed) (uint64, *journal.Commit, error) {
	qs, now, err := o.open(id)
	if err != nil {
		return 0, nil, err
	}
	mark := qs.highWater[from]
	key := qs.m.NextKey()
	f := &o.facts
	f.reset()
	var added []queue.Message
	for i := range items {
		it := &items[i]
		if it.Key <= mark {
			continue
		}
		group, err := payloadGroup(it.Payload)
		if err != nil {
			return 0, nil, err
		}
		p := place{ref: qs.ref, fifo: qs.def.FIFO, key: key, sent: queue.Time(it.Sent), origin: origin{it.Source, it.Receives}}
		offset := f.message([]place{p}, it.Payload)
		added = append(added, queue.Message{
			Key: key, Offset: uint32(offset), Len: uint32(len(it.Payload)),
			Sent: p.sent, Group: group, Source: o.origins.tag(p.origin),
		})
		mark = it.Key
		key++
	}
	if len(added) == 0 {
		return mark, o.j.Barrier(), nil
	}
	f.highWater(qs.ref, from, mark)
	pos, commit, err := o.write()
	if err != nil {
		return 0, nil, err
	}
	qs.take(from, mark)
	for _, m := range added {
		m.Append, m.Offset = pos.Append, pos.Offset+m.Offset
		o.insert(qs, now, m)
	}
	o.advance(qs, now)
	o.settle(qs, now)
	return mark, commit, nil
}

// takeIn hands messages to the owner of q, wherever it is.
func (s *Service) takeIn(ctx context.Context, q *registry.Queue, from uint32, items []handed) (uint64, error) {
	return call(ctx, s, q.Partition, func(p peer) (uint64, error) {
		return p.takeIn(ctx, q.ID, from, items)
	})
}
