package partition

import (
	"fmt"

	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/queue"
)

// apply makes the facts of one record true again. Nothing is decided here:
// facts about messages that are no longer in the log (their payload was
// trimmed, so they were gone) are passed over.
func (o *owner) apply(pos journal.Pos, rec []byte) error {
	return eachFact(rec, func(kind byte, b []byte, offset int) error {
		if err := o.applyFact(pos, kind, b, offset); err != nil {
			return fmt.Errorf("append %d: fact of type %d: %w", pos.Append, kind, err)
		}
		return nil
	})
}

func (o *owner) applyFact(pos journal.Pos, kind byte, b []byte, offset int) error {
	switch kind {
	case factMessage:
		return o.applyMessage(pos, b, offset)
	case factReceived:
		f, err := readReceived(b)
		if err != nil {
			return err
		}
		if qs := o.queues[f.q]; qs != nil {
			o.applyReceived(qs, &f)
		}
		return nil
	case factMoved:
		f, err := readMoved(b)
		if err != nil {
			return err
		}
		o.applyMoved(&f)
		return nil
	case factQueue:
		f, err := readQueue(b)
		if err != nil {
			return err
		}
		o.applyQueue(pos, &f)
		return nil
	}
	r := reader{b: b}
	q := r.ref()
	qs := o.queues[q]
	switch kind {
	case factVisibility:
		key, until := r.uvarint(), queue.Time(r.varint())
		if qs != nil && r.err == nil {
			qs.m.ApplyVisibility(o.now, key, until)
		}
	case factRemoved:
		for n := r.length(); n > 0; n-- {
			key := r.uvarint()
			if qs == nil || r.err != nil {
				break
			}
			if m, ok := qs.m.Remove(key); ok {
				o.gone(qs, m)
			}
		}
	case factRemembered:
		var id queue.DedupID
		var orig queue.Original
		fifo := r.byte()&placeFIFO != 0
		copy(id[:], r.bytes(16))
		copy(orig.ID[:], r.bytes(16))
		orig.Key, orig.Expires, orig.Append = r.uvarint(), queue.Time(r.varint()), pos.Append
		if r.err == nil {
			o.remember(o.replayed(q, fifo), id, orig)
		}
	case factPurged:
		before, at := r.uvarint(), queue.Time(r.varint())
		if qs != nil && r.err == nil {
			qs.purged = at
			qs.m.ClearEach(before, func(m queue.Message) { o.gone(qs, m) })
		}
	case factDropped:
		if qs != nil && r.err == nil {
			o.forget(qs)
		}
	case factHighWater:
		from, key := uint32(r.uvarint()), r.uvarint()
		if r.err == nil {
			o.replayed(q, false).take(from, key)
		}
	case factTask:
		t := new(moveTask)
		t.decode(&r)
		if qs != nil && r.err == nil {
			qs.putTask(t)
		}
	default:
		return fmt.Errorf("unknown to this release; it was written by a newer one")
	}
	return r.done()
}

// replayed finds or makes a queue's state while the log is read.
func (o *owner) replayed(r ref, fifo bool) *queueState {
	if qs := o.queues[r]; qs != nil {
		return qs
	}
	if r.outbox {
		return o.newState(r, outboxConfig)
	}
	if def, ok := o.svc.cfg.Registry.QueueByID(r.id); ok {
		fifo = def.FIFO
	}
	return o.newState(r, queue.Config{FIFO: fifo, MaxInFlight: o.svc.cfg.MaxInFlight})
}

func (o *owner) applyMessage(pos journal.Pos, b []byte, offset int) error {
	var buf [4]place
	places, payload, at, err := readMessage(b, buf[:0])
	if err != nil {
		return err
	}
	group, err := payloadGroup(payload)
	if err != nil {
		return err
	}
	for i := range places {
		p := &places[i]
		qs := o.replayed(p.ref, p.fifo)
		m := queue.Message{
			Key: p.key, Append: pos.Append, Offset: pos.Offset + uint32(offset+at), Len: uint32(len(payload)),
			Sent: p.sent, VisibleAt: p.visibleAt, Group: group, Receives: p.receives,
			FirstReceived: p.first, LastReceived: p.last, Source: o.origins.tag(p.origin), InFlight: p.inFlight,
		}
		if p.ref.outbox {
			m.Group = ""
		}
		o.reinsert(qs, o.now, m)
		if p.dedup {
			orig := queue.Original{Key: p.key, Append: pos.Append, Expires: p.dedupExpires}
			copy(orig.ID[:], payload[1:17])
			o.remember(qs, p.dedupID, orig)
		}
	}
	return nil
}

// remember notes a deduplication id unless its time is over.
func (o *owner) remember(qs *queueState, id queue.DedupID, orig queue.Original) {
	if orig.Expires <= o.now {
		return
	}
	qs.m.Remember(id, orig) // what it replaces is reported by the next Advance
	o.j.Retain(orig.Append, dedupBytes)
}

func (o *owner) applyReceived(qs *queueState, f *receivedFact) {
	var keys []uint64
	for i := range f.msgs {
		m := &f.msgs[i]
		qs.m.ApplyReceive(o.now, m.Key, m.Receives, m.FirstReceived, f.now, f.hidden)
		if f.attempt {
			keys = append(keys, m.Key)
		}
	}
	if f.attempt && f.attemptExpires > o.now {
		qs.m.ApplyAttempt(o.now, f.attemptID, f.attemptExpires, keys)
	}
}

func (o *owner) applyMoved(f *movedFact) {
	from := o.queues[f.from]
	to := o.replayed(f.to, f.fifo)
	for _, mv := range f.moves {
		to.m.SetNextKey(mv.to + 1)
		if from == nil {
			continue
		}
		if m, ok := from.m.Remove(mv.from); ok {
			o.placeMoved(from, to, o.now, m, mv, f.source)
		}
	}
}

func (o *owner) applyQueue(pos journal.Pos, f *queueFact) {
	qs := o.replayed(f.q, f.fifo)
	qs.m.SetNextKey(f.nextKey)
	qs.purged, qs.highWater, qs.tasks = f.purged, f.highWater, f.tasks
	if qs.home != 0 {
		o.j.Release(qs.home, homeBytes)
	}
	qs.home = pos.Append
	o.j.Retain(pos.Append, homeBytes)
}

// take notes that everything up to key in the outbox of partition from is here.
func (qs *queueState) take(from uint32, key uint64) {
	if qs.highWater == nil {
		qs.highWater = make(map[uint32]uint64)
	}
	qs.highWater[from] = max(qs.highWater[from], key)
}

// forget drops a queue's state and all that it keeps alive in the log.
func (o *owner) forget(qs *queueState) {
	o.part(qs, qs.m.Retire())
	if qs.home != 0 {
		o.j.Release(qs.home, homeBytes)
	}
	o.due.set(qs, 0, false)
	delete(o.queues, qs.ref)
}

// drop forgets a queue that was deleted and writes it down.
func (o *owner) drop(qs *queueState) {
	o.facts.reset()
	o.facts.dropped(qs.ref)
	if _, _, err := o.write(); err != nil {
		return
	}
	for w := qs.waiters.pop(); w != nil; w = qs.waiters.pop() {
		o.waiting.Add(-1)
		w.ch <- delivery{err: ErrQueueGone}
	}
	o.forget(qs)
}

// reconcile brings what was replayed in line with the registry: queues deleted
// meanwhile are dropped, definitions applied, and time passes for all.
func (o *owner) reconcile() {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.tick()
	for r, qs := range o.queues {
		def, ok := o.svc.cfg.Registry.QueueByID(r.id)
		if !ok {
			o.drop(qs)
			continue
		}
		if !r.outbox {
			qs.def = def
			qs.m.Configure(now, o.machineConfig(def))
		}
		o.advance(qs, now)
		o.settle(qs, now)
		if o.closed {
			return
		}
		if r.outbox && qs.m.Counts().Visible > 0 {
			wake(o.wakeOutbox)
		}
		if qs.runningTask() != nil {
			wake(o.wakeMoves)
		}
	}
}
