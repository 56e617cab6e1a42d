package crash

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/waystation/waystation/test/harness"
)

const (
	diskSize = 192 << 20
	fillSize = 512 << 10
)

// smallDisk mounts a file system of diskSize.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", diskSize)); err != nil {
		why := fmt.Sprintf("a small file system cannot be mounted here (%v); this test needs root", err)
		if os.Getenv("CI") != "" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestDiskFull: near the end of the disk sends are refused with an error that
// SDKs retry, receives and deletes go on, and once space is free sends work
// again without anybody's help. The same with a kill while the disk is full.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t)
	s := harness.Start(t, harness.Options{Data: disk + "/data"})
	c := harness.SQS(s.URL())
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	out, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("full"), Attributes: map[string]string{"VisibilityTimeout": "600"}})
	if err != nil {
		t.Fatal(err)
	}
	url := *out.QueueUrl
	send := func(i int) error {
		body := fmt.Sprintf("%06d%s", i, strings.Repeat("x", fillSize))
		_, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
		return err
	}
	next := 0
	for _, kill := range []bool{false, true} {
		stored := map[string]bool{}
		for {
			err := send(next)
			if err != nil {
				wantBusy(t, err)
				break
			}
			stored[fmt.Sprintf("%06d", next)] = true
			next++
			if len(stored) > diskSize/fillSize {
				t.Fatal("more was acknowledged than the disk can hold")
			}
		}
		t.Logf("full after %d messages of %d KiB on a disk of %d MiB", len(stored), fillSize>>10, diskSize>>20)
		if len(stored) < diskSize/fillSize/8 {
			t.Errorf("full after %d messages: most of the disk was not used", len(stored))
		}
		for range 5 {
			wantBusy(t, send(next))
		}
		if kill {
			s.Kill()
			if err := s.Again(); err != nil {
				t.Fatal(err)
			}
		}
		// Draining works, one message after the other.
		for len(stored) > 0 {
			got, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1})
			if err != nil {
				t.Fatalf("a receive while the disk is full, %d messages left: %v", len(stored), err)
			}
			if len(got.Messages) == 0 {
				t.Fatalf("%d acknowledged messages are not delivered", len(stored))
			}
			for _, m := range got.Messages {
				id := (*m.Body)[:6]
				if !stored[id] || len(*m.Body) != fillSize+6 {
					t.Errorf("message %s of %d bytes was not stored or was delivered before", id, len(*m.Body))
				}
				delete(stored, id)
				if _, err := c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
					t.Fatalf("a delete while the disk is full, %d messages left: %v", len(stored), err)
				}
			}
		}
		start := time.Now()
		resumed, stop := context.WithTimeout(ctx, 20*time.Second)
		last := error(nil)
		ok := harness.Poll(resumed, 100*time.Millisecond, func() bool {
			if last = send(next); last == nil {
				return true
			}
			wantBusy(t, last)
			return false
		})
		stop()
		if !ok {
			t.Fatalf("sends are still refused %v after the queue was drained: %v", time.Since(start), last)
		}
		t.Logf("sends resumed after %v", time.Since(start))
		if _, err := c.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: &url}); err != nil && !kill {
			t.Fatal(err)
		}
	}
}

// wantBusy checks for the one error that a full disk may cause: 503.
func wantBusy(t *testing.T, err error) {
	t.Helper()
	var resp *smithyhttp.ResponseError
	if !errors.As(err, &resp) || resp.HTTPStatusCode() != http.StatusServiceUnavailable {
		t.Fatalf("a send to a full disk: %v, want status 503", err)
	}
}
