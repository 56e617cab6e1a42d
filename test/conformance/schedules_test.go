package conformance

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"github.com/waystation/waystation/test/harness"
)

// schedules is an SDK client of EventBridge Scheduler that does not retry.
func schedules(base, key, secret string) *scheduler.Client {
	return scheduler.New(scheduler.Options{
		Region: harness.Region, BaseEndpoint: &base, HTTPClient: harness.HTTP(), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
	})
}

// A role that schedules have; without a keys file nothing asks about it.
const scheduleRole = "arn:aws:iam::" + account + ":role/schedules"

func noWindow() *types.FlexibleTimeWindow {
	return &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff}
}

// in is the expression of a moment.
func in(d time.Duration) *string {
	return aws.String(time.Now().Add(d).UTC().Format("at(2006-01-02T15:04:05)"))
}

func newSchedule(t testing.TB, c *scheduler.Client, in *scheduler.CreateScheduleInput) string {
	t.Helper()
	in.FlexibleTimeWindow = noWindow()
	if in.Name == nil {
		in.Name = aws.String(name(t, ""))
	}
	in.Target.RoleArn = aws.String(scheduleRole)
	out, err := c.CreateSchedule(bound(t), in)
	if err != nil {
		t.Fatalf("CreateSchedule: %v", err)
	}
	return *out.ScheduleArn
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	c, s := schedules(endpoint(t), harness.Key, harness.Secret), client(t)
	ctx := bound(t)
	group, q := name(t, ""), arn(t, s, queue(t, s, nil))
	made, err := c.CreateScheduleGroup(ctx, &scheduler.CreateScheduleGroupInput{Name: &group, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.CreateScheduleGroup(ctx, &scheduler.CreateScheduleGroupInput{Name: &group})
	wantError[*types.ConflictException](t, err, "ConflictException")
	if g, err := c.GetScheduleGroup(ctx, &scheduler.GetScheduleGroupInput{Name: &group}); err != nil || *g.Arn != *made.ScheduleGroupArn || g.State != types.ScheduleGroupStateActive {
		t.Errorf("GetScheduleGroup: %+v, %v", g, err)
	}
	if list, err := c.ListScheduleGroups(ctx, &scheduler.ListScheduleGroupsInput{NamePrefix: &group}); err != nil || len(list.ScheduleGroups) != 1 {
		t.Errorf("ListScheduleGroups: %+v, %v", list, err)
	}
	_, err = c.TagResource(ctx, &scheduler.TagResourceInput{ResourceArn: made.ScheduleGroupArn, Tags: []types.Tag{{Key: aws.String("b"), Value: aws.String("2")}}})
	if err == nil {
		_, err = c.UntagResource(ctx, &scheduler.UntagResourceInput{ResourceArn: made.ScheduleGroupArn, TagKeys: []string{"a"}})
	}
	if err != nil {
		t.Error(err)
	}
	if tags, err := c.ListTagsForResource(ctx, &scheduler.ListTagsForResourceInput{ResourceArn: made.ScheduleGroupArn}); err != nil || len(tags.Tags) != 1 || *tags.Tags[0].Value != "2" {
		t.Errorf("ListTagsForResource: %+v, %v", tags, err)
	}

	start := time.Now().Add(time.Hour).Truncate(time.Second)
	x := newSchedule(t, c, &scheduler.CreateScheduleInput{
		Name: aws.String("nightly"), GroupName: &group, ScheduleExpression: aws.String("cron(0 3 ? * MON-FRI *)"), ScheduleExpressionTimezone: aws.String("Europe/Paris"),
		StartDate: &start, State: types.ScheduleStateDisabled, Target: &types.Target{Arn: &q, Input: aws.String("{}")},
	})
	got, err := c.GetSchedule(ctx, &scheduler.GetScheduleInput{Name: aws.String("nightly"), GroupName: &group})
	if err != nil || *got.Arn != x || *got.ScheduleExpressionTimezone != "Europe/Paris" || !got.StartDate.Equal(start) || got.State != types.ScheduleStateDisabled ||
		*got.Target.Arn != q || *got.Target.RetryPolicy.MaximumRetryAttempts != 185 {
		t.Fatalf("GetSchedule: %+v, %v", got, err)
	}
	// As documented: an update has all that was read.
	_, err = c.UpdateSchedule(ctx, &scheduler.UpdateScheduleInput{
		Name: got.Name, GroupName: got.GroupName, ScheduleExpression: got.ScheduleExpression, ScheduleExpressionTimezone: got.ScheduleExpressionTimezone,
		StartDate: got.StartDate, State: types.ScheduleStateEnabled, Target: got.Target, FlexibleTimeWindow: got.FlexibleTimeWindow, Description: aws.String("d"),
	})
	if err != nil {
		t.Errorf("UpdateSchedule: %v", err)
	}
	list, err := c.ListSchedules(ctx, &scheduler.ListSchedulesInput{GroupName: &group, State: types.ScheduleStateEnabled})
	if err != nil || len(list.Schedules) != 1 || *list.Schedules[0].Arn != x || *list.Schedules[0].Target.Arn != q {
		t.Errorf("ListSchedules: %+v, %v", list, err)
	}
	if _, err := c.DeleteSchedule(ctx, &scheduler.DeleteScheduleInput{Name: aws.String("nightly"), GroupName: &group}); err != nil {
		t.Errorf("DeleteSchedule: %v", err)
	}
	_, err = c.GetSchedule(ctx, &scheduler.GetScheduleInput{Name: aws.String("nightly"), GroupName: &group})
	wantError[*types.ResourceNotFoundException](t, err, "ResourceNotFoundException")
	_, err = c.CreateSchedule(ctx, &scheduler.CreateScheduleInput{
		Name: aws.String("bad"), ScheduleExpression: aws.String("rate(0 minutes)"), FlexibleTimeWindow: noWindow(), Target: &types.Target{Arn: &q, RoleArn: aws.String(scheduleRole)},
	})
	wantError[*types.ValidationException](t, err, "ValidationException")
	if _, err := c.DeleteScheduleGroup(ctx, &scheduler.DeleteScheduleGroupInput{Name: &group}); err != nil {
		t.Errorf("DeleteScheduleGroup: %v", err)
	}
	var gone *types.ResourceNotFoundException
	eventually(t, time.Minute, "the group is gone", func() bool {
		_, err := c.GetScheduleGroup(bound(t), &scheduler.GetScheduleGroupInput{Name: &group})
		return errors.As(err, &gone)
	})
}

// Schedules fire into a standard queue, a FIFO queue, and a topic with a queue.
func TestSchedulesFire(t *testing.T) {
	t.Parallel()
	c, s, n := schedules(endpoint(t), harness.Key, harness.Secret), client(t), topics(endpoint(t), harness.Key, harness.Secret)
	plain, fifo, subscribed := queue(t, s, nil), queue(t, s, attrs{"FifoQueue": "true"}), queue(t, s, nil)
	topic := newTopic(t, n, nil)
	subscribe(t, n, topic, arn(t, s, subscribed), attrs{"RawMessageDelivery": "true"})
	plainARN, fifoARN := arn(t, s, plain), arn(t, s, fifo)
	for _, to := range []*types.Target{
		{Arn: &plainARN, Input: aws.String("for the queue")},
		{Arn: &fifoARN, Input: aws.String("for the FIFO queue"), SqsParameters: &types.SqsParameters{MessageGroupId: aws.String("g")}},
		{Arn: &topic, Input: aws.String("for the topic")},
	} {
		newSchedule(t, c, &scheduler.CreateScheduleInput{ScheduleExpression: in(-time.Second), Target: to, ActionAfterCompletion: types.ActionAfterCompletionDelete})
	}
	for url, want := range map[string]string{plain: "for the queue", fifo: "for the FIFO queue", subscribed: "for the topic"} {
		if m := one(t, s, url); *m.Body != want {
			t.Errorf("%s has %q", url, *m.Body)
		}
		none(t, s, url)
	}
}

// A server that is killed while schedules are due fires each of them exactly once.
func TestSchedulesSurviveKill(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{Args: []string{"--partitions", "3"}})
	c, s := schedules(server.URL(), harness.Key, harness.Secret), harness.SQS(server.URL())
	url := queue(t, s, nil)
	q := arn(t, s, url)
	const kills, each = 3, 40
	var want []string
	got := map[string]int{}
	collect := func() {
		for {
			list := receive(t, s, url, upTo(10), wait(1))
			if len(list) == 0 {
				return
			}
			for _, m := range list {
				got[*m.Body]++
			}
			remove(t, s, url, list...)
		}
	}
	for round := range kills {
		at := time.Now().Add(3 * time.Second).Truncate(time.Second)
		for i := range each {
			want = append(want, fmt.Sprintf("%d-%02d", round, i))
			newSchedule(t, c, &scheduler.CreateScheduleInput{
				Name: aws.String("s" + want[len(want)-1]), ScheduleExpression: in(time.Until(at)), ActionAfterCompletion: types.ActionAfterCompletionDelete,
				Target: &types.Target{Arn: &q, Input: aws.String(want[len(want)-1])},
			})
		}
		// While they fire, if the machine is not too slow.
		time.Sleep(time.Until(at) + time.Duration(round*10)*time.Millisecond)
		server.Kill()
		if err := errors.Join(server.Again(), server.WaitReady()); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, time.Minute, "all schedules are complete", func() bool {
		list, err := c.ListSchedules(bound(t), &scheduler.ListSchedulesInput{})
		return err == nil && len(list.Schedules) == 0
	})
	eventually(t, time.Minute, "all is there", func() bool { collect(); return len(got) == len(want) })
	for _, body := range want {
		if got[body] != 1 {
			t.Errorf("%s fired %d times", body, got[body])
		}
	}
}
