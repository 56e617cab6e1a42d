package sqs

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/registry"
)

const arnPrefix = "arn:aws:sqs:us-east-1:123456789012:"

func TestRedrivePolicy(t *testing.T) {
	t.Parallel()
	const (
		value = "InvalidParameterValue"
		begin = " for parameter RedrivePolicy is invalid. Reason: "
	)
	policy := func(target, count string) string {
		return `{"deadLetterTargetArn":"` + target + `","maxReceiveCount":` + count + `}`
	}
	tests := []struct {
		name, queue, policy string
		code, message       string
	}{
		{"number", "orders", policy(arnPrefix+"dlq", "3"), "", ""},
		{"text", "orders", policy(arnPrefix+"dlq", `"1000"`), "", ""},
		{"itself", "orders", policy(arnPrefix+"orders", "3"), "", ""},
		{"fifo", "orders.fifo", policy(arnPrefix+"dlq.fifo", "3"), "", ""},
		{"not JSON", "orders", "x", "InvalidAttributeValue", "Invalid value for the parameter RedrivePolicy. Reason: Redrive policy is not a valid JSON map."},
		{"a list", "orders", "[]", "InvalidAttributeValue", "Invalid value for the parameter RedrivePolicy. Reason: Redrive policy is not a valid JSON map."},
		{"null", "orders", "null", "InvalidAttributeValue", "Invalid value for the parameter RedrivePolicy. Reason: Redrive policy is not a valid JSON map."},
		{"empty map", "orders", "{}", value, "Value {}" + begin + "Redrive policy does not contain mandatory attribute: maxReceiveCount."},
		{"no target", "orders", `{"maxReceiveCount":5}`, value, `Value {"maxReceiveCount":5}` + begin + "Redrive policy does not contain mandatory attribute: deadLetterTargetArn."},
		{"count -36", "orders", policy(arnPrefix+"dlq", "-36"), value, "Value " + policy(arnPrefix+"dlq", "-36") + begin + "Invalid value for maxReceiveCount: -36, valid values are from 1 to 1000 both inclusive."},
		{"count 0", "orders", policy(arnPrefix+"dlq", "0"), value, "Value " + policy(arnPrefix+"dlq", "0") + begin + "Invalid value for maxReceiveCount: 0, valid values are from 1 to 1000 both inclusive."},
		{"count 1001", "orders", policy(arnPrefix+"dlq", "1001"), value, "Value " + policy(arnPrefix+"dlq", "1001") + begin + "Invalid value for maxReceiveCount: 1001, valid values are from 1 to 1000 both inclusive."},
		{"count word", "orders", policy(arnPrefix+"dlq", `"many"`), value, "Value " + policy(arnPrefix+"dlq", `"many"`) + begin + "Invalid value for maxReceiveCount: many, valid values are from 1 to 1000 both inclusive."},
		{"dummy target", "orders", `{"deadLetterTargetArn": "dummy", "maxReceiveCount": 42}`, value, `Value {"deadLetterTargetArn": "dummy", "maxReceiveCount": 42}` + begin + "Invalid value for deadLetterTargetArn."},
		{"target number", "orders", `{"deadLetterTargetArn":1,"maxReceiveCount":1}`, value, `Value {"deadLetterTargetArn":1,"maxReceiveCount":1}` + begin + "Invalid value for deadLetterTargetArn."},
		{"topic", "orders", policy("arn:aws:sns:us-east-1:123456789012:MyTopic", "5"), value, "Value " + policy("arn:aws:sns:us-east-1:123456789012:MyTopic", "5") + begin + "Only SQS queues are valid resources for deadLetterTargetArn."},
		{"other type", "orders", policy(arnPrefix+"dlq.fifo", "5"), value, "Value " + policy(arnPrefix+"dlq.fifo", "5") + begin + "Dead-letter queue must be same type of queue as the source.."},
		{"unknown", "orders", policy(arnPrefix+"nothing", "5"), value, "Value " + policy(arnPrefix+"nothing", "5") + begin + "Dead letter target does not exist."},
		{"other account", "orders", policy("arn:aws:sqs:us-east-1:210987654321:dlq", "5"), value, "Value " + policy("arn:aws:sqs:us-east-1:210987654321:dlq", "5") + begin + "Dead letter target does not exist."},
		{"more fields", "orders", `{"deadLetterTargetArn":"` + arnPrefix + `dlq","maxReceiveCount":5,"dummy":1}`, value,
			`Value {"deadLetterTargetArn":"` + arnPrefix + `dlq","maxReceiveCount":5,"dummy":1}` + begin + "Only following attributes are supported: [maxReceiveCount, deadLetterTargetArn]."},
		{"denied", "orders", policy(arnPrefix+"closed", "5"), value, "Value " + policy(arnPrefix+"closed", "5") + begin + "The redrive allow policy of the dead-letter queue does not let this queue use it."},
		{"not listed", "orders", policy(arnPrefix+"listed", "5"), value, "Value " + policy(arnPrefix+"listed", "5") + begin + "The redrive allow policy …"},
		{"listed", "friend", policy(arnPrefix+"listed", "5"), "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t)
			for _, name := range []string{"orders", "friend", "dlq", "dlq.fifo", "orders.fifo"} {
				e.make(t, name)
			}
			e.make(t, "closed", "RedriveAllowPolicy", `{"redrivePermission":"denyAll"}`)
			e.make(t, "listed", "RedriveAllowPolicy", `{"redrivePermission":"byQueue","sourceQueueArns":["`+arnPrefix+`friend"]}`)
			url := "http://h/" + account + "/" + tt.queue
			wantError(t, e.set(url, "RedrivePolicy", tt.policy), tt.code, tt.message)
			if tt.code != "" {
				return
			}
			shown := e.show(t, url, "RedrivePolicy")["RedrivePolicy"]
			if want := strings.NewReplacer(`"1000"`, "1000").Replace(tt.policy); shown != want {
				t.Errorf("shown %s, want %s", shown, want)
			}
			wantError(t, e.set(url, "RedrivePolicy", ""), "", "")
			if got := e.show(t, url, "RedrivePolicy"); len(got) != 0 {
				t.Errorf("taken away, yet %v", got)
			}
		})
	}
}

func TestRedriveAllowPolicy(t *testing.T) {
	t.Parallel()
	const (
		malformed = "Invalid value for the parameter RedriveAllowPolicy. Reason: Amazon SQS can't create the redrive allow policy, as it’s in an unsupported format."
		begin     = " for parameter RedriveAllowPolicy is invalid. Reason: Amazon SQS can't create the redrive allow policy. "
		must      = "When you specify the byQueue permission type, you must also specify one or more sourceQueueArns values."
		only      = "To specify one or more source queue ARNs, you must set redrivePermission to byQueue."
	)
	eleven := `{"redrivePermission":"byQueue","sourceQueueArns":["` + strings.Repeat(arnPrefix+`x","`, 10) + arnPrefix + `x"]}`
	tests := []struct{ policy, code, message string }{
		{`{"redrivePermission":"allowAll"}`, "", ""},
		{`{"redrivePermission":"denyAll"}`, "", ""},
		{`{"redrivePermission":"byQueue","sourceQueueArns":["` + arnPrefix + `x1","` + arnPrefix + `x2"]}`, "", ""},
		{"badjson", "InvalidAttributeValue", malformed},
		{"[]", "InvalidAttributeValue", malformed},
		{"{}", "InvalidAttributeValue", malformed},
		{`{"redrivePermission":"dummy"}`, "InvalidAttributeValue", malformed},
		{`{"redrivePermission":"allowAll","dummy":"value"}`, "InvalidAttributeValue", malformed},
		{`{"redrivePermission":"byQueue","sourceQueueArns":"arn:aws:sqs"}`, "InvalidAttributeValue", malformed},
		{`{"redrivePermission":"byQueue","sourceQueueArns":[{"dummy":"value"}]}`, "InvalidAttributeValue", malformed},
		{`{"redrivePermission":"byQueue"}`, "InvalidParameterValue", `Value {"redrivePermission":"byQueue"}` + begin + must},
		{`{"redrivePermission":"byQueue","sourceQueueArns":[]}`, "InvalidParameterValue", `Value {"redrivePermission":"byQueue","sourceQueueArns":[]}` + begin + must},
		{eleven, "InvalidParameterValue", "Value " + eleven + begin + "The maximum number of source queue ARNs you can specify is 10."},
		{`{"redrivePermission":"allowAll","sourceQueueArns":["` + arnPrefix + `x"]}`, "InvalidParameterValue",
			`Value {"redrivePermission":"allowAll","sourceQueueArns":["` + arnPrefix + `x"]}` + begin + only},
		{`{"redrivePermission":"denyAll","sourceQueueArns":["` + arnPrefix + `x"]}`, "InvalidParameterValue",
			`Value {"redrivePermission":"denyAll","sourceQueueArns":["` + arnPrefix + `x"]}` + begin + only},
		{`{"redrivePermission":"byQueue","sourceQueueArns":["x"]}`, "InvalidParameterValue", `Value {"redrivePermission":"byQueue","sourceQueueArns":["x"]}` + begin + "The value x is not the ARN of a queue."},
	}
	for _, tt := range tests {
		e := newEnv(t)
		url := e.make(t, "dlq")
		wantError(t, e.set(url, "RedriveAllowPolicy", tt.policy), tt.code, tt.message)
		if tt.code != "" {
			continue
		}
		if got := e.show(t, url, "RedriveAllowPolicy")["RedriveAllowPolicy"]; got != tt.policy {
			t.Errorf("shown %s, want %s", got, tt.policy)
		}
		wantError(t, e.set(url, "RedriveAllowPolicy", ""), "", "")
		if got := e.show(t, url, "RedriveAllowPolicy"); len(got) != 0 {
			t.Errorf("taken away, yet %v", got)
		}
	}
}

func FuzzParseRedrive(f *testing.F) {
	for _, s := range []string{
		`{"deadLetterTargetArn":"` + arnPrefix + `dlq","maxReceiveCount":3}`, `{"maxReceiveCount":"5"}`, `[]`, `null`, `{`,
		`{"deadLetterTargetArn":null,"maxReceiveCount":1e2}`, "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, v string) {
		r, err := parseRedrive(v)
		if err != nil || r == nil {
			return
		}
		shown, _ := showRedrive(r)
		again, err := parseRedrive(shown)
		if err != nil || *again != *r || !json.Valid([]byte(shown)) {
			t.Fatalf("%q shows as %q, which is %+v, %v", v, shown, again, err)
		}
	})
}

func FuzzParseRedriveAllow(f *testing.F) {
	for _, s := range []string{`{"redrivePermission":"allowAll"}`, `{"redrivePermission":"byQueue","sourceQueueArns":["` + arnPrefix + `x"]}`, `{}`, `[`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, v string) {
		a, err := parseRedriveAllow(v)
		if err != nil || a == nil {
			return
		}
		shown, _ := showRedriveAllow(a)
		if again, err := parseRedriveAllow(shown); err != nil || again.Permission != a.Permission || len(again.Sources) != len(a.Sources) {
			t.Fatalf("%q shows as %q, which is %+v, %v", v, shown, again, err)
		}
	})
}

func TestRedriveOfCreatedQueue(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	_, err := e.createQueue(context.Background(), as(account), &createQueueInput{QueueName: "orders", Attributes: map[string]string{
		"RedrivePolicy": `{"deadLetterTargetArn":"` + arnPrefix + `dlq","maxReceiveCount":3}`,
	}})
	wantError(t, err, "InvalidParameterValue", "Value …")
	if _, ok := e.defs.Queue(account, region, "orders"); ok {
		t.Error("the queue was made")
	}
	e.make(t, "dlq")
	e.make(t, "orders", "RedrivePolicy", `{"deadLetterTargetArn":"`+arnPrefix+`dlq","maxReceiveCount":3}`)
	q, _ := e.defs.Queue(account, region, "orders")
	if q.Redrive == nil || *q.Redrive != (registry.Redrive{TargetARN: arnPrefix + "dlq", MaxReceives: 3}) {
		t.Errorf("%+v", q.Redrive)
	}
}
