package sqs

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/registry"
)

// queue finds the queue behind url and asks whether the caller may do action
// ("sqs:SendMessage") on it.
func (s *service) queue(ctx context.Context, c *protocol.Call, url, action string) (*registry.Queue, error) {
	if url == "" {
		return nil, noQueue(c)
	}
	account, name, ok := splitURL(url)
	if !ok {
		return nil, badAddress(url)
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

// allow asks whether the caller may do action on q.
func (s *service) allow(c *protocol.Call, q *registry.Queue, action string) error {
	p := &c.Principal
	if q.Policy == "" && p.Policy == nil && !p.Anonymous && p.Account == q.Account {
		return nil // what Authorize says too, without making an ARN for it
	}
	policy, err := s.policies.get(q.Policy)
	if err != nil {
		// Policies are checked before they are stored: this one is of another
		// release. Half understood it must not let anyone in.
		return protocol.AccessDenied("The queue's policy cannot be read by this release: set it again.")
	}
	return s.authorize(c, action, q.ARN(), q.Account, policy)
}

// allowAccount asks for an action that concerns no one queue, or one that does
// not exist yet.
func (s *service) allowAccount(c *protocol.Call, action, name string) error {
	if c.Principal.Anonymous || c.Account == "" {
		return access.ErrMissingToken
	}
	if c.Principal.Policy == nil {
		return nil
	}
	return s.authorize(c, action, "arn:aws:sqs:"+c.Region+":"+c.Account+":"+name, c.Account, nil)
}

func (s *service) authorize(c *protocol.Call, action, arn, account string, policy *access.Policy) error {
	return s.access.Authorize(c.Principal, action, arn, account, policy, conditionKeys(c, s.now()))
}

// conditionKeys are what the Condition of a policy can ask of a request. Keys
// about the principal are added by access.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
func conditionKeys(c *protocol.Call, now time.Time) map[string]string {
	m := map[string]string{
		"aws:SecureTransport": strconv.FormatBool(c.Scheme == "https"),
		"aws:CurrentTime":     now.UTC().Format(time.RFC3339),
		"aws:EpochTime":       strconv.FormatInt(now.Unix(), 10),
		"aws:RequestedRegion": c.Region,
	}
	if c.SourceIP != "" {
		m["aws:SourceIp"] = c.SourceIP
	}
	if agent := c.Header.Get("User-Agent"); agent != "" {
		m["aws:UserAgent"] = agent
	}
	return m
}

// maxPolicies bounds the cache of parsed policies. A queue has one; when there
// are more it starts anew.
const maxPolicies = 1024

// policyCache keeps parsed queue policies by their text.
type policyCache struct {
	mu     sync.RWMutex // guards parsed
	parsed map[string]*access.Policy
}

// get parses text, or has it parsed already. Without text there is no policy.
func (p *policyCache) get(text string) (*access.Policy, error) {
	if text == "" {
		return nil, nil
	}
	p.mu.RLock()
	policy, ok := p.parsed[text]
	p.mu.RUnlock()
	if ok {
		return policy, nil
	}
	policy, err := access.ParsePolicy([]byte(text), access.Resource)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.parsed == nil || len(p.parsed) >= maxPolicies {
		p.parsed = make(map[string]*access.Policy)
	}
	p.parsed[text] = policy
	return policy, nil
}
