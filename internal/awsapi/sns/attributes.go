package sns

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/waystation/waystation/internal/awsapi/characters"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/awsapi/resource"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/topic"
)

// Values of attributes that are words.
const (
	scopeTopic  = "Topic"
	scopeGroup  = "MessageGroup"
	passThrough = "PassThrough"
	active      = "Active"
)

type topicAttribute = resource.Attribute[registry.Topic, topic.Counts]

// topicAttributes is the table of a topic's attributes. What needs more than the topic
// and the value is checked by service.settle.
// https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html
func topicAttributes() *resource.Attributes[registry.Topic, topic.Counts] {
	list := []topicAttribute{
		{
			Name: "Policy",
			Set: func(t *registry.Topic, v string) error {
				if v != "" {
					if err := checkPolicy(v); err != nil {
						return err
					}
				}
				t.Policy = v
				return nil
			},
			Show: func(t *registry.Topic) (string, bool) {
				if t.Policy == "" {
					return defaultPolicy(t), true
				}
				return t.Policy, true
			},
			Note: "Evaluated on every request together with the caller's own policy, but on a server without a keys file, which stores it only (unless enforce-policies is set). An empty value brings the default back.",
			Same: sameJSON,
		},
		{
			Name: "DisplayName",
			Set: func(t *registry.Topic, v string) error {
				if utf8.RuneCountInString(v) > maxDisplayName || characters.Bad(v) >= 0 {
					return invalid("DisplayName Reason: it has at most 100 characters")
				}
				t.DisplayName = v
				return nil
			},
			Show: func(t *registry.Topic) (string, bool) { return t.DisplayName, true },
		},
		{
			Name: "MaximumMessageSize",
			Set: func(t *registry.Topic, v string) error {
				n, err := strconv.Atoi(v)
				if err != nil || n < minMessageBytes || n > maxMessageBytes || strconv.Itoa(n) != v {
					return invalid("MaximumMessageSize Reason: it must be an integer between 1024 and 1048576")
				}
				t.MaxMessageSize = n
				return nil
			},
			Show: func(t *registry.Topic) (string, bool) { return strconv.Itoa(t.MaxMessageSize), t.MaxMessageSize > 0 },
			Note: "1 KiB to 1 MiB of body and message attributes; 256 KiB unless set. Above that a topic has at most 100 subscriptions.",
		},
		{
			Name: "SignatureVersion",
			Set: func(t *registry.Topic, v string) error {
				if v != "1" && v != "2" {
					return invalid("SignatureVersion Reason: it must be 1 or 2")
				}
				t.SignatureVersion = int(v[0] - '0')
				return nil
			},
			Show: func(t *registry.Topic) (string, bool) {
				return strconv.Itoa(t.SignatureVersion), t.SignatureVersion > 0
			},
			Note: "1 (SHA-1) unless set, or 2 (SHA-256). The certificate is served by this server, under the SigningCertURL of each notification.",
		},
		{
			Name: "TracingConfig",
			Set: func(t *registry.Topic, v string) error {
				if v != passThrough && (v != active || t.FIFO) {
					return invalid("TracingConfig")
				}
				t.Tracing = v
				return nil
			},
			Show:   func(t *registry.Topic) (string, bool) { return t.Tracing, t.Tracing != "" },
			Status: protocol.Partly,
			Note:   "The trace header is passed on either way; Active sends nothing to X-Ray.",
		},
		{
			Name: "KmsMasterKeyId",
			Set: func(t *registry.Topic, v string) error {
				if len(v) > 2048 || characters.Bad(v) >= 0 {
					return invalid("KmsMasterKeyId")
				}
				t.KMSKeyID = v
				return nil
			},
			Show:   func(t *registry.Topic) (string, bool) { return t.KMSKeyID, t.KMSKeyID != "" },
			Status: protocol.Partly,
			Note:   "Stored and answered; nothing is encrypted with it.",
		},
		{
			Name: "FifoTopic",
			Show: func(t *registry.Topic) (string, bool) { return "true", t.FIFO },
			Note: "FIFO topics. Fixed when the topic is made, together with the .fifo suffix.",
		},
		{
			Name: "ContentBasedDeduplication",
			Set: func(t *registry.Topic, v string) error {
				if !t.FIFO {
					return invalid("ContentBasedDeduplication Reason: only FIFO topics have it")
				}
				switch strings.ToLower(v) {
				case "true", "false":
					t.ContentDedup = strings.EqualFold(v, "true")
					return nil
				}
				return invalid("ContentBasedDeduplication Reason: it must be true or false")
			},
			Show: func(t *registry.Topic) (string, bool) { return strconv.FormatBool(t.ContentDedup), t.FIFO },
			Note: "FIFO topics.",
		},
		{
			Name: "FifoThroughputScope",
			Set: func(t *registry.Topic, v string) error {
				if !t.FIFO || v != scopeTopic && v != scopeGroup {
					return invalid("FifoThroughputScope")
				}
				t.DedupPerGroup = v == scopeGroup
				return nil
			},
			Show: func(t *registry.Topic) (string, bool) {
				if t.DedupPerGroup {
					return scopeGroup, t.FIFO
				}
				return scopeTopic, t.FIFO
			},
			Note: "FIFO topics. Topic unless set: deduplication ids count within the whole topic. There is no throughput limit in either.",
		},
		{
			Name: "DeliveryPolicy",
			Set: func(t *registry.Topic, v string) error {
				if v != "" {
					if _, err := topic.ParseTopicPolicy(v); err != nil {
						return invalid("DeliveryPolicy: " + err.Error())
					}
				}
				t.DeliveryPolicy = v
				return nil
			},
			Show: func(t *registry.Topic) (string, bool) { return t.DeliveryPolicy, t.DeliveryPolicy != "" },
			Same: sameJSON,
			Note: "Of the subscriptions with protocol http and https. defaultSicklyRetryPolicy is taken and changes nothing. An empty value takes it away.",
		},
		{
			Name: "EffectiveDeliveryPolicy",
			Show: func(t *registry.Topic) (string, bool) { return topic.EffectiveTopicPolicy(t.DeliveryPolicy), !t.FIFO },
			Note: "Standard topics.",
		},
		later("ArchivePolicy", "Needs archives of topics."),
		shownLater("BeginningArchiveTime", "Needs archives of topics."),
	}
	for _, protocol := range []string{"HTTP", "Firehose", "Lambda", "Application", "SQS"} {
		for _, what := range []string{"SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn"} {
			list = append(list, feedback(protocol+what))
		}
	}
	count := func(name string, n func(c *topic.Counts) int) topicAttribute {
		return topicAttribute{Name: name, ShowLive: func(_ *registry.Topic, c *topic.Counts) (string, bool) {
			return strconv.Itoa(n(c)), true
		}}
	}
	list = append(list,
		topicAttribute{Name: "Owner", Show: func(t *registry.Topic) (string, bool) { return t.Account, true }},
		topicAttribute{Name: "TopicArn", Show: func(t *registry.Topic) (string, bool) { return t.ARN(), true }},
		count("SubscriptionsConfirmed", func(c *topic.Counts) int { return c.Confirmed }),
		count("SubscriptionsPending", func(c *topic.Counts) int { return c.Pending }),
		count("SubscriptionsDeleted", func(*topic.Counts) int { return 0 }),
	)
	list[len(list)-1].Note = "Always 0: what is deleted is gone at once."
	return resource.NewAttributes(list...)
}

// later is an attribute that is known, and refused.
func later(name, why string) topicAttribute {
	a := shownLater(name, why)
	a.Set = func(*registry.Topic, string) error { return notYet(name, "this attribute is") }
	return a
}

// shownLater is an attribute that can only be read, and is not there yet.
func shownLater(name, why string) topicAttribute {
	return topicAttribute{
		Name: name, Show: func(*registry.Topic) (string, bool) { return "", false }, Status: protocol.NotYet, Note: why,
	}
}

// feedback is one of the attributes about the logging of deliveries.
func feedback(name string) topicAttribute {
	return topicAttribute{
		Name: name,
		Set: func(t *registry.Topic, v string) error {
			switch {
			case v == "":
			case strings.HasSuffix(name, "SampleRate"):
				if n, err := strconv.Atoi(v); err != nil || n < 0 || n > maxFeedbackSample || strconv.Itoa(n) != v {
					return invalid(name + " Reason: it must be an integer between 0 and 100")
				}
			case len(v) > 2048 || !strings.HasPrefix(v, "arn:") || !strings.Contains(v, ":role/") || characters.Bad(v) >= 0:
				return invalid(name + " Reason: it must be the ARN of a role")
			}
			if v == "" {
				delete(t.Feedback, name)
				return nil
			}
			if t.Feedback == nil {
				t.Feedback = make(map[string]string)
			}
			t.Feedback[name] = v
			return nil
		},
		Show:   func(t *registry.Topic) (string, bool) { v, ok := t.Feedback[name]; return v, ok },
		Status: protocol.Partly,
		Note:   "Stored and answered. Failed deliveries are logged and counted whatever it says, see docs/operations.md.",
	}
}

// settle checks attributes against each other and against the topic's subscriptions.
func (s *service) settle(t *registry.Topic, n topic.Counts) error {
	if t.MaxMessageSize > topic.LargeMessage && n.Confirmed+n.Pending > topic.MaxLargeSubscriptions {
		return invalid("MaximumMessageSize Reason: a topic with a MaximumMessageSize above 256 KiB must have 100 or fewer subscriptions")
	}
	return nil
}
