package fanout

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/waystation/waystation/test/harness"
)

// Config of a Fanout.
type Config struct {
	URLs []string // of the nodes
	// Topics and Buses are those of the nodes that serve these, as many as URLs, which
	// then serve queues; nil: URLs.
	Topics, Buses []string
	// Lag is how long a node may not know what another one answered.
	Lag  time.Duration
	Seed uint64
	// Recover waits until it makes sense to go on after a request without an answer.
	Recover func(context.Context) error
}

// The sources of what queues get.
const (
	topic = "news"
	fifo  = "orders.fifo"
	bus   = "shop"
)

// groups of the FIFO topic, each with a publisher of its own.
const groups = 3

// pace between two requests of one publisher.
const pace = 20 * time.Millisecond

// request bounds one.
const request = 4 * time.Second

// node is the clients of one.
type node struct {
	sns    *sns.Client
	events *eventbridge.Client
	sqs    *sqs.Client
}

// Fanout is a load and what is known of it.
type Fanout struct {
	cfg   Config
	nodes []node

	mu     sync.Mutex // guards what follows
	sent   map[string]*message
	queues []*queue
	again  int // requests that got no answer
	faults []string
}

// message is one that was published, or an event.
type message struct {
	id, source, group string
	number            int // in its group, from 1
	began             time.Time
	answered          time.Time // zero: not
}

// queue is one that was subscribed to a topic, or is a target.
type queue struct {
	name, url, arn, source string
	fifo                   bool
	handle                 string    // ARN of the subscription, or name of the rule
	since                  time.Time // all that was asked for later is there,
	leaving, left          time.Time // unless it was answered later than leaving; and nothing that was asked for after left
}

// New makes topics, the bus and the first queues.
func New(ctx context.Context, cfg Config) (*Fanout, error) {
	f := &Fanout{cfg: cfg, sent: make(map[string]*message)}
	if cfg.Topics == nil {
		cfg.Topics = cfg.URLs
	}
	if cfg.Buses == nil {
		cfg.Buses = cfg.URLs
	}
	for i, url := range cfg.URLs {
		who, client := credentials.NewStaticCredentialsProvider(harness.Key, harness.Secret, ""), harness.HTTP()
		f.nodes = append(f.nodes, node{
			sns:    sns.New(sns.Options{Region: harness.Region, BaseEndpoint: &cfg.Topics[i], HTTPClient: client, Retryer: aws.NopRetryer{}, Credentials: who}),
			events: eventbridge.New(eventbridge.Options{Region: harness.Region, BaseEndpoint: &cfg.Buses[i], HTTPClient: client, Retryer: aws.NopRetryer{}, Credentials: who}),
			sqs:    harness.SQS(url),
		})
	}
	n := f.nodes[0]
	for _, name := range []string{topic, fifo} {
		in := &sns.CreateTopicInput{Name: &name}
		if strings.HasSuffix(name, ".fifo") {
			in.Attributes = map[string]string{"FifoTopic": "true"}
		}
		if _, err := n.sns.CreateTopic(ctx, in); err != nil {
			return nil, err
		}
	}
	if _, err := n.events.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: aws.String(bus)}); err != nil {
		return nil, err
	}
	for i := range 2 {
		if err := f.Join(ctx, fmt.Sprint("first-", i)); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// until asks again until there is an answer.
func (f *Fanout) until(ctx context.Context, ask func(context.Context) error) error {
	for {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), request)
		err := ask(bounded)
		cancel()
		if err == nil {
			return nil
		}
		var status interface{ HTTPStatusCode() int }
		if errors.As(err, &status) && status.HTTPStatusCode() >= 400 && status.HTTPStatusCode() < 500 {
			f.complain("a request was refused: %v", err)
			return err
		}
		f.mu.Lock()
		f.again++
		f.mu.Unlock()
		if err := f.cfg.Recover(ctx); err != nil {
			return err
		}
	}
}

func (f *Fanout) complain(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, fmt.Sprintf(format, args...))
}

// node is one of the nodes.
func (f *Fanout) node(r *rand.Rand) node { return f.nodes[r.IntN(len(f.nodes))] }

// Run publishes and puts until ctx ends.
func (f *Fanout) Run(ctx context.Context) {
	var all sync.WaitGroup
	worker := func(number int, do func(context.Context, *rand.Rand, int)) {
		r := rand.New(rand.NewPCG(f.cfg.Seed, uint64(number)))
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				do(ctx, r, i)
				wait(ctx, pace)
			}
		})
	}
	for g := range groups {
		worker(g, func(ctx context.Context, r *rand.Rand, i int) { f.publishInOrder(ctx, r, fmt.Sprint("g", g), i) })
	}
	for w := range 2 {
		worker(10+w, func(ctx context.Context, r *rand.Rand, i int) { f.publish(ctx, r, fmt.Sprintf("n%d-%d", w, i)) })
		worker(20+w, func(ctx context.Context, r *rand.Rand, i int) { f.put(ctx, r, fmt.Sprintf("e%d-%d", w, i)) })
	}
	all.Wait()
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (f *Fanout) sending(list ...*message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range list {
		m.began = time.Now()
		f.sent[m.id] = m
	}
}

func (f *Fanout) answered(list ...*message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range list {
		m.answered = time.Now()
	}
}

func body(id string) string { return `{"id":"` + id + `"}` }

// publish publishes one message to the standard topic.
func (f *Fanout) publish(ctx context.Context, r *rand.Rand, id string) {
	m := &message{id: id, source: topic}
	f.sending(m)
	err := f.until(ctx, func(ctx context.Context) error {
		_, err := f.node(r).sns.Publish(ctx, &sns.PublishInput{TopicArn: aws.String(topicARN(topic)), Message: aws.String(body(id))})
		return err
	})
	if err == nil {
		f.answered(m)
	}
}

// publishInOrder publishes a batch of up to three messages to the FIFO topic.
func (f *Fanout) publishInOrder(ctx context.Context, r *rand.Rand, group string, i int) {
	const most = 3
	var list []*message
	in := &sns.PublishBatchInput{TopicArn: aws.String(topicARN(fifo))}
	for k := range 1 + r.IntN(most) {
		id := fmt.Sprintf("%s-%d-%d", group, i, k)
		list = append(list, &message{id: id, source: fifo, group: group, number: i*most + k + 1})
		in.PublishBatchRequestEntries = append(in.PublishBatchRequestEntries, snstypes.PublishBatchRequestEntry{
			Id: aws.String(fmt.Sprint(k)), Message: aws.String(body(id)), MessageGroupId: &group, MessageDeduplicationId: &id,
		})
	}
	f.sending(list...)
	err := f.until(ctx, func(ctx context.Context) error {
		out, err := f.node(r).sns.PublishBatch(ctx, in)
		if err == nil && len(out.Failed) > 0 {
			err = fmt.Errorf("%d entries failed: %s", len(out.Failed), aws.ToString(out.Failed[0].Message))
		}
		return err
	})
	if err == nil {
		f.answered(list...)
	}
}

// put puts one event.
func (f *Fanout) put(ctx context.Context, r *rand.Rand, id string) {
	m := &message{id: id, source: bus}
	f.sending(m)
	err := f.until(ctx, func(ctx context.Context) error {
		out, err := f.node(r).events.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{{
			EventBusName: aws.String(bus), Source: aws.String("fanout"), DetailType: aws.String("sold"), Detail: aws.String(body(id)),
		}}})
		if err == nil && out.FailedEntryCount > 0 {
			err = errors.New(aws.ToString(out.Entries[0].ErrorMessage))
		}
		return err
	})
	if err == nil {
		f.answered(m)
	}
}

func arn(service, rest string) string {
	return "arn:aws:" + service + ":" + harness.Region + ":000000000000:" + rest
}

func topicARN(name string) string { return arn("sns", name) }

// Join adds a queue to each topic, and one to the bus, by its name, through any node.
func (f *Fanout) Join(ctx context.Context, name string) error {
	r := rand.New(rand.NewPCG(f.cfg.Seed, uint64(1000+len(f.queues))))
	for _, source := range []string{topic, fifo, bus} {
		q := &queue{name: name + "-" + strings.TrimSuffix(source, ".fifo"), source: source, fifo: source == fifo}
		attributes := map[string]string{"VisibilityTimeout": "30"}
		if q.fifo {
			q.name += ".fifo"
			attributes["FifoQueue"] = "true"
		}
		q.arn = arn("sqs", q.name)
		err := f.until(ctx, func(ctx context.Context) error {
			n := f.node(r)
			out, err := n.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &q.name, Attributes: attributes})
			if err != nil {
				return err
			}
			q.url = *out.QueueUrl
			return f.attach(ctx, n, q)
		})
		if err != nil {
			return err
		}
		q.since = time.Now().Add(f.cfg.Lag)
		f.mu.Lock()
		f.queues = append(f.queues, q)
		f.mu.Unlock()
	}
	return nil
}

// attach subscribes a queue, or makes it a target.
func (f *Fanout) attach(ctx context.Context, n node, q *queue) error {
	if q.source != bus {
		out, err := n.sns.Subscribe(ctx, &sns.SubscribeInput{
			TopicArn: aws.String(topicARN(q.source)), Protocol: aws.String("sqs"), Endpoint: &q.arn,
			Attributes: map[string]string{"RawMessageDelivery": "true"}, ReturnSubscriptionArn: true,
		})
		if err == nil {
			q.handle = *out.SubscriptionArn
		}
		return err
	}
	q.handle = q.name
	if _, err := n.events.PutRule(ctx, &eventbridge.PutRuleInput{Name: &q.handle, EventBusName: aws.String(bus), EventPattern: aws.String(`{"source":["fanout"]}`)}); err != nil {
		return err
	}
	out, err := n.events.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: &q.handle, EventBusName: aws.String(bus), Targets: []ebtypes.Target{
		{Id: aws.String("t"), Arn: &q.arn, InputPath: aws.String("$.detail")},
	}})
	if err == nil && out.FailedEntryCount > 0 {
		err = errors.New(aws.ToString(out.FailedEntries[0].ErrorMessage))
	}
	return err
}

// Leave takes the queues of a name away: they stay, and get nothing any more.
func (f *Fanout) Leave(ctx context.Context, name string) error {
	r := rand.New(rand.NewPCG(f.cfg.Seed, uint64(2000+len(f.queues))))
	for _, q := range f.queues {
		if !strings.HasPrefix(q.name, name+"-") {
			continue
		}
		f.mu.Lock()
		q.leaving = time.Now()
		f.mu.Unlock()
		err := f.until(ctx, func(ctx context.Context) error {
			n := f.node(r)
			if q.source != bus {
				_, err := n.sns.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: &q.handle})
				return err
			}
			_, err := n.events.RemoveTargets(ctx, &eventbridge.RemoveTargetsInput{Rule: &q.handle, EventBusName: aws.String(bus), Ids: []string{"t"}})
			return err
		})
		if err != nil {
			return err
		}
		f.mu.Lock()
		q.left = time.Now().Add(f.cfg.Lag)
		f.mu.Unlock()
	}
	return nil
}
