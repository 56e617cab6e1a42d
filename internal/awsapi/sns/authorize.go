package sns

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/topic"
)

// parseARN takes an ARN of a kind ("topic", "subscription") apart, or says what is
// wrong with the parameter.
func parseARN(parameter, arn, kind string) (registry.Resource, error) {
	if n := strings.Count(arn, ":") + 1; n < 6 {
		return registry.Resource{}, invalid(parameter + " Reason: An ARN must have at least 6 elements, not " + strconv.Itoa(n))
	}
	r, ok := registry.ParseARN(arn)
	if !ok || r.Kind != kind {
		return r, invalid(parameter)
	}
	return r, nil
}

// topic finds the topic of an ARN and asks whether the caller may do action
// ("sns:Publish") on it; more adds to the conditions, and may be nil.
func (s *service) topic(ctx context.Context, c *protocol.Call, arn, action string, more func(access.Context)) (*registry.Topic, error) {
	r, err := parseARN("TopicArn", arn, "topic")
	if err != nil {
		return nil, err
	}
	t, err := s.topics.Find(ctx, r.Account, r.Region, r.Name)
	if errors.Is(err, topic.ErrNotFound) && c.Account != r.Account {
		// Whether another account has a topic is not for everybody to know.
		err = s.allowAccount(c, r.Account, action, arn)
		if err == nil {
			err = topic.ErrNotFound
		}
	}
	if err != nil {
		return nil, failure(err)
	}
	return t, s.allow(c, t, action, more)
}

// ownTopic is topic for what a topic's policy cannot give to other accounts.
func (s *service) ownTopic(ctx context.Context, c *protocol.Call, arn, action string) (*registry.Topic, error) {
	t, err := s.topic(ctx, c, arn, action, nil)
	if err == nil && c.Account != t.Account {
		return nil, denied(c, action, arn)
	}
	return t, err
}

// rootAlways are the actions that the owner's root may do whatever the topic's policy
// says, so that no policy can lock its topic for good.
var rootAlways = []string{"sns:AddPermission", "sns:DeleteTopic", "sns:GetTopicAttributes", "sns:RemovePermission", "sns:SetTopicAttributes"}

func (s *service) allow(c *protocol.Call, t *registry.Topic, action string, more func(access.Context)) error {
	if s.access.Unquestioned(&c.Principal, t.Account, t.Policy) {
		return nil
	}
	return failure(s.access.Authorize(access.Query{
		Principal: &c.Principal, Action: action, Resource: t.ARN(), Account: t.Account, Policy: t.Policy,
		RootAlways: slices.Contains(rootAlways, action), Context: conditions(c, more),
	}))
}

func conditions(c *protocol.Call, more func(access.Context)) func() access.Context {
	return func() access.Context {
		known := c.Conditions()
		if more != nil {
			more(known)
		}
		return known
	}
}

// allowAccount asks for an action on what has no policy of its own, or does not exist.
func (s *service) allowAccount(c *protocol.Call, account, action, arn string) error {
	if c.Principal.Anonymous || c.Account == "" {
		return access.ErrMissingToken
	}
	if s.access.Unquestioned(&c.Principal, account, "") {
		return nil
	}
	return failure(s.access.Authorize(access.Query{
		Principal: &c.Principal, Action: action, Resource: arn, Account: account, Context: c.Conditions,
	}))
}

func denied(c *protocol.Call, action, arn string) error {
	return &protocol.Error{Code: "AuthorizationError", Status: 403,
		Message: "User: " + c.Principal.ARN + " is not authorized to perform: " + action + " on resource: " + echo(arn)}
}

// subscription finds the subscription of an ARN and its topic. The subscription's owner
// and the topic's may do action on it, as far as their own policies let them.
func (s *service) subscription(ctx context.Context, c *protocol.Call, arn, action string) (*registry.Subscription, *registry.Topic, error) {
	r, err := parseARN("SubscriptionArn", arn, "subscription")
	if err != nil {
		return nil, nil, err
	}
	name, id, _ := strings.Cut(r.Name, "/")
	sub, t, err := s.topics.Subscription(ctx, r.Account, r.Region, name, id)
	if errors.Is(err, topic.ErrNotFound) {
		if err := s.allowAccount(c, c.Account, action, arn); err != nil {
			return nil, nil, err
		}
		return nil, nil, errNoSubscription
	}
	if err != nil {
		return nil, nil, failure(err)
	}
	if c.Account != sub.Owner && c.Account != t.Account {
		return nil, nil, denied(c, action, arn)
	}
	return sub, t, s.allowAccount(c, c.Account, action, arn)
}
