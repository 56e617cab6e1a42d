package events

import "time"

// The inputs and outputs of the operations, named as in the API reference.

type tag struct {
	Key   string
	Value string `aws:",keep"`
}

type deadLetterConfig struct{ Arn string }

type logConfig struct{ IncludeDetail, Level string }

type createEventBusInput struct {
	Name             string
	EventSourceName  string
	Description      string
	KmsKeyIdentifier string
	DeadLetterConfig *deadLetterConfig
	LogConfig        *logConfig
	Tags             []tag
}

type createEventBusOutput struct {
	EventBusArn      string
	Description      string
	KmsKeyIdentifier string
	DeadLetterConfig *deadLetterConfig
	LogConfig        *logConfig
}

type updateEventBusInput struct {
	Name             string
	KmsKeyIdentifier string
	Description      string
	DeadLetterConfig *deadLetterConfig
	LogConfig        *logConfig
}

type updateEventBusOutput struct {
	Arn              string
	Name             string
	KmsKeyIdentifier string
	Description      string
	DeadLetterConfig *deadLetterConfig
	LogConfig        *logConfig
}

type eventBusInput struct{ Name string }

type describeEventBusOutput struct {
	Name             string
	Arn              string
	Description      string
	KmsKeyIdentifier string
	DeadLetterConfig *deadLetterConfig
	Policy           string
	LogConfig        *logConfig
	CreationTime     time.Time
	LastModifiedTime time.Time
}

type listEventBusesInput struct {
	NamePrefix string
	NextToken  string
	Limit      *int32
}

type eventBus struct {
	Name             string
	Arn              string
	Description      string
	Policy           string
	CreationTime     time.Time
	LastModifiedTime time.Time
}

type listEventBusesOutput struct {
	EventBuses []eventBus `aws:",keep"`
	NextToken  string
}

type condition struct{ Type, Key, Value string }

type putPermissionInput struct {
	EventBusName string
	Action       string
	Principal    string
	StatementId  string
	Condition    *condition
	Policy       string
}

type removePermissionInput struct {
	StatementId          string
	RemoveAllPermissions bool
	EventBusName         string
}

type putRuleInput struct {
	Name               string
	ScheduleExpression string
	EventPattern       string
	State              string
	Description        string
	RoleArn            string
	Tags               []tag
	EventBusName       string
}

type putRuleOutput struct{ RuleArn string }

type ruleInput struct {
	Name         string
	EventBusName string
}

type deleteRuleInput struct {
	Name         string
	EventBusName string
	Force        bool
}

type describeRuleOutput struct {
	Name               string
	Arn                string
	EventPattern       string
	ScheduleExpression string
	State              string
	Description        string
	RoleArn            string
	EventBusName       string
	CreatedBy          string
}

type listRulesInput struct {
	NamePrefix   string
	EventBusName string
	NextToken    string
	Limit        *int32
}

type rule struct {
	Name               string
	Arn                string
	EventPattern       string
	ScheduleExpression string
	State              string
	Description        string
	RoleArn            string
	EventBusName       string
}

type listRulesOutput struct {
	Rules     []rule `aws:",keep"`
	NextToken string
}

type listRuleNamesByTargetInput struct {
	TargetArn    string
	EventBusName string
	NextToken    string
	Limit        *int32
}

type listRuleNamesByTargetOutput struct {
	RuleNames []string `aws:",keep"`
	NextToken string
}

type inputTransformer struct {
	InputPathsMap map[string]string
	InputTemplate string
}

type sqsParameters struct{ MessageGroupId string }

type retryPolicy struct {
	MaximumRetryAttempts     *int32
	MaximumEventAgeInSeconds *int32
}

type target struct {
	Id               string
	Arn              string
	RoleArn          string
	Input            string
	InputPath        string
	InputTransformer *inputTransformer
	SqsParameters    *sqsParameters
	DeadLetterConfig *deadLetterConfig
	RetryPolicy      *retryPolicy
	HttpParameters   *targetHTTP
}

type putTargetsInput struct {
	Rule         string
	EventBusName string
	Targets      []target
}

type failedTarget struct{ TargetId, ErrorCode, ErrorMessage string }

type targetsOutput struct {
	FailedEntryCount int32
	FailedEntries    []failedTarget `aws:",keep"`
}

type removeTargetsInput struct {
	Rule         string
	EventBusName string
	Ids          []string
	Force        bool
}

type listTargetsInput struct {
	Rule         string
	EventBusName string
	NextToken    string
	Limit        *int32
}

type listTargetsOutput struct {
	Targets   []target `aws:",keep"`
	NextToken string
}

type eventEntry struct {
	Time         time.Time
	Source       string
	Resources    []string
	DetailType   string
	Detail       string
	EventBusName string
	TraceHeader  string
}

type putEventsInput struct {
	Entries    []eventEntry
	EndpointId string
}

type putEventsEntry struct{ EventId, ErrorCode, ErrorMessage string }

type putEventsOutput struct {
	FailedEntryCount int32
	Entries          []putEventsEntry
}

type testEventPatternInput struct{ EventPattern, Event string }

type testEventPatternOutput struct{ Result bool }

type resourceInput struct{ ResourceARN string }

type tagInput struct {
	ResourceARN string
	Tags        []tag
}

type untagInput struct {
	ResourceARN string
	TagKeys     []string
}

type tagsOutput struct {
	Tags []tag `aws:",keep"`
}
