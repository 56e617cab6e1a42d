package conformance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// filledDLQ is a source with n messages in its dead-letter queue.
func filledDLQ(t *testing.T, c *sqs.Client, n int) (source, dlq string) {
	t.Helper()
	source, dlq = deadLetters(t, c, 1)
	for i := range n {
		send(t, c, source, fmt.Sprint("m", i))
	}
	exhaust(t, c, source)
	wantCounts(t, c, dlq, fmt.Sprint(n), "0", "0")
	return source, dlq
}

func startMove(t *testing.T, c *sqs.Client, source string, f ...func(*sqs.StartMessageMoveTaskInput)) string {
	t.Helper()
	in := &sqs.StartMessageMoveTaskInput{SourceArn: &source}
	for _, g := range f {
		g(in)
	}
	out, err := c.StartMessageMoveTask(bound(t), in)
	if err != nil {
		t.Fatalf("StartMessageMoveTask: %v", err)
	}
	return *out.TaskHandle
}

func moves(t *testing.T, c *sqs.Client, source string) []types.ListMessageMoveTasksResultEntry {
	t.Helper()
	out, err := c.ListMessageMoveTasks(bound(t), &sqs.ListMessageMoveTasksInput{SourceArn: &source, MaxResults: aws.Int32(10)})
	if err != nil {
		t.Fatalf("ListMessageMoveTasks: %v", err)
	}
	return out.Results
}

func TestMoveToOriginalSources(t *testing.T) {
	t.Parallel()
	c := client(t)
	source, dlq := filledDLQ(t, c, 12)
	second := queue(t, c, redrive(arn(t, c, dlq), 1))
	send(t, c, second, "of the second source")
	exhaust(t, c, second)
	dlqARN := arn(t, c, dlq)
	startMove(t, c, dlqARN)
	eventually(t, 20*time.Second, "the task completes", func() bool { return aws.ToString(moves(t, c, dlqARN)[0].Status) == "COMPLETED" })
	task := moves(t, c, dlqARN)[0]
	if task.ApproximateNumberOfMessagesMoved != 13 || aws.ToInt64(task.ApproximateNumberOfMessagesToMove) != 13 || *task.SourceArn != dlqARN || task.TaskHandle != nil || task.StartedTimestamp == 0 {
		t.Errorf("task = %+v", task)
	}
	wantCounts(t, c, dlq, "0", "0", "0")
	wantCounts(t, c, source, "12", "0", "0")
	wantCounts(t, c, second, "1", "0", "0")
	m := one(t, c, second)
	if *m.Body != "of the second source" {
		t.Errorf("received %q", *m.Body)
	}
}

func TestMoveToDestination(t *testing.T) {
	t.Parallel()
	c := client(t)
	source, dlq := filledDLQ(t, c, 5)
	elsewhere := queue(t, c, nil)
	dlqARN, there := arn(t, c, dlq), arn(t, c, elsewhere)
	startMove(t, c, dlqARN, func(in *sqs.StartMessageMoveTaskInput) { in.DestinationArn = &there })
	eventually(t, 20*time.Second, "the task completes", func() bool { return aws.ToString(moves(t, c, dlqARN)[0].Status) == "COMPLETED" })
	if got := aws.ToString(moves(t, c, dlqARN)[0].DestinationArn); got != there {
		t.Errorf("DestinationArn = %s, want %s", got, there)
	}
	wantCounts(t, c, elsewhere, "5", "0", "0")
	wantCounts(t, c, source, "0", "0", "0")
	for i := range 5 {
		if m := one(t, c, elsewhere); !strings.HasPrefix(*m.Body, "m") {
			t.Errorf("message %d = %q", i, *m.Body)
		}
	}
}

func TestMoveRateAndCancel(t *testing.T) {
	t.Parallel()
	c := client(t)
	source, dlq := filledDLQ(t, c, 40)
	dlqARN := arn(t, c, dlq)
	handle := startMove(t, c, dlqARN, func(in *sqs.StartMessageMoveTaskInput) { in.MaxNumberOfMessagesPerSecond = aws.Int32(4) })
	_, err := c.StartMessageMoveTask(bound(t), &sqs.StartMessageMoveTaskInput{SourceArn: &dlqARN})
	wantCode(t, err, codeUnsupported, codeBadValue)
	eventually(t, 20*time.Second, "a few messages are moved", func() bool { return moves(t, c, dlqARN)[0].ApproximateNumberOfMessagesMoved >= 4 })
	task := moves(t, c, dlqARN)[0]
	if aws.ToString(task.Status) != "RUNNING" || aws.ToString(task.TaskHandle) != handle || aws.ToInt32(task.MaxNumberOfMessagesPerSecond) != 4 || aws.ToInt64(task.ApproximateNumberOfMessagesToMove) != 40 {
		t.Errorf("running task = %+v", task)
	}
	if moved := task.ApproximateNumberOfMessagesMoved; moved > 30 {
		t.Errorf("%d of 40 were moved at once, want 4 a second", moved)
	}
	out, err := c.CancelMessageMoveTask(bound(t), &sqs.CancelMessageMoveTaskInput{TaskHandle: &handle})
	if err != nil || out.ApproximateNumberOfMessagesMoved < 4 {
		t.Fatalf("CancelMessageMoveTask = %+v, %v", out, err)
	}
	eventually(t, 20*time.Second, "the task is cancelled", func() bool { return aws.ToString(moves(t, c, dlqARN)[0].Status) == "CANCELLED" })
	moved := moves(t, c, dlqARN)[0].ApproximateNumberOfMessagesMoved
	wantCounts(t, c, source, fmt.Sprint(moved), "0", "0")
	wantCounts(t, c, dlq, fmt.Sprint(40-moved), "0", "0")
	_, err = c.CancelMessageMoveTask(bound(t), &sqs.CancelMessageMoveTaskInput{TaskHandle: &handle})
	wantCode(t, err, codeNoResource, codeUnsupported, codeBadValue)
	// Another one takes the rest.
	startMove(t, c, dlqARN)
	eventually(t, 20*time.Second, "the second task completes", func() bool { return aws.ToString(moves(t, c, dlqARN)[0].Status) == "COMPLETED" })
	wantCounts(t, c, source, "40", "0", "0")
	if got := moves(t, c, dlqARN); len(got) != 2 || aws.ToString(got[1].Status) != "CANCELLED" {
		t.Errorf("tasks = %+v, want the latest first", got)
	}
}

func TestMoveRefused(t *testing.T) {
	t.Parallel()
	c := client(t)
	plain := arn(t, c, queue(t, c, nil))
	_, dlq := deadLetters(t, c, 1)
	dlqARN := arn(t, c, dlq)
	absent := "arn:aws:sqs:us-east-1:" + account + ":absent"
	start := func(in sqs.StartMessageMoveTaskInput) error {
		_, err := c.StartMessageMoveTask(bound(t), &in)
		return err
	}
	wantCode(t, start(sqs.StartMessageMoveTaskInput{SourceArn: &plain}), codeBadValue)
	wantError[*types.ResourceNotFoundException](t, start(sqs.StartMessageMoveTaskInput{SourceArn: &absent}), codeNoResource)
	wantError[*types.ResourceNotFoundException](t, start(sqs.StartMessageMoveTaskInput{SourceArn: &dlqARN, DestinationArn: &absent}), codeNoResource)
	wantCode(t, start(sqs.StartMessageMoveTaskInput{SourceArn: aws.String("nonsense")}), codeBadValue, codeNoResource)
	for _, rate := range []int32{0, -1, 501} {
		wantCode(t, start(sqs.StartMessageMoveTaskInput{SourceArn: &dlqARN, MaxNumberOfMessagesPerSecond: &rate}), codeBadValue)
	}
	_, err := c.CancelMessageMoveTask(bound(t), &sqs.CancelMessageMoveTaskInput{TaskHandle: aws.String("nonsense")})
	wantCode(t, err, codeBadValue, codeNoResource)
	_, err = c.ListMessageMoveTasks(bound(t), &sqs.ListMessageMoveTasksInput{SourceArn: &absent})
	wantError[*types.ResourceNotFoundException](t, err, codeNoResource)
	_, err = c.ListMessageMoveTasks(bound(t), &sqs.ListMessageMoveTasksInput{SourceArn: &dlqARN, MaxResults: aws.Int32(11)})
	wantCode(t, err, codeBadValue)
	if got := moves(t, c, dlqARN); len(got) != 0 {
		t.Errorf("tasks = %+v, want none", got)
	}
}
