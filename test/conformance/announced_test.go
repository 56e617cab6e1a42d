package conformance

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/waystation/waystation/test/harness"
)

// What happens in the server can be routed: it is an event on the default bus, and nobody
// else puts events of its sources.
func TestWhatHappensIsAnnounced(t *testing.T) {
	t.Parallel()
	base := endpoint(t)
	c, s := buses(base, harness.Key, harness.Secret), client(t)
	inbox := queue(t, s, nil)
	inboxARN := arn(t, s, inbox)
	made, rule, bus := name(t, ""), name(t, ""), "default"
	topic := newTopic(t, topics(base, harness.Key, harness.Secret), nil)
	pattern, err := json.Marshal(map[string]any{
		"source": []any{map[string]any{"prefix": "waystation."}},
		"$or": []any{
			map[string]any{"detail": map[string]any{"queueName": []string{made}}},
			map[string]any{"detail": map[string]any{"topic": []string{topic}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	newRule(t, c, bus, rule, string(pattern), types.Target{Arn: &inboxARN})
	t.Cleanup(func() { // other tests list the rules of the default bus
		ctx := bound(t)
		if _, err := c.RemoveTargets(ctx, &eventbridge.RemoveTargetsInput{Rule: &rule, Ids: []string{"t0"}}); err != nil {
			t.Error(err)
		}
		if _, err := c.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: &rule}); err != nil {
			t.Error(err)
		}
	})
	type event struct {
		Source     string
		DetailType string `json:"detail-type"`
		Resources  []string
		Detail     map[string]string
	}
	next := func() (e event) {
		t.Helper()
		m := one(t, s, inbox, wait(20))
		if err := json.Unmarshal([]byte(*m.Body), &e); err != nil {
			t.Fatal(err)
		}
		remove(t, s, inbox, m)
		return e
	}
	var url string
	for range 2 { // the second time nothing happens
		out, err := s.CreateQueue(bound(t), &sqs.CreateQueueInput{QueueName: &made})
		if err != nil {
			t.Fatal(err)
		}
		url = *out.QueueUrl
	}
	if e := next(); e.Source != "waystation.sqs" || e.DetailType != "Queue Created" || !strings.HasSuffix(e.Detail["queue"], ":"+made) || e.Resources[0] != e.Detail["queue"] {
		t.Errorf("%+v", e)
	}
	if _, err := s.DeleteQueue(bound(t), &sqs.DeleteQueueInput{QueueUrl: &url}); err != nil {
		t.Fatal(err)
	}
	if e := next(); e.DetailType != "Queue Deleted" || !strings.HasSuffix(e.Detail["queue"], ":"+made) {
		t.Errorf("%+v", e)
	}
	r := newReceiver(t)
	sub, _ := subscribeHTTP(t, topics(base, harness.Key, harness.Secret), topic, r, "/", nil)
	if e := next(); e.Source != "waystation.sns" || e.DetailType != "Subscription Confirmed" || e.Detail["subscription"] != sub || e.Detail["protocol"] != "http" {
		t.Errorf("%+v", e)
	}
	entry := anEvent(bus, "{}")
	entry.Source = aws.String("waystation.sqs")
	out, err := c.PutEvents(bound(t), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{entry}})
	if err != nil || out.FailedEntryCount != 1 || *out.Entries[0].ErrorCode != "NotAuthorizedForSourceException" {
		t.Errorf("%+v, %v", out, err)
	}
}
