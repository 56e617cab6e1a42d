package events

import (
	"context"
	"errors"
	"time"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/characters"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/pattern"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/schedule"
)

// States of rules.
const (
	enabled           = "ENABLED"
	disabled          = "DISABLED"
	enabledCloudTrail = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
)

// putRule makes a rule or replaces what was said of it.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
func (s *service) putRule(ctx context.Context, c *protocol.Call, in *putRuleInput) (*putRuleOutput, error) {
	var v problems
	v.Enum("state", in.State, disabled, enabledCloudTrail, enabled)
	if in.Description != "" {
		v.Length("description", in.Description, 0, maxDescription)
	}
	if in.RoleArn != "" {
		v.Length("roleArn", in.RoleArn, 1, maxARN)
	}
	if in.EventPattern != "" {
		v.Length("eventPattern", in.EventPattern, 0, maxPattern)
	}
	if in.ScheduleExpression != "" {
		v.Length("scheduleExpression", in.ScheduleExpression, 0, schedule.MaxLength)
	}
	tags := tagMap(&v, in.Tags)
	b, err := s.ofRule(ctx, c, &v, "name", in.Name, in.EventBusName, "events:PutRule", nil)
	if err != nil {
		return nil, err
	}
	if err := checkTags(nil, tags); err != nil {
		return nil, err
	}
	if err := checkWhen(b, in); err != nil {
		return nil, err
	}
	if in.State == enabledCloudTrail {
		return nil, badParameter("State", "there are no events of CloudTrail here, use ENABLED.")
	}
	if in.EventPattern != "" {
		if _, err := pattern.Compile(pattern.Events, []byte(in.EventPattern)); err != nil {
			return nil, failure(err)
		}
	}
	made, err := s.buses.PutRule(ctx, b, in.Name, registry.Rule{
		Pattern: in.EventPattern, Schedule: in.ScheduleExpression, Disabled: in.State == disabled, Description: in.Description, RoleARN: in.RoleArn,
		CreatedBy: c.Account, Tags: tags,
	})
	if err != nil {
		return nil, ruleFailure(err, b, in.Name)
	}
	return &putRuleOutput{made.ARN()}, nil
}

// checkWhen checks what a rule waits for.
func checkWhen(b *registry.Bus, in *putRuleInput) error {
	switch {
	case in.EventPattern == "" && in.ScheduleExpression == "":
		return invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
	case in.ScheduleExpression == "":
		return nil
	case b.Name != registry.DefaultBus:
		return invalid("ScheduleExpression is supported only on the default event bus.")
	}
	e, err := schedule.Parse(in.ScheduleExpression, time.UTC)
	switch {
	case err != nil:
		return badParameter("ScheduleExpression", err.Error())
	case e.Once():
		return badParameter("ScheduleExpression", "rules take rate and cron expressions.")
	}
	return nil
}

// deleteRule removes a rule without targets; one that is not there is no error.
func (s *service) deleteRule(ctx context.Context, c *protocol.Call, in *deleteRuleInput) (*protocol.Empty, error) {
	b, err := s.ofRule(ctx, c, &problems{}, "name", in.Name, in.EventBusName, "events:DeleteRule", nil)
	if err != nil {
		return nil, err
	}
	err = s.buses.DeleteRule(ctx, b, in.Name)
	if errors.Is(err, bus.ErrHasTargets) {
		return nil, invalid("Rule can't be deleted since it has targets.")
	}
	return nil, failure(err)
}

func state(r *registry.Rule) string {
	if r.Disabled {
		return disabled
	}
	return enabled
}

func (s *service) describeRule(ctx context.Context, c *protocol.Call, in *ruleInput) (*describeRuleOutput, error) {
	b, r, err := s.rule(ctx, c, &problems{}, "name", in.Name, in.EventBusName, "events:DescribeRule")
	if err != nil {
		return nil, err
	}
	return &describeRuleOutput{
		Name: in.Name, Arn: r.ARN(), EventPattern: r.Pattern, ScheduleExpression: r.Schedule, State: state(r), Description: r.Description, RoleArn: r.RoleARN,
		EventBusName: b.Name, CreatedBy: r.CreatedBy,
	}, nil
}

func (s *service) enableRule(ctx context.Context, c *protocol.Call, in *ruleInput) (*protocol.Empty, error) {
	return s.switchRule(ctx, c, in, "events:EnableRule", false)
}

func (s *service) disableRule(ctx context.Context, c *protocol.Call, in *ruleInput) (*protocol.Empty, error) {
	return s.switchRule(ctx, c, in, "events:DisableRule", true)
}

func (s *service) switchRule(ctx context.Context, c *protocol.Call, in *ruleInput, action string, off bool) (*protocol.Empty, error) {
	b, err := s.ofRule(ctx, c, &problems{}, "name", in.Name, in.EventBusName, action, nil)
	if err != nil {
		return nil, err
	}
	_, err = s.buses.UpdateRule(ctx, b, in.Name, func(r *registry.Rule) error {
		r.Disabled = off
		return nil
	})
	return nil, ruleFailure(err, b, in.Name)
}

func (s *service) listRules(ctx context.Context, c *protocol.Call, in *listRulesInput) (*listRulesOutput, error) {
	var v problems
	if in.NamePrefix != "" {
		v.Pattern("namePrefix", in.NamePrefix, 1, maxRuleName, namePattern, ".-")
	}
	at := busName(&v, c, "eventBusName", in.EventBusName)
	l, err := s.list(ctx, &v, c, in.Limit, in.NextToken, at.ARN(), in.NamePrefix)
	if err != nil {
		return nil, err
	}
	b, err := s.find(ctx, c, at, "events:ListRules", ruleARN(at, "*"), nil)
	if err != nil {
		return nil, err
	}
	list, more := s.buses.Rules(b, in.NamePrefix, l.after, l.limit, nil)
	out := &listRulesOutput{Rules: make([]rule, len(list))}
	for i, r := range list {
		_, l.after = r.Parts()
		out.Rules[i] = rule{
			Name: l.after, Arn: r.ARN(), EventPattern: r.Pattern, ScheduleExpression: r.Schedule, State: state(r), Description: r.Description, RoleArn: r.RoleARN, EventBusName: b.Name,
		}
	}
	out.NextToken, err = s.next(ctx, l, more, l.after)
	return out, err
}

func (s *service) listRuleNamesByTarget(ctx context.Context, c *protocol.Call, in *listRuleNamesByTargetInput) (*listRuleNamesByTargetOutput, error) {
	var v problems
	v.Length("targetArn", in.TargetArn, 1, maxARN)
	at := busName(&v, c, "eventBusName", in.EventBusName)
	l, err := s.list(ctx, &v, c, in.Limit, in.NextToken, at.ARN(), in.TargetArn)
	if err != nil {
		return nil, err
	}
	b, err := s.find(ctx, c, at, "events:ListRuleNamesByTarget", ruleARN(at, "*"), nil)
	if err != nil {
		return nil, err
	}
	list, more := s.buses.Rules(b, "", l.after, l.limit, func(r *registry.Rule) bool {
		for i := range r.Targets {
			if r.Targets[i].ARN == in.TargetArn {
				return true
			}
		}
		return false
	})
	out := &listRuleNamesByTargetOutput{RuleNames: make([]string, len(list))}
	for i, r := range list {
		_, l.after = r.Parts()
		out.RuleNames[i] = l.after
	}
	out.NextToken, err = s.next(ctx, l, more, l.after)
	return out, err
}

// targetConditions are the ARNs of targets as policies can ask for them.
func targetConditions(targets []target) func(access.Context) {
	return func(known access.Context) {
		arns := make([]string, len(targets))
		for i := range targets {
			arns[i] = targets[i].Arn
		}
		known.Set("events:TargetArn", arns...)
	}
}

// bad finds a character that messages cannot contain.
func bad(s string) bool { return characters.Bad(s) >= 0 }
