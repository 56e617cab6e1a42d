package sqs

import (
	"context"
	"slices"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/registry"
)

// queue finds the queue behind url and asks whether the caller may do action
// ("sqs:SendMessage") on it. A bare name is the caller's queue of that name; what
// names no queue in any way is answered as a queue that is not there.
func (s *service) queue(ctx context.Context, c *protocol.Call, url, action string) (*registry.Queue, error) {
	account, name, ok := splitURL(url)
	if !ok {
		return nil, noQueue(c)
	}
	if account == "" {
		account = c.Account
	}
	q, err := s.defs.FindQueue(ctx, account, c.Region, name)
	if err != nil {
		return nil, failure(c, err)
	}
	return q, s.allow(c, q, action)
}

// ownQueue is queue for actions that a queue's policy cannot give to other
// accounts: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-customer-managed-policy-examples.html#cross-account-permissions-overview
func (s *service) ownQueue(ctx context.Context, c *protocol.Call, url, action string) (*registry.Queue, error) {
	q, err := s.queue(ctx, c, url, action)
	if err != nil {
		return nil, err
	}
	return q, ownerOnly(c, q, action)
}

func ownerOnly(c *protocol.Call, q *registry.Queue, action string) error {
	if c.Principal.Anonymous || c.Principal.Account != q.Account {
		return protocol.AccessDenied("The action " + action + " is only for the account that owns the queue.")
	}
	return nil
}

// rootAlways are the actions that the owner's root may do whatever the queue's
// policy says, so that no policy can lock its queue for good.
var rootAlways = []string{"sqs:AddPermission", "sqs:DeleteQueue", "sqs:GetQueueAttributes", "sqs:GetQueueUrl",
	"sqs:RemovePermission", "sqs:SetQueueAttributes"}

// allow asks whether the caller may do action on q.
func (s *service) allow(c *protocol.Call, q *registry.Queue, action string) error {
	if s.access.Unquestioned(&c.Principal, q.Account, q.Policy) {
		return nil // what Authorize says too, without making an ARN for it
	}
	return s.access.Authorize(access.Query{
		Principal: &c.Principal, Action: action, Resource: q.ARN(), Account: q.Account, Policy: q.Policy,
		RootAlways: slices.Contains(rootAlways, action), Context: c.Conditions,
	})
}

// allowAccount asks for an action that concerns no one queue, or one that does
// not exist yet.
func (s *service) allowAccount(c *protocol.Call, action, name string) error {
	if c.Principal.Anonymous || c.Account == "" {
		return access.ErrMissingToken
	}
	if s.access.Unquestioned(&c.Principal, c.Account, "") {
		return nil
	}
	return s.access.Authorize(access.Query{
		Principal: &c.Principal, Action: action, Resource: "arn:aws:sqs:" + c.Region + ":" + c.Account + ":" + name,
		Account: c.Account, Context: c.Conditions,
	})
}
