package waystation_test

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

func get(t *testing.T, url string) string {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 {
		t.Fatalf("%s: %s %s", url, resp.Status, b)
	}
	return string(b)
}

func TestPagesOfARunningServer(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir())
	c := client(t, s)
	if got := get(t, s.URL()+"/healthz"); got != "ok\n" {
		t.Errorf("/healthz: %q", got)
	}
	if got := get(t, s.URL()+"/readyz"); got != "ready\n" {
		t.Errorf("/readyz: %q", got)
	}
	q, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("orders")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: q.QueueUrl, MessageBody: aws.String("x")}); err != nil {
		t.Fatal(err)
	}
	var status struct {
		State      string
		Partitions []struct{ Mine bool }
		Queues     []struct {
			Name    string
			Visible int
		}
		NATS struct{ Embedded, Connected bool }
	}
	if err := json.Unmarshal([]byte(get(t, s.URL()+"/status")), &status); err != nil {
		t.Fatal(err)
	}
	if status.State != "ready" || !status.NATS.Connected || len(status.Partitions) != 1 || !status.Partitions[0].Mine ||
		len(status.Queues) != 1 || status.Queues[0].Name != "orders" || status.Queues[0].Visible != 1 {
		t.Errorf("/status: %+v", status)
	}
	waitFor(t, s, `waystation_queue_messages{account="000000000000",queue="orders",region="us-east-1",state="visible"} 1`)
	waitFor(t, s, `waystation_requests_total{api="sqs",code="OK",operation="SendMessage"} 1`)
}
