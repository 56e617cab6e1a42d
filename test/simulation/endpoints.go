package simulation

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// endpointPlans are the queues of subscribers and targets. Their deadLetter is for what
// topics and buses cannot deliver.
var endpointPlans = []queuePlan{
	{name: "in-1"},
	{name: "in-2", churns: true, deadLetter: "grave-2"},
	{name: "in-3.fifo", fifo: true},
	{name: "in-4.fifo", fifo: true, churns: true, deadLetter: "grave-4.fifo"},
	{name: "in-5"},
	{name: shutEndpoint, deadLetter: "grave-shut"},
}

// shutEndpoint has a policy that lets nobody send, in plans that ask policies.
const shutEndpoint = "shut"

// letsSend is the policy of all others.
const letsSend = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["sns.amazonaws.com","events.amazonaws.com"]},"Action":"sqs:SendMessage","Resource":"*"}]}`

// endpointHidden is how long what was received of them is hidden.
const endpointHidden = 20 * time.Second

func (a *announcer) endpoint() queuePlan { return endpointPlans[a.r.IntN(len(endpointPlans))] }

// endpointOf is the plan of a queue by its ARN.
func (s *sim) endpointOf(arn string) queuePlan {
	i := slices.IndexFunc(endpointPlans, func(q queuePlan) bool { return queueARN(q.name) == arn })
	return endpointPlans[i]
}

// allEndpoints are they and their dead-letter queues.
func allEndpoints() (list []queuePlan) {
	for _, q := range endpointPlans {
		list = append(list, q)
		if q.deadLetter != "" {
			list = append(list, queuePlan{name: q.deadLetter, fifo: q.fifo})
		}
	}
	return list
}

// makeEndpoint makes a queue of subscribers and targets through a node.
func (s *sim) makeEndpoint(n *node, q queuePlan) error {
	def := registry.Queue{
		Meta: registry.Meta{Account: account, Region: region, Name: q.name}, FIFO: q.fifo, ContentDedup: q.fifo,
		VisibilitySeconds: int(endpointHidden / time.Second), RetentionSeconds: 4 * 24 * 3600, MaxMessageSize: 1 << 20,
	}
	if q.name != shutEndpoint {
		def.Policy = letsSend
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	made, err := ask(ctx, n, func(ctx context.Context, r *run) (*registry.Queue, error) {
		q, _, err := r.reg.CreateQueue(ctx, def, func(*registry.Queue) bool { return true })
		if err == nil {
			s.copies.defined(r, q.Revision)
		}
		return q, err
	})
	if err == nil {
		s.copies.endpointMade(made)
	}
	return err
}

func (b *copyBook) endpointMade(q *registry.Queue) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.made[q.ID].IsZero() {
		b.made[q.ID] = time.Now()
	}
}

// dropping notes that a queue is about to be deleted, and returns what notes that it was.
func (b *copyBook) dropping(name string) (done func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, now := len(b.drops[name]), time.Now()
	b.drops[name] = append(b.drops[name], span{start: now, end: now.Add(30 * time.Second)})
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		x := &b.drops[name][i]
		x.end, x.acked = time.Now(), true
	}
}

// makeAnnounced makes what topics and buses begin with, before anything goes wrong.
func (s *sim) makeAnnounced() bool {
	a := &announcer{client: client{s: s, number: 490, r: rand.New(rand.NewPCG(s.plan.seed, 490)), only: s.nodes[0]}}
	for _, q := range allEndpoints() {
		if err := s.makeEndpoint(s.nodes[0], q); err != nil {
			s.book.fault("queue %s can't be created on a healthy cluster: %v", q.name, err)
			return false
		}
	}
	if s.plan.topics {
		for _, t := range topicPlans {
			if err := a.makeTopic(t); err != nil {
				s.book.fault("topic %s can't be created on a healthy cluster: %v", t.name, err)
				return false
			}
			for range 3 {
				a.subscribeTo(t, a.endpoint())
			}
		}
	}
	if s.plan.buses {
		for _, name := range busNames {
			if err := a.makeBus(name); err != nil {
				s.book.fault("bus %s can't be created on a healthy cluster: %v", name, err)
				return false
			}
		}
		for range 4 {
			a.putRule()
		}
		for range 6 {
			a.putTargets()
		}
	}
	return true
}

// listen receives from the queues of subscribers and targets.
func (s *sim) listen(ctx context.Context, number int) {
	c := &client{s: s, number: number, r: rand.New(rand.NewPCG(s.plan.seed, uint64(500+number)))}
	list := allEndpoints()
	for rest(ctx, time.Duration(c.r.ExpFloat64()*float64(s.plan.announceEvery))) == nil {
		c.takeCopies(list[c.r.IntN(len(list))], 80)
	}
}

// received is what a queue gave.
type received struct {
	queue *registry.Queue
	list  []partition.Received
}

// takeCopies receives once, and deletes so many of a hundred. It returns how many
// messages it got.
func (c *client) takeCopies(q queuePlan, percent int) int {
	start := time.Now()
	got, err := serve(c, func(ctx context.Context, r *run) (received, error) {
		def, err := r.reg.FindQueue(ctx, account, region, q.name)
		if err != nil {
			return received{}, err
		}
		list, err := r.svc.Receive(ctx, def, partition.ReceiveOptions{Max: 10, Visibility: -1})
		return received{def, list}, err
	})
	if err != nil {
		return 0
	}
	var ids []partition.MessageID
	var receipts []string
	for i := range got.list {
		m := &got.list[i]
		c.s.copies.took(got.queue, start, m)
		if c.r.IntN(100) < percent {
			ids, receipts = append(ids, m.ID), append(receipts, m.Receipt)
		}
	}
	if len(receipts) == 0 {
		return len(got.list)
	}
	errs, err := serve(c, func(ctx context.Context, r *run) ([]error, error) { return r.svc.Delete(ctx, got.queue, receipts) })
	if err != nil || time.Since(start) > endpointHidden-c.s.book.slack {
		return len(got.list)
	}
	for i, err := range errs {
		if err == nil {
			c.s.copies.deleted(got.queue, ids[i])
		}
	}
	return len(got.list)
}

// drainCopies empties the queues of subscribers and targets.
func (s *sim) drainCopies(c *client) {
	for deadline, quiet := time.Now().Add(empty), 0; quiet < 3; {
		left := 0
		for _, q := range allEndpoints() {
			for n := c.takeCopies(q, 100); n > 0; n = c.takeCopies(q, 100) {
				left += n
			}
			counts, err := serve(c, func(ctx context.Context, r *run) (partition.Counts, error) {
				def, err := r.reg.FindQueue(ctx, account, region, q.name)
				if err != nil {
					return partition.Counts{}, err
				}
				return r.svc.Counts(ctx, def)
			})
			if err != nil && !q.churns {
				left++
			}
			left += counts.Visible + counts.InFlight + counts.Delayed
		}
		if quiet++; left > 0 {
			quiet = 0
		}
		if time.Now().After(deadline) {
			s.book.fault("the queues of subscribers and targets don't become empty: %d are left", left)
			s.stuck = true
			return
		}
		time.Sleep(5 * time.Second)
	}
	s.settles("subscriptions of topics that are gone", s.strays)
}

// strays complains of subscriptions to topics that were deleted.
func (s *sim) strays() string {
	for _, n := range s.nodes {
		r := n.current()
		if r == nil {
			continue
		}
		list, _ := r.topics.SubscriptionsOf(account, region, "", 1000)
		for _, sub := range list {
			if _, ok := r.reg.Topics().ByID(sub.TopicID); !ok {
				return "node " + n.name + " has " + sub.ARN()
			}
		}
	}
	return ""
}
