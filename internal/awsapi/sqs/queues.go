package sqs

import (
	"context"
	"encoding/base64"
	"errors"
	"sort"
	"strings"

	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// createQueue makes a queue, or finds it when it is there with the attributes
// asked for. Attributes not asked for, and tags, may differ.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
func (s *service) createQueue(ctx context.Context, c *protocol.Call, in *createQueueInput) (*queueURLOutput, error) {
	given, isFIFO := in.Attributes["FifoQueue"]
	fifo := isFIFO && strings.EqualFold(given, "true")
	if isFIFO && !fifo {
		return nil, unknownAttribute("FifoQueue")
	}
	// The name first: only what can be one gets into an ARN that policies are
	// asked about.
	if err := checkName(in.QueueName, fifo); err != nil {
		return nil, err
	}
	if err := s.allowAccount(c, "sqs:CreateQueue", in.QueueName); err != nil {
		return nil, err
	}
	q := defaults(c.Account, c.Region, in.QueueName, fifo)
	if err := s.apply(q, in.Attributes); err != nil {
		return nil, err
	}
	if err := checkTags(q.Name, nil, in.Tags); err != nil {
		return nil, err
	}
	if len(in.Tags) > 0 {
		q.Tags = in.Tags
	}
	var differing string
	made, _, err := s.defs.CreateQueue(ctx, *q, func(existing *registry.Queue) bool {
		name, differ := differs(existing, q, in.Attributes)
		differing = name
		return !differ
	})
	if errors.Is(err, registry.ErrConflict) && differing != "" {
		return nil, queueExists(differing)
	}
	if err != nil {
		return nil, failure(c, err)
	}
	return &queueURLOutput{QueueUrl: queueURL(c, made)}, nil
}

// deleteQueue removes a queue with all that is in it. It can be made anew at once.
func (s *service) deleteQueue(ctx context.Context, c *protocol.Call, in *queueInput) (*protocol.Empty, error) {
	q, err := s.ownQueue(ctx, c, in.QueueUrl, "sqs:DeleteQueue")
	if err != nil {
		return nil, err
	}
	return nil, failure(c, s.defs.DeleteQueue(ctx, q.Account, q.Region, q.Name))
}

func (s *service) getQueueURL(ctx context.Context, c *protocol.Call, in *getQueueURLInput) (*queueURLOutput, error) {
	if in.QueueName == "" {
		return nil, protocol.InvalidParameterValue("Value for parameter QueueName is invalid. Reason: Must specify a queue name.")
	}
	account := in.QueueOwnerAWSAccountId
	if account == "" {
		account = c.Account
	}
	q, err := s.defs.FindQueue(ctx, account, c.Region, in.QueueName)
	if err != nil {
		return nil, failure(c, err)
	}
	if err := s.allow(c, q, "sqs:GetQueueUrl"); err != nil {
		return nil, err
	}
	return &queueURLOutput{QueueUrl: queueURL(c, q)}, nil
}

func (s *service) listQueues(_ context.Context, c *protocol.Call, in *listQueuesInput) (*listQueuesOutput, error) {
	if err := s.allowAccount(c, "sqs:ListQueues", "*"); err != nil {
		return nil, err
	}
	limit, after, err := page(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	if len(in.QueueNamePrefix) > maxName {
		return &listQueuesOutput{}, nil
	}
	list, more := s.defs.Queues(c.Account, c.Region, in.QueueNamePrefix, after, limit)
	out := &listQueuesOutput{QueueUrls: urls(c, list)}
	if more && len(list) > 0 {
		out.NextToken = encodeToken(list[len(list)-1].Name)
	}
	return out, nil
}

func (s *service) listSources(ctx context.Context, c *protocol.Call, in *listSourcesInput) (*listSourcesOutput, error) {
	q, err := s.queue(ctx, c, in.QueueUrl, "sqs:ListDeadLetterSourceQueues")
	if err != nil {
		return nil, err
	}
	limit, after, err := page(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	list := s.defs.DeadLetterSources(q.ARN())
	list = list[sort.Search(len(list), func(i int) bool { return list[i].Name > after }):]
	out := &listSourcesOutput{}
	if len(list) > limit {
		list = list[:limit]
		out.NextToken = encodeToken(list[limit-1].Name)
	}
	out.QueueUrls = urls(c, list)
	return out, nil
}

func urls(c *protocol.Call, list []*registry.Queue) []string {
	out := make([]string, len(list))
	for i, q := range list {
		out[i] = queueURL(c, q)
	}
	return out
}

// page reads where a list goes on and how long it may get.
func page(max *int32, token string) (limit int, after string, err error) {
	limit = maxListed
	if max != nil && *max != 0 {
		if *max < 1 || *max > maxListed {
			return 0, "", protocol.InvalidParameterValue(
				"Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and 1000.")
		}
		limit = int(*max)
	}
	if token != "" {
		var ok bool
		if after, ok = decodeToken(token); !ok {
			return 0, "", errNextToken
		}
	}
	return limit, after, nil
}

// tokenVersion begins a NextToken: what follows is the last name listed. Tokens
// do not expire.
const tokenVersion = "1"

func encodeToken(name string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(tokenVersion + name))
}

func decodeToken(token string) (name string, ok bool) {
	if len(token) > 2*maxName {
		return "", false
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", false
	}
	name, ok = strings.CutPrefix(string(b), tokenVersion)
	return name, ok && plausibleName(name)
}

func (s *service) getAttributes(ctx context.Context, c *protocol.Call, in *getAttributesInput) (*getAttributesOutput, error) {
	q, err := s.queue(ctx, c, in.QueueUrl, "sqs:GetQueueAttributes")
	if err != nil {
		return nil, err
	}
	wanted := make(map[string]bool, len(in.AttributeNames))
	for _, name := range in.AttributeNames {
		if name != "All" && byName[name] == nil {
			return nil, unknownAttribute(name)
		}
		wanted[name] = true
	}
	var counts *partition.Counts
	out := make(map[string]string, len(attributes))
	for i := range attributes {
		a := &attributes[i]
		if !wanted["All"] && !wanted[a.name] {
			continue
		}
		if a.counted && counts == nil {
			n, err := s.msgs.Counts(ctx, q)
			if err != nil {
				return nil, failure(c, err)
			}
			counts = &n
		}
		if v, ok := a.show(q, counts); ok {
			out[a.name] = v
		}
	}
	return &getAttributesOutput{Attributes: out}, nil
}

func (s *service) setAttributes(ctx context.Context, c *protocol.Call, in *setAttributesInput) (*protocol.Empty, error) {
	q, err := s.ownQueue(ctx, c, in.QueueUrl, "sqs:SetQueueAttributes")
	if err != nil {
		return nil, err
	}
	if len(in.Attributes) == 0 {
		return nil, protocol.MissingParameter("Attribute.Name")
	}
	_, err = s.defs.UpdateQueue(ctx, q.Account, q.Region, q.Name, func(q *registry.Queue) error {
		return s.apply(q, in.Attributes)
	})
	return nil, failure(c, err)
}

func (s *service) purgeQueue(ctx context.Context, c *protocol.Call, in *queueInput) (*protocol.Empty, error) {
	q, err := s.queue(ctx, c, in.QueueUrl, "sqs:PurgeQueue")
	if err != nil {
		return nil, err
	}
	err = s.msgs.Purge(ctx, q)
	if errors.Is(err, partition.ErrPurgeInProgress) {
		return nil, purging(q.Name)
	}
	return nil, failure(c, err)
}
