package cluster

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Every operation works through either node, whoever owns the queue.
func TestEitherNode(t *testing.T) {
	t.Parallel()
	p := startPair(t, 4)
	ctx := bound(t, time.Minute)
	for i := range 8 {
		name := fmt.Sprint("either-", i)
		here, there := p.client("a"), p.client("b")
		if i%2 == 1 {
			here, there = there, here
		}
		url := queue(t, here, name, map[string]string{"VisibilityTimeout": "600"})
		// What one node has created, the other knows: at once, or after a moment
		// in which the definition travels.
		var err error
		for range 50 {
			if err = send(ctx, there, url, "m"); err == nil {
				break
			}
			var absent *types.QueueDoesNotExist
			if !errors.As(err, &absent) {
				break
			}
			pause(ctx, 20*time.Millisecond)
		}
		if err != nil {
			t.Fatalf("%s: send through the other node: %v", name, err)
		}
		got, err := here.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url})
		if err != nil || len(got.Messages) != 1 {
			t.Fatalf("%s: receive = %+v, %v", name, got, err)
		}
		handle := got.Messages[0].ReceiptHandle
		if _, err := there.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: handle, VisibilityTimeout: 60}); err != nil {
			t.Errorf("%s: change visibility: %v", name, err)
		}
		for _, c := range []*sqs.Client{here, there} {
			a, err := c.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"All"}})
			if err != nil || a.Attributes["ApproximateNumberOfMessagesNotVisible"] != "1" {
				t.Errorf("%s: attributes = %v, %v", name, a, err)
			}
		}
		if _, err := there.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: handle}); err != nil {
			t.Errorf("%s: delete: %v", name, err)
		}
		// A long poll through one node wakes on a send through the other.
		woke := make(chan error, 1)
		go func() {
			out, err := here.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
			if err == nil && len(out.Messages) != 1 {
				err = fmt.Errorf("%d messages", len(out.Messages))
			}
			woke <- err
		}()
		start := time.Now()
		if err := send(ctx, there, url, "wake up"); err != nil {
			t.Fatal(err)
		}
		if err := <-woke; err != nil || time.Since(start) > 15*time.Second { // it would end after 20
			t.Errorf("%s: the poll ended with %v after %v", name, err, time.Since(start))
		}
	}
}

// Two nodes that create the same queue at once agree on one.
func TestCreateAtOnce(t *testing.T) {
	t.Parallel()
	p := startPair(t, 2)
	ctx := bound(t, time.Minute)
	clients := map[string]*sqs.Client{"a": p.client("a"), "b": p.client("b")}
	for i := range 20 {
		name := fmt.Sprint("at-once-", i)
		same := i%2 == 0
		errs := map[string]error{}
		var mu sync.Mutex
		var both sync.WaitGroup
		for node, c := range clients {
			delay := "7"
			if !same && node == "b" {
				delay = "8"
			}
			both.Go(func() {
				_, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{"DelaySeconds": delay}})
				mu.Lock()
				errs[node] = err
				mu.Unlock()
			})
		}
		both.Wait()
		refused := 0
		for node, err := range errs {
			var exists *types.QueueNameExists
			switch {
			case err == nil:
			case errors.As(err, &exists):
				refused++
			default:
				t.Errorf("%s through %s: %v", name, node, err)
			}
		}
		if want := map[bool]int{true: 0, false: 1}[same]; refused != want {
			t.Errorf("%s: %d of two were refused, want %d (%v)", name, refused, want, errs)
		}
		seen := map[string]bool{}
		for node, c := range clients {
			out, err := c.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
			if err != nil {
				t.Errorf("%s through %s: %v", name, node, err)
				continue
			}
			a, err := c.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: out.QueueUrl, AttributeNames: []types.QueueAttributeName{"All"}})
			if err != nil {
				t.Errorf("%s through %s: %v", name, node, err)
				continue
			}
			seen[a.Attributes["DelaySeconds"]+" "+a.Attributes["CreatedTimestamp"]] = true
			if !same && errs[node] == nil && a.Attributes["DelaySeconds"] != map[string]string{"a": "7", "b": "8"}[node] {
				t.Errorf("%s: %s created it, and has DelaySeconds = %s", name, node, a.Attributes["DelaySeconds"])
			}
		}
		if len(seen) != 1 {
			t.Errorf("%s: the nodes see different queues: %v", name, seen)
		}
	}
}
