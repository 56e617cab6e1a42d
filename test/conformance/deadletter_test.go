package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// redrive is the RedrivePolicy to a dead-letter queue.
func redrive(dlqARN string, max int) attrs {
	return attrs{"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, dlqARN, max)}
}

func deadLetters(t *testing.T, c *sqs.Client, max int) (source, dlq string) {
	t.Helper()
	dlq = queue(t, c, nil)
	return queue(t, c, redrive(arn(t, c, dlq), max)), dlq
}

// exhaust receives and releases until the source is empty.
func exhaust(t *testing.T, c *sqs.Client, source string) {
	t.Helper()
	for range 100 {
		got := receive(t, c, source, upTo(10))
		if len(got) == 0 {
			return
		}
		for _, m := range got {
			visibility(t, c, source, m, 0)
		}
	}
	t.Fatal("the source never became empty")
}

func TestDeadLetterQueue(t *testing.T) {
	t.Parallel()
	c := client(t)
	source, dlq := deadLetters(t, c, 2)
	sent := send(t, c, source, "poison", with(map[string]types.MessageAttributeValue{"k": str("v")}))
	first := one(t, c, source)
	visibility(t, c, source, first, 0)
	second := one(t, c, source)
	visibility(t, c, source, second, 0)
	if second.Attributes["ApproximateReceiveCount"] != "2" {
		t.Errorf("receive count = %s, want 2", second.Attributes["ApproximateReceiveCount"])
	}
	none(t, c, source)
	wantCounts(t, c, source, "0", "0", "0")
	m := one(t, c, dlq)
	if *m.MessageId != *sent.MessageId || *m.Body != "poison" || *m.MessageAttributes["k"].StringValue != "v" {
		t.Errorf("dead letter = %+v", m)
	}
	if m.Attributes["DeadLetterQueueSourceArn"] != arn(t, c, source) {
		t.Errorf("DeadLetterQueueSourceArn = %q", m.Attributes["DeadLetterQueueSourceArn"])
	}
	if m.Attributes["SentTimestamp"] != first.Attributes["SentTimestamp"] {
		t.Errorf("SentTimestamp = %s, want the original %s", m.Attributes["SentTimestamp"], first.Attributes["SentTimestamp"])
	}
}

// A message whose last allowed receive runs out is dead without another one.
func TestDeadLetterByExpiry(t *testing.T) {
	t.Parallel()
	c := client(t)
	source, dlq := deadLetters(t, c, 1)
	send(t, c, source, "poison")
	one(t, c, source, hide(1))
	none(t, c, source, wait(2))
	if m := one(t, c, dlq); *m.Body != "poison" {
		t.Errorf("dead letter = %q", *m.Body)
	}
}

func TestFIFODeadLetterQueue(t *testing.T) {
	t.Parallel()
	c := client(t)
	dlq := queue(t, c, attrs{"FifoQueue": "true"})
	source := fifoQueue(t, c, redrive(arn(t, c, dlq), 1))
	for _, m := range []string{"1", "2", "3"} {
		send(t, c, source, m, group("g"))
	}
	got := receive(t, c, source, upTo(2))
	wantBodies(t, got, "1", "2")
	visibility(t, c, source, got[0], 0)
	visibility(t, c, source, got[1], 0)
	wantBodies(t, []types.Message{one(t, c, source)}, "3")
	dead := receive(t, c, dlq, upTo(10), wait(5))
	wantBodies(t, dead, "1", "2")
	for i, m := range dead {
		if id := m.Attributes["MessageDeduplicationId"]; id != *m.MessageId || *m.MessageId != *got[i].MessageId {
			t.Errorf("the deduplication id of %s, once %s, is %s; want the message's id", *m.MessageId, *got[i].MessageId, id)
		}
	}
	if dead[0].Attributes["MessageGroupId"] != "g" || dead[0].Attributes["DeadLetterQueueSourceArn"] != arn(t, c, source) {
		t.Errorf("attributes = %v", dead[0].Attributes)
	}
}

func TestRedrivePolicyRefused(t *testing.T) {
	t.Parallel()
	c := client(t)
	standard, fifo := queue(t, c, nil), fifoQueue(t, c)
	standardARN, fifoARN := arn(t, c, standard), arn(t, c, fifo)
	set := func(url string, a attrs) error {
		_, err := c.SetQueueAttributes(bound(t), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: a})
		return err
	}
	absent := "arn:aws:sqs:us-east-1:" + account + ":absent"
	for what, err := range map[string]error{
		"zero":         set(standard, redrive(standardARN, 0)),
		"1001":         set(standard, redrive(standardARN, 1001)),
		"absent":       set(standard, redrive(absent, 3)),
		"fifo DLQ":     set(standard, redrive(fifoARN, 3)),
		"standard DLQ": set(fifo, redrive(standardARN, 3)),
		"other region": set(standard, redrive(strings.Replace(standardARN, "us-east-1", "eu-west-1", 1), 3)),
		"not an ARN":   set(standard, redrive("dummy", 3)),
	} {
		t.Run(what, func(t *testing.T) { wantCode(t, err, codeBadValue, codeBadAttrValue, codeNoQueue) })
	}
	// Numbers may come as text; the policy can be taken away again.
	source, dlq := queue(t, c, nil), queue(t, c, nil)
	if err := set(source, attrs{"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"1000"}`, arn(t, c, dlq))}); err != nil {
		t.Fatal(err)
	}
	if p := attributes(t, c, source, "RedrivePolicy")["RedrivePolicy"]; !strings.Contains(p, "1000") || !strings.Contains(p, arn(t, c, dlq)) {
		t.Errorf("RedrivePolicy = %s", p)
	}
	if err := set(source, attrs{"RedrivePolicy": ""}); err != nil {
		t.Fatal(err)
	}
	if p, there := attributes(t, c, source, "All")["RedrivePolicy"]; there {
		t.Errorf("RedrivePolicy = %s, want none", p)
	}
}

func TestRedriveAllowPolicy(t *testing.T) {
	t.Parallel()
	c := client(t)
	friend, stranger := queue(t, c, nil), queue(t, c, nil)
	friendARN := arn(t, c, friend)
	set := func(url string, a attrs) error {
		_, err := c.SetQueueAttributes(bound(t), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: a})
		return err
	}
	dlq := queue(t, c, attrs{"RedriveAllowPolicy": fmt.Sprintf(`{"redrivePermission":"byQueue","sourceQueueArns":[%q]}`, friendARN)})
	dlqARN := arn(t, c, dlq)
	if err := set(friend, redrive(dlqARN, 3)); err != nil {
		t.Errorf("a source that is listed: %v", err)
	}
	wantCode(t, set(stranger, redrive(dlqARN, 3)), codeBadValue, codeBadAttrValue, codeDenied)
	closed := queue(t, c, attrs{"RedriveAllowPolicy": `{"redrivePermission":"denyAll"}`})
	wantCode(t, set(stranger, redrive(arn(t, c, closed), 3)), codeBadValue, codeBadAttrValue, codeDenied)
	if err := set(closed, attrs{"RedriveAllowPolicy": `{"redrivePermission":"allowAll"}`}); err != nil {
		t.Fatal(err)
	}
	if err := set(stranger, redrive(arn(t, c, closed), 3)); err != nil {
		t.Errorf("after allowAll: %v", err)
	}
	var eleven []string
	for range 11 {
		eleven = append(eleven, fmt.Sprintf("%q", friendARN))
	}
	for _, bad := range []string{
		`{"redrivePermission":"byQueue"}`,
		`{"redrivePermission":"denyAll","sourceQueueArns":["` + friendARN + `"]}`,
		`{"redrivePermission":"byQueue","sourceQueueArns":[` + strings.Join(eleven, ",") + `]}`,
		`{"redrivePermission":"byQueue","sourceQueueArns":["nonsense"]}`,
	} {
		wantCode(t, set(dlq, attrs{"RedriveAllowPolicy": bad}), codeBadValue, codeBadAttrValue)
	}
}

func TestListDeadLetterSourceQueues(t *testing.T) {
	t.Parallel()
	c := client(t)
	dlq := queue(t, c, nil)
	dlqARN := arn(t, c, dlq)
	var want []string
	for range 7 {
		want = append(want, queue(t, c, redrive(dlqARN, 3)))
	}
	slices.Sort(want)
	var got []string
	pages := 0
	p := sqs.NewListDeadLetterSourceQueuesPaginator(c, &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: &dlq, MaxResults: aws.Int32(3)})
	for p.HasMorePages() {
		out, err := p.NextPage(bound(t))
		if err != nil {
			t.Fatal(err)
		}
		got, pages = append(got, out.QueueUrls...), pages+1
	}
	slices.Sort(got)
	if !slices.Equal(got, want) || pages != 3 {
		t.Errorf("%d sources in %d pages, want 7 in 3", len(got), pages)
	}
	if out, err := c.ListDeadLetterSourceQueues(bound(t), &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: &want[0]}); err != nil || len(out.QueueUrls) != 0 {
		t.Errorf("of no dead-letter queue = %v, %v", out, err)
	}
}

// Time a message spent before it became a dead letter counts.
func TestRetention(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, attrs{"MessageRetentionPeriod": "60"})
	long := queue(t, c, nil)
	start := time.Now()
	send(t, c, url, "waiting")
	send(t, c, url, "in flight")
	send(t, c, url, "delayed", delay(900))
	send(t, c, long, "stays")
	one(t, c, url, hide(43200))
	eventually(t, 80*time.Second, "every message of the queue is over its retention", func() bool {
		left := counts(t, c, url) != [3]string{"0", "0", "0"}
		if age := time.Since(start); !left && age < 59*time.Second {
			t.Fatalf("messages went away after %v, want 60 s", age)
		}
		return !left
	})
	none(t, c, url)
	wantCounts(t, c, long, "1", "0", "0")
}
