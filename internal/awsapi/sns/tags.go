package sns

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/awsapi/resource"
	"github.com/waystation/waystation/internal/registry"
)

// tagMap makes a map of a list of tags; a key stands there once.
func tagMap(list []tag) (map[string]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	tags := make(map[string]string, len(list))
	for _, t := range list {
		if _, ok := tags[t.Key]; ok {
			return nil, invalid("Tags Reason: Duplicated keys are not allowed.")
		}
		tags[t.Key] = t.Value
	}
	return tags, nil
}

// checkTags checks tags that are to be added to those a topic has.
func checkTags(has, add map[string]string) error {
	switch resource.CheckTags(has, add, maxTags) {
	case resource.TagsAreFine:
		return nil
	case resource.TagKeyLength:
		return invalid("Tags Reason: Tag keys must be between 1 and 128 characters in length.")
	case resource.TagValueLength:
		return invalid("Tags Reason: Tag values must be between 0 and 256 characters in length.")
	case resource.TagReserved:
		return invalid("Tags Reason: Tag keys must not begin with aws: as it is reserved for AWS use.")
	case resource.TagCharacter:
		return invalid("Tags Reason: Tag keys and values can only contain characters that a message can contain.")
	}
	return tagLimit()
}

// tagged is the topic of a ResourceArn; only its owner deals with its tags.
func (s *service) tagged(ctx context.Context, c *protocol.Call, arn, action string) (*registry.Topic, error) {
	r, err := parseARN("ResourceArn", arn, "topic")
	if err != nil {
		return nil, err
	}
	if r.Account != c.Account {
		return nil, denied(c, action, arn)
	}
	t, err := s.ownTopic(ctx, c, arn, action)
	if errors.Is(err, errNoTopic) {
		return nil, errNoResource
	}
	return t, err
}

func (s *service) tagResource(ctx context.Context, c *protocol.Call, in *tagInput) (*done, error) {
	t, err := s.tagged(ctx, c, in.ResourceArn, "sns:TagResource")
	if err != nil {
		return nil, err
	}
	add, err := tagMap(in.Tags)
	if err != nil {
		return nil, err
	}
	_, err = s.topics.Update(ctx, t, func(t *registry.Topic) error {
		if err := checkTags(t.Tags, add); err != nil {
			return err
		}
		t.Tags = resource.AddTags(t.Tags, add)
		return nil
	})
	return nil, failure(err)
}

func (s *service) untagResource(ctx context.Context, c *protocol.Call, in *untagInput) (*done, error) {
	t, err := s.tagged(ctx, c, in.ResourceArn, "sns:UntagResource")
	if err != nil {
		return nil, err
	}
	_, err = s.topics.Update(ctx, t, func(t *registry.Topic) error {
		t.Tags = resource.RemoveTags(t.Tags, in.TagKeys)
		return nil
	})
	return nil, failure(err)
}

func (s *service) listTags(ctx context.Context, c *protocol.Call, in *resourceInput) (*tagsOutput, error) {
	t, err := s.tagged(ctx, c, in.ResourceArn, "sns:ListTagsForResource")
	if err != nil {
		return nil, err
	}
	out := &tagsOutput{}
	for _, k := range slices.Sorted(maps.Keys(t.Tags)) {
		out.Tags = append(out.Tags, tag{k, t.Tags[k]})
	}
	return out, nil
}
