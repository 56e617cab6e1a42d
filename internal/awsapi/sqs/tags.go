package sqs

import (
	"context"

	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/awsapi/resource"
	"github.com/waystation/waystation/internal/registry"
)

// checkTags checks tags that are to be added to those a queue has.
func checkTags(queue string, has, add map[string]string) error {
	switch resource.CheckTags(has, add, maxTags) {
	case resource.TagsAreFine:
		return nil
	case resource.TagKeyLength:
		return errTagKeys
	case resource.TagValueLength:
		return protocol.InvalidParameterValue("Tag values must be between 0 and 256 characters in length.")
	case resource.TagReserved:
		return protocol.InvalidParameterValue("Tag keys must not begin with aws: as it is reserved for AWS use.")
	case resource.TagCharacter:
		return protocol.InvalidParameterValue("Tag keys and values can only contain characters that a message can contain.")
	}
	return protocol.InvalidParameterValue("Too many tags added for queue " + queue + ".")
}

func (s *service) tagQueue(ctx context.Context, c *protocol.Call, in *tagQueueInput) (*protocol.Empty, error) {
	q, err := s.ownQueue(ctx, c, in.QueueUrl, "sqs:TagQueue")
	if err != nil {
		return nil, err
	}
	if len(in.Tags) == 0 {
		return nil, protocol.MissingParameter("Tags")
	}
	_, err = s.defs.UpdateQueue(ctx, q.Account, q.Region, q.Name, func(q *registry.Queue) error {
		if err := checkTags(q.Name, q.Tags, in.Tags); err != nil {
			return err
		}
		q.Tags = resource.AddTags(q.Tags, in.Tags)
		return nil
	})
	return nil, failure(c, err)
}

func (s *service) untagQueue(ctx context.Context, c *protocol.Call, in *untagQueueInput) (*protocol.Empty, error) {
	q, err := s.ownQueue(ctx, c, in.QueueUrl, "sqs:UntagQueue")
	if err != nil {
		return nil, err
	}
	if len(in.TagKeys) == 0 {
		return nil, errTagKeys
	}
	_, err = s.defs.UpdateQueue(ctx, q.Account, q.Region, q.Name, func(q *registry.Queue) error {
		q.Tags = resource.RemoveTags(q.Tags, in.TagKeys)
		return nil
	})
	return nil, failure(c, err)
}

func (s *service) listTags(ctx context.Context, c *protocol.Call, in *queueInput) (*listTagsOutput, error) {
	q, err := s.ownQueue(ctx, c, in.QueueUrl, "sqs:ListQueueTags")
	if err != nil {
		return nil, err
	}
	return &listTagsOutput{Tags: q.Tags}, nil
}
