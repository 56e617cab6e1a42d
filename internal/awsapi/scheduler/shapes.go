package scheduler

import "time"

// The inputs and outputs of the operations, named as in the API reference.

type flexibleTimeWindow struct {
	Mode                   string
	MaximumWindowInMinutes *int32
}

type deadLetterConfig struct{ Arn string }

type retryPolicy struct {
	MaximumEventAgeInSeconds *int32
	MaximumRetryAttempts     *int32
}

type sqsParameters struct{ MessageGroupId string }

type eventBridgeParameters struct{ DetailType, Source string }

type target struct {
	Arn                   string
	RoleArn               string
	Input                 string
	DeadLetterConfig      *deadLetterConfig
	RetryPolicy           *retryPolicy
	SqsParameters         *sqsParameters
	EventBridgeParameters *eventBridgeParameters
}

type scheduleInput struct {
	Name                       string `http:"label"`
	GroupName                  string
	ClientToken                string
	Description                string
	ScheduleExpression         string
	ScheduleExpressionTimezone string
	StartDate                  time.Time
	EndDate                    time.Time
	State                      string
	KmsKeyArn                  string
	ActionAfterCompletion      string
	FlexibleTimeWindow         *flexibleTimeWindow
	Target                     *target
}

type scheduleOutput struct{ ScheduleArn string }

type getScheduleInput struct {
	Name      string `http:"label"`
	GroupName string `http:"query=groupName"`
}

type deleteScheduleInput struct {
	Name        string `http:"label"`
	GroupName   string `http:"query=groupName"`
	ClientToken string `http:"query=clientToken"`
}

type getScheduleOutput struct {
	Arn                        string
	Name                       string
	GroupName                  string
	Description                string
	ScheduleExpression         string
	ScheduleExpressionTimezone string
	StartDate                  time.Time
	EndDate                    time.Time
	State                      string
	KmsKeyArn                  string
	ActionAfterCompletion      string
	FlexibleTimeWindow         *flexibleTimeWindow
	Target                     *target
	CreationDate               time.Time
	LastModificationDate       time.Time
}

type listSchedulesInput struct {
	GroupName  string `http:"query=ScheduleGroup"`
	NamePrefix string `http:"query"`
	State      string `http:"query"`
	MaxResults *int32 `http:"query"`
	NextToken  string `http:"query"`
}

type targetSummary struct{ Arn string }

type scheduleSummary struct {
	Arn                  string
	Name                 string
	GroupName            string
	State                string
	Target               *targetSummary
	CreationDate         time.Time
	LastModificationDate time.Time
}

type listSchedulesOutput struct {
	Schedules []scheduleSummary `aws:",keep"`
	NextToken string
}

type tag struct {
	Key   string
	Value string `aws:",keep"`
}

type createGroupInput struct {
	Name        string `http:"label"`
	ClientToken string
	Tags        []tag
}

type createGroupOutput struct{ ScheduleGroupArn string }

type groupInput struct {
	Name string `http:"label"`
}

type deleteGroupInput struct {
	Name        string `http:"label"`
	ClientToken string `http:"query=clientToken"`
}

type groupSummary struct {
	Arn                  string
	Name                 string
	State                string
	CreationDate         time.Time
	LastModificationDate time.Time
}

type listGroupsInput struct {
	NamePrefix string `http:"query"`
	MaxResults *int32 `http:"query"`
	NextToken  string `http:"query"`
}

type listGroupsOutput struct {
	ScheduleGroups []groupSummary `aws:",keep"`
	NextToken      string
}

type tagInput struct {
	ResourceArn string `http:"label"`
	Tags        []tag
}

type untagInput struct {
	ResourceArn string   `http:"label"`
	TagKeys     []string `http:"query"`
}

type resourceInput struct {
	ResourceArn string `http:"label"`
}

type tagsOutput struct {
	Tags []tag `aws:",keep"`
}
