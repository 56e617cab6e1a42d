package owner_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
)

// nameIs is a condition on queue id of attempts.
func nameIs(id uint64, name byte, key uint64, remove bool) owner.Condition {
	return owner.Condition{Queue: state.Ref{Kind: attempts, ID: id}, Name: state.Name{name}, Key: key, Remove: remove}
}

// What a post only asked about, or did not place, leaves no queue in memory: neither in
// conditions nor as a target.
func TestRefusedPostsLeaveNoQueues(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.kinds = map[state.Kind]owner.Kind{attempts: {}, failures: {}}
	o := c.start(0)
	c.post(o, "there", named(9, 1))
	first := of(failures, 1)
	first.Dedup = &[16]byte{7}
	post := func(once bool, id uint64, conditions ...owner.Condition) error {
		_, err := o.Post(t.Context(), owner.PostIn{
			Items: []owner.PostItem{{Payload: payload("room for the key"), Targets: []owner.PostTarget{first, of(failures, id)}, Once: once}},
			If:    conditions,
		})
		return err
	}
	if err := post(true, 1); err != nil {
		t.Fatal(err)
	}
	queues := o.Status().Usage.Queues
	want := func(what string) {
		t.Helper()
		if n := o.Status().Usage.Queues; n != queues {
			t.Errorf("%s: there are %d queues, were %d", what, n, queues)
			queues = n
		}
	}
	if err := post(false, 100, nameIs(9, 1, 77, false)); !errors.Is(err, owner.ErrCondition) {
		t.Errorf("a condition that does not hold: %v", err)
	}
	want("a target of a refused post")
	if err := post(false, 1, nameIs(101, 1, 0, false), owner.Condition{Queue: state.Ref{Kind: 99, ID: 1}}); !errors.Is(err, owner.ErrQueueGone) {
		t.Errorf("a condition on a kind that nobody serves: %v", err)
	}
	want("a condition before one on no queue")
	if err := post(true, 102); err != nil {
		t.Error(err)
	}
	want("a target of a duplicate that is placed once")
	if err := post(false, 103, nameIs(9, 1, 1, false), nameIs(104, 1, 0, true)); err != nil {
		t.Error(err)
	}
	queues++ // 103
	want("a post that is done")
}

// What removes only goes on when posts and receives are refused: it makes room.
func TestRemovalsWithoutRoom(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.kinds = map[state.Kind]owner.Kind{attempts: {}}
	c.memory = owner.NewMemory(0, 2)
	o := c.start(0)
	c.post(o, "x", named(9, 1))
	c.post(o, "y", named(9, 2))
	post := func(items []owner.PostItem, conditions ...owner.Condition) error {
		_, err := o.Post(t.Context(), owner.PostIn{Items: items, If: conditions})
		return err
	}
	more := []owner.PostItem{{Payload: payload("z"), Targets: []owner.PostTarget{named(9, 3)}}}
	if err := post(more, nameIs(9, 1, 1, true)); !errors.Is(err, owner.ErrMemory) {
		t.Errorf("a post when memory is full: %v", err)
	}
	if err := post(nil, nameIs(9, 1, 1, true)); err != nil {
		t.Errorf("a removal when memory is full: %v", err)
	}
	c.space.Set(owner.SpaceEnd, 0)
	if err := post(more, nameIs(9, 2, 2, true)); !errors.Is(err, owner.ErrFull) {
		t.Errorf("a post when storage is full: %v", err)
	}
	if err := post(nil, nameIs(9, 2, 2, true)); err != nil {
		t.Errorf("a removal when storage is full: %v", err)
	}
	if n := o.Status().Usage.Messages; n != 0 {
		t.Errorf("%d messages are left", n)
	}
}

// What is due in the queues of conditions is a record of its own: a post that fits the
// log is done beside it.
func TestConditionsOnQueuesThatAreBehind(t *testing.T) {
	t.Parallel()
	const queues, each = 3, 500
	c := newCluster(t)
	c.journal = small
	c.kinds = map[state.Kind]owner.Kind{
		attempts: {MaxReceives: 1, Exhausted: func(uint64) (state.Target, bool, bool) {
			return state.Target{Queue: state.Ref{Kind: failures, ID: 1}}, false, true
		}},
		failures: {},
	}
	o := c.start(0)
	c.start(1)
	var conditions []owner.Condition
	for id := uint64(1); id <= queues; id++ {
		for range each / 50 {
			targets := make([]owner.PostTarget, 50)
			for i := range targets {
				targets[i] = of(attempts, id)
			}
			c.post(o, "x", targets...)
		}
		for range each / 10 {
			out, err := o.Receive(t.Context(), owner.ReceiveIn{Queue: state.Ref{Kind: attempts, ID: id}, Max: 10, Visibility: 1800})
			if err != nil || len(out.Messages) != 10 {
				t.Fatalf("received %d messages, %v", len(out.Messages), err)
			}
		}
		conditions = append(conditions, nameIs(id, 1, 0, false))
	}
	c.ahead(time.Hour)
	far := of(attempts, 1)
	far.Target.Partition = 1
	size := smallPayload
	for err := owner.ErrTooLarge; errors.Is(err, owner.ErrTooLarge); size -= 512 {
		_, err = o.Post(t.Context(), owner.PostIn{Items: []owner.PostItem{{Payload: payload(strings.Repeat("x", size)), Targets: []owner.PostTarget{far}}}, If: conditions})
		if err != nil && !errors.Is(err, owner.ErrTooLarge) {
			t.Fatal(err)
		}
	}
	eventually(t, "all are dead-lettered", func() bool {
		n, err := o.Count(t.Context(), owner.QueueIn{Queue: state.Ref{Kind: failures, ID: 1}})
		if err != nil {
			t.Fatal(err)
		}
		return n.Visible == queues*each
	})
}

// Conditions may name one message several times, and what the same post places under
// its name; a queue that was dropped has nobody's name. A replay knows the same.
func TestConditionsOnOneName(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.kinds = map[state.Kind]owner.Kind{attempts: {}, failures: {}}
	o := c.start(0)
	c.post(o, "old", named(9, 1))  // key 1
	c.post(o, "kept", named(9, 2)) // key 2
	post := func(once bool, conditions ...owner.Condition) ([]owner.Posted, error) {
		plain := named(9, 1)
		plain.Replace = false
		decides := of(failures, 1)
		decides.Dedup = &[16]byte{7}
		item := owner.PostItem{Payload: payload("room for the key"), Targets: []owner.PostTarget{plain, plain}}
		if once {
			item.Targets, item.Once = []owner.PostTarget{decides, plain}, true
		}
		out, err := o.Post(t.Context(), owner.PostIn{Items: []owner.PostItem{item}, If: conditions})
		return out.Posted, err
	}
	stands := func(what string, keys ...uint64) {
		t.Helper()
		for range 2 {
			found := c.browse(o, owner.BrowseIn{}).Found
			var have []uint64
			for _, f := range found {
				have = append(have, f.Key)
				one := c.browse(o, owner.BrowseIn{Name: f.Name}).Found
				if len(one) != 1 || one[0].Key != f.Key {
					t.Errorf("%s: %+v has the name of %d", what, one, f.Key)
				}
			}
			if len(have) != len(keys) || len(have) > 0 && have[len(have)-1] != keys[len(keys)-1] {
				t.Errorf("%s: there are %v, want %v", what, have, keys)
			}
			o = c.restart(0)
		}
	}
	if _, err := post(false, nameIs(9, 1, 1, true), nameIs(9, 1, 0, false)); !errors.Is(err, owner.ErrCondition) {
		t.Errorf("a name that is somebody's and nobody's: %v", err)
	}
	stands("refused", 1, 2)
	// It is not there any more when its name is given anew, though not to replace.
	got, err := post(false, nameIs(9, 1, 1, true), nameIs(9, 1, 1, true), nameIs(9, 1, 1, false))
	if err != nil || len(got) != 2 || got[0].Key != 3 || got[0].Duplicate || !got[1].Duplicate || got[1].Key != 3 {
		t.Errorf("removed and placed anew: %+v, %v", got, err)
	}
	stands("placed anew", 2, 3)
	// What is placed once has its conditions' removals done, also where it is a duplicate.
	if got, err = post(true, nameIs(9, 1, 3, true)); err != nil || got[0].Duplicate || got[1].Key != 4 {
		t.Errorf("placed once: %+v, %v", got, err)
	}
	stands("placed once", 2, 4)
	if got, err = post(true, nameIs(9, 1, 4, true)); err != nil || !got[0].Duplicate || !got[1].Duplicate {
		t.Errorf("a duplicate: %+v, %v", got, err)
	}
	stands("a duplicate", 2)
	if _, err := o.Drop(t.Context(), owner.QueueIn{Queue: state.Ref{Kind: attempts, ID: 9}}); err != nil {
		t.Fatal(err)
	}
	if _, err := post(false, nameIs(9, 2, 2, true)); !errors.Is(err, owner.ErrCondition) {
		t.Errorf("on a queue that was dropped: %v", err)
	}
	stands("dropped")
	if got, err = post(false, nameIs(9, 2, 0, true)); err != nil || got[0].Key != 5 {
		t.Errorf("nobody's name in a queue that was dropped: %+v, %v", got, err)
	}
	stands("made again", 5)
}
