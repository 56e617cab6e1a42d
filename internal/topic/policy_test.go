package topic

import (
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/delivery"
)

func TestSubscriptionPolicy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{`{}`, ""},
		{`{"healthyRetryPolicy":{"minDelayTarget":1,"maxDelayTarget":60,"numRetries":50,"numNoDelayRetries":3,"numMinDelayRetries":2,"numMaxDelayRetries":35,"backoffFunction":"exponential"},"sicklyRetryPolicy":null,"throttlePolicy":{"maxReceivesPerSecond":10},"requestPolicy":{"headerContentType":"application/json; charset=utf-8"},"guaranteed":true}`, ""},
		{`{"healthyRetryPolicy":{"numRetries":0}}`, ""},
		{`{"healthyRetryPolicy":{"maxDelayTarget":5}}`, ""},
		{`{"healthyRetryPolicy":{"minDelayTarget":0}}`, "healthyRetryPolicy.minDelayTarget must be between 1 and 3600"},
		{`{"healthyRetryPolicy":{"maxDelayTarget":3601}}`, "healthyRetryPolicy.maxDelayTarget must be between 1 and 3600"},
		{`{"healthyRetryPolicy":{"minDelayTarget":30,"maxDelayTarget":20}}`, "healthyRetryPolicy.maxDelayTarget must be greater than or equal to minDelayTarget"},
		{`{"healthyRetryPolicy":{"numRetries":3,"numMinDelayRetries":2,"numMaxDelayRetries":2}}`, "healthyRetryPolicy.numRetries must be greater than or equal to the total of numMinDelayRetries, numNoDelayRetries and numMaxDelayRetries"},
		{`{"healthyRetryPolicy":{"numRetries":100,"minDelayTarget":100,"maxDelayTarget":100}}`, "healthyRetryPolicy: the total of all delays must not exceed 3600 seconds"},
		{`{"healthyRetryPolicy":{"backoffFunction":"random"}}`, "healthyRetryPolicy.backoffFunction must be one of linear, arithmetic, geometric, exponential"},
		{`{"healthyRetryPolicy":{"numRetries":1.5}}`, "healthyRetryPolicy.numRetries has a value of the wrong type"},
		{`{"healthyRetryPolicy":7}`, "healthyRetryPolicy has a value of the wrong type"},
		{`{"sicklyRetryPolicy":{"numRetries":-1}}`, "sicklyRetryPolicy.numRetries must be between 0 and 100"},
		{`{"throttlePolicy":{"maxReceivesPerSecond":0}}`, "throttlePolicy.maxReceivesPerSecond must be at least 1"},
		{`{"requestPolicy":{"headerContentType":"text/css"}}`, "requestPolicy.headerContentType must be one of application/json, text/plain"},
		{`{"requestPolicy":{"headerContentType":"text/plain\r\nx: y"}}`, "requestPolicy.headerContentType must be one of application/json, text/plain"},
		{`{"nonsense":1}`, `there is no member "nonsense"`},
		{`{} {}`, "failed to parse JSON"},
		{`null`, "failed to parse JSON"},
		{``, "failed to parse JSON"},
		{`{"a":"` + strings.Repeat("x", maxPolicy) + `"}`, "it has more than 30720 bytes"},
	} {
		_, err := ParseSubscriptionPolicy(tt.text, false)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%.100s\n got  %s\n want %s", tt.text, got, tt.want)
		}
	}
	if _, err := ParseSubscriptionPolicy(`{"requestPolicy":{"headerContentType":"text/css"}}`, true); err != nil {
		t.Errorf("raw: %v", err)
	}
}

func TestEffectivePolicy(t *testing.T) {
	t.Parallel()
	const topicText = `{"http":{"defaultHealthyRetryPolicy":{"numRetries":4,"numNoDelayRetries":1,"minDelayTarget":2},"defaultThrottlePolicy":{"maxReceivesPerSecond":7},"defaultRequestPolicy":{"headerContentType":"application/json"}}}`
	seconds := func(n int) time.Duration { return time.Duration(n) * time.Second }
	usual := delivery.Schedule{Backoff: 3, MinDelay: seconds(20), MaxDelay: seconds(20), Function: delivery.Linear}
	ofTopic := delivery.Schedule{Immediate: 1, Backoff: 3, MinDelay: seconds(2), MaxDelay: seconds(20), Function: delivery.Linear}
	fixed := strings.Replace(topicText, `{"http":{`, `{"http":{"disableSubscriptionOverrides":true,`, 1)
	for name, tt := range map[string]struct {
		topic, subscription string
		want                effectivePolicy
	}{
		"neither": {"", "", effectivePolicy{usual, 0, defaultContentType, false}},
		"topic's": {topicText, "", effectivePolicy{ofTopic, 7, "application/json", false}},
		"both": {
			topicText, `{"healthyRetryPolicy":{"numRetries":0},"requestPolicy":{"headerContentType":"text/plain"}}`,
			effectivePolicy{delivery.Schedule{MinDelay: seconds(20), MaxDelay: seconds(20), Function: delivery.Linear}, 7, "text/plain", false},
		},
		"fixed": {fixed, `{"healthyRetryPolicy":{"numRetries":0}}`, effectivePolicy{ofTopic, 7, "application/json", true}},
	} {
		if got := effective(tt.topic, tt.subscription); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
	const want = `{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}}}`
	if got := EffectiveTopicPolicy(""); got != want {
		t.Errorf("the default is %s", got)
	}
}

func FuzzSubscriptionPolicy(f *testing.F) {
	f.Add(`{"healthyRetryPolicy":{"numRetries":5,"minDelayTarget":1,"maxDelayTarget":2,"backoffFunction":"geometric"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseSubscriptionPolicy(text, true)
		if err != nil {
			return
		}
		s := p.Healthy.schedule()
		if n := s.Retries(); n < 0 || n > maxRetries || s.Total() > maxDelay*time.Second {
			t.Errorf("%s: %d retries in %v", text, n, s.Total())
		}
	})
}
