package events

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/awsapi/resource"
	"github.com/waystation/waystation/internal/registry"
)

// tagMap makes a map of a list of tags; a key stands there once.
func tagMap(v *problems, list []tag) map[string]string {
	if len(list) == 0 {
		return nil
	}
	tags := make(map[string]string, len(list))
	for _, t := range list {
		if _, ok := tags[t.Key]; ok {
			v.Add("tags", t.Key, "have unique keys")
		}
		tags[t.Key] = t.Value
	}
	return tags
}

// checkTags checks tags that are to be added to those a resource has.
func checkTags(has, add map[string]string) error {
	switch resource.CheckTags(has, add, maxTags) {
	case resource.TagsAreFine:
		return nil
	case resource.TagKeyLength:
		return badParameter("Tags", "a key has 1 to 128 characters.")
	case resource.TagValueLength:
		return badParameter("Tags", "a value has at most 256 characters.")
	case resource.TagReserved:
		return badParameter("Tags", "keys that begin with aws: are reserved.")
	case resource.TagCharacter:
		return badParameter("Tags", "keys and values have only characters that a message can contain.")
	}
	return badParameter("Tags", "a resource has at most 50 tags.")
}

// tagged is what tags are on: a bus or one of its rules.
type tagged struct {
	bus  *registry.Bus
	rule string // its name; "": the bus is meant
}

// tagged is the resource of an ARN; only its owner deals with its tags.
func (s *service) tagged(ctx context.Context, c *protocol.Call, arn, action string) (t tagged, err error) {
	var v problems
	v.Length("resourceARN", arn, 1, maxARN)
	if err := v.error(); err != nil {
		return t, err
	}
	r, ok := registry.ParseARN(arn)
	if !ok || r.Kind != "bus" && r.Kind != "rule" {
		return t, badParameter("ResourceARN", "it is not the ARN of an event bus or a rule.")
	}
	at := own(c, r.Name)
	at.Region = r.Region
	if r.Kind == "rule" {
		at.Name, t.rule, _ = strings.Cut(r.Name, "/")
	}
	if r.Account != c.Account {
		return t, &access.Error{Code: access.ErrAccessDenied.Code, Status: access.ErrAccessDenied.Status,
			Message: "User: " + c.Principal.ARN + " is not authorized to perform: " + action + " on resource: " + echo(arn)}
	}
	if t.bus, err = s.find(ctx, c, at, action, r.ARN(), nil); err != nil || t.rule == "" {
		return t, err
	}
	_, err = s.buses.Rule(ctx, t.bus, t.rule)
	return t, ruleFailure(err, t.bus, t.rule)
}

// tags of the resource as they are now.
func (s *service) tags(ctx context.Context, t tagged) (map[string]string, error) {
	if t.rule == "" {
		return t.bus.Tags, nil
	}
	r, err := s.buses.Rule(ctx, t.bus, t.rule)
	if err != nil {
		return nil, ruleFailure(err, t.bus, t.rule)
	}
	return r.Tags, nil
}

// changeTags replaces the tags of the resource.
func (s *service) changeTags(ctx context.Context, t tagged, change func(map[string]string) (map[string]string, error)) error {
	if t.rule == "" {
		_, err := s.buses.Update(ctx, t.bus, func(b *registry.Bus) (err error) {
			b.Tags, err = change(b.Tags)
			return err
		})
		return busFailure(err, t.bus.Name)
	}
	_, err := s.buses.UpdateRule(ctx, t.bus, t.rule, func(r *registry.Rule) (err error) {
		r.Tags, err = change(r.Tags)
		return err
	})
	return ruleFailure(err, t.bus, t.rule)
}

func (s *service) tagResource(ctx context.Context, c *protocol.Call, in *tagInput) (*protocol.Empty, error) {
	var v problems
	add := tagMap(&v, in.Tags)
	if err := v.error(); err != nil {
		return nil, err
	}
	t, err := s.tagged(ctx, c, in.ResourceARN, "events:TagResource")
	if err != nil {
		return nil, err
	}
	return nil, s.changeTags(ctx, t, func(has map[string]string) (map[string]string, error) {
		if err := checkTags(has, add); err != nil {
			return nil, err
		}
		return resource.AddTags(has, add), nil
	})
}

func (s *service) untagResource(ctx context.Context, c *protocol.Call, in *untagInput) (*protocol.Empty, error) {
	t, err := s.tagged(ctx, c, in.ResourceARN, "events:UntagResource")
	if err != nil {
		return nil, err
	}
	return nil, s.changeTags(ctx, t, func(has map[string]string) (map[string]string, error) {
		return resource.RemoveTags(has, in.TagKeys), nil
	})
}

func (s *service) listTags(ctx context.Context, c *protocol.Call, in *resourceInput) (*tagsOutput, error) {
	t, err := s.tagged(ctx, c, in.ResourceARN, "events:ListTagsForResource")
	if err != nil {
		return nil, err
	}
	tags, err := s.tags(ctx, t)
	if err != nil {
		return nil, err
	}
	out := &tagsOutput{Tags: []tag{}}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out.Tags = append(out.Tags, tag{k, tags[k]})
	}
	return out, nil
}
