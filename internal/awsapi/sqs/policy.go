package sqs

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/registry"
)

// Bounds of queue policies.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-policies.html
const (
	maxStatements = 20
	maxActions    = 7
	maxPrincipals = 50
)

// policyDocument is a policy taken apart as far as AddPermission needs it; the
// statements stay as they were written.
type policyDocument struct {
	Version   string            `json:"Version,omitempty"`
	ID        string            `json:"Id,omitempty"`
	Statement []json.RawMessage `json:"Statement"`
}

// permission is the statement that AddPermission writes.
type permission struct {
	Sid       string `json:"Sid"`
	Effect    string `json:"Effect"`
	Principal struct {
		AWS any `json:"AWS"`
	} `json:"Principal"`
	Action   any    `json:"Action"`
	Resource string `json:"Resource"`
}

// checkPolicy checks the text of a Policy attribute.
func checkPolicy(v string) error {
	if doc, err := readPolicy(v); err == nil && len(doc.Statement) > maxStatements {
		return overLimit(strconv.Itoa(len(doc.Statement)) + " statements were found in the submitted policy, max allowed is 20")
	}
	if _, err := access.ParsePolicy([]byte(v), access.Resource); err != nil {
		return badAttribute("Policy", err.Error()+".")
	}
	return nil
}

// readPolicy takes a policy apart. A single statement need not stand in a list.
func readPolicy(v string) (policyDocument, error) {
	var doc policyDocument
	if json.Unmarshal([]byte(v), &doc) == nil {
		return doc, nil
	}
	var single struct {
		Version   string
		ID        string `json:"Id"`
		Statement json.RawMessage
	}
	if err := json.Unmarshal([]byte(v), &single); err != nil {
		return policyDocument{}, err
	}
	return policyDocument{Version: single.Version, ID: single.ID, Statement: []json.RawMessage{single.Statement}}, nil
}

// sid is a statement's label, or "".
func sid(statement json.RawMessage) string {
	var s struct{ Sid string }
	_ = json.Unmarshal(statement, &s) // stored policies have been checked
	return s.Sid
}

// actions that AddPermission may give away, and those that stay with the owner.
var (
	sharedActions = []string{"*", "ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl",
		"ListDeadLetterSourceQueues", "PurgeQueue", "ReceiveMessage", "SendMessage"}
	ownerActions = []string{"AddPermission", "CancelMessageMoveTask", "CreateQueue", "DeleteQueue",
		"ListMessageMoveTasks", "ListQueues", "ListQueueTags", "RemovePermission", "SetQueueAttributes",
		"StartMessageMoveTask", "TagQueue", "UntagQueue"}
)

// addPermission writes a statement into the queue's policy.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_AddPermission.html
func (s *service) addPermission(ctx context.Context, c *protocol.Call, in *addPermissionInput) (*protocol.Empty, error) {
	q, err := s.ownQueue(ctx, c, in.QueueUrl, "sqs:AddPermission")
	if err != nil {
		return nil, err
	}
	if err := checkPermission(in); err != nil {
		return nil, err
	}
	p := permission{Sid: in.Label, Effect: "Allow", Resource: q.ARN()}
	arns := make([]string, len(in.AWSAccountIds))
	for i, account := range in.AWSAccountIds {
		arns[i] = "arn:aws:iam::" + account + ":root"
	}
	p.Principal.AWS = oneOrMany(arns)
	actions := make([]string, len(in.Actions))
	for i, a := range in.Actions {
		actions[i] = "SQS:" + a
	}
	p.Action = oneOrMany(actions)
	statement, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	return s.editPolicy(ctx, c, q, func(doc *policyDocument) error {
		if slices.ContainsFunc(doc.Statement, func(st json.RawMessage) bool { return sid(st) == in.Label }) {
			return badValue(in.Label, "Label", "Already exists.")
		}
		doc.Statement = append(doc.Statement, statement)
		if n := len(doc.Statement); n > maxStatements {
			return overLimit(strconv.Itoa(n) + " Statements were found, maximum allowed is 20.")
		}
		return nil
	})
}

func checkPermission(in *addPermissionInput) error {
	switch {
	case in.Label == "":
		return protocol.MissingParameter("Label")
	case !isToken(in.Label):
		return badValue(in.Label, "Label", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.")
	case len(in.Actions) == 0:
		return protocol.MissingParameter("ActionName")
	case len(in.Actions) > maxActions:
		return overLimit(strconv.Itoa(len(in.Actions)) + " Actions were found, maximum allowed is 7.")
	case len(in.AWSAccountIds) == 0:
		return protocol.MissingParameter("AWSAccountIds")
	case len(in.AWSAccountIds) > maxPrincipals:
		return overLimit(strconv.Itoa(len(in.AWSAccountIds)) + " Principals were found, maximum allowed is 50.")
	}
	for _, a := range in.Actions {
		switch {
		case slices.Contains(ownerActions, a):
			return badValue("SQS:"+a, "ActionName", "Only the queue owner is allowed to invoke this action.")
		case !slices.Contains(sharedActions, a):
			return badValue("SQS:"+a, "ActionName", "Please refer to the appropriate WSDL for a list of valid actions.")
		}
	}
	for _, account := range in.AWSAccountIds {
		if !isAccount(account) {
			return badValue("["+echo(account)+"]", "PrincipalId", "Unable to verify.")
		}
	}
	return nil
}

// oneOrMany renders a list of one as the one, as AWS does.
func oneOrMany(list []string) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}

// removePermission takes the statement of that label out of the queue's policy.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_RemovePermission.html
func (s *service) removePermission(ctx context.Context, c *protocol.Call, in *removePermissionInput) (*protocol.Empty, error) {
	q, err := s.ownQueue(ctx, c, in.QueueUrl, "sqs:RemovePermission")
	if err != nil {
		return nil, err
	}
	if in.Label == "" {
		return nil, protocol.MissingParameter("Label")
	}
	return s.editPolicy(ctx, c, q, func(doc *policyDocument) error {
		n := len(doc.Statement)
		if n == 0 {
			return badValue(in.Label, "Label", "can't find label.")
		}
		doc.Statement = slices.DeleteFunc(doc.Statement, func(st json.RawMessage) bool { return sid(st) == in.Label })
		if len(doc.Statement) == n {
			return badValue(in.Label, "Label", "can't find label on existing policy.")
		}
		return nil
	})
}

// editPolicy changes a queue's policy. One without statements is taken away.
func (s *service) editPolicy(ctx context.Context, c *protocol.Call, q *registry.Queue, edit func(*policyDocument) error) (*protocol.Empty, error) {
	_, err := s.defs.UpdateQueue(ctx, q.Account, q.Region, q.Name, func(q *registry.Queue) error {
		doc := policyDocument{Version: "2008-10-17", ID: q.ARN() + "/SQSDefaultPolicy"}
		if q.Policy != "" {
			var err error
			if doc, err = readPolicy(q.Policy); err != nil {
				return badAttribute("Policy", "The queue's policy cannot be read: set it again.")
			}
		}
		if err := edit(&doc); err != nil {
			return err
		}
		if len(doc.Statement) == 0 {
			q.Policy = ""
			return nil
		}
		b, err := json.Marshal(doc)
		if err != nil {
			return err
		}
		if err := checkPolicy(string(b)); err != nil {
			return err
		}
		q.Policy = string(b)
		return nil
	})
	return nil, failure(c, err)
}
