package owner

import (
	"context"
	"time"

	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/registry"
)

// A queue without a definition, or with one older than what the log knows, is an
// orphan: it was deleted and nobody saw it here, or the registry lags, or it is
// damaged. It keeps its messages until the
// registry confirms that it was deleted, or knows it again.

type orphan struct {
	q    *state.Queue
	told bool
}

// addOrphan notes a queue whose definition is not known. Call with mu held.
func (o *Owner) addOrphan(q *state.Queue) {
	if o.orphans[q.Ref] == nil {
		o.orphans[q.Ref] = &orphan{q: q}
		wake(o.wakeOrphans)
	}
}

// noticeOrphan is addOrphan for a queue that messages came to though nobody here
// knows it, from another partition or from a queue of a service. Call with mu held.
func (o *Owner) noticeOrphan(q *state.Queue) {
	if q.Ref.Kind != state.KindQueue || q.Defined() || q.Gone() {
		return
	}
	if _, known := o.cfg.Registry.QueueByID(q.Ref.ID); !known {
		o.addOrphan(q)
	}
}

// settleOrphans finds out what became of orphans.
func (o *Owner) settleOrphans(ctx context.Context) error {
	const least, most = 500 * time.Millisecond, 30 * time.Second
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-o.wakeOrphans:
		}
		for pause := least; o.askForOrphans(ctx); pause = min(2*pause, most) {
			timer := time.NewTimer(pause)
			select {
			case <-ctx.Done():
				timer.Stop()
				return nil
			case <-o.wakeOrphans:
			case <-timer.C:
			}
			timer.Stop()
		}
	}
}

// askForOrphans asks the registry about each orphan, and reports whether some are left.
func (o *Owner) askForOrphans(ctx context.Context) (left bool) {
	o.mu.Lock()
	list := make([]*orphan, 0, len(o.orphans))
	for _, x := range o.orphans {
		list = append(list, x)
	}
	o.mu.Unlock()
	for _, x := range list {
		gone, err := o.deleted(ctx, x.q)
		if ctx.Err() != nil {
			return false
		}
		if !o.settleOrphan(x, gone, err) {
			left = true
		}
	}
	return left
}

// deleted asks the registry whether a queue was deleted. Of one whose revision was
// not told it says so only when it knows all that this log knows, and has looked at
// the store: it may be an older one that was put in the place of a lost one.
func (o *Owner) deleted(ctx context.Context, q *state.Queue) (bool, error) {
	o.mu.Lock()
	revision, known := q.Revision(), o.st.Revision()
	o.mu.Unlock()
	if revision == 0 {
		if known == 0 {
			return false, nil
		}
		if err := o.cfg.Registry.Require(ctx, known); err != nil {
			return false, err
		}
	}
	return o.cfg.Registry.Gone(ctx, q.Ref.ID, revision)
}

// settleOrphan reports whether it is an orphan no more.
func (o *Owner) settleOrphan(x *orphan, gone bool, err error) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || x.q.Gone() {
		delete(o.orphans, x.q.Ref)
		return true
	}
	if terms, ok := o.terms(x.q.Ref); ok {
		o.st.Configure(x.q, terms)
		o.st.Define(x.q)
		delete(o.orphans, x.q.Ref)
		_, _ = o.concludeQuietly()
		return true
	}
	if gone && err == nil {
		o.drop(x.q)
		_, _ = o.concludeQuietly()
		return true
	}
	if !x.told {
		x.told = true
		c := x.q.Counts()
		what := "a queue has messages here and no definition: it keeps them; see `waystation repair` if the registry was damaged"
		if _, known := o.cfg.Registry.QueueByID(x.q.Ref.ID); known {
			what = "the definition of a queue is older than the one that the log knows: nothing of it expires or is dead-lettered until the newer one comes"
		}
		o.log.Error(what, "queue", x.q.Ref.String(), "messages", c.Visible+c.InFlight+c.Delayed, "error", err)
	}
	return false
}

// Orphan is a queue that has messages here and no definition in the registry.
type Orphan struct {
	ID       uint64
	Messages int
	// Definition as this partition's log has it, nil if it has none.
	Definition *registry.Queue
}

// Orphans lists the queues without a definition.
func (o *Owner) Orphans(ctx context.Context) ([]Orphan, error) {
	type home struct {
		at     state.Pos
		length int
	}
	o.mu.Lock()
	var out []Orphan
	var homes []home
	for _, x := range o.orphans {
		c := x.q.Counts()
		out = append(out, Orphan{ID: x.q.Ref.ID, Messages: c.Visible + c.InFlight + c.Delayed})
		h := home{}
		if x.q.Defined() {
			h.at, h.length = x.q.Home()
		}
		homes = append(homes, h)
	}
	o.mu.Unlock()
	for i, h := range homes {
		if h.length == 0 {
			continue
		}
		b, err := o.j.Read(ctx, journal.Pos(h.at), h.length)
		if err != nil {
			return nil, err
		}
		_, definition, err := state.ReadDefinition(b)
		if err != nil {
			return nil, err
		}
		if out[i].Definition, err = registry.DecodeQueue(definition); err != nil {
			return nil, err
		}
	}
	return out, nil
}
