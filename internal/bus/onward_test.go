package bus_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// A topic gets what its target says, whether or not queues get the event too, and its
// subscribers get it before the put is answered.
func TestTopicTargets(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	b := f.bus("default")
	q, direct := f.standard("q"), f.standard("direct")
	news := f.topic(registry.Topic{Meta: registry.Meta{Name: "news"}}, q)
	f.rule(b, "whole", `{"source":["whole"]}`, registry.Target{ARN: news.ARN()}, registry.Target{ARN: direct.ARN()})
	f.rule(b, "altered", `{"source":["altered"]}`,
		registry.Target{ARN: news.ARN(), Input: `"fixed"`},
		registry.Target{ARN: news.ARN(), InputPath: "$.detail.n"},
		registry.Target{ARN: news.ARN(), InputPath: "$.detail.none"},
		registry.Target{ARN: news.ARN(), Template: `"n is <n>"`, Paths: map[string]string{"n": "$.detail.n"}})
	f.put(b, event("whole", `{"n":1}`), event("altered", `{"n":2}`))
	whole := f.body(direct)
	got := map[string]bool{}
	for _, m := range f.take(q, 5) {
		got[m.Body] = true
	}
	if want := map[string]bool{whole: true, `"fixed"`: true, "2": true, "null": true, `"n is 2"`: true}; !maps.Equal(got, want) {
		t.Errorf("the topic's queue got %v, want %v", got, want)
	}
	f.none(q, direct)
	f.wantCounted(bus.Counted{Put: 2, Matched: 2, Delivered: 6})
}

// A topic that cannot be published to is a failed delivery; one that cannot for the
// moment fails the put.
func TestTopicTargetsFail(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, true)
	b := f.bus("default")
	rule := "arn:aws:events:" + region + ":" + account + ":rule/r"
	may := func(source string) string {
		return strings.Replace(allowed(source), "sqs:SendMessage", "sns:Publish", 1)
	}
	dead := f.queue(registry.Queue{Meta: registry.Meta{Name: "dead"}, Policy: allowed(rule)})
	q := f.queue(registry.Queue{Meta: registry.Meta{Name: "q"}, Policy: `{"Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}]}`})
	open := f.topic(registry.Topic{Meta: registry.Meta{Name: "open"}, Policy: may(rule)}, q)
	other := f.topic(registry.Topic{Meta: registry.Meta{Name: "other"}, Policy: may(rule + "x")}, q)
	plain := f.topic(registry.Topic{Meta: registry.Meta{Name: "plain"}}, q)
	small := f.topic(registry.Topic{Meta: registry.Meta{Name: "small"}, Policy: may(rule), MaxMessageSize: 1024}, q)
	gone := strings.Replace(open.ARN(), ":open", ":gone", 1)
	var targets []registry.Target
	for _, arn := range []string{open.ARN(), other.ARN(), plain.ARN(), small.ARN(), gone} {
		targets = append(targets, registry.Target{ARN: arn, DeadLetterARN: dead.ARN()})
	}
	f.rule(b, "r", `{"source":["shop"]}`, targets...)
	f.put(b, event("shop", `{"text":"`+strings.Repeat("x", 1000)+`"}`))
	f.wantCounted(bus.Counted{Put: 1, Matched: 1, Delivered: 1, Failed: 4, Redriven: 4})
	f.take(q, 1)
	codes := func(n int) map[string]string {
		t.Helper()
		codes := map[string]string{}
		for _, m := range f.take(dead, n) {
			has := map[string]string{}
			for _, a := range m.Attributes {
				has[a.Name] = a.Value
			}
			codes[has["TARGET_ARN"]] = has["ERROR_CODE"]
		}
		return codes
	}
	want := map[string]string{other.ARN(): "NO_PERMISSIONS", plain.ARN(): "NO_PERMISSIONS", small.ARN(): "INVALID_PARAMETER", gone: "NO_RESOURCE"}
	if got := codes(4); !maps.Equal(got, want) {
		t.Errorf("dead letters %v, want %v", got, want)
	}

	f.publish = func(string) (string, error) { return "", partition.ErrBusy }
	out := f.Put(t.Context(), []bus.Addressed{{Bus: b, Event: event("shop", `{}`)}, {Bus: b, Event: event("other", `{}`)}})
	if !errors.Is(out[0].Err, partition.ErrBusy) || out[1].Err != nil {
		t.Errorf("put while the topic is not available: %v, %v", out[0].Err, out[1].Err)
	}
	f.publish = func(string) (string, error) { return "too much work", nil }
	f.take(dead, 3) // of the put that failed
	f.put(b, event("shop", `{}`))
	want[open.ARN()], want[small.ARN()] = "INVALID_PARAMETER", "INVALID_PARAMETER"
	if got := codes(5); !maps.Equal(got, want) {
		t.Errorf("dead letters %v, want %v", got, want)
	}
	f.none(q)
}

// An event goes on to another bus and its rules, as it is, and no further.
func TestBusTargets(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2, false)
	first, second, third := f.bus("first"), f.bus("second"), f.bus("third")
	q, here, far := f.standard("q"), f.standard("here"), f.standard("far")
	news := f.topic(registry.Topic{Meta: registry.Meta{Name: "news"}}, q)
	f.rule(first, "onward", `{"source":["shop"]}`, registry.Target{ARN: second.ARN()}, registry.Target{ARN: here.ARN()})
	f.rule(second, "paid", `{"detail":{"paid":[true]}}`, registry.Target{ARN: q.ARN()}, registry.Target{ARN: news.ARN()}, registry.Target{ARN: third.ARN()})
	f.rule(third, "all", `{"source":["shop"]}`, registry.Target{ARN: far.ARN()})
	// In circles.
	f.rule(second, "back", `{"source":["shop"]}`, registry.Target{ARN: first.ARN()})
	f.rule(first, "self", `{"source":["self"]}`, registry.Target{ARN: first.ARN()}, registry.Target{ARN: here.ARN()})
	f.put(first, event("shop", `{"paid":true}`), event("shop", `{"paid":false}`), event("self", `{}`))
	got := f.take(here, 4) // the last one twice: it came to the bus twice
	f.none(here, far)
	bodies := f.take(q, 2)
	f.none(q)
	if bodies[0].Body != bodies[1].Body || !strings.Contains(bodies[0].Body, `"paid":true`) {
		t.Errorf("got %v", bodies)
	}
	found := false
	for _, m := range got {
		found = found || m.Body == bodies[0].Body
	}
	if !found {
		t.Errorf("the event is another one on the second bus: %v", got)
	}
}

// A bus that is gone, or whose policy does not let the rule's account put the event.
func TestBusTargetsFail(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, true)
	const other = "999999999999"
	b := f.bus("default")
	rule := "arn:aws:events:" + region + ":" + account + ":rule/r"
	dead := f.queue(registry.Queue{Meta: registry.Meta{Name: "dead"}, Policy: allowed(rule)})
	theirs := func(name, policy string) *registry.Bus {
		made, err := f.Create(t.Context(), registry.Bus{Meta: registry.Meta{Account: other, Region: region, Name: name}, Policy: policy})
		if err != nil {
			t.Fatal(err)
		}
		q := f.queue(registry.Queue{Meta: registry.Meta{Name: name}, Policy: `{"Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}]}`})
		f.rule(made, "all", `{"source":["shop"]}`, registry.Target{ARN: q.ARN()})
		return made
	}
	policy := func(condition string) string {
		return `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"events:PutEvents","Resource":"*"` + condition + `}]}`
	}
	closed := theirs("closed", "")
	open := theirs("open", policy(""))
	some := theirs("some", policy(`,"Condition":{"StringEquals":{"events:detail-type":"refunded"}}`))
	gone := strings.Replace(open.ARN(), "/open", "/gone", 1)
	var targets []registry.Target
	for _, arn := range []string{open.ARN(), closed.ARN(), some.ARN(), gone} {
		targets = append(targets, registry.Target{ARN: arn, DeadLetterARN: dead.ARN()})
	}
	f.rule(b, "r", `{"source":["shop"]}`, targets...)
	refunded := event("shop", `{}`)
	refunded.DetailType = "refunded"
	f.put(b, event("shop", `{}`), refunded)
	f.wantCounted(bus.Counted{Put: 2, Matched: 2 + 3, Delivered: 3 + 3, Failed: 5, Redriven: 5})
	codes := map[string]int{}
	for _, m := range f.take(dead, 5) {
		for _, a := range m.Attributes {
			if a.Name == "ERROR_CODE" {
				codes[a.Value]++
			}
		}
	}
	if want := map[string]int{"NO_PERMISSIONS": 3, "NO_RESOURCE": 2}; !maps.Equal(codes, want) {
		t.Errorf("dead letters %v, want %v", codes, want)
	}
	if who := access.OfAccount(other); !who.IsRoot() || who.Account != other {
		t.Errorf("an account is %+v", who)
	}
}
