package topic

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/egress"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// isPush reports whether messages are pushed to the endpoints of a protocol, not put into
// queues of the registry.
func isPush(protocol string) bool { return protocol == ProtocolHTTP || protocol == ProtocolHTTPS }

// pushTarget is the queue of what waits for a subscription's endpoint.
func pushTarget(sub *registry.Subscription) partition.Target {
	return partition.Target{Partition: sub.Partition, Queue: partition.Ref{Kind: partition.KindDeliveries, ID: sub.ID}}
}

// Endpoints are the subscriptions that messages are pushed to, as package delivery asks
// for them.
type Endpoints struct{ s *Service }

// Endpoints that messages are pushed to.
func (s *Service) Endpoints() *Endpoints { return &Endpoints{s} }

// pushed is an endpoint with the definition of the topic that it was made by.
type pushed struct {
	topic    *registry.Topic
	endpoint *delivery.Endpoint
}

type pushedPointer = atomic.Pointer[pushed]

// Resolve is delivery.Resolver's.
func (e *Endpoints) Resolve(ctx context.Context, q partition.Target, m *delivery.Message) (*delivery.Endpoint, error) {
	n, err := peekNotification(m.Payload)
	if err != nil {
		return nil, err
	}
	m.ID = n.id.String()
	if n.kind == kindUnsubscribed {
		return e.ended(q, m)
	}
	sub, ok := e.s.reg.Subscriptions().ByID(q.Queue.ID)
	if !ok {
		gone, err := e.s.reg.Subscriptions().Gone(ctx, q.Queue.ID, 0)
		switch {
		case err != nil:
			return nil, err
		case gone:
			return nil, delivery.ErrGone
		}
		if sub, ok = e.s.reg.Subscriptions().ByID(q.Queue.ID); !ok {
			return nil, delivery.ErrGone
		}
	}
	return e.of(ctx, sub)
}

// of gives the endpoint of a subscription.
func (e *Endpoints) of(ctx context.Context, sub *registry.Subscription) (*delivery.Endpoint, error) {
	name, _ := sub.Parts()
	t, ok := e.s.reg.Topics().Get(sub.Account, sub.Region, name)
	if !ok || t.ID != sub.TopicID {
		gone, err := e.s.reg.Topics().Gone(ctx, sub.TopicID, sub.Revision)
		if err == nil && !gone {
			err = registry.ErrUnavailable
		}
		if err == nil {
			err = delivery.ErrGone
		}
		return nil, err
	}
	m := e.s.fanout(sub.TopicID, false).member(sub)
	if m == nil {
		m = newMember(sub)
	}
	if p := m.pushed.Load(); p != nil && p.topic == t {
		return p.endpoint, nil
	}
	p := &pushed{t, e.s.endpoint(t, m)}
	m.pushed.Store(p)
	return p.endpoint, nil
}

// member of a definition; nil if there is another by now.
func (f *fanout) member(def *registry.Subscription) *member {
	if f == nil {
		return nil
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	_, id := def.Parts()
	if m := f.members[id]; m != nil && m.def == def {
		return m
	}
	return nil
}

// endpoint says how messages of a topic get to a member.
func (s *Service) endpoint(t *registry.Topic, m *member) *delivery.Endpoint {
	policy := effective(t.DeliveryPolicy, m.def.DeliveryPolicy)
	e := &delivery.Endpoint{
		Queue: pushTarget(m.def), Name: m.def.ARN(), Account: m.def.Account, Region: m.def.Region, Address: egress.Masked(m.def.Endpoint),
		Schedule: policy.retries, PerSecond: float64(policy.perSecond), Permanent: permanent,
		Render: func(_ context.Context, msg *delivery.Message) (delivery.Request, error) {
			return s.request(m, policy.contentType, msg)
		},
	}
	if m.def.RedriveARN != "" {
		e.Bury = func(ctx context.Context, msg *delivery.Message, _ delivery.Failure) (*partition.PostItem, string, error) {
			return s.buried(ctx, t, m, msg)
		}
	}
	return e
}

// permanent is what the service says of statuses: only what the endpoint's own trouble,
// or too many requests, led to is tried again.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
func permanent(status int) bool { return status/100 != 5 && status != 429 }

// Named is delivery.Resolver's; the name is the ARN of a subscription.
func (e *Endpoints) Named(ctx context.Context, name string) (*delivery.Endpoint, error) {
	r, ok := registry.ParseARN(name)
	if !ok || r.Kind != "subscription" {
		return nil, delivery.ErrNotFound
	}
	sub, err := e.s.reg.Subscriptions().Find(ctx, r.Account, r.Region, r.Name)
	if errors.Is(err, registry.ErrNotFound) || err == nil && !isPush(sub.Protocol) {
		return nil, delivery.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	d, err := e.of(ctx, sub)
	if errors.Is(err, delivery.ErrGone) {
		err = delivery.ErrNotFound
	}
	return d, err
}

// Endpoints is delivery.Resolver's.
func (e *Endpoints) Endpoints(after string, most int) (list []*delivery.Endpoint, more bool) {
	var place registry.Meta
	if r, ok := registry.ParseARN(after); ok && r.Kind == "subscription" {
		place = registry.Meta{Account: r.Account, Region: r.Region, Name: r.Name}
	}
	for more = true; more && len(list) == 0; {
		var subs []*registry.Subscription
		subs, more = e.s.reg.Subscriptions().ByPage(registry.SubscriptionsByPush, registry.SubscriptionPush, place, most)
		for _, sub := range subs {
			place = sub.Meta
			name, _ := sub.Parts()
			if t, ok := e.s.reg.Topics().Get(sub.Account, sub.Region, name); ok && t.ID == sub.TopicID {
				list = append(list, e.s.endpoint(t, newMember(sub)))
			}
		}
		more = more && len(subs) > 0
	}
	return list, more
}

// agent is what receivers know the service by.
const agent = "Amazon Simple Notification Service Agent"

// request makes the request of a message to a member.
// https://docs.aws.amazon.com/sns/latest/dg/http-header.html
func (s *Service) request(m *member, contentType string, msg *delivery.Message) (delivery.Request, error) {
	n, err := decodeNotification(msg.Payload)
	if err != nil {
		return delivery.Request{}, err
	}
	subscription, isRaw, err := readReference(msg.Reference)
	if err != nil {
		return delivery.Request{}, err
	}
	isRaw = isRaw && n.kind == kindNotification
	body := n.message
	if !isRaw {
		if body, err = s.envelopes.envelope(n, subscription, s.origin()); err != nil {
			return delivery.Request{}, err
		}
	}
	header := []delivery.Header{
		{Name: "x-amz-sns-message-type", Value: n.kindName()},
		{Name: "x-amz-sns-message-id", Value: n.id.String()},
		{Name: "x-amz-sns-topic-arn", Value: n.topic},
	}
	if n.kind != kindConfirmation {
		header = append(header, delivery.Header{Name: "x-amz-sns-subscription-arn", Value: n.topic + ":" + subscription})
	}
	if isRaw {
		header = append(header, delivery.Header{Name: "x-amz-sns-rawdelivery", Value: "true"})
	}
	if n.trace != "" {
		header = append(header, delivery.Header{Name: "x-amzn-trace-id", Value: n.trace})
	}
	header = append(header, delivery.Header{Name: "Content-Type", Value: contentType}, delivery.Header{Name: "User-Agent", Value: agent})
	return delivery.Request{URL: m.def.Endpoint, Header: header, Body: []byte(body)}, nil
}

func (s *Service) origin() string {
	if s.cfg.Origin == nil {
		return ""
	}
	return s.cfg.Origin()
}

// buried is the post by which a message gets into a subscription's dead-letter queue.
func (s *Service) buried(ctx context.Context, t *registry.Topic, m *member, msg *delivery.Message) (*partition.PostItem, string, error) {
	n, err := peekNotification(msg.Payload)
	if err != nil || n.kind != kindNotification {
		return nil, "it is no notification", nil //nolint:nilerr // so it says
	}
	q, why, err := s.reach(ctx, t, m.def.RedriveARN, &m.bury, s.cfg.Now())
	if err != nil || why != "" {
		return nil, why, err
	}
	to := partition.QueueTarget(q, "", "", deliveryID(n.slot, m.id))
	to.Reference = msg.Reference
	return &partition.PostItem{Payload: msg.Payload, Targets: []partition.PostTarget{to}}, "", nil
}
