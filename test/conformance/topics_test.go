package conformance

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/waystation/waystation/test/harness"
)

// topics is an SDK client of SNS that does not retry.
func topics(base, key, secret string) *sns.Client {
	return sns.New(sns.Options{
		Region: harness.Region, BaseEndpoint: &base, HTTPClient: harness.HTTP(), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
	})
}

func newTopic(t testing.TB, c *sns.Client, a attrs) string {
	t.Helper()
	suffix := ""
	if a["FifoTopic"] == "true" {
		suffix = ".fifo"
	}
	out, err := c.CreateTopic(bound(t), &sns.CreateTopicInput{Name: aws.String(name(t, suffix)), Attributes: a})
	if err != nil {
		t.Fatalf("CreateTopic %v: %v", a, err)
	}
	return *out.TopicArn
}

func subscribe(t testing.TB, c *sns.Client, topic, queueARN string, a attrs) string {
	t.Helper()
	out, err := c.Subscribe(bound(t), &sns.SubscribeInput{TopicArn: &topic, Protocol: aws.String("sqs"), Endpoint: &queueARN, Attributes: a, ReturnSubscriptionArn: true})
	if err != nil {
		t.Fatalf("Subscribe %v: %v", a, err)
	}
	return *out.SubscriptionArn
}

func publish(t testing.TB, c *sns.Client, in *sns.PublishInput) *sns.PublishOutput {
	t.Helper()
	out, err := c.Publish(bound(t), in)
	if err != nil {
		t.Fatalf("Publish: %v", err)
	}
	return out
}

// notification is an envelope as receivers read it.
type notification struct {
	Type, MessageId, SequenceNumber, Token, TopicArn, Message, SubscribeURL, Timestamp string
	Subject                                                                            *string
	SignatureVersion, Signature, SigningCertURL, UnsubscribeURL                        string
	MessageAttributes                                                                  map[string]struct{ Type, Value string }
}

func notificationOf(t testing.TB, m sqstypes.Message) (n notification) {
	t.Helper()
	if err := json.Unmarshal([]byte(*m.Body), &n); err != nil {
		t.Fatalf("%s: %v", *m.Body, err)
	}
	return n
}

// validate checks a notification as receivers' validators do: with the certificate that
// its address leads to.
// https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html
func validate(n notification) error {
	resp, err := http.Get(n.SigningCertURL)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	block, _ := pem.Decode(data)
	if block == nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", n.SigningCertURL, resp.Status, data)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	fields := [][2]string{{"Message", n.Message}, {"MessageId", n.MessageId}}
	switch n.Type {
	case "Notification":
		if n.Subject != nil {
			fields = append(fields, [2]string{"Subject", *n.Subject})
		}
		fields = append(fields, [2]string{"Timestamp", n.Timestamp})
	case "SubscriptionConfirmation":
		fields = append(fields, [2]string{"SubscribeURL", n.SubscribeURL}, [2]string{"Timestamp", n.Timestamp}, [2]string{"Token", n.Token})
	default:
		return errors.New("type " + n.Type)
	}
	fields = append(fields, [2]string{"TopicArn", n.TopicArn}, [2]string{"Type", n.Type})
	var text strings.Builder
	for _, f := range fields {
		text.WriteString(f[0] + "\n" + f[1] + "\n")
	}
	algorithm, ok := map[string]x509.SignatureAlgorithm{"1": x509.SHA1WithRSA, "2": x509.SHA256WithRSA}[n.SignatureVersion]
	if !ok {
		return errors.New("signature version " + n.SignatureVersion)
	}
	signature, err := base64.StdEncoding.DecodeString(n.Signature)
	if err != nil {
		return err
	}
	return certificate.CheckSignature(algorithm, []byte(text.String()), signature)
}

func TestTopicToQueues(t *testing.T) {
	t.Parallel()
	c, s := topics(endpoint(t), harness.Key, harness.Secret), client(t)
	for _, version := range []string{"1", "2"} {
		topic := newTopic(t, c, nil)
		_, err := c.SetTopicAttributes(bound(t), &sns.SetTopicAttributesInput{TopicArn: &topic, AttributeName: aws.String("SignatureVersion"), AttributeValue: &version})
		if err != nil {
			t.Fatal(err)
		}
		enveloped, raw, filtered, unwanted := queue(t, s, nil), queue(t, s, nil), queue(t, s, nil), queue(t, s, nil)
		sub := subscribe(t, c, topic, arn(t, s, enveloped), nil)
		subscribe(t, c, topic, arn(t, s, raw), attrs{"RawMessageDelivery": "true"})
		subscribe(t, c, topic, arn(t, s, filtered), attrs{"FilterPolicy": `{"price":[{"numeric":[">",10]}]}`, "FilterPolicyScope": "MessageBody"})
		subscribe(t, c, topic, arn(t, s, unwanted), attrs{"FilterPolicy": `{"kind":[{"anything-but":"sale"}]}`})
		body := `{"price":12.5,"text":"ünïcödé <&> \\ \" 🚀"}`
		out := publish(t, c, &sns.PublishInput{
			TopicArn: &topic, Message: &body, Subject: aws.String("Sale"), MessageGroupId: aws.String("tenant"),
			MessageAttributes: map[string]types.MessageAttributeValue{
				"kind": {DataType: aws.String("String"), StringValue: aws.String("sale")},
				"n":    {DataType: aws.String("Number"), StringValue: aws.String("1.50")},
				"blob": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 255}},
				"list": {DataType: aws.String("String.Array"), StringValue: aws.String(`["a",1,null]`)},
			},
		})
		m := one(t, s, enveloped)
		n := notificationOf(t, m)
		if n.Type != "Notification" || n.MessageId != *out.MessageId || n.Message != body || *n.Subject != "Sale" || n.TopicArn != topic ||
			n.SignatureVersion != version || !strings.HasSuffix(n.UnsubscribeURL, "/?Action=Unsubscribe&SubscriptionArn="+sub) ||
			n.MessageAttributes["blob"].Value != "AAH/" || n.MessageAttributes["n"].Value != "1.50" || m.Attributes["MessageGroupId"] != "tenant" {
			t.Errorf("%s, %v", *m.Body, m.Attributes)
		}
		if err := validate(n); err != nil {
			t.Errorf("version %s: %v", version, err)
		}
		n.Message = strings.Replace(n.Message, "12.5", "1.25", 1)
		if validate(n) == nil {
			t.Error("an altered message is valid")
		}
		m = one(t, s, raw) // the SDK compares the digests of body and attributes
		if *m.Body != body || len(m.MessageAttributes) != 4 || string(m.MessageAttributes["blob"].BinaryValue) != "\x00\x01\xff" || *m.MessageAttributes["list"].DataType != "String.Array" {
			t.Errorf("%s, %v", *m.Body, m.MessageAttributes)
		}
		one(t, s, filtered)
		none(t, s, unwanted)
		if _, err := c.Unsubscribe(bound(t), &sns.UnsubscribeInput{SubscriptionArn: &sub}); err != nil {
			t.Fatal(err)
		}
		publish(t, c, &sns.PublishInput{TopicArn: &topic, Message: aws.String("after")})
		one(t, s, raw)
		wantCounts(t, s, enveloped, "0", "1", "0")
	}
}

func TestFIFOTopic(t *testing.T) {
	t.Parallel()
	c, s := topics(endpoint(t), harness.Key, harness.Secret), client(t)
	topic := newTopic(t, c, attrs{"FifoTopic": "true", "ContentBasedDeduplication": "true"})
	first, second := queue(t, s, attrs{"FifoQueue": "true"}), queue(t, s, attrs{"FifoQueue": "true"})
	subscribe(t, c, topic, arn(t, s, first), nil)
	subscribe(t, c, topic, arn(t, s, second), attrs{"RawMessageDelivery": "true"})
	var want, numbers []string
	for i := range 4 {
		var entries []types.PublishBatchRequestEntry
		for k := range 5 {
			want = append(want, fmt.Sprint(5*i+k))
			entries = append(entries, types.PublishBatchRequestEntry{Id: aws.String(fmt.Sprint(k)), Message: aws.String(want[len(want)-1]), MessageGroupId: aws.String("g")})
		}
		for range 2 { // the second time they are duplicates
			out, err := c.PublishBatch(bound(t), &sns.PublishBatchInput{TopicArn: &topic, PublishBatchRequestEntries: entries})
			if err != nil || len(out.Successful) != 5 {
				t.Fatalf("%+v, %v", out, err)
			}
			for _, r := range out.Successful {
				numbers = append(numbers, *r.SequenceNumber)
			}
			if n := len(numbers); n%10 == 0 && !slices.Equal(numbers[n-5:], numbers[n-10:n-5]) {
				t.Errorf("duplicates are numbered %q, not %q", numbers[n-5:], numbers[n-10:n-5])
			}
		}
	}
	numbers = slices.Compact(slices.Sorted(slices.Values(numbers)))
	for _, url := range []string{first, second} {
		var got []string
		for len(got) < len(want) {
			ms := receive(t, s, url, upTo(10), wait(10))
			if len(ms) == 0 {
				t.Fatalf("received %q", got)
			}
			for _, m := range ms {
				body := *m.Body
				if url == first {
					n := notificationOf(t, m)
					if body = n.Message; n.SequenceNumber != numbers[len(got)] || n.Signature != "" {
						t.Errorf("%s", *m.Body)
					}
				}
				got = append(got, body)
			}
			remove(t, s, url, ms...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("received %q, want %q", got, want)
		}
		none(t, s, url)
	}
	_, err := c.Publish(bound(t), &sns.PublishInput{TopicArn: &topic, Message: aws.String("x")})
	wantCode(t, err, "InvalidParameter")
}

func TestTopicLifecycle(t *testing.T) {
	t.Parallel()
	c, s := topics(endpoint(t), harness.Key, harness.Secret), client(t)
	in := &sns.CreateTopicInput{Name: aws.String(name(t, "")), Attributes: attrs{"DisplayName": "Display"}, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("a")}}}
	out, err := c.CreateTopic(bound(t), in)
	if err != nil {
		t.Fatal(err)
	}
	topic := *out.TopicArn
	if again, err := c.CreateTopic(bound(t), in); err != nil || *again.TopicArn != topic {
		t.Errorf("again: %v", err)
	}
	in.Attributes["DisplayName"] = "Another"
	_, err = c.CreateTopic(bound(t), in)
	wantError[*types.InvalidParameterException](t, err, "InvalidParameter")
	a, err := c.GetTopicAttributes(bound(t), &sns.GetTopicAttributesInput{TopicArn: &topic})
	if err != nil || a.Attributes["DisplayName"] != "Display" || a.Attributes["Owner"] != account {
		t.Errorf("%v, %v", a, err)
	}
	if _, err := c.TagResource(bound(t), &sns.TagResourceInput{ResourceArn: &topic, Tags: []types.Tag{{Key: aws.String("b"), Value: aws.String("")}}}); err != nil {
		t.Error(err)
	}
	if _, err := c.UntagResource(bound(t), &sns.UntagResourceInput{ResourceArn: &topic, TagKeys: []string{"team"}}); err != nil {
		t.Error(err)
	}
	tags, err := c.ListTagsForResource(bound(t), &sns.ListTagsForResourceInput{ResourceArn: &topic})
	if err != nil || len(tags.Tags) != 1 || *tags.Tags[0].Key != "b" {
		t.Errorf("%v, %v", tags, err)
	}
	sub := subscribe(t, c, topic, arn(t, s, queue(t, s, nil)), nil)
	if _, err := c.SetSubscriptionAttributes(bound(t), &sns.SetSubscriptionAttributesInput{SubscriptionArn: &sub, AttributeName: aws.String("FilterPolicy"), AttributeValue: aws.String(`{"a":["b"]}`)}); err != nil {
		t.Error(err)
	}
	sa, err := c.GetSubscriptionAttributes(bound(t), &sns.GetSubscriptionAttributesInput{SubscriptionArn: &sub})
	if err != nil || sa.Attributes["FilterPolicy"] != `{"a":["b"]}` {
		t.Errorf("%v, %v", sa, err)
	}
	found := false
	for p := sns.NewListTopicsPaginator(c, &sns.ListTopicsInput{}); p.HasMorePages(); {
		page, err := p.NextPage(bound(t))
		if err != nil {
			t.Fatal(err)
		}
		found = found || slices.ContainsFunc(page.Topics, func(x types.Topic) bool { return *x.TopicArn == topic })
	}
	subs, err := c.ListSubscriptionsByTopic(bound(t), &sns.ListSubscriptionsByTopicInput{TopicArn: &topic})
	if err != nil || len(subs.Subscriptions) != 1 || *subs.Subscriptions[0].SubscriptionArn != sub || !found {
		t.Errorf("%v, %v, listed %v", subs, err, found)
	}
	for range 2 {
		if _, err := c.DeleteTopic(bound(t), &sns.DeleteTopicInput{TopicArn: &topic}); err != nil {
			t.Error(err)
		}
	}
	_, err = c.GetTopicAttributes(bound(t), &sns.GetTopicAttributesInput{TopicArn: &topic})
	wantError[*types.NotFoundException](t, err, "NotFound")
	_, err = c.GetSubscriptionAttributes(bound(t), &sns.GetSubscriptionAttributesInput{SubscriptionArn: &sub})
	wantError[*types.NotFoundException](t, err, "NotFound")
	_, err = c.CreatePlatformApplication(bound(t), &sns.CreatePlatformApplicationInput{Name: aws.String("a"), Platform: aws.String("GCM"), Attributes: attrs{}})
	if err == nil || !strings.Contains(err.Error(), "not implemented yet") {
		t.Errorf("what is not there: %v", err)
	}
}

// Where policies count, a queue lets a topic send by its own, a topic lets accounts
// publish and subscribe, and the owner of a queue is asked, who confirms by a link.
func TestTopicPolicies(t *testing.T) {
	t.Parallel()
	base := guardedURL(t)
	mine, theirs := topics(base, "AKOWNER", "owner-secret"), topics(base, "AKOTHER", "other-secret")
	sMine, sTheirs := harness.SQS(base, owner), harness.SQS(base, other)
	topic := newTopic(t, mine, nil)
	shut, dead := queue(t, sMine, nil), queue(t, sMine, nil)
	allow := func(c *sqs.Client, url, source string) {
		t.Helper()
		policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*","Condition":{"ArnEquals":{"aws:SourceArn":%q}}}]}`, source)
		if _, err := c.SetQueueAttributes(bound(t), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: attrs{"Policy": policy}}); err != nil {
			t.Fatal(err)
		}
	}
	allow(sMine, dead, topic)
	subscribe(t, mine, topic, arn(t, sMine, shut), attrs{"RedrivePolicy": `{"deadLetterTargetArn":"` + arn(t, sMine, dead) + `"}`, "RawMessageDelivery": "true"})
	publish(t, mine, &sns.PublishInput{TopicArn: &topic, Message: aws.String("refused")})
	wantBodies(t, []sqstypes.Message{one(t, sMine, dead)}, "refused")
	none(t, sMine, shut)
	allow(sMine, shut, topic+"x")
	publish(t, mine, &sns.PublishInput{TopicArn: &topic, Message: aws.String("of another")})
	wantBodies(t, []sqstypes.Message{one(t, sMine, dead)}, "of another")
	allow(sMine, shut, topic)
	publish(t, mine, &sns.PublishInput{TopicArn: &topic, Message: aws.String("allowed")})
	wantBodies(t, []sqstypes.Message{one(t, sMine, shut)}, "allowed")

	_, err := theirs.Publish(bound(t), &sns.PublishInput{TopicArn: &topic, Message: aws.String("x")})
	wantError[*types.AuthorizationErrorException](t, err, "AuthorizationError")
	if _, err := mine.AddPermission(bound(t), &sns.AddPermissionInput{TopicArn: &topic, Label: aws.String("them"), AWSAccountId: []string{otherAccount}, ActionName: []string{"Publish"}}); err != nil {
		t.Fatal(err)
	}
	publish(t, theirs, &sns.PublishInput{TopicArn: &topic, Message: aws.String("by them")})
	wantBodies(t, []sqstypes.Message{one(t, sMine, shut)}, "by them")
	if _, err := mine.RemovePermission(bound(t), &sns.RemovePermissionInput{TopicArn: &topic, Label: aws.String("them")}); err != nil {
		t.Fatal(err)
	}
	_, err = theirs.Publish(bound(t), &sns.PublishInput{TopicArn: &topic, Message: aws.String("x")})
	wantCode(t, err, "AuthorizationError")

	// Another account's queue.
	url := queue(t, sTheirs, nil)
	allow(sTheirs, url, topic)
	q := arn(t, sTheirs, url)
	pending, err := mine.Subscribe(bound(t), &sns.SubscribeInput{TopicArn: &topic, Protocol: aws.String("sqs"), Endpoint: &q})
	if err != nil || *pending.SubscriptionArn != "pending confirmation" {
		t.Fatalf("%v, %v", pending, err)
	}
	asked := notificationOf(t, one(t, sTheirs, url))
	if err := validate(asked); err != nil || asked.Type != "SubscriptionConfirmation" {
		t.Errorf("%+v: %v", asked, err)
	}
	resp, err := http.Get(asked.SubscribeURL)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(answer), topic+":") {
		t.Errorf("%s, %s, %v", resp.Status, answer, err)
	}
	publish(t, mine, &sns.PublishInput{TopicArn: &topic, Message: aws.String("to them")})
	n := notificationOf(t, one(t, sTheirs, url))
	if err := validate(n); err != nil || n.Message != "to them" {
		t.Errorf("%+v: %v", n, err)
	}
	// The link to unsubscribe is for who may.
	if resp, err = http.Get(n.UnsubscribeURL); err != nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("%v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
}

// What was published is there after kill -9, and its signature holds.
func TestPublishedSurvivesKill(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{Args: []string{"--partitions", "3"}})
	c, s := topics(server.URL(), harness.Key, harness.Secret), harness.SQS(server.URL())
	topic, fifo := newTopic(t, c, nil), newTopic(t, c, attrs{"FifoTopic": "true"})
	var queues, ordered []string
	for range 6 {
		queues = append(queues, queue(t, s, nil))
		subscribe(t, c, topic, arn(t, s, queues[len(queues)-1]), nil)
		ordered = append(ordered, queue(t, s, attrs{"FifoQueue": "true"}))
		subscribe(t, c, fifo, arn(t, s, ordered[len(ordered)-1]), attrs{"RawMessageDelivery": "true"})
	}
	publish(t, c, &sns.PublishInput{TopicArn: &topic, Message: aws.String("durable")})
	in := &sns.PublishInput{TopicArn: &fifo, Message: aws.String("once"), MessageGroupId: aws.String("g"), MessageDeduplicationId: aws.String("1")}
	first := publish(t, c, in)
	before := notificationOf(t, one(t, s, queues[0], hide(1)))
	server.Kill()
	if err := errors.Join(server.Again(), server.WaitReady()); err != nil {
		t.Fatal(err)
	}
	if again := publish(t, c, in); *again.MessageId != *first.MessageId || *again.SequenceNumber != *first.SequenceNumber {
		t.Errorf("published again as %s, %s", *again.MessageId, *again.SequenceNumber)
	}
	for _, url := range queues {
		n := notificationOf(t, one(t, s, url))
		if err := validate(n); err != nil || n.Message != "durable" || n.Signature != before.Signature {
			t.Errorf("%+v: %v", n, err)
		}
		none(t, s, url)
	}
	for _, url := range ordered {
		wantBodies(t, []sqstypes.Message{one(t, s, url)}, "once")
		none(t, s, url)
	}
}
