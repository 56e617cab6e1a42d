package sqs

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/awsapi/attribute"
	"github.com/waystation/waystation/internal/awsapi/batch"
	"github.com/waystation/waystation/internal/partition"
)

func TestReceiveOptions(t *testing.T) {
	t.Parallel()
	const value = "InvalidParameterValue"
	tests := []struct {
		name    string
		queue   string
		in      receiveInput
		want    partition.ReceiveOptions
		code    string
		message string
	}{
		{name: "defaults", queue: "orders", want: partition.ReceiveOptions{Max: 1, Visibility: -1}},
		{name: "queue's wait", queue: "waiting", want: partition.ReceiveOptions{Max: 1, Visibility: -1, Wait: 7 * time.Second}},
		{name: "all given", queue: "waiting", in: receiveInput{MaxNumberOfMessages: ptr(int32(10)), VisibilityTimeout: ptr(int32(0)), WaitTimeSeconds: ptr(int32(0))},
			want: partition.ReceiveOptions{Max: 10, Visibility: 0}},
		{name: "longest", queue: "orders", in: receiveInput{VisibilityTimeout: ptr(int32(43200)), WaitTimeSeconds: ptr(int32(20))},
			want: partition.ReceiveOptions{Max: 1, Visibility: 43200, Wait: 20 * time.Second}},
		{name: "attempt", queue: "orders.fifo", in: receiveInput{ReceiveRequestAttemptId: ptr("a-1")},
			want: partition.ReceiveOptions{Max: 1, Visibility: -1, Attempt: "a-1"}},
		{name: "max 0", queue: "orders", in: receiveInput{MaxNumberOfMessages: ptr(int32(0))}, code: value,
			message: "Value 0 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."},
		{name: "max 11", queue: "orders", in: receiveInput{MaxNumberOfMessages: ptr(int32(11))}, code: value,
			message: "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."},
		{name: "wait 21", queue: "orders", in: receiveInput{WaitTimeSeconds: ptr(int32(21))}, code: value,
			message: "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided."},
		{name: "wait -1", queue: "orders", in: receiveInput{WaitTimeSeconds: ptr(int32(-1))}, code: value,
			message: "Value -1 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided."},
		{name: "visibility 43201", queue: "orders", in: receiveInput{VisibilityTimeout: ptr(int32(43201))}, code: value,
			message: "Value 43201 for parameter VisibilityTimeout is invalid. Reason: Must be >= 0 and <= 43200, if provided."},
		{name: "attempt on standard", queue: "orders", in: receiveInput{ReceiveRequestAttemptId: ptr("a")}, code: value,
			message: "Value a for parameter ReceiveRequestAttemptId is invalid. Reason: The request include parameter that is not valid for this queue type."},
		{name: "attempt blank", queue: "orders.fifo", in: receiveInput{ReceiveRequestAttemptId: ptr("a b")}, code: value,
			message: "Value a b for parameter ReceiveRequestAttemptId is invalid. Reason: ReceiveRequestAttemptId can only include alphanumeric and punctuation characters. 1 to 128 in length."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t)
			e.make(t, "orders")
			e.make(t, "waiting", "ReceiveMessageWaitTimeSeconds", "7")
			e.make(t, "orders.fifo")
			tt.in.QueueUrl = "http://h/" + account + "/" + tt.queue
			out, err := e.receiveMessage(context.Background(), as(account), &tt.in)
			wantError(t, err, tt.code, tt.message)
			tt.want.Origin = "http://localhost:4566"
			if err == nil && (e.msgs.receive != tt.want || out.Messages != nil) {
				t.Errorf("asked %+v, want %+v; answered %+v", e.msgs.receive, tt.want, out)
			}
		})
	}
}

func dead() partition.Received {
	return partition.Received{
		Message: partition.Message{
			ID: partition.MessageID{15: 9}, Body: "msg", SenderID: "AIDA", TraceHeader: "Root=1", GroupID: "g", DedupID: "d", Sent: 1700000000123,
			BodyMD5: [16]byte{0x6e, 0x2b, 0xaa, 0xf3, 0xb9, 0x7d, 0xbe, 0xef, 0x01, 0xc0, 0x04, 0x32, 0x75, 0xf9, 0xa0, 0xe7},
			Attributes: []partition.Attribute{
				{Name: "General", Type: "String", Value: "Kenobi"}, {Name: "Hello", Type: "String", Value: "There"},
				{Name: "Help.Me", Type: "String", Value: "Me"},
			},
		},
		Receipt: "r-1", Receives: 4, FirstReceived: 1700000000456, Sequence: 42, DeadLetterSource: "arn:aws:sqs:us-east-1:123456789012:orders",
	}
}

func TestReceivedMessage(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.msgs.received = []partition.Received{dead()}
	out, err := e.receiveMessage(context.Background(), as(account), &receiveInput{
		QueueUrl: e.make(t, "orders"), AttributeNames: []string{"All"}, MessageAttributeNames: []string{"Hello", "nothing"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := message{
		MessageId: "00000000-0000-0000-0000-000000000009", ReceiptHandle: "r-1", Body: "msg", MD5OfBody: "6e2baaf3b97dbeef01c0043275f9a0e7",
		Attributes: map[string]string{
			"SenderId": "AIDA", "SentTimestamp": "1700000000123", "ApproximateReceiveCount": "4",
			"ApproximateFirstReceiveTimestamp": "1700000000456", "SequenceNumber": "00000000000000000042",
			"MessageDeduplicationId": "d", "MessageGroupId": "g", "AWSTraceHeader": "Root=1",
			"DeadLetterQueueSourceArn": "arn:aws:sqs:us-east-1:123456789012:orders",
		},
		MD5OfMessageAttributes: "a311262e065454b75da111d535b8dacd",
		MessageAttributes:      named("Hello", text("There")),
	}
	if !reflect.DeepEqual(out.Messages[0], want) {
		t.Errorf("got  %+v\nwant %+v", out.Messages[0], want)
	}
}

func TestReceivedPlainMessageHasNoEmptyAttributes(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.msgs.received = []partition.Received{{Message: partition.Message{Body: "x", SenderID: "AIDA", Sent: 1}, Receives: 1, FirstReceived: 2}}
	out, err := e.receiveMessage(context.Background(), as(account), &receiveInput{
		QueueUrl: e.make(t, "orders"), MessageSystemAttributeNames: []string{"All"}, MessageAttributeNames: []string{"All"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := slices.Sorted(maps.Keys(out.Messages[0].Attributes))
	want := []string{"ApproximateFirstReceiveTimestamp", "ApproximateReceiveCount", "SenderId", "SentTimestamp"}
	if !slices.Equal(got, want) || out.Messages[0].MessageAttributes != nil || out.Messages[0].MD5OfMessageAttributes != "" {
		t.Errorf("%+v", out.Messages[0])
	}
}

func TestSelectSystem(t *testing.T) {
	t.Parallel()
	r := dead()
	tests := []struct {
		old, names []string
		want       string
	}{
		{nil, nil, ""},
		{[]string{"SenderId"}, nil, "SenderId"},
		{[]string{"SenderId", "Policy", "nonsense"}, []string{"SequenceNumber"}, "SenderId SequenceNumber"},
		{nil, []string{"AWSTraceHeader"}, "AWSTraceHeader"},
	}
	for _, tt := range tests {
		got := strings.Join(slices.Sorted(maps.Keys(selectSystem(tt.old, tt.names).of(&r))), " ")
		if got != tt.want {
			t.Errorf("%v, %v: %s, want %s", tt.old, tt.names, got, tt.want)
		}
	}
	for _, all := range [][2][]string{{{"All"}, {"SenderId"}}, {{"SenderId"}, {"All"}}} {
		if n := len(selectSystem(all[0], all[1]).of(&r)); n != len(systemAttributes) {
			t.Errorf("%v: %d attributes", all, n)
		}
	}
}

// The sums are recordings of the real service.
func TestSelectUser(t *testing.T) {
	t.Parallel()
	attributes := dead().Attributes
	tests := []struct {
		names []string
		want  string
		md5   string
	}{
		{nil, "", ""},
		{[]string{"All"}, "General Hello Help.Me", "4c360f3fdafd970e05fae2f149d997f5"},
		{[]string{".*"}, "General Hello Help.Me", "4c360f3fdafd970e05fae2f149d997f5"},
		{[]string{"General", "Hello"}, "General Hello", "fca026605781cb4126a1e9044df24232"},
		{[]string{"Hello", "Foo"}, "Hello", "a311262e065454b75da111d535b8dacd"},
		{[]string{"Hel.*"}, "Hello Help.Me", "83fee93c1bcd8b9a5a923ffacdc636c7"},
		{[]string{"Foo", "AWS.", "Hello.*.*"}, "", ""},
		{[]string{"hello"}, "", ""},
	}
	for _, tt := range tests {
		chosen := selectUser(tt.names).of(attributes)
		var names []string
		for _, a := range chosen {
			names = append(names, a.Name)
		}
		if got := strings.Join(names, " "); got != tt.want || attribute.Digest(chosen) != tt.md5 {
			t.Errorf("%v: %s, %s; want %s, %s", tt.names, got, attribute.Digest(chosen), tt.want, tt.md5)
		}
	}
}

func TestReceiveFailures(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	url := e.make(t, "orders")
	e.msgs.err = partition.ErrOverLimit
	_, err := e.receiveMessage(context.Background(), as(account), &receiveInput{QueueUrl: url})
	wantError(t, err, "OverLimit", "Too many messages are in flight…")
	if status(err) != 403 {
		t.Errorf("status %d", status(err))
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	url := e.make(t, "orders")
	e.msgs.each["bad"] = partition.ErrReceiptInvalid
	e.msgs.each["old"] = partition.ErrReceiptExpired
	e.msgs.each["broken"] = errUnforeseen
	tests := []struct {
		receipt, code, message string
		status                 int
	}{
		{"good", "", "", 0},
		{"", "MissingParameter", "The request must contain the parameter ReceiptHandle.", 400},
		{"bad", "ReceiptHandleIsInvalid", `The input receipt handle "bad" is not a valid receipt handle.`, 404},
		{"old", "InvalidParameterValue", "Value old for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.", 400},
	}
	for _, tt := range tests {
		_, err := e.deleteMessage(context.Background(), as(account), &deleteMessageInput{QueueUrl: url, ReceiptHandle: tt.receipt})
		wantError(t, err, tt.code, tt.message)
		if status(err) != tt.status {
			t.Errorf("%s: status %d", tt.receipt, status(err))
		}
	}
	out, err := e.deleteBatch(context.Background(), as(account), &deleteBatchInput{QueueUrl: url, Entries: []deleteEntry{
		{"a", "bad"}, {"b", ""}, {"c", "good"}, {"d", "old"}, {"e", "good2"}, {"f", "broken"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	wantFailed := []batch.Failure{
		{Id: "a", SenderFault: true, Code: "ReceiptHandleIsInvalid", Message: `The input receipt handle "bad" is not a valid receipt handle.`},
		{Id: "b", SenderFault: true, Code: "MissingParameter", Message: "The request must contain the parameter ReceiptHandle."},
		{Id: "d", SenderFault: true, Code: "ReceiptHandleIsInvalid", Message: "The receipt handle has expired"},
		{Id: "f", SenderFault: false, Code: "InternalFailure", Message: "We encountered an internal error. Please try again."},
	}
	if !slices.Equal(out.Failed, wantFailed) || !slices.Equal(out.Successful, []entryID{{"c"}, {"e"}}) {
		t.Errorf("%+v", out)
	}
	_, err = e.deleteBatch(context.Background(), as(account), &deleteBatchInput{QueueUrl: url})
	wantError(t, err, legacy+"EmptyBatchRequest", "There should be at least one DeleteMessageBatchRequestEntry in the request.")
}

func TestChangeVisibility(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	url := e.make(t, "orders")
	e.msgs.each["bad"] = partition.ErrReceiptInvalid
	e.msgs.each["old"] = partition.ErrReceiptExpired
	e.msgs.each["back"] = partition.ErrNotInFlight
	e.msgs.each["long"] = partition.ErrVisibilityTotal
	const value = "InvalidParameterValue"
	tests := []struct {
		receipt       string
		timeout       *int32
		code, message string
	}{
		{"good", ptr(int32(0)), "", ""},
		{"good", ptr(int32(43200)), "", ""},
		{"", ptr(int32(1)), "MissingParameter", "The request must contain the parameter ReceiptHandle."},
		{"good", nil, "MissingParameter", "The request must contain the parameter VisibilityTimeout."},
		{"good", ptr(int32(-10)), value, "Value -10 for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200."},
		{"good", ptr(int32(43201)), value, "Value 43201 for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200."},
		{"bad", ptr(int32(1)), "ReceiptHandleIsInvalid", `The input receipt handle "bad" is not a valid receipt handle.`},
		{"old", ptr(int32(1)), value, "Value old for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change."},
		{"back", ptr(int32(1)), legacy + "MessageNotInflight", "The specified message isn't in flight."},
		{"long", ptr(int32(30)), value, "Value 30 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds]."},
	}
	for _, tt := range tests {
		_, err := e.changeVisibility(context.Background(), as(account), &visibilityInput{QueueUrl: url, ReceiptHandle: tt.receipt, VisibilityTimeout: tt.timeout})
		wantError(t, err, tt.code, tt.message)
	}
	out, err := e.changeVisibilityBatch(context.Background(), as(account), &visibilityBatchInput{QueueUrl: url, Entries: []visibilityEntry{
		{"a", "good", ptr(int32(20))}, {"b", "bad", ptr(int32(20))}, {"c", "good", ptr(int32(-85))}, {"d", "good", nil},
		{"e", "", ptr(int32(1))}, {"f", "back", ptr(int32(2))}, {"g", "old", ptr(int32(2))},
	}})
	if err != nil {
		t.Fatal(err)
	}
	wantFailed := []batch.Failure{
		{Id: "b", SenderFault: true, Code: "ReceiptHandleIsInvalid", Message: `The input receipt handle "bad" is not a valid receipt handle.`},
		{Id: "c", SenderFault: true, Code: value, Message: "Value -85 for parameter VisibilityTimeout is invalid. Reason: VisibilityTimeout must be an integer between 0 and 43200."},
		{Id: "d", SenderFault: true, Code: "MissingParameter", Message: "The request must contain the parameter ChangeMessageVisibilityBatchRequestEntry.4.VisibilityTimeout."},
		{Id: "e", SenderFault: true, Code: "MissingParameter", Message: "The request must contain the parameter ReceiptHandle."},
		{Id: "f", SenderFault: true, Code: legacy + "MessageNotInflight", Message: "The specified message isn't in flight."},
		{Id: "g", SenderFault: true, Code: "ReceiptHandleIsInvalid", Message: "Message does not exist or is not available for visibility timeout change"},
	}
	if !slices.Equal(out.Failed, wantFailed) || !slices.Equal(out.Successful, []entryID{{"a"}}) {
		t.Errorf("%+v", out)
	}
}

// TestUnansweredReceive: what a client is not told that it received is visible again at
// once, unless it can ask for the same once more.
func TestUnansweredReceive(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		in   receiveInput
		got  []partition.Received
		want []partition.VisibilityChange
	}{
		{"two", receiveInput{}, []partition.Received{{Receipt: "r-1"}, {Receipt: "r-2"}},
			[]partition.VisibilityChange{{Receipt: "r-1"}, {Receipt: "r-2"}}},
		{"none", receiveInput{}, nil, nil},
		{"an attempt", receiveInput{ReceiveRequestAttemptId: ptr("a-1")}, []partition.Received{{Receipt: "r-1"}}, nil},
	} {
		e := newEnv(t)
		e.msgs.received = tt.got
		c := as(account)
		tt.in.QueueUrl = e.make(t, "orders.fifo")
		if _, err := e.receiveMessage(t.Context(), c, &tt.in); err != nil {
			t.Fatal(err)
		}
		if c.Unanswered != nil {
			c.Unanswered(t.Context())
		}
		if !slices.Equal(e.msgs.changed, tt.want) {
			t.Errorf("%s: changed %+v, want %+v", tt.name, e.msgs.changed, tt.want)
		}
	}
}
