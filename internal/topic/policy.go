package topic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"slices"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/delivery"
)

// RetryPolicy says how often a delivery by HTTP is tried again and when.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
type RetryPolicy struct {
	MinDelay      *int    `json:"minDelayTarget"` // seconds
	MaxDelay      *int    `json:"maxDelayTarget"` // seconds
	Retries       *int    `json:"numRetries"`
	MaxDelayCount *int    `json:"numMaxDelayRetries"`
	NoDelayCount  *int    `json:"numNoDelayRetries"`
	MinDelayCount *int    `json:"numMinDelayRetries"`
	Backoff       *string `json:"backoffFunction"`
}

// ThrottlePolicy bounds how many messages go to an endpoint.
type ThrottlePolicy struct {
	PerSecond *int `json:"maxReceivesPerSecond"`
}

// RequestPolicy says what a request is like.
type RequestPolicy struct {
	ContentType *string `json:"headerContentType"`
}

// SubscriptionPolicy is the DeliveryPolicy of a subscription. Sickly and Guaranteed are
// taken and change nothing, as they do in the real service.
type SubscriptionPolicy struct {
	Healthy    *RetryPolicy    `json:"healthyRetryPolicy"`
	Sickly     *RetryPolicy    `json:"sicklyRetryPolicy"`
	Throttle   *ThrottlePolicy `json:"throttlePolicy"`
	Request    *RequestPolicy  `json:"requestPolicy"`
	Guaranteed bool            `json:"guaranteed"`
}

// TopicPolicy is the DeliveryPolicy of a topic.
type TopicPolicy struct {
	HTTP *HTTPPolicy `json:"http"`
}

// HTTPPolicy is what holds for the subscriptions of a topic that say nothing else.
type HTTPPolicy struct {
	Healthy *RetryPolicy `json:"defaultHealthyRetryPolicy"`
	Sickly  *RetryPolicy `json:"defaultSicklyRetryPolicy,omitempty"`
	// Fixed: what subscriptions say does not count.
	Fixed    bool            `json:"disableSubscriptionOverrides"`
	Throttle *ThrottlePolicy `json:"defaultThrottlePolicy,omitempty"`
	Request  *RequestPolicy  `json:"defaultRequestPolicy"`
}

// The limits and defaults of policies.
const (
	maxPolicy          = 30 << 10 // bytes
	maxRetries         = 100
	maxDelay           = 3600 // seconds, of one and of all
	defaultRetries     = 3
	defaultDelay       = 20 // seconds
	defaultContentType = "text/plain; charset=UTF-8"
)

// The media types that requests may have, of all and of raw deliveries.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html#creating-delivery-policy
var (
	contentTypes    = []string{"application/json", "text/plain"}
	rawContentTypes = append([]string{
		"text/css", "text/csv", "text/html", "text/xml", "application/atom+xml", "application/octet-stream",
		"application/soap+xml", "application/x-www-form-urlencoded", "application/xhtml+xml", "application/xml",
	}, contentTypes...)
)

// PolicyError is what is wrong with a DeliveryPolicy, as a sentence for its author.
type PolicyError string

func (e PolicyError) Error() string { return string(e) }

func wrong(format string, args ...any) error { return PolicyError(fmt.Sprintf(format, args...)) }

// ParseTopicPolicy reads the DeliveryPolicy of a topic. The error is a PolicyError.
func ParseTopicPolicy(text string) (*TopicPolicy, error) {
	p := new(TopicPolicy)
	if err := readPolicy(text, p); err != nil {
		return nil, err
	}
	if p.HTTP == nil {
		return nil, wrong("http must be specified")
	}
	if err := p.HTTP.Healthy.check("http.defaultHealthyRetryPolicy"); err != nil {
		return nil, err
	}
	if err := p.HTTP.Sickly.check("http.defaultSicklyRetryPolicy"); err != nil {
		return nil, err
	}
	if err := p.HTTP.Throttle.check("http.defaultThrottlePolicy"); err != nil {
		return nil, err
	}
	return p, p.HTTP.Request.check("http.defaultRequestPolicy", contentTypes)
}

// ParseSubscriptionPolicy reads the DeliveryPolicy of a subscription, with raw delivery
// or not. The error is a PolicyError.
func ParseSubscriptionPolicy(text string, isRaw bool) (*SubscriptionPolicy, error) {
	p := new(SubscriptionPolicy)
	if err := readPolicy(text, p); err != nil {
		return nil, err
	}
	if err := p.Healthy.check("healthyRetryPolicy"); err != nil {
		return nil, err
	}
	if err := p.Sickly.check("sicklyRetryPolicy"); err != nil {
		return nil, err
	}
	if err := p.Throttle.check("throttlePolicy"); err != nil {
		return nil, err
	}
	types := contentTypes
	if isRaw {
		types = rawContentTypes
	}
	return p, p.Request.check("requestPolicy", types)
}

func readPolicy(text string, into any) error {
	if len(text) > maxPolicy {
		return wrong("it has more than %d bytes", maxPolicy)
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind) && kind.Field != "":
		return wrong("%s has a value of the wrong type", kind.Field)
	case err != nil && strings.Contains(err.Error(), "unknown field"):
		return wrong("there is no member %s", strings.TrimPrefix(err.Error(), "json: unknown field "))
	case err != nil:
		return wrong("failed to parse JSON")
	}
	if d.More() || bytes.TrimSpace([]byte(text))[0] != '{' {
		return wrong("failed to parse JSON")
	}
	return nil
}

func (p *RetryPolicy) check(at string) error {
	if p == nil {
		return nil
	}
	for _, f := range []struct {
		name      string
		v         *int
		low, high int
	}{
		{"minDelayTarget", p.MinDelay, 1, maxDelay}, {"maxDelayTarget", p.MaxDelay, 1, maxDelay},
		{"numRetries", p.Retries, 0, maxRetries}, {"numNoDelayRetries", p.NoDelayCount, 0, maxRetries},
		{"numMinDelayRetries", p.MinDelayCount, 0, maxRetries}, {"numMaxDelayRetries", p.MaxDelayCount, 0, maxRetries},
	} {
		if f.v != nil && (*f.v < f.low || *f.v > f.high) {
			return wrong("%s.%s must be between %d and %d", at, f.name, f.low, f.high)
		}
	}
	if p.Backoff != nil {
		switch delivery.Function(*p.Backoff) {
		case delivery.Linear, delivery.Arithmetic, delivery.Geometric, delivery.Exponential:
		default:
			return wrong("%s.backoffFunction must be one of linear, arithmetic, geometric, exponential", at)
		}
	}
	s := p.schedule()
	switch {
	case s.MinDelay > s.MaxDelay:
		return wrong("%s.maxDelayTarget must be greater than or equal to minDelayTarget", at)
	case s.Backoff < 0:
		return wrong("%s.numRetries must be greater than or equal to the total of numMinDelayRetries, numNoDelayRetries and numMaxDelayRetries", at)
	case s.Total() > maxDelay*time.Second:
		return wrong("%s: the total of all delays must not exceed %d seconds", at, maxDelay)
	}
	return nil
}

func (p *ThrottlePolicy) check(at string) error {
	if p != nil && p.PerSecond != nil && *p.PerSecond < 1 {
		return wrong("%s.maxReceivesPerSecond must be at least 1", at)
	}
	return nil
}

func (p *RequestPolicy) check(at string, types []string) error {
	if p == nil || p.ContentType == nil {
		return nil
	}
	if t, _, err := mime.ParseMediaType(*p.ContentType); err != nil || !slices.Contains(types, t) || len(*p.ContentType) > 256 {
		return wrong("%s.headerContentType must be one of %s", at, strings.Join(types, ", "))
	}
	return nil
}

// schedule that a policy asks for, with the defaults in place of what it does not say.
func (p *RetryPolicy) schedule() delivery.Schedule {
	or := func(v *int, otherwise int) int {
		if v == nil {
			return otherwise
		}
		return *v
	}
	if p == nil {
		p = &RetryPolicy{}
	}
	low := or(p.MinDelay, min(defaultDelay, or(p.MaxDelay, defaultDelay)))
	s := delivery.Schedule{
		Immediate: or(p.NoDelayCount, 0), AtMin: or(p.MinDelayCount, 0), AtMax: or(p.MaxDelayCount, 0),
		MinDelay: time.Duration(low) * time.Second, MaxDelay: time.Duration(or(p.MaxDelay, max(defaultDelay, low))) * time.Second,
		Function: delivery.Linear,
	}
	if p.Backoff != nil {
		s.Function = delivery.Function(*p.Backoff)
	}
	s.Backoff = or(p.Retries, max(defaultRetries, s.Immediate+s.AtMin+s.AtMax)) - s.Immediate - s.AtMin - s.AtMax
	return s
}

// effectivePolicy is what holds for deliveries by HTTP.
type effectivePolicy struct {
	retries     delivery.Schedule
	perSecond   int // 0: no bound
	contentType string
	fixed       bool // subscriptions cannot override it
}

// effective is what holds of a topic's policy and one of its subscriptions' ("": none
// is set). What cannot be read was checked by another release, and does not count.
func effective(topicText, subscriptionText string) effectivePolicy {
	e := effectivePolicy{retries: (*RetryPolicy)(nil).schedule(), contentType: defaultContentType}
	apply := func(r *RetryPolicy, t *ThrottlePolicy, q *RequestPolicy) {
		if r != nil {
			e.retries = r.schedule()
		}
		if t != nil && t.PerSecond != nil {
			e.perSecond = *t.PerSecond
		}
		if q != nil && q.ContentType != nil {
			e.contentType = *q.ContentType
		}
	}
	if topicText != "" {
		if p, err := ParseTopicPolicy(topicText); err == nil {
			apply(p.HTTP.Healthy, p.HTTP.Throttle, p.HTTP.Request)
			e.fixed = p.HTTP.Fixed
		}
	}
	if subscriptionText != "" && !e.fixed {
		if p, err := ParseSubscriptionPolicy(subscriptionText, true); err == nil {
			apply(p.Healthy, p.Throttle, p.Request)
		}
	}
	return e
}

func (e *effectivePolicy) parts() (*RetryPolicy, *ThrottlePolicy, *RequestPolicy) {
	seconds := func(d time.Duration) *int { n := int(d / time.Second); return &n }
	number := func(n int) *int { return &n }
	function := string(e.retries.Function)
	r := &RetryPolicy{
		MinDelay: seconds(e.retries.MinDelay), MaxDelay: seconds(e.retries.MaxDelay), Retries: number(e.retries.Retries()),
		MaxDelayCount: number(e.retries.AtMax), NoDelayCount: number(e.retries.Immediate), MinDelayCount: number(e.retries.AtMin),
		Backoff: &function,
	}
	var t *ThrottlePolicy
	if e.perSecond > 0 {
		t = &ThrottlePolicy{number(e.perSecond)}
	}
	return r, t, &RequestPolicy{&e.contentType}
}

// EffectiveTopicPolicy is the EffectiveDeliveryPolicy of a topic with that policy ("":
// none is set).
func EffectiveTopicPolicy(text string) string {
	e := effective(text, "")
	p := TopicPolicy{HTTP: new(HTTPPolicy)}
	p.HTTP.Healthy, p.HTTP.Throttle, p.HTTP.Request = e.parts()
	p.HTTP.Fixed = e.fixed
	b, _ := json.Marshal(p) // numbers and texts
	return string(b)
}

// EffectiveSubscriptionPolicy is the EffectiveDeliveryPolicy of a subscription.
func EffectiveSubscriptionPolicy(topicText, subscriptionText string) string {
	e := effective(topicText, subscriptionText)
	var p SubscriptionPolicy
	p.Healthy, p.Throttle, p.Request = e.parts()
	b, _ := json.Marshal(p) // numbers and texts
	return string(b)
}
