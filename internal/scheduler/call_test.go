package scheduler

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

func TestParseCall(t *testing.T) {
	t.Parallel()
	delay := int32(5)
	queue := &registry.Resource{Kind: "queue", Account: "123456789012", Name: "q"}
	topic := &registry.Resource{Kind: "topic", Account: "123456789012", Region: "eu-west-1", Name: "t"}
	for _, test := range []struct {
		name, input string
		want        Call
	}{
		{
			CallSendMessage, `{"QueueUrl":"http://localhost:4566/123456789012/q","MessageBody":"b","DelaySeconds":5,"MessageGroupId":"g","MessageDeduplicationId":"d"}`,
			Call{Queue: queue, Messages: []CallMessage{{Body: "b", Group: "g", Dedup: "d", Delay: &delay}}},
		},
		{CallSendMessage, `{"QueueUrl":"q.fifo","MessageBody":"b"}`, Call{Queue: &registry.Resource{Kind: "queue", Name: "q.fifo"}, Messages: []CallMessage{{Body: "b"}}}},
		{
			CallSendBatch, `{"QueueUrl":"/123456789012/q","Entries":[{"Id":"1","MessageBody":"a"},{"Id":"2","MessageBody":"b"}]}`,
			Call{Queue: queue, Messages: []CallMessage{{Body: "a"}, {Body: "b"}}},
		},
		{
			CallPublish, `{"TargetArn":"arn:aws:sns:eu-west-1:123456789012:t","Message":"m","Subject":"s","MessageAttributes":{"b":{"DataType":"Binary","BinaryValue":"AQ=="},"a":{"DataType":"String","StringValue":"v"}}}`,
			Call{Topic: topic, Messages: []CallMessage{{Body: "m", Subject: "s", Attributes: []partition.Attribute{{Name: "a", Type: "String", Value: "v"}, {Name: "b", Type: "Binary", Binary: []byte{1}}}}}},
		},
		{
			CallPutEvents, `{"Entries":[{"Source":"s","DetailType":"t","Detail":"{}","Time":1700000000,"Resources":["r"],"TraceHeader":"x","EventBusName":"b"}]}`,
			Call{Events: []CallEvent{{Bus: "b", Event: Event{Source: "s", DetailType: "t", Detail: "{}", Resources: []string{"r"}, Trace: "x", Time: time.Unix(1_700_000_000, 0).UTC()}}}},
		},
	} {
		got, err := ParseCall(test.name, test.input)
		if err != nil || !reflect.DeepEqual(*got, test.want) {
			t.Errorf("%s: %+v, %v", test.input, got, err)
		}
	}
	many := strings.Repeat(`{"Id":"1","MessageBody":"a"},`, 11)
	for _, test := range [][2]string{
		{"sqs:purgeQueue", `{}`}, {CallSendMessage, ``}, {CallSendMessage, `[]`}, {CallSendMessage, `{} {}`}, {CallSendMessage, `{"MessageBody":"b"}`},
		{CallSendMessage, `{"QueueUrl":"http://x","MessageBody":"b"}`}, {CallSendMessage, `{"QueueUrl":"http://x/1/q","MessageBody":"b"}`},
		{CallSendMessage, `{"QueueUrl":"q"}`}, {CallSendMessage, `{"QueueUrl":"q","MessageBody":""}`}, {CallSendMessage, `{"QueueUrl":"q","MessageBody":1}`},
		{CallSendMessage, `{"QueueUrl":"q","MessageBody":"b","MessageSystemAttributes":{}}`}, {CallSendMessage, `{"QueueUrl":"q","MessageBody":"b","DelaySeconds":901}`},
		{CallSendMessage, `{"QueueUrl":"q","MessageBody":"b","Subject":"s"}`}, {CallSendMessage, `{"QueueUrl":"q","MessageBody":"b","MessageAttributes":{"a":{"DataType":"String"}}}`},
		{CallSendMessage, `{"QueueUrl":"q","MessageBody":"b","MessageAttributes":{"a":{"DataType":"Binary","BinaryValue":"*"}}}`},
		{CallSendBatch, `{"QueueUrl":"q"}`}, {CallSendBatch, `{"QueueUrl":"q","Entries":[` + many[:len(many)-1] + `]}`}, {CallSendBatch, `{"QueueUrl":"q","Entries":{}}`},
		{CallPublish, `{"TopicArn":"t","Message":"m"}`}, {CallPublish, `{"TopicArn":"arn:aws:sqs:eu-west-1:123456789012:t","Message":"m"}`},
		{CallPublish, `{"TopicArn":"arn:aws:sns:eu-west-1:123456789012:t","Message":"m","MessageStructure":"json"}`},
		{CallPublish, `{"TopicArn":"arn:aws:sns:eu-west-1:123456789012:t","Message":"m","DelaySeconds":1}`}, {CallPublishBatch, `{"TopicArn":"arn:aws:sns:eu-west-1:123456789012:t"}`},
		{CallPutEvents, `{}`}, {CallPutEvents, `{"Entries":[{"Source":"s","DetailType":"t"}]}`}, {CallPutEvents, `{"Entries":[{"Source":"aws.s","DetailType":"t","Detail":"{}"}]}`},
		{CallPutEvents, `{"Entries":[{"Source":"s","DetailType":"t","Detail":"[]"}]}`}, {CallPutEvents, `{"Entries":[{"Source":"s","DetailType":"t","Detail":"{}","Time":"soon"}]}`},
	} {
		if got, err := ParseCall(test[0], test[1]); err == nil {
			t.Errorf("%s was taken: %+v", test[1], got)
		} else if len(err.Error()) > 200 || strings.Contains(err.Error(), "json:") {
			t.Errorf("%s: %q is no sentence for who wrote it", test[1], err)
		}
	}
}

func FuzzParseCall(f *testing.F) {
	f.Add(`{"QueueUrl":"q","MessageBody":"b","MessageAttributes":{"a":{"DataType":"Binary","BinaryValue":"AQ=="}}}`)
	f.Add(`{"Entries":[{"Source":"s","DetailType":"t","Detail":"{}","Time":1e300}]}`)
	f.Fuzz(func(t *testing.T, input string) {
		for _, name := range Calls {
			c, err := ParseCall(name, input)
			if err == nil && len(c.Messages)+len(c.Events) == 0 {
				t.Errorf("%s of %q does nothing", name, input)
			}
		}
	})
}

// Payloads are read by the release that wrote them, and by no older one.
func TestPayloads(t *testing.T) {
	t.Parallel()
	n := 7
	x := Schedule{Name: "s", Expression: "rate(1 day)", Target: Target{ARN: "a", MaxRetries: &n}, Next: 5, Digest: []byte{1}}
	b, err := encode(&x)
	if err != nil {
		t.Fatal(err)
	}
	var got Schedule
	if err := decode(b, &got); err != nil || !reflect.DeepEqual(got, x) {
		t.Errorf("%+v, %v", got, err)
	}
	b[0]++
	if err := decode(b, &got); err == nil {
		t.Error("a newer payload was read")
	}
	for _, bad := range [][]byte{nil, {0}, {1}, {1, 0xff}, b[:5]} {
		if err := decode(bad, &got); err == nil {
			t.Errorf("%v was read", bad)
		}
	}
}

// Waits between attempts grow, and stay within bounds.
func TestBackoff(t *testing.T) {
	t.Parallel()
	last := time.Duration(0)
	for attempt := 1; attempt <= 200; attempt++ {
		longest, shortest := backoff(attempt, [32]byte{}), backoff(attempt, [32]byte{255})
		if longest < last || longest > longestBackoff || shortest < longest*3/4 || shortest > longest {
			t.Errorf("after attempt %d: %v to %v", attempt, shortest, longest)
		}
		last = longest
	}
	if last != longestBackoff {
		t.Errorf("it ends at %v", last)
	}
}
