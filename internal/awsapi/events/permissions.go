package events

import (
	"context"
	"errors"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/registry"
)

// sharing is what a bus's owner can give to other accounts by a statement; a whole
// policy can give more.
var sharing = access.Sharing{
	Prefix: "events", ID: "EventBusPolicy", Shared: []string{"PutEvents"}, Everyone: true,
	MaxActions: 1, MaxAccounts: 1, MaxLabel: maxStatementID,
}

// putPermission sets a bus's policy, or a statement of it.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutPermission.html
func (s *service) putPermission(ctx context.Context, c *protocol.Call, in *putPermissionInput) (*protocol.Empty, error) {
	b, err := s.permitted(ctx, c, in.EventBusName, "events:PutPermission")
	if err != nil {
		return nil, err
	}
	if in.Policy != "" {
		if in.Action != "" || in.Principal != "" || in.StatementId != "" || in.Condition != nil {
			return nil, invalid("Give a Policy, or StatementId, Action and Principal.")
		}
		return s.setPolicy(ctx, b, func(string) (string, error) { return in.Policy, nil })
	}
	switch {
	case in.Condition != nil:
		return nil, badParameter("Condition", "organizations are not supported yet.")
	case in.Action != "events:PutEvents":
		return nil, badParameter("Action", "only events:PutEvents can be given to others.")
	}
	if err := sharing.Check(in.StatementId, []string{in.Principal}, []string{"PutEvents"}); err != nil {
		return nil, permissionRefused(err)
	}
	return s.setPolicy(ctx, b, func(policy string) (string, error) {
		// A statement of that id gives way.
		rest, err := sharing.Remove(policy, in.StatementId)
		if refused := (*access.PermissionError)(nil); errors.As(err, &refused) && (refused.Problem == access.NoStatements || refused.Problem == access.UnknownLabel) {
			rest, err = policy, nil
		}
		if err != nil {
			return "", err
		}
		return sharing.Add(rest, b.ARN(), in.StatementId, []string{in.Principal}, []string{"PutEvents"})
	})
}

// permitted is the caller's own bus, if the caller may change its policy.
func (s *service) permitted(ctx context.Context, c *protocol.Call, name, action string) (*registry.Bus, error) {
	var v problems
	if name == "" {
		name = registry.DefaultBus
	}
	ownBusName(&v, "eventBusName", name)
	if err := v.error(); err != nil {
		return nil, err
	}
	return s.find(ctx, c, own(c, name), action, "", nil)
}

// removePermission takes a statement out of a bus's policy, or all.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_RemovePermission.html
func (s *service) removePermission(ctx context.Context, c *protocol.Call, in *removePermissionInput) (*protocol.Empty, error) {
	b, err := s.permitted(ctx, c, in.EventBusName, "events:RemovePermission")
	if err != nil {
		return nil, err
	}
	return s.setPolicy(ctx, b, func(policy string) (string, error) {
		if in.RemoveAllPermissions {
			return "", nil
		}
		return sharing.Remove(policy, in.StatementId)
	})
}

// setPolicy changes a bus's policy.
func (s *service) setPolicy(ctx context.Context, b *registry.Bus, edit func(policy string) (string, error)) (*protocol.Empty, error) {
	_, err := s.buses.Update(ctx, b, func(b *registry.Bus) error {
		policy, err := edit(b.Policy)
		if err != nil {
			return permissionRefused(err)
		}
		if len(policy) > maxPolicyBytes {
			return &protocol.Error{Code: "PolicyLengthExceededException", Message: "The event bus policy is too long: it can have 10240 characters."}
		}
		if policy != "" {
			if _, err := access.ParsePolicy([]byte(policy), access.Resource); err != nil {
				return badParameter("Policy", err.Error())
			}
		}
		b.Policy = policy
		return nil
	})
	return nil, busFailure(err, b.Name)
}

// permissionRefused puts a refusal of access into words.
func permissionRefused(err error) error {
	var e *access.PermissionError
	if !errors.As(err, &e) {
		return err
	}
	switch e.Problem {
	case access.NoLabel, access.BadLabel:
		return badParameter("StatementId", "it has 1 to 64 letters, digits, - and _.")
	case access.BadAccount:
		return badParameter("Principal", "it is the number of an account, or *.")
	case access.NoStatements:
		return &protocol.Error{Code: "ResourceNotFoundException", Message: "EventBus does not have a policy."}
	case access.UnknownLabel:
		return &protocol.Error{Code: "ResourceNotFoundException", Message: "Statement with the provided id does not exist."}
	}
	return badParameter("Policy", "the policy of the event bus cannot be read, set it again.")
}
