package owner

import (
	"context"
	"errors"
	"time"

	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/queue"
)

// TakeIn asks for messages of whichever queue of a kind has some, each queue in
// its turn.
type TakeIn struct {
	Kind state.Kind `cbor:"1,keyasint"`
	// Max messages, 1 to 10, and about MaxBytes of payloads, unless the first
	// alone is larger; 0: the owner's own bound.
	Max      int `cbor:"2,keyasint"`
	MaxBytes int `cbor:"3,keyasint,omitempty"`
	// Wait for a queue that has something.
	Wait time.Duration `cbor:"4,keyasint,omitempty"`
	// Window is how long to wait for more messages of that queue, until there are
	// Max or MaxBytes of them. Nobody else gets it meanwhile.
	Window time.Duration `cbor:"5,keyasint,omitempty"`
}

// TakeOut are messages of one queue; none when none had any in time.
type TakeOut struct {
	Queue    state.Ref   `cbor:"1,keyasint"`
	Messages []Delivered `cbor:"2,keyasint,omitempty"`
	// Paced: the queue has a pace; none is known after a change of owner.
	Paced bool `cbor:"3,keyasint,omitempty"`
}

// PaceIn sets the pace of a queue.
type PaceIn struct {
	Queue state.Ref  `cbor:"1,keyasint"`
	Pace  state.Pace `cbor:"2,keyasint"`
}

// SetPace sets how fast Take gives what a service's queue has. Only this owner's
// memory knows it, and only while the queue is in use.
func (o *Owner) SetPace(_ context.Context, in PaceIn) (Nothing, error) {
	if in.Queue.Kind < state.FirstService {
		return Nothing{}, ErrQueueGone
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	q, _, err := o.open(in.Queue)
	if err != nil {
		return Nothing{}, err
	}
	in.Pace.NotBefore = o.here(in.Pace.NotBefore)
	o.st.SetPace(q, in.Pace)
	_, err = o.concludeQuietly()
	o.abandon(q)
	return Nothing{}, err
}

// gathering is a take that waits for more messages of the queue it holds.
type gathering struct {
	max      int
	maxBytes int64
	enough   chan struct{} // of capacity 1
}

func (g *gathering) satisfied(q *state.Queue) bool {
	c := q.Counts()
	return c.Visible >= g.max || g.maxBytes > 0 && c.Bytes >= g.maxBytes
}

// Take gives messages of the next queue of a kind. They are hidden for the kind's
// visibility timeout, until Remove, Retry or Hide. When ctx ends, what was taken
// becomes visible again.
func (o *Owner) Take(ctx context.Context, in TakeIn) (TakeOut, error) {
	kind, ok := o.cfg.Kinds[in.Kind]
	if !ok {
		return TakeOut{}, ErrQueueGone
	}
	if err := o.cfg.Space.forReceives(); err != nil {
		return TakeOut{}, err
	}
	t := terms{
		max: min(max(in.Max, 1), queue.MaxBatch), maxBytes: int64(o.cfg.Limits.MaxAnswer),
		visibility: state.Time(kind.visibility() / time.Millisecond),
	}
	if in.MaxBytes > 0 {
		t.maxBytes = min(t.maxBytes, int64(in.MaxBytes))
	}
	until := o.cfg.Elapsed() + in.Wait
	for {
		q, err := o.hold(ctx, in.Kind, until-o.cfg.Elapsed())
		if err != nil || q == nil {
			return TakeOut{}, err
		}
		if in.Window > 0 {
			o.gather(ctx, q, &gathering{t.max, t.maxBytes, make(chan struct{}, 1)}, in.Window)
		}
		d := o.takeHeld(q, t)
		switch {
		case d.err != nil && !errors.Is(d.err, ErrOverLimit):
			return TakeOut{}, d.err
		case len(d.messages) == 0:
			continue // what made it ready was dead-lettered, or taken otherwise
		}
		out, err := o.deliver(ctx, d)
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		if err != nil {
			o.giveBack(d)
			return TakeOut{}, err
		}
		return TakeOut{Queue: q.Ref, Messages: out, Paced: d.paced}, nil
	}
}

// hold waits for a queue of a kind that has something; nil if none has in time.
func (o *Owner) hold(ctx context.Context, k state.Kind, wait time.Duration) (*state.Queue, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return nil, ErrNotOwner
	}
	o.tick()
	if _, err := o.catchUp(); err != nil {
		o.mu.Unlock()
		return nil, err
	}
	if q := o.st.NextReady(k); q != nil {
		o.mu.Unlock()
		return q, nil
	}
	if wait <= 0 {
		barrier := o.j.Barrier()
		o.mu.Unlock()
		return nil, durable(barrier)
	}
	if o.waiting.Load() >= o.cfg.Limits.MaxWaiting {
		o.mu.Unlock()
		return nil, ErrBusy
	}
	l := o.kinds[k]
	if l == nil {
		l = &waiterList{}
		o.kinds[k] = l
	}
	w := &waiter{ch: make(chan delivery, 1)}
	l.push(w)
	o.waiting.Add(1)
	o.mu.Unlock()
	start := o.cfg.Elapsed()
	d := o.await(ctx, w, wait, func() {
		if l.remove(w) {
			o.waiting.Add(-1)
		}
	})
	switch {
	case d.err != nil:
		return nil, d.err
	case d.q != nil && ctx.Err() != nil:
		o.letGo(d.q)
		return nil, ctx.Err()
	case d.q != nil:
		return d.q, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case o.provenAt.Load() >= int64(start):
		return nil, nil
	}
	return nil, durable(o.j.Barrier())
}

// serveKind gives queues that have something to those who wait for any. Call with
// mu held.
func (o *Owner) serveKind(k state.Kind) {
	l := o.kinds[k]
	if l.len() == 0 || o.cfg.Space.forReceives() != nil {
		return
	}
	for l.len() > 0 {
		q := o.st.NextReady(k)
		if q == nil {
			return
		}
		w := l.first()
		l.remove(w)
		o.waiting.Add(-1)
		w.ch <- delivery{q: q}
	}
}

// gather waits until the queue has enough, the window is over, or ctx ends.
func (o *Owner) gather(ctx context.Context, q *state.Queue, g *gathering, window time.Duration) {
	o.mu.Lock()
	full := g.satisfied(q)
	if !full {
		o.gathers[q] = g
	}
	o.mu.Unlock()
	if full {
		return
	}
	timer := time.NewTimer(window)
	defer timer.Stop()
	select {
	case <-g.enough:
	case <-timer.C:
	case <-ctx.Done():
	case <-o.down:
	}
	o.mu.Lock()
	delete(o.gathers, q)
	o.mu.Unlock()
}

// takeHeld takes from a queue that is held, and lets it go.
func (o *Owner) takeHeld(q *state.Queue, t terms) delivery {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return delivery{err: ErrNotOwner}
	}
	o.tick()
	var d delivery
	if !q.Gone() {
		o.st.Advance(q)
		if t.max, _ = q.Room(t.max); t.max > 0 {
			d = o.take(q, t)
		}
		d.paced = q.Paced()
	}
	d.q = q
	o.st.LetGo(q)
	if _, err := o.concludeQuietly(); err != nil && len(d.messages) == 0 {
		return delivery{err: err}
	}
	return d // what it took stands in the log, whatever came behind it
}

// letGo gives a queue that is held back.
func (o *Owner) letGo(q *state.Queue) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.st.LetGo(q)
		_, _ = o.concludeQuietly()
	}
}

// RetryIn ends receives that were of no avail.
type RetryIn struct {
	Queue   state.Ref    `cbor:"1,keyasint"`
	Entries []RetryEntry `cbor:"2,keyasint"`
}

// RetryEntry is one message and when it can be taken again, in Unix milliseconds;
// 0: as its kind's backoff says.
type RetryEntry struct {
	state.Receipt
	At state.Time `cbor:"3,keyasint,omitempty"`
}

// Retry lets messages wait for another attempt; meanwhile they are not in flight.
// What was its last attempt goes where exhausted messages go. Outcomes:
// ErrReceiptExpired for one that is not in flight by that receive.
func (o *Owner) Retry(_ context.Context, in RetryIn) (EntriesOut, error) {
	if len(in.Entries) > MaxEntries {
		return EntriesOut{}, ErrTooLarge
	}
	out := EntriesOut{make(Outcomes, len(in.Entries))}
	kind := o.cfg.Kinds[in.Queue.Kind]
	err := o.change(0, in.Queue, func(q *state.Queue, _ *definition) error {
		for i, e := range in.Entries {
			at := o.here(e.At)
			if at == 0 {
				at = o.st.Now() + kind.backoff(e.Receive)
			}
			if o.st.Postpone(q, e.Key, e.Receive, at) != nil {
				out.Outcomes[i] = ErrReceiptExpired
			}
		}
		return nil
	})
	return out, err
}

// backoff after the n-th receive.
func (k *Kind) backoff(n uint32) state.Time {
	if len(k.Backoff) == 0 || n == 0 {
		return 0
	}
	return state.Time(k.Backoff[min(int(n), len(k.Backoff))-1] / time.Millisecond)
}
