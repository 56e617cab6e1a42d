package orders

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// What is announced of an order; the detail-type of the event.
const (
	PaymentAuthorized = "Payment Authorized"
	PaymentDeclined   = "Payment Declined"
)

// newsSource is the source of the events.
const newsSource = "shop.payments"

// Payment is the detail of the event.
type Payment struct {
	Order    string `json:"order"`
	Customer string `json:"customer"`
	Amount   int    `json:"amount"` // cents
	Currency string `json:"currency"`
}

// News is how the rest of the company hears of payments. The shop puts an event on a
// bus and knows nobody who listens: a rule of the bus leads to a topic, and whoever wants
// to hear subscribes to that. It is safe for concurrent use.
type News struct {
	events *eventbridge.Client
	topics *sns.Client
	queues *sqs.Client

	prefix, bus, topic string // topic: its ARN

	mu        sync.Mutex
	announced map[string]announcement // by order: the last that was answered
	senders   []*Sender
}

// announcement is when it began, and what it said.
type announcement struct {
	began time.Time
	what  string
}

// NewNews takes the clients. Call Open before anything else.
func NewNews(events *eventbridge.Client, topics *sns.Client, queues *sqs.Client) *News {
	return &News{events: events, topics: topics, queues: queues, announced: map[string]announcement{}}
}

// Open makes the bus, the topic, and the rule that leads from one to the other. prefix
// goes before the names.
func (n *News) Open(ctx context.Context, prefix string) error {
	n.prefix, n.bus = prefix, prefix+"shop"
	if _, err := n.events.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: &n.bus}); err != nil {
		return fmt.Errorf("creating the bus: %w", err)
	}
	topic, err := n.topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String(prefix + "payments")})
	if err != nil {
		return fmt.Errorf("creating the topic: %w", err)
	}
	n.topic = *topic.TopicArn
	pattern, err := json.Marshal(map[string][]string{"source": {newsSource}})
	if err != nil {
		return err
	}
	rule, err := n.events.PutRule(ctx, &eventbridge.PutRuleInput{
		Name: aws.String("payments"), EventBusName: &n.bus, EventPattern: aws.String(string(pattern)),
	})
	if err != nil {
		return fmt.Errorf("putting the rule: %w", err)
	}
	policy, err := allow("events.amazonaws.com", "sns:Publish", n.topic, *rule.RuleArn)
	if err != nil {
		return err
	}
	if _, err := n.topics.SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{
		TopicArn: &n.topic, AttributeName: aws.String("Policy"), AttributeValue: &policy,
	}); err != nil {
		return fmt.Errorf("letting the rule publish: %w", err)
	}
	out, err := n.events.PutTargets(ctx, &eventbridge.PutTargetsInput{
		Rule: aws.String("payments"), EventBusName: &n.bus,
		Targets: []ebtypes.Target{{Id: aws.String("topic"), Arn: &n.topic}},
	})
	if err == nil && out.FailedEntryCount > 0 {
		err = errors.New(aws.ToString(out.FailedEntries[0].ErrorMessage))
	}
	if err != nil {
		return fmt.Errorf("making the topic a target: %w", err)
	}
	return nil
}

// allow is the policy that lets a service act on a resource on behalf of another.
func allow(service, action, resource, source string) (string, error) {
	policy, err := json.Marshal(map[string]any{
		"Version": "2012-10-17",
		"Statement": []map[string]any{{
			"Effect": "Allow", "Principal": map[string]string{"Service": service}, "Action": action, "Resource": resource,
			"Condition": map[string]any{"ArnEquals": map[string]string{"aws:SourceArn": source}},
		}},
	})
	return string(policy), err
}

// Announce puts the event. Nil means that everybody who has subscribed will hear of it.
func (n *News) Announce(ctx context.Context, what string, p Payment) error {
	detail, err := json.Marshal(p)
	if err != nil {
		return err
	}
	began := time.Now()
	out, err := n.events.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{{
		EventBusName: &n.bus, Source: aws.String(newsSource), DetailType: &what, Detail: aws.String(string(detail)),
	}}})
	if err == nil && out.FailedEntryCount > 0 {
		err = errors.New(aws.ToString(out.Entries[0].ErrorMessage))
	}
	if err != nil {
		return fmt.Errorf("announcing a payment: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.announced[p.Order] = announcement{began, what}
	return nil
}

// Subscribe adds a sender: a queue of its own that is subscribed to the topic. Given
// some of the things that are announced, it hears of those only. Nobody else notices.
func (n *News) Subscribe(ctx context.Context, name string, only ...string) (*Sender, error) {
	s := &Sender{Name: name, only: only, queues: n.queues, told: map[string]int{}}
	queue, err := n.queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(n.prefix + name)})
	if err != nil {
		return nil, fmt.Errorf("creating the queue of %s: %w", name, err)
	}
	s.url = *queue.QueueUrl
	attributes, err := n.queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &s.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return nil, fmt.Errorf("asking for the ARN of a queue: %w", err)
	}
	arn := attributes.Attributes[string(types.QueueAttributeNameQueueArn)]
	policy, err := allow("sns.amazonaws.com", "sqs:SendMessage", arn, n.topic)
	if err != nil {
		return nil, err
	}
	if _, err := n.queues.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{
		QueueUrl: &s.url, Attributes: map[string]string{"Policy": policy},
	}); err != nil {
		return nil, fmt.Errorf("letting the topic send to %s: %w", name, err)
	}
	subscription := map[string]string{"RawMessageDelivery": "true"} // the event as it was put
	if len(only) > 0 {
		filter, err := json.Marshal(map[string][]string{"detail-type": only})
		if err != nil {
			return nil, err
		}
		subscription["FilterPolicyScope"], subscription["FilterPolicy"] = "MessageBody", string(filter)
	}
	if _, err := n.topics.Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: &n.topic, Protocol: aws.String("sqs"), Endpoint: &arn, Attributes: subscription,
	}); err != nil {
		return nil, fmt.Errorf("subscribing %s: %w", name, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	s.since = time.Now()
	n.senders = append(n.senders, s)
	return s, nil
}

// Senders are those that have subscribed, in that order.
func (n *News) Senders() []*Sender {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]*Sender(nil), n.senders...)
}

// Owed is how many orders a sender should have heard of, and Missing how many of them it
// has not.
func (n *News) Owed(s *Sender) (owed, missing int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for order, a := range n.announced {
		if !s.wants(a.what) || a.began.Before(s.since) {
			continue
		}
		if owed++; s.told[order] == 0 {
			missing++
		}
	}
	return owed, missing
}

// Waiting is how many announcements wait in the queues of the senders.
func (n *News) Waiting(ctx context.Context) (total int, err error) {
	for _, s := range n.Senders() {
		waiting, err := count(ctx, n.queues, s.url)
		if err != nil {
			return 0, err
		}
		total += waiting
	}
	return total, nil
}

// Close deletes what was made.
func (n *News) Close(ctx context.Context) error {
	rule := aws.String("payments")
	_, err := n.events.RemoveTargets(ctx, &eventbridge.RemoveTargetsInput{Rule: rule, EventBusName: &n.bus, Ids: []string{"topic"}})
	errs := []error{err}
	_, err = n.events.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: rule, EventBusName: &n.bus})
	errs = append(errs, err)
	_, err = n.events.DeleteEventBus(ctx, &eventbridge.DeleteEventBusInput{Name: &n.bus})
	errs = append(errs, err)
	_, err = n.topics.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: &n.topic}) // and its subscriptions
	errs = append(errs, err)
	for _, s := range n.Senders() {
		_, err := n.queues.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &s.url})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
