package conformance

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func TestSendReceiveDelete(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, nil)
	before := time.Now().Add(-time.Millisecond)
	sent := send(t, c, url, "hello")
	if *sent.MD5OfMessageBody != md5Hex("hello") || len(*sent.MessageId) != 36 || sent.SequenceNumber != nil || sent.MD5OfMessageAttributes != nil {
		t.Errorf("SendMessage = %+v", sent)
	}
	wantCounts(t, c, url, "1", "0", "0")
	m := one(t, c, url)
	if *m.MessageId != *sent.MessageId || *m.Body != "hello" || *m.MD5OfBody != md5Hex("hello") || m.MD5OfMessageAttributes != nil {
		t.Errorf("received %+v", m)
	}
	if m.Attributes["ApproximateReceiveCount"] != "1" || m.Attributes["SenderId"] == "" {
		t.Errorf("system attributes = %v", m.Attributes)
	}
	for _, k := range []string{"SentTimestamp", "ApproximateFirstReceiveTimestamp"} {
		ms, err := strconv.ParseInt(m.Attributes[k], 10, 64)
		if at := time.UnixMilli(ms); err != nil || at.Before(before.Truncate(time.Millisecond)) || at.After(time.Now().Add(time.Millisecond)) {
			t.Errorf("%s = %s, want a time of this test in milliseconds", k, m.Attributes[k])
		}
	}
	for _, k := range []string{"SequenceNumber", "MessageGroupId", "MessageDeduplicationId", "AWSTraceHeader", "DeadLetterQueueSourceArn"} {
		if v, there := m.Attributes[k]; there {
			t.Errorf("attribute %s = %q, want none", k, v)
		}
	}
	wantCounts(t, c, url, "0", "1", "0")
	remove(t, c, url, m)
	wantCounts(t, c, url, "0", "0", "0")
	remove(t, c, url, m) // once more is no error
	none(t, c, url)
}

func TestBodies(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, nil)
	for _, body := range []string{
		"x", " ", "\t\n\r", "line\r\nline\rline\n", `{"json":"\"quoted\" \\ <tag> & 'x'"}`, "<a>&amp;</a>]]>",
		"größe Ωμέγα 日本語 العربية", "😀👩‍👩‍👧‍👦\U0010FFFF", "\u007f\u0080\u009f\u00a0\u2028\u2029", "\ud7ff\ue000\ufffd",
		"a+b=c&d%20e%", strings.Repeat("é", 5000), strings.Repeat("z", 1<<20),
	} {
		send(t, c, url, body)
		m := one(t, c, url)
		if *m.Body != body {
			t.Errorf("sent %.40q (%d bytes), received %.40q (%d bytes)", body, len(body), *m.Body, len(*m.Body))
		}
		remove(t, c, url, m)
	}
	for _, body := range []string{"\x00", "a\x08b", "\x0b", "\x0c", "\x1f", "\ufffe", "\uffff"} {
		_, err := c.SendMessage(bound(t), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
		t.Run(fmt.Sprintf("%q", body), func(t *testing.T) {
			wantError[*types.InvalidMessageContents](t, err, codeBadContents)
		})
	}
	none(t, c, url)
}

func str(s string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &s}
}

func num(s string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("Number"), StringValue: &s}
}

func bin(b []byte) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("Binary"), BinaryValue: b}
}

func with(m map[string]types.MessageAttributeValue) func(*sqs.SendMessageInput) {
	return func(in *sqs.SendMessageInput) { in.MessageAttributes = m }
}

func TestMessageAttributes(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, nil)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	given := map[string]types.MessageAttributeValue{
		"string": str("größe \r\n 😀"), "number": num("-12.5e3"), "binary": bin(all),
		"custom":  {DataType: aws.String("String.my.type"), StringValue: aws.String("v")},
		"int":     {DataType: aws.String("Number.int"), StringValue: aws.String("42")},
		"png":     {DataType: aws.String("Binary.png"), BinaryValue: []byte{0x89, 'P'}},
		"a-b_c.d": str("dots"), "Z": str("z"), "z": str("Z"), strings.Repeat("n", 256): str("long name"),
	}
	sent := send(t, c, url, "m", with(given))
	if got, want := aws.ToString(sent.MD5OfMessageAttributes), attributesMD5(given); got != want {
		t.Errorf("MD5OfMessageAttributes = %s, want %s", got, want)
	}
	m := one(t, c, url)
	if len(m.MessageAttributes) != len(given) {
		t.Errorf("received %d attributes, want %d", len(m.MessageAttributes), len(given))
	}
	for k, want := range given {
		got := m.MessageAttributes[k]
		if aws.ToString(got.DataType) != *want.DataType || aws.ToString(got.StringValue) != aws.ToString(want.StringValue) || string(got.BinaryValue) != string(want.BinaryValue) {
			t.Errorf("attribute %.20s = %+v, want %+v", k, got, want)
		}
	}
	if got, want := aws.ToString(m.MD5OfMessageAttributes), attributesMD5(given); got != want {
		t.Errorf("received MD5OfMessageAttributes = %s, want %s", got, want)
	}
}

func TestMessageAttributeSelection(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, attrs{"VisibilityTimeout": "0"})
	send(t, c, url, "msg", with(map[string]types.MessageAttributeValue{
		"Help.Me": str("Me"), "Hello": str("There"), "General": str("Kenobi"),
	}))
	for _, test := range []struct{ ask, want string }{
		{"", ""}, {"All", "General Hello Help.Me"}, {".*", "General Hello Help.Me"}, {"*", "General Hello Help.Me"},
		{"Hel.*", "Hello Help.Me"}, {"Help.*", "Help.Me"}, {"Hello General", "General Hello"}, {"Hello absent", "Hello"},
		{"absent", ""}, {"hello", ""},
	} {
		t.Run(test.ask, func(t *testing.T) {
			m := one(t, c, url, func(in *sqs.ReceiveMessageInput) { in.MessageAttributeNames = strings.Fields(test.ask) })
			var got []string
			for _, k := range []string{"General", "Hello", "Help.Me"} {
				if _, there := m.MessageAttributes[k]; there {
					got = append(got, k)
				}
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			wantSum := ""
			if len(m.MessageAttributes) > 0 {
				wantSum = attributesMD5(m.MessageAttributes)
			}
			if got := aws.ToString(m.MD5OfMessageAttributes); got != wantSum {
				t.Errorf("MD5OfMessageAttributes = %q, want the digest of what was returned, %q", got, wantSum)
			}
		})
	}
}

func TestSystemAttributeSelection(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, attrs{"VisibilityTimeout": "0"})
	send(t, c, url, "m")
	ask := func(f func(*sqs.ReceiveMessageInput)) map[string]string {
		return one(t, c, url, func(in *sqs.ReceiveMessageInput) { in.MessageSystemAttributeNames = nil; f(in) }).Attributes
	}
	if got := ask(func(*sqs.ReceiveMessageInput) {}); len(got) != 0 {
		t.Errorf("no names: %v", got)
	}
	got := ask(func(in *sqs.ReceiveMessageInput) {
		in.MessageSystemAttributeNames = []types.MessageSystemAttributeName{"SenderId", "AWSTraceHeader"}
	})
	if len(got) != 1 || got["SenderId"] == "" {
		t.Errorf("SenderId: %v", got)
	}
	// AttributeNames is the older name of the same list.
	got = ask(func(in *sqs.ReceiveMessageInput) {
		in.AttributeNames = []types.QueueAttributeName{"All"} //nolint:staticcheck // SA1019: the older name is what is tested
	})
	if len(got) != 4 {
		t.Errorf("All by the older name: %v, want four", got)
	}
	got = ask(func(in *sqs.ReceiveMessageInput) {
		in.AttributeNames = []types.QueueAttributeName{"ApproximateReceiveCount"} //nolint:staticcheck // SA1019: the older name is what is tested
	})
	if len(got) != 1 || got["ApproximateReceiveCount"] != "4" {
		t.Errorf("ApproximateReceiveCount: %v, want 4", got)
	}
}

func TestTraceHeader(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, nil)
	header := "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
	system := func(name, kind, v string) func(*sqs.SendMessageInput) {
		return func(in *sqs.SendMessageInput) {
			in.MessageSystemAttributes = map[string]types.MessageSystemAttributeValue{name: {DataType: &kind, StringValue: &v}}
		}
	}
	sent := send(t, c, url, "traced", system("AWSTraceHeader", "String", header))
	want := attributesMD5(map[string]types.MessageAttributeValue{"AWSTraceHeader": str(header)})
	if got := aws.ToString(sent.MD5OfMessageSystemAttributes); got != want {
		t.Errorf("MD5OfMessageSystemAttributes = %s, want %s", got, want)
	}
	if m := one(t, c, url); m.Attributes["AWSTraceHeader"] != header {
		t.Errorf("AWSTraceHeader = %q", m.Attributes["AWSTraceHeader"])
	}
	for what, f := range map[string]func(*sqs.SendMessageInput){
		"unknown": system("SenderId", "String", "me"),
		"type":    system("AWSTraceHeader", "Number", "1"),
	} {
		in := &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")}
		f(in)
		_, err := c.SendMessage(bound(t), in)
		t.Run(what, func(t *testing.T) { wantCode(t, err, codeBadValue) })
	}
}

func TestReceiptHandles(t *testing.T) {
	t.Parallel()
	c := client(t)
	url, other := queue(t, c, nil), queue(t, c, nil)
	send(t, c, url, "m")
	first := one(t, c, url, hide(1))
	m := one(t, c, url, hide(30)) // again, after a second
	if *first.ReceiptHandle == *m.ReceiptHandle {
		t.Error("two receives gave the same receipt handle")
	}
	remove(t, c, url, first) // stale: answers success, deletes nothing
	wantCounts(t, c, url, "0", "1", "0")

	h := *m.ReceiptHandle
	flipped := []byte(h)
	flipped[len(h)/2] ^= 1
	for what, bad := range map[string]string{"nonsense": "nonsense", "cut": h[:len(h)-4], "longer": h + "AAAA", "flipped": string(flipped), "huge": strings.Repeat("A", 100_000), "unicode": "größe😀"} {
		t.Run(what, func(t *testing.T) {
			_, err := c.DeleteMessage(bound(t), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: &bad})
			wantError[*types.ReceiptHandleIsInvalid](t, err, codeBadReceipt)
			_, err = c.ChangeMessageVisibility(bound(t), &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: &bad, VisibilityTimeout: 5})
			wantError[*types.ReceiptHandleIsInvalid](t, err, codeBadReceipt)
		})
	}
	_, err := c.DeleteMessage(bound(t), &sqs.DeleteMessageInput{QueueUrl: &other, ReceiptHandle: &h})
	wantError[*types.ReceiptHandleIsInvalid](t, err, codeBadReceipt)
	wantCounts(t, c, url, "0", "1", "0")
	remove(t, c, url, m)
	wantCounts(t, c, url, "0", "0", "0")
}

func TestDelays(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, attrs{"DelaySeconds": "900"})
	send(t, c, url, "queue's delay")
	start := time.Now()
	send(t, c, url, "short", delay(1))
	wantCounts(t, c, url, "0", "0", "2")
	none(t, c, url)
	m := one(t, c, url)
	if took := time.Since(start); *m.Body != "short" || took < early || took > late {
		t.Errorf("received %q after %v, want the short one after a second", *m.Body, took)
	}
	wantCounts(t, c, url, "0", "1", "1")
}

// Ten at a time, each message once, until the queue is empty.
func TestReceiveMany(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, nil)
	for i := range 25 {
		send(t, c, url, fmt.Sprint(i))
	}
	seen := map[string]int{}
	for _, want := range []int{10, 10, 5, 0} {
		got := receive(t, c, url, upTo(10))
		if len(got) != want {
			t.Errorf("received %d, want %d", len(got), want)
		}
		for _, m := range got {
			seen[*m.Body]++
		}
	}
	if len(seen) != 25 {
		t.Errorf("%d different messages, want 25", len(seen))
	}
	if got := receive(t, c, url); len(got) != 0 {
		t.Errorf("without a number: received %d", len(got))
	}
}
