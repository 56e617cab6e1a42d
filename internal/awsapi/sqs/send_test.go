package sqs

import (
	"context"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/awsapi/attribute"
	"github.com/waystation/waystation/internal/awsapi/batch"
	"github.com/waystation/waystation/internal/awsapi/characters"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/partition"
)

func text(value string) attributeValue {
	return attributeValue{DataType: "String", StringValue: &value}
}

func named(name string, v attributeValue) map[string]attributeValue {
	return map[string]attributeValue{name: v}
}

func TestSendMessageRefusals(t *testing.T) {
	t.Parallel()
	const (
		value   = "InvalidParameterValue"
		missing = "MissingParameter"
		list    = "AWS.SimpleQueueService.UnsupportedOperation"
	)
	eleven := map[string]attributeValue{}
	for i := range 11 {
		eleven["attrib"+string(rune('a'+i))] = text("World")
	}
	tests := []struct {
		name    string
		queue   string // "orders", "small" (1 KiB), "orders.fifo", "content.fifo"
		in      sendMessageInput
		code    string
		message string
	}{
		{"plain", "orders", sendMessageInput{MessageBody: "hello"}, "", ""},
		{"no body", "orders", sendMessageInput{}, missing, "The request must contain the parameter MessageBody."},
		{"body character", "orders", sendMessageInput{MessageBody: "a\uffffb"}, "InvalidMessageContents",
			"Invalid binary character '#xFFFF' was found in the message body, the set of allowed characters is #x9 | #xA | #xD | [#x20-#xD7FF] | [#xE000-#xFFFD] | [#x10000-#x10FFFF]."},
		{"body control", "orders", sendMessageInput{MessageBody: "a\x0bb"}, "InvalidMessageContents",
			"Invalid binary character '#xB' was found in the message body, …"},
		{"largest", "small", sendMessageInput{MessageBody: strings.Repeat("a", 1024)}, "", ""},
		{"too large", "small", sendMessageInput{MessageBody: strings.Repeat("a", 1025)}, value,
			"One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes."},
		{"too large with attributes", "small", sendMessageInput{MessageBody: strings.Repeat("a", 1010),
			MessageAttributes: named("name1", text("12345"))}, value,
			"One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes."},
		{"largest by default", "orders", sendMessageInput{MessageBody: strings.Repeat("a", 1<<20)}, "", ""},
		{"too large by default", "orders", sendMessageInput{MessageBody: strings.Repeat("a", 1<<20+1)}, value,
			"One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes."},
		{"delay", "orders", sendMessageInput{MessageBody: "x", DelaySeconds: ptr(int32(900))}, "", ""},
		{"delay below", "orders", sendMessageInput{MessageBody: "x", DelaySeconds: ptr(int32(-234))}, value,
			"Value -234 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."},
		{"delay above", "orders", sendMessageInput{MessageBody: "x", DelaySeconds: ptr(int32(901))}, value,
			"Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."},
		{"fair group", "orders", sendMessageInput{MessageBody: "x", MessageGroupId: ptr("tenant-1")}, "", ""},
		{"fair group empty", "orders", sendMessageInput{MessageBody: "x", MessageGroupId: ptr("")}, value,
			"Value  for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length."},
		{"fair group blank", "orders", sendMessageInput{MessageBody: "x", MessageGroupId: ptr("group 123")}, value,
			"Value group 123 for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length."},
		{"fair group long", "orders", sendMessageInput{MessageBody: "x", MessageGroupId: ptr(strings.Repeat("a", 129))}, value,
			"Value aaa…"},
		{"dedup on standard", "orders", sendMessageInput{MessageBody: "x", MessageDeduplicationId: ptr("1000")}, value,
			"Value 1000 for parameter MessageDeduplicationId is invalid. Reason: The request include parameter that is not valid for this queue type."},

		{"fifo", "orders.fifo", sendMessageInput{MessageBody: "x", MessageGroupId: ptr("g"), MessageDeduplicationId: ptr("d")}, "", ""},
		{"fifo content", "content.fifo", sendMessageInput{MessageBody: "x", MessageGroupId: ptr("g")}, "", ""},
		{"fifo no group", "orders.fifo", sendMessageInput{MessageBody: "x", MessageDeduplicationId: ptr("d")}, missing,
			"The request must contain the parameter MessageGroupId."},
		{"fifo no dedup", "orders.fifo", sendMessageInput{MessageBody: "x", MessageGroupId: ptr("g")}, value,
			"The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"},
		{"fifo dedup empty", "orders.fifo", sendMessageInput{MessageBody: "x", MessageGroupId: ptr("g"), MessageDeduplicationId: ptr("")}, value,
			"Value  for parameter MessageDeduplicationId is invalid. Reason: MessageDeduplicationId can only include alphanumeric and punctuation characters. 1 to 128 in length."},
		{"fifo delay", "orders.fifo", sendMessageInput{MessageBody: "x", MessageGroupId: ptr("g"), MessageDeduplicationId: ptr("d"), DelaySeconds: ptr(int32(2))}, value,
			"Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type."},
		{"fifo delay 0", "orders.fifo", sendMessageInput{MessageBody: "x", MessageGroupId: ptr("g"), MessageDeduplicationId: ptr("d"), DelaySeconds: ptr(int32(0))}, "", ""},

		{"attributes", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: map[string]attributeValue{
			"a.b-c_9": text("v"),
			"n":       {DataType: "Number.int", StringValue: ptr("-1.5e-7")},
			"b":       {DataType: "Binary.png", BinaryValue: []byte{0, 1}},
		}}, "", ""},
		{"eleven attributes", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: eleven}, value,
			"Number of message attributes [11] exceeds the allowed maximum [10]."},
		{"attribute without name", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named("", text("v"))}, value,
			"The request must contain non-empty message (user) attribute names."},
		{"attribute name long", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named(strings.Repeat("a", 257), text("v"))}, value,
			"Message (user) attribute name must be shorter than 256 bytes."},
		{"attribute name AWS.", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named("AWS.Hello", text("v"))}, value,
			"You can't use message attribute names beginning with 'AWS.' or 'Amazon'. These strings are reserved for internal use."},
		{"attribute name amazon.", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named("amazon.Hello", text("v"))}, value,
			"You can't use message attribute names beginning with 'AWS.' or 'Amazon'. These strings are reserved for internal use."},
		{"attribute name .x", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named(".x", text("v"))}, value,
			"Message (user) attribute name must not begin with character '.'."},
		{"attribute name x.", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named("x.", text("v"))}, value,
			"Message (user) attribute name must not end with character '.'."},
		{"attribute name x..y", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named("x..y", text("v"))}, value,
			"Message (user) attribute name must not have successive '.' characters."},
		{"attribute name letters", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named("größe.数量", text("v"))}, "", ""},
		{"attribute name characters", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named("öth€r", text("v"))}, value,
			"The message attribute name 'öth€r' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.) characters."},
		{"attribute name no UTF-8", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named("a\xff", text("v"))}, value,
			"The message attribute name 'a\xff' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.) characters."},
		{"attribute name characters", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named("KIND/of", text("v"))}, value,
			"The message attribute name 'KIND/of' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.) characters."},
		{"attribute empty", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named("Hello", attributeValue{})}, value,
			"The message (user) attribute 'Hello' must contain a non-empty message attribute value."},
		{"attribute no type", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named("Hello", attributeValue{StringValue: ptr("v")})}, value,
			"The message (user) attribute 'Hello' must contain a non-empty message attribute type."},
		{"attribute type", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named("Hello", attributeValue{DataType: "InvalidType", StringValue: ptr("v")})}, value,
			"The type of message (user) attribute 'Hello' is invalid. You must use only the following supported type prefixes: Binary, Number, String."},
		{"attribute type long", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named("Hello",
			attributeValue{DataType: "String." + strings.Repeat("a", 250), StringValue: ptr("v")})}, value,
			"Message (user) attribute type must be shorter than 256 bytes."},
		{"attribute empty string", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named("ErrorDetails", text(""))}, value,
			"Message (user) attribute 'ErrorDetails' must contain a non-empty value of type 'String'."},
		{"attribute empty binary", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named("b", attributeValue{DataType: "Binary"})}, value,
			"Message (user) attribute 'b' must contain a non-empty value of type 'Binary'."},
		{"attribute binary as text", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named("b", attributeValue{DataType: "Binary", StringValue: ptr("v")})}, value,
			"Message (user) attribute 'b' with type 'Binary' must use field 'Binary'."},
		{"attribute text as binary", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named("b", attributeValue{DataType: "Number", BinaryValue: []byte{1}})}, value,
			"Message (user) attribute 'b' with type 'Number' must use field 'String'."},
		{"attribute two values", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named("b",
			attributeValue{DataType: "String", StringValue: ptr("v"), BinaryValue: []byte{1}})}, value,
			"Message (user) attribute 'b' must have a single value."},
		{"attribute number", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named("Hello", attributeValue{DataType: "Number", StringValue: ptr("world")})}, value,
			"Can't cast the value of message (user) attribute 'Hello' to a number."},
		{"attribute character", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named("Hello", text("a\x01"))}, value,
			"Invalid binary character '#x1' was found in the message attribute 'Hello' value, the set of allowed characters is …"},
		{"string list", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named("Hello", attributeValue{DataType: "StringList", StringListValues: []string{"a"}})}, list,
			"Message attribute list values in SendMessage operation are not supported."},
		{"binary list", "orders", sendMessageInput{MessageBody: "x", MessageAttributes: named("Hello", attributeValue{DataType: "Binary", BinaryListValues: [][]byte{{1}}})}, list,
			"Message attribute list values in SendMessage operation are not supported."},
		{"trace header", "orders", sendMessageInput{MessageBody: "x", MessageSystemAttributes: named("AWSTraceHeader", text("Root=1-2"))}, "", ""},
		{"system attribute", "orders", sendMessageInput{MessageBody: "x", MessageSystemAttributes: named("Hello", text("v"))}, value,
			"Message system attribute name 'Hello' is invalid."},
		{"trace header type", "orders", sendMessageInput{MessageBody: "x", MessageSystemAttributes: named("AWSTraceHeader", attributeValue{DataType: "Number", StringValue: ptr("1")})}, value,
			"Message system attribute 'AWSTraceHeader' must be of type 'String'."},
		{"trace header empty", "orders", sendMessageInput{MessageBody: "x", MessageSystemAttributes: named("AWSTraceHeader", text(""))}, value,
			"Message system attribute 'AWSTraceHeader' must contain a non-empty value of type 'String'."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t)
			e.make(t, "orders")
			e.make(t, "small", "MaximumMessageSize", "1024")
			e.make(t, "orders.fifo")
			e.make(t, "content.fifo", "ContentBasedDeduplication", "true")
			tt.in.QueueUrl = "http://any/" + account + "/" + tt.queue
			_, err := e.sendMessage(context.Background(), as(account), &tt.in)
			wantError(t, err, tt.code, tt.message)
			if (len(e.msgs.sent) == 1) != (tt.code == "") {
				t.Errorf("%d messages were sent", len(e.msgs.sent))
			}
		})
	}
}

func TestSendMessage(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	out, err := e.sendMessage(context.Background(), as(account), &sendMessageInput{
		QueueUrl: e.make(t, "orders"), MessageBody: "Test Message", DelaySeconds: ptr(int32(5)), MessageGroupId: ptr("tenant"),
		MessageAttributes:       named("Hello", text("World")),
		MessageSystemAttributes: named("AWSTraceHeader", text("some-trace-id")),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := sendMessageOutput{
		MessageId:                    "00000000-0000-0000-0000-000000000001",
		MD5OfMessageBody:             "d1d4180b7e411c4be86b00fb2ee103eb",
		MD5OfMessageAttributes:       "7db7fb1ba7f41366a8ea5eb18220b26d",
		MD5OfMessageSystemAttributes: "fdce4f2818803f2f73becc09a54792c0",
	}
	if *out != want {
		t.Errorf("got %+v\nwant %+v", *out, want)
	}
	m := e.msgs.sent[0]
	if m.Delay != 5 || m.GroupID != "tenant" || m.SenderID != account || m.TraceHeader != "some-trace-id" || m.DedupID != "" {
		t.Errorf("sent %+v", m)
	}
	if got := attribute.Hex(m.BodyMD5); got != want.MD5OfMessageBody {
		t.Errorf("body's sum %s", got)
	}
}

func TestSendMessageFIFO(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	url := e.make(t, "content.fifo", "ContentBasedDeduplication", "true")
	send := func(in sendMessageInput) (*sendMessageOutput, partition.Message) {
		in.QueueUrl, in.MessageGroupId = url, ptr("g")
		out, err := e.sendMessage(context.Background(), as(account), &in)
		if err != nil {
			t.Fatal(err)
		}
		return out, e.msgs.sent[len(e.msgs.sent)-1]
	}
	out, m := send(sendMessageInput{MessageBody: "abc", DelaySeconds: ptr(int32(0))})
	if out.SequenceNumber != "00000000000000000001" {
		t.Errorf("sequence number %s", out.SequenceNumber)
	}
	if m.DedupID != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" || m.Delay != -1 {
		t.Errorf("sent %+v", m)
	}
	if _, m = send(sendMessageInput{MessageBody: "abc", MessageDeduplicationId: ptr("mine")}); m.DedupID != "mine" {
		t.Errorf("an explicit id comes first, got %s", m.DedupID)
	}
}

func TestSendFailures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err    error
		code   string
		status int
	}{
		{partition.ErrUnavailable, "ServiceUnavailable", 503},
		{partition.ErrBusy, "ServiceUnavailable", 503},
		{partition.ErrFull, "ServiceUnavailable", 503},
		{partition.ErrQueueGone, "AWS.SimpleQueueService.NonExistentQueue", 400},
	}
	for _, tt := range tests {
		e := newEnv(t)
		url := e.make(t, "orders")
		e.msgs.err = tt.err
		_, err := e.sendMessage(context.Background(), as(account), &sendMessageInput{QueueUrl: url, MessageBody: "x"})
		wantError(t, err, tt.code, "…")
		if status(err) != tt.status {
			t.Errorf("%v: status %d, want %d", tt.err, status(err), tt.status)
		}
	}
	e := newEnv(t)
	url := e.make(t, "orders")
	e.msgs.err = context.Canceled
	if _, err := e.sendMessage(context.Background(), as(account), &sendMessageInput{QueueUrl: url, MessageBody: "x"}); err != context.Canceled {
		t.Errorf("a client that went away: %v", err)
	}
}

func TestQueueLookup(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.make(t, "orders")
	const gone = "AWS.SimpleQueueService.NonExistentQueue"
	send := func(c *protocol.Call, url string) error {
		_, err := e.sendMessage(context.Background(), c, &sendMessageInput{QueueUrl: url, MessageBody: "x"})
		return err
	}
	wantError(t, send(as(account), ""), gone, "The specified queue does not exist.")
	wantError(t, send(as(account), "http://h/"+account+"/nothing"), gone, "The specified queue does not exist.")
	c := as(account)
	c.Protocol = protocol.Query
	wantError(t, send(c, "http://h/"+account+"/nothing"), gone, "The specified queue does not exist for this wsdl version.")
	c = as(account)
	c.Region = "eu-west-1"
	wantError(t, send(c, "http://h/"+account+"/orders"), gone, "The specified queue does not exist.")
	wantError(t, send(as(account), "orders"), "", "")
	wantError(t, send(as(other), "orders"), gone, "The specified queue does not exist.")
	wantError(t, send(anonymous(), "orders"), gone, "The specified queue does not exist.")
	err := send(as(account), "http://h/no/queue/at/all")
	wantError(t, err, gone, "The specified queue does not exist.")
	if status(err) != 400 {
		t.Errorf("status %d", status(err))
	}
	wantError(t, send(as(account), "https://elsewhere.example/"+account+"/orders"), "", "")
}

func entry(id, body string) sendBatchEntry { return sendBatchEntry{Id: id, MessageBody: body} }

// TestRegistryAway: while the store of the definitions does not answer, a queue
// that memory does not know is not said to be missing.
func TestRegistryAway(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	url := e.make(t, "q")
	e.defs.unavailable.Store(true)
	_, err := e.sendMessage(t.Context(), as(account), &sendMessageInput{QueueUrl: url, MessageBody: "x"})
	wantError(t, err, "ServiceUnavailable", "The queue's definition cannot be read …")
	_, err = e.getQueueURL(t.Context(), as(account), &getQueueURLInput{QueueName: "q"})
	wantError(t, err, "ServiceUnavailable", "The queue's definition cannot be read …")
}

func TestSendBatchRefusals(t *testing.T) {
	t.Parallel()
	const legacyID = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long."
	var twenty []sendBatchEntry
	for i := range 20 {
		twenty = append(twenty, entry(string(rune('a'+i)), "x"))
	}
	tests := []struct {
		name    string
		entries []sendBatchEntry
		code    string
		message string
	}{
		{"none", nil, "EmptyBatchRequest", "There should be at least one SendMessageBatchRequestEntry in the request."},
		{"twenty", twenty, "TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent 20."},
		{"ten", twenty[:10], "", ""},
		{"empty id", []sendBatchEntry{entry("", "x")}, "InvalidBatchEntryId", legacyID},
		{"bad id", []sendBatchEntry{entry("a:b", "x")}, "InvalidBatchEntryId", legacyID},
		{"long id", []sendBatchEntry{entry(strings.Repeat("a", 81), "x")}, "InvalidBatchEntryId", legacyID},
		{"longest id", []sendBatchEntry{entry(strings.Repeat("a", 80), "x")}, "", ""},
		{"same id", []sendBatchEntry{entry("a", "x"), entry("b", "x"), entry("a", "x")}, "BatchEntryIdsNotDistinct", "Id a repeated."},
		{"too long", []sendBatchEntry{entry("a", strings.Repeat("x", 1<<19)), entry("b", strings.Repeat("x", 1<<19+1))},
			"BatchRequestTooLong", "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes."},
		{"longest", []sendBatchEntry{entry("a", strings.Repeat("x", 1<<19)), entry("b", strings.Repeat("x", 1<<19))}, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t)
			_, err := e.sendBatch(context.Background(), as(account), &sendBatchInput{QueueUrl: e.make(t, "orders"), Entries: tt.entries})
			code := tt.code
			if code != "" {
				code = legacy + code
			}
			wantError(t, err, code, tt.message)
		})
	}
}

func TestSendBatchEntries(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	url := e.make(t, "small", "MaximumMessageSize", "1024")
	out, err := e.sendBatch(context.Background(), as(account), &sendBatchInput{QueueUrl: url, Entries: []sendBatchEntry{
		entry("1", strings.Repeat("a", 1024)), entry("2", strings.Repeat("a", 1025)), entry("3", ""),
		entry("5", "a\x00"), {Id: "6", MessageBody: "x", MessageDeduplicationId: ptr("d")}, entry("8", "last"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []batch.Failure{
		{Id: "2", SenderFault: true, Code: "InvalidParameterValue", Message: "One or more parameters cannot be validated. Reason: Message must be shorter than 1024 bytes."},
		{Id: "3", SenderFault: true, Code: "MissingParameter", Message: "The request must contain the parameter SendMessageBatchRequestEntry.3.MessageBody."},
		{Id: "5", SenderFault: true, Code: "InvalidMessageContents", Message: "Invalid binary character '#x0' was found in the message body, " + characters.Allowed},
		{Id: "6", SenderFault: true, Code: "InvalidParameterValue", Message: "Value d for parameter MessageDeduplicationId is invalid. Reason: The request include parameter that is not valid for this queue type."},
	}
	if len(out.Failed) != len(want) {
		t.Fatalf("failed %+v", out.Failed)
	}
	for i := range want {
		if out.Failed[i] != want[i] {
			t.Errorf("failed\n  got  %+v\n  want %+v", out.Failed[i], want[i])
		}
	}
	if len(out.Successful) != 2 || out.Successful[0].Id != "1" || out.Successful[1].Id != "8" {
		t.Errorf("successful %+v", out.Successful)
	}
	if out.Successful[1].MD5OfMessageBody != "98bd1c45684cf587ac2347a92dd7bb51" {
		t.Errorf("the sum of entry 8 is %s", out.Successful[1].MD5OfMessageBody)
	}
	if n := len(e.msgs.sent); n != 2 {
		t.Errorf("%d messages were sent, want 2 in one call", n)
	}
}

func TestSendBatchFIFOIsAllOrNothing(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	url := e.make(t, "orders.fifo")
	good := sendBatchEntry{Id: "1", MessageBody: "x", MessageGroupId: ptr("g"), MessageDeduplicationId: ptr("d")}
	tests := []struct {
		second        sendBatchEntry
		code, message string
	}{
		{sendBatchEntry{Id: "2", MessageBody: "x"}, "InvalidParameterValue", "The request must contain the parameter MessageGroupId."},
		{sendBatchEntry{Id: "2", MessageBody: "x", MessageGroupId: ptr("g")}, "InvalidParameterValue",
			"The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"},
		{sendBatchEntry{Id: "2"}, "MissingParameter", "The request must contain the parameter SendMessageBatchRequestEntry.2.MessageBody."},
		{sendBatchEntry{Id: "2", MessageBody: "x", MessageGroupId: ptr("g"), MessageDeduplicationId: ptr("e"), DelaySeconds: ptr(int32(3))},
			"InvalidParameterValue", "Value 3 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type."},
	}
	for _, tt := range tests {
		_, err := e.sendBatch(context.Background(), as(account), &sendBatchInput{QueueUrl: url, Entries: []sendBatchEntry{good, tt.second}})
		wantError(t, err, tt.code, tt.message)
	}
	if len(e.msgs.sent) != 0 {
		t.Errorf("%d messages were sent", len(e.msgs.sent))
	}
	out, err := e.sendBatch(context.Background(), as(account), &sendBatchInput{QueueUrl: url, Entries: []sendBatchEntry{good}})
	if err != nil || len(out.Successful) != 1 || out.Successful[0].SequenceNumber != "00000000000000000001" {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestTraceOfTheRequest(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		header, attribute, want string
	}{
		{"Root=1-5759e988-bd862e3fe1be46a994272793", "", "Root=1-5759e988-bd862e3fe1be46a994272793"},
		{"Root=1", "Root=2", "Root=2"},
		{"", "Root=2", "Root=2"},
		{"Root=\x01", "", ""},
		{strings.Repeat("r", maxTraceHeader), "", strings.Repeat("r", maxTraceHeader)},
		{strings.Repeat("r", maxTraceHeader+1), "", ""},
	} {
		e := newEnv(t)
		url := e.make(t, "orders")
		c := as(account)
		c.Header.Set("X-Amzn-Trace-Id", test.header)
		var system map[string]attributeValue
		if test.attribute != "" {
			system = map[string]attributeValue{traceHeader: {DataType: "String", StringValue: &test.attribute}}
		}
		one, err := e.sendMessage(context.Background(), c, &sendMessageInput{QueueUrl: url, MessageBody: "x", MessageSystemAttributes: system})
		if err != nil {
			t.Fatal(err)
		}
		if (one.MD5OfMessageSystemAttributes != "") != (system != nil) {
			t.Errorf("%.40q: digest of system attributes %q", test.header, one.MD5OfMessageSystemAttributes)
		}
		if _, err := e.sendBatch(context.Background(), c, &sendBatchInput{QueueUrl: url, Entries: []sendBatchEntry{
			{Id: "a", MessageBody: "x", MessageSystemAttributes: system}, {Id: "b", MessageBody: "y", MessageSystemAttributes: system},
		}}); err != nil {
			t.Fatal(err)
		}
		if len(e.msgs.sent) != 3 {
			t.Fatalf("%d messages sent", len(e.msgs.sent))
		}
		for _, m := range e.msgs.sent {
			if m.TraceHeader != test.want {
				t.Errorf("header %.40q, attribute %q: trace %.40q, want %.40q", test.header, test.attribute, m.TraceHeader, test.want)
			}
		}
	}
}
