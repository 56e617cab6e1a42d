package events

import (
	"fmt"
	"strings"
	"testing"
)

func TestRules(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ctx, c := t.Context(), as(account)
	const pattern = `{"source":["shop"]}`
	out, err := e.putRule(ctx, c, &putRuleInput{Name: "b", EventPattern: pattern, Description: "d", RoleArn: "role", State: disabled, Tags: []tag{{"k", "v"}}})
	if err != nil || out.RuleArn != "arn:aws:events:"+region+":"+account+":rule/b" {
		t.Fatalf("%+v, %v", out, err)
	}
	d, err := e.describeRule(ctx, c, &ruleInput{Name: "b"})
	if want := (describeRuleOutput{"b", out.RuleArn, pattern, "", disabled, "d", "role", "default", account}); err != nil || *d != want {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := e.enableRule(ctx, c, &ruleInput{Name: "b"}); err != nil {
		t.Error(err)
	}
	if d, _ := e.describeRule(ctx, c, &ruleInput{Name: "b"}); d.State != enabled {
		t.Errorf("it is %s", d.State)
	}
	if _, err := e.disableRule(ctx, c, &ruleInput{Name: "b"}); err != nil {
		t.Error(err)
	}
	q := e.queue(t, "q")
	for _, name := range []string{"a", "c", "d"} {
		e.rule(t, "", name, pattern, q)
	}
	_, err = e.putRule(ctx, c, &putRuleInput{Name: "e", EventPattern: pattern})
	wantError(t, err, "LimitExceededException", "The requested resource exceeds the maximum number allowed.")
	var names, byTarget []string
	for token := ""; ; {
		page, err := e.listRules(ctx, c, &listRulesInput{Limit: ptr[int32](3), NextToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Rules {
			names = append(names, r.Name+" "+r.State)
		}
		if token = page.NextToken; token == "" {
			break
		}
	}
	for token := ""; ; {
		page, err := e.listRuleNamesByTarget(ctx, c, &listRuleNamesByTargetInput{TargetArn: q.ARN(), Limit: ptr[int32](2), NextToken: token})
		if err != nil {
			t.Fatal(err)
		}
		byTarget = append(byTarget, page.RuleNames...)
		if token = page.NextToken; token == "" {
			break
		}
	}
	if fmt.Sprint(names) != "[a ENABLED b DISABLED c ENABLED d ENABLED]" || fmt.Sprint(byTarget) != "[a c d]" {
		t.Errorf("rules %v, of the queue %v", names, byTarget)
	}
	_, err = e.deleteRule(ctx, c, &deleteRuleInput{Name: "a"})
	wantError(t, err, "ValidationException", "Rule can't be deleted since it has targets.")
	removed, err := e.removeTargets(ctx, c, &removeTargetsInput{Rule: "a", Ids: []string{"q", "none"}})
	if err != nil || removed.FailedEntryCount != 1 || removed.FailedEntries[0].TargetId != "none" {
		t.Errorf("%+v, %v", removed, err)
	}
	for range 2 {
		if _, err := e.deleteRule(ctx, c, &deleteRuleInput{Name: "a"}); err != nil {
			t.Error(err)
		}
	}
	_, err = e.describeRule(ctx, c, &ruleInput{Name: "a"})
	wantError(t, err, "ResourceNotFoundException", "Rule a does not exist on EventBus default.")
	_, err = e.enableRule(ctx, c, &ruleInput{Name: "a", EventBusName: "none"})
	wantError(t, err, "ResourceNotFoundException", "Event bus none does not exist.")
}

func TestBadRules(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ctx, c := t.Context(), as(account)
	if _, err := e.createEventBus(ctx, c, &createEventBusInput{Name: "orders"}); err != nil {
		t.Fatal(err)
	}
	const pattern = `{"source":["shop"]}`
	for _, tt := range []struct {
		in            putRuleInput
		code, message string
	}{
		{putRuleInput{EventPattern: pattern}, "ValidationException", "1 validation error detected: Value null at 'name'…"},
		{putRuleInput{Name: "a b", State: "ON", EventPattern: pattern}, "ValidationException", "2 validation errors detected: Value 'ON' at 'state' failed…"},
		{putRuleInput{Name: "r"}, "ValidationException", "Parameter(s) EventPattern or ScheduleExpression must be specified."},
		{putRuleInput{Name: "r", EventPattern: `{"source":"shop"}`}, "InvalidEventPatternException", "Event pattern is not valid. Reason: …"},
		{putRuleInput{Name: "r", EventPattern: strings.Repeat(" ", 4097)}, "ValidationException", "1 validation error…"},
		{putRuleInput{Name: "r", ScheduleExpression: "rate(5 minute)"}, "ValidationException", "Parameter ScheduleExpression is not valid. Reason: …"},
		{putRuleInput{Name: "r", ScheduleExpression: "at(2030-01-31T08:00:00)"}, "ValidationException", "Parameter ScheduleExpression is not valid. Reason: rules take rate and cron expressions."},
		{putRuleInput{Name: "r", ScheduleExpression: "rate(5 minutes)", EventBusName: "orders"}, "ValidationException", "ScheduleExpression is supported only on the default event bus."},
		{putRuleInput{Name: "r", EventPattern: pattern, State: enabledCloudTrail}, "ValidationException", "Parameter State is not valid…"},
		{putRuleInput{Name: "r", EventPattern: pattern, EventBusName: "none"}, "ResourceNotFoundException", "Event bus none does not exist."},
		{putRuleInput{Name: "r", EventPattern: pattern, Tags: []tag{{"", ""}}}, "ValidationException", "Parameter Tags is not valid…"},
	} {
		_, err := e.putRule(ctx, c, &tt.in)
		wantError(t, err, tt.code, tt.message)
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ctx, c := t.Context(), as(account)
	e.rule(t, "", "r", `{"source":["shop"]}`, nil)
	arn := "arn:aws:sqs:" + region + ":" + account + ":q"
	given := []target{
		{Id: "a", Arn: arn, RoleArn: "role", Input: `{"a":1}`, DeadLetterConfig: &deadLetterConfig{arn}, RetryPolicy: &retryPolicy{ptr[int32](0), ptr[int32](60)}},
		{Id: "b", Arn: arn, InputPath: "$.detail"},
		{Id: "c", Arn: arn + ".fifo", InputTransformer: &inputTransformer{map[string]string{"x": "$.id"}, `"<x>"`}, SqsParameters: &sqsParameters{"g"}},
	}
	out, err := e.putTargets(ctx, c, &putTargetsInput{Rule: "r", Targets: given})
	if err != nil || out.FailedEntryCount != 0 || out.FailedEntries == nil {
		t.Fatalf("%+v, %v", out, err)
	}
	first, err := e.listTargetsByRule(ctx, c, &listTargetsInput{Rule: "r", Limit: ptr[int32](2)})
	if err != nil || len(first.Targets) != 2 {
		t.Fatalf("%+v, %v", first, err)
	}
	second, err := e.listTargetsByRule(ctx, c, &listTargetsInput{Rule: "r", NextToken: first.NextToken})
	if err != nil || second.NextToken != "" {
		t.Fatalf("%+v, %v", second, err)
	}
	all := append(first.Targets, second.Targets...)
	if a := all[0]; len(all) != 3 || a.Input != `{"a":1}` || *a.RetryPolicy.MaximumRetryAttempts != 0 || *a.RetryPolicy.MaximumEventAgeInSeconds != 60 || a.DeadLetterConfig.Arn != arn ||
		all[1].InputPath != "$.detail" || all[2].InputTransformer.InputPathsMap["x"] != "$.id" || all[2].SqsParameters.MessageGroupId != "g" {
		t.Errorf("%+v", all)
	}
	more := []target{{Id: "d", Arn: arn}, {Id: "e", Arn: arn}, {Id: "f", Arn: arn}}
	_, err = e.putTargets(ctx, c, &putTargetsInput{Rule: "r", Targets: more})
	wantError(t, err, "LimitExceededException", "The requested resource exceeds the maximum number allowed.")
	_, err = e.putTargets(ctx, c, &putTargetsInput{Rule: "none", Targets: more[:1]})
	wantError(t, err, "ResourceNotFoundException", "Rule none does not exist on EventBus default.")
	_, err = e.putTargets(ctx, c, &putTargetsInput{Rule: "r", Targets: make([]target, 101)})
	wantError(t, err, "ValidationException", "201 validation errors detected: Value '101 elements' at 'targets'…")
	_, err = e.removeTargets(ctx, c, &removeTargetsInput{Rule: "r"})
	wantError(t, err, "ValidationException", "1 validation error detected: Value null at 'ids'…")
	for _, tt := range []struct {
		t       target
		message string
	}{
		{target{Id: "a", Arn: "arn:aws:lambda:r:123456789012:function:f"}, "Parameter Arn is not valid. Reason: Targets of the service lambda are not supported yet; queues, topics, event buses and API destinations are."},
		{target{Id: "a", Arn: "arn:aws:sns:eu-west-1:123456789012:news.fifo"}, "Parameter Arn is not valid. Reason: FIFO topics cannot be targets of rules: events have no deduplication id."},
		{target{Id: "a", Arn: "arn:aws:sns:eu-west-1:123456789012"}, "Parameter Arn is not valid. Reason: Provided Arn is not in correct format."},
		{target{Id: "a", Arn: "arn:aws:events:eu-west-1:123456789012:event-bus/b", InputPath: "$.detail"}, "An event bus gets the event as it is: target a cannot have Input, InputPath or InputTransformer."},
		{target{Id: "a", Arn: "q"}, "Parameter Arn is not valid. Reason: Provided Arn is not in correct format."},
		{target{Id: "a", Arn: "arn:aws:sqs:r:1:a/b:c"}, "Parameter Arn is not valid. Reason: Provided Arn is not in correct format."},
		{target{Id: "a", Arn: arn + ".fifo"}, "Parameter(s) SqsParameters must be specified for target: a."},
		{target{Id: "a", Arn: arn, SqsParameters: &sqsParameters{"a b"}}, "Parameter MessageGroupId is not valid…"},
		{target{Id: "a", Arn: arn, Input: "{"}, "JSON syntax error in input for target a."},
		{target{Id: "a", Arn: arn, Input: "{}", InputPath: "$"}, "Only one of Input, InputPath, or InputTransformer must be provided for target a."},
		{target{Id: "a", Arn: arn, InputPath: "detail"}, "Invalid InputPath for target a: it must begin with $."},
		{target{Id: "a", Arn: arn, InputTransformer: &inputTransformer{nil, "<x>"}}, "Invalid InputTemplate for target a: the template has the placeholder x, which is no variable."},
		{target{Id: "a", Arn: arn, InputTransformer: &inputTransformer{}}, "1 validation error detected: Value null at 'targets.1.member.inputTransformer.inputTemplate'…"},
		{target{Id: "a b", Arn: arn}, "1 validation error detected: Value 'a b' at 'targets.1.member.id'…"},
		{target{Id: "a", Arn: arn, RetryPolicy: &retryPolicy{ptr[int32](186), ptr[int32](59)}}, "2 validation errors detected: …"},
		{target{Id: "a", Arn: arn, DeadLetterConfig: &deadLetterConfig{arn + ".fifo"}}, "1 validation error detected: …"},
	} {
		_, err := e.putTargets(ctx, c, &putTargetsInput{Rule: "r", Targets: []target{tt.t}})
		wantError(t, err, "ValidationException", tt.message)
	}
	_, err = e.putTargets(ctx, c, &putTargetsInput{Rule: "r", Targets: []target{more[0], more[0]}})
	wantError(t, err, "ValidationException", "Duplicate target id d.")
}

// A rule of the default bus may have a schedule, with a pattern or without one; what it is
// put with takes the place of what it was.
func TestRulesWithSchedules(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ctx, c := t.Context(), as(account)
	const pattern = `{"source":["shop"]}`
	for _, in := range []putRuleInput{
		{Name: "r", ScheduleExpression: "rate(5 minutes)"},
		{Name: "r", ScheduleExpression: "cron(0 9 ? * MON-FRI *)", EventPattern: pattern},
		{Name: "r", EventPattern: pattern},
	} {
		if _, err := e.putRule(ctx, c, &in); err != nil {
			t.Fatal(err)
		}
		d, err := e.describeRule(ctx, c, &ruleInput{Name: "r"})
		if err != nil || d.ScheduleExpression != in.ScheduleExpression || d.EventPattern != in.EventPattern {
			t.Errorf("%+v, %v", d, err)
		}
		l, err := e.listRules(ctx, c, &listRulesInput{})
		if err != nil || len(l.Rules) != 1 || l.Rules[0].ScheduleExpression != in.ScheduleExpression || l.Rules[0].EventPattern != in.EventPattern {
			t.Errorf("%+v, %v", l, err)
		}
	}
}
