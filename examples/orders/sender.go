package orders

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// Sender tells customers of their payments, one way or another: a worker with a queue
// that is subscribed to the topic. It is safe for concurrent use.
type Sender struct {
	Name   string
	only   []string  // what it wants to hear of; none: of everything
	since  time.Time // when it had joined
	queues *sqs.Client
	url    string

	mu   sync.Mutex
	told map[string]int // order -> how often
}

func (s *Sender) wants(what string) bool { return len(s.only) == 0 || slices.Contains(s.only, what) }

// Told is how many orders it has told their customers of, and how many of them it was
// asked to tell again: the order's number keeps it from doing so.
func (s *Sender) Told() (orders, again int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.told {
		again += n - 1
	}
	return len(s.told), again
}

// Work receives announcements until ctx ends.
func (s *Sender) Work(ctx context.Context) {
	for ctx.Err() == nil {
		out, err := s.queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &s.url, MaxNumberOfMessages: 10, WaitTimeSeconds: int32(pollWait / time.Second),
		})
		if err != nil {
			select { // the service is away; nothing is lost, ask again
			case <-time.After(downPause):
			case <-ctx.Done():
			}
			continue
		}
		for _, m := range out.Messages {
			var event struct {
				Detail Payment `json:"detail"`
			}
			if err := json.Unmarshal([]byte(aws.ToString(m.Body)), &event); err != nil || event.Detail.Order == "" {
				continue // nothing that we announced: left alone
			}
			s.mu.Lock()
			s.told[event.Detail.Order]++
			s.mu.Unlock()
			// If this fails the message comes again, and the order is known.
			_, _ = s.queues.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &s.url, ReceiptHandle: m.ReceiptHandle})
		}
	}
}
