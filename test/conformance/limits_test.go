package conformance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const mebibyte = 1 << 20

func TestSendLimits(t *testing.T) {
	t.Parallel()
	c := client(t)
	standard := queue(t, c, nil)
	small := queue(t, c, attrs{"MaximumMessageSize": "1024"})
	fifo := queue(t, c, attrs{"FifoQueue": "true"})
	eleven := map[string]types.MessageAttributeValue{}
	for i := range 11 {
		eleven[fmt.Sprint("a", i)] = str("v")
	}
	attr := func(name string, v types.MessageAttributeValue) map[string]types.MessageAttributeValue {
		return map[string]types.MessageAttributeValue{name: v}
	}
	typed := func(kind string) types.MessageAttributeValue {
		return types.MessageAttributeValue{DataType: &kind, StringValue: aws.String("1")}
	}
	type input = sqs.SendMessageInput
	for what, test := range map[string]struct {
		in    input
		codes []string
	}{
		"empty body":             {input{MessageBody: aws.String("")}, []string{codeMissing, codeBadValue, codeBadContents}},
		"body over 1 MiB":        {input{MessageBody: aws.String(strings.Repeat("x", mebibyte+1))}, []string{codeBadValue}},
		"body and attribute":     {input{MessageBody: aws.String(strings.Repeat("x", mebibyte-10)), MessageAttributes: attr("abc", str("defg"))}, []string{codeBadValue}},
		"over the queue's limit": {input{QueueUrl: &small, MessageBody: aws.String(strings.Repeat("x", 1025))}, []string{codeBadValue}},
		"delay of 901":           {input{DelaySeconds: 901}, []string{codeBadValue}},
		"delay of -1":            {input{DelaySeconds: -1}, []string{codeBadValue}},
		"eleven attributes":      {input{MessageAttributes: eleven}, []string{codeBadValue}},
		"attribute AWS.":         {input{MessageAttributes: attr("AWS.x", str("v"))}, []string{codeBadValue}},
		"attribute amazon.":      {input{MessageAttributes: attr("Amazon.x", str("v"))}, []string{codeBadValue}},
		"attribute with dot":     {input{MessageAttributes: attr(".x", str("v"))}, []string{codeBadValue}},
		"attribute with dots":    {input{MessageAttributes: attr("a..b", str("v"))}, []string{codeBadValue}},
		"attribute ends in dot":  {input{MessageAttributes: attr("a.", str("v"))}, []string{codeBadValue}},
		"attribute with space":   {input{MessageAttributes: attr("a b", str("v"))}, []string{codeBadValue}},
		"attribute too long":     {input{MessageAttributes: attr(strings.Repeat("n", 257), str("v"))}, []string{codeBadValue}},
		"attribute no name":      {input{MessageAttributes: attr("", str("v"))}, []string{codeBadValue, codeMissing}},
		"attribute empty value":  {input{MessageAttributes: attr("a", str(""))}, []string{codeBadValue}},
		"attribute no value":     {input{MessageAttributes: attr("a", types.MessageAttributeValue{DataType: aws.String("String")})}, []string{codeBadValue}},
		"attribute unknown type": {input{MessageAttributes: attr("a", typed("Text"))}, []string{codeBadValue}},
		"attribute empty type":   {input{MessageAttributes: attr("a", typed(""))}, []string{codeBadValue, codeMissing}},
		"attribute long type":    {input{MessageAttributes: attr("a", typed("String."+strings.Repeat("t", 256)))}, []string{codeBadValue}},
		"attribute not a number": {input{MessageAttributes: attr("a", num("twelve"))}, []string{codeBadValue}},
		"attribute characters":   {input{MessageAttributes: attr("a", str("\x01"))}, []string{codeBadContents, codeBadValue}},
		"dedup id on standard":   {input{MessageDeduplicationId: aws.String("d")}, []string{codeBadValue}},
		"group too long":         {input{QueueUrl: &fifo, MessageGroupId: aws.String(strings.Repeat("g", 129)), MessageDeduplicationId: aws.String("d")}, []string{codeBadValue}},
		"group characters":       {input{QueueUrl: &fifo, MessageGroupId: aws.String("größe"), MessageDeduplicationId: aws.String("d")}, []string{codeBadValue}},
		"group with space":       {input{QueueUrl: &fifo, MessageGroupId: aws.String("a b"), MessageDeduplicationId: aws.String("d")}, []string{codeBadValue}},
		"dedup id too long":      {input{QueueUrl: &fifo, MessageGroupId: aws.String("g"), MessageDeduplicationId: aws.String(strings.Repeat("d", 129))}, []string{codeBadValue}},
		"no group":               {input{QueueUrl: &fifo, MessageDeduplicationId: aws.String("d")}, []string{codeMissing, codeBadValue}},
		"no dedup id":            {input{QueueUrl: &fifo, MessageGroupId: aws.String("g")}, []string{codeBadValue}},
		"delay on fifo":          {input{QueueUrl: &fifo, MessageGroupId: aws.String("g"), MessageDeduplicationId: aws.String("d"), DelaySeconds: 2}, []string{codeBadValue}},
		"absent queue":           {input{QueueUrl: aws.String(endpoint(t) + "/" + account + "/absent")}, []string{codeNoQueue}},
		"no queue":               {input{QueueUrl: aws.String("")}, []string{codeMissing, codeNoQueue, "InvalidAddress"}},
	} {
		t.Run(what, func(t *testing.T) {
			in := test.in
			if in.QueueUrl == nil {
				in.QueueUrl = &standard
			}
			if in.MessageBody == nil {
				in.MessageBody = aws.String("body")
			}
			_, err := c.SendMessage(bound(t), &in)
			wantCode(t, err, test.codes...)
		})
	}
	for _, url := range []string{standard, small, fifo} {
		wantCounts(t, c, url, "0", "0", "0")
	}
	// What is just within the limits.
	send(t, c, standard, strings.Repeat("x", mebibyte))
	send(t, c, standard, strings.Repeat("x", mebibyte-14), with(attr("abc", str("defgh")))) // 3 + "String" + 5
	send(t, c, small, strings.Repeat("x", 1024))
	send(t, c, standard, "x", delay(900))
	delete(eleven, "a0")
	send(t, c, standard, "ten attributes", with(eleven))
	punctuation := "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
	send(t, c, fifo, "x", group(punctuation), dedup(punctuation))
	send(t, c, fifo, "x", group(strings.Repeat("g", 128)), dedup(strings.Repeat("d", 128)))
}

func TestReceiveLimits(t *testing.T) {
	t.Parallel()
	c := client(t)
	standard := queue(t, c, nil)
	type input = sqs.ReceiveMessageInput
	for what, in := range map[string]input{
		"eleven":            {MaxNumberOfMessages: 11},
		"minus one":         {MaxNumberOfMessages: -1},
		"wait of 21":        {WaitTimeSeconds: 21},
		"wait of -1":        {WaitTimeSeconds: -1},
		"hide too long":     {VisibilityTimeout: 43201},
		"hide negative":     {VisibilityTimeout: -1},
		"attempt, standard": {ReceiveRequestAttemptId: aws.String("a")},
	} {
		t.Run(what, func(t *testing.T) {
			in.QueueUrl = &standard
			_, err := c.ReceiveMessage(bound(t), &in)
			wantCode(t, err, codeBadValue)
		})
	}
	_, err := c.ReceiveMessage(bound(t), &input{QueueUrl: aws.String(endpoint(t) + "/" + account + "/absent")})
	wantError[*types.QueueDoesNotExist](t, err, codeNoQueue)
}

// Every operation on a queue that is not there says so in the same way.
func TestAbsentQueue(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := aws.String(endpoint(t) + "/" + account + "/absent")
	handle := aws.String("AQEB")
	ctx := bound(t)
	for what, call := range map[string]func() error{
		"AddPermission": func() error {
			_, err := c.AddPermission(ctx, &sqs.AddPermissionInput{QueueUrl: url, Label: aws.String("l"), Actions: []string{"SendMessage"}, AWSAccountIds: []string{"111122223333"}})
			return err
		},
		"ChangeMessageVisibility": func() error {
			_, err := c.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: handle})
			return err
		},
		"ChangeMessageVisibilityBatch": func() error {
			_, err := c.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{{Id: aws.String("a"), ReceiptHandle: handle}}})
			return err
		},
		"DeleteMessage": func() error {
			_, err := c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: handle})
			return err
		},
		"DeleteMessageBatch": func() error {
			_, err := c.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: url, Entries: []types.DeleteMessageBatchRequestEntry{{Id: aws.String("a"), ReceiptHandle: handle}}})
			return err
		},
		"GetQueueAttributes": func() error {
			_, err := c.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: url})
			return err
		},
		"ListDeadLetterSourceQueues": func() error {
			_, err := c.ListDeadLetterSourceQueues(ctx, &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: url})
			return err
		},
		"ListQueueTags": func() error {
			_, err := c.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: url})
			return err
		},
		"RemovePermission": func() error {
			_, err := c.RemovePermission(ctx, &sqs.RemovePermissionInput{QueueUrl: url, Label: aws.String("l")})
			return err
		},
		"SendMessageBatch": func() error {
			_, err := c.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: url, Entries: []types.SendMessageBatchRequestEntry{{Id: aws.String("a"), MessageBody: aws.String("x")}}})
			return err
		},
		"SetQueueAttributes": func() error {
			_, err := c.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: attrs{"DelaySeconds": "1"}})
			return err
		},
		"TagQueue": func() error {
			_, err := c.TagQueue(ctx, &sqs.TagQueueInput{QueueUrl: url, Tags: map[string]string{"a": "b"}})
			return err
		},
		"UntagQueue": func() error {
			_, err := c.UntagQueue(ctx, &sqs.UntagQueueInput{QueueUrl: url, TagKeys: []string{"a"}})
			return err
		},
	} {
		t.Run(what, func(t *testing.T) { wantError[*types.QueueDoesNotExist](t, call(), codeNoQueue) })
	}
}
