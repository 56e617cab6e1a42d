package partition

import (
	"context"

	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/queue"
)

// rewriteChunk is how many bytes of old appends are looked through at a time.
const rewriteChunk = 1 << 20

// rewrite writes what lives in the oldest appends again at the end of the log
// whenever the journal says that garbage outweighs it, so that the log can be
// trimmed. Runs until ctx ends or the journal fails.
func (o *owner) rewrite(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-o.j.Failed():
			return nil
		case <-o.j.Rewrite():
		}
		stored, err := o.j.Oldest(ctx, rewriteChunk)
		if err != nil {
			if ctx.Err() == nil {
				o.log.Warn("old appends can't be read for rewriting", "error", err)
			}
			continue
		}
		var last *journal.Commit
		for i := range stored {
			c, err := o.rewriteRecord(stored[i])
			if err != nil {
				return nil // closed
			}
			if c != nil {
				last = c
			}
		}
		if last != nil {
			_ = last.Wait(ctx)
		}
	}
}

// rewriteRecord writes again what lives of one record; nil if nothing does.
func (o *owner) rewriteRecord(st journal.Stored) (*journal.Commit, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, errNotOwner
	}
	now := o.tick()
	var homes []*queueState
	var again []rewritten
	f := &o.facts
	f.reset()
	err := eachFact(st.Rec, func(kind byte, b []byte, offset int) error {
		switch kind {
		case factMessage:
			places, payload, at, err := readMessage(b, nil)
			if err != nil {
				return err
			}
			again = o.rewriteMessage(f, again, st.Pos.Append, st.Pos.Offset+uint32(offset+at), places, payload, now)
		case factRemembered:
			r := reader{b: b}
			q := r.ref()
			r.byte()
			var id queue.DedupID
			copy(id[:], r.bytes(16))
			again = o.rewriteRemembered(f, again, q, id, st.Pos.Append, now)
		case factQueue:
			q, err := readQueue(b)
			if err != nil {
				return err
			}
			if qs := o.queues[q.q]; qs != nil && qs.home == st.Pos.Append {
				homes = append(homes, qs)
			}
		}
		return nil
	})
	if err != nil {
		o.log.Error("an old append can't be read again", "append", st.Pos.Append, "error", err)
		o.close()
		return nil, errNotOwner
	}
	var commit *journal.Commit
	if !f.empty() {
		pos, c, err := o.write()
		if err != nil {
			return nil, err
		}
		commit = c
		for i := range again {
			o.replace(&again[i], pos, now)
		}
		for i := range again {
			if again[i].dedup {
				o.advance(again[i].qs, now) // reports the place before
			}
		}
	}
	for _, qs := range homes {
		if err := o.writeHome(qs); err != nil {
			return nil, err
		}
		commit = o.j.Barrier()
	}
	return commit, nil
}

// rewritten is one item that was written again: a message when qs.m has msg, a
// deduplication id when dedup is set, or both.
type rewritten struct {
	qs      *queueState
	message bool
	msg     queue.Message // with Offset relative to the record
	dedup   bool
	id      queue.DedupID
	orig    queue.Original
}

func (o *owner) rewriteMessage(f *factBuffer, again []rewritten, append_ uint64, offset uint32, places []place, payload []byte, now queue.Time) []rewritten {
	first := len(again)
	keep := places[:0:0]
	for i := range places {
		p := places[i]
		qs := o.queues[p.ref]
		if qs == nil {
			continue
		}
		it := rewritten{qs: qs}
		if m, ok := qs.m.Get(p.key); ok && m.Append == append_ && m.Offset == offset {
			it.message, it.msg = true, m
		}
		if p.dedup {
			if orig, ok := qs.m.Duplicate(now, p.dedupID); ok && orig.Append == append_ {
				it.dedup, it.id, it.orig = true, p.dedupID, orig
			}
		}
		switch {
		case it.message:
			keep = append(keep, o.placeOf(&it))
			again = append(again, it)
		case it.dedup:
			f.remembered(p.ref, p.fifo, p.dedupID, it.orig)
			again = append(again, it)
		}
	}
	for _, at := range o.elsewhere[payloadAt{append_, offset}] {
		qs := o.queues[at.q]
		if qs == nil {
			continue
		}
		if m, ok := qs.m.Get(at.key); ok {
			it := rewritten{qs: qs, message: true, msg: m}
			keep = append(keep, o.placeOf(&it))
			again = append(again, it)
		}
	}
	if len(keep) == 0 {
		return again
	}
	at := uint32(f.message(keep, payload))
	for i := first; i < len(again); i++ {
		if again[i].message {
			again[i].msg.Offset = at
		}
	}
	return again
}

// placeOf is the message's place with all its state.
func (o *owner) placeOf(it *rewritten) place {
	m := &it.msg
	return place{
		ref: it.qs.ref, fifo: it.qs.def != nil && it.qs.def.FIFO, key: m.Key, sent: m.Sent,
		origin: o.origins.of(m.Source), visibleAt: m.VisibleAt, inFlight: m.InFlight,
		receives: m.Receives, first: m.FirstReceived, last: m.LastReceived,
		dedup: it.dedup, dedupID: it.id, dedupExpires: it.orig.Expires,
	}
}

func (o *owner) rewriteRemembered(f *factBuffer, again []rewritten, q ref, id queue.DedupID, append_ uint64, now queue.Time) []rewritten {
	qs := o.queues[q]
	if qs == nil {
		return again
	}
	orig, ok := qs.m.Duplicate(now, id)
	if !ok || orig.Append != append_ {
		return again
	}
	f.remembered(q, qs.def != nil && qs.def.FIFO, id, orig)
	return append(again, rewritten{qs: qs, dedup: true, id: id, orig: orig})
}

// replace points the state at the new place of what was written again.
func (o *owner) replace(it *rewritten, pos journal.Pos, now queue.Time) {
	if it.message {
		m := it.msg
		m.Append, m.Offset = pos.Append, pos.Offset+m.Offset
		o.reinsert(it.qs, now, m)
	}
	if it.dedup {
		it.orig.Append = pos.Append
		it.qs.m.Remember(it.id, it.orig)
		o.j.Retain(pos.Append, dedupBytes)
	}
}
