package owner_test

import (
	"errors"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/registry"
)

// A registry that lags at a take-over makes nobody lose messages: a queue goes
// only when it is confirmed that it was deleted.
func TestLaggingRegistryDropsNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	q := c.defs.define(7, 0, nil)
	o := c.start(0)
	for range 10 {
		c.post(o, "x", to(q, nil))
	}
	c.stop(0)

	c.defs.forget(q.ID, false)
	c.defs.behind = errors.New("behind")
	o = c.start(0)
	if c.defs.required != q.Revision {
		t.Errorf("the take-over waited for revision %d, the log knows %d", c.defs.required, q.Revision)
	}
	if _, err := o.Count(t.Context(), owner.QueueIn{Queue: ref(q)}); !errors.Is(err, owner.ErrQueueGone) {
		t.Errorf("a request for a queue that is not known: %v", err)
	}
	if n := o.Status().Orphans; n != 1 {
		t.Errorf("%d orphans in the status", n)
	}
	list, err := o.Orphans(t.Context())
	if err != nil || len(list) != 1 || list[0].Messages != 10 || list[0].Definition == nil || list[0].Definition.ARN() != q.ARN() {
		t.Errorf("orphans: %+v, %v", list, err)
	}
	o = c.restart(0) // and once more
	c.defs.put(q)
	o.QueueChanged(nil, q)
	c.want(o, q, 10, 0, 0)
	if n := o.Status().Orphans; n != 0 {
		t.Errorf("%d orphans when the queue is known again", n)
	}

	// Now it was deleted, while nobody owned the partition.
	c.stop(0)
	c.defs.forget(q.ID, true)
	c.defs.behind = nil
	o = c.start(0)
	eventually(t, "the deleted queue is dropped", func() bool {
		s := o.Status()
		return s.Orphans == 0 && s.Journal.LiveItems == 0
	})
}

// A registry that lags shows a definition older than the one the log knows: by its
// retention nothing is lost, and the new one holds as soon as it is known.
func TestLaggingDefinitionLosesNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	old := c.defs.define(7, 0, func(q *registry.Queue) { q.RetentionSeconds = 60 })
	o := c.start(0)
	now := *old
	now.Revision, now.RetentionSeconds = 20, 86400
	c.defs.put(&now)
	o.QueueChanged(old, &now)
	c.post(o, "x", to(&now, nil))
	c.ahead(time.Hour)
	c.want(o, &now, 1, 0, 0)
	c.stop(0)

	c.defs.put(old)
	c.defs.behind = errors.New("behind")
	o = c.start(0)
	c.ahead(time.Hour)
	c.want(o, old, 1, 0, 0)
	c.defs.put(&now)
	o.QueueChanged(old, &now)
	c.want(o, &now, 1, 0, 0)
	if n := o.Status().Orphans; n != 0 {
		t.Errorf("%d orphans when the definition is known", n)
	}
	c.ahead(23 * time.Hour)
	eventually(t, "the message expires", func() bool { return c.counts(o, &now) == owner.Counts{} })
}

// The same for what is older than that retention by the time of the take-over, and
// for all queues, whichever is looked at first.
func TestLaggingDefinitionsAtTheTakeOver(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	const queues = 20
	var older, newer []*registry.Queue
	o := c.start(0)
	for i := range uint64(queues) {
		old := c.defs.define(7+i, 0, func(q *registry.Queue) { q.RetentionSeconds = 60 })
		now := *old
		now.Revision, now.RetentionSeconds = 100+i, 86400
		older, newer = append(older, old), append(newer, c.defs.put(&now))
		o.QueueChanged(old, &now)
		c.post(o, "x", to(&now, nil))
	}
	c.stop(0)

	for _, q := range older {
		c.defs.put(q)
	}
	c.defs.behind = errors.New("behind")
	c.wall.Add(int64(time.Hour))
	o = c.start(0)
	for i, q := range newer {
		c.want(o, older[i], 1, 0, 0)
		c.defs.put(q)
		o.QueueChanged(older[i], q)
		c.want(o, q, 1, 0, 0)
	}
}

// What comes for a queue that the registry does not show is kept, too.
func TestParcelForAnUnknownQueue(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	q := c.defs.define(7, 1, nil)
	c.start(0)
	b := c.start(1)
	c.defs.forget(q.ID, false)
	c.post(c.owners[0], "x", to(q, nil))
	eventually(t, "the parcel is accepted", func() bool { return b.Status().Orphans == 1 })
	b = c.restart(1)
	c.defs.put(q)
	b.QueueChanged(nil, q)
	c.want(b, q, 1, 0, 0)
}

// The log keeps a queue's definition when its fact is written again though the
// registry does not know it.
func TestDefinitionsSurviveRewriting(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.journal = smallSteps
	q, busy := c.defs.define(7, 0, nil), c.defs.define(8, 0, nil)
	o := c.start(0)
	c.post(o, "x", to(q, nil))
	c.stop(0)
	c.defs.forget(q.ID, false)
	o = c.start(0)
	c.churn(o, busy)
	list, err := o.Orphans(t.Context())
	if err != nil || len(list) != 1 || list[0].Definition == nil || list[0].Definition.Name != q.Name {
		t.Errorf("orphans: %+v, %v", list, err)
	}
	found := ""
	stored, err := o.j.Oldest(t.Context(), 64<<20)
	for _, st := range stored {
		err = errors.Join(err, state.EachDefinition(st.Rec, func(id, revision uint64, definition []byte) {
			def, decodeErr := registry.DecodeQueue(definition)
			if err = errors.Join(err, decodeErr); id == q.ID && def != nil && revision == q.Revision {
				found = def.Name
			}
		}, func(uint64) {}))
	}
	if err != nil || found != q.Name {
		t.Errorf("a repair finds %q, %v", found, err)
	}
}

// A definition that changes while a partition is loaded is not missed.
func TestDefinitionChangesWhileLoading(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	dead := c.defs.define(8, 0, nil)
	q := c.defs.define(7, 0, deadLetterTo(dead, 1))
	deleted := c.defs.define(9, 0, nil)
	c.defs.forget(dead.ID, false)
	o := c.start(0)
	c.post(o, "x", to(q, nil))
	c.post(o, "y", to(deleted, nil))
	c.receive(o, q, 3600)
	c.stop(0)

	o = c.make(0)
	if err := o.Load(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	// The changes come when everything was looked at, before it answers.
	c.defs.put(dead)
	o.QueueChanged(nil, dead)
	c.defs.forget(deleted.ID, true)
	o.QueueChanged(deleted, nil)
	c.serve(0, o)
	if _, err := o.Count(t.Context(), owner.QueueIn{Queue: ref(deleted)}); !errors.Is(err, owner.ErrQueueGone) {
		t.Errorf("the deleted queue: %v", err)
	}
	c.ahead(3601e9)
	c.want(o, q, 0, 0, 0) // lets the time pass for it: the owner's clock sleeps by the real one
	c.want(o, dead, 1, 0, 0)
}
