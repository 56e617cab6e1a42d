package sqs

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// show gives a queue's attributes.
func (e *env) show(t testing.TB, url string, names ...string) map[string]string {
	t.Helper()
	out, err := e.getAttributes(context.Background(), as(account), &getAttributesInput{QueueUrl: url, AttributeNames: names})
	if err != nil {
		t.Fatal(err)
	}
	return out.Attributes
}

func (e *env) set(url string, attributes ...string) error {
	in := &setAttributesInput{QueueUrl: url, Attributes: map[string]string{}}
	for i := 0; i+1 < len(attributes); i += 2 {
		in.Attributes[attributes[i]] = attributes[i+1]
	}
	_, err := e.setAttributes(context.Background(), as(account), in)
	return err
}

func TestQueueAttributesShown(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.msgs.counts = partition.Counts{Visible: 3, InFlight: 2, Delayed: 1}
	standard := map[string]string{
		"ApproximateNumberOfMessages": "3", "ApproximateNumberOfMessagesNotVisible": "2", "ApproximateNumberOfMessagesDelayed": "1",
		"CreatedTimestamp": "1700000000", "LastModifiedTimestamp": "1700000000", "DelaySeconds": "0", "MaximumMessageSize": "1048576",
		"MessageRetentionPeriod": "345600", "QueueArn": "arn:aws:sqs:us-east-1:123456789012:orders",
		"ReceiveMessageWaitTimeSeconds": "0", "SqsManagedSseEnabled": "true", "VisibilityTimeout": "30",
	}
	if got := e.show(t, e.make(t, "orders"), "All"); !maps.Equal(got, standard) {
		t.Errorf("standard queue: %v", got)
	}
	fifo := maps.Clone(standard)
	fifo["QueueArn"] += ".fifo"
	fifo["FifoQueue"], fifo["ContentBasedDeduplication"] = "true", "false"
	fifo["DeduplicationScope"], fifo["FifoThroughputLimit"] = "queue", "perQueue"
	if got := e.show(t, e.make(t, "orders.fifo"), "All"); !maps.Equal(got, fifo) {
		t.Errorf("FIFO queue: %v", got)
	}
	url := e.make(t, "orders")
	if got := e.show(t, url); len(got) != 0 {
		t.Errorf("without names: %v", got)
	}
	if got := e.show(t, url, "VisibilityTimeout", "Policy", "FifoQueue"); !maps.Equal(got, map[string]string{"VisibilityTimeout": "30"}) {
		t.Errorf("by name: %v", got)
	}
	_, err := e.getAttributes(context.Background(), as(account), &getAttributesInput{QueueUrl: url, AttributeNames: []string{"Foo"}})
	wantError(t, err, "InvalidAttributeName", "Unknown Attribute Foo.")
}

func TestSetAttributesRefusals(t *testing.T) {
	t.Parallel()
	const bad = "InvalidAttributeValue"
	type test struct {
		queue, name, value string
		code, message      string
	}
	var tests []test
	numbers := map[string][2]int{
		"DelaySeconds": {0, 900}, "MaximumMessageSize": {1024, 1048576}, "MessageRetentionPeriod": {60, 1209600},
		"ReceiveMessageWaitTimeSeconds": {0, 20}, "VisibilityTimeout": {0, 43200}, "KmsDataKeyReusePeriodSeconds": {60, 86400},
	}
	for name, bounds := range numbers {
		refusal := "Invalid value for the parameter " + name + "."
		for _, v := range []string{strconv.Itoa(bounds[0]), strconv.Itoa(bounds[1])} {
			tests = append(tests, test{"orders", name, v, "", ""})
		}
		for _, v := range []string{strconv.Itoa(bounds[0] - 1), strconv.Itoa(bounds[1] + 1), "", " 70", "70.5", "+70", "true", "99999999999999999999"} {
			tests = append(tests, test{"orders", name, v, bad, refusal})
		}
	}
	tests = append(tests,
		test{"orders", "Foo", "1", "InvalidAttributeName", "Unknown Attribute Foo."},
		test{"orders", "QueueArn", "x", "InvalidAttributeName", "Unknown Attribute QueueArn."},
		test{"orders", "All", "x", "InvalidAttributeName", "Unknown Attribute All."},
		test{"orders", "FifoQueue", "true", "InvalidAttributeName", "Unknown Attribute FifoQueue."},
		test{"orders", "FifoQueue", "false", "InvalidAttributeName", "Unknown Attribute FifoQueue."},
		test{"orders", "ContentBasedDeduplication", "false", "InvalidAttributeName", "Unknown Attribute ContentBasedDeduplication."},
		test{"orders", "DeduplicationScope", "queue", "InvalidAttributeName", "You can specify the DeduplicationScope only when FifoQueue is set to true."},
		test{"orders", "FifoThroughputLimit", "perQueue", "InvalidAttributeName", "You can specify the FifoThroughputLimit only when FifoQueue is set to true."},
		test{"orders.fifo", "FifoQueue", "true", "", ""},
		test{"orders.fifo", "FifoQueue", "false", bad, "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported."},
		test{"orders.fifo", "ContentBasedDeduplication", "yes", bad, "Invalid value for the parameter ContentBasedDeduplication."},
		test{"orders.fifo", "DeduplicationScope", "group", bad, "Invalid value for the parameter DeduplicationScope."},
		test{"orders.fifo", "DeduplicationScope", "messageGroup", "", ""},
		test{"orders.fifo", "FifoThroughputLimit", "perMessageGroupId", bad, "Invalid value for the parameter FifoThroughputLimit. Reason: " +
			"The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup."},
		test{"orders", "SqsManagedSseEnabled", "maybe", bad, "Invalid value for the parameter SqsManagedSseEnabled."},
		test{"orders", "Policy", "badjson", bad, "Invalid value for the parameter Policy. Reason: …"},
		test{"orders", "Policy", "[]", bad, "Invalid value for the parameter Policy. Reason: …"},
		test{"orders", "Policy", `{"Version":"4532-10-17","Statement":[]}`, bad, "Invalid value for the parameter Policy. Reason: …"},
		test{"orders", "RedrivePolicy", " ", bad, "Invalid value for the parameter RedrivePolicy. Reason: Redrive policy is not a valid JSON map."},
	)
	for _, tt := range tests {
		t.Run(tt.queue+" "+tt.name+"="+tt.value, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t)
			e.make(t, "orders")
			e.make(t, "orders.fifo")
			wantError(t, e.set("http://h/"+account+"/"+tt.queue, tt.name, tt.value), tt.code, tt.message)
		})
	}
	e := newEnv(t)
	wantError(t, e.set(e.make(t, "orders")), "MissingParameter", "The request must contain the parameter Attribute.Name.")
}

func TestEncryptionAttributes(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	url := e.make(t, "orders")
	names := []string{"KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled"}
	steps := []struct {
		set  []string
		want map[string]string
	}{
		{nil, map[string]string{"SqsManagedSseEnabled": "true"}},
		{[]string{"KmsMasterKeyId", "alias/aws/sqs"},
			map[string]string{"KmsMasterKeyId": "alias/aws/sqs", "KmsDataKeyReusePeriodSeconds": "300", "SqsManagedSseEnabled": "false"}},
		{[]string{"KmsDataKeyReusePeriodSeconds", "6000"},
			map[string]string{"KmsMasterKeyId": "alias/aws/sqs", "KmsDataKeyReusePeriodSeconds": "6000", "SqsManagedSseEnabled": "false"}},
		{[]string{"KmsMasterKeyId", ""}, map[string]string{"SqsManagedSseEnabled": "false"}},
		{[]string{"KmsMasterKeyId", "k", "SqsManagedSseEnabled", "false"},
			map[string]string{"KmsMasterKeyId": "k", "KmsDataKeyReusePeriodSeconds": "300", "SqsManagedSseEnabled": "false"}},
		{[]string{"SqsManagedSseEnabled", "true"}, map[string]string{"SqsManagedSseEnabled": "true"}},
	}
	for _, s := range steps {
		if s.set != nil {
			wantError(t, e.set(url, s.set...), "", "")
		}
		if got := e.show(t, url, names...); !maps.Equal(got, s.want) {
			t.Errorf("after %v: %v, want %v", s.set, got, s.want)
		}
	}
	wantError(t, e.set(url, "KmsMasterKeyId", "k", "SqsManagedSseEnabled", "true"), "InvalidAttributeName",
		"You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.")
}

func TestHighThroughput(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	url := e.make(t, "orders.fifo")
	wantError(t, e.set(url, "FifoThroughputLimit", "perMessageGroupId", "DeduplicationScope", "messageGroup"), "", "")
	if got := e.show(t, url, "FifoThroughputLimit")["FifoThroughputLimit"]; got != "perMessageGroupId" {
		t.Errorf("limit %s", got)
	}
	wantError(t, e.set(url, "DeduplicationScope", "queue"), "InvalidAttributeValue", "Invalid value for the parameter FifoThroughputLimit. …")
}

func TestCreateQueue(t *testing.T) {
	t.Parallel()
	const exists = "A queue already exists with the same name and a different value for attribute "
	tests := []struct {
		name          string
		in            createQueueInput
		code, message string
	}{
		{"as it stands", createQueueInput{QueueName: "there"}, "", ""},
		{"same attributes", createQueueInput{QueueName: "there", Attributes: map[string]string{"DelaySeconds": "5", "VisibilityTimeout": "30"}}, "", ""},
		{"other tags", createQueueInput{QueueName: "there", Tags: map[string]string{"a": "b"}}, "", ""},
		{"other delay", createQueueInput{QueueName: "there", Attributes: map[string]string{"DelaySeconds": "6"}}, "QueueAlreadyExists", exists + "DelaySeconds"},
		{"policy too many", createQueueInput{QueueName: "there", Attributes: map[string]string{"RedriveAllowPolicy": `{"redrivePermission":"denyAll"}`}},
			"QueueAlreadyExists", exists + "RedriveAllowPolicy"},
		{"same policy written otherwise", createQueueInput{QueueName: "there", Attributes: map[string]string{"Policy": `{"Statement":[{"Action":"sqs:SendMessage",` +
			`"Effect":"Allow","Principal":"*","Resource":"*"}],  "Version":"2012-10-17"}`}}, "", ""},
		{"FIFO", createQueueInput{QueueName: "new.fifo", Attributes: map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true"}}, "", ""},
		{"FIFO named as standard", createQueueInput{QueueName: "new", Attributes: map[string]string{"FifoQueue": "true"}}, "InvalidParameterValue", "The name of a FIFO queue …"},
		{"standard named as FIFO", createQueueInput{QueueName: "new.fifo"}, "InvalidParameterValue", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"},
		{"FifoQueue false", createQueueInput{QueueName: "new.fifo", Attributes: map[string]string{"FifoQueue": "false"}}, "InvalidAttributeName", "Unknown Attribute FifoQueue."},
		{"FifoQueue false on standard", createQueueInput{QueueName: "new", Attributes: map[string]string{"FifoQueue": "false"}}, "InvalidAttributeName", "Unknown Attribute FifoQueue."},
		{"unknown attribute", createQueueInput{QueueName: "new", Attributes: map[string]string{"Zoo": "1", "Foo": "1", "DelaySeconds": "x"}}, "InvalidAttributeName", "Unknown Attribute Foo."},
		{"no name", createQueueInput{}, "InvalidParameterValue", "Queue name cannot be empty"},
		{"tag", createQueueInput{QueueName: "new", Tags: map[string]string{"": "b"}}, "InvalidParameterValue", "Tag keys must be between 1 and 128 characters in length."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t)
			e.make(t, "there", "DelaySeconds", "5", "Policy",
				`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"*"}]}`)
			out, err := e.createQueue(context.Background(), as(account), &tt.in)
			wantError(t, err, tt.code, tt.message)
			if err == nil && out.QueueUrl != "http://localhost:4566/"+account+"/"+tt.in.QueueName {
				t.Errorf("URL %s", out.QueueUrl)
			}
			if tt.code == "QueueAlreadyExists" && status(err) != 400 {
				t.Errorf("status %d", status(err))
			}
		})
	}
}

func TestQueueURLAndDelete(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	url := e.make(t, "orders")
	c := as(account)
	c.Host, c.Scheme = "queues.example:8443", "https"
	out, err := e.getQueueURL(context.Background(), c, &getQueueURLInput{QueueName: "orders"})
	if err != nil || out.QueueUrl != "https://queues.example:8443/123456789012/orders" {
		t.Errorf("%+v, %v", out, err)
	}
	_, err = e.getQueueURL(context.Background(), c, &getQueueURLInput{})
	wantError(t, err, "InvalidParameterValue", "Value for parameter QueueName is invalid. Reason: Must specify a queue name.")
	_, err = e.getQueueURL(context.Background(), c, &getQueueURLInput{QueueName: "orders", QueueOwnerAWSAccountId: other})
	wantError(t, err, "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
	if _, err := e.deleteQueue(context.Background(), c, &queueInput{QueueUrl: url}); err != nil {
		t.Fatal(err)
	}
	_, err = e.deleteQueue(context.Background(), c, &queueInput{QueueUrl: url})
	wantError(t, err, "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
	e.make(t, "orders") // at once
}

func TestPurge(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	url := e.make(t, "orders")
	if _, err := e.purgeQueue(context.Background(), as(account), &queueInput{QueueUrl: url}); err != nil || e.msgs.purged != 1 {
		t.Fatal(err)
	}
	e.msgs.err = partition.ErrPurgeInProgress
	_, err := e.purgeQueue(context.Background(), as(account), &queueInput{QueueUrl: url})
	wantError(t, err, legacy+"PurgeQueueInProgress", "Only one PurgeQueue operation on orders is allowed every 60 seconds.")
	if status(err) != 403 {
		t.Errorf("status %d", status(err))
	}
}

func TestListQueues(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	var want []string
	for _, name := range []string{"a", "b.fifo", "c", "orders-1", "orders-2", "orders-3"} {
		want = append(want, e.make(t, name))
	}
	list := func(in listQueuesInput) *listQueuesOutput {
		t.Helper()
		out, err := e.listQueues(context.Background(), as(account), &in)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := list(listQueuesInput{}); !slices.Equal(out.QueueUrls, want) || out.NextToken != "" {
		t.Errorf("all: %+v", out)
	}
	if out := list(listQueuesInput{QueueNamePrefix: "orders"}); !slices.Equal(out.QueueUrls, want[3:]) {
		t.Errorf("prefix: %+v", out)
	}
	if out := list(listQueuesInput{QueueNamePrefix: strings.Repeat("x", 2000)}); len(out.QueueUrls) != 0 {
		t.Errorf("long prefix: %+v", out)
	}
	var got []string
	token := ""
	for range 10 {
		out := list(listQueuesInput{MaxResults: ptr(int32(2)), NextToken: token})
		got = append(got, out.QueueUrls...)
		if token = out.NextToken; token == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("pages: %v", got)
	}
	const results = "Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and 1000."
	for _, tt := range []struct {
		in      listQueuesInput
		message string
	}{
		{listQueuesInput{MaxResults: ptr(int32(1001))}, results},
		{listQueuesInput{MaxResults: ptr(int32(-1))}, results},
		{listQueuesInput{NextToken: "invalidtoken"}, "Invalid or expired next token."},
		{listQueuesInput{NextToken: "%%%"}, "Invalid or expired next token."},
		{listQueuesInput{NextToken: list(listQueuesInput{MaxResults: ptr(int32(2))}).NextToken, QueueNamePrefix: "orders"}, "Invalid or expired next token."},
		{listQueuesInput{NextToken: base64.RawURLEncoding.EncodeToString([]byte("1orders-1"))}, "Invalid or expired next token."},
	} {
		_, err := e.listQueues(context.Background(), as(account), &tt.in)
		wantError(t, err, "InvalidParameterValue", tt.message)
	}
	token = list(listQueuesInput{MaxResults: ptr(int32(2))}).NextToken
	_, err := e.listQueues(context.Background(), as(other), &listQueuesInput{NextToken: token})
	wantError(t, err, "InvalidParameterValue", "Invalid or expired next token.")
	e = newEnv(t)
	e.defs.unavailable.Store(true) // and with it the secret
	if _, err := e.listQueues(context.Background(), as(account), &listQueuesInput{NextToken: token}); status(err) != 503 {
		t.Errorf("without the secret: %v", err)
	}
	e.defs.unavailable.Store(false)
	if out, err := e.listQueues(context.Background(), as(other), &listQueuesInput{}); err != nil || len(out.QueueUrls) != 0 {
		t.Errorf("another account sees %+v, %v", out, err)
	}
}

func TestListDeadLetterSources(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	dlq := e.make(t, "dlq")
	policy := `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:123456789012:dlq","maxReceiveCount":3}`
	var want []string
	for _, name := range []string{"a", "b", "c"} {
		want = append(want, e.make(t, name, "RedrivePolicy", policy))
	}
	list := func(in listSourcesInput) *listSourcesOutput {
		t.Helper()
		in.QueueUrl = dlq
		out, err := e.listSources(context.Background(), as(account), &in)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := list(listSourcesInput{}); !slices.Equal(out.QueueUrls, want) || out.NextToken != "" {
		t.Errorf("all: %+v", out)
	}
	first := list(listSourcesInput{MaxResults: ptr(int32(2))})
	second := list(listSourcesInput{MaxResults: ptr(int32(2)), NextToken: first.NextToken})
	if !slices.Equal(first.QueueUrls, want[:2]) || !slices.Equal(second.QueueUrls, want[2:]) || second.NextToken != "" {
		t.Errorf("pages: %+v, %+v", first, second)
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	url := e.make(t, "orders")
	tag := func(tags map[string]string) error {
		_, err := e.tagQueue(context.Background(), as(account), &tagQueueInput{QueueUrl: url, Tags: tags})
		return err
	}
	tags := func() map[string]string {
		out, err := e.listTags(context.Background(), as(account), &queueInput{QueueUrl: url})
		if err != nil {
			t.Fatal(err)
		}
		return out.Tags
	}
	wantError(t, tag(map[string]string{"tag1": "value1", "tag2": "value2", "tag3": ""}), "", "")
	wantError(t, tag(map[string]string{"tag1": "other", "grün": "ja"}), "", "")
	if _, err := e.untagQueue(context.Background(), as(account), &untagQueueInput{QueueUrl: url, TagKeys: []string{"tag2", "nothing"}}); err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"tag1": "other", "tag3": "", "grün": "ja"}; !maps.Equal(tags(), want) {
		t.Errorf("%v", tags())
	}
	many := map[string]string{}
	for i := range 48 {
		many["k"+strconv.Itoa(i)] = ""
	}
	const value = "InvalidParameterValue"
	for _, tt := range []struct {
		tags          map[string]string
		code, message string
	}{
		{nil, "MissingParameter", "The request must contain the parameter Tags."},
		{many, value, "Too many tags added for queue orders."},
		{map[string]string{"": "x"}, value, "Tag keys must be between 1 and 128 characters in length."},
		{map[string]string{strings.Repeat("é", 129): "x"}, value, "Tag keys must be between 1 and 128 characters in length."},
		{map[string]string{"k": strings.Repeat("é", 257)}, value, "Tag values must be between 0 and 256 characters in length."},
		{map[string]string{"AWS:x": "y"}, value, "Tag keys must not begin with aws: as it is reserved for AWS use."},
		{map[string]string{"k": "\x00"}, value, "Tag keys and values can only contain characters that a message can contain."},
		{map[string]string{strings.Repeat("é", 128): strings.Repeat("é", 256)}, "", ""},
	} {
		wantError(t, tag(tt.tags), tt.code, tt.message)
	}
	_, err := e.untagQueue(context.Background(), as(account), &untagQueueInput{QueueUrl: url})
	wantError(t, err, value, "Tag keys must be between 1 and 128 characters in length.")
}

func TestRegistryFailures(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err    error
		code   string
		status int
	}{
		{registry.ErrNotFound, legacy + "NonExistentQueue", 400},
		{registry.ErrUnavailable, "ServiceUnavailable", 503},
		{registry.ErrConflict, "ServiceUnavailable", 503},
		{registry.ErrFull, "ServiceUnavailable", 503},
		{registry.ErrTooMany, "OverLimit", 403},
	} {
		err := failure(as(account), tt.err)
		wantError(t, err, tt.code, "…")
		if status(err) != tt.status {
			t.Errorf("%v: status %d", tt.err, status(err))
		}
	}
}
