package conformance

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// fifoQueue has content-based deduplication.
func fifoQueue(t *testing.T, c *sqs.Client, more ...attrs) string {
	t.Helper()
	a := attrs{"FifoQueue": "true", "ContentBasedDeduplication": "true"}
	for _, m := range more {
		for k, v := range m {
			a[k] = v
		}
	}
	return queue(t, c, a)
}

func TestFIFOOrderAndGroups(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := fifoQueue(t, c)
	last := ""
	for _, m := range []string{"a1", "a2", "b1", "a3", "b2", "c1"} {
		out := send(t, c, url, m, group(m[:1]))
		if seq := aws.ToString(out.SequenceNumber); len(seq) != 20 || seq <= last {
			t.Errorf("sequence number %q after %q, want 20 digits and rising", seq, last)
		} else {
			last = seq
		}
	}
	m := one(t, c, url)
	wantBodies(t, []types.Message{m}, "a1")
	if m.Attributes["MessageGroupId"] != "a" || len(m.Attributes["SequenceNumber"]) != 20 || len(m.Attributes["MessageDeduplicationId"]) != 64 {
		t.Errorf("system attributes = %v", m.Attributes)
	}
	// Group a is closed; b and c are not.
	got := receive(t, c, url, upTo(10))
	wantBodies(t, got, "b1", "b2", "c1")
	none(t, c, url)
	remove(t, c, url, m)
	// A delete opens the group again, and one receive takes several of it.
	rest := receive(t, c, url, upTo(10))
	wantBodies(t, rest, "a2", "a3")
	remove(t, c, url, rest[0])
	none(t, c, url) // a3 is in flight still
	wantCounts(t, c, url, "0", "4", "0")
}

func TestFIFOReturnsInOrder(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := fifoQueue(t, c)
	for i := range 4 {
		send(t, c, url, fmt.Sprint(i), group("g"))
	}
	got := receive(t, c, url, upTo(3), hide(600))
	wantBodies(t, got, "0", "1", "2")
	// Back to visible, but behind one of the group that is in flight.
	visibility(t, c, url, got[2], 0)
	visibility(t, c, url, got[1], 0)
	none(t, c, url)
	visibility(t, c, url, got[0], 0)
	got = receive(t, c, url, upTo(10), hide(1))
	wantBodies(t, got, "0", "1", "2", "3")
	// The same by expiry.
	again := receive(t, c, url, upTo(10), wait(5))
	wantBodies(t, again, "0", "1", "2", "3")
	if n := again[0].Attributes["ApproximateReceiveCount"]; n != "3" {
		t.Errorf("receive count = %s, want 3", n)
	}
}

// A message in flight blocks those behind it in its group, not those before it. What
// is wanted here was recorded with the real service.
func TestFIFOInFlightBlocksWhatIsBehind(t *testing.T) {
	t.Parallel()
	c := client(t)
	for prolonged, want := range map[int][]string{1: {"foo"}, 2: {"foo", "bar"}} {
		url := fifoQueue(t, c)
		for _, m := range []string{"foo", "bar", "baz"} {
			send(t, c, url, m, group("g"))
		}
		got := receive(t, c, url, upTo(10), hide(1))
		wantBodies(t, got, "foo", "bar", "baz")
		visibility(t, c, url, got[prolonged], 600)
		wantBodies(t, receive(t, c, url, upTo(10), wait(10)), want...)
		none(t, c, url)
	}
}

func TestFIFOReturnedGroupComesLast(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := fifoQueue(t, c)
	send(t, c, url, "g1-m1", group("g1"))
	send(t, c, url, "g1-m2", group("g1"))
	got := receive(t, c, url, upTo(2))
	wantBodies(t, got, "g1-m1", "g1-m2")
	send(t, c, url, "g2-m1", group("g2"))
	visibility(t, c, url, got[0], 0)
	wantBodies(t, receive(t, c, url, upTo(3)), "g2-m1", "g1-m1")
}

func TestFIFOExpiredHandle(t *testing.T) {
	t.Parallel()
	c := client(t)
	url, idle := fifoQueue(t, c), queue(t, c, nil)
	send(t, c, url, "m", group("g"))
	m := one(t, c, url, hide(1))
	none(t, c, idle, wait(2))
	_, err := c.DeleteMessage(bound(t), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle})
	wantCode(t, err, codeBadValue, codeBadReceipt)
	wantCounts(t, c, url, "1", "0", "0")
	remove(t, c, url, one(t, c, url))
	wantCounts(t, c, url, "0", "0", "0")
}

func TestFIFOQueueDelay(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := fifoQueue(t, c, attrs{"DelaySeconds": "1"})
	start := time.Now()
	send(t, c, url, "1", group("g"))
	send(t, c, url, "2", group("g"))
	none(t, c, url)
	wantCounts(t, c, url, "0", "0", "2")
	wantBodies(t, []types.Message{one(t, c, url)}, "1")
	if took := time.Since(start); took < 990*time.Millisecond {
		t.Errorf("received after %v, want a second", took)
	}
}

func TestDeduplicationByID(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, attrs{"FifoQueue": "true"})
	first := send(t, c, url, "first", group("g"), dedup("id"))
	second := send(t, c, url, "second", group("other"), dedup("id"))
	if *first.MessageId != *second.MessageId || *first.SequenceNumber != *second.SequenceNumber {
		t.Errorf("a duplicate answered %s %s, want the original's %s %s", *second.MessageId, *second.SequenceNumber, *first.MessageId, *first.SequenceNumber)
	}
	wantCounts(t, c, url, "1", "0", "0")
	m := one(t, c, url)
	if *m.Body != "first" || m.Attributes["MessageDeduplicationId"] != "id" {
		t.Errorf("received %q %v", *m.Body, m.Attributes)
	}
	remove(t, c, url, m)
	send(t, c, url, "third", group("g"), dedup("id")) // still a duplicate after the delete
	wantCounts(t, c, url, "0", "0", "0")
	send(t, c, url, "first", group("g"), dedup("id2"))
	wantCounts(t, c, url, "1", "0", "0")
}

func TestDeduplicationByContent(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := fifoQueue(t, c)
	first := send(t, c, url, "same", group("g"))
	second := send(t, c, url, "same", group("h"), with(map[string]types.MessageAttributeValue{"attributes": str("do not count")}))
	if *first.MessageId != *second.MessageId {
		t.Error("the same body got another message id")
	}
	send(t, c, url, "same", group("g"), dedup("an-id-of-its-own"))
	wantCounts(t, c, url, "2", "0", "0")
	// Switched off, the id is needed.
	if _, err := c.SetQueueAttributes(bound(t), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: attrs{"ContentBasedDeduplication": "false"}}); err != nil {
		t.Fatal(err)
	}
	_, err := c.SendMessage(bound(t), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageGroupId: aws.String("g")})
	wantCode(t, err, codeBadValue)
}

// High throughput for FIFO queues: duplicates are looked for per group.
func TestDeduplicationScope(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := fifoQueue(t, c, attrs{"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"})
	a := attributes(t, c, url, "DeduplicationScope", "FifoThroughputLimit")
	if a["DeduplicationScope"] != "messageGroup" || a["FifoThroughputLimit"] != "perMessageGroupId" {
		t.Errorf("attributes = %v", a)
	}
	for _, g := range []string{"a", "b", "a", "b", "c"} {
		send(t, c, url, "same", group(g))
		send(t, c, url, "by id", group(g), dedup("id"))
	}
	wantCounts(t, c, url, "6", "0", "0")
	for _, bad := range []attrs{{"DeduplicationScope": "group"}, {"FifoThroughputLimit": "perMessage"}} {
		_, err := c.SetQueueAttributes(bound(t), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: bad})
		wantCode(t, err, codeBadAttrValue, codeBadValue)
	}
}

// A batch with two of the same id holds one message, and both entries succeed.
func TestDeduplicationInOneBatch(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := fifoQueue(t, c)
	e1, e2 := entry("1", "same"), entry("2", "same")
	e1.MessageGroupId, e2.MessageGroupId = aws.String("g"), aws.String("g")
	out, err := sendBatch(t, url, e1, e2)
	if err != nil || len(out.Successful) != 2 {
		t.Fatalf("SendMessageBatch = %+v, %v", out, err)
	}
	wantCounts(t, c, url, "1", "0", "0")
}

func TestReceiveAttemptID(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := fifoQueue(t, c)
	for _, m := range []string{"a1", "a2", "b1"} {
		send(t, c, url, m, group(m[:1]))
	}
	first := receive(t, c, url, upTo(2), attempt("try-1"), hide(600))
	wantBodies(t, first, "a1", "a2")
	again := receive(t, c, url, upTo(2), attempt("try-1"), hide(600))
	wantBodies(t, again, "a1", "a2")
	if *again[0].MessageId != *first[0].MessageId {
		t.Error("the same attempt gave other messages")
	}
	wantBodies(t, receive(t, c, url, upTo(2), attempt("try-2"), hide(600)), "b1")
	none(t, c, url)
	remove(t, c, url, again...)
	wantCounts(t, c, url, "0", "1", "0")
	if got := receive(t, c, url, upTo(2), attempt("try-1")); len(got) != 0 {
		t.Errorf("the attempt after its messages were deleted gave %q", bodies(got))
	}
}

// One group's backlog on a standard queue does not make another group wait.
func TestFairQueues(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, nil)
	for b := range 20 {
		var entries []sendEntry
		for i := range 10 {
			e := entry(fmt.Sprint(i), fmt.Sprintf("noisy %d", b*10+i))
			e.MessageGroupId = aws.String("noisy")
			entries = append(entries, e)
		}
		if _, err := sendBatch(t, url, entries...); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		send(t, c, url, fmt.Sprint("quiet ", i), group("quiet"))
	}
	quiet := 0
	for range 3 {
		for _, m := range receive(t, c, url, upTo(10)) {
			if m.Attributes["MessageGroupId"] == "quiet" {
				quiet++
			}
		}
	}
	if quiet != 5 {
		t.Errorf("%d of 5 quiet messages among the first 30, want all", quiet)
	}
	// Groups on a standard queue do not lock.
	wantCounts(t, c, url, "175", "30", "0")
	if got := receive(t, c, url, upTo(10)); len(got) != 10 {
		t.Errorf("received %d, want 10", len(got))
	}
}
