package sqs

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/attribute"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/partition"
)

// server serves the table over both wire protocols, so that the names on the
// wire are checked too. Real SDKs against the real server are in test/conformance.
func server(t testing.TB, e *env) *protocol.Handler {
	t.Helper()
	keys, err := access.New(access.Config{DefaultAccount: account, Hosts: []string{"example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	api := New(Config{Definitions: e.defs, Messages: e.msgs, Access: keys, NewID: e.newID, Now: e.now})
	h, err := protocol.NewHandler(protocol.Config{APIs: []*protocol.API{api}, Access: keys})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func postJSON(h http.Handler, op, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "http://localhost:4566/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", "AmazonSQS."+op)
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func postForm(h http.Handler, path string, form url.Values) *httptest.ResponseRecorder {
	form.Set("Version", "2012-11-05")
	r := httptest.NewRequest("POST", "http://localhost:4566"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

var nextToken = regexp.MustCompile(`"NextToken":"[^"]+"`)

// TestWireSamples: the forms in AWS's published examples that give no numbers, and
// answers in JSON for clients of Query without an SDK.
func TestWireSamples(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	h := server(t, e)
	e.msgs.received = []partition.Received{dead()}
	for _, s := range []struct{ path, query, want string }{
		{"/", "Action=CreateQueue&QueueName=orders&Attribute.Name=VisibilityTimeout&Attribute.Value=40&Tag.Key=QueueType&Tag.Value=Production",
			`"CreateQueueResult":{"QueueUrl":"http://localhost:4566/123456789012/orders"}`},
		{"/123456789012/orders", "Action=SetQueueAttributes&Attribute.Name=DelaySeconds&Attribute.Value=3", `{"SetQueueAttributesResponse":{"ResponseMetadata"`},
		{"/123456789012/orders", "Action=GetQueueAttributes&AttributeName=DelaySeconds", `"Attributes":[{"Name":"DelaySeconds","Value":"3"}]`},
		{"/123456789012/orders", "Action=TagQueue&Tag.Key=a&Tag.Value=b", `{"TagQueueResponse":{"ResponseMetadata"`},
		{"/123456789012/orders", "Action=ListQueueTags", `"Tags":[{"Key":"QueueType","Value":"Production"},{"Key":"a","Value":"b"}]`},
		{"/123456789012/orders", "Action=ReceiveMessage&AttributeName.1=SenderId", `"messages":[{"MessageId"`},
		{"/", "Action=ListQueues", `"queueUrls":["http://localhost:4566/123456789012/orders"],"NextToken":null`},
		{"/123456789012/orders", "Action=ListQueues", `"Code":"InvalidAction"`},
		{"/123456789012/orders", "Action=CreateQueue&QueueName=x", `"Code":"InvalidAction"`},
		{"/123456789012/orders", "Action=GetQueueUrl&QueueName=orders", `"QueueUrl":"http://localhost:4566/123456789012/orders"`},
	} {
		form, err := url.ParseQuery(s.query)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("POST", "http://localhost:4566"+s.path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if !strings.Contains(w.Body.String(), s.want) {
			t.Errorf("%s: %d %s, want %s", s.query, w.Code, w.Body, s.want)
		}
	}
}

func TestWireJSON(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	h := server(t, e)
	e.msgs.received = []partition.Received{dead()}
	e.msgs.received[0].Attributes = append(e.msgs.received[0].Attributes, partition.Attribute{Name: "Z", Type: "Binary", Binary: []byte("hi")})
	const q = `"QueueUrl":"http://localhost:4566/123456789012/orders"`
	dlq := `{"deadLetterTargetArn":"` + arnPrefix + `dlq","maxReceiveCount":3}`
	quoted, _ := json.Marshal(dlq)
	steps := []struct{ op, body, want string }{
		{"CreateQueue", `{"QueueName":"dlq"}`, `{"QueueUrl":"http://localhost:4566/123456789012/dlq"}`},
		{"CreateQueue", `{"QueueName":"orders","Attributes":{"VisibilityTimeout":"60","RedrivePolicy":` + string(quoted) + `},"tags":{"a":"b"}}`,
			`{"QueueUrl":"http://localhost:4566/123456789012/orders"}`},
		{"GetQueueUrl", `{"QueueName":"orders"}`, `{"QueueUrl":"http://localhost:4566/123456789012/orders"}`},
		{"GetQueueAttributes", `{` + q + `,"AttributeNames":["VisibilityTimeout"]}`, `{"Attributes":{"VisibilityTimeout":"60"}}`},
		{"GetQueueAttributes", `{` + q + `,"AttributeNames":["Policy"]}`, `{}`},
		{"SetQueueAttributes", `{` + q + `,"Attributes":{"DelaySeconds":"3"}}`, `{}`},
		{"ListQueues", `{"MaxResults":1}`, `{"NextToken":"a token","QueueUrls":["http://localhost:4566/123456789012/dlq"]}`},
		{"ListDeadLetterSourceQueues", `{"QueueUrl":"http://localhost:4566/123456789012/dlq"}`, `{"queueUrls":["http://localhost:4566/123456789012/orders"]}`},
		{"TagQueue", `{` + q + `,"Tags":{"c":"d"}}`, `{}`},
		{"UntagQueue", `{` + q + `,"TagKeys":["c"]}`, `{}`},
		{"ListQueueTags", `{` + q + `}`, `{"Tags":{"a":"b"}}`},
		{"SendMessage", `{` + q + `,"MessageBody":"msg","MessageAttributes":{"Hello":{"DataType":"String","StringValue":"There"}},"MessageSystemAttributes":{"AWSTraceHeader":{"DataType":"String","StringValue":"some-trace-id"}}}`,
			`{"MD5OfMessageAttributes":"a311262e065454b75da111d535b8dacd","MD5OfMessageBody":"6e2baaf3b97dbeef01c0043275f9a0e7","MD5OfMessageSystemAttributes":"fdce4f2818803f2f73becc09a54792c0","MessageId":"00000000-0000-0000-0000-000000000001"}`},
		{"SendMessageBatch", `{` + q + `,"Entries":[{"Id":"a","MessageBody":"msg"},{"Id":"b","MessageBody":""}]}`,
			`{"Failed":[{"Code":"MissingParameter","Id":"b","Message":"The request must contain the parameter SendMessageBatchRequestEntry.2.MessageBody.","SenderFault":true}],"Successful":[{"Id":"a","MD5OfMessageBody":"6e2baaf3b97dbeef01c0043275f9a0e7","MessageId":"00000000-0000-0000-0000-000000000002"}]}`},
		{"ReceiveMessage", `{` + q + `,"AttributeNames":["SenderId"],"MessageAttributeNames":["Z"]}`,
			`{"Messages":[{"Attributes":{"SenderId":"AIDA"},"Body":"msg","MD5OfBody":"6e2baaf3b97dbeef01c0043275f9a0e7","MD5OfMessageAttributes":"` +
				attribute.Digest([]partition.Attribute{{Name: "Z", Type: "Binary", Binary: []byte("hi")}}) +
				`","MessageAttributes":{"Z":{"BinaryValue":"aGk=","DataType":"Binary"}},"MessageId":"00000000-0000-0000-0000-000000000009","ReceiptHandle":"r-1"}]}`},
		{"DeleteMessage", `{` + q + `,"ReceiptHandle":"r-1"}`, `{}`},
		{"DeleteMessageBatch", `{` + q + `,"Entries":[{"Id":"a","ReceiptHandle":"r-1"}]}`, `{"Successful":[{"Id":"a"}]}`},
		{"ChangeMessageVisibility", `{` + q + `,"ReceiptHandle":"r-1","VisibilityTimeout":0}`, `{}`},
		{"ChangeMessageVisibilityBatch", `{` + q + `,"Entries":[{"Id":"a","ReceiptHandle":"r-1","VisibilityTimeout":5}]}`, `{"Successful":[{"Id":"a"}]}`},
		{"AddPermission", `{` + q + `,"Label":"l","AWSAccountIds":["210987654321"],"Actions":["SendMessage"]}`, `{}`},
		{"RemovePermission", `{` + q + `,"Label":"l"}`, `{}`},
		{"PurgeQueue", `{` + q + `}`, `{}`},
		{"StartMessageMoveTask", `{"SourceArn":"` + arnPrefix + `dlq","MaxNumberOfMessagesPerSecond":4}`, `{"TaskHandle":"` + encodeHandle("task-1", arnPrefix+"dlq") + `"}`},
		{"ListMessageMoveTasks", `{"SourceArn":"` + arnPrefix + `dlq"}`,
			`{"Results":[{"ApproximateNumberOfMessagesMoved":0,"ApproximateNumberOfMessagesToMove":7,"MaxNumberOfMessagesPerSecond":4,"SourceArn":"` + arnPrefix +
				`dlq","StartedTimestamp":1700000000000,"Status":"RUNNING","TaskHandle":"` + encodeHandle("task-1", arnPrefix+"dlq") + `"}]}`},
		{"CancelMessageMoveTask", `{"TaskHandle":"` + encodeHandle("task-1", arnPrefix+"dlq") + `"}`, `{"ApproximateNumberOfMessagesMoved":3}`},
		{"DeleteQueue", `{` + q + `}`, `{}`},
	}
	var done []string
	for _, s := range steps {
		w := postJSON(h, s.op, s.body)
		got := nextToken.ReplaceAllString(w.Body.String(), `"NextToken":"a token"`) // never the same twice
		if w.Code != 200 || !sameJSON(got, s.want) {
			t.Errorf("%s: %d\n  got  %s\n  want %s", s.op, w.Code, got, s.want)
		}
		done = append(done, s.op)
	}
	for _, op := range New(Config{}).Operations {
		if !slices.Contains(done, op.Name) {
			t.Errorf("%s is not in this test", op.Name)
		}
	}
}

func TestWireErrors(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	h := server(t, e)
	e.make(t, "orders")
	const q = `"QueueUrl":"http://localhost:4566/123456789012/orders"`
	e.msgs.each["bad"] = partition.ErrReceiptInvalid
	tests := []struct {
		op, body string
		status   int
		typ      string
		query    string
	}{
		{"SendMessage", `{"QueueUrl":"http://h/123456789012/nothing","MessageBody":"x"}`, 400, "com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue;Sender"},
		{"SendMessage", `{` + q + `}`, 400, "com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter;Sender"},
		{"ReceiveMessage", `{` + q + `,"MaxNumberOfMessages":11}`, 400, "com.amazon.coral.service#InvalidParameterValueException", "InvalidParameterValue;Sender"},
		{"DeleteMessage", `{` + q + `,"ReceiptHandle":"bad"}`, 404, "com.amazonaws.sqs#ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid;Sender"},
		{"SendMessageBatch", `{` + q + `,"Entries":[]}`, 400, "com.amazonaws.sqs#EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest;Sender"},
		{"CreateQueue", `{"QueueName":"orders","Attributes":{"DelaySeconds":"1"}}`, 400, "com.amazonaws.sqs#QueueNameExists", "QueueAlreadyExists;Sender"},
		{"SetQueueAttributes", `{` + q + `,"Attributes":{"DelaySeconds":"x"}}`, 400, "com.amazonaws.sqs#InvalidAttributeValue", "InvalidAttributeValue;Sender"},
	}
	for _, tt := range tests {
		w := postJSON(h, tt.op, tt.body)
		var got struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if w.Code != tt.status || got.Type != tt.typ || w.Header().Get("x-amzn-query-error") != tt.query || got.Message == "" {
			t.Errorf("%s: %d %s %q, want %d %s %q", tt.op, w.Code, w.Body, w.Header().Get("x-amzn-query-error"), tt.status, tt.typ, tt.query)
		}
	}
	w := postForm(h, "/123456789012/nothing", url.Values{"Action": {"SendMessage"}, "MessageBody": {"x"}})
	if body := w.Body.String(); w.Code != 400 || !strings.Contains(body, "<Code>AWS.SimpleQueueService.NonExistentQueue</Code>") ||
		!strings.Contains(body, "does not exist for this wsdl version.") {
		t.Errorf("Query: %d %s", w.Code, body)
	}
}

func TestWireQuery(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	h := server(t, e)
	e.msgs.received = []partition.Received{dead()}
	const q = "/123456789012/orders"
	steps := []struct {
		path string
		form url.Values
		want []string
	}{
		{"/", url.Values{"Action": {"CreateQueue"}, "QueueName": {"orders"}, "Attribute.1.Name": {"DelaySeconds"}, "Attribute.1.Value": {"7"},
			"Tag.1.Key": {"a"}, "Tag.1.Value": {"b"}}, []string{"<QueueUrl>http://localhost:4566/123456789012/orders</QueueUrl>"}},
		{q, url.Values{"Action": {"GetQueueAttributes"}, "AttributeName.1": {"DelaySeconds"}}, []string{"<Attribute><Name>DelaySeconds</Name><Value>7</Value></Attribute>"}},
		{q, url.Values{"Action": {"ListQueueTags"}}, []string{"<Tag><Key>a</Key><Value>b</Value></Tag>"}},
		{"/", url.Values{"Action": {"ListQueues"}}, []string{"<ListQueuesResult><QueueUrl>http://localhost:4566/123456789012/orders</QueueUrl></ListQueuesResult>"}},
		{"/", url.Values{"Action": {"SendMessage"}, "QueueUrl": {"http://localhost:4566" + q}, "MessageBody": {"msg"},
			"MessageAttribute.1.Name": {"Hello"}, "MessageAttribute.1.Value.DataType": {"String"}, "MessageAttribute.1.Value.StringValue": {"There"},
			"MessageSystemAttribute.1.Name": {"AWSTraceHeader"}, "MessageSystemAttribute.1.Value.DataType": {"String"}, "MessageSystemAttribute.1.Value.StringValue": {"some-trace-id"}},
			[]string{"<MD5OfMessageAttributes>a311262e065454b75da111d535b8dacd</MD5OfMessageAttributes>", "<MD5OfMessageSystemAttributes>fdce4f2818803f2f73becc09a54792c0<"}},
		{q, url.Values{"Action": {"SendMessageBatch"}, "SendMessageBatchRequestEntry.1.Id": {"a"}, "SendMessageBatchRequestEntry.1.MessageBody": {"msg"},
			"SendMessageBatchRequestEntry.1.DelaySeconds": {"5"}}, []string{"<SendMessageBatchResultEntry><Id>a</Id>"}},
		{q, url.Values{"Action": {"ReceiveMessage"}, "AttributeName.1": {"SenderId"}, "MessageSystemAttributeName.1": {"SequenceNumber"}, "MessageAttributeName.1": {"Hel.*"}},
			[]string{"<Attribute><Name>SenderId</Name><Value>AIDA</Value></Attribute>", "<Name>SequenceNumber</Name>",
				"<MessageAttribute><Name>Hello</Name><Value>", "<StringValue>There</StringValue>", "<MD5OfMessageAttributes>83fee93c1bcd8b9a5a923ffacdc636c7<"}},
		{q, url.Values{"Action": {"DeleteMessageBatch"}, "DeleteMessageBatchRequestEntry.1.Id": {"a"}, "DeleteMessageBatchRequestEntry.1.ReceiptHandle": {"r"}},
			[]string{"<DeleteMessageBatchResultEntry><Id>a</Id></DeleteMessageBatchResultEntry>"}},
		{q, url.Values{"Action": {"ChangeMessageVisibilityBatch"}, "ChangeMessageVisibilityBatchRequestEntry.1.Id": {"a"},
			"ChangeMessageVisibilityBatchRequestEntry.1.ReceiptHandle": {"r"}, "ChangeMessageVisibilityBatchRequestEntry.1.VisibilityTimeout": {"-1"}},
			[]string{"<BatchResultErrorEntry><Id>a</Id><SenderFault>true</SenderFault><Code>InvalidParameterValue</Code>"}},
		{q, url.Values{"Action": {"AddPermission"}, "Label": {"l"}, "AWSAccountId.1": {other}, "ActionName.1": {"SendMessage"}}, []string{"<AddPermissionResponse"}},
		{q, url.Values{"Action": {"UntagQueue"}, "TagKey.1": {"a"}}, []string{"<UntagQueueResponse"}},
		{"/", url.Values{"Action": {"ListMessageMoveTasks"}, "SourceArn": {arnPrefix + "orders"}}, []string{"<ListMessageMoveTasksResponse"}},
	}
	for _, s := range steps {
		w := postForm(h, s.path, s.form)
		body, _ := io.ReadAll(w.Body)
		for _, want := range s.want {
			if w.Code != 200 || !strings.Contains(string(body), want) {
				t.Errorf("%s: %d, no %s in\n%s", s.form.Get("Action"), w.Code, want, body)
			}
		}
	}
}
