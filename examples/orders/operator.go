package orders

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Depth is how many messages a step has: Waiting counts those in its queue,
// visible, in flight or delayed; Dead those in its dead-letter queue.
type Depth struct{ Waiting, Dead int }

// Depth asks for the depth of a step's queues.
func (s *Shop) Depth(ctx context.Context, step string) (Depth, error) {
	q := s.Queues[step]
	waiting, err := count(ctx, s.Client, q.URL)
	if err != nil {
		return Depth{}, err
	}
	dead, err := count(ctx, s.Client, q.DeadURL)
	return Depth{waiting, dead}, err
}

// count is how many messages a queue has: visible, in flight or delayed.
func count(ctx context.Context, client *sqs.Client, url string) (total int, err error) {
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(url),
		AttributeNames: []types.QueueAttributeName{
			types.QueueAttributeNameApproximateNumberOfMessages,
			types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
			types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
		},
	})
	if err != nil {
		return 0, fmt.Errorf("asking for the depth of a queue: %w", err)
	}
	for name, value := range out.Attributes {
		n, err := strconv.Atoi(value)
		if err != nil {
			return 0, fmt.Errorf("attribute %s is not a number: %q", name, value)
		}
		total += n
	}
	return total, nil
}

// Repair is what the operator does after reading the dead-letter queues: the
// missing product comes into the catalogue, the currency is switched on, and a
// repaired worker is deployed that refuses malformed orders instead of failing
// on them.
func (s *Shop) Repair() {
	s.Warehouse.Add(Product{SKU: "MUG-GREEN", Name: "Stoneware mug, green", Price: 1600, Stock: 1_000_000})
	s.Payments.SwitchOn("ISK")
	s.refuseMalformed.Store(true)
}

// ErrMove says that a move task did not complete.
var ErrMove = errors.New("the redrive did not complete")

// Redrive moves everything in a step's dead-letter queue back to the step's
// queue and waits until that is done.
func (s *Shop) Redrive(ctx context.Context, step string) error {
	arn := aws.String(s.Queues[step].DeadARN)
	if _, err := s.Client.StartMessageMoveTask(ctx, &sqs.StartMessageMoveTaskInput{SourceArn: arn}); err != nil {
		return fmt.Errorf("starting the redrive of %s: %w", step, err)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		out, err := s.Client.ListMessageMoveTasks(ctx, &sqs.ListMessageMoveTasksInput{SourceArn: arn, MaxResults: aws.Int32(1)})
		if err != nil {
			return fmt.Errorf("asking for the redrive of %s: %w", step, err)
		}
		if len(out.Results) > 0 {
			switch r := out.Results[0]; aws.ToString(r.Status) {
			case "COMPLETED":
				return nil
			case "FAILED", "CANCELLED":
				return fmt.Errorf("%w: %s %s", ErrMove, aws.ToString(r.Status), aws.ToString(r.FailureReason))
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
