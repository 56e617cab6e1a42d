package cluster

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/waystation/waystation/test/harness"
)

// answerWithin bounds how long a client has to wait for an error when the log
// does not answer; SDKs give up themselves after 60 s.
const answerWithin = 45 * time.Second

// wantBusy checks for the error of a service that is not available for now.
func wantBusy(t *testing.T, err error) {
	t.Helper()
	var resp *smithyhttp.ResponseError
	if !errors.As(err, &resp) || resp.HTTPStatusCode() != http.StatusServiceUnavailable {
		t.Errorf("error = %v, want status 503", err)
	}
}

// The log itself goes away and comes back: meanwhile requests are refused with
// an error that SDKs retry, afterwards service resumes by itself and what was
// acknowledged is there.
func TestLogOutage(t *testing.T) {
	t.Parallel()
	p := startPair(t, 2)
	ctx := bound(t, 2*time.Minute)
	url := queue(t, p.client("a"), "outage", map[string]string{"VisibilityTimeout": "600"})
	for i := range 20 {
		if err := send(ctx, p.client("a"), url, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	p.nats.Kill()
	var asked sync.WaitGroup
	for name := range p.nodes {
		asked.Go(func() {
			start := time.Now()
			wantBusy(t, send(bound(t, answerWithin), p.client(name), url, "unknown"))
			t.Logf("a send through %s without a log was answered after %v", name, time.Since(start))
		})
	}
	asked.Wait()
	if err := p.nats.Again(); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	for name := range p.nodes {
		resumed := bound(t, 30*time.Second)
		if !harness.Poll(resumed, 50*time.Millisecond, func() bool { return send(resumed, p.client(name), url, "after") == nil }) {
			t.Fatalf("no service through %s %v after the log came back:\n%s", name, time.Since(back), p.nodes[name].Output())
		}
		t.Logf("service through %s resumed %v after the log came back", name, time.Since(back))
	}
	seen := map[string]bool{}
	for len(seen) < 21 && ctx.Err() == nil {
		out, err := p.client("b").ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1})
		if err != nil {
			wantBusy(t, err) // a partition may change hands after all that
			pause(ctx, 50*time.Millisecond)
			continue
		}
		for _, m := range out.Messages {
			if *m.Body != "unknown" {
				seen[*m.Body] = true
			}
		}
	}
	if len(seen) != 21 {
		t.Errorf("%d different messages after the outage, want the 20 acknowledged and one of after", len(seen))
	}
}
