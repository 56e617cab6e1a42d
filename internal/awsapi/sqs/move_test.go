package sqs

import (
	"context"
	"encoding/base64"
	"testing"

	"github.com/waystation/waystation/internal/partition"
)

func moveEnv(t testing.TB) *env {
	e := newEnv(t)
	e.make(t, "dlq")
	e.make(t, "dlq.fifo")
	e.make(t, "plain")
	e.make(t, "elsewhere")
	e.make(t, "orders", "RedrivePolicy", `{"deadLetterTargetArn":"`+arnPrefix+`dlq","maxReceiveCount":3}`)
	return e
}

// The texts are recordings of the real service.
func TestStartMove(t *testing.T) {
	t.Parallel()
	const (
		value  = "InvalidParameterValue"
		format = ": arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
		rate   = "Value for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: You must enter a number that's between 1 and 500."
	)
	dlq := arnPrefix + "dlq"
	tests := []struct {
		name          string
		in            startMoveInput
		code, message string
		status        int
	}{
		{"back", startMoveInput{SourceArn: dlq}, "", "", 0},
		{"elsewhere", startMoveInput{SourceArn: dlq, DestinationArn: ptr(arnPrefix + "elsewhere"), MaxNumberOfMessagesPerSecond: ptr(int32(500))}, "", "", 0},
		{"no source", startMoveInput{}, "MissingParameter", "The request must contain the parameter SourceArn.", 400},
		{"bad source", startMoveInput{SourceArn: "x"}, value, "You must use this format to specify the SourceArn" + format, 400},
		{"unknown source", startMoveInput{SourceArn: arnPrefix + "nothing"}, "ResourceNotFoundException", "The resource that you specified for the SourceArn parameter doesn't exist.", 404},
		{"other region", startMoveInput{SourceArn: "arn:aws:sqs:eu-west-1:123456789012:dlq"}, "ResourceNotFoundException", "The resource that you specified for the SourceArn parameter doesn't exist.", 404},
		{"no dead-letter queue", startMoveInput{SourceArn: arnPrefix + "plain"}, value, "Source queue must be configured as a Dead Letter Queue.", 400},
		{"bad destination", startMoveInput{SourceArn: dlq, DestinationArn: ptr("invalid")}, value, "You must use this format to specify the DestinationArn" + format, 400},
		{"empty destination", startMoveInput{SourceArn: dlq, DestinationArn: ptr("")}, value, "You must use this format to specify the DestinationArn" + format, 400},
		{"unknown destination", startMoveInput{SourceArn: dlq, DestinationArn: ptr(arnPrefix + "nothing")}, "ResourceNotFoundException", "The resource that you specified for the DestinationArn parameter doesn't exist.", 404},
		{"same", startMoveInput{SourceArn: dlq, DestinationArn: ptr(dlq)}, value, "Source queue arn and destination queue arn cannot be the same.", 400},
		{"other type", startMoveInput{SourceArn: dlq, DestinationArn: ptr(arnPrefix + "dlq.fifo")}, value, "The source queue and destination queue must be of the same queue type.", 400},
		{"rate 0", startMoveInput{SourceArn: dlq, MaxNumberOfMessagesPerSecond: ptr(int32(0))}, value, rate, 400},
		{"rate 501", startMoveInput{SourceArn: dlq, MaxNumberOfMessagesPerSecond: ptr(int32(501))}, value, rate, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := moveEnv(t)
			out, err := e.startMove(context.Background(), as(account), &tt.in)
			wantError(t, err, tt.code, tt.message)
			if status(err) != tt.status {
				t.Errorf("status %d", status(err))
			}
			if err != nil {
				return
			}
			if id, arn, ok := decodeHandle(out.TaskHandle); id != "task-1" || arn != tt.in.SourceArn || !ok {
				t.Errorf("handle %s", out.TaskHandle)
			}
			task := e.msgs.tasks[0]
			if tt.in.DestinationArn != nil && (task.Destination != *tt.in.DestinationArn || task.Rate != 500) ||
				tt.in.DestinationArn == nil && (task.Destination != "" || task.Rate != 0) {
				t.Errorf("task %+v", task)
			}
		})
	}
	e := moveEnv(t)
	e.msgs.err = partition.ErrMoveActive
	_, err := e.startMove(context.Background(), as(account), &startMoveInput{SourceArn: dlq})
	wantError(t, err, value, "There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
}

func TestCancelMove(t *testing.T) {
	t.Parallel()
	e := moveEnv(t)
	ctx := context.Background()
	started, err := e.startMove(ctx, as(account), &startMoveInput{SourceArn: arnPrefix + "dlq"})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ handle, code, message string }{
		{started.TaskHandle, "", ""},
		{"", "MissingParameter", "The request must contain the parameter TaskHandle."},
		{"foobared", "InvalidParameterValue", "Value for parameter TaskHandle is invalid."},
		{base64.StdEncoding.EncodeToString([]byte(`{}`)), "InvalidParameterValue", "Value for parameter TaskHandle is invalid."},
		{encodeHandle("task-1", arnPrefix+"nothing"), "ResourceNotFoundException", "The resource that you specified for the SourceArn parameter doesn't exist."},
		{encodeHandle("task-2", arnPrefix+"dlq"), "ResourceNotFoundException", "Task does not exist."},
	}
	for _, tt := range tests {
		out, err := e.cancelMove(ctx, as(account), &cancelMoveInput{TaskHandle: tt.handle})
		wantError(t, err, tt.code, tt.message)
		if err == nil && out.ApproximateNumberOfMessagesMoved != 3 {
			t.Errorf("%+v", out)
		}
	}
	e.msgs.err = partition.ErrMoveNotRunning
	_, err = e.cancelMove(ctx, as(account), &cancelMoveInput{TaskHandle: started.TaskHandle})
	wantError(t, err, "InvalidParameterValue", "Only active tasks can be cancelled.")
}

func TestListMoves(t *testing.T) {
	t.Parallel()
	e := moveEnv(t)
	ctx := context.Background()
	source := arnPrefix + "dlq"
	e.msgs.tasks = []partition.MoveTask{
		{ID: "new", Source: source, Status: partition.MoveRunning, Rate: 5, Moved: 1, ToMove: 9, Started: 1_700_000_000_123},
		{ID: "old", Source: source, Destination: arnPrefix + "gone", Status: partition.MoveFailed, Moved: 3, ToMove: 10, Started: 1,
			FailureReason: "AWS.SimpleQueueService.NonExistentQueue"},
	}
	out, err := e.listMoves(ctx, as(account), &listMovesInput{SourceArn: source})
	if err != nil || len(out.Results) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	if out, err = e.listMoves(ctx, as(account), &listMovesInput{SourceArn: source, MaxResults: ptr(int32(10))}); err != nil || len(out.Results) != 2 {
		t.Fatalf("%+v, %v", out, err)
	}
	running, failed := out.Results[0], out.Results[1]
	if id, _, _ := decodeHandle(running.TaskHandle); id != "new" || *running.MaxNumberOfMessagesPerSecond != 5 || running.Status != "RUNNING" ||
		*running.ApproximateNumberOfMessagesToMove != 9 || running.ApproximateNumberOfMessagesMoved != 1 || running.StartedTimestamp != 1_700_000_000_123 {
		t.Errorf("%+v", running)
	}
	if failed.TaskHandle != "" || failed.MaxNumberOfMessagesPerSecond != nil || failed.DestinationArn != arnPrefix+"gone" ||
		failed.FailureReason != "AWS.SimpleQueueService.NonExistentQueue" {
		t.Errorf("%+v", failed)
	}
	for _, n := range []int32{0, 11} {
		_, err := e.listMoves(ctx, as(account), &listMovesInput{SourceArn: source, MaxResults: &n})
		wantError(t, err, "InvalidParameterValue", "Value for parameter MaxResults is invalid. …")
	}
}

func FuzzDecodeHandle(f *testing.F) {
	f.Add(encodeHandle("task-1", arnPrefix+"dlq"))
	f.Add("e30=")
	f.Add("")
	f.Add("!")
	f.Fuzz(func(t *testing.T, s string) {
		id, arn, ok := decodeHandle(s)
		if !ok {
			return
		}
		// What is not UTF-8 comes back as replacement characters.
		if gotID, gotARN, ok := decodeHandle(encodeHandle(id, arn)); len(s) < maxHandle/2 && (!ok || gotID != id || gotARN != arn) {
			t.Fatalf("%q: %q, %q", s, id, arn)
		}
	})
}
