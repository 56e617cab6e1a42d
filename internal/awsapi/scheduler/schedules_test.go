package scheduler

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/scheduler"
)

func TestSchedules(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ctx, c := t.Context(), as(account)
	in := aSchedule("report")
	in.ClientToken, in.Description, in.KmsKeyArn, in.ActionAfterCompletion = "token", "d", "arn:aws:kms:eu-west-1:123456789012:key/k", afterDelete
	in.ScheduleExpressionTimezone, in.StartDate, in.EndDate = "Europe/Paris", time.Now().Add(time.Hour).Truncate(time.Second), time.Now().Add(48*time.Hour).Truncate(time.Second)
	in.FlexibleTimeWindow = &flexibleTimeWindow{windowOn, ptr[int32](15)}
	in.Target = &target{
		Arn: queue + ".fifo", RoleArn: role, Input: "x", DeadLetterConfig: &deadLetterConfig{queue}, SqsParameters: &sqsParameters{"g"},
		RetryPolicy: &retryPolicy{ptr[int32](60), ptr[int32](3)},
	}
	made, err := e.createSchedule(ctx, c, in)
	if err != nil || made.ScheduleArn != "arn:aws:scheduler:eu-west-1:123456789012:schedule/default/report" {
		t.Fatalf("%+v, %v", made, err)
	}
	if again, err := e.createSchedule(ctx, c, in); err != nil || *again != *made {
		t.Errorf("the same request: %+v, %v", again, err)
	}
	got, err := e.getSchedule(ctx, c, &getScheduleInput{Name: "report"})
	if err != nil {
		t.Fatal(err)
	}
	want := &getScheduleOutput{
		Arn: made.ScheduleArn, Name: "report", GroupName: "default", Description: "d", ScheduleExpression: "rate(1 hour)", ScheduleExpressionTimezone: "Europe/Paris",
		StartDate: in.StartDate.UTC(), EndDate: in.EndDate.UTC(), State: disabled, KmsKeyArn: in.KmsKeyArn, ActionAfterCompletion: afterDelete,
		FlexibleTimeWindow: in.FlexibleTimeWindow, Target: in.Target, CreationDate: got.CreationDate, LastModificationDate: got.CreationDate,
	}
	if !reflect.DeepEqual(got, want) || time.Since(got.CreationDate) > time.Hour {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
	changed := *in
	changed.Description = "another"
	_, err = e.createSchedule(ctx, c, &changed)
	wantError(t, err, "ConflictException", "The ClientToken was used for a request with other parameters.")
	changed.ClientToken = "other"
	_, err = e.createSchedule(ctx, c, &changed)
	wantError(t, err, "ConflictException", "Schedule report already exists.")
	// What an update does not say is as if it had not been said before.
	if _, err := e.updateSchedule(ctx, c, aSchedule("report")); err != nil {
		t.Fatal(err)
	}
	if got, err = e.getSchedule(ctx, c, &getScheduleInput{Name: "report"}); err != nil || got.Description != "" || got.ActionAfterCompletion != afterNone ||
		got.ScheduleExpressionTimezone != "UTC" || !got.StartDate.IsZero() || *got.Target.RetryPolicy.MaximumRetryAttempts != 185 ||
		*got.Target.RetryPolicy.MaximumEventAgeInSeconds != 86400 || got.FlexibleTimeWindow.Mode != windowOff {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := e.deleteSchedule(ctx, c, &deleteScheduleInput{Name: "report"}); err != nil {
		t.Error(err)
	}
	for _, err := range []error{
		func() error { _, err := e.getSchedule(ctx, c, &getScheduleInput{Name: "report"}); return err }(),
		func() error { _, err := e.deleteSchedule(ctx, c, &deleteScheduleInput{Name: "report"}); return err }(),
		func() error { _, err := e.updateSchedule(ctx, c, aSchedule("report")); return err }(),
	} {
		wantError(t, err, "ResourceNotFoundException", "Schedule report does not exist.")
	}
	in = aSchedule("report")
	in.GroupName = "none"
	_, err = e.createSchedule(ctx, c, in)
	wantError(t, err, "ResourceNotFoundException", "Schedule group none does not exist.")
}

func TestValidation(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	call := func(name, input string) *target {
		return &target{Arn: scheduler.CallPrefix + name, RoleArn: role, Input: input}
	}
	for _, test := range []struct {
		change  func(*scheduleInput)
		message string
	}{
		{func(in *scheduleInput) { *in = scheduleInput{Name: "a b"} }, "4 validation errors detected: Value 'a b' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[0-9a-zA-Z-_.]+$; Value null at 'scheduleExpression'…"},
		{func(in *scheduleInput) { in.State = "ON" }, "1 validation error detected: Value 'ON' at 'state' failed to satisfy constraint: Member must satisfy enum value set: [ENABLED, DISABLED]"},
		{func(in *scheduleInput) { in.FlexibleTimeWindow.MaximumWindowInMinutes = ptr[int32](1441) }, "1 validation error detected: Value '1441' at 'flexibleTimeWindow.maximumWindowInMinutes'…"},
		{func(in *scheduleInput) { in.FlexibleTimeWindow.MaximumWindowInMinutes = ptr[int32](5) }, "MaximumWindowInMinutes goes with…"},
		{func(in *scheduleInput) { in.FlexibleTimeWindow.Mode = windowOn }, "MaximumWindowInMinutes is required…"},
		{func(in *scheduleInput) { in.Target.RoleArn = "role" }, "1 validation error detected: Value 'role' at 'target.roleArn'…"},
		{func(in *scheduleInput) { in.Target.RoleArn = "arn:aws:iam::210987654321:role/x" }, "The role arn:aws:iam::210987654321:role/x is of another account…"},
		{func(in *scheduleInput) { in.Target.DeadLetterConfig = &deadLetterConfig{queue + ".fifo"} }, "1 validation error detected: Value '" + queue + ".fifo' at 'target.deadLetterConfig.arn'…"},
		{func(in *scheduleInput) { in.Target.RetryPolicy = &retryPolicy{ptr[int32](59), ptr[int32](186)} }, "2 validation errors detected…"},
		{func(in *scheduleInput) { in.KmsKeyArn = "key" }, "1 validation error detected: Value 'key' at 'kmsKeyArn'…"},
		{func(in *scheduleInput) { in.ScheduleExpression = "rate(1 minutes)" }, "Invalid Schedule Expression rate(1 minutes): the unit of a rate is singular…"},
		{func(in *scheduleInput) { in.ScheduleExpressionTimezone = "Mars/Phobos" }, "Invalid ScheduleExpressionTimezone…"},
		{func(in *scheduleInput) { in.StartDate = time.Now().Add(-time.Hour) }, "The StartDate you specify cannot be earlier than 5 minutes ago."},
		{func(in *scheduleInput) {
			in.StartDate, in.EndDate = time.Now().Add(time.Hour), time.Now().Add(time.Hour)
		}, "The EndDate you specify must come after the StartDate."},
		{func(in *scheduleInput) {
			in.Target = call(scheduler.CallPublish, `{"TopicArn":"arn:aws:sns:eu-west-1:123456789012:t","Message":"m","Subject":"a\nTimestamp"}`)
		}, "The Input of the universal target has a Subject…"},
		{func(in *scheduleInput) { in.Target.Arn = "jobs" }, "Provided Arn is not in correct format."},
		{func(in *scheduleInput) { in.Target.Arn = "arn:aws:lambda:eu-west-1:123456789012:function:f" }, "Targets of the service lambda (function) are not supported yet; queues, topics and event buses are."},
		{func(in *scheduleInput) { in.Target.Arn = "arn:aws:states:eu-west-1:123456789012:stateMachine:m" }, "Targets of the service states are not supported yet…"},
		{func(in *scheduleInput) { in.Target.Arn = queue + ".fifo" }, "SqsParameters.MessageGroupId is required for a FIFO queue as the target."},
		{func(in *scheduleInput) { in.Target.Arn = "arn:aws:sns:eu-west-1:123456789012:t.fifo" }, "A FIFO topic needs a MessageGroupId…"},
		{func(in *scheduleInput) { in.Target.Arn = "arn:aws:events:eu-west-1:123456789012:event-bus/default" }, "EventBridgeParameters are required for an event bus as the target."},
		{func(in *scheduleInput) {
			in.Target = &target{Arn: "arn:aws:events:eu-west-1:123456789012:event-bus/default", RoleArn: role, Input: "[]", EventBridgeParameters: &eventBridgeParameters{"t", "s"}}
		}, "The Input of an event bus as the target must be a JSON object."},
		{func(in *scheduleInput) { in.Target.EventBridgeParameters = &eventBridgeParameters{"t", "s"} }, "EventBridgeParameters go with an event bus…"},
		{func(in *scheduleInput) { in.Target.Input = "\x00" }, "The Input of the target has a character…"},
		{func(in *scheduleInput) { in.Target.Input = strings.Repeat("x", scheduler.MaxInput+1) }, "The Input of a target has at most…"},
		{func(in *scheduleInput) { in.Target = call("lambda:invoke", "{}") }, "The universal target arn:aws:scheduler:::aws-sdk:lambda:invoke is not supported yet; eventbridge:putEvents, sns:publish…"},
		{func(in *scheduleInput) { in.Target = call("sqs:sendMessage", "") }, "A universal target needs an Input…"},
		{func(in *scheduleInput) { in.Target = call("sqs:sendMessage", `{"QueueUrl":"q"}`) }, "The Input of the universal target is not valid: MessageBody is missing."},
		{func(in *scheduleInput) {
			in.Target = call("sqs:sendMessage", `{"QueueUrl":"q","MessageBody":"\u0000"}`)
		}, "The Input of the universal target has a message with a character…"},
		{func(in *scheduleInput) {
			in.Target = call("sqs:sendMessage", `{"QueueUrl":"q","MessageBody":"b","MessageGroupId":"a b"}`)
		}, "The Input of the universal target has a MessageGroupId…"},
		{func(in *scheduleInput) {
			in.Target = call("sqs:sendMessage", `{"QueueUrl":"q","MessageBody":"b","MessageAttributes":{"a":{"DataType":"Odd","StringValue":"v"}}}`)
		}, "The Input of the universal target has a message attribute a…"},
		{func(in *scheduleInput) {
			in.Target = call("eventbridge:putEvents", `{"Entries":[{"Source":"s","DetailType":"t","Detail":"{}","EventBusName":"a b"}]}`)
		}, "The Input of the universal target is not valid: an EventBusName…"},
	} {
		in := aSchedule("s")
		test.change(in)
		_, err := e.createSchedule(t.Context(), as(account), in)
		wantError(t, err, "ValidationException", test.message)
	}
	// A context attribute stands for a number, too.
	in := aSchedule("s")
	in.Target = call("sqs:sendMessage", `{"QueueUrl":"q","MessageBody":"<aws.scheduler.execution-id>","DelaySeconds":<aws.scheduler.attempt-number>}`)
	if _, err := e.createSchedule(t.Context(), as(account), in); err != nil {
		t.Error(err)
	}
}

func TestListSchedules(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ctx, c := t.Context(), as(account)
	if _, err := e.createGroup(ctx, c, &createGroupInput{Name: "nightly"}); err != nil {
		t.Fatal(err)
	}
	for i := range 25 {
		in := aSchedule(fmt.Sprintf("s%d", i))
		if i%5 == 0 {
			in.GroupName = "nightly"
		}
		if i%2 == 0 {
			in.State, in.ScheduleExpression = enabled, "rate(100 days)"
			in.StartDate = time.Now().Add(time.Hour)
		}
		if _, err := e.createSchedule(ctx, c, in); err != nil {
			t.Fatal(err)
		}
	}
	walk := func(in listSchedulesInput) map[string]int {
		seen := map[string]int{}
		for {
			out, err := e.listSchedules(ctx, c, &in)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range out.Schedules {
				seen[s.GroupName+"/"+s.Name+" "+s.State+" "+s.Target.Arn]++
			}
			if in.NextToken = out.NextToken; in.NextToken == "" {
				return seen
			}
		}
	}
	for _, test := range []struct {
		in   listSchedulesInput
		want int
	}{
		{listSchedulesInput{MaxResults: ptr[int32](4)}, 25}, {listSchedulesInput{GroupName: "nightly", MaxResults: ptr[int32](1)}, 5}, {listSchedulesInput{GroupName: "default"}, 20},
		{listSchedulesInput{NamePrefix: "s1", MaxResults: ptr[int32](3)}, 11}, {listSchedulesInput{State: enabled}, 13}, {listSchedulesInput{State: disabled, GroupName: "nightly"}, 2},
	} {
		seen := walk(test.in)
		for what, n := range seen {
			if n != 1 {
				t.Errorf("%+v lists %s %d times", test.in, what, n)
			}
		}
		if len(seen) != test.want {
			t.Errorf("%+v lists %v", test.in, seen)
		}
	}
	out, err := e.listSchedules(ctx, c, &listSchedulesInput{MaxResults: ptr[int32](4)})
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []listSchedulesInput{
		{NextToken: "x"}, {NextToken: out.NextToken, State: enabled}, {NextToken: out.NextToken, GroupName: "default"},
	} {
		_, err := e.listSchedules(ctx, c, &in)
		wantError(t, err, "ValidationException", "Invalid NextToken…")
	}
	_, err = e.listSchedules(ctx, as(other), &listSchedulesInput{NextToken: out.NextToken})
	wantError(t, err, "ValidationException", "Invalid NextToken…")
	_, err = e.listSchedules(ctx, c, &listSchedulesInput{MaxResults: ptr[int32](101)})
	wantError(t, err, "ValidationException", "1 validation error detected: Value '101' at 'maxResults'…")
	if out, err := e.listSchedules(ctx, as(other), &listSchedulesInput{}); err != nil || len(out.Schedules) > 0 {
		t.Errorf("another account sees %+v, %v", out, err)
	}
}

// What a caller may do is asked before anything is looked up or made.
func TestPermissions(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ctx := t.Context()
	in := aSchedule("s")
	_, err := e.createSchedule(ctx, limited(t, `{"Effect":"Allow","Action":"scheduler:*","Resource":"*"}`), in)
	wantError(t, err, "AccessDenied", "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: iam:PassRole on resource: "+role+"…")
	_, err = e.createSchedule(ctx, limited(t, `{"Effect":"Allow","Action":"iam:PassRole","Resource":"*"}`), in)
	wantError(t, err, "AccessDenied", "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: scheduler:CreateSchedule on resource: arn:aws:scheduler:eu-west-1:123456789012:schedule/default/s…")
	both := limited(t, `{"Effect":"Allow","Action":"scheduler:*","Resource":"arn:aws:scheduler:*:*:schedule/default/*"},`+
		`{"Effect":"Allow","Action":"iam:PassRole","Resource":"`+role+`","Condition":{"StringEquals":{"iam:PassedToService":"scheduler.amazonaws.com"}}}`)
	if _, err := e.createSchedule(ctx, both, in); err != nil {
		t.Error(err)
	}
	_, err = e.getGroup(ctx, both, &groupInput{Name: "default"})
	wantError(t, err, "AccessDenied", "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: scheduler:GetScheduleGroup…")
	if _, err := e.getSchedule(ctx, as(other), &getScheduleInput{Name: "s"}); err == nil {
		t.Error("another account sees it")
	}
}

func TestGroupsAndTags(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ctx, c := t.Context(), as(account)
	made, err := e.createGroup(ctx, c, &createGroupInput{Name: "nightly", ClientToken: "t", Tags: []tag{{"team", "a"}}})
	if err != nil || made.ScheduleGroupArn != "arn:aws:scheduler:eu-west-1:123456789012:schedule-group/nightly" {
		t.Fatalf("%+v, %v", made, err)
	}
	_, err = e.createGroup(ctx, c, &createGroupInput{Name: "nightly", ClientToken: "u"})
	wantError(t, err, "ConflictException", "Schedule group nightly already exists.")
	got, err := e.getGroup(ctx, c, &groupInput{Name: "nightly"})
	if err != nil || got.State != active || got.Arn != made.ScheduleGroupArn || got.CreationDate.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := e.getGroup(ctx, c, &groupInput{Name: "default"}); err != nil || got.State != active {
		t.Errorf("%+v, %v", got, err)
	}
	for arn, want := range map[string]string{made.ScheduleGroupArn: "[{b 1} {team c}]", "arn:aws:scheduler:eu-west-1:123456789012:schedule-group/default": "[{b 1} {team c}]"} {
		if _, err := e.tagResource(ctx, c, &tagInput{arn, []tag{{"team", "c"}, {"b", "1"}, {"x", "y"}}}); err != nil {
			t.Fatal(err)
		}
		if _, err := e.untagResource(ctx, c, &untagInput{arn, []string{"x", "none"}}); err != nil {
			t.Fatal(err)
		}
		if out, err := e.listTags(ctx, c, &resourceInput{arn}); err != nil || fmt.Sprint(out.Tags) != want {
			t.Errorf("%s has tags %+v, %v", arn, out, err)
		}
	}
	_, err = e.tagResource(ctx, c, &tagInput{made.ScheduleGroupArn, []tag{{"aws:x", "y"}}})
	wantError(t, err, "ValidationException", "Keys of tags that begin with aws: are reserved.")
	_, err = e.listTags(ctx, c, &resourceInput{"arn:aws:scheduler:eu-west-1:123456789012:schedule/default/s"})
	wantError(t, err, "ValidationException", "1 validation error detected: Value 'arn:aws:scheduler:eu-west-1:123456789012:schedule/default/s' at 'resourceArn'…")
	_, err = e.listTags(ctx, as(other), &resourceInput{made.ScheduleGroupArn})
	wantError(t, err, "ResourceNotFoundException", "Schedule group…")
	out, err := e.listGroups(ctx, c, &listGroupsInput{MaxResults: ptr[int32](1)})
	if err != nil || len(out.ScheduleGroups) != 1 || out.ScheduleGroups[0].Name != "default" || out.NextToken == "" {
		t.Fatalf("%+v, %v", out, err)
	}
	if out, err = e.listGroups(ctx, c, &listGroupsInput{MaxResults: ptr[int32](1), NextToken: out.NextToken}); err != nil || len(out.ScheduleGroups) != 1 || out.ScheduleGroups[0].Name != "nightly" || out.NextToken != "" {
		t.Errorf("%+v, %v", out, err)
	}
	_, err = e.deleteGroup(ctx, c, &deleteGroupInput{Name: "default"})
	wantError(t, err, "ValidationException", "The default schedule group cannot be deleted.")
	if _, err := e.deleteGroup(ctx, c, &deleteGroupInput{Name: "nightly", ClientToken: "d"}); err != nil {
		t.Fatal(err)
	}
	if got, err := e.getGroup(ctx, c, &groupInput{Name: "nightly"}); err != nil || got.State != deleting {
		t.Errorf("%+v, %v", got, err)
	}
	in := aSchedule("s")
	in.GroupName = "nightly"
	_, err = e.createSchedule(ctx, c, in)
	wantError(t, err, "ConflictException", "Schedule group nightly is being deleted.")
	_, err = e.deleteGroup(ctx, c, &deleteGroupInput{Name: "nightly", ClientToken: "e"})
	wantError(t, err, "ConflictException", "Schedule group nightly is being deleted.")
}
