package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/waystation/waystation/test/harness"
)

// TestDamagedPartition damages the log of one of two partitions: the other one
// goes on with all that it has, and the server says what is wrong. The file put
// back and a new start bring all of it back.
func TestDamagedPartition(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{Args: []string{"--partitions", "2"}, Ready: 20 * time.Second})
	c := harness.SQS(s.URL())
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	urls := map[int]string{} // by partition
	for i := range 8 {
		name := fmt.Sprintf("q%d", i)
		out, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{"VisibilityTimeout": "0"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range status(t, ctx, s).Queues {
			if _, ok := urls[q.Partition]; !ok && q.Name == name {
				urls[q.Partition] = *out.QueueUrl
			}
		}
		for n := range 20 {
			body := fmt.Sprintf("%s message %03d", name, n)
			if _, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: out.QueueUrl, MessageBody: &body}); err != nil {
				t.Fatal(err)
			}
		}
		for _, q := range status(t, ctx, s).Queues { // a queue may be shown once it was used
			if _, ok := urls[q.Partition]; !ok && q.Name == name {
				urls[q.Partition] = *out.QueueUrl
			}
		}
	}
	if len(urls) != 2 {
		t.Fatalf("queues stand on %d partitions, want 2", len(urls))
	}
	s.Kill()
	blocks, err := filepath.Glob(filepath.Join(s.Data(), "*", "*", "*", "*", "ws_journal_1", "msgs", "*.blk"))
	if more, err2 := filepath.Glob(filepath.Join(s.Data(), "*", "*", "*", "ws_journal_1", "msgs", "*.blk")); err == nil {
		blocks, err = append(blocks, more...), err2
	}
	if err != nil || len(blocks) != 1 {
		t.Fatalf("blocks of partition 1: %v, %v", blocks, err)
	}
	whole, err := os.ReadFile(blocks[0])
	if err != nil {
		t.Fatal(err)
	}
	torn := bytes.Clone(whole)
	torn[bytes.Index(torn, []byte("message 003"))+9] ^= 0x20
	if err := os.WriteFile(blocks[0], torn, 0o600); err != nil {
		t.Fatal(err)
	}

	// One that is served is enough to be ready.
	if err := s.Again(); err != nil {
		t.Fatalf("one damaged partition of two: %v", err)
	}
	// The other is looked at side by side: that it is damaged may be told a moment later.
	told := func() bool {
		said := s.Output()
		return strings.Contains(said, "a partition cannot be loaded and stops, others go on") && strings.Contains(said, nextStep)
	}
	if !harness.Poll(ctx, 50*time.Millisecond, told) {
		t.Fatalf("the log does not say that a partition is damaged and what to do:\n%s", s.Output())
	}
	partitions := status(t, ctx, s).Partitions
	known := func() bool {
		partitions = status(t, ctx, s).Partitions
		return len(partitions) == 2 && partitions[0].State == "ready" && partitions[1].State == "damaged"
	}
	if !harness.Poll(ctx, 50*time.Millisecond, known) {
		t.Fatalf("the partitions are %+v", partitions)
	}
	if d := partitions[0].Damage; d != "" {
		t.Errorf("the whole partition is damaged, it says: %s", d)
	}
	if d := partitions[1].Damage; !strings.Contains(d, nextStep) {
		t.Errorf("the status does not say what to do: %s", d)
	}
	receive := func(partition int) (int, error) {
		// No retries: what is asked is what the server says.
		got, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: aws.String(urls[partition]), MaxNumberOfMessages: 10},
			func(o *sqs.Options) { o.RetryMaxAttempts = 1 })
		if err != nil {
			return 0, err
		}
		return len(got.Messages), nil
	}
	if n, err := receive(0); err != nil || n != 10 {
		t.Errorf("the whole partition gives %d messages, %v", n, err)
	}
	if n, err := receive(1); !busy(err) {
		t.Errorf("the damaged partition gives %d messages, %v; want status 503", n, err)
	}

	s.Kill()
	if err := os.WriteFile(blocks[0], whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Again(); err != nil {
		t.Fatal(err)
	}
	for p := range urls {
		if n, err := receive(p); err != nil || n != 10 {
			t.Errorf("after the repair partition %d gives %d messages, %v", p, n, err)
		}
	}
}

// nextStep is what a server says of a damaged partition that is to be done.
const nextStep = "restore the data folder from a backup"

// shown is what the test needs of /status.
type shown struct {
	Partitions []struct {
		Number int    `json:"number"`
		State  string `json:"state"`
		Damage string `json:"damage"`
	} `json:"partitions"`
	Queues []struct {
		Name      string `json:"name"`
		Partition int    `json:"partition"`
	} `json:"queues"`
}

func status(t *testing.T, ctx context.Context, s *harness.Server) (out shown) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+"/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := harness.HTTP().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// busy reports whether an answer was 503.
func busy(err error) bool {
	var resp *smithyhttp.ResponseError
	return errors.As(err, &resp) && resp.HTTPStatusCode() == http.StatusServiceUnavailable
}
