package scheduler

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/schedule"
	"github.com/waystation/waystation/internal/scheduler"
)

// States and other words of schedules.
const (
	enabled     = "ENABLED"
	disabled    = "DISABLED"
	windowOff   = "OFF"
	windowOn    = "FLEXIBLE"
	afterNone   = "NONE"
	afterDelete = "DELETE"
	defaultZone = "UTC"
)

// groupName is the name of a schedule's group.
func groupName(given string) string {
	if given == "" {
		return registry.DefaultScheduleGroup
	}
	return given
}

// names checks the names of a schedule and its group.
func names(v *problems, name, group string) named {
	checkName(v, "name", name)
	if group != "" {
		checkName(v, "groupName", group)
	}
	return named{name, groupName(group)}
}

// check checks what a schedule is to be against the constraints of the model.
func (in *scheduleInput) check(v *problems) {
	checkToken(v, in.ClientToken)
	optional := func(member, value string, most int) {
		if value != "" {
			v.Length(member, value, 0, most)
		}
	}
	optional("description", in.Description, maxDescription)
	v.Length("scheduleExpression", in.ScheduleExpression, 1, maxExpression)
	optional("scheduleExpressionTimezone", in.ScheduleExpressionTimezone, maxZone)
	v.Enum("state", in.State, enabled, disabled)
	v.Enum("actionAfterCompletion", in.ActionAfterCompletion, afterNone, afterDelete)
	if in.KmsKeyArn != "" && (len(in.KmsKeyArn) > maxKey || !keyForm.MatchString(in.KmsKeyArn)) {
		v.Add("kmsKeyArn", in.KmsKeyArn, "satisfy regular expression pattern: "+keyForm.String())
	}
	if w := in.FlexibleTimeWindow; w == nil {
		v.Add("flexibleTimeWindow", "", "not be null")
	} else {
		if w.Mode == "" {
			v.Add("flexibleTimeWindow.mode", "", "not be null")
		}
		v.Enum("flexibleTimeWindow.mode", w.Mode, windowOff, windowOn)
		v.Range("flexibleTimeWindow.maximumWindowInMinutes", w.MaximumWindowInMinutes, 1, maxWindow)
	}
	if in.Target == nil {
		v.Add("target", "", "not be null")
	} else {
		in.Target.check(v)
	}
}

// definition makes a schedule that can be stored.
func (in *scheduleInput) definition(c *protocol.Call, action string) (x scheduler.Schedule, err error) {
	x = scheduler.Schedule{
		Name: in.Name, Description: in.Description, Expression: in.ScheduleExpression, Zone: in.ScheduleExpressionTimezone,
		Disabled: in.State == disabled, DeleteAfter: in.ActionAfterCompletion == afterDelete, KMSKey: in.KmsKeyArn, Token: in.ClientToken,
	}
	zone, err := schedule.Zone(in.ScheduleExpressionTimezone)
	if err != nil {
		return x, invalid("Invalid ScheduleExpressionTimezone: " + err.Error() + ".")
	}
	if _, err := schedule.Parse(in.ScheduleExpression, zone); err != nil {
		return x, invalid("Invalid Schedule Expression " + echo(in.ScheduleExpression) + ": " + err.Error() + ".")
	}
	switch w := in.FlexibleTimeWindow; {
	case w.Mode == windowOn && w.MaximumWindowInMinutes == nil:
		return x, invalid("MaximumWindowInMinutes is required for a flexible time window of mode FLEXIBLE.")
	case w.Mode == windowOff && w.MaximumWindowInMinutes != nil:
		return x, invalid("MaximumWindowInMinutes goes with a flexible time window of mode FLEXIBLE only.")
	case w.Mode == windowOn:
		x.Window = int(*w.MaximumWindowInMinutes)
	}
	if !in.StartDate.IsZero() {
		x.Start = in.StartDate.UnixMilli()
	}
	if !in.EndDate.IsZero() {
		x.End = in.EndDate.UnixMilli()
	}
	if x.Start != 0 && x.End != 0 && x.End <= x.Start {
		return x, invalid("The EndDate you specify must come after the StartDate.")
	}
	if x.Target, err = in.Target.definition(c); err != nil {
		return x, err
	}
	// Without the token: what is asked for.
	asked := *in
	asked.ClientToken = ""
	text, err := json.Marshal(struct {
		Action string
		In     scheduleInput
	}{action, asked})
	if err != nil {
		return x, err
	}
	sum := sha256.Sum256(text)
	x.Digest = sum[:16]
	return x, nil
}

// checkStart checks a start that is new.
func (s *service) checkStart(start int64) error {
	if start != 0 && time.UnixMilli(start).Before(s.now().Add(-5*time.Minute)) {
		return invalid("The StartDate you specify cannot be earlier than 5 minutes ago.")
	}
	return nil
}

// prepare checks what a schedule is to be, and that the caller may do action.
func (s *service) prepare(ctx context.Context, c *protocol.Call, in *scheduleInput, action string) (x scheduler.Schedule, g *registry.ScheduleGroup, n named, err error) {
	var v problems
	n = names(&v, in.Name, in.GroupName)
	in.check(&v)
	if err := v.error(); err != nil {
		return x, nil, n, err
	}
	if err := s.allow(c, action, scheduleARN(c, n.group, in.Name)); err != nil {
		return x, nil, n, err
	}
	if x, err = in.definition(c, action); err != nil {
		return x, nil, n, err
	}
	if err := s.passRole(c, x.Target.RoleARN); err != nil {
		return x, nil, n, err
	}
	g, err = s.scheduler.Group(ctx, c.Account, c.Region, n.group)
	return x, g, n, n.failure(err)
}

// createSchedule makes a schedule.
// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
func (s *service) createSchedule(ctx context.Context, c *protocol.Call, in *scheduleInput) (*scheduleOutput, error) {
	x, g, n, err := s.prepare(ctx, c, in, "scheduler:CreateSchedule")
	if err != nil {
		return nil, err
	}
	if err := s.checkStart(x.Start); err != nil {
		return nil, err
	}
	if err := s.scheduler.Create(ctx, g, x); err != nil {
		return nil, n.failure(err)
	}
	return &scheduleOutput{g.ScheduleARN(in.Name)}, nil
}

// updateSchedule puts another definition in the place of a schedule's.
// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_UpdateSchedule.html
func (s *service) updateSchedule(ctx context.Context, c *protocol.Call, in *scheduleInput) (*scheduleOutput, error) {
	x, g, n, err := s.prepare(ctx, c, in, "scheduler:UpdateSchedule")
	if err != nil {
		return nil, err
	}
	err = s.scheduler.Update(ctx, g, x, func(old *scheduler.Schedule) error {
		if old.Start == x.Start {
			return nil
		}
		return s.checkStart(x.Start)
	})
	if err != nil {
		return nil, n.failure(err)
	}
	return &scheduleOutput{g.ScheduleARN(in.Name)}, nil
}

// deleteSchedule removes a schedule.
// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_DeleteSchedule.html
func (s *service) deleteSchedule(ctx context.Context, c *protocol.Call, in *deleteScheduleInput) (*protocol.Empty, error) {
	var v problems
	checkToken(&v, in.ClientToken)
	n := names(&v, in.Name, in.GroupName)
	g, err := s.groupOf(ctx, c, &v, n, "scheduler:DeleteSchedule")
	if err != nil {
		return nil, err
	}
	return nil, n.failure(s.scheduler.Delete(ctx, g, in.Name))
}

// groupOf is the group of a schedule on which the caller may do action.
func (s *service) groupOf(ctx context.Context, c *protocol.Call, v *problems, n named, action string) (*registry.ScheduleGroup, error) {
	if err := v.error(); err != nil {
		return nil, err
	}
	if err := s.allow(c, action, scheduleARN(c, n.group, n.schedule)); err != nil {
		return nil, err
	}
	g, err := s.scheduler.Group(ctx, c.Account, c.Region, n.group)
	return g, n.failure(err)
}

func (s *service) getSchedule(ctx context.Context, c *protocol.Call, in *getScheduleInput) (*getScheduleOutput, error) {
	var v problems
	n := names(&v, in.Name, in.GroupName)
	g, err := s.groupOf(ctx, c, &v, n, "scheduler:GetSchedule")
	if err != nil {
		return nil, err
	}
	x, err := s.scheduler.Get(ctx, g, in.Name)
	if err != nil {
		return nil, n.failure(err)
	}
	out := &getScheduleOutput{
		Arn: g.ScheduleARN(x.Name), Name: x.Name, GroupName: g.Name, Description: x.Description, ScheduleExpression: x.Expression,
		ScheduleExpressionTimezone: x.Zone, StartDate: date(x.Start), EndDate: date(x.End), State: state(x), KmsKeyArn: x.KMSKey,
		ActionAfterCompletion: afterNone, FlexibleTimeWindow: &flexibleTimeWindow{Mode: windowOff}, Target: shown(&x.Target),
		CreationDate: date(x.Created), LastModificationDate: date(x.Modified),
	}
	if out.ScheduleExpressionTimezone == "" {
		out.ScheduleExpressionTimezone = defaultZone
	}
	if x.DeleteAfter {
		out.ActionAfterCompletion = afterDelete
	}
	if x.Window != 0 {
		minutes := int32(x.Window)
		out.FlexibleTimeWindow = &flexibleTimeWindow{windowOn, &minutes}
	}
	return out, nil
}

// date is a stored time in milliseconds; 0: none.
func date(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func state(x *scheduler.Schedule) string {
	if x.Disabled {
		return disabled
	}
	return enabled
}

// listSchedules lists those of a group, or of all.
// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_ListSchedules.html
func (s *service) listSchedules(ctx context.Context, c *protocol.Call, in *listSchedulesInput) (*listSchedulesOutput, error) {
	var v problems
	for _, given := range []struct{ member, name string }{{"groupName", in.GroupName}, {"namePrefix", in.NamePrefix}} {
		if given.name != "" {
			checkName(&v, given.member, given.name)
		}
	}
	v.Enum("state", in.State, enabled, disabled)
	l, err := s.list(ctx, &v, c, in.MaxResults, in.NextToken, in.GroupName, in.NamePrefix, in.State)
	if err != nil {
		return nil, err
	}
	at, err := position(l.after)
	if err != nil {
		return nil, named{}.failure(err)
	}
	if err := s.allow(c, "scheduler:ListSchedules", scheduleARN(c, "*", "*")); err != nil {
		return nil, err
	}
	list, at, more, err := s.scheduler.List(ctx, c.Account, c.Region, in.GroupName, at, l.limit, func(x *scheduler.Schedule) bool {
		return strings.HasPrefix(x.Name, in.NamePrefix) && (in.State == "" || in.State == state(x))
	})
	if err != nil {
		return nil, named{group: in.GroupName}.failure(err)
	}
	out := &listSchedulesOutput{Schedules: make([]scheduleSummary, len(list))}
	for i, x := range list {
		out.Schedules[i] = scheduleSummary{
			Arn: x.Group.ScheduleARN(x.Name), Name: x.Name, GroupName: x.Group.Name, State: state(x.Schedule),
			Target: &targetSummary{x.Target.ARN}, CreationDate: date(x.Created), LastModificationDate: date(x.Modified),
		}
	}
	out.NextToken, err = s.next(ctx, l, more, place(at))
	return out, err
}
