package bus_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// allowed is a queue's policy that lets the rule of an ARN send.
func allowed(arn string) string {
	return `{"Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*","Condition":{"ArnEquals":{"aws:SourceArn":"` + arn + `"},"StringEquals":{"aws:SourceAccount":"` + account + `"}}}]}`
}

// What a queue does not take goes to the dead-letter queue, with the reason, or is
// counted.
func TestFailedDeliveriesAreBuried(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2, true)
	b := f.bus("orders")
	rule := "arn:aws:events:" + region + ":" + account + ":rule/orders/r"
	queue := func(name, policy string, def registry.Queue) *registry.Queue {
		def.Name, def.Policy = name, policy
		return f.queue(def)
	}
	good := queue("good", allowed(rule), registry.Queue{})
	dead := queue("dead", allowed(rule), registry.Queue{})
	closed := queue("closed", allowed(rule+"x"), registry.Queue{})
	small := queue("small", allowed(rule), registry.Queue{MaxMessageSize: 1024})
	noDedup := queue("plain.fifo", allowed(rule), registry.Queue{})
	gone := strings.Replace(good.ARN(), ":good", ":gone", 1)
	f.rule(b, "r", `{"source":["shop"]}`,
		registry.Target{ARN: good.ARN()},
		registry.Target{ARN: gone, DeadLetterARN: dead.ARN(), Input: `"altered"`},
		registry.Target{ARN: closed.ARN(), DeadLetterARN: dead.ARN()},
		registry.Target{ARN: small.ARN(), DeadLetterARN: dead.ARN()},
		registry.Target{ARN: noDedup.ARN(), DeadLetterARN: dead.ARN(), Group: "g"})
	f.put(b, event("shop", `{"text":"`+strings.Repeat("x", 1000)+`"}`))
	f.wantCounted(bus.Counted{Put: 1, Matched: 1, Delivered: 1, Failed: 4, Redriven: 4})
	body := f.body(good)
	codes := map[string]string{}
	for _, m := range f.take(dead, 4) {
		has := map[string]string{}
		for _, a := range m.Attributes {
			has[a.Name] = a.Value
		}
		if m.Body != body || has["RULE_ARN"] != rule || has["ERROR_MESSAGE"] == "" || has["RETRY_ATTEMPTS"] != "0" || len(has) != 5 {
			t.Errorf("dead letter %s with %v", m.Body, has)
		}
		codes[has["TARGET_ARN"]] = has["ERROR_CODE"]
	}
	if want := map[string]string{gone: "NO_RESOURCE", closed.ARN(): "NO_PERMISSIONS", small.ARN(): "INVALID_PARAMETER", noDedup.ARN(): "INVALID_PARAMETER"}; !maps.Equal(codes, want) {
		t.Errorf("dead letters %v, want %v", codes, want)
	}
	// A path and a smaller event fit.
	f.put(b, event("shop", `{}`))
	f.take(small, 1)
	f.none(closed, noDedup)
	// Dead-letter queues that do not take it either.
	lost := f.bus("lost")
	for i, arn := range []string{"", gone, closed.ARN(), noDedup.ARN()} {
		f.rule(lost, string(rune('a'+i)), `{"source":["shop"]}`, registry.Target{ARN: gone, DeadLetterARN: arn})
	}
	f.counted = bus.Counted{}
	f.put(lost, event("shop", `{}`))
	f.wantCounted(bus.Counted{Put: 1, Matched: 4, Failed: 4})
}

// A queue that is deleted between the look and the post is a failed delivery too.
func TestQueueDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	b := f.bus("default")
	q, dead, stays := f.standard("q"), f.standard("dead"), f.standard("stays")
	f.rule(b, "r", `{"source":["shop"]}`, registry.Target{ARN: q.ARN(), DeadLetterARN: dead.ARN()}, registry.Target{ARN: stays.ARN()})
	deleted := false
	f.ask = func([]partition.PostItem) error {
		if deleted {
			return nil
		}
		deleted = true
		return f.reg.DeleteQueue(t.Context(), q.Account, q.Region, q.Name)
	}
	f.put(b, event("shop", `{}`))
	f.wantCounted(bus.Counted{Put: 1, Matched: 1, Delivered: 1, Failed: 1, Redriven: 1})
	f.take(dead, 1)
	f.take(stays, 1)
}

// When neither the queue that was made in its place nor the dead-letter queue can be
// reached, the put fails: it is tried again.
func TestLateDeliveryFails(t *testing.T) {
	t.Parallel()
	for _, again := range []bool{false, true} {
		f := newFixture(t, 1, false)
		b := f.bus("default")
		q, dead := f.standard("q"), f.standard("dead")
		f.rule(b, "r", `{"source":["shop"]}`, registry.Target{ARN: q.ARN(), DeadLetterARN: dead.ARN()})
		posts := 0
		f.ask = func([]partition.PostItem) error {
			if posts++; posts > 1 {
				return partition.ErrBusy
			}
			err := f.reg.DeleteQueue(t.Context(), q.Account, q.Region, q.Name)
			if again {
				f.standard("q")
			}
			return err
		}
		out := f.Put(t.Context(), []bus.Addressed{{Bus: b, Event: event("shop", `{}`)}})
		if !errors.Is(out[0].Err, partition.ErrBusy) || posts != 2 {
			t.Errorf("made again: %v: %v after %d posts", again, out[0].Err, posts)
		}
		f.ask = nil
		f.put(b, event("shop", `{}`))
		if again {
			dead, _ = f.reg.QueueByARN(q.ARN())
		}
		f.take(dead, 1)
	}
}

// A queue that was deleted and made again gets what was on its way to the one before.
func TestQueueMadeAgainMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	b := f.bus("default")
	q := f.standard("q")
	f.rule(b, "r", `{"source":["shop"]}`, registry.Target{ARN: q.ARN(), InputPath: "$.detail"}, registry.Target{ARN: q.ARN(), Input: `"constant"`})
	f.ask = func([]partition.PostItem) error {
		f.ask = nil
		if err := f.reg.DeleteQueue(t.Context(), account, region, "q"); err != nil {
			return err
		}
		q = f.standard("q")
		return nil
	}
	f.put(b, event("shop", `{"n":1}`))
	bodies := map[string]bool{}
	for _, m := range f.take(q, 2) {
		bodies[m.Body] = true
	}
	if !bodies[`{"n":1}`] || !bodies[`"constant"`] {
		t.Errorf("%v", bodies)
	}
	f.wantCounted(bus.Counted{Put: 1, Matched: 1, Delivered: 2})
}

// All that the targets of an event make of it is bounded.
func TestAlteredInputsAreBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	b := f.bus("default")
	q, dead := f.standard("q"), f.standard("dead")
	for i := range 5 {
		name := string(rune('a' + i))
		targets := make([]registry.Target, 5)
		for k := range targets {
			targets[k] = registry.Target{
				ARN: q.ARN(), DeadLetterARN: dead.ARN(), Template: `"` + name + string(rune('a'+k)) + `<x>"`, Paths: map[string]string{"x": "$.detail.x"},
			}
		}
		f.rule(b, name, `{"source":["shop"]}`, targets...)
	}
	f.put(b, event("shop", `{"x":"`+strings.Repeat("x", 900_000)+`"}`))
	f.wantCounted(bus.Counted{Put: 1, Matched: 5, Delivered: 18, Failed: 7, Redriven: 7})
	if m := f.take(dead, 7)[0]; m.Attributes[0].Value != "RESOURCE_LIMIT_EXCEEDED" {
		t.Errorf("%+v", m.Attributes)
	}
}

// However many dead letters an event makes, they are gathered up to a bound.
func TestDeadLettersOfALargeEvent(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	b := f.bus("default")
	dead := f.standard("dead")
	for i := range 5 {
		targets := make([]registry.Target, 5)
		for k := range targets {
			targets[k] = registry.Target{ARN: dead.ARN() + "-gone", DeadLetterARN: dead.ARN()}
		}
		f.rule(b, string(rune('a'+i)), `{"source":["shop"]}`, targets...)
	}
	largest := 0
	f.ask = func(items []partition.PostItem) error {
		n := 0
		for i := range items {
			n += len(items[i].Payload)
		}
		largest = max(largest, n)
		return nil
	}
	large := event("shop", `{"x":"`+strings.Repeat("x", 900_000)+`"}`)
	f.put(b, large, event("shop", `{}`))
	f.wantCounted(bus.Counted{Put: 2, Matched: 10, Failed: 50, Redriven: 50})
	seen := map[partition.MessageID]bool{}
	for _, m := range f.take(dead, 50) {
		seen[m.ID] = true
	}
	if len(seen) != 50 {
		t.Errorf("%d messages", len(seen))
	}
	f.none(dead)
	if largest > 6<<20 {
		t.Errorf("%d bytes were gathered for a post", largest)
	}
}
