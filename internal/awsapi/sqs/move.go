package sqs

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

const (
	maxMoveRate   = 500 // messages a second
	maxMovesShown = 10
)

// startMove moves the messages of a dead-letter queue back to where they came
// from, or to a queue that is named. The caller must be allowed what that amounts to.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
func (s *service) startMove(ctx context.Context, c *protocol.Call, in *startMoveInput) (*startMoveOutput, error) {
	source, err := s.moveSource(c, in.SourceArn, "sqs:StartMessageMoveTask", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
	if err != nil {
		return nil, err
	}
	rate := 0
	if v := in.MaxNumberOfMessagesPerSecond; v != nil {
		if *v < 1 || *v > maxMoveRate {
			return nil, protocol.InvalidParameterValue(
				"Value for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: You must enter a number that's between 1 and 500.")
		}
		rate = int(*v)
	}
	origins := s.defs.DeadLetterSources(source.ARN())
	origins = slices.DeleteFunc(slices.Clone(origins), func(q *registry.Queue) bool { return q.Account != source.Account })
	if len(origins) == 0 {
		return nil, errNotDeadLetter
	}
	destination := ""
	if in.DestinationArn != nil {
		q, err := s.moveDestination(c, source, *in.DestinationArn)
		if err != nil {
			return nil, err
		}
		destination, origins = q.ARN(), []*registry.Queue{q}
	}
	for _, q := range origins {
		if err := s.allow(c, q, "sqs:SendMessage"); err != nil {
			return nil, err
		}
	}
	task, err := s.msgs.StartMove(ctx, source, destination, rate)
	if errors.Is(err, partition.ErrMoveActive) {
		return nil, protocol.InvalidParameterValue(
			"There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
	}
	if err != nil {
		return nil, failure(c, err)
	}
	return &startMoveOutput{TaskHandle: encodeHandle(task.ID, source.ARN())}, nil
}

// moveSource finds the queue of a move task and asks for actions on it, the
// first of which only its owner can do.
func (s *service) moveSource(c *protocol.Call, arn string, actions ...string) (*registry.Queue, error) {
	if arn == "" {
		return nil, protocol.MissingParameter("SourceArn")
	}
	q, err := s.queueByARN(c, arn, "SourceArn")
	if err != nil {
		return nil, err
	}
	for _, action := range actions {
		if err := s.allow(c, q, action); err != nil {
			return nil, err
		}
	}
	return q, ownerOnly(c, q, actions[0])
}

func (s *service) moveDestination(c *protocol.Call, source *registry.Queue, arn string) (*registry.Queue, error) {
	q, err := s.queueByARN(c, arn, "DestinationArn")
	switch {
	case err != nil:
		return nil, err
	case q.Account == source.Account && q.Name == source.Name:
		return nil, protocol.InvalidParameterValue("Source queue arn and destination queue arn cannot be the same.")
	case q.FIFO != source.FIFO:
		return nil, protocol.InvalidParameterValue("The source queue and destination queue must be of the same queue type.")
	}
	return q, nil
}

// queueByARN finds a queue of the request's region.
func (s *service) queueByARN(c *protocol.Call, arn, member string) (*registry.Queue, error) {
	if parts := strings.Split(arn, ":"); len(parts) != 6 || parts[0] != "arn" {
		return nil, protocol.InvalidParameterValue(
			"You must use this format to specify the " + member + ": arn:<partition>:<service>:<region>:<account-id>:<resource-id>")
	}
	q, ok := s.defs.QueueByARN(arn)
	if !ok || q.Region != c.Region {
		return nil, noResource(member)
	}
	return q, nil
}

func (s *service) cancelMove(ctx context.Context, c *protocol.Call, in *cancelMoveInput) (*cancelMoveOutput, error) {
	if in.TaskHandle == "" {
		return nil, protocol.MissingParameter("TaskHandle")
	}
	id, arn, ok := decodeHandle(in.TaskHandle)
	if !ok {
		return nil, errHandle
	}
	source, err := s.moveSource(c, arn, "sqs:CancelMessageMoveTask")
	if err != nil {
		return nil, err
	}
	task, err := s.msgs.CancelMove(ctx, source, id)
	switch {
	case errors.Is(err, partition.ErrMoveNotFound):
		return nil, notFound("Task does not exist.")
	case errors.Is(err, partition.ErrMoveNotRunning):
		return nil, protocol.InvalidParameterValue("Only active tasks can be cancelled.")
	case err != nil:
		return nil, failure(c, err)
	}
	return &cancelMoveOutput{ApproximateNumberOfMessagesMoved: task.Moved}, nil
}

// listMoves shows the latest move tasks of a queue, the newest first.
func (s *service) listMoves(ctx context.Context, c *protocol.Call, in *listMovesInput) (*listMovesOutput, error) {
	source, err := s.moveSource(c, in.SourceArn, "sqs:ListMessageMoveTasks")
	if err != nil {
		return nil, err
	}
	limit := 1
	if v := in.MaxResults; v != nil {
		if *v < 1 || *v > maxMovesShown {
			return nil, protocol.InvalidParameterValue(
				"Value for parameter MaxResults is invalid. Reason: You must enter a number that's between 1 and 10.")
		}
		limit = int(*v)
	}
	tasks, err := s.msgs.ListMoves(ctx, source, limit)
	if err != nil {
		return nil, failure(c, err)
	}
	out := &listMovesOutput{Results: make([]moveResult, len(tasks))}
	for i, t := range tasks {
		r := moveResult{
			Status: t.Status, SourceArn: t.Source, DestinationArn: t.Destination,
			ApproximateNumberOfMessagesMoved:  t.Moved,
			ApproximateNumberOfMessagesToMove: &t.ToMove,
			FailureReason:                     t.FailureReason,
			StartedTimestamp:                  t.Started,
		}
		if t.Rate > 0 {
			rate := int32(t.Rate)
			r.MaxNumberOfMessagesPerSecond = &rate
		}
		if t.Status == partition.MoveRunning {
			r.TaskHandle = encodeHandle(t.ID, t.Source)
		}
		out.Results[i] = r
	}
	return out, nil
}

// handle is what a TaskHandle holds. Clients must not look into it, some do: it
// has the form of the real service's.
type handle struct {
	TaskID    string `json:"taskId"`
	SourceARN string `json:"sourceArn"`
}

func encodeHandle(id, source string) string {
	b, _ := json.Marshal(handle{id, source})
	return base64.StdEncoding.EncodeToString(b)
}

// maxHandle bounds a TaskHandle, in characters.
const maxHandle = 1024

// decodeHandle is the inverse of encodeHandle. The ARN is not checked.
func decodeHandle(s string) (id, source string, ok bool) {
	if len(s) > maxHandle {
		return "", "", false
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return "", "", false
	}
	var h handle
	if json.Unmarshal(b, &h) != nil || h.TaskID == "" || h.SourceARN == "" {
		return "", "", false
	}
	return h.TaskID, h.SourceARN, true
}
