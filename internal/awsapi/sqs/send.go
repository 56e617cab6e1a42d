package sqs

import (
	"context"

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
		MD5OfMessageBody:             digest(d.BodyMD5),
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
	if err := checkEntries(len(in.Entries), "SendMessageBatchRequestEntry", func(i int) string { return in.Entries[i].Id }); err != nil {
		return nil, err
	}
	total := 0
	for i := range in.Entries {
		total += messageSize(&in.Entries[i])
	}
	if total > s.maxBatch {
		return nil, batchTooLong(s.maxBatch, total)
	}
	drafts := make([]draft, len(in.Entries))
	errs := make([]error, len(in.Entries))
	msgs := make([]partition.Message, 0, len(in.Entries))
	for i := range in.Entries {
		if errs[i] = s.compose(c, q, &in.Entries[i], i+1, &drafts[i]); errs[i] == nil {
			msgs = append(msgs, drafts[i].Message)
		} else if q.FIFO {
			return nil, errs[i]
		}
	}
	var results []partition.SendResult
	if len(msgs) > 0 {
		if results, err = s.msgs.Send(ctx, q, msgs); err != nil {
			return nil, failure(c, err)
		}
	}
	out := &sendBatchOutput{}
	next := 0
	for i := range in.Entries {
		id, d := in.Entries[i].Id, &drafts[i]
		var r partition.SendResult
		if errs[i] == nil {
			r = results[next]
			next++
		}
		if errs[i] != nil {
			out.Failed = append(out.Failed, s.entryFailure(c, id, errs[i]))
			continue
		}
		out.Successful = append(out.Successful, sendBatchResult{
			Id:                           id,
			MessageId:                    r.ID.String(),
			MD5OfMessageBody:             digest(d.BodyMD5),
			MD5OfMessageAttributes:       d.attributesMD5,
			MD5OfMessageSystemAttributes: d.systemMD5,
			SequenceNumber:               sequence(r.Sequence),
		})
	}
	return out, nil
}

// checkEntries checks what every batch must fulfil as a whole.
func checkEntries(n int, kind string, id func(int) string) error {
	switch {
	case n == 0:
		return emptyBatch(kind)
	case n > maxEntries:
		return tooManyEntries(n)
	}
	for i := range n {
		if !isToken(id(i)) {
			return errEntryID
		}
		for j := range i {
			if id(j) == id(i) {
				return repeatedID(id(i))
			}
		}
	}
	return nil
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
