package orders

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	pollWait  = 5 * time.Second        // how long a receive waits for messages
	downPause = 200 * time.Millisecond // before asking again when the service does not answer
)

// Work runs n workers for each step until ctx ends.
func (s *Shop) Work(ctx context.Context, n int) {
	handlers := map[string]func(context.Context, Task) error{
		SetAsideStock:    s.setAsideStock,
		AuthorizePayment: s.authorizePayment,
	}
	var wg sync.WaitGroup
	for step, handle := range handlers {
		for range n {
			wg.Go(func() { s.worker(ctx, step, handle) })
		}
	}
	wg.Wait()
}

// worker receives messages, handles them, and deletes those that were handled.
// The rest is left alone: SQS hands it out again after the visibility timeout,
// and moves it to the dead-letter queue when that has happened too often.
func (s *Shop) worker(ctx context.Context, step string, handle func(context.Context, Task) error) {
	url := aws.String(s.Queues[step].URL)
	for ctx.Err() == nil {
		out, err := s.Client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl:            url,
			MaxNumberOfMessages: 10,
			WaitTimeSeconds:     int32(pollWait / time.Second),
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{
				types.MessageSystemAttributeNameApproximateReceiveCount,
			},
		})
		if err != nil {
			select { // the service is away; nothing is lost, ask again
			case <-time.After(downPause):
			case <-ctx.Done():
			}
			continue
		}
		for _, m := range out.Messages {
			s.one(ctx, step, url, m, handle)
		}
	}
}

func (s *Shop) one(ctx context.Context, step string, url *string, m types.Message, handle func(context.Context, Task) error) {
	var task Task
	err := json.Unmarshal([]byte(aws.ToString(m.Body)), &task)
	if err == nil {
		err = handle(ctx, task)
	}
	if err == nil {
		if _, err = s.Client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle}); err != nil {
			err = fmt.Errorf("deleting a handled message: %w", err) // it will come again, and that is fine
		}
	}
	if s.Observe != nil && ctx.Err() == nil {
		attempt, _ := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
		s.Observe(Event{Step: step, Order: task.Order.ID, Attempt: attempt, Since: time.Since(task.Sent), Err: err})
	}
}
