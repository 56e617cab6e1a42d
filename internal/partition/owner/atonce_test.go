package owner_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/registry"
)

// smallPayload is max_payload in the tests below, as it might be set on external
// servers.
const smallPayload = 64 << 10

func small(c *journal.Config) { c.MaxPayload, c.MaxAppend = smallPayload, 16<<10 }

// What the log does not take as one record is refused before anything is done, and
// the owner goes on. What is just not refused can be written. Seed 261.
func TestPostThatIsNoRecord(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.journal = small
	q := c.defs.define(7, 0, nil)
	o := c.start(0)
	post := func(size, targets int) error {
		list := make([]owner.PostTarget, targets)
		for i := range list {
			list[i] = to(q, nil)
			list[i].Group, list[i].Reference = strings.Repeat("g", owner.MaxGroup), strings.Repeat("r", state.MaxReference)
		}
		_, err := o.Post(t.Context(), owner.PostIn{Items: []owner.PostItem{{Payload: make([]byte, size), Targets: list}}})
		return err
	}
	for name, test := range map[string]struct{ size, targets int }{
		"payload": {smallPayload, 1},
		"targets": {1, 100},
	} {
		if err := post(test.size, test.targets); !errors.Is(err, owner.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, targets := range []int{1, 10, 60} {
		accepted := 0
		for size := 0; ; size += 512 {
			err := post(size, targets)
			if errors.Is(err, owner.ErrTooLarge) {
				break
			}
			if err != nil {
				t.Fatalf("%d bytes at %d targets: %v", size, targets, err)
			}
			accepted++
		}
		if accepted < 3 {
			t.Errorf("with %d targets %d sizes were accepted", targets, accepted)
		}
	}
	if _, err := o.Count(t.Context(), owner.QueueIn{Queue: ref(q)}); err != nil {
		t.Errorf("the owner does not go on: %v", err)
	}
}

// A post to many queues whose definitions the log does not know, all of which
// would not fit one record: here, and by way of another partition's outbox.
func TestLongDefinitionsOfManyTargets(t *testing.T) {
	t.Parallel()
	for name, partition := range map[string]uint32{"here": 0, "on another partition": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.journal = small
			o := c.start(0)
			there := o
			if partition != 0 {
				there = c.start(partition)
			}
			item := owner.PostItem{Payload: payload("x")}
			var queues []*registry.Queue
			for id := range uint64(20) {
				q := c.defs.define(100+id, partition, func(q *registry.Queue) { q.Policy = strings.Repeat("p", 8<<10) })
				item.Targets = append(item.Targets, to(q, nil))
				queues = append(queues, q)
			}
			if _, err := o.Post(t.Context(), owner.PostIn{Items: []owner.PostItem{item}}); err != nil {
				t.Fatal(err)
			}
			for _, q := range queues {
				eventually(t, "it is there", func() bool { return c.counts(there, q).Visible == 1 })
			}
		})
	}
}

// Receipts and the like are bounded, too.
func TestManyEntries(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	q := c.defs.define(7, 0, nil)
	o := c.start(0)
	many := make([]state.Receipt, owner.MaxEntries+1)
	if _, err := o.Remove(t.Context(), owner.RemoveIn{Queue: ref(q), Receipts: many}); !errors.Is(err, owner.ErrTooLarge) {
		t.Errorf("remove: %v", err)
	}
	if _, err := o.Remove(t.Context(), owner.RemoveIn{Queue: ref(q), Receipts: many[1:]}); err != nil {
		t.Errorf("remove of as many as may be: %v", err)
	}
	if _, err := o.Hide(t.Context(), owner.HideIn{Queue: ref(q), Changes: make([]owner.HideEntry, owner.MaxEntries+1)}); !errors.Is(err, owner.ErrTooLarge) {
		t.Errorf("hide: %v", err)
	}
	if _, err := o.Retry(t.Context(), owner.RetryIn{Queue: ref(q), Entries: make([]owner.RetryEntry, owner.MaxEntries+1)}); !errors.Is(err, owner.ErrTooLarge) {
		t.Errorf("retry: %v", err)
	}
}

// What is moved, and what is handed to another partition, is as much at once as the
// log and a message between nodes take.
func TestMovesAndParcelsOfAFewAtOnce(t *testing.T) {
	t.Parallel()
	const messages, size = 30, 10 << 10
	c := newCluster(t)
	c.journal = small
	here, there := c.start(0), c.start(1)
	from, to0, far := c.defs.define(7, 0, nil), c.defs.define(8, 0, nil), c.defs.define(9, 1, nil)
	body := strings.Repeat("x", size)
	for range messages {
		c.post(here, body, to(from, nil))
	}
	task := state.Task{ID: "t", Destination: to0.ARN()}
	if _, err := here.StartMove(t.Context(), owner.StartMoveIn{Queue: ref(from), Task: task}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are moved", func() bool { return c.counts(here, to0).Visible == messages })
	// They gather while the other partition is away.
	c.handOver = func(uint32) error { return errAnswerLost }
	for range messages {
		c.post(here, body, to(far, nil))
	}
	eventually(t, "all are handed over", func() bool { return c.counts(there, far).Visible >= 3 })
	if most := c.largest.Load(); most > smallPayload-4<<10 {
		t.Errorf("%d bytes were handed over at once", most)
	}
}

// A message of the largest size is moved to a queue whose definition is long and not
// known to the log: both do not fit one record.
func TestMoveToALongDefinition(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.journal = small
	o := c.start(0)
	from := c.defs.define(7, 0, nil)
	dest := c.defs.define(8, 0, func(q *registry.Queue) { q.Policy = strings.Repeat("p", 16<<10) })
	for size := smallPayload; ; size -= 256 {
		_, err := o.Post(t.Context(), owner.PostIn{Items: []owner.PostItem{
			{Payload: payload(strings.Repeat("x", size)), Targets: []owner.PostTarget{to(from, nil)}},
		}})
		if err == nil {
			break
		}
		if !errors.Is(err, owner.ErrTooLarge) {
			t.Fatal(err)
		}
	}
	task := state.Task{ID: "t", Destination: dest.ARN()}
	if _, err := o.StartMove(t.Context(), owner.StartMoveIn{Queue: ref(from), Task: task}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is moved", func() bool { return c.counts(o, dest).Visible == 1 })
}

// Messages came to many queues that nobody here knew yet. That they are written again
// takes no more room at once than it took then, whatever is known of them since.
func TestRewritingWhatWasNotDefined(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.journal = func(cfg *journal.Config) { smallSteps(cfg); small(cfg) }
	item := owner.PostItem{Payload: payload("x")}
	var queues []*registry.Queue
	for id := range uint64(20) {
		q := c.defs.define(100+id, 1, func(q *registry.Queue) { q.Policy = strings.Repeat("p", 8<<10) })
		item.Targets = append(item.Targets, to(q, nil))
		queues = append(queues, q)
		c.defs.forget(q.ID, false)
	}
	a := c.start(0)
	c.start(1)
	if _, err := a.Post(t.Context(), owner.PostIn{Items: []owner.PostItem{item}}); err != nil {
		t.Fatal(err)
	}
	c.handedOver(a)
	c.stop(1)
	for _, q := range queues {
		c.defs.put(q)
	}
	b := c.start(1)
	c.churn(b, c.defs.define(21, 1, nil))
	b = c.restart(1)
	for _, q := range queues {
		c.want(b, q, 1, 0, 0)
	}
}
