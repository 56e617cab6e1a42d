package owner

import (
	"context"
	"time"

	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/registry"
)

// terms of a queue of this partition, as the registry and the services say now.
// A definition older than one that the log knows says nothing: by a retention that
// was raised since, messages would be lost.
func (o *Owner) terms(r state.Ref) (state.Terms, bool) {
	if r.Kind == state.KindQueue {
		def, ok := o.cfg.Registry.QueueByID(r.ID)
		if !ok {
			return state.Terms{}, false
		}
		if q := o.st.Find(r); q != nil && q.Revision() > def.Revision {
			return state.Terms{}, false
		}
		return o.termsOf(def), true
	}
	k, ok := o.cfg.Kinds[r.Kind]
	if !ok {
		return state.Terms{}, false
	}
	t := k.terms(r.ID, &o.cfg.Limits)
	if t.Dead != nil && t.Dead.Queue.Kind == state.KindQueue {
		if to, ok := o.cfg.Registry.QueueByID(t.Dead.Queue.ID); ok {
			t.DeadFIFO, t.DeadRevision = to.FIFO, to.Revision
		}
	}
	return t, true
}

func (o *Owner) termsOf(def *registry.Queue) state.Terms {
	t := state.Terms{
		FIFO: def.FIFO, Retention: int64(def.RetentionSeconds) * 1000, MaxInFlight: int32(o.cfg.Limits.MaxInFlight),
	}
	if def.Redrive == nil {
		return t
	}
	if to, ok := o.cfg.Registry.QueueByARN(def.Redrive.TargetARN); ok {
		t.MaxReceives, t.Name = int32(def.Redrive.MaxReceives), def.ARN()
		t.Dead, t.DeadFIFO, t.DeadRevision = &state.Target{Partition: to.Partition, Queue: state.Ref{ID: to.ID}}, to.FIFO, to.Revision
	}
	return t
}

// newest is the definition of a queue as the log is to have it.
func (o *Owner) newest(r state.Ref) (revision uint64, definition []byte, ok bool) {
	if r.Kind != state.KindQueue {
		return 0, nil, false
	}
	def, ok := o.cfg.Registry.QueueByID(r.ID)
	if !ok {
		return 0, nil, false
	}
	b, err := registry.EncodeQueue(def)
	if err != nil {
		o.log.Error("a definition can't be encoded", "queue", def.ARN(), "error", err)
		return 0, nil, false
	}
	return def.Revision, b, true
}

// reviseTimeout is how long a take-over waits for the registry to know what the
// log knows.
const reviseTimeout = 10 * time.Second

// reconcile brings what was replayed in line with the registry: definitions are
// applied, time passes for all queues. A queue without a definition is kept.
func (o *Owner) reconcile(ctx context.Context) {
	waiting, cancel := context.WithTimeout(ctx, reviseTimeout)
	revision := o.st.Revision()
	err := o.cfg.Registry.Require(waiting, revision)
	cancel()
	if err != nil && ctx.Err() == nil {
		o.log.Error("the registry does not know what this partition's log knows: queues without a definition keep their messages, nothing is dropped",
			"revision", revision, "error", err)
	}
	o.mu.Lock()
	list := o.st.Queues()
	for i, q := range list {
		// They were replayed by what the registry knew before. All get their terms
		// before anything is concluded: that lets time pass for others, too.
		if i%1000 == 999 {
			o.letIn()
		}
		if q.Gone() || q.Ref.Kind != state.KindQueue {
			continue
		}
		terms, _ := o.terms(q.Ref) // none: nothing expires or dies
		o.st.Configure(q, terms)
	}
	o.tick()
	o.mu.Unlock()
	for _, q := range list {
		if !o.reconcileQueue(q) {
			return
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.st.Trash() { // also when the queues that it was of are gone
		wake(o.wakeRelease)
	}
}

// reconcileQueue reports false when the owner is closed.
func (o *Owner) reconcileQueue(q *state.Queue) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || q.Gone() {
		return !o.closed
	}
	o.tick()
	terms, ok := o.terms(q.Ref)
	switch {
	case ok:
		o.st.Configure(q, terms)
		o.st.Define(q)
	case q.Ref.Kind == state.KindQueue:
		o.addOrphan(q)
	}
	keys := o.st.Exhausted(q)
	for len(keys) > 0 && !o.closed {
		n := min(len(keys), 1000)
		o.st.GiveUp(q, keys[:n])
		keys = keys[n:]
		if _, err := o.write(); err != nil {
			return false
		}
	}
	if o.st.ActiveTask(q) != nil {
		wake(o.wakeMove)
	}
	_, err := o.conclude()
	return err == nil
}

// QueueChanged applies a change of a definition: old is nil when the queue was
// created, now is nil when it was deleted, as the leader of the registry confirmed.
func (o *Owner) QueueChanged(old, now *registry.Queue) {
	def := now
	if def == nil {
		def = old
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	o.tick()
	if q := o.st.Find(state.Ref{ID: def.ID}); q != nil {
		switch {
		case now == nil:
			o.drop(q)
		default:
			// Also where the log knows this revision already: what holds may be older.
			if terms, ok := o.terms(q.Ref); ok {
				o.st.Configure(q, terms)
				o.st.Define(q)
				delete(o.orphans, q.Ref)
			}
		}
	}
	if old == nil || now == nil {
		// It came or went, which matters to those that dead-letter to it.
		for _, src := range o.cfg.Registry.DeadLetterSources(def.ARN()) {
			if q := o.st.Find(state.Ref{ID: src.ID}); q != nil {
				// Unless the log knows a newer definition of it.
				if terms, ok := o.terms(q.Ref); ok {
					o.st.Configure(q, terms)
				}
			}

		}
	}
	if !o.closed {
		_, _ = o.concludeQuietly()
	}
}

// drop removes a queue that was deleted, with all that is in it, by the open record.
// Call with mu held; conclude follows.
func (o *Owner) drop(q *state.Queue) {
	o.st.Drop(q)
	o.dropped = append(o.dropped, q)
}

// forgetDropped is what follows once the record of drops is written. Call with mu held.
func (o *Owner) forgetDropped() {
	for _, q := range o.dropped {
		if l := o.waiters[q]; l != nil {
			o.dismiss(l, ErrQueueGone)
			delete(o.waiters, q)
		}
		delete(o.orphans, q.Ref)
	}
	clear(o.dropped)
	o.dropped = o.dropped[:0]
}
