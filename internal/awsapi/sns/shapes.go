package sns

import "github.com/waystation/waystation/internal/awsapi/batch"

// The inputs and outputs of the operations, named as in the API reference.

type tag struct {
	Key   string
	Value string `aws:",keep"`
}

type attributeValue struct {
	DataType    string
	StringValue *string
	BinaryValue []byte
}

// done is the answer of operations that have one without members.
type done struct{}

type topicInput struct{ TopicArn string }

type createTopicInput struct {
	Name                 string
	Attributes           map[string]string
	Tags                 []tag
	DataProtectionPolicy string
}

type topicOutput struct{ TopicArn string }

type attributesOutput struct{ Attributes map[string]string }

type setTopicAttributesInput struct {
	TopicArn       string
	AttributeName  string
	AttributeValue string
}

type listInput struct{ NextToken string }

type listTopicsOutput struct {
	Topics    []topicOutput `aws:",keep"`
	NextToken string
}

type addPermissionInput struct {
	TopicArn     string
	Label        string
	AWSAccountId []string
	ActionName   []string
}

type removePermissionInput struct {
	TopicArn string
	Label    string
}

type subscribeInput struct {
	TopicArn              string
	Protocol              string
	Endpoint              string
	Attributes            map[string]string
	ReturnSubscriptionArn bool
}

type subscriptionOutput struct{ SubscriptionArn string }

type confirmInput struct {
	TopicArn                  string
	Token                     string
	AuthenticateOnUnsubscribe string
}

type subscriptionInput struct{ SubscriptionArn string }

type setSubscriptionAttributesInput struct {
	SubscriptionArn string
	AttributeName   string
	AttributeValue  string
}

type listByTopicInput struct {
	TopicArn  string
	NextToken string
}

type subscription struct {
	SubscriptionArn string
	Owner           string
	Protocol        string
	Endpoint        string
	TopicArn        string
}

type listSubscriptionsOutput struct {
	Subscriptions []subscription `aws:",keep"`
	NextToken     string
}

type publishInput struct {
	TopicArn               string
	TargetArn              string
	PhoneNumber            string
	Message                string
	Subject                *string
	MessageStructure       string
	MessageAttributes      map[string]attributeValue `query:",,Name,Value"`
	MessageDeduplicationId *string
	MessageGroupId         *string
}

type publishOutput struct {
	MessageId      string
	SequenceNumber string
}

type publishBatchInput struct {
	TopicArn                   string
	PublishBatchRequestEntries []publishEntry
}

type publishEntry struct {
	Id                     string
	Message                string
	Subject                *string
	MessageStructure       string
	MessageAttributes      map[string]attributeValue `query:",,Name,Value"`
	MessageDeduplicationId *string
	MessageGroupId         *string
}

type publishBatchOutput struct {
	Successful []publishedEntry `aws:",keep"`
	Failed     []batch.Failure  `aws:",keep"`
}

type publishedEntry struct {
	Id             string
	MessageId      string
	SequenceNumber string
}

type tagInput struct {
	ResourceArn string
	Tags        []tag
}

type untagInput struct {
	ResourceArn string
	TagKeys     []string
}

type resourceInput struct{ ResourceArn string }

type tagsOutput struct {
	Tags []tag `aws:",keep"`
}
