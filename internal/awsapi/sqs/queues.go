package sqs

import (
	"context"
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
	if len(in.Tags) > 0 {
		if err := s.allowAccount(c, "sqs:TagQueue", in.QueueName); err != nil {
			return nil, err
		}
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
		name, differ := s.attributes.Differ(existing, q, in.Attributes)
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

func (s *service) listQueues(ctx context.Context, c *protocol.Call, in *listQueuesInput) (*listQueuesOutput, error) {
	if err := s.allowAccount(c, "sqs:ListQueues", "*"); err != nil {
		return nil, err
	}
	asked := []string{"ListQueues", c.Account, c.Region, in.QueueNamePrefix}
	limit, after, err := s.page(ctx, c, in.MaxResults, in.NextToken, asked)
	if err != nil {
		return nil, err
	}
	if len(in.QueueNamePrefix) > maxName {
		return &listQueuesOutput{}, nil
	}
	list, more := s.defs.Queues(c.Account, c.Region, in.QueueNamePrefix, after, limit)
	out := &listQueuesOutput{QueueUrls: urls(c, list)}
	if more && len(list) > 0 {
		out.NextToken, err = s.pages.After(ctx, list[len(list)-1].Name, asked...)
	}
	return out, failure(c, err)
}

func (s *service) listSources(ctx context.Context, c *protocol.Call, in *listSourcesInput) (*listSourcesOutput, error) {
	q, err := s.queue(ctx, c, in.QueueUrl, "sqs:ListDeadLetterSourceQueues")
	if err != nil {
		return nil, err
	}
	asked := []string{"ListDeadLetterSourceQueues", q.ARN()}
	limit, after, err := s.page(ctx, c, in.MaxResults, in.NextToken, asked)
	if err != nil {
		return nil, err
	}
	list := s.defs.DeadLetterSources(q.ARN())
	list = list[sort.Search(len(list), func(i int) bool { return list[i].Name > after }):]
	out := &listSourcesOutput{}
	if len(list) > limit {
		list = list[:limit]
		out.NextToken, err = s.pages.After(ctx, list[limit-1].Name, asked...)
	}
	out.QueueUrls = urls(c, list)
	return out, failure(c, err)
}

func urls(c *protocol.Call, list []*registry.Queue) []string {
	out := make([]string, len(list))
	for i, q := range list {
		out[i] = queueURL(c, q)
	}
	return out
}

// page reads where a list goes on and how long it may get. asked is what makes it
// this list: a token goes with no other.
func (s *service) page(ctx context.Context, c *protocol.Call, most *int32, token string, asked []string) (limit int, after string, err error) {
	limit = maxListed
	if most != nil && *most != 0 {
		if *most < 1 || *most > maxListed {
			return 0, "", protocol.InvalidParameterValue(
				"Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and 1000.")
		}
		limit = int(*most)
	}
	if token != "" {
		after, err = s.pages.Place(ctx, token, asked...)
	}
	return limit, after, failure(c, err)
}

func (s *service) getAttributes(ctx context.Context, c *protocol.Call, in *getAttributesInput) (*getAttributesOutput, error) {
	q, err := s.queue(ctx, c, in.QueueUrl, "sqs:GetQueueAttributes")
	if err != nil {
		return nil, err
	}
	out, err := s.attributes.Show(q, in.AttributeNames, func() (*partition.Counts, error) {
		n, err := s.msgs.Counts(ctx, q)
		return &n, err
	})
	if err != nil {
		return nil, failure(c, attributeUnknown(err))
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
