package topic_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/topic"
)

// One message reaches each subscription that wants it, on all partitions, in the form
// that each asked for.
func TestPublishReachesWhoWantsIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3, false)
	news := f.topic(registry.Topic{Meta: registry.Meta{Name: "news"}})
	type subscriber struct {
		def   registry.Subscription
		wants bool
	}
	subscribers := map[string]subscriber{
		"plain":       {registry.Subscription{}, true},
		"raw":         {registry.Subscription{Raw: true}, true},
		"wanted":      {registry.Subscription{FilterPolicy: `{"kind":["sport","art"]}`}, true},
		"unwanted":    {registry.Subscription{FilterPolicy: `{"kind":["weather"]}`}, false},
		"absent":      {registry.Subscription{FilterPolicy: `{"other":[{"exists":true}]}`}, false},
		"body":        {registry.Subscription{FilterPolicy: `{"n":[{"numeric":[">",1]}]}`, FilterBody: true, Raw: true}, true},
		"other-body":  {registry.Subscription{FilterPolicy: `{"n":[{"numeric":[">",5]}]}`, FilterBody: true}, false},
		"array":       {registry.Subscription{FilterPolicy: `{"list":["b"]}`}, true},
		"unconfirmed": {registry.Subscription{Pending: true}, false},
	}
	queues := map[string]*registry.Queue{}
	subs := map[string]*registry.Subscription{}
	for name, s := range subscribers {
		queues[name] = f.standard(name)
		subs[name] = f.subscribe(news, queues[name].ARN(), s.def)
	}
	f.take(queues["unconfirmed"], 1) // that it be confirmed
	if n := f.Counts(news); n != (topic.Counts{Confirmed: 8, Pending: 1}) {
		t.Errorf("%+v", n)
	}
	m := topic.Message{
		Body: `{"n":3,"t":"ä<&>\" \u2028"}`, Subject: "A subject", Trace: "Root=1-2-3", Group: "tenant",
		Attributes: []partition.Attribute{
			{Name: "blob", Type: "Binary", Binary: []byte{0, 255}}, text("kind", "sport"), {Name: "list", Type: "String.Array", Value: `["a","b"]`},
		},
	}
	out := f.publish(news, m)
	for name, s := range subscribers {
		if !s.wants {
			continue
		}
		got := f.take(queues[name], 1)[0]
		if got.GroupID != "tenant" || got.TraceHeader != m.Trace || got.SenderID != topic.Principal || got.ID == out[0].ID {
			t.Errorf("%s: %+v", name, got.Message)
		}
		if s.def.Raw {
			if got.Body != m.Body || len(got.Attributes) != 3 || got.Attributes[2].Type != "String.Array" || got.Attributes[2].Value != `["a","b"]` {
				t.Errorf("%s: %+v", name, got.Message)
			}
			continue
		}
		e := f.envelope(got)
		if e.Type != "Notification" || e.MessageId != out[0].ID.String() || e.TopicArn != news.ARN() || e.Message != m.Body || e.Subject != m.Subject ||
			e.SequenceNumber != "" || e.UnsubscribeURL != origin+"/?Action=Unsubscribe&SubscriptionArn="+subs[name].ARN() ||
			len(e.Timestamp) != len("2026-01-02T03:04:05.678Z") || len(e.MessageAttributes) != 3 ||
			e.MessageAttributes["blob"].Value != "AP8=" || e.MessageAttributes["list"].Type != "String.Array" || len(got.Attributes) > 0 {
			t.Errorf("%s: %s", name, got.Body)
		}
	}
	f.eventually("all is taken", func() bool {
		for _, st := range f.parts.Status() {
			if st.Backlog > 0 {
				return false
			}
		}
		return true
	})
	for _, q := range queues {
		f.none(q)
	}
	f.wantCounted(topic.Counted{Published: 1, Delivered: 5, Filtered: 3})

	// What changes counts from then on, and a restart changes nothing.
	_, err := f.UpdateSubscription(t.Context(), news, subs["unwanted"], func(d *registry.Subscription) error {
		d.FilterPolicy, d.Raw = `{"kind":["sport"]}`, true
		return nil
	})
	if err := errors.Join(err, f.Unsubscribe(t.Context(), subs["plain"]), f.Unsubscribe(t.Context(), subs["plain"])); err != nil {
		t.Fatal(err)
	}
	f.restart(3)
	f.publish(news, topic.Message{Body: "no JSON", Attributes: []partition.Attribute{text("kind", "sport")}})
	for _, name := range []string{"raw", "wanted", "unwanted"} {
		f.take(queues[name], 1)
	}
	f.none(queues["plain"], queues["body"], queues["array"])
}

// A message for more subscriptions than fit a post reaches all of them, once.
func TestPublishToThousands(t *testing.T) {
	t.Parallel()
	const n = 2300
	f := newFixture(t, 2, false)
	news := f.topic(registry.Topic{Meta: registry.Meta{Name: "news"}})
	queues := make([]*registry.Queue, n)
	f.sideBySide(n, func(i int) {
		queues[i] = f.standard(numbered("q", i))
		f.subscribe(news, queues[i].ARN(), registry.Subscription{Raw: i%2 == 0})
	})
	list, pages := map[string]bool{}, 0
	for after := ""; ; pages++ {
		page, more := f.Subscriptions(news, after, 100)
		for _, sub := range page {
			list[sub.Endpoint] = true
			_, after = sub.Parts()
		}
		if !more {
			break
		}
	}
	if len(list) != n || pages != n/100-1 {
		t.Errorf("%d subscriptions on %d pages", len(list), pages+1)
	}
	var posts []int
	f.refuse(func(item partition.PostItem) error {
		posts = append(posts, len(item.Targets))
		if len(item.Targets) > 700 {
			return partition.ErrTooLarge // what this log takes at once
		}
		return nil
	})
	f.publish(news, topic.Message{Body: strings.Repeat("x", 1000)}, topic.Message{Body: "second"})
	f.sideBySide(n, func(i int) { f.take(queues[i], 2) })
	f.none(queues...)
	f.wantCounted(topic.Counted{Published: 2, Delivered: 2 * n})
	if len(posts) < 8 {
		t.Errorf("posts with %d targets", posts)
	}
}

// FIFO topics number what is published, keep its order through partitions, and publish
// nothing twice, over restarts.
func TestFIFOEndToEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3, false)
	orders := f.topic(registry.Topic{Meta: registry.Meta{Name: "orders.fifo"}, FIFO: true})
	queues := make([]*registry.Queue, 6)
	for i := range queues {
		queues[i] = f.queue(registry.Queue{Meta: registry.Meta{Name: numbered("q", i) + ".fifo"}, FIFO: true})
		f.subscribe(orders, queues[i].ARN(), registry.Subscription{Raw: i < 3})
	}
	plain := f.standard("plain") // standard queues may subscribe, too
	f.subscribe(orders, plain.ARN(), registry.Subscription{})
	late := f.queue(registry.Queue{Meta: registry.Meta{Name: "late.fifo"}, FIFO: true})

	const groups, each = 3, 7
	var sequence uint64
	first := map[string]topic.Published{}
	for i := range each {
		var batch []topic.Message
		for g := range groups {
			text := fmt.Sprintf("%d of group %d", i, g)
			batch = append(batch, topic.Message{Body: text, Group: fmt.Sprint(g), Dedup: "id of " + strings.ReplaceAll(text, " ", "-")})
		}
		// Duplicates in the same batch, and in the next.
		again := f.publish(orders, append(batch, batch[0])...)
		for k, r := range again[:groups] {
			if r.Sequence <= sequence {
				t.Errorf("number %d after %d", r.Sequence, sequence)
			}
			sequence = r.Sequence
			first[batch[k].Body] = r
		}
		if again[groups] != again[0] {
			t.Errorf("a duplicate is %+v, not %+v", again[groups], again[0])
		}
		if i == 3 {
			f.restart(3)
			// Who subscribes now gets nothing that was published before.
			f.subscribe(orders, late.ARN(), registry.Subscription{Raw: true})
		}
		for k, r := range f.publish(orders, batch...) {
			if r != first[batch[k].Body] {
				t.Errorf("a duplicate of %q is %+v, not %+v", batch[k].Body, r, first[batch[k].Body])
			}
		}
	}
	for _, q := range queues {
		got := f.take(q, groups*each)
		next := map[string]int{}
		for _, m := range got {
			body := m.Body
			if q != queues[0] && q != queues[1] && q != queues[2] {
				e := f.envelope(m)
				body = e.Message
				if e.SequenceNumber != topic.Sequence(first[body].Sequence) || e.Signature != "" {
					t.Errorf("%s", m.Body)
				}
			}
			if want := fmt.Sprintf("%d of group %s", next[m.GroupID], m.GroupID); body != want || m.DedupID != "id of "+strings.ReplaceAll(want, " ", "-") {
				t.Errorf("%s: got %q, want %q", q.Name, body, want)
			}
			next[m.GroupID]++
		}
		f.none(q)
	}
	f.take(plain, groups*each)
	f.none(plain)
	f.take(late, groups*(each-4))
	f.none(late)
	f.wantCounted(topic.Counted{Published: groups * each, Delivered: groups*each*7 + groups*(each-4)})
}

// With DedupPerGroup an id counts within its message group, else within the topic.
func TestDedupScope(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	for name, perGroup := range map[string]bool{"topic.fifo": false, "group.fifo": true} {
		to := f.topic(registry.Topic{Meta: registry.Meta{Name: name}, FIFO: true, DedupPerGroup: perGroup})
		out := f.publish(to, topic.Message{Body: "x", Group: "a", Dedup: "1"}, topic.Message{Body: "x", Group: "b", Dedup: "1"}, topic.Message{Body: "x", Group: "b", Dedup: "1"})
		if same := out[0] == out[1]; same == perGroup || out[1] != out[2] {
			t.Errorf("%s: %+v", name, out)
		}
	}
}

// Behind a message of a FIFO topic that failed nothing is published; on a standard
// topic each fails by itself.
func TestPublishFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	for _, fifo := range []bool{true, false} {
		name := "t"
		if fifo {
			name = "t.fifo"
		}
		to := f.topic(registry.Topic{Meta: registry.Meta{Name: name}, FIFO: fifo})
		q := f.queue(registry.Queue{Meta: registry.Meta{Name: "q-" + name}, FIFO: fifo})
		f.subscribe(to, q.ARN(), registry.Subscription{Raw: true})
		big := strings.Repeat("x", 300<<10) // each a post of its own
		var msgs []topic.Message
		for i := range 4 {
			m := topic.Message{Body: fmt.Sprint(i) + big}
			if fifo {
				m.Group, m.Dedup = "g", fmt.Sprint(i)
			}
			msgs = append(msgs, m)
		}
		posted := 0
		f.refuse(func(partition.PostItem) error {
			if posted++; posted == 2 {
				return partition.ErrBusy
			}
			return nil
		})
		out := f.Publish(t.Context(), to, msgs)
		f.refuse(nil)
		want := []bool{true, false, !fifo, !fifo}
		for i, r := range out {
			if (r.Err == nil) != want[i] || r.Err != nil && !errors.Is(r.Err, partition.ErrBusy) {
				t.Errorf("FIFO %v: message %d: %v", fifo, i, r.Err)
			}
		}
		delivered := 3
		if fifo {
			delivered = 1
		}
		f.take(q, delivered)
		f.none(q)
		if fifo { // what was refused can be published again
			f.publish(to, msgs...)
			got := f.take(q, 3)
			if list := []byte{got[0].Body[0], got[1].Body[0], got[2].Body[0]}; !slices.Equal(list, []byte("123")) {
				t.Errorf("%s", list)
			}
		}
	}
}
