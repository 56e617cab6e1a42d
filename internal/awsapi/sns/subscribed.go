package sns

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/awsapi/resource"
	"github.com/waystation/waystation/internal/egress"
	"github.com/waystation/waystation/internal/pattern"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/topic"
)

// The scopes of filter policies.
const (
	scopeAttributes = "MessageAttributes"
	scopeBody       = "MessageBody"
)

type subscriptionAttribute = resource.Attribute[registry.Subscription, registry.Topic]

// reason is why an attribute's value is refused: SetSubscriptionAttributes and
// Subscribe begin their sentences in different ways.
type reason string

func (r reason) Error() string { return string(r) }

// subscriptionAttributes is the table of a subscription's attributes. What needs more
// than the value is checked by settleSubscription.
// https://docs.aws.amazon.com/sns/latest/api/API_SetSubscriptionAttributes.html
func subscriptionAttributes() *resource.Attributes[registry.Subscription, registry.Topic] {
	show := func(name string, get func(d *registry.Subscription) string) subscriptionAttribute {
		return subscriptionAttribute{Name: name, Show: func(d *registry.Subscription) (string, bool) { return get(d), true }}
	}
	list := []subscriptionAttribute{
		{
			Name: "RawMessageDelivery",
			Set: func(d *registry.Subscription, v string) error {
				switch {
				case strings.EqualFold(v, "true"):
					d.Raw = true
				case strings.EqualFold(v, "false"):
					d.Raw = false
				default:
					return reason("RawMessageDelivery: Invalid value [" + echo(v) + "]. Must be true or false.")
				}
				return nil
			},
			Show: func(d *registry.Subscription) (string, bool) { return strconv.FormatBool(d.Raw), true },
			Note: "Counts for messages published after it. A message with more than 10 attributes cannot be delivered raw.",
		},
		{
			Name: "FilterPolicyScope",
			Set: func(d *registry.Subscription, v string) error {
				if v != scopeAttributes && v != scopeBody {
					return reason("FilterPolicyScope: Invalid value [" + echo(v) + "]. Please use either MessageBody or MessageAttributes")
				}
				d.FilterBody = v == scopeBody
				return nil
			},
			Show: func(d *registry.Subscription) (string, bool) {
				if d.FilterBody {
					return scopeBody, d.FilterPolicy != ""
				}
				return scopeAttributes, d.FilterPolicy != ""
			},
		},
		{
			Name: "FilterPolicy",
			Set: func(d *registry.Subscription, v string) error {
				if strings.TrimSpace(v) == "{}" {
					v = ""
				}
				d.FilterPolicy = v
				return nil
			},
			Show: func(d *registry.Subscription) (string, bool) { return d.FilterPolicy, d.FilterPolicy != "" },
			Note: "At most 10,000 on a topic. An empty one is taken away. In effect on this node when it is answered, on others a moment later.",
			Same: sameJSON,
		},
		{
			Name: "RedrivePolicy",
			Set: func(d *registry.Subscription, v string) (err error) {
				d.RedriveARN, err = parseRedrive(v)
				return err
			},
			Show: func(d *registry.Subscription) (string, bool) {
				arn, _ := json.Marshal(d.RedriveARN) // a string
				return `{"deadLetterTargetArn":` + string(arn) + `}`, d.RedriveARN != ""
			},
			Note: "For messages that find their queue gone, or its policy without a permission for the topic, and for those that an HTTP endpoint did not take. An empty value takes it away.",
		},
		{
			Name: "DeliveryPolicy",
			Set: func(d *registry.Subscription, v string) error {
				d.DeliveryPolicy = v
				return nil
			},
			Show: func(d *registry.Subscription) (string, bool) { return d.DeliveryPolicy, d.DeliveryPolicy != "" },
			Note: "Of http and https. guaranteed and sicklyRetryPolicy are taken and change nothing. An empty value takes it away.",
			Same: sameJSON,
		},
		{
			Name: "EffectiveDeliveryPolicy",
			ShowLive: func(d *registry.Subscription, t *registry.Topic) (string, bool) {
				return topic.EffectiveSubscriptionPolicy(t.DeliveryPolicy, d.DeliveryPolicy), d.Protocol != topic.ProtocolSQS
			},
			Note: "Of http and https.",
		},
		laterSubscribed("SubscriptionRoleArn", "Needs deliveries to Firehose."),
		laterSubscribed("ReplayPolicy", "Needs archives of topics."),
		show("SubscriptionArn", (*registry.Subscription).ARN),
		show("TopicArn", topicOf),
		show("Owner", func(d *registry.Subscription) string { return d.Owner }),
		show("Protocol", func(d *registry.Subscription) string { return d.Protocol }),
		show("Endpoint", func(d *registry.Subscription) string { return egress.Masked(d.Endpoint) }),
		show("PendingConfirmation", func(d *registry.Subscription) string { return strconv.FormatBool(d.Pending) }),
		show("ConfirmationWasAuthenticated", func(d *registry.Subscription) string { return strconv.FormatBool(d.Authenticated) }),
	}
	return resource.NewAttributes(list...)
}

// topicOf is the ARN of the topic.
func topicOf(d *registry.Subscription) string {
	arn := d.ARN()
	return arn[:strings.LastIndexByte(arn, ':')]
}

func laterSubscribed(name, why string) subscriptionAttribute {
	return subscriptionAttribute{
		Name: name, Status: protocol.NotYet, Note: why,
		Set: func(*registry.Subscription, string) error {
			return reason(name + ": this attribute is not supported yet")
		},
		Show: func(*registry.Subscription) (string, bool) { return "", false },
	}
}

// parseRedrive reads a RedrivePolicy; empty means none.
func parseRedrive(v string) (string, error) {
	if v == "" {
		return "", nil
	}
	var policy struct {
		Target *string `json:"deadLetterTargetArn"`
	}
	if len(v) > maxRedrivePolicy || json.Unmarshal([]byte(v), &policy) != nil {
		return "", reason("RedrivePolicy: failed to parse JSON. Please make sure it is a valid JSON object with the member deadLetterTargetArn.")
	}
	if policy.Target == nil {
		return "", reason("RedrivePolicy: deadLetterTargetArn is missing")
	}
	if _, _, _, ok := registry.ParseQueueARN(*policy.Target); !ok {
		return "", reason("RedrivePolicy: deadLetterTargetArn is an invalid arn")
	}
	return *policy.Target, nil
}

// applySubscribed sets attributes of a subscription to t; prefix begins the sentences of
// refusals.
func (s *service) applySubscribed(t *registry.Topic, d *registry.Subscription, given map[string]string, prefix string) error {
	err := s.subscribed.Apply(d, given)
	if err == nil {
		err = settleSubscription(t, d, given)
	}
	var unknown *resource.Unknown
	var why reason
	switch {
	case errors.As(err, &unknown) && prefix == "":
		return invalid("AttributeName")
	case errors.As(err, &unknown):
		return invalid(prefix + "Unknown attribute " + echo(unknown.Name))
	case errors.As(err, &why):
		return invalid(prefix + string(why))
	}
	return err
}

// settleSubscription checks attributes against each other and against the topic.
func settleSubscription(t *registry.Topic, d *registry.Subscription, given map[string]string) error {
	_, policy := given["FilterPolicy"]
	_, scope := given["FilterPolicyScope"]
	if (policy || scope) && d.FilterPolicy != "" {
		dialect := pattern.Attributes
		if d.FilterBody {
			dialect = pattern.Body
		}
		_, err := pattern.Compile(dialect, []byte(d.FilterPolicy))
		var refused *pattern.Error
		if errors.As(err, &refused) {
			// The real service's sentence, without the beginning that depends on the
			// operation.
			return reason(strings.TrimPrefix(refused.Error(), "Invalid parameter: "))
		}
	}
	if _, ok := given["RedrivePolicy"]; ok && d.RedriveARN != "" {
		_, _, name, _ := registry.ParseQueueARN(d.RedriveARN)
		if strings.HasSuffix(name, fifoSuffix) != t.FIFO {
			return reason("RedrivePolicy: the dead-letter queue of a subscription must be of the same type, standard or FIFO, as the topic")
		}
	}
	_, raw := given["RawMessageDelivery"]
	if _, ok := given["DeliveryPolicy"]; (ok || raw) && d.DeliveryPolicy != "" {
		if d.Protocol == topic.ProtocolSQS {
			return reason("DeliveryPolicy: only subscriptions with protocol http or https have one")
		}
		if _, err := topic.ParseSubscriptionPolicy(d.DeliveryPolicy, d.Raw); err != nil {
			return reason("DeliveryPolicy: " + err.Error())
		}
	}
	return nil
}
