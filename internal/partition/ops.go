package partition

import (
	"context"
	"errors"
	"time"

	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/queue"
)

// outgoing is a message ready for its record.
type outgoing struct {
	ID      MessageID     `cbor:"1,keyasint"`
	Payload []byte        `cbor:"2,keyasint"`
	Group   string        `cbor:"3,keyasint,omitempty"`
	Dedup   bool          `cbor:"4,keyasint,omitempty"`
	DedupID queue.DedupID `cbor:"5,keyasint,omitempty"`
	Delay   int32         `cbor:"6,keyasint"`
}

// dedupWindow is how long a deduplication id, or a receive attempt id, is
// remembered (Amazon SQS API Reference, SendMessage and ReceiveMessage).
const dedupWindow = 5 * 60 * 1000

// send puts messages into one queue, all in one record: either all of them
// stand in the queue or none does.
func (o *owner) send(ctx context.Context, id uint64, msgs []outgoing) ([]SendResult, error) {
	size := 0
	for i := range msgs {
		size += len(msgs[i].Payload)
	}
	if o.svc.full.Load() {
		return nil, ErrFull
	}
	if err := o.admit(size); err != nil {
		return nil, err
	}
	defer o.leave(size)
	results := make([]SendResult, len(msgs))

	o.mu.Lock()
	commit, err := o.sendLocked(id, msgs, results)
	o.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if err := o.durable(commit); err != nil {
		return nil, err
	}
	return results, nil
}

func (o *owner) sendLocked(id uint64, msgs []outgoing, results []SendResult) (*journal.Commit, error) {
	qs, now, err := o.open(id)
	if err != nil {
		return nil, err
	}
	var batch [10]queue.Message
	var remember [10]queue.DedupID
	added := batch[:0]
	key := qs.m.NextKey()
	f := &o.facts
	f.reset()
	for i := range msgs {
		m := &msgs[i]
		if m.Dedup {
			if orig, ok := o.duplicate(qs, now, msgs[:i], results, m.DedupID); ok {
				results[i] = orig
				continue
			}
		}
		delay := m.Delay
		if delay < 0 {
			delay = int32(qs.def.DelaySeconds)
		}
		p := place{ref: qs.ref, fifo: qs.def.FIFO, key: key, sent: now}
		if delay > 0 {
			p.visibleAt = now + queue.Time(delay)*1000
		}
		if m.Dedup {
			p.dedup, p.dedupID, p.dedupExpires = true, m.DedupID, now+dedupWindow
		}
		one := [1]place{p}
		offset := f.message(one[:], m.Payload)
		remember[len(added)%len(remember)] = m.DedupID
		added = append(added, queue.Message{
			Key: key, Offset: uint32(offset), Len: uint32(len(m.Payload)),
			Sent: now, VisibleAt: p.visibleAt, Group: m.Group,
		})
		results[i].ID = m.ID
		if qs.def.FIFO {
			results[i].Sequence = key
		}
		key++
	}
	if len(added) == 0 {
		return o.j.Barrier(), nil
	}
	pos, commit, err := o.write()
	if err != nil {
		return nil, err
	}
	n := 0
	for i := range msgs {
		if n == len(added) || results[i].ID != msgs[i].ID {
			continue
		}
		m := added[n]
		m.Append, m.Offset = pos.Append, pos.Offset+m.Offset
		o.insert(qs, now, m)
		if msgs[i].Dedup {
			qs.m.Remember(msgs[i].DedupID, queue.Original{ID: msgs[i].ID, Key: m.Key, Append: pos.Append, Expires: now + dedupWindow})
			o.j.Retain(pos.Append, dedupBytes)
		}
		n++
	}
	qs.sent += uint64(len(added))
	o.settle(qs, now)
	return commit, nil
}

// duplicate looks an id up among those remembered and among the messages of
// the same batch.
func (o *owner) duplicate(qs *queueState, now queue.Time, before []outgoing, results []SendResult, id queue.DedupID) (SendResult, bool) {
	for j := range before {
		if before[j].Dedup && before[j].DedupID == id {
			return results[j], true
		}
	}
	orig, ok := qs.m.Duplicate(now, id)
	return SendResult{ID: orig.ID, Sequence: orig.Key}, ok
}

// takeOptions are ReceiveOptions as the owner needs them.
type takeOptions struct {
	max        int
	visibility int32
	attempt    *queue.DedupID
}

// delivery is what one receive took.
type delivery struct {
	msgs    []queue.Message
	origins []origin
	commit  *journal.Commit
	moved   bool // messages went to the dead-letter queue on the way
	err     error
}

// take receives from the state machine and writes down what happened. Call
// with mu held, after advance.
func (o *owner) take(qs *queueState, now queue.Time, opts takeOptions) delivery {
	seconds := opts.visibility
	if seconds < 0 {
		seconds = int32(qs.def.VisibilitySeconds)
	}
	args := queue.ReceiveArgs{Max: opts.max, HideUntil: now + queue.Time(seconds)*1000}
	if opts.attempt != nil {
		args.Attempt, args.AttemptExpires = opts.attempt, now+dedupWindow
	}
	got, dead, err := qs.m.Receive(now, args)
	if err != nil {
		if errors.Is(err, queue.ErrOverLimit) {
			err = ErrOverLimit
		}
		return delivery{err: err}
	}
	d := delivery{msgs: got, moved: len(dead) > 0}
	if len(got) > 0 {
		qs.received += uint64(len(got))
		o.facts.reset()
		o.facts.received(qs.ref, now, args.HideUntil, args.Attempt, args.AttemptExpires, got)
		if _, d.commit, err = o.write(); err != nil {
			return delivery{err: err}
		}
		for i := range got {
			if tag := got[i].Source; tag != 0 {
				if d.origins == nil {
					d.origins = make([]origin, len(got))
				}
				d.origins[i] = o.origins.of(tag)
			}
		}
	}
	if len(dead) > 0 {
		o.deadLetter(qs, now, dead)
	}
	return d
}

// receive takes up to opts.Max messages, waiting for a first one if asked to.
func (o *owner) receive(ctx context.Context, id uint64, opts ReceiveOptions) ([]Received, error) {
	if err := o.admit(0); err != nil {
		return nil, err
	}
	admitted := true
	leave := func() {
		if admitted {
			admitted = false
			o.leave(0)
		}
	}
	defer leave()
	start := o.svc.elapsed()
	t := takeOptions{max: opts.Max, visibility: opts.Visibility}
	if opts.Attempt != "" {
		h := hashDedup("", opts.Attempt)
		t.attempt = &h
	}

	o.mu.Lock()
	qs, now, err := o.open(id)
	if err != nil {
		o.mu.Unlock()
		return nil, err
	}
	var d delivery
	var w *waiter
	// Those who wait come first; with one waiting nothing is there to take.
	if qs.waiters.len() == 0 {
		d = o.take(qs, now, t)
		for d.err == nil && len(d.msgs) == 0 && d.moved {
			d = o.take(qs, now, t)
		}
	}
	if opts.Wait > 0 && errors.Is(d.err, ErrOverLimit) {
		d.err = nil // only short polls are told; long ones wait for room
	}
	if d.err == nil && len(d.msgs) == 0 && opts.Wait > 0 {
		if o.waiting.Load() >= o.svc.cfg.MaxWaiting {
			o.mu.Unlock()
			return nil, ErrBusy
		}
		w = &waiter{opts: t, ch: make(chan delivery, 1)}
		qs.waiters.push(w)
		o.waiting.Add(1)
	}
	o.settle(qs, now)
	fifo := qs.def.FIFO
	o.mu.Unlock()

	if w != nil {
		leave() // a long poll does not count among the requests that wait for the log
		d = o.await(ctx, qs, w, opts.Wait)
	}
	if d.err != nil {
		return nil, d.err
	}
	if len(d.msgs) == 0 {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if w != nil && o.provenAt.Load() >= start {
			return nil, nil
		}
		return nil, o.durable(o.j.Barrier())
	}
	got, err := o.deliver(ctx, id, fifo, d)
	if ctx.Err() != nil {
		o.giveBack(id, d.msgs)
		return nil, ctx.Err()
	}
	if err != nil {
		o.giveBack(id, d.msgs)
		return nil, err
	}
	return got, nil
}

// await waits until the long poll is served, its time is over, or its client
// has gone.
func (o *owner) await(ctx context.Context, qs *queueState, w *waiter, wait time.Duration) delivery {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case d := <-w.ch:
		return d
	case <-timer.C:
	case <-ctx.Done():
	}
	o.mu.Lock()
	if qs.waiters.remove(w) {
		o.waiting.Add(-1)
	}
	o.mu.Unlock()
	select {
	case d := <-w.ch: // served at the last moment
		return d
	default:
		return delivery{}
	}
}

// deliver reads the payloads and waits until the receive is durable.
func (o *owner) deliver(ctx context.Context, id uint64, fifo bool, d delivery) ([]Received, error) {
	out := make([]Received, len(d.msgs))
	n := 0
	for i := range d.msgs {
		m := &d.msgs[i]
		b, err := o.payload(ctx, ref{id: id}, m)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			if ctx.Err() == nil {
				o.log.Error("a payload can't be read", "append", m.Append, "offset", m.Offset, "error", err)
			}
			return nil, ErrUnavailable
		}
		msg, err := decodePayload(b)
		if err != nil {
			o.log.Error("a payload can't be decoded", "append", m.Append, "offset", m.Offset, "error", err)
			return nil, ErrUnavailable
		}
		msg.Sent = int64(m.Sent)
		r := &out[n]
		n++
		r.Message = msg
		r.Receives = m.Receives
		r.FirstReceived = int64(m.FirstReceived)
		if fifo {
			r.Sequence = m.Key
		}
		if d.origins != nil {
			r.DeadLetterSource = d.origins[i].arn
			r.Receives += d.origins[i].receives
		}
		r.Receipt = o.svc.receipts.sign(id, m.Key, m.Receives)
	}
	return out[:n], o.durable(d.commit)
}

var errGone = errors.New("the message is gone")

// payload reads what m carries. m may be written again elsewhere, and its old
// place trimmed, between the moment it was taken and the reading; then it is
// looked up anew. errGone if it was deleted or expired meanwhile.
func (o *owner) payload(ctx context.Context, q ref, m *queue.Message) ([]byte, error) {
	for try := 0; ; try++ {
		pos := journal.Pos{Append: m.Append, Offset: m.Offset}
		b, ok := o.j.TryRead(pos, int(m.Len))
		if ok {
			return b, nil
		}
		b, err := o.j.Read(ctx, pos, int(m.Len))
		if err == nil || try == 3 || !errors.Is(err, journal.ErrTrimmed) {
			return b, err
		}
		o.mu.Lock()
		var at queue.Message
		qs := o.queues[q]
		if qs != nil {
			at, ok = qs.m.Get(m.Key)
		}
		o.mu.Unlock()
		if !ok {
			return nil, errGone
		}
		m.Append, m.Offset = at.Append, at.Offset
	}
}

// giveBack makes messages visible at once that were taken for a client who is
// no longer there to have them.
func (o *owner) giveBack(id uint64, msgs []queue.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	qs, now, err := o.open(id)
	if err != nil {
		return
	}
	o.facts.reset()
	for i := range msgs {
		if _, err := qs.m.ChangeVisibility(now, msgs[i].Key, msgs[i].Receives, now); err == nil {
			o.facts.visibility(qs.ref, msgs[i].Key, now)
		}
	}
	if !o.facts.empty() {
		if _, _, err := o.write(); err != nil {
			return
		}
	}
	o.advance(qs, now)
	o.settle(qs, now)
}

// change runs a change of one queue under the lock: fn gathers facts and
// applies them; the answer is given when they are durable.
func (o *owner) change(id uint64, fn func(qs *queueState, now queue.Time) error) error {
	if err := o.admit(0); err != nil {
		return err
	}
	defer o.leave(0)
	o.mu.Lock()
	commit, err := o.changeLocked(id, fn)
	o.mu.Unlock()
	if err != nil {
		return err
	}
	return o.durable(commit)
}

func (o *owner) changeLocked(id uint64, fn func(qs *queueState, now queue.Time) error) (*journal.Commit, error) {
	qs, now, err := o.open(id)
	if err != nil {
		return nil, err
	}
	o.facts.reset()
	if err := fn(qs, now); err != nil {
		// Nothing was changed; what the refusal rests on must be durable too,
		// which the caller sees to by a barrier.
		return nil, err
	}
	var commit *journal.Commit
	if o.facts.empty() {
		commit = o.j.Barrier()
	} else if _, commit, err = o.write(); err != nil {
		return nil, err
	}
	for i := range o.leaving {
		o.gone(qs, o.leaving[i])
	}
	o.leaving = o.leaving[:0]
	o.advance(qs, now)
	o.settle(qs, now)
	return commit, nil
}

// remove deletes messages by their receipts; one outcome for each.
func (o *owner) remove(_ context.Context, id uint64, receipts []string) ([]error, error) {
	out := make([]error, len(receipts))
	type receive struct {
		key      uint64
		receives uint32
	}
	open := make([]receive, len(receipts))
	for i, h := range receipts {
		open[i].key, open[i].receives, out[i] = o.svc.receipts.open(id, h)
	}
	err := o.change(id, func(qs *queueState, now queue.Time) error {
		var buf [10]queue.Message
		removed := buf[:0]
		for i, r := range open {
			if out[i] != nil {
				continue
			}
			m, err := qs.m.Delete(now, r.key, r.receives)
			switch {
			case err == nil:
				removed = append(removed, m)
			case errors.Is(err, queue.ErrExpired), errors.Is(err, queue.ErrStale) && qs.def.FIFO:
				out[i] = ErrReceiptExpired
			}
			// An old receipt of a standard queue, and a message that is gone
			// already, are no errors.
		}
		if len(removed) == 0 {
			return nil
		}
		o.facts.removed(qs.ref, removed)
		o.leaving = append(o.leaving, removed...)
		qs.deleted += uint64(len(removed))
		return nil
	})
	return out, err
}

// maxVisibility is how long a message can be hidden in all, from its receive.
const maxVisibility = 12 * 60 * 60 * 1000

// changeVisibility hides messages for another time; one outcome for each. On a
// standard queue a receipt that is no longer good is accepted and changes nothing,
// as with Amazon SQS.
func (o *owner) changeVisibility(_ context.Context, id uint64, changes []VisibilityChange) ([]error, error) {
	out := make([]error, len(changes))
	err := o.change(id, func(qs *queueState, now queue.Time) error {
		for i, c := range changes {
			key, receives, err := o.svc.receipts.open(id, c.Receipt)
			if err != nil {
				out[i] = err
				continue
			}
			until := now + queue.Time(c.Timeout)*1000
			if m, ok := qs.m.Get(key); ok && m.Receives == receives && m.InFlight && until > m.LastReceived+maxVisibility {
				out[i] = ErrVisibilityTotal
				continue
			}
			_, err = qs.m.ChangeVisibility(now, key, receives, until)
			switch {
			case err == nil:
				o.facts.visibility(qs.ref, key, until)
			case errors.Is(err, queue.ErrNotFound):
				out[i] = ErrReceiptExpired
			case !qs.def.FIFO:
				// Too late: the message is visible again, or another receive has
				// it. A heartbeat that comes late is no error, and changes nothing.
			case errors.Is(err, queue.ErrNotInFlight):
				out[i] = ErrNotInFlight
			default: // received again since
				out[i] = ErrReceiptExpired
			}
		}
		return nil
	})
	return out, err
}

// purgeEvery is the shortest time between two purges of a queue.
const purgeEvery = 60 * 1000

func (o *owner) purge(_ context.Context, id uint64) error {
	return o.change(id, func(qs *queueState, now queue.Time) error {
		if qs.purged != 0 && now < qs.purged+purgeEvery {
			return ErrPurgeInProgress
		}
		before := qs.m.NextKey()
		qs.purged = now
		o.facts.purged(qs.ref, before, now)
		o.part(qs, qs.m.Empty())
		return nil
	})
}

func (o *owner) counts(_ context.Context, id uint64) (c Counts, err error) {
	err = o.change(id, func(qs *queueState, _ queue.Time) error {
		c = countsOf(qs)
		return nil
	})
	return c, err
}

func countsOf(qs *queueState) Counts {
	n := qs.m.Counts()
	c := Counts{Visible: n.Visible, InFlight: n.InFlight, Delayed: n.Delayed}
	if t, ok := qs.m.Oldest(); ok {
		c.Oldest = int64(t)
	}
	return c
}
