package sqs

import (
	"context"
	"errors"
	"strconv"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/registry"
)

// sharing is what a queue's owner can give to other accounts.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-policies.html
var sharing = access.Sharing{
	Prefix: "SQS", ID: "SQSDefaultPolicy",
	Shared: []string{"*", "ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl",
		"ListDeadLetterSourceQueues", "PurgeQueue", "ReceiveMessage", "SendMessage"},
	Owner: []string{"AddPermission", "CancelMessageMoveTask", "CreateQueue", "DeleteQueue",
		"ListMessageMoveTasks", "ListQueues", "ListQueueTags", "RemovePermission", "SetQueueAttributes",
		"StartMessageMoveTask", "TagQueue", "UntagQueue"},
	MaxStatements: 20, MaxActions: 7, MaxAccounts: 50, MaxLabel: maxName,
}

// checkPolicy checks the text of a Policy attribute.
func checkPolicy(v string) error {
	if n := access.Statements(v); n > sharing.MaxStatements {
		return overLimit(strconv.Itoa(n) + " statements were found in the submitted policy, max allowed is 20")
	}
	if _, err := access.ParsePolicy([]byte(v), access.Resource); err != nil {
		return badAttribute("Policy", err.Error()+".")
	}
	return nil
}

// addPermission writes a statement into the queue's policy.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_AddPermission.html
func (s *service) addPermission(ctx context.Context, c *protocol.Call, in *addPermissionInput) (*protocol.Empty, error) {
	q, err := s.ownQueue(ctx, c, in.QueueUrl, "sqs:AddPermission")
	if err != nil {
		return nil, err
	}
	if err := sharing.Check(in.Label, in.AWSAccountIds, in.Actions); err != nil {
		return nil, permissionRefused(err)
	}
	return s.editPolicy(ctx, c, q, func(policy string) (string, error) {
		return sharing.Add(policy, q.ARN(), in.Label, in.AWSAccountIds, in.Actions)
	})
}

// removePermission takes the statement of that label out of the queue's policy.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_RemovePermission.html
func (s *service) removePermission(ctx context.Context, c *protocol.Call, in *removePermissionInput) (*protocol.Empty, error) {
	q, err := s.ownQueue(ctx, c, in.QueueUrl, "sqs:RemovePermission")
	if err != nil {
		return nil, err
	}
	return s.editPolicy(ctx, c, q, func(policy string) (string, error) {
		return sharing.Remove(policy, in.Label)
	})
}

// editPolicy changes a queue's policy. One without statements is taken away.
func (s *service) editPolicy(ctx context.Context, c *protocol.Call, q *registry.Queue, edit func(policy string) (string, error)) (*protocol.Empty, error) {
	_, err := s.defs.UpdateQueue(ctx, q.Account, q.Region, q.Name, func(q *registry.Queue) error {
		policy, err := edit(q.Policy)
		if err != nil {
			return permissionRefused(err)
		}
		if policy != "" {
			if err := checkPolicy(policy); err != nil {
				return err
			}
		}
		q.Policy = policy
		return nil
	})
	return nil, failure(c, err)
}

// permissionRefused puts a refusal of access into the words of the real service.
func permissionRefused(err error) error {
	var e *access.PermissionError
	if !errors.As(err, &e) {
		return err
	}
	found := func(what, most string) error {
		return overLimit(strconv.Itoa(e.Count) + " " + what + " were found, maximum allowed is " + most + ".")
	}
	switch e.Problem {
	case access.NoLabel:
		return protocol.MissingParameter("Label")
	case access.BadLabel:
		return badValue(e.Value, "Label", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.")
	case access.NoActions:
		return protocol.MissingParameter("ActionName")
	case access.TooManyActions:
		return found("Actions", "7")
	case access.NoAccounts:
		return protocol.MissingParameter("AWSAccountIds")
	case access.TooManyAccounts:
		return found("Principals", "50")
	case access.OwnersAction:
		return badValue("SQS:"+e.Value, "ActionName", "Only the queue owner is allowed to invoke this action.")
	case access.UnknownAction:
		return badValue("SQS:"+e.Value, "ActionName", "Please refer to the appropriate WSDL for a list of valid actions.")
	case access.BadAccount:
		return badValue("["+echo(e.Value)+"]", "PrincipalId", "Unable to verify.")
	case access.LabelTaken:
		return badValue(e.Value, "Label", "Already exists.")
	case access.TooManyStatements:
		return found("Statements", "20")
	case access.NoStatements:
		return badValue(e.Value, "Label", "can't find label.")
	case access.UnknownLabel:
		return badValue(e.Value, "Label", "can't find label on existing policy.")
	}
	return badAttribute("Policy", "The queue's policy cannot be read: set it again.")
}
