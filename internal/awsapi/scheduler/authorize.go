package scheduler

import (
	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/scheduler"
)

// allow asks whether the caller may do an action on a resource of its account.
func (s *service) allow(c *protocol.Call, action, arn string) error {
	if c.Principal.Anonymous || c.Account == "" {
		return access.ErrMissingToken
	}
	if s.access.Unquestioned(&c.Principal, c.Account, "") {
		return nil
	}
	return s.access.Authorize(access.Query{
		Principal: &c.Principal, Action: action, Resource: arn, Account: c.Account, Context: c.Conditions,
	})
}

// passRole asks whether the caller may give a role to the scheduler.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/security_iam_id-based-policies.html
func (s *service) passRole(c *protocol.Call, role string) error {
	if s.access.Unquestioned(&c.Principal, c.Account, "") {
		return nil
	}
	return s.access.Authorize(access.Query{
		Principal: &c.Principal, Action: "iam:PassRole", Resource: role, Account: c.Account,
		Context: func() access.Context {
			known := c.Conditions()
			known.Set("iam:PassedToService", scheduler.Principal)
			return known
		},
	})
}

// groupARN and scheduleARN are the ARNs of what may not exist.
func groupARN(c *protocol.Call, group string) string {
	g := registry.ScheduleGroup{Meta: registry.Meta{Account: c.Account, Region: c.Region, Name: group}}
	return g.ARN()
}

func scheduleARN(c *protocol.Call, group, name string) string {
	g := registry.ScheduleGroup{Meta: registry.Meta{Account: c.Account, Region: c.Region, Name: group}}
	return g.ScheduleARN(name)
}
