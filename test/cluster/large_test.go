package cluster

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// largeBody is a message of 1 MB with its number in front: an answer between
// nodes holds no ten of them.
func largeBody(i int) string { return fmt.Sprintf("%02d%s", i, strings.Repeat("x", 1_000_000-2)) }

// Ten messages of 1 MB through the node that does not own them do not fit one
// answer. What does not fit is left for the next receive: neither hidden nor
// counted.
func TestLargeMessagesThroughTheOtherNode(t *testing.T) {
	t.Parallel()
	p := startPair(t, 1)
	for _, fifo := range []bool{false, true} {
		t.Run(fmt.Sprintf("fifo %v", fifo), func(t *testing.T) {
			ctx := bound(t, time.Minute)
			far := p.client(other(p.owner(0)))
			name, attrs := "large", map[string]string{"VisibilityTimeout": "600"}
			if fifo {
				name, attrs["FifoQueue"] = "large.fifo", "true"
			}
			url := queue(t, far, name, attrs)
			for i := range 10 {
				in := &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(largeBody(i))}
				if fifo {
					in.MessageGroupId, in.MessageDeduplicationId = aws.String(fmt.Sprint("g", i)), aws.String(fmt.Sprint(i))
				}
				if _, err := far.SendMessage(ctx, in); err != nil {
					t.Fatal(err)
				}
			}
			for round := 1; round <= 2; round++ {
				handles := takeLarge(t, ctx, far, url, round)
				for _, h := range handles {
					in := &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: h}
					if _, err := far.ChangeMessageVisibility(ctx, in); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

// takeLarge receives all ten and checks after each receive that just what was
// delivered is in flight.
func takeLarge(t *testing.T, ctx context.Context, c *sqs.Client, url string, round int) (handles []*string) {
	t.Helper()
	seen := map[string]bool{}
	for receives := 1; len(seen) < 10; receives++ {
		if receives > 3 {
			t.Fatalf("round %d: only %d of ten messages came within three receives", round, len(seen))
		}
		got, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1,
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{"ApproximateReceiveCount"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range got.Messages {
			id := (*m.Body)[:2]
			if n := m.Attributes["ApproximateReceiveCount"]; seen[id] || n != fmt.Sprint(round) || len(*m.Body) != 1_000_000 {
				t.Errorf("round %d: message %s of %d bytes came with receive count %s, before: %v", round, id, len(*m.Body), n, seen[id])
			}
			seen[id] = true
			handles = append(handles, m.ReceiptHandle)
		}
		a, err := c.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"All"}})
		if err != nil {
			t.Fatal(err)
		}
		visible, hidden := a.Attributes["ApproximateNumberOfMessages"], a.Attributes["ApproximateNumberOfMessagesNotVisible"]
		if visible != fmt.Sprint(10-len(seen)) || hidden != fmt.Sprint(len(seen)) {
			t.Errorf("round %d: %d messages were delivered, %s are visible and %s in flight", round, len(seen), visible, hidden)
		}
		t.Logf("round %d: receive %d gave %d messages", round, receives, len(got.Messages))
	}
	return handles
}
