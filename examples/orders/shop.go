package orders

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Names of the steps; the queues are named after them.
const (
	SetAsideStock    = "set-aside-stock"
	AuthorizePayment = "authorize-payment"
)

// Steps lists the steps in order.
var Steps = []string{SetAsideStock, AuthorizePayment}

const (
	// VisibilityTimeout is how long a message stays hidden from other workers
	// after a receive: a worker that fails or dies is given this long, then the
	// message comes back by itself.
	VisibilityTimeout = 2 * time.Second
	// MaxReceives is how often a message is handed out before it goes to the
	// dead-letter queue.
	MaxReceives = 3
)

// Task is the message of both queues.
type Task struct {
	Order  Order     `json:"order"`
	Amount int       `json:"amount,omitempty"` // cents, once the stock is set aside
	Sent   time.Time `json:"sent"`
}

// Queue is a step's queue with its dead-letter queue.
type Queue struct {
	Name    string
	URL     string
	DeadURL string
	DeadARN string
}

// Shop ties queues, warehouse and payments together.
type Shop struct {
	Client    *sqs.Client
	Warehouse *Warehouse
	Payments  *Payments
	Book      *Book
	Queues    map[string]Queue // by step; set by Open
	// News, if set, is told of every payment.
	News *News
	// Observe, if set, is told what happens to each message. It is called from
	// the workers' goroutines.
	Observe func(Event)

	refuseMalformed atomic.Bool // the operator has deployed the repaired worker
	died            sync.Map    // orders whose payment worker has died once
}

// Event is one attempt at one step.
type Event struct {
	Step    string
	Order   string
	Attempt int           // 1 is the first delivery
	Since   time.Duration // from the send of the message until now
	Err     error         // nil: done, the message was deleted
}

// NewShop opens a shop with the given catalogue. Call Open before anything else.
func NewShop(client *sqs.Client, catalogue []Product) *Shop {
	return &Shop{
		Client: client, Warehouse: NewWarehouse(catalogue), Payments: NewPayments(), Book: NewBook(),
		Queues: map[string]Queue{},
	}
}

// Open makes the queues: one a step, each with a dead-letter queue that takes
// what was received MaxReceives times without success. Making a queue that is
// there already changes nothing. prefix goes before the names.
func (s *Shop) Open(ctx context.Context, prefix string) error {
	for _, step := range Steps {
		q := Queue{Name: prefix + step}
		dead, err := s.Client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(q.Name + "-dlq")})
		if err != nil {
			return fmt.Errorf("creating the dead-letter queue of %s: %w", step, err)
		}
		q.DeadURL = *dead.QueueUrl
		attributes, err := s.Client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
			QueueUrl: dead.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
		})
		if err != nil {
			return fmt.Errorf("asking for the ARN of a dead-letter queue: %w", err)
		}
		q.DeadARN = attributes.Attributes[string(types.QueueAttributeNameQueueArn)]
		redrive, err := json.Marshal(map[string]any{"deadLetterTargetArn": q.DeadARN, "maxReceiveCount": MaxReceives})
		if err != nil {
			return err
		}
		queue, err := s.Client.CreateQueue(ctx, &sqs.CreateQueueInput{
			QueueName: aws.String(q.Name),
			Attributes: map[string]string{
				"VisibilityTimeout": strconv.Itoa(int(VisibilityTimeout / time.Second)),
				"RedrivePolicy":     string(redrive),
			},
		})
		if err != nil {
			return fmt.Errorf("creating queue %s: %w", q.Name, err)
		}
		q.URL = *queue.QueueUrl
		s.Queues[step] = q
	}
	return nil
}

// Close deletes the queues.
func (s *Shop) Close(ctx context.Context) error {
	var errs []error
	for _, q := range s.Queues {
		for _, url := range []string{q.URL, q.DeadURL} {
			if _, err := s.Client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: aws.String(url)}); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// Submit enters up to ten orders into the book and sends them to the first
// queue in one batch. When it returns nil they are safe.
func (s *Shop) Submit(ctx context.Context, list []Order) error {
	var entries []types.SendMessageBatchRequestEntry
	for i, o := range list {
		s.Book.Submit(o.ID)
		body, err := json.Marshal(Task{Order: o, Sent: time.Now()})
		if err != nil {
			return err
		}
		entries = append(entries, types.SendMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(string(body)),
		})
	}
	out, err := s.Client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{
		QueueUrl: aws.String(s.Queues[SetAsideStock].URL), Entries: entries,
	})
	if err != nil {
		return fmt.Errorf("submitting %d orders: %w", len(list), err)
	}
	if len(out.Failed) > 0 {
		return fmt.Errorf("%d of %d orders were not taken: %s", len(out.Failed), len(list), aws.ToString(out.Failed[0].Message))
	}
	return nil
}

// send passes a task on to the next step.
func (s *Shop) send(ctx context.Context, step string, t Task) error {
	t.Sent = time.Now()
	body, err := json.Marshal(t)
	if err != nil {
		return err
	}
	_, err = s.Client.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: aws.String(s.Queues[step].URL), MessageBody: aws.String(string(body)),
	})
	if err != nil {
		return fmt.Errorf("sending to %s: %w", step, err)
	}
	return nil
}
