package crash

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/waystation/waystation/test/harness"
	"github.com/waystation/waystation/test/harness/disk"
)

const (
	diskSize = 192 << 20
	fillSize = 512 << 10
)

// TestDiskFull: near the end of the disk sends are refused with an error that
// SDKs retry, receives and deletes go on, and once space is free sends work
// again without anybody's help. The same with a kill while the disk is full.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := disk.Small(t, diskSize)
	s := harness.Start(t, harness.Options{Data: dir + "/data"})
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

// TestDiskFullOfReceives fills a disk by receives alone, of messages that are
// visible again at once and never deleted. Receives are refused in time; a purge,
// a delete and a start after a kill always work, and make everything work again.
func TestDiskFullOfReceives(t *testing.T) {
	t.Parallel()
	dir := disk.Small(t, diskSize)
	s := harness.Start(t, harness.Options{Data: dir + "/data"})
	c := harness.SQS(s.URL())
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	out, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("receives"), Attributes: map[string]string{"VisibilityTimeout": "0"}})
	if err != nil {
		t.Fatal(err)
	}
	url := *out.QueueUrl
	send := func(size int) error {
		body := strings.Repeat("x", size)
		_, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
		return err
	}
	for {
		if err := send(fillSize); err != nil {
			wantBusy(t, err)
			break
		}
	}
	// Half of the reserve of 32 MiB is for receives. Another program takes most of
	// that, so that it does not take an hour.
	disk.Fill(t, dir, 16<<20+256<<10)
	receipt := ""
	var stop atomic.Bool
	var receives atomic.Int64
	var mu sync.Mutex
	var clients sync.WaitGroup
	receiving, enough := context.WithTimeout(ctx, 30*time.Second)
	defer enough()
	for range 16 {
		clients.Go(func() {
			for receiving.Err() == nil && !stop.Load() {
				got, err := c.ReceiveMessage(receiving, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 1})
				if receiving.Err() != nil {
					return
				}
				if err != nil {
					if !busy(err) {
						t.Errorf("a receive on a full disk: %v, want status 503", err)
					}
					stop.Store(true) // refused: as full as it gets
					return
				}
				receives.Add(1)
				for _, m := range got.Messages {
					mu.Lock()
					receipt = *m.ReceiptHandle
					mu.Unlock()
				}
			}
		})
	}
	clients.Wait()
	t.Logf("%d receives; free are %d KiB", receives.Load(), disk.Left(t, dir)>>10)
	if !stop.Load() {
		t.Error("receives are never refused")
	}
	if left := disk.Left(t, dir); left < 8<<20 {
		t.Errorf("receives filled the disk but for %d KiB", left>>10)
	}
	if _, err := c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: &receipt}); err != nil {
		t.Errorf("a delete on a full disk: %v", err)
	}
	s.Kill()
	if err := s.Again(); err != nil {
		t.Fatalf("a start on a full disk: %v", err)
	}
	if _, err := c.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: &url}); err != nil {
		t.Fatalf("a purge on a full disk: %v", err)
	}
	resumes(t, ctx, func() error { return send(fillSize) })
	resumes(t, ctx, func() error {
		_, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url})
		return err
	})
}

// TestDiskFilledByAnother has another program take all that is left of a disk, and
// give it back: nothing acknowledged is lost, and nobody has to help.
func TestDiskFilledByAnother(t *testing.T) {
	t.Parallel()
	for _, kill := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed %v", kill), func(t *testing.T) {
			t.Parallel()
			dir := disk.Small(t, diskSize)
			s := harness.Start(t, harness.Options{Data: dir + "/data"})
			c := harness.SQS(s.URL())
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
			defer cancel()
			out, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("other"), Attributes: map[string]string{"VisibilityTimeout": "600"}})
			if err != nil {
				t.Fatal(err)
			}
			url := *out.QueueUrl
			send := func(body string) error {
				_, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
				return err
			}
			stored := map[string]bool{}
			for i := range 40 {
				body := fmt.Sprintf("%06d%s", i, strings.Repeat("x", fillSize))
				if err := send(body); err != nil {
					t.Fatal(err)
				}
				stored[body[:6]] = true
			}
			disk.Fill(t, dir, 0)
			until, done := context.WithTimeout(ctx, 20*time.Second)
			full := harness.Poll(until, 50*time.Millisecond, func() bool {
				err := send("more")
				if err == nil {
					stored["more"] = true // it was let in before the disk was seen to be full
				}
				disk.Fill(t, dir, 0)
				return err != nil
			})
			done()
			if !full {
				t.Error("sends to a full disk are not refused")
			}
			if kill {
				s.Kill()
			}
			disk.Free(t, dir)
			disk.Fill(t, dir, 33<<20) // what is left is just more than the reserve
			if kill {
				if err := s.Again(); err != nil {
					t.Fatal(err)
				}
			}
			var got *sqs.ReceiveMessageOutput
			for deadline, left := time.Now().Add(time.Minute), len(stored); left > 0; left = len(stored) {
				resumes(t, ctx, func() (err error) {
					got, err = c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1})
					return err
				})
				for _, m := range got.Messages {
					delete(stored, (*m.Body)[:min(6, len(*m.Body))])
					if _, err := c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
						t.Fatal(err)
					}
				}
				if time.Now().After(deadline) {
					t.Fatalf("%d acknowledged messages are not delivered", left)
				}
			}
			disk.Free(t, dir)
			resumes(t, ctx, func() error { return send("after") })
		})
	}
}

// resumes waits until something works that a full disk refused before.
func resumes(t *testing.T, ctx context.Context, do func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	last := error(nil)
	if !harness.Poll(ctx, 100*time.Millisecond, func() bool {
		last = do()
		if last != nil && ctx.Err() == nil {
			wantBusy(t, last)
		}
		return last == nil
	}) {
		t.Fatalf("it is still refused: %v", last)
	}
}

// wantBusy checks for the one error that a full disk may cause: 503.
func wantBusy(t *testing.T, err error) {
	t.Helper()
	if !busy(err) {
		t.Fatalf("a full disk: %v, want status 503", err)
	}
}
