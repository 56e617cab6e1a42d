package events

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/registry"
)

// fifoSuffix ends the name of every FIFO queue and of no other.
const fifoSuffix = ".fifo"

// laterTargets are the kinds of targets that are known and refused, by the service of
// their ARN.
var laterTargets = []struct{ service, name string }{
	{"lambda", "Lambda functions"}, {"kinesis", "Kinesis streams"},
	{"firehose", "Firehose streams"}, {"logs", "CloudWatch log groups"}, {"states", "Step Functions state machines"},
	{"", "All others"},
}

// putTargets adds targets to a rule, or replaces those of the same ids.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html
func (s *service) putTargets(ctx context.Context, c *protocol.Call, in *putTargetsInput) (*targetsOutput, error) {
	var v problems
	checkCount(&v, "targets", len(in.Targets), maxTargets)
	for i := range in.Targets {
		if i == maxTargets {
			break
		}
		in.Targets[i].check(&v, "targets."+strconv.Itoa(i+1)+".member.")
	}
	b, err := s.ofRule(ctx, c, &v, "rule", in.Rule, in.EventBusName, "events:PutTargets", targetConditions(in.Targets))
	if err != nil {
		return nil, err
	}
	targets := make([]registry.Target, len(in.Targets))
	for i := range in.Targets {
		for j := range i {
			if in.Targets[j].Id == in.Targets[i].Id {
				return nil, invalid("Duplicate target id " + in.Targets[i].Id + ".")
			}
		}
		if targets[i], err = in.Targets[i].definition(c); err != nil {
			return nil, err
		}
	}
	if err := s.buses.PutTargets(ctx, b, in.Rule, targets); err != nil {
		return nil, ruleFailure(err, b, in.Rule)
	}
	return &targetsOutput{FailedEntries: []failedTarget{}}, nil
}

// checkCount checks the length of a list that must have some.
func checkCount(v *problems, member string, n, most int) {
	switch {
	case n == 0:
		v.Add(member, "", "not be null")
	case n > most:
		v.Add(member, strconv.Itoa(n)+" elements", "have length less than or equal to "+strconv.Itoa(most))
	}
}

// check checks a target against the constraints of the model.
func (t *target) check(v *problems, at string) {
	v.Pattern(at+"id", t.Id, 1, maxTargetID, namePattern, ".-")
	v.Length(at+"arn", t.Arn, 1, maxARN)
	optional := func(member, value string, most int) {
		if value != "" {
			v.Length(at+member, value, 0, most)
		}
	}
	optional("roleArn", t.RoleArn, maxARN)
	optional("input", t.Input, maxInput)
	optional("inputPath", t.InputPath, bus.MaxPath)
	if x := t.InputTransformer; x != nil {
		v.Length(at+"inputTransformer.inputTemplate", x.InputTemplate, 1, bus.MaxTemplate)
		if len(x.InputPathsMap) > bus.MaxVariables {
			v.Add(at+"inputTransformer.inputPathsMap", strconv.Itoa(len(x.InputPathsMap))+" entries", "have length less than or equal to "+strconv.Itoa(bus.MaxVariables))
		}
	}
	if p := t.SqsParameters; p != nil {
		optional("sqsParameters.messageGroupId", p.MessageGroupId, maxGroup)
	}
	if t.HttpParameters != nil {
		t.HttpParameters.check(v, at+"httpParameters.")
	}
	if t.DeadLetterConfig != nil {
		checkDeadLetter(v, at+"deadLetterConfig.arn", t.DeadLetterConfig)
	}
	if p := t.RetryPolicy; p != nil {
		v.Range(at+"retryPolicy.maximumRetryAttempts", p.MaximumRetryAttempts, 0, maxRetries)
		v.Range(at+"retryPolicy.maximumEventAgeInSeconds", p.MaximumEventAgeInSeconds, minAge, maxAge)
	}
}

// definition makes a target that can be stored.
func (t *target) definition(c *protocol.Call) (registry.Target, error) {
	d := registry.Target{ID: t.Id, ARN: t.Arn, RoleARN: t.RoleArn, Input: t.Input, InputPath: t.InputPath, HTTP: t.HttpParameters.definition()}
	if err := t.checkARN(c); err != nil {
		return d, err
	}
	given := 0
	for _, is := range []bool{t.Input != "", t.InputPath != "", t.InputTransformer != nil} {
		if is {
			given++
		}
	}
	if given > 1 {
		return d, invalid("Only one of Input, InputPath, or InputTransformer must be provided for target " + t.Id + ".")
	}
	if err := t.checkInput(); err != nil {
		return d, err
	}
	if x := t.InputTransformer; x != nil {
		d.Template, d.Paths = x.InputTemplate, x.InputPathsMap
	}
	if t.SqsParameters != nil {
		d.Group = t.SqsParameters.MessageGroupId
	}
	if t.DeadLetterConfig != nil {
		d.DeadLetterARN = t.DeadLetterConfig.Arn
	}
	if p := t.RetryPolicy; p != nil {
		d.MaxRetries, d.MaxAge = wide(p.MaximumRetryAttempts), wide(p.MaximumEventAgeInSeconds)
	}
	return d, nil
}

func wide(n *int32) *int {
	if n == nil {
		return nil
	}
	w := int(*n)
	return &w
}

func narrow(n *int) *int32 {
	if n == nil {
		return nil
	}
	w := int32(*n)
	return &w
}

// checkARN checks what the target is.
func (t *target) checkARN(c *protocol.Call) error {
	r, ok := registry.ParseARN(t.Arn)
	switch {
	case ok && r.Kind == "api-destination":
		return t.checkDestination(c, r)
	case t.HttpParameters != nil:
		return invalid("HttpParameters are for API destinations: target " + t.Id + " cannot have them.")
	case ok && r.Kind == "queue":
		return t.checkQueue(r.Name)
	case ok && r.Kind == "topic" && strings.HasSuffix(r.Name, fifoSuffix):
		return badParameter("Arn", "FIFO topics cannot be targets of rules: events have no deduplication id.")
	case ok && r.Kind == "topic":
		return nil
	case ok && r.Kind == "bus":
		if t.Input != "" || t.InputPath != "" || t.InputTransformer != nil {
			return invalid("An event bus gets the event as it is: target " + t.Id + " cannot have Input, InputPath or InputTransformer.")
		}
		return nil
	}
	parts := strings.SplitN(t.Arn, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" || parts[2] == "" || parts[2] == "sqs" || parts[2] == "sns" {
		return badParameter("Arn", "Provided Arn is not in correct format.")
	}
	return badParameter("Arn", "Targets of the service "+echo(parts[2])+" are not supported yet; queues, topics, event buses and API destinations are.")
}

// checkQueue checks what the queue of a name needs.
func (t *target) checkQueue(name string) error {
	group := ""
	if t.SqsParameters != nil {
		group = t.SqsParameters.MessageGroupId
	}
	switch {
	case strings.HasSuffix(name, fifoSuffix) && group == "":
		return invalid("Parameter(s) SqsParameters must be specified for target: " + t.Id + ".")
	case !isGroup(group):
		return badParameter("MessageGroupId", "it has letters, digits and punctuation only.")
	}
	return nil
}

// isGroup reports whether s can be a message group, or is none.
func isGroup(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// checkInput checks what the target is to get.
func (t *target) checkInput() error {
	switch {
	case t.Input != "":
		if !json.Valid([]byte(t.Input)) || bad(t.Input) {
			return invalid("JSON syntax error in input for target " + t.Id + ".")
		}
	case t.InputPath != "":
		if _, err := bus.ParsePath(t.InputPath); err != nil {
			return invalid("Invalid InputPath for target " + t.Id + ": " + err.Error() + ".")
		}
	case t.InputTransformer != nil:
		x := t.InputTransformer
		if bad(x.InputTemplate) {
			return invalid("Invalid InputTemplate for target " + t.Id + ": it has a character that a message cannot contain.")
		}
		_, err := bus.ParseTemplate(x.InputTemplate, x.InputPathsMap)
		var wrong *bus.TemplateError
		if errors.As(err, &wrong) {
			return invalid("Invalid InputTemplate for target " + t.Id + ": " + wrong.Reason + ".")
		}
		return err
	}
	return nil
}

// removeTargets takes targets away.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_RemoveTargets.html
func (s *service) removeTargets(ctx context.Context, c *protocol.Call, in *removeTargetsInput) (*targetsOutput, error) {
	var v problems
	checkCount(&v, "ids", len(in.Ids), maxTargets)
	b, err := s.ofRule(ctx, c, &v, "rule", in.Rule, in.EventBusName, "events:RemoveTargets", nil)
	if err != nil {
		return nil, err
	}
	missing, err := s.buses.RemoveTargets(ctx, b, in.Rule, in.Ids)
	if err != nil {
		return nil, ruleFailure(err, b, in.Rule)
	}
	out := &targetsOutput{FailedEntryCount: int32(len(missing)), FailedEntries: []failedTarget{}}
	for _, id := range missing {
		out.FailedEntries = append(out.FailedEntries, failedTarget{echo(id), "ResourceNotFoundException",
			"Rule " + in.Rule + " does not have a target with the Id " + echo(id) + "."})
	}
	return out, nil
}

func (s *service) listTargetsByRule(ctx context.Context, c *protocol.Call, in *listTargetsInput) (*listTargetsOutput, error) {
	var v problems
	l, err := s.list(ctx, &v, c, in.Limit, in.NextToken, in.EventBusName, in.Rule)
	if err != nil {
		return nil, err
	}
	_, r, err := s.rule(ctx, c, &v, "rule", in.Rule, in.EventBusName, "events:ListTargetsByRule")
	if err != nil {
		return nil, err
	}
	out := &listTargetsOutput{Targets: []target{}}
	for i := range r.Targets {
		t := &r.Targets[i]
		if t.ID <= l.after {
			continue
		}
		if len(out.Targets) == l.limit {
			out.NextToken, err = s.next(ctx, l, true, out.Targets[l.limit-1].Id)
			break
		}
		out.Targets = append(out.Targets, shownTarget(t))
	}
	return out, err
}

func shownTarget(t *registry.Target) target {
	shown := target{
		Id: t.ID, Arn: t.ARN, RoleArn: t.RoleARN, Input: t.Input, InputPath: t.InputPath, DeadLetterConfig: shownDeadLetter(t.DeadLetterARN),
		HttpParameters: shownHTTP(t.HTTP),
	}
	if t.Template != "" {
		shown.InputTransformer = &inputTransformer{t.Paths, t.Template}
	}
	if t.Group != "" {
		shown.SqsParameters = &sqsParameters{t.Group}
	}
	if t.MaxRetries != nil || t.MaxAge != nil {
		shown.RetryPolicy = &retryPolicy{narrow(t.MaxRetries), narrow(t.MaxAge)}
	}
	return shown
}
