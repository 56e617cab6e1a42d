package access

import (
	"errors"
	"testing"
	"time"
)

const scheduledRole = "arn:aws:iam::123456789012:role/scheduled"

// A service has a role if its trust policy names the service, and may what the role may.
func TestServiceRole(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rolesFile+`
  - role: scheduled
    account: "123456789012"
    trust: {Version: 2012-10-17, Statement: [{Effect: Allow, Principal: {Service: scheduler.amazonaws.com}, Action: "sts:AssumeRole", Condition: {StringEquals: {"aws:SourceAccount": "123456789012"}}}]}
    policy: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: "sqs:SendMessage", Resource: "arn:aws:sqs:*:123456789012:orders"}]}
`)
	of := func(account string) Context { return Context{"aws:SourceAccount": {account}} }
	p, err := d.ServiceRole("scheduler.amazonaws.com", scheduledRole, "s1", of("123456789012"))
	if err != nil || p.ARN != "arn:aws:sts::123456789012:assumed-role/scheduled/s1" || p.Account != "123456789012" {
		t.Fatalf("%+v, %v", p, err)
	}
	for resource, want := range map[string]error{"orders": nil, "others": ErrAccessDenied} {
		err := d.Authorize(Query{Principal: &p, Action: "sqs:SendMessage", Resource: "arn:aws:sqs:eu-west-1:123456789012:" + resource, Account: "123456789012"})
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", resource, err)
		}
	}
	for _, refused := range []struct {
		service, role, account string
	}{
		{"events.amazonaws.com", scheduledRole, "123456789012"},
		{"scheduler.amazonaws.com", scheduledRole, "210987654321"},
		{"scheduler.amazonaws.com", workerRole, "123456789012"}, // trusts an account
		{"scheduler.amazonaws.com", "arn:aws:iam::123456789012:role/nobody", "123456789012"},
	} {
		if p, err := d.ServiceRole(refused.service, refused.role, "s1", of(refused.account)); !errors.Is(err, ErrAccessDenied) || p.ARN != "" {
			t.Errorf("%+v: %+v, %v", refused, p, err)
		}
	}
	if _, err := d.ServiceRole("scheduler.amazonaws.com", "worker", "s1", nil); err == nil {
		t.Error("what is no ARN was taken")
	}
	// In open mode there is any role.
	open := openAccess(t, Config{Now: func() time.Time { return testNow }})
	if p, err := open.ServiceRole("scheduler.amazonaws.com", scheduledRole, "s1", nil); err != nil || p.Policy != nil || p.Account != "123456789012" {
		t.Errorf("%+v, %v", p, err)
	}
}
