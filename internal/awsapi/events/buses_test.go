package events

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
)

func TestBuses(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ctx, c := t.Context(), as(account)
	made, err := e.createEventBus(ctx, c, &createEventBusInput{
		Name: "orders", Description: "d", KmsKeyIdentifier: "key", DeadLetterConfig: &deadLetterConfig{"arn:aws:sqs:" + region + ":" + account + ":dead"},
		LogConfig: &logConfig{"FULL", "INFO"}, Tags: []tag{{"team", "a"}},
	})
	if err != nil || made.EventBusArn != "arn:aws:events:"+region+":"+account+":event-bus/orders" || made.LogConfig.Level != "INFO" {
		t.Fatalf("%+v, %v", made, err)
	}
	_, err = e.createEventBus(ctx, c, &createEventBusInput{Name: "orders"})
	wantError(t, err, "ResourceAlreadyExistsException", "Event bus orders already exists.")
	_, err = e.createEventBus(ctx, c, &createEventBusInput{Name: "default"})
	wantError(t, err, "ResourceAlreadyExistsException", "Event bus default already exists.")
	for _, name := range []string{"orders", made.EventBusArn} {
		d, err := e.describeEventBus(ctx, c, &eventBusInput{name})
		if err != nil || d.Arn != made.EventBusArn || d.Description != "d" || d.KmsKeyIdentifier != "key" || d.DeadLetterConfig == nil || d.LogConfig.IncludeDetail != "FULL" || d.CreationTime.IsZero() {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	d, err := e.describeEventBus(ctx, c, &eventBusInput{})
	if err != nil || d.Name != "default" || d.Arn != "arn:aws:events:"+region+":"+account+":event-bus/default" || !d.CreationTime.IsZero() {
		t.Errorf("the default bus: %+v, %v", d, err)
	}
	up, err := e.updateEventBus(ctx, c, &updateEventBusInput{Description: "mine"})
	if err != nil || up.Name != "default" || up.Description != "mine" {
		t.Errorf("%+v, %v", up, err)
	}
	up, err = e.updateEventBus(ctx, c, &updateEventBusInput{Name: "orders"})
	if err != nil || up.Description != "" || up.DeadLetterConfig != nil || up.LogConfig != nil {
		t.Errorf("%+v, %v", up, err)
	}
	var names []string
	for token := ""; ; {
		page, err := e.listEventBuses(ctx, c, &listEventBusesInput{Limit: ptr[int32](1), NextToken: token})
		if err != nil || len(page.EventBuses) != 1 {
			t.Fatalf("%+v, %v", page, err)
		}
		names = append(names, page.EventBuses[0].Name)
		if token = page.NextToken; token == "" {
			break
		}
		_, err = e.listEventBuses(ctx, c, &listEventBusesInput{NamePrefix: "o", NextToken: token})
		wantError(t, err, "ValidationException", "Parameter NextToken is not valid…")
	}
	if fmt.Sprint(names) != "[default orders]" {
		t.Errorf("buses %v", names)
	}
	e.rule(t, "orders", "r", `{"source":["a"]}`, nil)
	_, err = e.deleteEventBus(ctx, c, &eventBusInput{"orders"})
	wantError(t, err, "ValidationException", "Cannot delete event bus orders: it has rules…")
	_, err = e.deleteEventBus(ctx, c, &eventBusInput{"default"})
	wantError(t, err, "ValidationException", "Cannot delete event bus default.")
	if _, err = e.deleteRule(ctx, c, &deleteRuleInput{Name: "r", EventBusName: "orders"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := e.deleteEventBus(ctx, c, &eventBusInput{"orders"}); err != nil {
			t.Error(err)
		}
	}
	_, err = e.describeEventBus(ctx, c, &eventBusInput{"orders"})
	wantError(t, err, "ResourceNotFoundException", "Event bus orders does not exist.")
}

func TestBadBuses(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ctx, c := t.Context(), as(account)
	const at = "1 validation error detected: Value "
	for _, tt := range []struct {
		in            createEventBusInput
		code, message string
	}{
		{createEventBusInput{}, "ValidationException", at + "null at 'name' failed to satisfy constraint: Member must not be null"},
		{createEventBusInput{Name: "a/b"}, "ValidationException", at + "'a/b' at 'name' failed…"},
		{createEventBusInput{Name: strings.Repeat("a", 257)}, "ValidationException", at + "'…"},
		{createEventBusInput{Name: "a", Description: strings.Repeat("é", 513)}, "ValidationException", at + "'…"},
		{createEventBusInput{Name: "a", KmsKeyIdentifier: "a b"}, "ValidationException", at + "'a b' at 'kmsKeyIdentifier'…"},
		{createEventBusInput{Name: "a", LogConfig: &logConfig{Level: "LOUD"}}, "ValidationException", at + "'LOUD' at 'logConfig.level'…"},
		{createEventBusInput{Name: "a", DeadLetterConfig: &deadLetterConfig{"arn:aws:sns:r:1:t"}}, "ValidationException", at + "'arn:aws:sns:r:1:t' at 'deadLetterConfig.arn'…"},
		{createEventBusInput{Name: "a", EventSourceName: "aws.partner/a/b"}, "ValidationException", "Parameter EventSourceName is not valid. Reason: partner event sources are not supported yet."},
		{createEventBusInput{Name: "a", Tags: []tag{{"k", ""}, {"k", ""}}}, "ValidationException", at + "'k' at 'tags'…"},
		{createEventBusInput{Name: "a", Tags: []tag{{"aws:k", ""}}}, "ValidationException", "Parameter Tags is not valid…"},
	} {
		_, err := e.createEventBus(ctx, c, &tt.in)
		wantError(t, err, tt.code, tt.message)
	}
	_, err := e.updateEventBus(ctx, c, &updateEventBusInput{Name: "none"})
	wantError(t, err, "ResourceNotFoundException", "Event bus none does not exist.")
	for _, name := range []string{"arn:aws:sqs:r:123456789012:q", "arn:aws:events:r:123456789012:rule/a", "arn:x"} {
		_, err := e.describeEventBus(ctx, c, &eventBusInput{name})
		wantError(t, err, "ValidationException", at+"'"+name+"' at 'name'…")
	}
}

// Other accounts put events as far as the bus's policy lets them, and only that.
func TestPermissions(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ctx, c := t.Context(), as(account)
	q := e.queue(t, "q")
	e.rule(t, "", "r", `{"source":["shop"]}`, q)
	arn := own(c, "default").ARN()
	entry := eventEntry{Source: "shop", DetailType: "paid", Detail: "{}", EventBusName: arn}
	put := func(who string) error {
		out, err := e.putEvents(ctx, as(who), &putEventsInput{Entries: []eventEntry{entry}})
		if err == nil && out.FailedEntryCount > 0 {
			t.Errorf("%+v", out)
		}
		return err
	}
	give := func(in putPermissionInput, code, message string) {
		t.Helper()
		_, err := e.putPermission(ctx, c, &in)
		wantError(t, err, code, message)
	}
	wantError(t, put(other), "AccessDenied", "User: arn:aws:iam::"+other+":root is not authorized…")
	give(putPermissionInput{Action: "events:PutEvents", Principal: other, StatementId: "one"}, "", "")
	if err := put(other); err != nil {
		t.Errorf("who may: %v", err)
	}
	if got := e.bodies(t, q); len(got) != 1 || !strings.Contains(got[0], `"account":"`+other+`"`) {
		t.Errorf("the queue has %q", got)
	}
	_, err := e.describeEventBus(ctx, as(other), &eventBusInput{arn})
	wantError(t, err, "AccessDenied", "User: …")
	_, err = e.putRule(ctx, as(other), &putRuleInput{Name: "r", EventBusName: arn, EventPattern: `{"source":["a"]}`})
	wantError(t, err, "AccessDenied", "User: …")
	// The statement of that id is replaced.
	give(putPermissionInput{Action: "events:PutEvents", Principal: "111111111111", StatementId: "one"}, "", "")
	wantError(t, put(other), "AccessDenied", "User: …")
	give(putPermissionInput{Action: "events:PutEvents", Principal: "*", StatementId: "all"}, "", "")
	if err := put(other); err != nil {
		t.Errorf("everyone may: %v", err)
	}
	remove := func(in removePermissionInput, code, message string) {
		t.Helper()
		_, err := e.removePermission(ctx, c, &in)
		wantError(t, err, code, message)
	}
	remove(removePermissionInput{StatementId: "none"}, "ResourceNotFoundException", "Statement with the provided id does not exist.")
	remove(removePermissionInput{StatementId: "all"}, "", "")
	wantError(t, put(other), "AccessDenied", "User: …")
	remove(removePermissionInput{RemoveAllPermissions: true}, "", "")
	remove(removePermissionInput{StatementId: "one"}, "ResourceNotFoundException", "EventBus does not have a policy.")
	// A whole policy, with what it may ask for.
	policy := `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"events:PutEvents","Resource":"` + arn + `","Condition":{"StringEquals":{"events:source":"shop"}}}]}`
	give(putPermissionInput{Policy: policy}, "", "")
	d, err := e.describeEventBus(ctx, c, &eventBusInput{})
	if err != nil || d.Policy != policy {
		t.Errorf("%+v, %v", d, err)
	}
	if err := put(other); err != nil {
		t.Errorf("its source may: %v", err)
	}
	give(putPermissionInput{Policy: "{"}, "ValidationException", "Parameter Policy is not valid…")
	give(putPermissionInput{Policy: `{"Statement":[` + strings.Repeat(" ", 11_000) + `]}`}, "PolicyLengthExceededException", "The event bus policy is too long…")
	give(putPermissionInput{Policy: policy, StatementId: "a"}, "ValidationException", "Give a Policy…")
	give(putPermissionInput{Action: "events:PutRule", Principal: other, StatementId: "a"}, "ValidationException", "Parameter Action is not valid…")
	give(putPermissionInput{Action: "events:PutEvents", Principal: "me", StatementId: "a"}, "ValidationException", "Parameter Principal is not valid…")
	give(putPermissionInput{Action: "events:PutEvents", Principal: other}, "ValidationException", "Parameter StatementId is not valid…")
	give(putPermissionInput{Action: "events:PutEvents", Principal: other, StatementId: "a", Condition: &condition{}}, "ValidationException", "Parameter Condition is not valid…")
	give(putPermissionInput{EventBusName: "none", Policy: policy}, "ResourceNotFoundException", "Event bus none does not exist.")
}

// Policies can ask for the source and the type of events, and for the targets of rules.
func TestConditions(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ctx, c := t.Context(), as(account)
	q := e.queue(t, "q")
	e.rule(t, "", "r", `{"source":["shop"]}`, nil)
	arn := own(c, "default").ARN()
	for _, tt := range []struct{ key, value string }{{"events:source", "shop"}, {"events:detail-type", "paid"}, {"events:TargetArn", q.ARN()}} {
		for _, value := range []string{tt.value, "another"} {
			policy := `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"events:*","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"` + tt.key + `":"` + value + `"}}}]}`
			if _, err := e.putPermission(ctx, c, &putPermissionInput{Policy: policy}); err != nil {
				t.Fatal(err)
			}
			var err error
			if tt.key == "events:TargetArn" {
				_, err = e.putTargets(ctx, as(other), &putTargetsInput{Rule: "r", EventBusName: arn, Targets: []target{{Id: "a", Arn: q.ARN()}}})
			} else {
				_, err = e.putEvents(ctx, as(other), &putEventsInput{Entries: []eventEntry{{Source: "shop", DetailType: "paid", Detail: "{}", EventBusName: arn}}})
			}
			if (err == nil) != (value == tt.value) {
				t.Errorf("%s %s: %v", tt.key, value, err)
			}
		}
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ctx, c := t.Context(), as(account)
	e.rule(t, "", "r", `{"source":["a"]}`, nil)
	bus := own(c, "default")
	for _, arn := range []string{bus.ARN(), ruleARN(bus, "r")} {
		if _, err := e.tagResource(ctx, c, &tagInput{arn, []tag{{"b", "2"}, {"a", ""}}}); err != nil {
			t.Fatal(err)
		}
		if _, err := e.untagResource(ctx, c, &untagInput{arn, []string{"b", "none"}}); err != nil {
			t.Fatal(err)
		}
		out, err := e.listTags(ctx, c, &resourceInput{arn})
		if err != nil || fmt.Sprint(out.Tags) != "[{a }]" {
			t.Errorf("%s: %v, %v", arn, out, err)
		}
		_, err = e.tagResource(ctx, c, &tagInput{arn, []tag{{"aws:b", ""}}})
		wantError(t, err, "ValidationException", "Parameter Tags is not valid…")
		_, err = e.listTags(ctx, as(other), &resourceInput{arn})
		wantError(t, err, "AccessDenied", "User: …")
		_, err = e.listTags(ctx, c, &resourceInput{arn + "x"})
		if e, ok := err.(*protocol.Error); !ok || e.Code != "ResourceNotFoundException" {
			t.Errorf("%sx: %v", arn, err)
		}
	}
	// The policies are asked about the rule, however its ARN is spelled.
	denies, err := access.ParsePolicy([]byte(`{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},`+
		`{"Effect":"Deny","Action":"events:*","Resource":"`+ruleARN(bus, "r")+`"}]}`), access.Identity)
	if err != nil {
		t.Fatal(err)
	}
	limited := as(account)
	limited.Principal.ARN, limited.Principal.Policy = "arn:aws:iam::"+account+":user/limited", denies
	for _, arn := range []string{ruleARN(bus, "r"), strings.Replace(ruleARN(bus, "r"), "rule/", "rule/default/", 1)} {
		_, err := e.tagResource(ctx, limited, &tagInput{arn, []tag{{"b", "2"}}})
		wantError(t, err, "AccessDenied", "User: …")
	}
	_, err = e.listTags(ctx, c, &resourceInput{"arn:aws:sqs:eu-west-1:123456789012:q"})
	wantError(t, err, "ValidationException", "Parameter ResourceARN is not valid…")
}
