package sns

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/awsapi/protocol"
)

const invalidParameter = "InvalidParameter"

func TestCreateTopic(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.make(t, "there", "DisplayName", "There")
	tagged := &createTopicInput{Name: "tagged", Tags: []tag{{"team", "a"}}}
	if _, err := e.createTopic(t.Context(), as(account), tagged); err != nil {
		t.Fatal(err)
	}
	many := make([]tag, 51)
	for i := range many {
		many[i].Key = fmt.Sprint(i)
	}
	for what, tt := range map[string]struct {
		in            createTopicInput
		code, message string
	}{
		"plain":       {createTopicInput{Name: "plain"}, "", ""},
		"again":       {createTopicInput{Name: "there"}, "", ""},
		"same":        {createTopicInput{Name: "there", Attributes: pairs([]string{"DisplayName", "There"})}, "", ""},
		"differs":     {createTopicInput{Name: "there", Attributes: pairs([]string{"DisplayName", "Here"})}, invalidParameter, "Invalid parameter: Attributes Reason: Topic already exists with different attributes"},
		"same tags":   {createTopicInput{Name: "tagged", Tags: []tag{{"team", "a"}}}, "", ""},
		"no tags":     {createTopicInput{Name: "tagged"}, "", ""},
		"other tags":  {createTopicInput{Name: "tagged", Tags: []tag{{"team", "b"}}}, invalidParameter, "Invalid parameter: Tags Reason: Topic already exists with different tags"},
		"no name":     {createTopicInput{}, invalidParameter, "Invalid parameter: Topic Name"},
		"blank":       {createTopicInput{Name: "a b"}, invalidParameter, "Invalid parameter: Topic Name"},
		"long":        {createTopicInput{Name: strings.Repeat("x", 257)}, invalidParameter, "Invalid parameter: Topic Name"},
		"longest":     {createTopicInput{Name: strings.Repeat("x", 256)}, "", ""},
		"only suffix": {createTopicInput{Name: "x.fifo"}, invalidParameter, "Invalid parameter: Topic Name"},
		"no suffix":   {createTopicInput{Name: "x", Attributes: pairs([]string{"FifoTopic", "true"})}, invalidParameter, "Invalid parameter: Fifo Topic names must end with .fifo…"},
		"FIFO":        {createTopicInput{Name: "x.fifo", Attributes: pairs([]string{"FifoTopic", "true", "FifoThroughputScope", "MessageGroup"})}, "", ""},
		"not FIFO":    {createTopicInput{Name: "y", Attributes: pairs([]string{"FifoTopic", "false"})}, "", ""},
		"FIFO or not": {createTopicInput{Name: "y", Attributes: pairs([]string{"FifoTopic", "maybe"})}, invalidParameter, "Invalid parameter: Attributes Reason: FifoTopic must be true or false"},
		"unknown":     {createTopicInput{Name: "y", Attributes: pairs([]string{"Foo", "x"})}, invalidParameter, "Invalid parameter: Attributes Reason: Unknown attribute Foo"},
		"not set":     {createTopicInput{Name: "y", Attributes: pairs([]string{"Owner", "x"})}, invalidParameter, "Invalid parameter: Attributes Reason: Unknown attribute Owner"},
		"protection":  {createTopicInput{Name: "y", DataProtectionPolicy: "{}"}, invalidParameter, "Invalid parameter: DataProtectionPolicy Reason: data protection is not supported yet"},
		"tag twice":   {createTopicInput{Name: "y", Tags: []tag{{"a", "1"}, {"a", "2"}}}, invalidParameter, "Invalid parameter: Tags Reason: Duplicated keys are not allowed."},
		"empty tag":   {createTopicInput{Name: "y", Tags: []tag{{"", "1"}}}, invalidParameter, "Invalid parameter: Tags Reason: Tag keys…"},
		"many tags":   {createTopicInput{Name: "y", Tags: many}, "TagLimitExceeded", "Could not complete request: tag quota of per resource exceeded"},
	} {
		t.Run(what, func(t *testing.T) {
			out, err := e.createTopic(t.Context(), as(account), &tt.in)
			wantError(t, err, tt.code, tt.message)
			if err == nil && out.TopicArn != "arn:aws:sns:"+region+":"+account+":"+tt.in.Name {
				t.Errorf("%+v", out)
			}
		})
	}
	_, err := e.createTopic(t.Context(), anonymous(), &createTopicInput{Name: "x"})
	wantError(t, err, "MissingAuthenticationToken", "Request is missing Authentication Token")
}

// Every attribute: what is taken and shown, what is refused.
func TestTopicAttributes(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	standard, fifo := e.make(t, "standard"), e.make(t, "orders.fifo")
	role := "arn:aws:iam::123456789012:role/log"
	for i, tt := range []struct {
		arn, name, value, shown, message string
	}{
		{standard, "DisplayName", "Päyments", "Päyments", ""},
		{standard, "DisplayName", strings.Repeat("x", 101), "", "DisplayName Reason: it has at most 100 characters"},
		{standard, "DisplayName", "", "", ""},
		{standard, "MaximumMessageSize", "1024", "1024", ""},
		{standard, "MaximumMessageSize", "1048576", "1048576", ""},
		{standard, "MaximumMessageSize", "1023", "", "MaximumMessageSize Reason: it must be an integer between 1024 and 1048576"},
		{standard, "MaximumMessageSize", "+2000", "", "MaximumMessageSize Reason: it must be an integer between 1024 and 1048576"},
		{standard, "SignatureVersion", "2", "2", ""},
		{standard, "SignatureVersion", "3", "", "SignatureVersion Reason: it must be 1 or 2"},
		{standard, "TracingConfig", "Active", "Active", ""},
		{standard, "TracingConfig", "x", "", "TracingConfig"},
		{fifo, "TracingConfig", "Active", "", "TracingConfig"},
		{fifo, "TracingConfig", "PassThrough", "PassThrough", ""},
		{standard, "KmsMasterKeyId", "alias/aws/sns", "alias/aws/sns", ""},
		{fifo, "ContentBasedDeduplication", "true", "true", ""},
		{fifo, "ContentBasedDeduplication", "x", "", "ContentBasedDeduplication Reason: it must be true or false"},
		{standard, "ContentBasedDeduplication", "true", "", "ContentBasedDeduplication Reason: only FIFO topics have it"},
		{fifo, "FifoThroughputScope", "MessageGroup", "MessageGroup", ""},
		{fifo, "FifoThroughputScope", "x", "", "FifoThroughputScope"},
		{standard, "FifoThroughputScope", "Topic", "", "FifoThroughputScope"},
		{standard, "SQSSuccessFeedbackSampleRate", "100", "100", ""},
		{standard, "SQSSuccessFeedbackSampleRate", "101", "", "SQSSuccessFeedbackSampleRate Reason: it must be an integer between 0 and 100"},
		{standard, "HTTPFailureFeedbackRoleArn", role, role, ""},
		{standard, "HTTPFailureFeedbackRoleArn", "x", "", "HTTPFailureFeedbackRoleArn Reason: it must be the ARN of a role"},
		{standard, "DeliveryPolicy", "{}", "", "DeliveryPolicy: http must be specified"},
		{standard, "DeliveryPolicy", `{"http":{"defaultHealthyRetryPolicy":{"numRetries":1}}}`, `{"http":{"defaultHealthyRetryPolicy":{"numRetries":1}}}`, ""},
		{fifo, "ArchivePolicy", "{}", "", "ArchivePolicy Reason: this attribute is not supported yet"},
		{standard, "Policy", "{", "", "Policy Error: …"},
		{standard, "FifoTopic", "true", "", "AttributeName"},
		{standard, "Owner", "x", "", "AttributeName"},
		{standard, "Nonsense", "x", "", "AttributeName"},
		{standard, "", "", "", "AttributeName"},
	} {
		_, err := e.setTopicAttributes(t.Context(), as(account), &setTopicAttributesInput{TopicArn: tt.arn, AttributeName: tt.name, AttributeValue: tt.value})
		code, message := "", ""
		if tt.message != "" {
			code, message = invalidParameter, "Invalid parameter: "+tt.message
		}
		wantError(t, err, code, message)
		out, err := e.getTopicAttributes(t.Context(), as(account), &topicInput{tt.arn})
		if err != nil || tt.message == "" && out.Attributes[tt.name] != tt.shown {
			t.Errorf("%d: %s is %q, want %q, %v", i, tt.name, out.Attributes[tt.name], tt.shown, err)
		}
	}
	out, err := e.getTopicAttributes(t.Context(), as(account), &topicInput{fifo})
	if a := out.Attributes; err != nil || a["FifoTopic"] != "true" || a["Owner"] != account || a["TopicArn"] != fifo || a["SubscriptionsConfirmed"] != "0" ||
		!strings.Contains(a["Policy"], "__default_statement_ID") {
		t.Errorf("%v, %v", a, err)
	}
	// Without a value an attribute is not shown, where the real service does not either.
	for _, name := range []string{"MaximumMessageSize", "SignatureVersion", "KmsMasterKeyId", "DeliveryPolicy"} {
		if v, ok := out.Attributes[name]; ok {
			t.Errorf("%s is %q", name, v)
		}
	}
}

func TestTopicsThatAreNot(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for arn, want := range map[string][2]string{
		"":         {invalidParameter, "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1"},
		"a:b:c:d:": {invalidParameter, "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 5"},
		"arn:aws:sqs:" + region + ":" + account + ":x":   {invalidParameter, "Invalid parameter: TopicArn"},
		"arn:aws:sns:" + region + ":" + account + ":x:y": {invalidParameter, "Invalid parameter: TopicArn"},
		"arn:aws:sns:" + region + ":" + account + ":x":   {"NotFound", "Topic does not exist"},
		"arn:aws:sns:" + region + ":" + other + ":x":     {"AuthorizationError", "User: arn:aws:iam::123456789012:root is not authorized to perform: sns:GetTopicAttributes…"},
	} {
		_, err := e.getTopicAttributes(t.Context(), as(account), &topicInput{arn})
		wantError(t, err, want[0], want[1])
	}
	arn := e.make(t, "x")
	for range 2 { // deleting is idempotent
		if _, err := e.deleteTopic(t.Context(), as(account), &topicInput{arn}); err != nil {
			t.Error(err)
		}
	}
	_, err := e.publish(t.Context(), as(account), &publishInput{TopicArn: arn, Message: "x"})
	wantError(t, err, "NotFound", "Topic does not exist")
}

func TestListTopics(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for i := range 101 {
		e.make(t, fmt.Sprintf("t%03d", i))
	}
	first, err := e.listTopics(t.Context(), as(account), &listInput{})
	if err != nil || len(first.Topics) != 100 || first.NextToken == "" {
		t.Fatalf("%d topics, %v", len(first.Topics), err)
	}
	second, err := e.listTopics(t.Context(), as(account), &listInput{NextToken: first.NextToken})
	if err != nil || len(second.Topics) != 1 || second.NextToken != "" || !strings.HasSuffix(second.Topics[0].TopicArn, ":t100") {
		t.Errorf("%+v, %v", second, err)
	}
	for _, c := range []*protocol.Call{as(other), as(account)} {
		_, err = e.listTopics(t.Context(), c, &listInput{NextToken: first.NextToken + "x"})
		wantError(t, err, invalidParameter, "Invalid parameter: NextToken")
	}
	_, err = e.listTopics(t.Context(), as(other), &listInput{NextToken: first.NextToken})
	wantError(t, err, invalidParameter, "Invalid parameter: NextToken")
	if none, err := e.listTopics(t.Context(), as(other), &listInput{}); err != nil || len(none.Topics) > 0 {
		t.Errorf("%+v, %v", none, err)
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	arn := e.make(t, "x")
	tags := func() string {
		t.Helper()
		out, err := e.listTags(t.Context(), as(account), &resourceInput{arn})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(out.Tags)
	}
	if _, err := e.tagResource(t.Context(), as(account), &tagInput{arn, []tag{{"b", "2"}, {"a", "1"}}}); err != nil || tags() != "[{a 1} {b 2}]" {
		t.Errorf("%s, %v", tags(), err)
	}
	if _, err := e.untagResource(t.Context(), as(account), &untagInput{arn, []string{"b", "c"}}); err != nil || tags() != "[{a 1}]" {
		t.Errorf("%s, %v", tags(), err)
	}
	_, err := e.tagResource(t.Context(), as(account), &tagInput{arn, []tag{{"aws:x", "2"}}})
	wantError(t, err, invalidParameter, "Invalid parameter: Tags Reason: Tag keys must not begin with aws:…")
	_, err = e.listTags(t.Context(), as(account), &resourceInput{arn + "x"})
	wantError(t, err, "ResourceNotFound", "Resource does not exist")
	_, err = e.listTags(t.Context(), as(other), &resourceInput{arn})
	wantError(t, err, "AuthorizationError", "User: arn:aws:iam::210987654321:root is not authorized to perform: sns:ListTagsForResource…")
}

// What a topic's policy gives to others they may do, and nothing else.
func TestPermissions(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	arn := e.make(t, "x")
	publish := func() error {
		_, err := e.publish(t.Context(), as(other), &publishInput{TopicArn: arn, Message: "x"})
		return err
	}
	const no = "User: arn:aws:iam::210987654321:root is not authorized to perform: sns:Publish on resource: "
	wantError(t, publish(), "AuthorizationError", no+"…")
	in := &addPermissionInput{TopicArn: arn, Label: "one", AWSAccountId: []string{other}, ActionName: []string{"Publish"}}
	if _, err := e.addPermission(t.Context(), as(account), in); err != nil {
		t.Fatal(err)
	}
	if err := publish(); err != nil {
		t.Error(err)
	}
	// The owner still may, by its own policies.
	if _, err := e.publish(t.Context(), as(account), &publishInput{TopicArn: arn, Message: "x"}); err != nil {
		t.Error(err)
	}
	_, err := e.deleteTopic(t.Context(), as(other), &topicInput{arn})
	wantError(t, err, "AuthorizationError", "User: arn:aws:iam::210987654321:root is not authorized to perform: sns:DeleteTopic…")
	_, err = e.addPermission(t.Context(), as(account), in)
	wantError(t, err, invalidParameter, "Invalid parameter: Statement already exists")
	for what, change := range map[string]func(*addPermissionInput){
		"Label": func(in *addPermissionInput) { in.Label = "" },
		"ActionName Reason: give 1 to 10 actions":       func(in *addPermissionInput) { in.ActionName = nil },
		"Policy statement action out of service scope!": func(in *addPermissionInput) { in.ActionName = []string{"Foo"} },
		"AWSAccountId Reason: give 1 to 50 accounts":    func(in *addPermissionInput) { in.AWSAccountId = nil },
		"AWSAccountId Reason: 12 is not an account":     func(in *addPermissionInput) { in.AWSAccountId = []string{"12"} },
	} {
		wrong := addPermissionInput{TopicArn: arn, Label: "two", AWSAccountId: []string{other}, ActionName: []string{"Publish"}}
		change(&wrong)
		_, err := e.addPermission(t.Context(), as(account), &wrong)
		wantError(t, err, invalidParameter, "Invalid parameter: "+what)
	}
	if _, err := e.removePermission(t.Context(), as(account), &removePermissionInput{arn, "one"}); err != nil {
		t.Fatal(err)
	}
	wantError(t, publish(), "AuthorizationError", no+"…")
	_, err = e.removePermission(t.Context(), as(account), &removePermissionInput{arn, "one"})
	wantError(t, err, "NotFound", "Statement does not exist")
	// A policy may deny its own account; the root can always set another.
	deny := `{"Statement":{"Effect":"Deny","Principal":"*","Action":"SNS:*","Resource":"*"}}`
	set := &setTopicAttributesInput{TopicArn: arn, AttributeName: "Policy", AttributeValue: deny}
	if _, err := e.setTopicAttributes(t.Context(), as(account), set); err != nil {
		t.Fatal(err)
	}
	_, err = e.publish(t.Context(), as(account), &publishInput{TopicArn: arn, Message: "x"})
	wantError(t, err, "AuthorizationError", "User: arn:aws:iam::123456789012:root is not authorized…")
	set.AttributeValue = ""
	if _, err := e.setTopicAttributes(t.Context(), as(account), set); err != nil {
		t.Error(err)
	}
	if _, err := e.publish(t.Context(), as(account), &publishInput{TopicArn: arn, Message: "x"}); err != nil {
		t.Error(err)
	}
}
