package sns

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/registry"
)

// sharing is what a topic's owner can give to other accounts.
// https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-language-api-permissions-reference.html
var sharing = access.Sharing{
	Prefix: "SNS", ID: "__default_policy_ID",
	Shared: []string{"*", "AddPermission", "DeleteTopic", "GetTopicAttributes", "ListSubscriptionsByTopic", "Publish",
		"RemovePermission", "SetTopicAttributes", "Subscribe"},
	MaxStatements: 100, MaxActions: 10, MaxAccounts: 50, MaxLabel: 80,
}

// defaultPolicy is the policy that a topic has until another is set: the owner's
// identity policies decide.
func defaultPolicy(t *registry.Topic) string {
	type statement struct {
		Sid, Effect string
		Principal   map[string]string
		Action      []string
		Resource    string
		Condition   map[string]map[string]string
	}
	b, _ := json.Marshal(struct { // it holds nothing that cannot be written
		Version   string
		ID        string `json:"Id"`
		Statement []statement
	}{"2008-10-17", sharing.ID, []statement{{
		Sid: "__default_statement_ID", Effect: "Allow", Principal: map[string]string{"AWS": "*"},
		Action: []string{"SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission", "SNS:RemovePermission",
			"SNS:DeleteTopic", "SNS:Subscribe", "SNS:ListSubscriptionsByTopic", "SNS:Publish"},
		Resource:  t.ARN(),
		Condition: map[string]map[string]string{"StringEquals": {"AWS:SourceOwner": t.Account}},
	}}})
	return string(b)
}

// checkPolicy checks the text of a Policy attribute.
func checkPolicy(v string) error {
	if _, err := access.ParsePolicy([]byte(v), access.Resource); err != nil {
		return invalid("Policy Error: " + err.Error())
	}
	return nil
}

// addPermission writes a statement into the topic's policy.
// https://docs.aws.amazon.com/sns/latest/api/API_AddPermission.html
func (s *service) addPermission(ctx context.Context, c *protocol.Call, in *addPermissionInput) (*protocol.Empty, error) {
	t, err := s.topic(ctx, c, in.TopicArn, "sns:AddPermission", nil)
	if err != nil {
		return nil, err
	}
	if err := sharing.Check(in.Label, in.AWSAccountId, in.ActionName); err != nil {
		return nil, permissionRefused(err)
	}
	return s.editPolicy(ctx, t, func(policy string) (string, error) {
		return sharing.Add(policy, t.ARN(), in.Label, in.AWSAccountId, in.ActionName)
	})
}

// removePermission takes the statement of that label out of the topic's policy.
// https://docs.aws.amazon.com/sns/latest/api/API_RemovePermission.html
func (s *service) removePermission(ctx context.Context, c *protocol.Call, in *removePermissionInput) (*protocol.Empty, error) {
	t, err := s.topic(ctx, c, in.TopicArn, "sns:RemovePermission", nil)
	if err != nil {
		return nil, err
	}
	return s.editPolicy(ctx, t, func(policy string) (string, error) {
		return sharing.Remove(policy, in.Label)
	})
}

// editPolicy changes a topic's policy. One without statements gives way to the default.
func (s *service) editPolicy(ctx context.Context, t *registry.Topic, edit func(policy string) (string, error)) (*protocol.Empty, error) {
	_, err := s.topics.Update(ctx, t, func(t *registry.Topic) error {
		policy := t.Policy
		if policy == "" {
			policy = defaultPolicy(t)
		}
		policy, err := edit(policy)
		if err != nil {
			return permissionRefused(err)
		}
		if policy != "" {
			if err := checkPolicy(policy); err != nil {
				return err
			}
		}
		t.Policy = policy
		return nil
	})
	return nil, failure(err)
}

// permissionRefused puts a refusal of access into words.
func permissionRefused(err error) error {
	var e *access.PermissionError
	if !errors.As(err, &e) {
		return err
	}
	switch e.Problem {
	case access.NoLabel, access.BadLabel:
		return invalid("Label")
	case access.NoActions, access.TooManyActions:
		return invalid("ActionName Reason: give 1 to 10 actions")
	case access.OwnersAction, access.UnknownAction:
		return invalid("Policy statement action out of service scope!")
	case access.NoAccounts, access.TooManyAccounts:
		return invalid("AWSAccountId Reason: give 1 to 50 accounts")
	case access.BadAccount:
		return invalid("AWSAccountId Reason: " + echo(e.Value) + " is not an account")
	case access.LabelTaken:
		return invalid("Statement already exists")
	case access.TooManyStatements:
		return invalid("Policy Reason: it would have more than 100 statements")
	case access.NoStatements, access.UnknownLabel:
		return &protocol.Error{Code: "NotFound", Status: 404, Message: "Statement does not exist"}
	}
	return invalid("Policy Reason: the topic's policy cannot be read, set it again")
}
