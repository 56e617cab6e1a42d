package sqs

import (
	"context"
	"errors"
	"strconv"

	"github.com/waystation/waystation/internal/awsapi/batch"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/partition"
)

// deleteMessage takes a message out of its queue. On a standard queue a handle
// that a later receive has replaced is accepted and deletes nothing.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html
func (s *service) deleteMessage(ctx context.Context, c *protocol.Call, in *deleteMessageInput) (*protocol.Empty, error) {
	q, err := s.queue(ctx, c, in.QueueUrl, "sqs:DeleteMessage")
	if err != nil {
		return nil, err
	}
	if in.ReceiptHandle == "" {
		return nil, protocol.MissingParameter("ReceiptHandle")
	}
	errs, err := s.msgs.Delete(ctx, q, []string{in.ReceiptHandle})
	if err == nil {
		err = errs[0]
	}
	return nil, receiptFailure(c, err, in.ReceiptHandle, expired, inRequest)
}

func (s *service) deleteBatch(ctx context.Context, c *protocol.Call, in *deleteBatchInput) (*deleteBatchOutput, error) {
	q, err := s.queue(ctx, c, in.QueueUrl, "sqs:DeleteMessage")
	if err != nil {
		return nil, err
	}
	if err := batch.Check(legacy, "DeleteMessageBatchRequestEntry", len(in.Entries), func(i int) string { return in.Entries[i].Id }); err != nil {
		return nil, err
	}
	errs, err := batch.Run(len(in.Entries), func(i int) (string, error) {
		if in.Entries[i].ReceiptHandle == "" {
			return "", protocol.MissingParameter("ReceiptHandle")
		}
		return in.Entries[i].ReceiptHandle, nil
	}, func(receipts []string, _ []int) ([]error, error) { return s.msgs.Delete(ctx, q, receipts) })
	if err != nil {
		return nil, failure(c, err)
	}
	out := &deleteBatchOutput{}
	for i, e := range in.Entries {
		if err := receiptFailure(c, errs[i], e.ReceiptHandle, expired, inEntry); err != nil {
			out.Failed = append(out.Failed, s.entryFailure(c, e.Id, err))
		} else {
			out.Successful = append(out.Successful, entryID{e.Id})
		}
	}
	return out, nil
}

// changeVisibility hides a message for another while, or shows it at once.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
func (s *service) changeVisibility(ctx context.Context, c *protocol.Call, in *visibilityInput) (*protocol.Empty, error) {
	q, err := s.queue(ctx, c, in.QueueUrl, "sqs:ChangeMessageVisibility")
	if err != nil {
		return nil, err
	}
	switch v := in.VisibilityTimeout; {
	case in.ReceiptHandle == "":
		return nil, protocol.MissingParameter("ReceiptHandle")
	case v == nil:
		return nil, protocol.MissingParameter("VisibilityTimeout")
	case *v < 0 || *v > maxVisibility:
		return nil, badNumber(*v, "VisibilityTimeout", "Must be between 0 and 43200.")
	}
	change := partition.VisibilityChange{Receipt: in.ReceiptHandle, Timeout: *in.VisibilityTimeout}
	errs, err := s.msgs.ChangeVisibility(ctx, q, []partition.VisibilityChange{change})
	if err == nil {
		err = errs[0]
	}
	return nil, visibilityFailure(c, err, change, inRequest)
}

func (s *service) changeVisibilityBatch(ctx context.Context, c *protocol.Call, in *visibilityBatchInput) (*visibilityBatchOutput, error) {
	q, err := s.queue(ctx, c, in.QueueUrl, "sqs:ChangeMessageVisibility")
	if err != nil {
		return nil, err
	}
	if err := batch.Check(legacy, "ChangeMessageVisibilityBatchRequestEntry", len(in.Entries), func(i int) string { return in.Entries[i].Id }); err != nil {
		return nil, err
	}
	changes := make([]partition.VisibilityChange, len(in.Entries))
	errs, err := batch.Run(len(in.Entries), func(i int) (partition.VisibilityChange, error) {
		e := &in.Entries[i]
		switch v := e.VisibilityTimeout; {
		case e.ReceiptHandle == "":
			return changes[i], protocol.MissingParameter("ReceiptHandle")
		case v == nil:
			return changes[i], protocol.MissingParameter("ChangeMessageVisibilityBatchRequestEntry." + strconv.Itoa(i+1) + ".VisibilityTimeout")
		case *v < 0 || *v > maxVisibility:
			return changes[i], badNumber(*v, "VisibilityTimeout", "VisibilityTimeout must be an integer between 0 and 43200.")
		default:
			changes[i] = partition.VisibilityChange{Receipt: e.ReceiptHandle, Timeout: *v}
			return changes[i], nil
		}
	}, func(items []partition.VisibilityChange, _ []int) ([]error, error) {
		return s.msgs.ChangeVisibility(ctx, q, items)
	})
	if err != nil {
		return nil, failure(c, err)
	}
	out := &visibilityBatchOutput{}
	for i, e := range in.Entries {
		if err := visibilityFailure(c, errs[i], changes[i], inEntry); err != nil {
			out.Failed = append(out.Failed, s.entryFailure(c, e.Id, err))
		} else {
			out.Successful = append(out.Successful, entryID{e.Id})
		}
	}
	return out, nil
}

// visibilityFailure is receiptFailure for a change of visibility.
func visibilityFailure(c *protocol.Call, err error, change partition.VisibilityChange, entry bool) error {
	if errors.Is(err, partition.ErrVisibilityTotal) {
		return badNumber(change.Timeout, "VisibilityTimeout",
			"Total VisibilityTimeout for the message is beyond the limit [43200 seconds].")
	}
	return receiptFailure(c, err, change.Receipt, notThere, entry)
}
