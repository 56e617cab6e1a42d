package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/topic"
)

// topicPlan is a topic of a plan.
type topicPlan struct {
	name           string
	fifo, perGroup bool
	churns         bool // is deleted and made again
}

var topicPlans = []topicPlan{
	{name: "news"}, {name: "brief", churns: true}, {name: "orders.fifo", fifo: true}, {name: "parts.fifo", fifo: true, perGroup: true, churns: true},
}

// announcer publishes and puts, and changes topics, subscriptions, buses and rules.
type announcer struct {
	client
	batches []*batched // published to FIFO topics, oldest first
}

// batched is what was published to a FIFO topic by one request, to be published again.
type batched struct {
	topic   topicPlan
	notices []*notice
}

// announce does what a plan has of topics and buses, one request after the other.
func (s *sim) announce(ctx context.Context, number int) {
	a := &announcer{client: client{s: s, number: number, r: rand.New(rand.NewPCG(s.plan.seed, uint64(400+number)))}}
	var verbs []func()
	add := func(times int, do func()) { verbs = append(verbs, slices.Repeat([]func(){do}, times)...) }
	if s.plan.topics {
		add(14, a.publish)
		add(3, a.publishAgain)
		add(3, a.subscribe)
		add(2, a.unsubscribe)
		add(3, a.changeSubscription)
		add(1, a.remakeTopic)
	}
	if s.plan.buses {
		add(14, a.put)
		add(2, a.putRule)
		add(3, a.putTargets)
		add(2, a.removeTargets)
		add(1, a.deleteRule)
		add(1, a.remakeBus)
	}
	add(1, a.remakeEndpoint)
	for rest(ctx, time.Duration(a.r.ExpFloat64()*float64(s.plan.announceEvery))) == nil {
		verbs[a.r.IntN(len(verbs))]()
	}
}

// chance is true so many times in a hundred.
func (a *announcer) chance(percent int) bool { return a.r.IntN(100) < percent }

func (a *announcer) topic() topicPlan { return topicPlans[a.r.IntN(len(topicPlans))] }

// makeTopic makes a topic, or finds it.
func (a *announcer) makeTopic(t topicPlan) error {
	_, err := serve(&a.client, func(ctx context.Context, r *run) (*registry.Topic, error) {
		made, _, err := r.topics.Create(ctx, registry.Topic{
			Meta: registry.Meta{Account: account, Region: region, Name: t.name}, FIFO: t.fifo, DedupPerGroup: t.perGroup,
		}, func(*registry.Topic) bool { return true })
		return a.told(r, made, revisionOf(made), err)
	})
	return err
}

func revisionOf(t *registry.Topic) uint64 {
	if t == nil {
		return 0
	}
	return t.Revision
}

// told notes the revision of a definition that is about to be answered.
func (a *announcer) told(r *run, t *registry.Topic, revision uint64, err error) (*registry.Topic, error) {
	if err == nil {
		a.s.copies.defined(r, revision)
	}
	return t, err
}

// serve runs a request of topics or buses on any node. Outcomes that say that it is not
// known what became of it, or that what it is about is gone, are no fault.
func serve[T any](c *client, fn func(context.Context, *run) (T, error)) (T, error) {
	return direct(c, func(ctx context.Context, r *run) (T, error) {
		v, err := fn(ctx, r)
		for _, gone := range []error{topic.ErrNotFound, bus.ErrNoBus, bus.ErrNoRule, bus.ErrHasRules, bus.ErrHasTargets, bus.ErrExists, registry.ErrConflict, registry.ErrNotFound, partition.ErrQueueGone} {
			if errors.Is(err, gone) {
				err = errors.Join(errDown, err)
			}
		}
		return v, err
	})
}

// compose makes notices.
func (a *announcer) compose(prefix string, count int) []*notice {
	list := make([]*notice, count)
	for i := range list {
		a.sent++
		n := &notice{id: fmt.Sprintf("%s%d.%d", prefix, a.number, a.sent), size: a.r.IntN(10)}
		n.kind = []string{"a", "b", "c", ""}[a.r.IntN(4)]
		n.many = prefix == "t" && a.chance(5)
		list[i] = n
	}
	return list
}

// count of entries of a request: mostly one.
func (a *announcer) count() int {
	if a.chance(75) {
		return 1
	}
	return 2 + a.r.IntN(9)
}

// publish publishes one message, or a batch: to FIFO topics again until it is answered,
// and sometimes though it was.
func (a *announcer) publish() {
	t := a.topic()
	list := a.compose("t", a.count())
	group := fmt.Sprint("g", a.r.IntN(3))
	for _, n := range list {
		if n.group = group; t.fifo && a.chance(30) {
			n.group = fmt.Sprint("g", a.r.IntN(3))
		}
	}
	b := &batched{t, list}
	if !t.fifo {
		if a.chance(50) {
			for _, n := range list {
				n.group = ""
			}
		}
		if !a.publishOnce(b) && a.chance(30) {
			a.publishOnce(b)
		}
		return
	}
	a.batches = append(a.batches, b)
	for range 4 {
		if a.publishOnce(b) && !a.chance(15) {
			return
		}
		time.Sleep(time.Duration(a.r.Int64N(int64(5 * time.Second))))
	}
}

// publishAgain publishes again what was published before, answered or not.
func (a *announcer) publishAgain() {
	// One that found no topic at first may be younger than those behind it.
	a.batches = slices.DeleteFunc(a.batches, func(b *batched) bool { return time.Since(b.notices[0].first) > a.s.plan.repeats })
	if len(a.batches) > 0 {
		a.publishOnce(a.batches[a.r.IntN(len(a.batches))])
	}
}

// publishOnce reports whether all of it was answered.
func (a *announcer) publishOnce(b *batched) bool {
	book := a.s.copies
	var made []*attempt
	out, err := serve(&a.client, func(ctx context.Context, r *run) ([]topic.Published, error) {
		t, err := r.topics.Find(ctx, account, region, b.topic.name)
		if err != nil {
			return nil, err
		}
		m, attempts, ok := book.attempt(b.notices, t, nil)
		if !ok {
			return nil, topic.ErrNotFound // the one that it was for
		}
		made = attempts
		if ctx, err = m.begin(ctx, r.reg); err != nil {
			return nil, err
		}
		book.knows(r, m.from)
		msgs := make([]topic.Message, len(made))
		for i, a := range made {
			msgs[i] = a.message()
		}
		defer m.reached(r.reg, false)
		return r.topics.Publish(ctx, t, msgs), nil
	})
	if err != nil {
		return false
	}
	list := make([]outcome, len(out))
	all := true
	for i, x := range out {
		list[i] = outcome{x.ID, x.Sequence, a.judged(x.Err)}
		all = all && x.Err == nil
	}
	book.answer(made, list)
	return all
}

// judged is an error of one entry, which has to be one that asks to try again.
func (a *announcer) judged(err error) error {
	if err != nil && !passes(err) {
		a.s.book.fault("an entry was refused: %v", err)
	}
	return err
}

// subscribe subscribes a queue, with any attributes.
func (a *announcer) subscribe() { a.subscribeTo(a.topic(), a.endpoint()) }

func (a *announcer) subscribeTo(t topicPlan, q queuePlan) {
	if q.fifo && !t.fifo {
		return // the API refuses it
	}
	def := registry.Subscription{Owner: account, Protocol: topic.ProtocolSQS, Endpoint: queueARN(q.name)}
	a.alter(&def, q)
	_, _ = serve(&a.client, func(ctx context.Context, r *run) (*registry.Topic, error) {
		found, err := r.topics.Find(ctx, account, region, t.name)
		if err != nil {
			return nil, err
		}
		sub, _, err := r.topics.Subscribe(ctx, found, def, func(*registry.Subscription) bool { return true })
		if err != nil {
			return nil, err
		}
		if sub.TopicID != found.ID {
			a.s.book.fault("who subscribed to %s, %x, is subscribed to %x", t.name, found.ID, sub.TopicID)
		}
		return a.told(r, nil, sub.Revision, nil)
	})
}

// alter gives a subscription of a queue any attributes.
func (a *announcer) alter(def *registry.Subscription, q queuePlan) {
	f := filters[0]
	if a.chance(70) {
		f = filters[a.r.IntN(len(filters))]
	}
	def.FilterPolicy, def.FilterBody, def.Raw, def.RedriveARN = f.policy, f.body, a.chance(50), ""
	if q.deadLetter != "" && a.chance(85) {
		def.RedriveARN = queueARN(q.deadLetter)
	}
}

// onSubscription does something to a subscription that there is, through any node.
func (a *announcer) onSubscription(do func(context.Context, *run, *registry.Topic, *registry.Subscription) error) {
	t, pick := a.topic(), a.r.Uint64()
	_, _ = serve(&a.client, func(ctx context.Context, r *run) (*registry.Topic, error) {
		found, err := r.topics.Find(ctx, account, region, t.name)
		if err != nil {
			return nil, err
		}
		list, _ := r.topics.Subscriptions(found, "", 100)
		if len(list) == 0 {
			return nil, topic.ErrNotFound
		}
		return nil, do(ctx, r, found, list[pick%uint64(len(list))])
	})
}

func (a *announcer) unsubscribe() {
	a.onSubscription(func(ctx context.Context, r *run, _ *registry.Topic, sub *registry.Subscription) error {
		return r.topics.Unsubscribe(ctx, sub)
	})
}

func (a *announcer) changeSubscription() {
	seed := a.r.Uint64()
	a.onSubscription(func(ctx context.Context, r *run, t *registry.Topic, sub *registry.Subscription) error {
		by := &announcer{client: client{s: a.s, r: rand.New(rand.NewPCG(seed, 0))}}
		q := a.s.endpointOf(sub.Endpoint)
		now, err := r.topics.UpdateSubscription(ctx, t, sub, func(def *registry.Subscription) error {
			by.alter(def, q)
			return nil
		})
		if err == nil {
			a.s.copies.defined(r, now.Revision)
		}
		return err
	})
}

// remakeTopic deletes a topic and makes it again, perhaps after a while.
func (a *announcer) remakeTopic() {
	t := a.topic()
	for !t.churns {
		t = a.topic()
	}
	defer a.meanwhile(func(other *announcer) { other.subscribeTo(t, other.endpoint()) })()
	_, _ = serve(&a.client, func(ctx context.Context, r *run) (struct{}, error) {
		return struct{}{}, r.topics.Delete(ctx, account, region, t.name)
	})
	if a.chance(50) {
		time.Sleep(time.Duration(a.r.Int64N(int64(10 * time.Second))))
	}
	for range 3 {
		if a.makeTopic(t) == nil {
			break
		}
		time.Sleep(time.Second)
	}
	if a.chance(70) {
		a.subscribeTo(t, a.endpoint())
	}
}

// meanwhile has another client do something at the same time, perhaps, and returns what
// waits for it.
func (a *announcer) meanwhile(do func(*announcer)) (wait func()) {
	if a.chance(50) {
		return func() {}
	}
	other := &announcer{client: client{s: a.s, number: a.number, r: rand.New(rand.NewPCG(a.r.Uint64(), 0))}}
	var doing sync.WaitGroup
	doing.Go(func() {
		time.Sleep(time.Duration(other.r.Int64N(int64(20 * time.Millisecond))))
		do(other)
	})
	return doing.Wait
}

// remakeEndpoint deletes a queue of subscribers and targets and makes it again.
func (a *announcer) remakeEndpoint() {
	q := a.endpoint()
	for !q.churns {
		q = a.endpoint()
	}
	done := a.s.copies.dropping(q.name)
	_, err := serve(&a.client, func(ctx context.Context, r *run) (struct{}, error) {
		return struct{}{}, r.reg.DeleteQueue(ctx, account, region, q.name)
	})
	if err == nil {
		done()
	}
	time.Sleep(time.Duration(a.r.Int64N(int64(20 * time.Second))))
	for range 3 {
		if a.s.makeEndpoint(a.node(), q) == nil {
			return
		}
		time.Sleep(time.Second)
	}
}
