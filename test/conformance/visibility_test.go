package conformance

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/waystation/waystation/test/harness"
)

func TestVisibilityTimeout(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, attrs{"VisibilityTimeout": "1"})
	send(t, c, url, "m")
	start := time.Now()
	first := one(t, c, url)
	none(t, c, url)
	again := one(t, c, url)
	if took := time.Since(start); took < early || took > late {
		t.Errorf("came back after %v, want a second", took)
	}
	if *again.MessageId != *first.MessageId || again.Attributes["ApproximateReceiveCount"] != "2" {
		t.Errorf("second receive = %v %v", *again.MessageId, again.Attributes)
	}
	if again.Attributes["ApproximateFirstReceiveTimestamp"] != first.Attributes["ApproximateFirstReceiveTimestamp"] {
		t.Error("the first receive's time has changed")
	}
}

func TestReceiveVisibilityZero(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, attrs{"VisibilityTimeout": "0"})
	send(t, c, url, "m")
	for i := range 3 {
		if m := one(t, c, url); m.Attributes["ApproximateReceiveCount"] != fmt.Sprint(i+1) {
			t.Errorf("receive %d: count %s", i+1, m.Attributes["ApproximateReceiveCount"])
		}
	}
	wantCounts(t, c, url, "1", "0", "0")
}

func TestChangeVisibility(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, nil)
	send(t, c, url, "m")
	m := one(t, c, url, hide(1))
	visibility(t, c, url, m, 600)
	none(t, c, url, wait(2)) // past the first timeout
	visibility(t, c, url, m, 0)
	wantCounts(t, c, url, "1", "0", "0")
	m = one(t, c, url, hide(600))
	visibility(t, c, url, m, 1)
	m = one(t, c, url)
	if m.Attributes["ApproximateReceiveCount"] != "3" {
		t.Errorf("receive count = %s, want 3", m.Attributes["ApproximateReceiveCount"])
	}
	for _, v := range []int32{-1, 43201} {
		_, err := c.ChangeMessageVisibility(bound(t), &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: v})
		wantCode(t, err, codeBadValue)
	}
	remove(t, c, url, m)
	_, err := c.ChangeMessageVisibility(bound(t), &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 5})
	wantCode(t, err, codeBadValue, codeNotInFlight)
}

// The twelve hours count from the receive, not from the change.
func TestVisibilityTotal(t *testing.T) {
	t.Parallel()
	c := client(t)
	url, idle := queue(t, c, nil), queue(t, c, nil)
	send(t, c, url, "m")
	m := one(t, c, url, hide(43200))
	none(t, c, idle, wait(1)) // a second passes
	_, err := c.ChangeMessageVisibility(bound(t), &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 43200})
	wantCode(t, err, codeBadValue)
	visibility(t, c, url, m, 43100)
}

// A heartbeat that comes too late is no error, and does not hide the message from
// others again, nor show what another receive has hidden: the handle's time is over,
// or a later receive has replaced it.
func TestChangeVisibilityTooLate(t *testing.T) {
	t.Parallel()
	c := client(t)
	url, idle := queue(t, c, nil), queue(t, c, nil)
	send(t, c, url, "m")
	m := one(t, c, url, hide(1))
	none(t, c, idle, wait(2))
	wantCounts(t, c, url, "1", "0", "0")
	_, err := c.ChangeMessageVisibility(bound(t), &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 600})
	if err != nil {
		t.Errorf("after the timeout: %v", err)
	}
	wantCounts(t, c, url, "1", "0", "0")
	later := one(t, c, url, hide(600))
	if _, err := c.ChangeMessageVisibility(bound(t), &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 0}); err != nil {
		t.Errorf("with the handle of an earlier receive: %v", err)
	}
	wantCounts(t, c, url, "0", "1", "0")
	remove(t, c, url, later)
	out, err := c.ChangeMessageVisibilityBatch(bound(t), &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
		{Id: aws.String("a"), ReceiptHandle: later.ReceiptHandle, VisibilityTimeout: 5},
	}})
	if err != nil || len(out.Failed) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	if f := out.Failed[0]; *f.Code != codeBadReceipt || *f.Message != "Message does not exist or is not available for visibility timeout change" || !f.SenderFault {
		t.Errorf("of a deleted message: %s %q", *f.Code, *f.Message)
	}
}

// 120,000 messages of a standard queue may be in flight; then receives are
// refused until some are deleted. A FIFO queue answers empty instead.
func TestInFlightLimit(t *testing.T) {
	t.Parallel()
	const limit, workers = 120_000, 8
	c := client(t)
	url := queue(t, c, attrs{"VisibilityTimeout": "43200"})
	ctx := bound(t, 3*time.Minute)
	var entries strings.Builder
	for i := range 10 {
		fmt.Fprintf(&entries, `,{"Id":"%d","MessageBody":"x"}`, i)
	}
	sendTen := fmt.Sprintf(`{"QueueUrl":%q,"Entries":[%s]}`, url, entries.String()[1:])
	receiveTen := fmt.Sprintf(`{"QueueUrl":%q,"MaxNumberOfMessages":10}`, url)
	var left atomic.Int64
	left.Store(limit / 10)
	var work sync.WaitGroup
	for range workers {
		work.Go(func() {
			hc := harness.HTTP()
			for left.Add(-1) >= 0 {
				for op, body := range map[string]string{"SendMessageBatch": sendTen, "ReceiveMessage": receiveTen} {
					if err := post(ctx, hc, endpoint(t), op, body); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	work.Wait()
	// Receives may have overtaken sends: take what is left.
	for {
		out, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
		if err != nil {
			wantError[*types.OverLimit](t, err, codeOverLimit, "AWS.SimpleQueueService.OverLimit")
			break
		}
		if len(out.Messages) == 0 {
			break
		}
	}
	wantCounts(t, c, url, "0", fmt.Sprint(limit), "0")
	send(t, c, url, "one more")
	_, err := c.ReceiveMessage(bound(t), &sqs.ReceiveMessageInput{QueueUrl: &url})
	wantError[*types.OverLimit](t, err, codeOverLimit, "AWS.SimpleQueueService.OverLimit")
	// A long poll is not told: it waits for room.
	out, err := c.ReceiveMessage(bound(t), &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 1})
	if err != nil || len(out.Messages) != 0 {
		t.Errorf("a long poll at the limit: %v, %v; wanted nothing and no error", out, err)
	}
	if _, err := c.PurgeQueue(bound(t), &sqs.PurgeQueueInput{QueueUrl: &url}); err != nil {
		t.Fatal(err)
	}
	send(t, c, url, "after")
	one(t, c, url)
}

// post sends one request of the JSON protocol and reads the answer away.
func post(ctx context.Context, hc *http.Client, base, op, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "AmazonSQS."+op)
	resp, err := hc.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s %s", op, resp.Status, said)
	}
	return nil
}
