package conformance

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/waystation/waystation/test/harness"
)

func TestMain(m *testing.M) {
	code := harness.Main(m)
	for _, dir := range []string{sharedData, guardedData} {
		if dir != "" {
			_ = os.RemoveAll(dir)
		}
	}
	os.Exit(code)
}

// otherHost is a name by which the shared server may be addressed, too.
const otherHost = "queues.example.org"

// The account of keys that name none.
const account = "000000000000"

var (
	sharedData string
	shared     = sync.OnceValues(func() (string, error) {
		if url := os.Getenv("WAYSTATION_ENDPOINT"); url != "" {
			return strings.TrimSuffix(url, "/"), nil
		}
		dir, err := os.MkdirTemp("", "waystation-conformance-")
		if err != nil {
			return "", err
		}
		sharedData = dir
		s, err := harness.Launch(harness.Options{Data: dir, Args: []string{"--open-hosts", otherHost}})
		if err != nil {
			return "", err
		}
		sharedServer = s
		return s.URL(), nil
	})
	sharedServer *harness.Server
)

// endpoint is the shared server's URL.
func endpoint(t testing.TB) string {
	t.Helper()
	url, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// client is an SDK client of the shared server.
func client(t testing.TB, opts ...harness.Client) *sqs.Client {
	t.Helper()
	return harness.SQS(endpoint(t), opts...)
}

// bound is the test's context: a minute, unless the test asks for more.
func bound(t testing.TB, d ...time.Duration) context.Context {
	t.Helper()
	limit := time.Minute
	if len(d) > 0 {
		limit = d[0]
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

var names atomic.Int64

// name is a queue name that no other test uses.
func name(t testing.TB, suffix string) string {
	t.Helper()
	h := fnv.New32a()
	_, _ = h.Write([]byte(t.Name()))
	return fmt.Sprintf("q-%08x-%d-%d%s", h.Sum32(), os.Getpid(), names.Add(1), suffix)
}

type attrs = map[string]string

// queue creates a queue; FifoQueue=true gives it a name that fits.
func queue(t testing.TB, c *sqs.Client, a attrs) string {
	t.Helper()
	suffix := ""
	if a["FifoQueue"] == "true" {
		suffix = ".fifo"
	}
	out, err := c.CreateQueue(bound(t), &sqs.CreateQueueInput{QueueName: aws.String(name(t, suffix)), Attributes: a})
	if err != nil {
		t.Fatalf("CreateQueue %v: %v", a, err)
	}
	return *out.QueueUrl
}

// arn is the queue's ARN as the server tells it.
func arn(t testing.TB, c *sqs.Client, url string) string {
	t.Helper()
	return attributes(t, c, url, types.QueueAttributeNameQueueArn)["QueueArn"]
}

func attributes(t testing.TB, c *sqs.Client, url string, want ...types.QueueAttributeName) attrs {
	t.Helper()
	out, err := c.GetQueueAttributes(bound(t), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: want})
	if err != nil {
		t.Fatalf("GetQueueAttributes: %v", err)
	}
	return out.Attributes
}

// counts are visible, in flight, delayed.
func counts(t testing.TB, c *sqs.Client, url string) [3]string {
	t.Helper()
	a := attributes(t, c, url, "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")
	return [3]string{a["ApproximateNumberOfMessages"], a["ApproximateNumberOfMessagesNotVisible"], a["ApproximateNumberOfMessagesDelayed"]}
}

func wantCounts(t testing.TB, c *sqs.Client, url, visible, inFlight, delayed string) {
	t.Helper()
	if got, want := counts(t, c, url), [3]string{visible, inFlight, delayed}; got != want {
		t.Errorf("visible, in flight, delayed = %v, want %v", got, want)
	}
}

// send sends one body and returns the answer.
func send(t testing.TB, c *sqs.Client, url, body string, opts ...func(*sqs.SendMessageInput)) *sqs.SendMessageOutput {
	t.Helper()
	in := &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}
	for _, f := range opts {
		f(in)
	}
	out, err := c.SendMessage(bound(t), in)
	if err != nil {
		t.Fatalf("SendMessage: %v", err)
	}
	return out
}

// group and dedup set FIFO ids.
func group(g string) func(*sqs.SendMessageInput) {
	return func(in *sqs.SendMessageInput) { in.MessageGroupId = &g }
}

func dedup(id string) func(*sqs.SendMessageInput) {
	return func(in *sqs.SendMessageInput) { in.MessageDeduplicationId = &id }
}

func delay(seconds int32) func(*sqs.SendMessageInput) {
	return func(in *sqs.SendMessageInput) { in.DelaySeconds = seconds }
}

type receiveOption = func(*sqs.ReceiveMessageInput)

func upTo(n int32) receiveOption {
	return func(in *sqs.ReceiveMessageInput) { in.MaxNumberOfMessages = n }
}
func wait(s int32) receiveOption { return func(in *sqs.ReceiveMessageInput) { in.WaitTimeSeconds = s } }
func hide(s int32) receiveOption {
	return func(in *sqs.ReceiveMessageInput) { in.VisibilityTimeout = s }
}
func attempt(id string) receiveOption {
	return func(in *sqs.ReceiveMessageInput) { in.ReceiveRequestAttemptId = &id }
}

// receive takes messages with all their attributes.
func receive(t testing.TB, c *sqs.Client, url string, opts ...receiveOption) []types.Message {
	t.Helper()
	in := &sqs.ReceiveMessageInput{
		QueueUrl: &url, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
		MessageAttributeNames: []string{"All"},
	}
	for _, f := range opts {
		f(in)
	}
	out, err := c.ReceiveMessage(bound(t), in)
	if err != nil {
		t.Fatalf("ReceiveMessage: %v", err)
	}
	return out.Messages
}

// one receives exactly one message, waiting for it.
func one(t testing.TB, c *sqs.Client, url string, opts ...receiveOption) types.Message {
	t.Helper()
	got := receive(t, c, url, append([]receiveOption{upTo(1), wait(10)}, opts...)...)
	if len(got) != 1 {
		t.Fatalf("received %d messages, want 1", len(got))
	}
	return got[0]
}

// none checks that nothing can be received now.
func none(t testing.TB, c *sqs.Client, url string, opts ...receiveOption) {
	t.Helper()
	if got := receive(t, c, url, append([]receiveOption{upTo(10)}, opts...)...); len(got) != 0 {
		t.Fatalf("received %d messages (%s …), want none", len(got), *got[0].Body)
	}
}

func bodies(ms []types.Message) []string {
	out := make([]string, len(ms))
	for i, m := range ms {
		out[i] = *m.Body
	}
	return out
}

func wantBodies(t testing.TB, ms []types.Message, want ...string) {
	t.Helper()
	if got := bodies(ms); !slices.Equal(got, want) {
		t.Fatalf("received %q, want %q", got, want)
	}
}

func remove(t testing.TB, c *sqs.Client, url string, ms ...types.Message) {
	t.Helper()
	for _, m := range ms {
		if _, err := c.DeleteMessage(bound(t), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
			t.Fatalf("DeleteMessage: %v", err)
		}
	}
}

func visibility(t testing.TB, c *sqs.Client, url string, m types.Message, seconds int32) {
	t.Helper()
	_, err := c.ChangeMessageVisibility(bound(t), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds,
	})
	if err != nil {
		t.Fatalf("ChangeMessageVisibility: %v", err)
	}
}

// eventually asks every 100 ms until f says true.
func eventually(t testing.TB, within time.Duration, what string, f func() bool) {
	t.Helper()
	if !harness.Poll(bound(t, within), 100*time.Millisecond, f) {
		t.Fatalf("not within %v: %s", within, what)
	}
}

// Codes as SDKs see them: the Query spelling, which JSON answers carry in
// x-amzn-query-error.
const (
	codeNoQueue      = "AWS.SimpleQueueService.NonExistentQueue"
	codeNameExists   = "QueueAlreadyExists"
	codeBadValue     = "InvalidParameterValue"
	codeMissing      = "MissingParameter"
	codeBadAttrName  = "InvalidAttributeName"
	codeBadAttrValue = "InvalidAttributeValue"
	codeBadReceipt   = "ReceiptHandleIsInvalid"
	codeBadContents  = "InvalidMessageContents"
	codeNotInFlight  = "AWS.SimpleQueueService.MessageNotInflight"
	codeEmptyBatch   = "AWS.SimpleQueueService.EmptyBatchRequest"
	codeManyEntries  = "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"
	codeSameIDs      = "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"
	codeBadID        = "AWS.SimpleQueueService.InvalidBatchEntryId"
	codeLongBatch    = "AWS.SimpleQueueService.BatchRequestTooLong"
	codePurging      = "AWS.SimpleQueueService.PurgeQueueInProgress"
	codeUnsupported  = "AWS.SimpleQueueService.UnsupportedOperation"
	codeNoResource   = "ResourceNotFoundException"
	codeOverLimit    = "OverLimit"
	codeDenied       = "AccessDenied"
)

// wantCode checks that err is an API error with one of the codes, sent with a
// status of the 400s and a message fit for a client.
func wantCode(t testing.TB, err error, codes ...string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Fatalf("error = %v, want one of the API's with code %v", err, codes)
	}
	if !slices.Contains(codes, api.ErrorCode()) {
		t.Errorf("code = %s (%s), want one of %v", api.ErrorCode(), api.ErrorMessage(), codes)
	}
	// The SDK's MessageNotInflight has no place for a message.
	if m := api.ErrorMessage(); (m == "" && api.ErrorCode() != codeNotInFlight) || strings.Contains(m, "internal/") || strings.Contains(m, "goroutine") {
		t.Errorf("message = %q, want a sentence for the client", m)
	}
	var resp *smithyhttp.ResponseError
	if errors.As(err, &resp) && (resp.HTTPStatusCode() < 400 || resp.HTTPStatusCode() >= 500) {
		t.Errorf("status = %d %s, want 4xx", resp.HTTPStatusCode(), http.StatusText(resp.HTTPStatusCode()))
	}
}

// wantError is wantCode, and checks the SDK's own type as well.
func wantError[T error](t testing.TB, err error, codes ...string) {
	t.Helper()
	wantCode(t, err, codes...)
	var typed T
	if !errors.As(err, &typed) {
		t.Errorf("error is %T, want it to hold %T", errors.Unwrap(err), typed)
	}
}
