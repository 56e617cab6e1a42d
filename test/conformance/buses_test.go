package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/waystation/waystation/test/harness"
)

// buses is an SDK client of EventBridge that does not retry.
func buses(base, key, secret string) *eventbridge.Client {
	return eventbridge.New(eventbridge.Options{
		Region: harness.Region, BaseEndpoint: &base, HTTPClient: harness.HTTP(), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
	})
}

func newBus(t testing.TB, c *eventbridge.Client) (bus, arn string) {
	t.Helper()
	bus = name(t, "")
	out, err := c.CreateEventBus(bound(t), &eventbridge.CreateEventBusInput{Name: &bus})
	if err != nil {
		t.Fatalf("CreateEventBus: %v", err)
	}
	return bus, *out.EventBusArn
}

// newRule makes a rule with targets and gives its ARN.
func newRule(t testing.TB, c *eventbridge.Client, bus, rule, pattern string, targets ...types.Target) string {
	t.Helper()
	out, err := c.PutRule(bound(t), &eventbridge.PutRuleInput{Name: &rule, EventBusName: &bus, EventPattern: &pattern})
	if err != nil {
		t.Fatalf("PutRule: %v", err)
	}
	for i := range targets {
		if targets[i].Id == nil {
			targets[i].Id = aws.String(fmt.Sprint("t", i))
		}
	}
	if len(targets) > 0 {
		if out, err := c.PutTargets(bound(t), &eventbridge.PutTargetsInput{Rule: &rule, EventBusName: &bus, Targets: targets}); err != nil || out.FailedEntryCount > 0 {
			t.Fatalf("PutTargets: %+v, %v", out, err)
		}
	}
	return *out.RuleArn
}

func anEvent(bus, detail string) types.PutEventsRequestEntry {
	return types.PutEventsRequestEntry{EventBusName: &bus, Source: aws.String("shop"), DetailType: aws.String("paid"), Detail: &detail}
}

// putEvents puts events and wants no error; it gives their ids.
func putEvents(t testing.TB, c *eventbridge.Client, entries ...types.PutEventsRequestEntry) (ids []string) {
	t.Helper()
	out, err := c.PutEvents(bound(t), &eventbridge.PutEventsInput{Entries: entries})
	if err != nil || out.FailedEntryCount > 0 || len(out.Entries) != len(entries) {
		t.Fatalf("PutEvents: %+v, %v", out, err)
	}
	for _, r := range out.Entries {
		ids = append(ids, *r.EventId)
	}
	return ids
}

func TestEventsToQueues(t *testing.T) {
	t.Parallel()
	c, s := buses(endpoint(t), harness.Key, harness.Secret), client(t)
	bus, busARN := newBus(t, c)
	whole, detail, constant, template, unwanted := queue(t, s, nil), queue(t, s, nil), queue(t, s, nil), queue(t, s, nil), queue(t, s, nil)
	fifo := queue(t, s, attrs{"FifoQueue": "true", "ContentBasedDeduplication": "true"})
	to := func(url string) types.Target { return types.Target{Arn: aws.String(arn(t, s, url))} }
	path, input, transformed, ordered := to(detail), to(constant), to(template), to(fifo)
	path.InputPath = aws.String("$.detail.items[0]")
	input.Input = aws.String(`{"constant":true}`)
	transformed.InputTransformer = &types.InputTransformer{
		InputPathsMap: map[string]string{"what": "$.detail.items[0].name"},
		InputTemplate: aws.String(`{"text":"<what> by <aws.events.rule-name>","event":<aws.events.event>}`),
	}
	ordered.SqsParameters = &types.SqsParameters{MessageGroupId: aws.String("g")}
	newRule(t, c, bus, "big", `{"detail":{"price":[{"numeric":[">",10]}]}}`, to(whole), path, input, transformed, ordered)
	newRule(t, c, bus, "small", `{"detail":{"price":[{"numeric":["<=",10]}]}}`, to(unwanted))
	e := anEvent(busARN, `{"price":12.5, "items":[{"name":"ünï \"<&>\" 🚀"}]}`)
	e.Resources, e.Time, e.TraceHeader = []string{"a", "b"}, aws.Time(time.Unix(1_700_000_000, 0)), aws.String("Root=1-5759e988-bd862e3fe1be46a994272793")
	id := putEvents(t, c, e)[0]
	m := one(t, s, whole)
	var got struct {
		Version, ID, Source, Account, Time, Region string
		DetailType                                 string `json:"detail-type"`
		Resources                                  []string
		Detail                                     struct{ Price float64 }
	}
	if err := json.Unmarshal([]byte(*m.Body), &got); err != nil || got.ID != id || got.Version != "0" || got.Source != "shop" || got.DetailType != "paid" ||
		got.Account != account || got.Region != harness.Region || got.Time != "2023-11-14T22:13:20Z" || !slices.Equal(got.Resources, []string{"a", "b"}) || got.Detail.Price != 12.5 {
		t.Errorf("%s, %v", *m.Body, err)
	}
	if m.Attributes["AWSTraceHeader"] != *e.TraceHeader {
		t.Errorf("attributes %v", m.Attributes)
	}
	wantBodies(t, []sqstypes.Message{one(t, s, detail)}, `{"name":"ünï \"<&>\" 🚀"}`)
	wantBodies(t, []sqstypes.Message{one(t, s, constant)}, `{"constant":true}`)
	var made struct {
		Text  string
		Event map[string]any
	}
	if m := one(t, s, template); json.Unmarshal([]byte(*m.Body), &made) != nil || made.Text != `ünï "<&>" 🚀 by big` || made.Event["id"] != id || made.Event["detail"] != nil {
		t.Errorf("%s", *m.Body)
	}
	none(t, s, unwanted)
	// In order, and the same event is not the same message.
	for range 3 {
		putEvents(t, c, e)
	}
	var ids []string
	for len(ids) < 4 {
		ms := receive(t, s, fifo, upTo(10), wait(10))
		if len(ms) == 0 {
			t.Fatalf("received %q", ids)
		}
		for _, m := range ms {
			if m.Attributes["MessageGroupId"] != "g" || len(m.Attributes["MessageDeduplicationId"]) != 64 {
				t.Errorf("attributes %v", m.Attributes)
			}
			var e struct{ ID string }
			if json.Unmarshal([]byte(*m.Body), &e) != nil {
				t.Errorf("%s", *m.Body)
			}
			ids = append(ids, e.ID)
		}
		remove(t, s, fifo, ms...)
	}
	if ids[0] != id || len(slices.Compact(slices.Sorted(slices.Values(ids)))) != 4 {
		t.Errorf("received %q, the first is %s", ids, id)
	}
}

func TestPutEventsEntries(t *testing.T) {
	t.Parallel()
	c, s := buses(endpoint(t), harness.Key, harness.Secret), client(t)
	bus, _ := newBus(t, c)
	q := queue(t, s, nil)
	newRule(t, c, bus, "all", `{"source":["shop"]}`, types.Target{Arn: aws.String(arn(t, s, q))})
	bad := anEvent(bus, "{")
	out, err := c.PutEvents(bound(t), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{anEvent(bus, `{}`), bad, anEvent(bus+"x", `{}`), anEvent(bus, `{"n":2}`)}})
	if err != nil || out.FailedEntryCount != 2 {
		t.Fatalf("%+v, %v", out, err)
	}
	for i, want := range []string{"", "MalformedDetail", "InvalidArgument", ""} {
		if r := out.Entries[i]; aws.ToString(r.ErrorCode) != want || (r.EventId == nil) != (want != "") {
			t.Errorf("entry %d: %+v", i, r)
		}
	}
	if got := len(receive(t, s, q, upTo(10), wait(1))); got != 2 {
		t.Errorf("%d messages", got)
	}
	large := strings.Repeat("x", 900_000)
	putEvents(t, c, anEvent(bus, `{"x":"`+large+`"}`))
	if m := one(t, s, q); len(*m.Body) < 900_000 {
		t.Errorf("%d bytes", len(*m.Body))
	}
	_, err = c.PutEvents(bound(t), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{anEvent(bus, `{"x":"`+large+large+`"}`)}})
	wantCode(t, err, "ValidationException")
	match, err := c.TestEventPattern(bound(t), &eventbridge.TestEventPatternInput{
		EventPattern: aws.String(`{"source":[{"prefix":"sh"}]}`),
		Event:        aws.String(`{"id":"1","account":"a","source":"shop","time":"t","region":"r","resources":[],"detail-type":"paid","detail":{}}`),
	})
	if err != nil || !match.Result {
		t.Errorf("%+v, %v", match, err)
	}
}

func TestBusLifecycle(t *testing.T) {
	t.Parallel()
	c, s := buses(endpoint(t), harness.Key, harness.Secret), client(t)
	bus, busARN := newBus(t, c)
	_, err := c.CreateEventBus(bound(t), &eventbridge.CreateEventBusInput{Name: &bus})
	wantError[*types.ResourceAlreadyExistsException](t, err, "ResourceAlreadyExistsException")
	up, err := c.UpdateEventBus(bound(t), &eventbridge.UpdateEventBusInput{Name: &bus, Description: aws.String("d"), LogConfig: &types.LogConfig{Level: types.LevelInfo}})
	if err != nil || *up.Description != "d" || up.LogConfig.Level != types.LevelInfo {
		t.Errorf("%+v, %v", up, err)
	}
	d, err := c.DescribeEventBus(bound(t), &eventbridge.DescribeEventBusInput{Name: &busARN})
	if err != nil || *d.Name != bus || d.CreationTime == nil {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err := c.DescribeEventBus(bound(t), &eventbridge.DescribeEventBusInput{}); err != nil || *d.Name != "default" {
		t.Errorf("%+v, %v", d, err)
	}
	list, err := c.ListEventBuses(bound(t), &eventbridge.ListEventBusesInput{NamePrefix: &bus})
	if err != nil || len(list.EventBuses) != 1 || *list.EventBuses[0].Arn != busARN {
		t.Errorf("%+v, %v", list, err)
	}
	queueARN := arn(t, s, queue(t, s, nil))
	rule := newRule(t, c, bus, "r", `{"source":["shop"]}`, types.Target{
		Arn: &queueARN, DeadLetterConfig: &types.DeadLetterConfig{Arn: &queueARN}, RetryPolicy: &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(0)},
	})
	for _, arn := range []string{busARN, rule} {
		if _, err := c.TagResource(bound(t), &eventbridge.TagResourceInput{ResourceARN: &arn, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("")}, {Key: aws.String("b"), Value: aws.String("2")}}}); err != nil {
			t.Error(err)
		}
		if _, err := c.UntagResource(bound(t), &eventbridge.UntagResourceInput{ResourceARN: &arn, TagKeys: []string{"b"}}); err != nil {
			t.Error(err)
		}
		tags, err := c.ListTagsForResource(bound(t), &eventbridge.ListTagsForResourceInput{ResourceARN: &arn})
		if err != nil || len(tags.Tags) != 1 || *tags.Tags[0].Key != "a" || *tags.Tags[0].Value != "" {
			t.Errorf("%+v, %v", tags, err)
		}
	}
	if _, err := c.DisableRule(bound(t), &eventbridge.DisableRuleInput{Name: aws.String("r"), EventBusName: &bus}); err != nil {
		t.Error(err)
	}
	r, err := c.DescribeRule(bound(t), &eventbridge.DescribeRuleInput{Name: aws.String("r"), EventBusName: &bus})
	if err != nil || r.State != types.RuleStateDisabled || *r.Arn != rule || *r.EventBusName != bus {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := c.EnableRule(bound(t), &eventbridge.EnableRuleInput{Name: aws.String("r"), EventBusName: &bus}); err != nil {
		t.Error(err)
	}
	rules, err := c.ListRules(bound(t), &eventbridge.ListRulesInput{EventBusName: &bus})
	if err != nil || len(rules.Rules) != 1 || rules.Rules[0].State != types.RuleStateEnabled {
		t.Errorf("%+v, %v", rules, err)
	}
	names, err := c.ListRuleNamesByTarget(bound(t), &eventbridge.ListRuleNamesByTargetInput{EventBusName: &bus, TargetArn: &queueARN})
	if err != nil || !slices.Equal(names.RuleNames, []string{"r"}) {
		t.Errorf("%+v, %v", names, err)
	}
	targets, err := c.ListTargetsByRule(bound(t), &eventbridge.ListTargetsByRuleInput{Rule: aws.String("r"), EventBusName: &bus})
	if err != nil || len(targets.Targets) != 1 || *targets.Targets[0].RetryPolicy.MaximumRetryAttempts != 0 || *targets.Targets[0].DeadLetterConfig.Arn != queueARN {
		t.Errorf("%+v, %v", targets, err)
	}
	_, err = c.DeleteEventBus(bound(t), &eventbridge.DeleteEventBusInput{Name: &bus})
	wantCode(t, err, "ValidationException")
	removed, err := c.RemoveTargets(bound(t), &eventbridge.RemoveTargetsInput{Rule: aws.String("r"), EventBusName: &bus, Ids: []string{"t0"}})
	if err != nil || removed.FailedEntryCount != 0 {
		t.Errorf("%+v, %v", removed, err)
	}
	if _, err := c.DeleteRule(bound(t), &eventbridge.DeleteRuleInput{Name: aws.String("r"), EventBusName: &bus}); err != nil {
		t.Error(err)
	}
	if _, err := c.DeleteEventBus(bound(t), &eventbridge.DeleteEventBusInput{Name: &bus}); err != nil {
		t.Error(err)
	}
	_, err = c.DescribeEventBus(bound(t), &eventbridge.DescribeEventBusInput{Name: &bus})
	wantError[*types.ResourceNotFoundException](t, err, "ResourceNotFoundException")
	_, err = c.PutRule(bound(t), &eventbridge.PutRuleInput{Name: aws.String("r"), EventPattern: aws.String(`{"a":1}`)})
	wantError[*types.InvalidEventPatternException](t, err, "InvalidEventPatternException")
	_, err = c.ListEndpoints(bound(t), &eventbridge.ListEndpointsInput{})
	if err == nil || !strings.Contains(err.Error(), "not implemented yet") {
		t.Errorf("what is not there: %v", err)
	}
}

// Where policies count, a bus lets accounts put events by its own, and a queue lets a
// rule send; what it refuses is dead-lettered with the reason.
func TestBusPolicies(t *testing.T) {
	t.Parallel()
	base := guardedURL(t)
	mine, theirs := buses(base, "AKOWNER", "owner-secret"), buses(base, "AKOTHER", "other-secret")
	s := harness.SQS(base, owner)
	bus, busARN := newBus(t, mine)
	shut, dead := queue(t, s, nil), queue(t, s, nil)
	rule := newRule(t, mine, bus, "r", `{"source":["shop"]}`, types.Target{Arn: aws.String(arn(t, s, shut)), DeadLetterConfig: &types.DeadLetterConfig{Arn: aws.String(arn(t, s, dead))}})
	allow := func(url string) {
		t.Helper()
		policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*","Condition":{"ArnEquals":{"aws:SourceArn":%q}}}]}`, rule)
		if _, err := s.SetQueueAttributes(bound(t), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: attrs{"Policy": policy}}); err != nil {
			t.Fatal(err)
		}
	}
	allow(dead)
	putEvents(t, mine, anEvent(bus, `{"n":1}`))
	m := one(t, s, dead)
	a := m.MessageAttributes
	if a["ERROR_CODE"].StringValue == nil || *a["ERROR_CODE"].StringValue != "NO_PERMISSIONS" || *a["RULE_ARN"].StringValue != rule || *a["TARGET_ARN"].StringValue != arn(t, s, shut) || !strings.Contains(*m.Body, `"detail":{"n":1}`) {
		t.Errorf("%s, %v", *m.Body, a)
	}
	none(t, s, shut)
	allow(shut)
	_, err := theirs.PutEvents(bound(t), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{anEvent(busARN, `{}`)}})
	wantCode(t, err, "AccessDeniedException")
	if _, err := mine.PutPermission(bound(t), &eventbridge.PutPermissionInput{EventBusName: &bus, Action: aws.String("events:PutEvents"), Principal: aws.String("222222222222"), StatementId: aws.String("s")}); err != nil {
		t.Fatal(err)
	}
	putEvents(t, theirs, anEvent(busARN, `{}`))
	if m := one(t, s, shut); !strings.Contains(*m.Body, `"account":"222222222222"`) {
		t.Errorf("%s", *m.Body)
	}
	if _, err := mine.RemovePermission(bound(t), &eventbridge.RemovePermissionInput{EventBusName: &bus, StatementId: aws.String("s")}); err != nil {
		t.Fatal(err)
	}
	_, err = theirs.PutEvents(bound(t), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{anEvent(busARN, `{}`)}})
	wantCode(t, err, "AccessDeniedException")
}

// What was put is there after kill -9, and so are buses and rules.
func TestEventsSurviveKill(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{Args: []string{"--partitions", "3"}})
	c, s := buses(server.URL(), harness.Key, harness.Secret), harness.SQS(server.URL())
	bus, _ := newBus(t, c)
	var queues []string
	for i := range 6 {
		queues = append(queues, queue(t, s, nil))
		to := types.Target{Arn: aws.String(arn(t, s, queues[i]))}
		if i%2 == 1 {
			to.InputPath = aws.String("$.detail.n")
		}
		newRule(t, c, bus, fmt.Sprint("r", i), `{"source":["shop"]}`, to)
	}
	id := putEvents(t, c, anEvent(bus, `{"n":41}`))[0]
	server.Kill()
	if err := errors.Join(server.Again(), server.WaitReady()); err != nil {
		t.Fatal(err)
	}
	for i, url := range queues {
		m := one(t, s, url)
		if want := `"id":"` + id + `"`; i%2 == 0 && !strings.Contains(*m.Body, want) || i%2 == 1 && *m.Body != "41" {
			t.Errorf("queue %d has %s", i, *m.Body)
		}
		none(t, s, url)
	}
	putEvents(t, c, anEvent(bus, `{"n":42}`))
	for _, url := range queues {
		one(t, s, url)
	}
}
