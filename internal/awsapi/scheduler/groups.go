package scheduler

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/awsapi/resource"
	"github.com/waystation/waystation/internal/registry"
)

// States of groups.
const (
	active   = "ACTIVE"
	deleting = "DELETING"
)

const namePattern = "^[0-9a-zA-Z-_.]+$"

func checkName(v *problems, member, name string) {
	v.Pattern(member, name, 1, maxName, namePattern, "-.")
}

func checkToken(v *problems, token string) {
	if token != "" {
		v.Pattern("clientToken", token, 1, maxToken, "^[a-zA-Z0-9-_]+$", "-")
	}
}

// moment is a stored time in seconds; 0: none.
func moment(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// createGroup makes a group.
// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateScheduleGroup.html
func (s *service) createGroup(ctx context.Context, c *protocol.Call, in *createGroupInput) (*createGroupOutput, error) {
	var v problems
	checkName(&v, "name", in.Name)
	checkToken(&v, in.ClientToken)
	tags := tagMap(&v, in.Tags)
	if err := v.error(); err != nil {
		return nil, err
	}
	arn := groupARN(c, in.Name)
	if err := s.allow(c, "scheduler:CreateScheduleGroup", arn); err != nil {
		return nil, err
	}
	if len(tags) > 0 {
		if err := s.allow(c, "scheduler:TagResource", arn); err != nil {
			return nil, err
		}
	}
	if err := checkTags(nil, tags); err != nil {
		return nil, err
	}
	g, err := s.scheduler.CreateGroup(ctx, registry.ScheduleGroup{
		Meta: registry.Meta{Account: c.Account, Region: c.Region, Name: in.Name}, CreateToken: in.ClientToken, Tags: tags,
	})
	if err != nil {
		return nil, named{group: in.Name}.failure(err)
	}
	return &createGroupOutput{g.ARN()}, nil
}

// group finds the group of a name on which the caller may do action.
func (s *service) group(ctx context.Context, c *protocol.Call, v *problems, name, action string) (*registry.ScheduleGroup, error) {
	checkName(v, "name", name)
	if err := v.error(); err != nil {
		return nil, err
	}
	if err := s.allow(c, action, groupARN(c, name)); err != nil {
		return nil, err
	}
	g, err := s.scheduler.Group(ctx, c.Account, c.Region, name)
	return g, named{group: name}.failure(err)
}

func (s *service) getGroup(ctx context.Context, c *protocol.Call, in *groupInput) (*groupSummary, error) {
	g, err := s.group(ctx, c, &problems{}, in.Name, "scheduler:GetScheduleGroup")
	if err != nil {
		return nil, err
	}
	shown := summary(g)
	return &shown, nil
}

func summary(g *registry.ScheduleGroup) groupSummary {
	state := active
	if g.Deleting != 0 {
		state = deleting
	}
	return groupSummary{g.ARN(), g.Name, state, moment(g.Created), moment(g.Modified)}
}

// deleteGroup has a group deleted with its schedules; it is DELETING meanwhile.
// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_DeleteScheduleGroup.html
func (s *service) deleteGroup(ctx context.Context, c *protocol.Call, in *deleteGroupInput) (*protocol.Empty, error) {
	var v problems
	checkToken(&v, in.ClientToken)
	g, err := s.group(ctx, c, &v, in.Name, "scheduler:DeleteScheduleGroup")
	if err != nil {
		return nil, err
	}
	return nil, named{group: in.Name}.failure(s.scheduler.DeleteGroup(ctx, g, in.ClientToken))
}

func (s *service) listGroups(ctx context.Context, c *protocol.Call, in *listGroupsInput) (*listGroupsOutput, error) {
	var v problems
	if in.NamePrefix != "" {
		checkName(&v, "namePrefix", in.NamePrefix)
	}
	l, err := s.list(ctx, &v, c, in.MaxResults, in.NextToken, in.NamePrefix)
	if err != nil {
		return nil, err
	}
	if err := s.allow(c, "scheduler:ListScheduleGroups", groupARN(c, "*")); err != nil {
		return nil, err
	}
	list, more := s.scheduler.Groups(c.Account, c.Region, in.NamePrefix, l.after, l.limit)
	out := &listGroupsOutput{ScheduleGroups: make([]groupSummary, len(list))}
	for i, g := range list {
		out.ScheduleGroups[i] = summary(g)
		l.after = g.Name
	}
	out.NextToken, err = s.next(ctx, l, more, l.after)
	return out, err
}

// tagMap makes a map of a list of tags; a key stands there once.
func tagMap(v *problems, list []tag) map[string]string {
	if len(list) > maxTagList {
		v.Add("tags", strconv.Itoa(len(list))+" elements", "have length less than or equal to "+strconv.Itoa(maxTagList))
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

// checkTags checks tags that are to be added to those a group has.
func checkTags(has, add map[string]string) error {
	switch resource.CheckTags(has, add, maxTags) {
	case resource.TagsAreFine:
		return nil
	case resource.TagKeyLength:
		return invalid("The key of a tag has 1 to 128 characters.")
	case resource.TagValueLength:
		return invalid("The value of a tag has at most 256 characters.")
	case resource.TagReserved:
		return invalid("Keys of tags that begin with aws: are reserved.")
	case resource.TagCharacter:
		return invalid("Keys and values of tags have only characters that a message can contain.")
	}
	return overQuota("A schedule group has at most 50 tags.")
}

// tagged finds the group of an ARN; only its owner deals with its tags.
func (s *service) tagged(ctx context.Context, c *protocol.Call, v *problems, arn, action string) (*registry.ScheduleGroup, error) {
	r, ok := registry.ParseARN(arn)
	if !ok || r.Kind != "schedule-group" || len(arn) > maxTagARN {
		v.Add("resourceArn", arn, `satisfy regular expression pattern: ^arn:aws(-[a-z]+)?:scheduler:[a-z0-9\-]+:\d{12}:schedule-group\/[0-9a-zA-Z-_.]+$`)
	}
	if err := v.error(); err != nil {
		return nil, err
	}
	if err := s.allow(c, action, arn); err != nil {
		return nil, err
	}
	if r.Account != c.Account || r.Region != c.Region {
		return nil, notFound("Schedule group " + echo(arn) + " does not exist.")
	}
	g, err := s.scheduler.Group(ctx, r.Account, r.Region, r.Name)
	return g, named{group: r.Name}.failure(err)
}

func (s *service) tagResource(ctx context.Context, c *protocol.Call, in *tagInput) (*protocol.Empty, error) {
	var v problems
	if len(in.Tags) == 0 {
		v.Add("tags", "", "not be null")
	}
	add := tagMap(&v, in.Tags)
	g, err := s.tagged(ctx, c, &v, in.ResourceArn, "scheduler:TagResource")
	if err != nil {
		return nil, err
	}
	_, err = s.scheduler.UpdateGroup(ctx, g, func(g *registry.ScheduleGroup) error {
		if err := checkTags(g.Tags, add); err != nil {
			return err
		}
		g.Tags = resource.AddTags(g.Tags, add)
		return nil
	})
	return nil, named{group: g.Name}.failure(err)
}

func (s *service) untagResource(ctx context.Context, c *protocol.Call, in *untagInput) (*protocol.Empty, error) {
	var v problems
	if len(in.TagKeys) == 0 {
		v.Add("tagKeys", "", "not be null")
	}
	g, err := s.tagged(ctx, c, &v, in.ResourceArn, "scheduler:UntagResource")
	if err != nil {
		return nil, err
	}
	_, err = s.scheduler.UpdateGroup(ctx, g, func(g *registry.ScheduleGroup) error {
		g.Tags = resource.RemoveTags(g.Tags, in.TagKeys)
		return nil
	})
	return nil, named{group: g.Name}.failure(err)
}

func (s *service) listTags(ctx context.Context, c *protocol.Call, in *resourceInput) (*tagsOutput, error) {
	g, err := s.tagged(ctx, c, &problems{}, in.ResourceArn, "scheduler:ListTagsForResource")
	if err != nil {
		return nil, err
	}
	out := &tagsOutput{Tags: []tag{}}
	for _, k := range slices.Sorted(maps.Keys(g.Tags)) {
		out.Tags = append(out.Tags, tag{k, g.Tags[k]})
	}
	return out, nil
}
