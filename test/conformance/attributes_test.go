package conformance

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func TestDefaultAttributes(t *testing.T) {
	t.Parallel()
	c := client(t)
	common := attrs{
		"VisibilityTimeout": "30", "MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600",
		"DelaySeconds": "0", "ReceiveMessageWaitTimeSeconds": "0", "SqsManagedSseEnabled": "true",
		"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0", "ApproximateNumberOfMessagesDelayed": "0",
	}
	fifo := attrs{"FifoQueue": "true", "ContentBasedDeduplication": "false", "DeduplicationScope": "queue", "FifoThroughputLimit": "perQueue"}
	for kind, extra := range map[string]attrs{"standard": nil, "fifo": fifo} {
		t.Run(kind, func(t *testing.T) {
			var given attrs
			if extra != nil {
				given = attrs{"FifoQueue": "true"}
			}
			got := attributes(t, c, queue(t, c, given), "All")
			want := attrs{}
			for _, m := range []attrs{common, extra} {
				for k, v := range m {
					want[k] = v
					if got[k] != v {
						t.Errorf("%s = %q, want %q", k, got[k], v)
					}
				}
			}
			for _, k := range []string{"CreatedTimestamp", "LastModifiedTimestamp"} {
				at, err := strconv.ParseInt(got[k], 10, 64)
				if err != nil || time.Since(time.Unix(at, 0)).Abs() > time.Minute {
					t.Errorf("%s = %q, want now in seconds", k, got[k])
				}
			}
			for k := range got {
				if _, known := want[k]; !known && k != "QueueArn" && k != "CreatedTimestamp" && k != "LastModifiedTimestamp" {
					t.Errorf("attribute %s = %q was not asked for", k, got[k])
				}
			}
		})
	}
}

func TestAttributeSelection(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, nil)
	if got := attributes(t, c, url); len(got) != 0 {
		t.Errorf("no names: %v, want nothing", got)
	}
	if got := attributes(t, c, url, "DelaySeconds", "QueueArn"); len(got) != 2 {
		t.Errorf("two names: %v", got)
	}
	if got := attributes(t, c, url, "Policy", "RedrivePolicy"); len(got) != 0 {
		t.Errorf("unset ones: %v, want nothing", got)
	}
	_, err := c.GetQueueAttributes(bound(t), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"Nonsense"}})
	wantError[*types.InvalidAttributeName](t, err, codeBadAttrName)
}

func TestSetAttributes(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, nil)
	set := func(a attrs) error {
		_, err := c.SetQueueAttributes(bound(t), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: a})
		return err
	}
	given := attrs{
		"VisibilityTimeout": "43200", "MaximumMessageSize": "1024", "MessageRetentionPeriod": "1209600",
		"DelaySeconds": "900", "ReceiveMessageWaitTimeSeconds": "20",
		"Policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"*"}]}`,
	}
	if err := set(given); err != nil {
		t.Fatal(err)
	}
	got := attributes(t, c, url, "All")
	for k, v := range given {
		if got[k] != v && (k != "Policy" || !sameJSON(got[k], v)) {
			t.Errorf("%s = %q, want %q", k, got[k], v)
		}
	}
	if err := set(attrs{"Policy": "", "VisibilityTimeout": "0", "MessageRetentionPeriod": "60", "MaximumMessageSize": "1048576"}); err != nil {
		t.Fatal(err)
	}
	got = attributes(t, c, url, "All")
	if _, there := got["Policy"]; there || got["VisibilityTimeout"] != "0" || got["MessageRetentionPeriod"] != "60" {
		t.Errorf("after the second change: %v", got)
	}
	for k, values := range map[string][]string{
		"VisibilityTimeout":             {"-1", "43201", "x", "", "1.5", "99999999999999999999"},
		"MaximumMessageSize":            {"1023", "1048577", "x"},
		"MessageRetentionPeriod":        {"59", "1209601", "x"},
		"DelaySeconds":                  {"-1", "901", "x"},
		"ReceiveMessageWaitTimeSeconds": {"-1", "21", "x"},
		"SqsManagedSseEnabled":          {"yes"},
		"Policy":                        {"{", "[]", `{"Statement":"x"}`},
		"RedrivePolicy":                 {"{", `{"maxReceiveCount":3}`, `{"deadLetterTargetArn":"dummy","maxReceiveCount":3}`},
		"RedriveAllowPolicy":            {"{", `{"redrivePermission":"perhaps"}`},
	} {
		for _, v := range values {
			t.Run(fmt.Sprintf("%s=%.12s", k, v), func(t *testing.T) {
				wantCode(t, set(attrs{k: v}), codeBadAttrValue, codeBadValue)
			})
		}
	}
	wantError[*types.InvalidAttributeName](t, set(attrs{"Nonsense": "1"}), codeBadAttrName)
	wantCode(t, set(attrs{"QueueArn": "x"}), codeBadAttrName, codeBadAttrValue)
	wantCode(t, set(attrs{"FifoQueue": "true"}), codeBadAttrName, codeBadAttrValue)
	wantCode(t, set(attrs{"ContentBasedDeduplication": "true"}), codeBadAttrName, codeBadAttrValue)
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

// One wrong attribute refuses the whole change.
func TestSetAttributesIsAllOrNothing(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, nil)
	_, err := c.SetQueueAttributes(bound(t), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: attrs{"DelaySeconds": "5", "VisibilityTimeout": "x"}})
	wantCode(t, err, codeBadAttrValue, codeBadValue)
	if got := attributes(t, c, url, "DelaySeconds"); got["DelaySeconds"] != "0" {
		t.Errorf("DelaySeconds = %s, want 0", got["DelaySeconds"])
	}
}

// Changed attributes count at once: visibility for the next receive, delay for
// the next send of a standard queue.
func TestSetAttributesTakesEffect(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, attrs{"VisibilityTimeout": "300"})
	send(t, c, url, "m")
	if _, err := c.SetQueueAttributes(bound(t), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: attrs{"VisibilityTimeout": "1", "DelaySeconds": "600"}}); err != nil {
		t.Fatal(err)
	}
	one(t, c, url)
	if m := one(t, c, url); m.Attributes["ApproximateReceiveCount"] != "2" {
		t.Errorf("receive count = %s, want 2", m.Attributes["ApproximateReceiveCount"])
	}
	send(t, c, url, "late")
	if got := counts(t, c, url); got[2] != "1" {
		t.Errorf("counts = %v, want one delayed", got)
	}
}

func TestEncryptionAttributes(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, attrs{"KmsMasterKeyId": "alias/orders", "KmsDataKeyReusePeriodSeconds": "6000"})
	got := attributes(t, c, url, "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled")
	if got["KmsMasterKeyId"] != "alias/orders" || got["KmsDataKeyReusePeriodSeconds"] != "6000" || got["SqsManagedSseEnabled"] != "false" {
		t.Errorf("attributes = %v", got)
	}
	for _, v := range []string{"59", "86401"} {
		_, err := c.SetQueueAttributes(bound(t), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: attrs{"KmsDataKeyReusePeriodSeconds": v}})
		wantCode(t, err, codeBadAttrValue, codeBadValue)
	}
}
