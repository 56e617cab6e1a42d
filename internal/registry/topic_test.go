package registry

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/jet/jetsim"
)

func TestTopicsAndSubscriptions(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		r := up(t, w.Node("one"), Config{})
		topic, _, err := r.Topics().Create(t.Context(), &Topic{
			Meta: Meta{Account: account, Region: region, Name: "paid.fifo"}, Partition: 3, FIFO: true, ContentDedup: true, DedupPerGroup: true,
			DisplayName: "Paid", Policy: "{}", MaxMessageSize: 1024, SignatureVersion: 2, Tracing: "Active", KMSKeyID: "key",
			Feedback: map[string]string{"SQSSuccessFeedbackSampleRate": "5"}, Tags: map[string]string{"team": "a"},
		}, nil)
		if err != nil || topic.ARN() != "arn:aws:sns:"+region+":"+account+":paid.fifo" {
			t.Fatalf("%+v, %v", topic, err)
		}
		sub, _, err := r.Subscriptions().Create(t.Context(), &Subscription{
			Meta: Meta{Account: account, Region: region, Name: "paid.fifo/one"}, TopicID: topic.ID, Owner: "210987654321",
			Protocol: "sqs", Endpoint: "arn:aws:sqs:r:a:q", Pending: true, Authenticated: true, Raw: true,
			FilterPolicy: `{"a":["b"]}`, FilterBody: true, RedriveARN: "arn:aws:sqs:r:a:dead",
		}, nil)
		if err != nil || sub.ARN() != topic.ARN()+":one" {
			t.Fatalf("%+v, %v", sub, err)
		}
		for _, arn := range []string{topic.ARN(), sub.ARN()} {
			if res, ok := ParseARN(arn); !ok || res.ARN() != arn {
				t.Errorf("%s is read as %+v, %v", arn, res, ok)
			}
		}
		// What cannot change does not, whatever an update says.
		changed, err := r.Topics().Update(t.Context(), account, region, "paid.fifo", func(d *Topic) error {
			d.Partition, d.FIFO, d.DisplayName = 7, false, "Other"
			return nil
		})
		if err != nil || changed.Partition != 3 || !changed.FIFO || changed.DisplayName != "Other" {
			t.Errorf("%+v, %v", changed, err)
		}
		moved, err := r.Subscriptions().Update(t.Context(), account, region, "paid.fifo/one", func(d *Subscription) error {
			d.Endpoint, d.Owner, d.TopicID, d.Pending = "elsewhere", account, 1, false
			return nil
		})
		if err != nil || moved.Endpoint != sub.Endpoint || moved.Owner != sub.Owner || moved.TopicID != topic.ID || moved.Pending {
			t.Errorf("%+v, %v", moved, err)
		}
		// Another node reads the same out of the log.
		other := up(t, w.Node("two"), Config{})
		if got, ok := other.Topics().Get(account, region, "paid.fifo"); !ok || !reflect.DeepEqual(got, changed) {
			t.Errorf("the other node has\n%+v, want\n%+v", got, changed)
		}
		if got, ok := other.Subscriptions().Get(account, region, "paid.fifo/one"); !ok || !reflect.DeepEqual(got, moved) {
			t.Errorf("the other node has\n%+v, want\n%+v", got, moved)
		}
	})
}

func TestSubscriptionsOfAnOwnerInPages(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		r := up(t, w.Node("one"), Config{})
		want := []string{}
		for i := range 25 {
			topicOwner, owner := account, account
			if i%5 == 0 {
				topicOwner = "000000000009" // to another account's topic
			}
			if i%7 == 0 {
				owner = "somebody"
			}
			s := &Subscription{Meta: Meta{Account: topicOwner, Region: region, Name: fmt.Sprintf("t/%02d", i)}, Owner: owner}
			if _, _, err := r.Subscriptions().Create(t.Context(), s, nil); err != nil {
				t.Fatal(err)
			}
			if owner == account {
				want = append(want, s.ARN())
			}
		}
		var got []string
		var after Meta
		for page := 1; ; page++ {
			list, more := r.Subscriptions().ByPage(SubscriptionsByOwner, SubscriptionOwner(account, region), after, 4)
			for _, s := range list {
				got = append(got, s.ARN())
				after = s.Meta
			}
			if !more {
				break
			}
			if len(list) != 4 || page > 10 {
				t.Fatalf("page %d has %d", page, len(list))
			}
		}
		if len(got) != len(want) {
			t.Errorf("got %d subscriptions, want %d", len(got), len(want))
		}
		all := r.Subscriptions().By(SubscriptionsByOwner, SubscriptionOwner(account, region))
		for i, s := range all {
			if i >= len(got) || got[i] != s.ARN() {
				t.Errorf("in pages %q", got)
				break
			}
		}
	})
}

func TestLimitsOfTopics(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		r := up(t, w.Node("one"), Config{MaxTopics: 1, MaxSubscriptions: 1})
		for i, want := range []bool{true, false} {
			_, _, err := r.Topics().Create(t.Context(), &Topic{Meta: Meta{Account: account, Region: region, Name: fmt.Sprint("t", i)}}, nil)
			if (err == nil) != want {
				t.Errorf("topic %d: %v", i, err)
			}
			_, _, err = r.Subscriptions().Create(t.Context(), &Subscription{Meta: Meta{Account: account, Region: region, Name: fmt.Sprint("t/", i)}}, nil)
			if (err == nil) != want {
				t.Errorf("subscription %d: %v", i, err)
			}
		}
	})
}

// Tags of a topic change by themselves: they do not count as a change of it.
func TestTagsOfATopic(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		r := up(t, w.Node("one"), Config{})
		topic, _, err := r.Topics().Create(t.Context(), &Topic{Meta: Meta{Account: account, Region: region, Name: "t"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		update := func(change func(*Topic)) *Topic {
			time.Sleep(time.Minute)
			got, err := r.Topics().Update(t.Context(), account, region, "t", func(d *Topic) error { change(d); return nil })
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		if got := update(func(d *Topic) { d.Tags = map[string]string{"team": "a"} }); got.Modified != topic.Modified || got.Tags["team"] != "a" {
			t.Errorf("%+v was modified at %d, before at %d", got, got.Modified, topic.Modified)
		}
		if got := update(func(d *Topic) { d.DisplayName = "T" }); got.Modified != topic.Modified+120 || got.Tags["team"] != "a" {
			t.Errorf("%+v was modified at %d, before at %d", got, got.Modified, topic.Modified)
		}
	})
}

// Strings that are the same in most subscriptions and topics are in memory once.
func TestSharedStringsOfTopics(t *testing.T) {
	t.Parallel()
	const n = 4
	fresh := func(s string) string { return strings.Clone(s) }
	once := func(what string, list []string) {
		t.Helper()
		for _, s := range list {
			if s != list[0] || stringData(s) != stringData(list[0]) {
				t.Errorf("%s: %q is there more than once", what, s)
			}
		}
	}
	topicKind, subscriptionKind := topics(0), subscriptions(0)
	tm, sm := newMemory(&topicKind), newMemory(&subscriptionKind)
	for i := range n {
		meta := Meta{ID: uint64(i + 1), Account: fresh(account), Region: fresh(region), Name: fmt.Sprint("t", i)}
		tm.put(opened[Topic]{def: &Topic{Meta: meta, Policy: fresh("policy"), KMSKeyID: fresh("key")}})
		meta.Name += "/s"
		sm.put(opened[Subscription]{def: &Subscription{
			Meta: meta, Owner: fresh("owner"), Protocol: fresh("sqs"), FilterPolicy: fresh("filter"), RedriveARN: fresh("arn"),
		}})
	}
	for what, of := range map[string]func(*Topic) string{
		"account": func(d *Topic) string { return d.Account }, "policy": func(d *Topic) string { return d.Policy },
		"key": func(d *Topic) string { return d.KMSKeyID },
	} {
		var list []string
		for _, d := range tm.byID {
			list = append(list, of(d))
		}
		once(what, list)
	}
	for what, of := range map[string]func(*Subscription) string{
		"region": func(d *Subscription) string { return d.Region }, "owner": func(d *Subscription) string { return d.Owner },
		"protocol": func(d *Subscription) string { return d.Protocol }, "filter": func(d *Subscription) string { return d.FilterPolicy },
		"dead-letter queue": func(d *Subscription) string { return d.RedriveARN },
	} {
		var list []string
		for _, d := range sm.byID {
			list = append(list, of(d))
		}
		once(what, list)
	}
}
