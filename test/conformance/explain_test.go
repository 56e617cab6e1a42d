package conformance

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/waystation/waystation/test/harness"
)

// What decides whether a rule or a subscription gets a message, and what an archive holds,
// can be asked for.
func TestExplainedAndArchived(t *testing.T) {
	t.Parallel()
	base := endpoint(t)
	c, s := buses(base, harness.Key, harness.Secret), client(t)
	inbox := queue(t, s, nil)
	inboxARN := arn(t, s, inbox)
	bus, busARN := newBus(t, c)
	const pattern = `{"detail":{"amount":[{"numeric":[">",1000]}]}}`
	rule := newRule(t, c, bus, "large", pattern, types.Target{Arn: &inboxARN})
	made, err := c.CreateArchive(bound(t), &eventbridge.CreateArchiveInput{ArchiveName: aws.String(name(t, "")), EventSourceArn: &busARN})
	if err != nil {
		t.Fatal(err)
	}
	topic := newTopic(t, topics(base, harness.Key, harness.Secret), nil)
	sub, err := topics(base, harness.Key, harness.Secret).Subscribe(bound(t), &sns.SubscribeInput{
		TopicArn: &topic, Protocol: aws.String("sqs"), Endpoint: &inboxARN, Attributes: attrs{"FilterPolicy": `{"kind":["urgent"]}`}, ReturnSubscriptionArn: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(page string, q url.Values, status int, v any) string {
		t.Helper()
		resp, err := http.Get(base + page + "?" + q.Encode())
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err == nil && v != nil {
			err = json.Unmarshal(body, v)
		}
		if err != nil || resp.StatusCode != status {
			t.Fatalf("%s %v: %s: %s, %v", page, q, resp.Status, body, err)
		}
		return string(body)
	}
	type explained struct{ Name, Kind, Pattern, Stopped string }
	for of, want := range map[string]explained{
		rule:                 {rule, "event pattern", pattern, ""},
		*sub.SubscriptionArn: {*sub.SubscriptionArn, "filter policy of attributes", `{"kind":["urgent"]}`, ""},
	} {
		var got explained
		if ask("/explain", url.Values{"name": {of}}, http.StatusOK, &got); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if _, err := c.DisableRule(bound(t), &eventbridge.DisableRuleInput{Name: aws.String("large"), EventBusName: &bus}); err != nil {
		t.Fatal(err)
	}
	var off explained
	if ask("/explain", url.Values{"name": {rule}}, http.StatusOK, &off); off.Stopped != "The rule is disabled." {
		t.Errorf("%+v", off)
	}
	ask("/explain", url.Values{"name": {rule + "x"}}, http.StatusNotFound, nil)
	ask("/explain", url.Values{"name": {"x"}}, http.StatusBadRequest, nil)

	putEvents(t, c, anEvent(busARN, `{"amount":1}`), anEvent(busARN, `{"amount":2}`))
	var listed struct{ Archives []string }
	if all := ask("/archived", nil, http.StatusOK, &listed); !strings.Contains(all, *made.ArchiveArn) {
		t.Errorf("%s is not among %s", *made.ArchiveArn, all)
	}
	q, found := url.Values{"archive": {*made.ArchiveArn}}, 0
	for {
		var p struct {
			Events []struct{ Source string }
			Next   string
		}
		ask("/archived", q, http.StatusOK, &p)
		found += len(p.Events)
		if p.Next == "" {
			break
		}
		q.Set("from", p.Next)
	}
	if found != 2 {
		t.Errorf("%d events are archived, want 2", found)
	}
	ask("/archived", url.Values{"archive": {*made.ArchiveArn + "x"}}, http.StatusNotFound, nil)
	ask("/archived", url.Values{"archive": {*made.ArchiveArn}, "from": {"x"}}, http.StatusBadRequest, nil)
}
