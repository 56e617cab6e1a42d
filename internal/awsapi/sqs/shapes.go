package sqs

import "github.com/waystation/waystation/internal/awsapi/batch"

// The inputs and outputs of the operations, named as in the API reference. A
// member that is left out and one that is empty are told apart only where AWS
// does.

type attributeValue struct {
	StringValue      *string
	BinaryValue      []byte
	StringListValues []string `query:"StringListValue,flat"`
	BinaryListValues [][]byte `query:"BinaryListValue,flat"`
	DataType         string
}

type queueInput struct{ QueueUrl string }

type addPermissionInput struct {
	QueueUrl      string
	Label         string
	AWSAccountIds []string `query:"AWSAccountId,flat"`
	Actions       []string `query:"ActionName,flat"`
}

type removePermissionInput struct {
	QueueUrl string
	Label    string
}

type createQueueInput struct {
	QueueName  string
	Attributes map[string]string `query:"Attribute,flat,Name,Value"`
	Tags       map[string]string `aws:"tags" query:"Tag,flat,Key,Value"`
}

type queueURLOutput struct{ QueueUrl string }

type getQueueURLInput struct {
	QueueName              string
	QueueOwnerAWSAccountId string
}

type setAttributesInput struct {
	QueueUrl   string
	Attributes map[string]string `query:"Attribute,flat,Name,Value"`
}

type getAttributesInput struct {
	QueueUrl       string
	AttributeNames []string `query:"AttributeName,flat"`
}

type getAttributesOutput struct {
	Attributes map[string]string `query:"Attribute,flat,Name,Value"`
}

type listQueuesInput struct {
	QueueNamePrefix string
	NextToken       string
	MaxResults      *int32
}

type listQueuesOutput struct {
	QueueUrls []string `query:"QueueUrl,flat" querydoc:"queueUrls"`
	NextToken string
}

type listSourcesInput struct {
	QueueUrl   string
	NextToken  string
	MaxResults *int32
}

// listSourcesOutput spells its list with a small q, unlike listQueuesOutput.
type listSourcesOutput struct {
	QueueUrls []string `aws:"queueUrls" query:"QueueUrl,flat"`
	NextToken string
}

type tagQueueInput struct {
	QueueUrl string
	Tags     map[string]string `query:"Tag,flat,Key,Value"`
}

type untagQueueInput struct {
	QueueUrl string
	TagKeys  []string `query:"TagKey,flat"`
}

type listTagsOutput struct {
	Tags map[string]string `query:"Tag,flat,Key,Value"`
}

type sendMessageInput struct {
	QueueUrl                string
	MessageBody             string
	DelaySeconds            *int32
	MessageAttributes       map[string]attributeValue `query:"MessageAttribute,flat,Name,Value"`
	MessageSystemAttributes map[string]attributeValue `query:"MessageSystemAttribute,flat,Name,Value"`
	MessageDeduplicationId  *string
	MessageGroupId          *string
}

type sendMessageOutput struct {
	MD5OfMessageBody             string
	MD5OfMessageAttributes       string
	MD5OfMessageSystemAttributes string
	MessageId                    string
	SequenceNumber               string
}

type sendBatchInput struct {
	QueueUrl string
	Entries  []sendBatchEntry `query:"SendMessageBatchRequestEntry,flat"`
}

type sendBatchEntry struct {
	Id                      string
	MessageBody             string
	DelaySeconds            *int32
	MessageAttributes       map[string]attributeValue `query:"MessageAttribute,flat,Name,Value"`
	MessageSystemAttributes map[string]attributeValue `query:"MessageSystemAttribute,flat,Name,Value"`
	MessageDeduplicationId  *string
	MessageGroupId          *string
}

type sendBatchOutput struct {
	Successful []sendBatchResult `query:"SendMessageBatchResultEntry,flat"`
	Failed     []batch.Failure   `query:"BatchResultErrorEntry,flat"`
}

type sendBatchResult struct {
	Id                           string
	MessageId                    string
	MD5OfMessageBody             string
	MD5OfMessageAttributes       string
	MD5OfMessageSystemAttributes string
	SequenceNumber               string
}

type receiveInput struct {
	QueueUrl                    string
	AttributeNames              []string `query:"AttributeName,flat"`
	MessageSystemAttributeNames []string `query:"MessageSystemAttributeName,flat"`
	MessageAttributeNames       []string `query:"MessageAttributeName,flat"`
	MaxNumberOfMessages         *int32
	VisibilityTimeout           *int32
	WaitTimeSeconds             *int32
	ReceiveRequestAttemptId     *string
}

type receiveOutput struct {
	Messages []message `query:"Message,flat" querydoc:"messages"`
}

type message struct {
	MessageId              string
	ReceiptHandle          string
	MD5OfBody              string
	Body                   string
	Attributes             map[string]string `query:"Attribute,flat,Name,Value"`
	MD5OfMessageAttributes string
	MessageAttributes      map[string]attributeValue `query:"MessageAttribute,flat,Name,Value"`
}

type deleteMessageInput struct {
	QueueUrl      string
	ReceiptHandle string
}

type deleteBatchInput struct {
	QueueUrl string
	Entries  []deleteEntry `query:"DeleteMessageBatchRequestEntry,flat"`
}

type deleteEntry struct {
	Id            string
	ReceiptHandle string
}

type deleteBatchOutput struct {
	Successful []entryID       `query:"DeleteMessageBatchResultEntry,flat"`
	Failed     []batch.Failure `query:"BatchResultErrorEntry,flat"`
}

type entryID struct{ Id string }

type visibilityInput struct {
	QueueUrl          string
	ReceiptHandle     string
	VisibilityTimeout *int32
}

type visibilityBatchInput struct {
	QueueUrl string
	Entries  []visibilityEntry `query:"ChangeMessageVisibilityBatchRequestEntry,flat"`
}

type visibilityEntry struct {
	Id                string
	ReceiptHandle     string
	VisibilityTimeout *int32
}

type visibilityBatchOutput struct {
	Successful []entryID       `query:"ChangeMessageVisibilityBatchResultEntry,flat"`
	Failed     []batch.Failure `query:"BatchResultErrorEntry,flat"`
}

type startMoveInput struct {
	SourceArn                    string
	DestinationArn               *string
	MaxNumberOfMessagesPerSecond *int32
}

type startMoveOutput struct{ TaskHandle string }

type cancelMoveInput struct{ TaskHandle string }

type cancelMoveOutput struct{ ApproximateNumberOfMessagesMoved int64 }

type listMovesInput struct {
	SourceArn  string
	MaxResults *int32
}

type listMovesOutput struct {
	Results []moveResult `query:"ListMessageMoveTasksResultEntry,flat"`
}

type moveResult struct {
	TaskHandle                        string
	Status                            string
	SourceArn                         string
	DestinationArn                    string
	MaxNumberOfMessagesPerSecond      *int32
	ApproximateNumberOfMessagesMoved  int64
	ApproximateNumberOfMessagesToMove *int64
	FailureReason                     string
	StartedTimestamp                  int64 // Unix milliseconds
}
