package topic_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/topic"
)

// letsSend is a queue's policy that lets topics send to it.
func letsSend(queue, topicARN string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},
		"Action":"sqs:SendMessage","Resource":"arn:aws:sqs:%s:%s:%s","Condition":{"ArnEquals":{"aws:SourceArn":%q}}}]}`, region, account, queue, topicARN)
}

// A queue that is gone, or whose policy does not let this very topic send, is a failed
// delivery: the message goes to the dead-letter queue of that subscription alone, if
// that lets the topic send.
func TestFailedDeliveriesAreBuried(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2, true)
	news := f.topic(registry.Topic{Meta: registry.Meta{Name: "news"}})
	another := f.topic(registry.Topic{Meta: registry.Meta{Name: "another"}})
	make := func(name, allowed string) *registry.Queue {
		q := registry.Queue{Meta: registry.Meta{Name: name}}
		if allowed != "" {
			q.Policy = letsSend(name, allowed)
		}
		return f.queue(q)
	}
	open, shut, elsewhere := make("open", news.ARN()), make("shut", ""), make("elsewhere", another.ARN())
	gone := make("gone", news.ARN())
	dead, deadShut := make("dead", news.ARN()), make("dead-shut", "")
	for _, q := range []*registry.Queue{open, shut, elsewhere, gone} {
		f.subscribe(news, q.ARN(), registry.Subscription{Raw: true, RedriveARN: dead.ARN()})
	}
	f.subscribe(news, make("lost", "").ARN(), registry.Subscription{RedriveARN: deadShut.ARN()})
	f.subscribe(news, make("dropped", "").ARN(), registry.Subscription{})
	f.subscribe(another, elsewhere.ARN(), registry.Subscription{Raw: true})
	if err := f.reg.DeleteQueue(t.Context(), account, region, "gone"); err != nil {
		t.Fatal(err)
	}
	f.publish(news, topic.Message{Body: "x"})
	f.wantCounted(topic.Counted{Published: 1, Delivered: 1, Failed: 5, Redriven: 3})
	f.take(open, 1)
	for _, m := range f.take(dead, 3) {
		if m.Body != "x" || m.DeadLetterSource != "" {
			t.Errorf("buried: %+v", m)
		}
	}
	f.none(open, shut, elsewhere, dead, deadShut)
	// A policy that is changed counts at once, a queue that is made again within a second.
	_, err := f.reg.UpdateQueue(t.Context(), account, region, "shut", func(q *registry.Queue) error {
		q.Policy = letsSend("shut", news.ARN())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	f.publish(another, topic.Message{Body: "y"})
	f.take(elsewhere, 1)
	f.publish(news, topic.Message{Body: "z"})
	f.take(open, 1)
	f.take(shut, 1)
	again := make("gone", news.ARN())
	f.publish(news, topic.Message{Body: "after"})
	f.take(again, 1)
}

// What raw delivery cannot carry is a failed delivery, of raw subscriptions alone.
func TestTooManyAttributesForRaw(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	news := f.topic(registry.Topic{Meta: registry.Meta{Name: "news"}})
	raw, enveloped, dead := f.standard("raw"), f.standard("enveloped"), f.standard("dead")
	f.subscribe(news, raw.ARN(), registry.Subscription{Raw: true, RedriveARN: dead.ARN()})
	f.subscribe(news, enveloped.ARN(), registry.Subscription{})
	m := topic.Message{Body: "x"}
	for i := range 11 {
		m.Attributes = append(m.Attributes, text(numbered("a", i), "v"))
	}
	f.publish(news, m)
	if e := f.envelope(f.take(enveloped, 1)[0]); len(e.MessageAttributes) != 11 {
		t.Errorf("%+v", e)
	}
	f.take(dead, 1)
	f.none(raw)
	f.wantCounted(topic.Counted{Published: 1, Delivered: 1, Failed: 1, Redriven: 1})
}

// A queue that is deleted between the look at it and the post is a failed delivery too.
func TestQueueDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	news := f.topic(registry.Topic{Meta: registry.Meta{Name: "news"}})
	q, dead := f.standard("q"), f.standard("dead")
	f.subscribe(news, q.ARN(), registry.Subscription{Raw: true, RedriveARN: dead.ARN()})
	f.refuse(func(partition.PostItem) error {
		f.refuse(nil)
		return f.reg.DeleteQueue(t.Context(), account, region, "q")
	})
	f.publish(news, topic.Message{Body: "x"})
	f.take(dead, 1)
	f.wantCounted(topic.Counted{Published: 1, Failed: 1, Redriven: 1})
}

// When what lost its queue at the last moment cannot be brought to the dead-letter queue
// either, the publish fails: it is tried again. A FIFO topic has noted it already.
func TestLateDeliveryFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	news := f.topic(registry.Topic{Meta: registry.Meta{Name: "news"}})
	q, dead := f.standard("q"), f.standard("dead")
	f.subscribe(news, q.ARN(), registry.Subscription{Raw: true, RedriveARN: dead.ARN()})
	f.refuse(func(partition.PostItem) error {
		f.refuse(func(partition.PostItem) error { return partition.ErrBusy })
		return f.reg.DeleteQueue(t.Context(), account, region, "q")
	})
	if out := f.Publish(t.Context(), news, []topic.Message{{Body: "x"}}); !errors.Is(out[0].Err, partition.ErrBusy) {
		t.Errorf("published: %v", out[0].Err)
	}
	f.refuse(nil)
	f.publish(news, topic.Message{Body: "x"})
	f.take(dead, 1)
}

// What has no queue at the last moment, and no dead-letter queue either, has failed once
// and was not redriven.
func TestDeadLetterQueueDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	news := f.topic(registry.Topic{Meta: registry.Meta{Name: "news"}})
	q, dead := f.standard("q"), f.standard("dead")
	f.subscribe(news, q.ARN(), registry.Subscription{RedriveARN: dead.ARN()})
	remove := func(name string) error { return f.reg.DeleteQueue(t.Context(), account, region, name) }
	f.refuse(func(partition.PostItem) error {
		f.refuse(func(partition.PostItem) error {
			f.refuse(nil)
			return remove("dead")
		})
		return remove("q")
	})
	f.publish(news, topic.Message{Body: "x"})
	f.wantCounted(topic.Counted{Published: 1, Failed: 1})

	f.standard("dead")
	f.refuse(func(partition.PostItem) error {
		f.refuse(nil)
		return remove("dead")
	})
	f.publish(news, topic.Message{Body: "x"})
	f.wantCounted(topic.Counted{Published: 2, Failed: 2})
}

// A queue that was deleted and made again gets what was on its way to the one before.
func TestQueueMadeAgainMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	news := f.topic(registry.Topic{Meta: registry.Meta{Name: "news"}})
	f.subscribe(news, f.standard("q").ARN(), registry.Subscription{Raw: true})
	var q *registry.Queue
	f.refuse(func(partition.PostItem) error {
		f.refuse(nil)
		if err := f.reg.DeleteQueue(t.Context(), account, region, "q"); err != nil {
			return err
		}
		q = f.standard("q")
		return nil
	})
	f.publish(news, topic.Message{Body: "x"})
	if got := f.take(q, 1)[0]; got.Body != "x" {
		t.Errorf("%+v", got)
	}
	f.wantCounted(topic.Counted{Published: 1, Delivered: 1})
}

// Dead letters of several subscriptions to a FIFO topic are one each, though their
// messages have the same deduplication id.
func TestDeadLettersOfFIFOTopic(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2, false)
	orders := f.topic(registry.Topic{Meta: registry.Meta{Name: "orders.fifo"}, FIFO: true})
	dead := f.queue(registry.Queue{Meta: registry.Meta{Name: "dead.fifo"}, FIFO: true})
	f.subscribe(orders, dead.ARN(), registry.Subscription{})
	for _, gone := range []string{"a.fifo", "b.fifo"} {
		f.subscribe(orders, strings.Replace(dead.ARN(), "dead.fifo", gone, 1), registry.Subscription{RedriveARN: dead.ARN()})
	}
	for range 2 { // the second is a duplicate
		f.publish(orders, topic.Message{Body: "x", Group: "g", Dedup: "d"})
	}
	seen := map[partition.MessageID]bool{}
	for _, m := range f.take(dead, 3) {
		seen[m.ID] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d messages", len(seen))
	}
	f.none(dead)
}

// The arrays of a message can be more work than a filter policy is worth: nothing is
// delivered then, to nobody.
func TestUnmatchedMessage(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	news := f.topic(registry.Topic{Meta: registry.Meta{Name: "news"}})
	q := f.standard("q")
	f.subscribe(news, q.ARN(), registry.Subscription{})
	f.subscribe(news, f.standard("other").ARN(), registry.Subscription{FilterBody: true,
		FilterPolicy: `{"a":{"x":[{"exists":true}],"y":[{"anything-but":"v"}]},"b":{"x":["no"]}}`})
	var list []byte
	for i := range 3000 {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, `{"x":1,"y":"v"}`...)
	}
	body := fmt.Sprintf(`{"a":[%s],"b":[{"x":"no"}]}`, list)
	if out := f.Publish(t.Context(), news, []topic.Message{{Body: body}}); !errors.Is(out[0].Err, topic.ErrUnmatched) {
		t.Errorf("%v", out[0].Err)
	}
	f.none(q)
}

// A topic that is deleted takes its subscriptions with it, also when the node that
// deleted it died in between; one made again under its name begins without any.
func TestDeletedTopic(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2, false)
	const n = 150
	news := f.topic(registry.Topic{Meta: registry.Meta{Name: "news.fifo"}, FIFO: true})
	big := f.topic(registry.Topic{Meta: registry.Meta{Name: "big"}})
	for i := range n {
		f.subscribe(big, f.standard(numbered("q", i)).ARN(), registry.Subscription{})
	}
	q := f.queue(registry.Queue{Meta: registry.Meta{Name: "q.fifo"}, FIFO: true})
	f.subscribe(news, q.ARN(), registry.Subscription{})
	f.publish(news, topic.Message{Body: "x", Group: "g", Dedup: "1"})
	if err := f.Delete(t.Context(), account, region, "big"); err != nil {
		t.Fatal(err)
	}
	left := func(name string) int {
		list, _ := f.reg.Subscriptions().List(account, region, name+"/", "", 2*n)
		return len(list)
	}
	f.eventually("the subscriptions are gone", func() bool { return left("big") == 0 })
	if err := f.Delete(t.Context(), account, region, "big"); !errors.Is(err, topic.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
	if left("news.fifo") != 1 {
		t.Error("those of another topic went too")
	}
	// As another node would have it: the topic alone is deleted.
	old := news
	if err := f.reg.Topics().Delete(t.Context(), account, region, "news.fifo"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Subscribe(t.Context(), old, registry.Subscription{Owner: account, Protocol: "sqs", Endpoint: q.ARN() + "x"}, nil); !errors.Is(err, topic.ErrNotFound) {
		t.Errorf("a subscription to a topic that is gone: %v", err)
	}
	news = f.topic(registry.Topic{Meta: registry.Meta{Name: "news.fifo"}, FIFO: true})
	if list, more := f.Subscriptions(news, "", 10); len(list) > 0 || more || f.Counts(news) != (topic.Counts{}) {
		t.Errorf("the new topic has %d subscriptions", len(list))
	}
	// It remembers nothing of the old one.
	f.subscribe(news, q.ARN(), registry.Subscription{})
	f.publish(news, topic.Message{Body: "x", Group: "g", Dedup: "1"})
	f.restart(2)
	f.eventually("the orphans are gone", func() bool { return left("news.fifo") == 1 })
	// The queue deduplicates by itself what both topics have sent it.
	f.take(q, 1)
	f.none(q)
}

// Subscriptions that nobody confirms are removed after two days.
func TestUnconfirmedExpire(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	news := f.topic(registry.Topic{Meta: registry.Meta{Name: "news"}})
	f.subscribe(news, f.standard("a").ARN(), registry.Subscription{Pending: true})
	f.subscribe(news, f.standard("b").ARN(), registry.Subscription{})
	f.ahead.Store(int64(topic.ConfirmWithin - time.Minute))
	f.Expire(t.Context())
	if n := f.Counts(news); n != (topic.Counts{Confirmed: 1, Pending: 1}) {
		t.Errorf("early: %+v", n)
	}
	f.ahead.Store(int64(topic.ConfirmWithin + time.Minute))
	f.Expire(t.Context())
	if n := f.Counts(news); n != (topic.Counts{Confirmed: 1}) {
		t.Errorf("%+v", n)
	}
}

// A subscription that is confirmed at the moment in which it expires is there, or was
// not confirmed.
func TestConfirmedWhileExpiring(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	news := f.topic(registry.Topic{Meta: registry.Meta{Name: "news"}})
	subs := make([]*registry.Subscription, 200)
	arn := f.standard("q").ARN()
	f.sideBySide(len(subs), func(i int) {
		subs[i] = f.subscribe(news, arn+numbered("", i), registry.Subscription{Pending: true})
	})
	f.ahead.Store(int64(topic.ConfirmWithin + time.Minute))
	var confirmed atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() { f.Expire(t.Context()) })
	f.sideBySide(len(subs), func(i int) {
		_, err := f.UpdateSubscription(t.Context(), news, subs[i], func(d *registry.Subscription) error { d.Pending = false; return nil })
		switch {
		case err == nil:
			confirmed.Add(1)
		case !errors.Is(err, topic.ErrNotFound):
			t.Error(err)
		}
	})
	wg.Wait()
	if n := f.Counts(news); n != (topic.Counts{Confirmed: int(confirmed.Load())}) {
		t.Errorf("%d were confirmed, there are %+v", confirmed.Load(), n)
	}
}
