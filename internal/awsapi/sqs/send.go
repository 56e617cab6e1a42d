package sqs

import (
	"context"

	"github.com/waystation/waystation/internal/awsapi/attribute"
	"github.com/waystation/waystation/internal/awsapi/batch"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/partition"
)

func (s *service) sendMessage(ctx context.Context, c *protocol.Call, in *sendMessageInput) (*sendMessageOutput, error) {
	q, err := s.queue(ctx, c, in.QueueUrl, "sqs:SendMessage")
	if err != nil {
		return nil, err
	}
	e := sendBatchEntry{
		MessageBody: in.MessageBody, DelaySeconds: in.DelaySeconds,
		MessageAttributes: in.MessageAttributes, MessageSystemAttributes: in.MessageSystemAttributes,
		MessageDeduplicationId: in.MessageDeduplicationId, MessageGroupId: in.MessageGroupId,
	}
	var d draft
	if err := s.compose(c, q, &e, 0, &d); err != nil {
		return nil, err
	}
	results, err := s.msgs.Send(ctx, q, []partition.Message{d.Message})
	if err != nil {
		return nil, failure(c, err)
	}
	return &sendMessageOutput{
		MessageId:                    results[0].ID.String(),
		MD5OfMessageBody:             attribute.Hex(d.BodyMD5),
		MD5OfMessageAttributes:       d.attributesMD5,
		MD5OfMessageSystemAttributes: d.systemMD5,
		SequenceNumber:               sequence(results[0].Sequence),
	}, nil
}

// sendBatch sends up to ten messages. On a FIFO queue one that is not valid
// refuses them all, lest those behind it overtake it.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
func (s *service) sendBatch(ctx context.Context, c *protocol.Call, in *sendBatchInput) (*sendBatchOutput, error) {
	q, err := s.queue(ctx, c, in.QueueUrl, "sqs:SendMessage")
	if err != nil {
		return nil, err
	}
	if err := batch.Check(legacy, "SendMessageBatchRequestEntry", len(in.Entries), func(i int) string { return in.Entries[i].Id }); err != nil {
		return nil, err
	}
	total := 0
	for i := range in.Entries {
		total += messageSize(&in.Entries[i])
	}
	if total > s.maxBatch {
		return nil, batch.TooLong(legacy, s.maxBatch, total)
	}
	drafts := make([]draft, len(in.Entries))
	results := make([]partition.SendResult, len(in.Entries))
	var refused error
	errs, err := batch.Run(len(in.Entries), func(i int) (partition.Message, error) {
		err := s.compose(c, q, &in.Entries[i], i+1, &drafts[i])
		if q.FIFO && refused == nil {
			refused = err
		}
		return drafts[i].Message, err
	}, func(msgs []partition.Message, at []int) ([]error, error) {
		if refused != nil {
			return nil, nil
		}
		sent, err := s.msgs.Send(ctx, q, msgs)
		for k := range sent {
			results[at[k]] = sent[k]
		}
		return nil, err
	})
	if refused != nil {
		return nil, refused
	}
	if err != nil {
		return nil, failure(c, err)
	}
	out := &sendBatchOutput{}
	for i, err := range errs {
		id, d, r := in.Entries[i].Id, &drafts[i], &results[i]
		if err != nil {
			out.Failed = append(out.Failed, s.entryFailure(c, id, err))
			continue
		}
		out.Successful = append(out.Successful, sendBatchResult{
			Id:                           id,
			MessageId:                    r.ID.String(),
			MD5OfMessageBody:             attribute.Hex(d.BodyMD5),
			MD5OfMessageAttributes:       d.attributesMD5,
			MD5OfMessageSystemAttributes: d.systemMD5,
			SequenceNumber:               sequence(r.Sequence),
		})
	}
	return out, nil
}

// sequence spells a FIFO sequence number in 20 digits, so that the order of the
// texts is that of the numbers. 0 means none.
func sequence(n uint64) string {
	if n == 0 {
		return ""
	}
	var b [20]byte
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return string(b[:])
}
