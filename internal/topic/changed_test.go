package topic_test

import (
	"sync"
	"testing"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/topic"
)

// TestPublishWhileSubscriptionsChange: a subscription that wants a message before and
// after a change of its attributes gets what is published at that moment, once.
func TestPublishWhileSubscriptionsChange(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	orders := f.topic(registry.Topic{Meta: registry.Meta{Name: "orders"}})
	q := f.standard("q")
	sub := f.subscribe(orders, q.ARN(), registry.Subscription{FilterPolicy: `{"a":["1"]}`})

	// All of these want every message that is published below.
	changes := []func(*registry.Subscription){
		func(d *registry.Subscription) { d.Raw = !d.Raw },
		func(d *registry.Subscription) { d.FilterPolicy, d.FilterBody = `{"b":["2"]}`, true },
		func(d *registry.Subscription) { d.FilterPolicy, d.FilterBody = "", false },
		func(d *registry.Subscription) { d.FilterPolicy = `{"a":["1","3"]}` },
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := f.UpdateSubscription(t.Context(), orders, sub, func(d *registry.Subscription) error {
				changes[i%len(changes)](d)
				return nil
			}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	const n = 3000
	m := topic.Message{Body: `{"b":"2"}`, Attributes: []partition.Attribute{text("a", "1")}}
	f.sideBySide(n, func(int) { f.publish(orders, m) })
	close(stop)
	wg.Wait()
	f.wantCounted(topic.Counted{Published: n, Delivered: n})
}
