package sns

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/awsapi/resource"
	"github.com/waystation/waystation/internal/egress"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/topic"
)

// pendingARN stands for the ARN of a subscription that is not confirmed.
const (
	pendingARN    = "pending confirmation" // in the answer to Subscribe
	pendingListed = "PendingConfirmation"  // in lists
)

// laterProtocols are known, and not there yet.
var laterProtocols = []string{"email", "email-json", "sms", "application", "lambda", "firehose"}

// subscribe subscribes a queue or an HTTP endpoint to a topic. One that is subscribed already is found,
// unless other attributes are asked for.
// https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html
func (s *service) subscribe(ctx context.Context, c *protocol.Call, in *subscribeInput) (*subscriptionOutput, error) {
	t, err := s.topic(ctx, c, in.TopicArn, "sns:Subscribe", func(known access.Context) {
		known.Set("sns:Endpoint", in.Endpoint)
		known.Set("sns:Protocol", in.Protocol)
	})
	if err != nil {
		return nil, err
	}
	switch {
	case slices.Contains(laterProtocols, in.Protocol):
		return nil, notYet("Protocol", "subscriptions with protocol "+in.Protocol+" are")
	case in.Protocol != topic.ProtocolSQS && in.Protocol != topic.ProtocolHTTP && in.Protocol != topic.ProtocolHTTPS:
		return nil, invalid("Amazon SNS does not support this protocol string: " + echo(in.Protocol))
	}
	def := &registry.Subscription{Owner: c.Account, Protocol: in.Protocol, Endpoint: in.Endpoint}
	if err := checkEndpoint(t, def); err != nil {
		return nil, err
	}
	if err := s.applySubscribed(t, def, in.Attributes, "Attributes Reason: "); err != nil {
		return nil, err
	}
	sub, _, err := s.topics.Subscribe(ctx, t, *def, func(existing *registry.Subscription) bool {
		_, differ := s.subscribed.Differ(existing, def, in.Attributes)
		return !differ
	})
	if err != nil {
		return nil, failure(err)
	}
	if sub.Pending && !in.ReturnSubscriptionArn {
		return &subscriptionOutput{pendingARN}, nil
	}
	return &subscriptionOutput{sub.ARN()}, nil
}

// checkEndpoint checks the endpoint of a new subscription, and says whether somebody has
// to be asked whether messages are wanted there.
func checkEndpoint(t *registry.Topic, def *registry.Subscription) error {
	if def.Protocol != topic.ProtocolSQS {
		switch err := egress.CheckURL(def.Endpoint); {
		case t.FIFO:
			return invalid("Invalid protocol type: " + def.Protocol)
		case !strings.HasPrefix(strings.ToLower(def.Endpoint), def.Protocol+"://"):
			return invalid("Endpoint must match the specified protocol")
		case err != nil:
			return invalid("Endpoint Reason: " + err.Error())
		}
		def.Pending = true
		return nil
	}
	owner, _, name, ok := registry.ParseQueueARN(def.Endpoint)
	switch {
	case !ok:
		return invalid("SQS endpoint ARN")
	case strings.HasSuffix(name, fifoSuffix) && !t.FIFO:
		return invalid("Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics")
	}
	// Whoever owns the queue need not be asked whether it wants messages.
	def.Pending, def.Authenticated = def.Owner != owner, def.Owner == owner
	return nil
}

// confirmSubscription confirms by the token that the subscriber was sent.
// https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html
func (s *service) confirmSubscription(ctx context.Context, c *protocol.Call, in *confirmInput) (*subscriptionOutput, error) {
	r, err := parseARN("TopicArn", in.TopicArn, "topic")
	if err != nil {
		return nil, err
	}
	authenticated := strings.EqualFold(in.AuthenticateOnUnsubscribe, "true")
	switch {
	case !authenticated && in.AuthenticateOnUnsubscribe != "" && !strings.EqualFold(in.AuthenticateOnUnsubscribe, "false"):
		return nil, invalid("AuthenticateOnUnsubscribe Reason: it must be true or false")
	case authenticated && c.Principal.Anonymous:
		return nil, access.ErrMissingToken
	}
	// The token says that the caller may: it was sent to the subscriber alone.
	t, err := s.topics.Find(ctx, r.Account, r.Region, r.Name)
	if errors.Is(err, topic.ErrNotFound) && c.Account != r.Account {
		// Whether another account has a topic is not for everybody to know.
		err = topic.ErrToken
	}
	if err != nil {
		return nil, failure(err)
	}
	sub, err := s.topics.Confirm(ctx, t, in.Token, authenticated)
	if errors.Is(err, topic.ErrNotFound) {
		return nil, errNoSubscription
	}
	if err != nil {
		return nil, failure(err)
	}
	return &subscriptionOutput{sub.ARN()}, nil
}

// unsubscribe ends a subscription; one that is not there is no error.
// https://docs.aws.amazon.com/sns/latest/api/API_Unsubscribe.html
func (s *service) unsubscribe(ctx context.Context, c *protocol.Call, in *subscriptionInput) (*protocol.Empty, error) {
	sub, t, err := s.subscription(ctx, c, in.SubscriptionArn, "sns:Unsubscribe")
	if errors.Is(err, errNoSubscription) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return nil, failure(s.topics.End(ctx, t, sub))
}

func (s *service) getSubscriptionAttributes(ctx context.Context, c *protocol.Call, in *subscriptionInput) (*attributesOutput, error) {
	sub, t, err := s.subscription(ctx, c, in.SubscriptionArn, "sns:GetSubscriptionAttributes")
	if err != nil {
		return nil, err
	}
	out, err := s.subscribed.Show(sub, []string{resource.All}, func() (*registry.Topic, error) { return t, nil })
	return &attributesOutput{out}, failure(err)
}

// setSubscriptionAttributes sets one attribute.
// https://docs.aws.amazon.com/sns/latest/api/API_SetSubscriptionAttributes.html
func (s *service) setSubscriptionAttributes(ctx context.Context, c *protocol.Call, in *setSubscriptionAttributesInput) (*protocol.Empty, error) {
	sub, t, err := s.subscription(ctx, c, in.SubscriptionArn, "sns:SetSubscriptionAttributes")
	if err != nil {
		return nil, err
	}
	_, err = s.topics.UpdateSubscription(ctx, t, sub, func(d *registry.Subscription) error {
		return s.applySubscribed(t, d, map[string]string{in.AttributeName: in.AttributeValue}, "")
	})
	if errors.Is(err, topic.ErrNotFound) {
		return nil, errNoSubscription
	}
	return nil, failure(err)
}

func (s *service) listSubscriptions(ctx context.Context, c *protocol.Call, in *listInput) (*listSubscriptionsOutput, error) {
	if err := s.allowAccount(c, c.Account, "sns:ListSubscriptions", "*"); err != nil {
		return nil, err
	}
	asked := []string{"ListSubscriptions", c.Account, c.Region}
	after, err := s.place(ctx, in.NextToken, asked)
	if err != nil {
		return nil, err
	}
	list, more := s.topics.SubscriptionsOf(c.Account, c.Region, after, maxListed)
	out := shown(list)
	if more && len(list) > 0 {
		out.NextToken, err = s.pages.After(ctx, list[len(list)-1].ARN(), asked...)
	}
	return out, failure(err)
}

func (s *service) listSubscriptionsByTopic(ctx context.Context, c *protocol.Call, in *listByTopicInput) (*listSubscriptionsOutput, error) {
	t, err := s.topic(ctx, c, in.TopicArn, "sns:ListSubscriptionsByTopic", nil)
	if err != nil {
		return nil, err
	}
	asked := []string{"ListSubscriptionsByTopic", t.ARN()}
	after, err := s.place(ctx, in.NextToken, asked)
	if err != nil {
		return nil, err
	}
	list, more := s.topics.Subscriptions(t, after, maxListed)
	out := shown(list)
	if more && len(list) > 0 {
		_, id := list[len(list)-1].Parts()
		out.NextToken, err = s.pages.After(ctx, id, asked...)
	}
	return out, failure(err)
}

func shown(list []*registry.Subscription) *listSubscriptionsOutput {
	out := &listSubscriptionsOutput{Subscriptions: make([]subscription, len(list))}
	for i, d := range list {
		out.Subscriptions[i] = subscription{
			SubscriptionArn: d.ARN(), Owner: d.Owner, Protocol: d.Protocol, Endpoint: egress.Masked(d.Endpoint), TopicArn: topicOf(d),
		}
		if d.Pending {
			out.Subscriptions[i].SubscriptionArn = pendingListed
		}
	}
	return out
}
