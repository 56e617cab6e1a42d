package sns

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestSubscribe(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	standard, fifo := e.make(t, "standard"), e.make(t, "orders.fifo")
	q, dead := e.queue(t, account, "q"), e.queue(t, account, "dead")
	fifoQueue := e.queue(t, account, "q.fifo")
	redrive := func(arn string) string { return `{"deadLetterTargetArn":"` + arn + `"}` }
	attributesReason := "Invalid parameter: Attributes Reason: "
	for i, tt := range []struct {
		topic, protocol, endpoint string
		attributes                []string
		message                   string
	}{
		{standard, "sqs", q.ARN(), nil, ""},
		{standard, "sqs", q.ARN(), nil, ""},
		{standard, "sqs", q.ARN(), []string{"RawMessageDelivery", "false"}, ""},
		{standard, "sqs", q.ARN(), []string{"RawMessageDelivery", "true"}, attributesReason + "Subscription already exists with different attributes"},
		{standard, "sqs", dead.ARN(), []string{"RawMessageDelivery", "maybe"}, attributesReason + "RawMessageDelivery: Invalid value [maybe]. Must be true or false."},
		{standard, "sqs", dead.ARN(), []string{"FilterPolicy", `{"a":"b"}`}, attributesReason + `FilterPolicy: "a" must be an object or an array…`},
		{standard, "sqs", dead.ARN(), []string{"FilterPolicy", `{"a":{"b":["c"]}}`}, attributesReason + "…"},
		{standard, "sqs", dead.ARN(), []string{"FilterPolicyScope", "x"}, attributesReason + "FilterPolicyScope: Invalid value [x]. Please use either MessageBody or MessageAttributes"},
		{standard, "sqs", dead.ARN(), []string{"RedrivePolicy", "x"}, attributesReason + "RedrivePolicy: failed to parse JSON…"},
		{standard, "sqs", dead.ARN(), []string{"RedrivePolicy", "{}"}, attributesReason + "RedrivePolicy: deadLetterTargetArn is missing"},
		{standard, "sqs", dead.ARN(), []string{"RedrivePolicy", redrive("x")}, attributesReason + "RedrivePolicy: deadLetterTargetArn is an invalid arn"},
		{standard, "sqs", dead.ARN(), []string{"RedrivePolicy", redrive(fifoQueue.ARN())}, attributesReason + "RedrivePolicy: the dead-letter queue…"},
		{fifo, "sqs", fifoQueue.ARN(), []string{"RedrivePolicy", redrive(dead.ARN())}, attributesReason + "RedrivePolicy: the dead-letter queue…"},
		{standard, "sqs", dead.ARN(), []string{"DeliveryPolicy", "{}"}, attributesReason + "DeliveryPolicy: only subscriptions with protocol http or https have one"},
		{standard, "sqs", dead.ARN(), []string{"Owner", "x"}, attributesReason + "Unknown attribute Owner"},
		{standard, "sqs", dead.ARN(), []string{"Foo", "x"}, attributesReason + "Unknown attribute Foo"},
		{standard, "sqs", "x", nil, "Invalid parameter: SQS endpoint ARN"},
		{standard, "sqs", fifoQueue.ARN(), nil, "Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"},
		{fifo, "sqs", fifoQueue.ARN(), nil, ""},
		{fifo, "sqs", q.ARN(), nil, ""},
		{standard, "email", "a@example.com", nil, "Invalid parameter: Protocol Reason: subscriptions with protocol email are not supported yet"},
		{standard, "https", "http://x/", nil, "Invalid parameter: Endpoint must match the specified protocol"},
		{standard, "http", "https://x/", nil, "Invalid parameter: Endpoint must match the specified protocol"},
		{standard, "http", "http:///x", nil, "Invalid parameter: Endpoint Reason: bad request: it names no host"},
		{standard, "http", "http://x/#y", nil, "Invalid parameter: Endpoint Reason: bad request: a fragment is not sent"},
		{fifo, "http", "http://x/", nil, "Invalid parameter: Invalid protocol type: http"},
		{standard, "http", "http://x/", []string{"DeliveryPolicy", "[]"}, attributesReason + "DeliveryPolicy: failed to parse JSON"},
		{standard, "http", "http://x/", []string{"DeliveryPolicy", `{"healthyRetryPolicy":{"numRetries":101}}`}, attributesReason + "DeliveryPolicy: healthyRetryPolicy.numRetries must be between 0 and 100"},
		{standard, "http", "http://x/", []string{"DeliveryPolicy", `{"requestPolicy":{"headerContentType":"text/xml"}}`}, attributesReason + "DeliveryPolicy: requestPolicy.headerContentType must be one of application/json, text/plain"},
		{standard, "carrier-pigeon", "x", nil, "Invalid parameter: Amazon SNS does not support this protocol string: carrier-pigeon"},
		{standard, "", "x", nil, "Invalid parameter: Amazon SNS does not support this protocol string: "},
		{standard, "sqs", dead.ARN(), []string{"FilterPolicy", `{"a":{"b":["c"]}}`, "FilterPolicyScope", "MessageBody", "RedrivePolicy", redrive(q.ARN())}, ""},
	} {
		out, err := e.subscribe(t.Context(), as(account), &subscribeInput{TopicArn: tt.topic, Protocol: tt.protocol, Endpoint: tt.endpoint, Attributes: pairs(tt.attributes)})
		code := ""
		if tt.message != "" {
			code = invalidParameter
		}
		wantError(t, err, code, tt.message)
		if err == nil && !strings.HasPrefix(out.SubscriptionArn, tt.topic+":") {
			t.Errorf("%d: %s", i, out.SubscriptionArn)
		}
	}
	list, err := e.listSubscriptionsByTopic(t.Context(), as(account), &listByTopicInput{TopicArn: standard})
	if err != nil || len(list.Subscriptions) != 2 || list.Subscriptions[0].TopicArn != standard || list.Subscriptions[0].Owner != account {
		t.Errorf("%+v, %v", list, err)
	}
	all, err := e.listSubscriptions(t.Context(), as(account), &listInput{})
	if err != nil || len(all.Subscriptions) != 4 {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestSubscriptionAttributes(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	arn := e.subscribed(t, e.make(t, "x"), e.queue(t, account, "q"), "FilterPolicy", `{"a":["b"]}`)
	get := func() map[string]string {
		t.Helper()
		out, err := e.getSubscriptionAttributes(t.Context(), as(account), &subscriptionInput{arn})
		if err != nil {
			t.Fatal(err)
		}
		return out.Attributes
	}
	want := pairs([]string{
		"SubscriptionArn", arn, "TopicArn", "arn:aws:sns:" + region + ":" + account + ":x", "Owner", account, "Protocol", "sqs",
		"Endpoint", "arn:aws:sqs:" + region + ":" + account + ":q", "PendingConfirmation", "false", "ConfirmationWasAuthenticated", "true",
		"RawMessageDelivery", "false", "FilterPolicy", `{"a":["b"]}`, "FilterPolicyScope", "MessageAttributes",
	})
	if got := get(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("\n%v, want\n%v", got, want)
	}
	for _, tt := range []struct{ name, value, shown, message string }{
		{"RawMessageDelivery", "TRUE", "true", ""},
		{"RawMessageDelivery", "", "", "RawMessageDelivery: Invalid value []. Must be true or false."},
		{"FilterPolicy", `{"a":[{"prefix":"x"}]}`, `{"a":[{"prefix":"x"}]}`, ""},
		{"FilterPolicy", "x", "", "FilterPolicy: …"},
		{"FilterPolicy", `{"a":{"n":["x"]}}`, "", "…"}, // nested, with attributes as its scope
		{"FilterPolicyScope", "MessageBody", "MessageBody", ""},
		{"FilterPolicy", `{"a":{"n":["x"]}}`, `{"a":{"n":["x"]}}`, ""},
		{"FilterPolicyScope", "MessageAttributes", "", "…"},
		{"FilterPolicy", "{}", "", ""},
		{"RedrivePolicy", `{"deadLetterTargetArn":"arn:aws:sqs:r:1:dead"}`, `{"deadLetterTargetArn":"arn:aws:sqs:r:1:dead"}`, ""},
		{"RedrivePolicy", "", "", ""},
		{"Protocol", "x", "", "AttributeName"},
		{"Nonsense", "x", "", "AttributeName"},
		{"ReplayPolicy", "{}", "", "ReplayPolicy: this attribute is not supported yet"},
	} {
		_, err := e.setSubscriptionAttributes(t.Context(), as(account), &setSubscriptionAttributesInput{arn, tt.name, tt.value})
		code, message := "", ""
		if tt.message != "" {
			code, message = invalidParameter, "Invalid parameter: "+tt.message
		}
		wantError(t, err, code, message)
		if shown := get()[tt.name]; tt.message == "" && shown != tt.shown {
			t.Errorf("%s is %q, want %q", tt.name, shown, tt.shown)
		}
	}
	for range 2 {
		if _, err := e.unsubscribe(t.Context(), as(account), &subscriptionInput{arn}); err != nil {
			t.Error(err)
		}
	}
	_, err := e.getSubscriptionAttributes(t.Context(), as(account), &subscriptionInput{arn})
	wantError(t, err, "NotFound", "Subscription does not exist")
	_, err = e.setSubscriptionAttributes(t.Context(), as(account), &setSubscriptionAttributesInput{arn, "RawMessageDelivery", "true"})
	wantError(t, err, "NotFound", "Subscription does not exist")
	_, err = e.unsubscribe(t.Context(), as(account), &subscriptionInput{"x"})
	wantError(t, err, invalidParameter, "Invalid parameter: SubscriptionArn Reason: An ARN must have at least 6 elements, not 1")
	_, err = e.unsubscribe(t.Context(), as(account), &subscriptionInput{"arn:aws:sns:r:123456789012:topic"})
	wantError(t, err, invalidParameter, "Invalid parameter: SubscriptionArn")
}

// A queue of another account is asked, and its owner confirms, also without a
// signature; its owner alone and the topic's deal with the subscription.
func TestSubscribeAnotherAccountsQueue(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	topicARN := e.make(t, "x")
	q := e.queue(t, other, "q")
	in := &subscribeInput{TopicArn: topicARN, Protocol: "sqs", Endpoint: q.ARN()}
	out, err := e.subscribe(t.Context(), as(account), in)
	if err != nil || out.SubscriptionArn != "pending confirmation" {
		t.Fatalf("%+v, %v", out, err)
	}
	list, err := e.listSubscriptionsByTopic(t.Context(), as(account), &listByTopicInput{TopicArn: topicARN})
	if err != nil || len(list.Subscriptions) != 1 || list.Subscriptions[0].SubscriptionArn != "PendingConfirmation" {
		t.Errorf("%+v, %v", list, err)
	}
	var asked struct{ Type, Token string }
	got := e.receive(t, q)
	if len(got) != 1 || json.Unmarshal([]byte(got[0].Body), &asked) != nil || asked.Type != "SubscriptionConfirmation" {
		t.Fatalf("%+v", got)
	}
	_, err = e.confirmSubscription(t.Context(), anonymous(), &confirmInput{TopicArn: topicARN, Token: asked.Token + "0"})
	wantError(t, err, invalidParameter, "Invalid parameter: Token")
	_, err = e.confirmSubscription(t.Context(), anonymous(), &confirmInput{TopicArn: topicARN + "-none", Token: asked.Token})
	wantError(t, err, invalidParameter, "Invalid parameter: Token") // as if there were such a topic
	_, err = e.confirmSubscription(t.Context(), anonymous(), &confirmInput{TopicArn: topicARN, Token: asked.Token, AuthenticateOnUnsubscribe: "true"})
	wantError(t, err, "MissingAuthenticationToken", "Request is missing Authentication Token")
	out, err = e.confirmSubscription(t.Context(), anonymous(), &confirmInput{TopicArn: topicARN, Token: asked.Token})
	if err != nil || !strings.HasPrefix(out.SubscriptionArn, topicARN+":") {
		t.Fatalf("%+v, %v", out, err)
	}
	if _, err := e.publish(t.Context(), as(account), &publishInput{TopicArn: topicARN, Message: "x"}); err != nil || len(e.receive(t, q)) != 1 {
		t.Errorf("nothing came, %v", err)
	}
	_, err = e.unsubscribe(t.Context(), as("999999999999"), &subscriptionInput{out.SubscriptionArn})
	wantError(t, err, "AuthorizationError", "User: arn:aws:iam::999999999999:root is not authorized to perform: sns:Unsubscribe…")
	_, err = e.unsubscribe(t.Context(), anonymous(), &subscriptionInput{out.SubscriptionArn})
	wantError(t, err, "AuthorizationError", "…")
	// The other way round: the queue's owner subscribes to a topic that lets it.
	_, err = e.subscribe(t.Context(), as(other), in)
	wantError(t, err, "AuthorizationError", "User: arn:aws:iam::210987654321:root is not authorized to perform: sns:Subscribe…")
	open := e.make(t, "open", "Policy", `{"Statement":{"Effect":"Allow","Principal":"*","Action":"SNS:Subscribe","Resource":"*"}}`)
	out, err = e.subscribe(t.Context(), as(other), &subscribeInput{TopicArn: open, Protocol: "sqs", Endpoint: q.ARN()})
	if err != nil || !strings.HasPrefix(out.SubscriptionArn, open+":") {
		t.Fatalf("%+v, %v", out, err)
	}
	mine, err := e.listSubscriptions(t.Context(), as(other), &listInput{})
	if err != nil || len(mine.Subscriptions) != 1 || mine.Subscriptions[0].SubscriptionArn != out.SubscriptionArn || mine.Subscriptions[0].Owner != other {
		t.Errorf("%+v, %v", mine, err)
	}
	if _, err := e.unsubscribe(t.Context(), as(other), &subscriptionInput{out.SubscriptionArn}); err != nil {
		t.Error(err)
	}
	// Or the queue's owner subscribes what it is asked for.
	in.TopicArn = open
	for _, who := range []string{account, other} {
		out, err = e.subscribe(t.Context(), as(who), in)
		if pending := who == account; err != nil || (out.SubscriptionArn == pendingARN) != pending {
			t.Errorf("%s: %+v, %v", who, out, err)
		}
	}
}

// A topic's policy can ask for the protocol and the endpoint of who subscribes.
func TestSubscribeConditions(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	q := e.queue(t, other, "q")
	for key, value := range map[string]string{"sns:Protocol": "sqs", "sns:Endpoint": q.ARN()} {
		for _, allowed := range []bool{true, false} {
			if !allowed {
				value = "something else"
			}
			policy := fmt.Sprintf(`{"Statement":{"Effect":"Allow","Principal":"*","Action":"SNS:Subscribe","Resource":"*","Condition":{"StringEquals":{%q:%q}}}}`, key, value)
			arn := e.make(t, strings.ReplaceAll(key, ":", "-")+fmt.Sprint(allowed), "Policy", policy)
			_, err := e.subscribe(t.Context(), as(other), &subscribeInput{TopicArn: arn, Protocol: "sqs", Endpoint: q.ARN()})
			if (err == nil) != allowed {
				t.Errorf("%s is %s: %v", key, value, err)
			}
		}
	}
}

func TestListsInPages(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	arn := e.make(t, "x")
	for i := range 101 {
		e.subscribed(t, arn, e.queue(t, account, fmt.Sprintf("q%03d", i)))
	}
	seen := map[string]int{}
	first, err := e.listSubscriptions(t.Context(), as(account), &listInput{})
	if err != nil || len(first.Subscriptions) != 100 {
		t.Fatalf("%+v, %v", first, err)
	}
	second, err := e.listSubscriptions(t.Context(), as(account), &listInput{NextToken: first.NextToken})
	if err != nil || second.NextToken != "" {
		t.Fatalf("%+v, %v", second, err)
	}
	byTopic, err := e.listSubscriptionsByTopic(t.Context(), as(account), &listByTopicInput{TopicArn: arn})
	if err != nil || len(byTopic.Subscriptions) != 100 {
		t.Fatalf("%+v, %v", byTopic, err)
	}
	rest, err := e.listSubscriptionsByTopic(t.Context(), as(account), &listByTopicInput{TopicArn: arn, NextToken: byTopic.NextToken})
	if err != nil || rest.NextToken != "" {
		t.Fatalf("%+v, %v", rest, err)
	}
	for _, list := range [][]subscription{first.Subscriptions, second.Subscriptions, byTopic.Subscriptions, rest.Subscriptions} {
		for _, s := range list {
			seen[s.SubscriptionArn]++
		}
	}
	for s, n := range seen {
		if n != 2 {
			t.Errorf("%s is listed %d times", s, n)
		}
	}
	if len(seen) != 101 {
		t.Errorf("%d are listed", len(seen))
	}
	_, err = e.listSubscriptionsByTopic(t.Context(), as(account), &listByTopicInput{TopicArn: arn, NextToken: first.NextToken})
	wantError(t, err, invalidParameter, "Invalid parameter: NextToken")
}

func TestSubscribeHTTP(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	topicARN := e.make(t, "http")
	const policy = `{"healthyRetryPolicy":{"numRetries":5,"minDelayTarget":1},"requestPolicy":{"headerContentType":"text/xml"}}`
	in := &subscribeInput{
		TopicArn: topicARN, Protocol: "https", Endpoint: "https://someone:secret@example.com/hook?x=1",
		Attributes: pairs([]string{"DeliveryPolicy", policy, "RawMessageDelivery", "true"}),
	}
	out, err := e.subscribe(t.Context(), as(account), in)
	if err != nil || out.SubscriptionArn != pendingARN {
		t.Fatalf("%+v, %v", out, err)
	}
	in.ReturnSubscriptionArn = true
	again, err := e.subscribe(t.Context(), as(account), in)
	if err != nil || !strings.HasPrefix(again.SubscriptionArn, topicARN+":") {
		t.Fatalf("%+v, %v", again, err)
	}
	shown := func() map[string]string {
		got, err := e.getSubscriptionAttributes(t.Context(), as(account), &subscriptionInput{again.SubscriptionArn})
		if err != nil {
			t.Fatal(err)
		}
		return got.Attributes
	}
	for name, want := range map[string]string{
		"Endpoint": "https://someone:****@example.com/hook?x=1", "PendingConfirmation": "true", "DeliveryPolicy": policy,
		"EffectiveDeliveryPolicy": `{"healthyRetryPolicy":{"minDelayTarget":1,"maxDelayTarget":20,"numRetries":5,"numMaxDelayRetries":0,` +
			`"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"sicklyRetryPolicy":null,"throttlePolicy":null,` +
			`"requestPolicy":{"headerContentType":"text/xml"},"guaranteed":false}`,
	} {
		if got := shown()[name]; got != want {
			t.Errorf("%s is\n%s, want\n%s", name, got, want)
		}
	}
	list, err := e.listSubscriptionsByTopic(t.Context(), as(account), &listByTopicInput{TopicArn: topicARN})
	if err != nil || len(list.Subscriptions) != 1 || list.Subscriptions[0].Endpoint != "https://someone:****@example.com/hook?x=1" ||
		list.Subscriptions[0].SubscriptionArn != pendingListed {
		t.Errorf("%+v, %v", list, err)
	}

	// What does not go together is refused whichever comes second.
	_, err = e.setSubscriptionAttributes(t.Context(), as(account), &setSubscriptionAttributesInput{SubscriptionArn: again.SubscriptionArn, AttributeName: "RawMessageDelivery", AttributeValue: "false"})
	wantError(t, err, invalidParameter, "Invalid parameter: DeliveryPolicy: requestPolicy.headerContentType…")

	// A topic's policy stands behind a subscription's, unless it is to stand before.
	const topicPolicy = `{"http":{"defaultHealthyRetryPolicy":{"numRetries":9},"disableSubscriptionOverrides":true,"defaultThrottlePolicy":{"maxReceivesPerSecond":7}}}`
	if _, err := e.setTopicAttributes(t.Context(), as(account), &setTopicAttributesInput{TopicArn: topicARN, AttributeName: "DeliveryPolicy", AttributeValue: topicPolicy}); err != nil {
		t.Fatal(err)
	}
	if got := shown()["EffectiveDeliveryPolicy"]; !strings.Contains(got, `"numRetries":9`) || !strings.Contains(got, `{"maxReceivesPerSecond":7}`) || !strings.Contains(got, "text/plain; charset=UTF-8") {
		t.Errorf("with a topic that fixes its policy: %s", got)
	}
	topics, err := e.getTopicAttributes(t.Context(), as(account), &topicInput{topicARN})
	if err != nil || topics.Attributes["DeliveryPolicy"] != topicPolicy || !strings.Contains(topics.Attributes["EffectiveDeliveryPolicy"], `"disableSubscriptionOverrides":true`) {
		t.Errorf("%v, %v", topics, err)
	}
}
