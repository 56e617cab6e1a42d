package owner_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/registry"
)

// bubble runs f in virtual time.
func bubble(t *testing.T, f func(t *testing.T, c *cluster)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { f(t, newCluster(t)) })
}

// later lets time pass until nothing goes on any more.
func later(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (c *cluster) startMove(o *running, q *registry.Queue, task state.Task) {
	c.t.Helper()
	task.Source = q.ARN()
	if _, err := o.StartMove(c.t.Context(), owner.StartMoveIn{Queue: ref(q), Task: task}); err != nil {
		c.t.Fatal(err)
	}
}

// moves are the tasks of a queue, the newest first.
func (c *cluster) moves(o *running, q *registry.Queue, limit int) []state.Task {
	c.t.Helper()
	out, err := o.ListMoves(c.t.Context(), owner.ListMovesIn{Queue: ref(q), Limit: limit})
	if err != nil {
		c.t.Fatal(err)
	}
	return out.Tasks
}

// deadLetters makes a dead-letter queue, its source on another queue of the same
// partition, and n dead letters.
func (c *cluster) deadLetters(o *running, n int) (dead, source *registry.Queue) {
	c.t.Helper()
	dead = c.defs.define(8, 0, nil)
	source = c.defs.define(7, 0, deadLetterTo(dead, 1))
	for i := range n {
		c.post(o, fmt.Sprint(i), to(source, nil))
		if got := c.receive(o, source, 0); len(got) != 1 {
			c.t.Fatalf("received %d", len(got))
		}
	}
	c.want(o, dead, n, 0, 0)
	return dead, source
}

// What has no message id, since a service posted it without, is moved as it is.
func TestMoveOfPayloadsWithoutAnID(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		o := c.start(0)
		dead, source := c.deadLetters(o, 0)
		for _, short := range [][]byte{nil, []byte("0123456789")} {
			if _, err := o.Post(t.Context(), owner.PostIn{Items: []owner.PostItem{{Payload: short, Targets: []owner.PostTarget{to(dead, nil)}}}}); err != nil {
				t.Fatal(err)
			}
		}
		c.startMove(o, dead, state.Task{ID: "t", Destination: source.ARN()})
		later(time.Second)
		got := c.receive(o, source, 60)
		if len(got) != 2 || len(got[0].Payload)+len(got[1].Payload) != 10 || string(got[0].Payload)+string(got[1].Payload) != "0123456789" {
			t.Errorf("moved: %v", got)
		}
	})
}

// A move goes at the rate it was given; others are told that one runs, and it can be
// cancelled: what was moved stays moved.
func TestMoveAtARate(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		o := c.start(0)
		dead, source := c.deadLetters(o, 50)
		c.defs.define(7, 0, nil) // no dead letters any more
		c.startMove(o, dead, state.Task{ID: "first", Rate: 10})
		if _, err := o.StartMove(t.Context(), owner.StartMoveIn{Queue: ref(dead), Task: state.Task{ID: "second"}}); !errors.Is(err, owner.ErrMoveActive) {
			t.Errorf("a second task: %v", err)
		}
		later(2 * time.Second)
		if n := c.counts(o, source).Visible; n < 19 || n > 22 {
			t.Errorf("%d were moved in two seconds at ten a second", n)
		}
		if list := c.moves(o, dead, 10); len(list) != 1 || list[0].Status != state.MoveRunning || list[0].ToMove != 50 || list[0].Moved < 19 {
			t.Errorf("tasks %+v", list)
		}
		cancelled, err := o.CancelMove(t.Context(), owner.CancelMoveIn{Queue: ref(dead), ID: "first"})
		if err != nil || cancelled.Status != state.MoveCancelling {
			t.Fatalf("%+v, %v", cancelled, err)
		}
		if _, err := o.CancelMove(t.Context(), owner.CancelMoveIn{Queue: ref(dead), ID: "first"}); !errors.Is(err, owner.ErrMoveNotRunning) {
			t.Errorf("cancelled twice: %v", err)
		}
		later(time.Second)
		moved := c.counts(o, source).Visible
		if list := c.moves(o, dead, 10); list[0].Status != state.MoveCancelled || list[0].Moved != int64(moved) || moved > 23 {
			t.Errorf("%d were moved, tasks %+v", moved, list)
		}

		c.startMove(o, dead, state.Task{ID: "second"}) // as fast as it goes
		later(time.Second)
		if n := c.counts(o, source).Visible; n != 50 {
			t.Errorf("%d are back", n)
		}
		list := c.moves(o, dead, 10)
		if len(list) != 2 || list[0].ID != "second" || list[0].Status != state.MoveCompleted || list[0].Moved != int64(50-moved) || list[1].ID != "first" {
			t.Errorf("tasks %+v", list)
		}
		if list := c.moves(o, dead, 1); len(list) != 1 || list[0].ID != "second" {
			t.Errorf("the newest: %+v", list)
		}
		for id, want := range map[string]error{"first": owner.ErrMoveNotRunning, "second": owner.ErrMoveNotRunning, "third": owner.ErrMoveNotFound} {
			if _, err := o.CancelMove(t.Context(), owner.CancelMoveIn{Queue: ref(dead), ID: id}); !errors.Is(err, want) {
				t.Errorf("cancel %s: %v, want %v", id, err, want)
			}
		}
	})
}

// A move ends with a reason when a message has nowhere to go, and leaves what is in
// flight where it is.
func TestMovesThatEnd(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		o := c.start(0)
		dead, source := c.deadLetters(o, 3)
		c.defs.define(7, 0, nil)
		c.post(o, "of no source", to(dead, nil))
		c.startMove(o, dead, state.Task{ID: "no source"})
		later(time.Second)
		list := c.moves(o, dead, 1)
		if list[0].Status != state.MoveFailed || list[0].FailureReason != "CouldNotDetermineMessageSource" || list[0].Moved != 3 {
			t.Errorf("task %+v", list[0])
		}
		c.want(o, source, 3, 0, 0)
		c.want(o, dead, 1, 0, 0)

		c.startMove(o, dead, state.Task{ID: "no destination", Destination: "arn:aws:sqs:us-east-1:000000000000:nowhere"})
		later(time.Second)
		list = c.moves(o, dead, 1)
		if list[0].Status != state.MoveFailed || list[0].FailureReason != "AWS.SimpleQueueService.NonExistentQueue" || list[0].Moved != 0 {
			t.Errorf("task %+v", list[0])
		}
		c.want(o, dead, 1, 0, 0)

		c.post(o, "moves", to(dead, nil))
		c.receiveOne(o, dead)
		c.startMove(o, dead, state.Task{ID: "in flight", Destination: source.ARN()})
		later(time.Second)
		if list = c.moves(o, dead, 1); list[0].Status != state.MoveCompleted || list[0].Moved != 1 {
			t.Errorf("task %+v", list[0])
		}
		c.want(o, dead, 0, 1, 0)
		c.want(o, source, 4, 0, 0)
	})
}

func (c *cluster) receiveOne(o *running, q *registry.Queue) owner.Delivered {
	c.t.Helper()
	out, err := o.Receive(c.t.Context(), owner.ReceiveIn{Queue: ref(q), Max: 1, Visibility: 3600})
	if err != nil || len(out.Messages) != 1 {
		c.t.Fatalf("received %d, %v", len(out.Messages), err)
	}
	return out.Messages[0]
}

// A move waits while there is no space, and goes on after a restart.
func TestMoveGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		o := c.start(0)
		dead, source := c.deadLetters(o, 20)
		c.defs.define(7, 0, nil)
		c.space.Set(owner.SpaceShort, 0)
		before := o.Durable()
		c.startMove(o, dead, state.Task{ID: "waits"})
		later(10 * time.Second)
		c.want(o, source, 0, 0, 0)
		if n := o.Durable() - before; n > 10 {
			t.Errorf("%d appends while it waited", n)
		}
		o = c.restart(0)
		c.want(o, source, 0, 0, 0)
		c.space.Set(owner.SpaceEnough, 0)
		later(time.Second)
		c.want(o, source, 20, 0, 0)
		if list := c.moves(o, dead, 1); list[0].Status != state.MoveCompleted || list[0].Moved != 20 {
			t.Errorf("task %+v", list[0])
		}
	})
}

// A move whose queue is deleted ends with it.
func TestMoveOfADeletedQueue(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		o := c.start(0)
		dead, source := c.deadLetters(o, 20)
		c.defs.define(7, 0, nil)
		c.startMove(o, dead, state.Task{ID: "slow", Rate: 10})
		later(500 * time.Millisecond)
		c.defs.forget(dead.ID, true)
		o.QueueChanged(dead, nil)
		moved := c.counts(o, source).Visible
		later(time.Minute)
		c.want(o, source, moved, 0, 0)
		if u := o.Status().Usage; u.Queues != 1 || moved < 4 || moved > 7 {
			t.Errorf("%d were moved, %+v", moved, u)
		}
	})
}

// What becomes of a message between its reading and its moving is not undone.
func TestMovedMeanwhile(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		o := c.start(0)
		dead, source := c.deadLetters(o, 5)
		c.defs.define(7, 0, nil)
		meanwhile := func() {
			c.between.Store(nil)
			c.receiveOne(o, dead)
			c.remove(o, ref(dead), c.receiveOne(o, dead))
			back := c.receiveOne(o, dead)
			hide := owner.HideIn{Queue: ref(dead), Changes: []owner.HideEntry{{Receipt: back.Receipt}}}
			if _, err := o.Hide(t.Context(), hide); err != nil {
				t.Error(err)
			}
			c.want(o, dead, 3, 1, 0)
		}
		c.between.Store(&meanwhile)
		c.startMove(o, dead, state.Task{ID: "t"})
		later(time.Second)
		c.want(o, dead, 0, 1, 0)
		c.want(o, source, 3, 0, 0)
		if list := c.moves(o, dead, 1); list[0].Status != state.MoveCompleted || list[0].Moved != 3 {
			t.Errorf("task %+v", list[0])
		}
	})
}
