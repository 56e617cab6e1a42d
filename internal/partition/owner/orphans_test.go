package owner_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
)

// Exhausted messages of a service may be for a queue that has a definition, or had
// one: what comes for a deleted queue is dropped, what comes for one that is not known
// yet is kept for it. The service does not say which revision it knows.
func TestExhaustedForUnknownQueues(t *testing.T) {
	t.Parallel()
	for _, partition := range []uint32{0, 1} {
		c := newCluster(t)
		deleted, coming := c.defs.define(7, partition, nil), c.defs.define(8, partition, nil)
		other := c.defs.define(9, partition, nil)
		c.defs.forget(deleted.ID, true)
		c.defs.forget(coming.ID, false)
		c.kinds = map[state.Kind]owner.Kind{
			attempts: {MaxReceives: 1, Exhausted: func(id uint64) (state.Target, bool, bool) {
				return state.Target{Partition: partition, Queue: state.Ref{ID: id}}, false, true
			}},
		}
		o := c.start(0)
		at := o
		if partition == 1 {
			at = c.start(1)
		}
		c.post(at, "x", to(other, nil)) // the log knows some revision
		for _, id := range []uint64{deleted.ID, coming.ID} {
			c.post(o, "x", of(attempts, id))
			r, m := c.takeOne(o, attempts)
			if _, err := o.Retry(t.Context(), owner.RetryIn{Queue: r, Entries: []owner.RetryEntry{{Receipt: m.Receipt}}}); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "what is for the deleted queue is dropped, the rest kept", func() bool {
			list, err := at.Orphans(t.Context())
			return err == nil && len(list) == 1 && list[0].ID == coming.ID && list[0].Messages == 1
		})
		c.defs.put(coming)
		at.QueueChanged(nil, coming)
		c.want(at, coming, 1, 0, 0)
	}
}

// lines collects what is logged.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), text)
}

// A definition that is only older than what the log knows is no missing one.
func TestOutdatedDefinitionIsToldAsSuch(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	old := c.defs.define(7, 0, nil)
	missing := c.defs.define(8, 0, nil)
	now := *old
	now.Revision = 20
	c.defs.put(&now)
	o := c.start(0)
	c.post(o, "x", to(&now, nil), to(missing, nil))
	c.stop(0)
	c.defs.put(old)
	c.defs.forget(missing.ID, false)
	var l lines
	c.logger = slog.New(slog.NewTextHandler(&l, nil))
	c.start(0)
	eventually(t, "both are told", func() bool {
		return l.has(`older than the one that the log knows: nothing of it expires or is dead-lettered until the newer one comes" queue="queue 7"`) &&
			l.has("repair` if the registry was damaged\" queue=\"queue 8\"")
	})
}

// With what is exhausted goes the revision of the queue that it is for: so the other side
// can tell one that was deleted from one that it does not know yet.
func TestExhaustedNamesARevision(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		dead := c.defs.define(9, 1, nil)
		c.kinds = map[state.Kind]owner.Kind{
			attempts: {MaxReceives: 1, Exhausted: func(uint64) (state.Target, bool, bool) { return target(dead), false, true }},
		}
		c.handOver = func(uint32) error {
			c.defs.forget(dead.ID, true) // meanwhile
			return nil
		}
		o := c.start(0)
		there := c.start(1)
		c.post(o, "x", of(attempts, 1))
		r, m := c.takeOne(o, attempts)
		if _, err := o.Retry(t.Context(), owner.RetryIn{Queue: r, Entries: []owner.RetryEntry{{Receipt: m.Receipt}}}); err != nil {
			t.Fatal(err)
		}
		later(time.Minute)
		if got := c.defs.asked[dead.ID]; got != dead.Revision {
			t.Errorf("revision %d was asked for, not %d", got, dead.Revision)
		}
		if u := there.Status().Usage; u.Messages != 0 || there.Status().Orphans != 0 {
			t.Errorf("what came for a deleted queue: %+v", u)
		}
	})
}
