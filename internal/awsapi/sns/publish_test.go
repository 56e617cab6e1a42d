package sns

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
)

func TestPublishRefuses(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	standard, fifo, content := e.make(t, "standard"), e.make(t, "orders.fifo"), e.make(t, "content.fifo", "ContentBasedDeduplication", "true")
	small := e.make(t, "small", "MaximumMessageSize", "1024")
	value := func(dataType, text string) map[string]attributeValue {
		return map[string]attributeValue{"a": {DataType: dataType, StringValue: &text}}
	}
	long := strings.Repeat("x", 128)
	for what, tt := range map[string]struct {
		in            publishInput
		code, message string
	}{
		"message":        {publishInput{TopicArn: standard, Message: "x"}, "", ""},
		"target":         {publishInput{TargetArn: standard, Message: "x"}, "", ""},
		"nowhere":        {publishInput{Message: "x"}, invalidParameter, "TopicArn or TargetArn Reason: no value for required parameter"},
		"two targets":    {publishInput{TopicArn: standard, TargetArn: standard, Message: "x"}, invalidParameter, "TopicArn Reason: give one of TopicArn, TargetArn and PhoneNumber"},
		"phone":          {publishInput{PhoneNumber: "+123", Message: "x"}, invalidParameter, "PhoneNumber Reason: text messages are not supported yet"},
		"endpoint":       {publishInput{TargetArn: "arn:aws:sns:r:1:endpoint/GCM/a/b", Message: "x"}, invalidParameter, "TargetArn Reason: targets other than topics are not supported yet"},
		"empty":          {publishInput{TopicArn: standard}, invalidParameter, "Empty message"},
		"largest":        {publishInput{TopicArn: standard, Message: strings.Repeat("x", 256<<10)}, "", ""},
		"too large":      {publishInput{TopicArn: standard, Message: strings.Repeat("x", 256<<10+1)}, invalidParameter, "Message too long"},
		"fits":           {publishInput{TopicArn: small, Message: strings.Repeat("x", 1016), MessageAttributes: value("String", "v")}, "", ""},
		"with attribute": {publishInput{TopicArn: small, Message: strings.Repeat("x", 1017), MessageAttributes: value("String", "v")}, invalidParameter, "Message too long"},
		"character":      {publishInput{TopicArn: standard, Message: "a\x01"}, invalidParameter, "Message Reason: it contains the character #x1, …"},
		"subject":        {publishInput{TopicArn: standard, Message: "x", Subject: ptr("Ü" + strings.Repeat("x", 99))}, "", ""},
		"long subject":   {publishInput{TopicArn: standard, Message: "x", Subject: ptr(strings.Repeat("x", 101))}, invalidParameter, "Subject"},
		"empty subject":  {publishInput{TopicArn: standard, Message: "x", Subject: ptr("")}, invalidParameter, "Subject"},
		"two lines":      {publishInput{TopicArn: standard, Message: "x", Subject: ptr("a\nb")}, invalidParameter, "Subject"},
		"structure":      {publishInput{TopicArn: standard, Message: `{"default":"x"}`, MessageStructure: "json"}, "", ""},
		"no JSON":        {publishInput{TopicArn: standard, Message: `x`, MessageStructure: "json"}, invalidParameter, "Message Structure - JSON message body failed to parse"},
		"no default":     {publishInput{TopicArn: standard, Message: `{"sqs":"x"}`, MessageStructure: "json"}, invalidParameter, "Message Structure - No default entry in JSON message body"},
		"XML":            {publishInput{TopicArn: standard, Message: `x`, MessageStructure: "xml"}, invalidParameter, "MessageStructure Reason: it can only be json"},
		"array":          {publishInput{TopicArn: standard, Message: "x", MessageAttributes: value("String.Array", `["a"]`)}, "", ""},
		"type":           {publishInput{TopicArn: standard, Message: "x", MessageAttributes: value("Text", "a")}, "ParameterValueInvalid", "The message attribute 'a' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."},
		"number":         {publishInput{TopicArn: standard, Message: "x", MessageAttributes: value("Number", "a")}, "ParameterValueInvalid", "Could not cast message attribute 'a' value to number."},
		"binary":         {publishInput{TopicArn: standard, Message: "x", MessageAttributes: value("Binary", "a")}, "ParameterValueInvalid", "The message attribute 'a' with type 'Binary' must use field 'Binary'."},
		"name":           {publishInput{TopicArn: standard, Message: "x", MessageAttributes: map[string]attributeValue{"a b": {DataType: "String", StringValue: ptr("v")}}}, "ParameterValueInvalid", "Invalid non-alphanumeric character…"},
		"group":          {publishInput{TopicArn: standard, Message: "x", MessageGroupId: ptr("g")}, "", ""},
		"bad group":      {publishInput{TopicArn: standard, Message: "x", MessageGroupId: ptr("g g")}, invalidParameter, "MessageGroupId Reason: …"},
		"id":             {publishInput{TopicArn: standard, Message: "x", MessageDeduplicationId: ptr("1")}, invalidParameter, "MessageDeduplicationId Reason: The request includes…"},
		"FIFO":           {publishInput{TopicArn: fifo, Message: "x", MessageGroupId: &long, MessageDeduplicationId: &long}, "", ""},
		"no group":       {publishInput{TopicArn: fifo, Message: "x", MessageDeduplicationId: ptr("1")}, invalidParameter, "The MessageGroupId parameter is required for FIFO topics"},
		"no id":          {publishInput{TopicArn: fifo, Message: "x", MessageGroupId: ptr("g")}, invalidParameter, "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"},
		"long id":        {publishInput{TopicArn: fifo, Message: "x", MessageGroupId: ptr("g"), MessageDeduplicationId: ptr(long + "x")}, invalidParameter, "MessageDeduplicationId Reason: it has…"},
		"by content":     {publishInput{TopicArn: content, Message: "x", MessageGroupId: ptr("g")}, "", ""},
	} {
		out, err := e.publish(t.Context(), as(account), &tt.in)
		if tt.code == invalidParameter {
			tt.message = "Invalid parameter: " + tt.message
		}
		t.Run(what, func(t *testing.T) {
			wantError(t, err, tt.code, tt.message)
			if err == nil && (len(out.MessageId) != 36 || (len(out.SequenceNumber) == 20) != strings.HasSuffix(tt.in.TopicArn, fifoSuffix)) {
				t.Errorf("%+v", out)
			}
		})
	}
}

// Each protocol may have a message of its own; queues get theirs, raw and enveloped.
func TestMessageStructure(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		`{"default":"d"}`:                             "d",
		`{"default":"d","sqs":"q"}`:                   "q",
		` {"sqs":"q\n\u00e4","default":"d"} `:         "q\nä",
		`{"default":"d","sqs":7}`:                     "d",
		`{"default":"d","sqs":null,"x":{"sqs":"no"}}`: "d",
		`{"default":"","http":"h"}`:                   "",
		`{"default":7}`:                               "error",
		`{"default":"d","default":"e"}`:               "error",
		`{"default":"d"}x`:                            "error",
		`{"default":"d"}{}`:                           "error",
		`{"default":"d",}`:                            "error",
		`["default"]`:                                 "error",
		`{"default":"d`:                               "error",
		"{\"default\":\"\xff\"}":                      "error",
		``:                                            "error",
	} {
		got, err := structured(message, "sqs")
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", message, got, want)
		}
	}
}

func FuzzStructured(f *testing.F) {
	f.Add(`{"default":"d","sqs":"q"}`)
	f.Fuzz(func(t *testing.T, message string) {
		got, err := structured(message, "sqs")
		if err != nil {
			return
		}
		var naive map[string]any
		if json.Unmarshal([]byte(message), &naive) != nil {
			t.Fatalf("%q is no JSON object", message)
		}
		want, ok := naive["sqs"].(string)
		if !ok {
			want = naive["default"].(string)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
	})
}

func TestPublishBatch(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	standard, fifo := e.make(t, "standard"), e.make(t, "orders.fifo")
	q := e.queue(t, account, "q.fifo")
	e.subscribed(t, fifo, q, "RawMessageDelivery", "true")
	entry := func(id, message string) publishEntry { return publishEntry{Id: id, Message: message} }
	out, err := e.publishBatch(t.Context(), as(account), &publishBatchInput{standard, []publishEntry{entry("a", "x"), entry("b", ""), entry("c", "y")}})
	if err != nil || len(out.Successful) != 2 || len(out.Failed) != 1 || out.Failed[0].Id != "b" || out.Failed[0].Code != "InvalidParameter" || !out.Failed[0].SenderFault {
		t.Errorf("%+v, %v", out, err)
	}
	many := make([]publishEntry, 11)
	for i := range many {
		many[i] = entry(fmt.Sprint(i), "x")
	}
	for code, entries := range map[string][]publishEntry{
		"EmptyBatchRequest": nil, "TooManyEntriesInBatchRequest": many, "InvalidBatchEntryId": {entry("a b", "x")},
		"BatchEntryIdsNotDistinct": {entry("a", "x"), entry("a", "y")},
		"BatchRequestTooLong":      {entry("a", strings.Repeat("x", 200<<10)), entry("b", strings.Repeat("x", 100<<10))},
	} {
		_, err := e.publishBatch(t.Context(), as(account), &publishBatchInput{standard, entries})
		wantError(t, err, code, "…")
	}
	ordered := func(id string) publishEntry {
		return publishEntry{Id: id, Message: id, MessageGroupId: ptr("g"), MessageDeduplicationId: &id}
	}
	wrong := ordered("wrong")
	wrong.MessageGroupId = nil
	_, err = e.publishBatch(t.Context(), as(account), &publishBatchInput{fifo, []publishEntry{ordered("0"), wrong, ordered("2")}})
	wantError(t, err, invalidParameter, "Invalid parameter: The MessageGroupId parameter is required for FIFO topics")
	out, err = e.publishBatch(t.Context(), as(account), &publishBatchInput{fifo, []publishEntry{ordered("1"), ordered("2"), ordered("3")}})
	if err != nil || len(out.Successful) != 3 || out.Successful[0].SequenceNumber >= out.Successful[1].SequenceNumber {
		t.Errorf("%+v, %v", out, err)
	}
	got := e.receive(t, q)
	if len(got) != 3 || got[0].Body != "1" || got[1].Body != "2" || got[2].Body != "3" || got[0].DedupID != "1" || got[0].GroupID != "g" {
		t.Errorf("%+v", got)
	}
}

// On the wire: forms in, XML out, with a result for each operation that has an output.
func TestWire(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	open, err := access.New(access.Config{DefaultAccount: account})
	if err != nil {
		t.Fatal(err)
	}
	api := &protocol.API{Name: "sns", Title: "x", Version: "2010-03-31", Namespace: "http://sns.amazonaws.com/doc/2010-03-31/", Operations: e.operations()}
	h, err := protocol.NewHandler(protocol.Config{APIs: []*protocol.API{api}, Access: open})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(form string) (int, string) {
		values, err := url.ParseQuery(form)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "http://localhost/", strings.NewReader(values.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	arn := "arn:aws:sns:us-east-1:" + account + ":wire"
	for _, tt := range []struct {
		form string
		code int
		want string
	}{
		{"Action=CreateTopic&Name=wire&Attributes.entry.1.key=DisplayName&Attributes.entry.1.value=W&Tags.member.1.Key=a&Tags.member.1.Value=", 200,
			"<CreateTopicResult><TopicArn>" + arn + "</TopicArn></CreateTopicResult>"},
		{"Action=ListTopics", 200, "<ListTopicsResult><Topics><member><TopicArn>" + arn + "</TopicArn></member></Topics></ListTopicsResult>"},
		{"Action=ListSubscriptions", 200, "<ListSubscriptionsResult><Subscriptions></Subscriptions></ListSubscriptionsResult>"},
		{"Action=GetTopicAttributes&TopicArn=" + arn, 200, "<entry><key>DisplayName</key><value>W</value></entry>"},
		{"Action=ListTagsForResource&ResourceArn=" + arn, 200, "<Tags><member><Key>a</Key><Value></Value></member></Tags>"},
		{"Action=TagResource&ResourceArn=" + arn + "&Tags.member.1.Key=b&Tags.member.1.Value=2", 200, "<TagResourceResult></TagResourceResult>"},
		{"Action=Publish&TopicArn=" + arn + "&Message=x&MessageAttributes.entry.1.Name=a&MessageAttributes.entry.1.Value.DataType=Number&MessageAttributes.entry.1.Value.StringValue=x", 400,
			"<Type>Sender</Type><Code>ParameterValueInvalid</Code>"},
		{"Action=PublishBatch&TopicArn=" + arn + "&PublishBatchRequestEntries.member.1.Id=a&PublishBatchRequestEntries.member.1.Message=x", 200,
			"<PublishBatchResult><Successful><member><Id>a</Id><MessageId>"},
		{"Action=DeleteTopic&TopicArn=" + arn, 200, "<ResponseMetadata>"},
		{"Action=CreatePlatformApplication&Name=a&Platform=GCM", 501, "<Code>NotImplemented</Code>"},
		{"Action=GetTopicAttributes&TopicArn=" + arn, 404, "<Code>NotFound</Code><Message>Topic does not exist</Message>"},
	} {
		if code, body := ask(tt.form); code != tt.code || !strings.Contains(body, tt.want) {
			t.Errorf("%s: %d %s", tt.form, code, body)
		}
	}
}
