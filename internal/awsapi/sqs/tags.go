package sqs

import (
	"context"
	"maps"
	"strings"
	"unicode/utf8"

	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/registry"
)

// Bounds of tags, in characters.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-tags.html
const (
	maxTagKey   = 128
	maxTagValue = 256
)

// checkTags checks tags that are to be added to those a queue has.
func checkTags(queue string, has, add map[string]string) error {
	n := len(has)
	for k, v := range add {
		if _, ok := has[k]; !ok {
			n++
		}
		if k == "" || len(k) > 4*maxTagKey || utf8.RuneCountInString(k) > maxTagKey {
			return errTagKeys
		}
		if len(v) > 4*maxTagValue || utf8.RuneCountInString(v) > maxTagValue {
			return protocol.InvalidParameterValue("Tag values must be between 0 and 256 characters in length.")
		}
		if len(k) >= 4 && strings.EqualFold(k[:4], "aws:") {
			return protocol.InvalidParameterValue("Tag keys must not begin with aws: as it is reserved for AWS use.")
		}
		if badCharacter(k) >= 0 || badCharacter(v) >= 0 {
			return protocol.InvalidParameterValue("Tag keys and values can only contain characters that a message can contain.")
		}
	}
	if n > maxTags {
		return protocol.InvalidParameterValue("Too many tags added for queue " + queue + ".")
	}
	return nil
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
		tags := make(map[string]string, len(q.Tags)+len(in.Tags))
		maps.Copy(tags, q.Tags)
		maps.Copy(tags, in.Tags)
		q.Tags = tags
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
		tags := maps.Clone(q.Tags)
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
		q.Tags = tags
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
