package scheduler_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/scheduler"
)

// newTopic makes a topic that nobody has subscribed to.
func (n *node) newTopic(name string) {
	n.c.t.Helper()
	def := registry.Topic{Meta: registry.Meta{Account: account, Region: region, Name: name}}
	if _, _, err := n.topic.Create(n.c.t.Context(), def, func(*registry.Topic) bool { return true }); err != nil {
		n.c.t.Fatal(err)
	}
}

// stuck has the topic of that name never answer.
func stuck(name string) func(string, scheduler.Plan) scheduler.Plan {
	return func(topic string, p scheduler.Plan) scheduler.Plan {
		if topic != name {
			return p
		}
		return scheduler.Plan{Alone: true, Apart: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}}
	}
}

// Schedules whose target does not answer hold up none of those that were taken with them.
func TestStuckTargetDelaysNoOther(t *testing.T) {
	bubble(t, 1, func(t *testing.T, c *cluster) {
		c.plan = stuck("stuck")
		n := c.start("one")
		q := n.queue("jobs")
		n.newTopic("stuck")
		at := c.at(time.Minute)
		var want []string
		for i := range 10 {
			target := to(q.ARN(), numbered("s", i))
			if i < 3 {
				target = to(arn("topic", "stuck"), "x")
			} else {
				want = append(want, target.Input)
			}
			n.make(scheduler.Schedule{Name: numbered("s", i), Expression: at, Target: target})
		}
		wait(62 * time.Second)
		n.wantBodies(q, want...)
	})
}

// Nor those of other groups, of which each has only one that falls due.
func TestStuckGroupsDelayNoOther(t *testing.T) {
	bubble(t, 1, func(t *testing.T, c *cluster) {
		c.plan = stuck("stuck")
		n := c.start("one")
		q := n.queue("jobs")
		n.newTopic("stuck")
		at := c.at(time.Minute)
		for i := range 12 {
			x := scheduler.Schedule{Name: "s", Expression: at, Target: to(arn("topic", "stuck"), "x")}
			if i == 11 {
				x.Target = to(q.ARN(), "healthy")
			}
			if err := n.Create(t.Context(), n.newGroup(numbered("g", i)), x); err != nil {
				t.Fatal(err)
			}
		}
		wait(62 * time.Second)
		n.wantBodies(q, "healthy")
	})
}

// A schedule that is deleted while it is taken is not published beforehand.
func TestDeletedBeforeItIsPublished(t *testing.T) {
	bubble(t, 1, func(t *testing.T, c *cluster) {
		published, planned := 0, make(chan struct{})
		c.plan = func(_ string, p scheduler.Plan) scheduler.Plan {
			close(planned)
			time.Sleep(time.Second) // it is deleted meanwhile
			return scheduler.Plan{Alone: true, Apart: func(context.Context) error {
				published++
				return nil
			}}
		}
		n := c.start("one")
		n.newTopic("news")
		n.make(scheduler.Schedule{Name: "s", Expression: c.at(time.Minute), Target: to(arn("topic", "news"), "x")})
		<-planned
		if err := n.Delete(t.Context(), n.group(group), "s"); err != nil {
			t.Fatal(err)
		}
		wait(time.Minute)
		if published != 0 {
			t.Errorf("published %d times", published)
		}
	})
}

// What gets too long when the context attributes are written is given up.
func TestIDsThatGetTooLong(t *testing.T) {
	bubble(t, 1, func(t *testing.T, c *cluster) {
		n := c.start("one")
		n.queue("ordered.fifo")
		dead := n.queue("dead")
		n.newTopic("news")
		long := strings.Repeat("<aws.scheduler.schedule-arn>", 3)
		call := func(name string, input map[string]any) {
			text, err := json.Marshal(input)
			if err != nil {
				t.Fatal(err)
			}
			target := to(scheduler.CallPrefix+name, string(text))
			target.DeadLetterARN = dead.ARN()
			n.make(scheduler.Schedule{Name: "s-" + strings.ReplaceAll(name, ":", "-"), Expression: c.at(time.Minute), Target: target})
		}
		call(scheduler.CallSendMessage, map[string]any{"QueueUrl": "/" + account + "/ordered.fifo", "MessageBody": "b", "MessageGroupId": long})
		call(scheduler.CallPublish, map[string]any{"TopicArn": arn("topic", "news"), "Message": "b", "Subject": long})
		wait(2 * time.Minute)
		codes := map[string]int{}
		for _, m := range n.take(dead) {
			codes[attributes(m)["ERROR_CODE"]]++
		}
		if len(codes) != 2 || codes["InvalidParameterValue"] != 1 || codes["InvalidParameter"] != 1 {
			t.Errorf("dead letters %v", codes)
		}
	})
}

// picky are partitions that refuse posts as too large.
type picky struct {
	scheduler.Partitions
	refuses func(items []partition.PostItem) bool
}

func (p picky) Post(ctx context.Context, from uint32, items []partition.PostItem) ([]partition.Posted, error) {
	return p.PostIf(ctx, from, nil, items)
}

func (p picky) PostIf(ctx context.Context, from uint32, conditions []partition.Condition, items []partition.PostItem) ([]partition.Posted, error) {
	if p.refuses(items) {
		return nil, partition.ErrTooLarge
	}
	return p.Partitions.PostIf(ctx, from, conditions, items)
}

// What the log does not take at all is given up too, and does not hold up the schedule's
// next times.
func TestTooLargeForTheLog(t *testing.T) {
	bubble(t, 1, func(t *testing.T, c *cluster) {
		var refused []uint64 // queues
		c.parts = func(p scheduler.Partitions) scheduler.Partitions {
			return picky{p, func(items []partition.PostItem) bool {
				return slices.ContainsFunc(items, func(it partition.PostItem) bool { return slices.Contains(refused, it.Targets[0].Target.Queue.ID) })
			}}
		}
		n := c.start("one")
		q, dead, small := n.queue("jobs"), n.queue("dead"), n.queue("small")
		refused = []uint64{q.ID, small.ID}
		target := to(q.ARN(), "x")
		target.DeadLetterARN = dead.ARN()
		n.make(scheduler.Schedule{Name: "dead", Expression: c.at(time.Minute), Target: target})
		target.DeadLetterARN = small.ARN()
		n.make(scheduler.Schedule{Name: "lost", Expression: c.at(time.Minute), Target: target})
		wait(3 * time.Minute)
		n.wantBodies(q)
		n.wantBodies(dead, "x")
		for _, name := range []string{"lost", "dead"} {
			if x, err := n.get(name); err != nil || x.Next != 0 {
				t.Errorf("%s: %v, %v", name, x, err)
			}
		}
		if c.counted.Failed != 1 || c.counted.Redriven != 1 || c.counted.Fired != 0 {
			t.Errorf("counted %+v", c.counted)
		}
	})
}

// A target that could not be reached is left alone for a moment, and then tried again.
func TestTargetThatWasAway(t *testing.T) {
	bubble(t, 1, func(t *testing.T, c *cluster) {
		var tried atomic.Int32
		c.plan = func(_ string, p scheduler.Plan) scheduler.Plan {
			return scheduler.Plan{Alone: true, Apart: func(context.Context) error {
				if tried.Add(1) == 1 {
					return partition.ErrUnavailable
				}
				return nil
			}}
		}
		n := c.start("one")
		n.newTopic("news")
		for i := range 30 {
			n.make(scheduler.Schedule{Name: numbered("s", i), Expression: c.at(time.Duration(60+i/10) * time.Second), Target: to(arn("topic", "news"), "x"), DeleteAfter: true})
		}
		wait(62 * time.Second)
		if n := tried.Load(); n == 0 || n > 10 { // those that were taken together with the first
			t.Errorf("tried %d times", n)
		}
		wait(time.Minute)
		if _, err := n.get(numbered("s", 0)); !errors.Is(err, scheduler.ErrNotFound) || c.counted.Fired != 30 {
			t.Errorf("%v, %+v", err, c.counted)
		}
	})
}
