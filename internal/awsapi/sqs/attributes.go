package sqs

import (
	"errors"
	"strconv"
	"strings"

	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/awsapi/resource"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// Values of attributes that are words.
const (
	scopeQueue      = "queue"
	scopeGroup      = "messageGroup"
	limitPerQueue   = "perQueue"
	limitPerGroup   = "perMessageGroupId"
	defaultKMSReuse = 300 // seconds
)

// queueAttributes is the table of a queue's attributes; MaximumMessageSize can be set
// up to largest. What needs more than the queue and the value is checked by
// service.settle.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
func queueAttributes(largest int) *resource.Attributes[registry.Queue, partition.Counts] {
	type attribute = resource.Attribute[registry.Queue, partition.Counts]
	return resource.NewAttributes([]attribute{
		{
			Name: "DelaySeconds",
			Set: func(q *registry.Queue, v string) error {
				return setNumber(&q.DelaySeconds, "DelaySeconds", v, 0, maxDelay)
			},
			Show: func(q *registry.Queue) (string, bool) { return number(q.DelaySeconds) },
			Note: "0 to 900 s. A change counts for messages sent after it, on FIFO queues too.",
		},
		{
			Name: "MaximumMessageSize",
			Set: func(q *registry.Queue, v string) error {
				return setNumber(&q.MaxMessageSize, "MaximumMessageSize", v, minMessageBytes, largest)
			},
			Show: func(q *registry.Queue) (string, bool) { return number(q.MaxMessageSize) },
			Note: "1 KiB to 1 MiB of body and message attributes; 1 MiB unless set.",
		},
		{
			Name: "MessageRetentionPeriod",
			Set: func(q *registry.Queue, v string) error {
				return setNumber(&q.RetentionSeconds, "MessageRetentionPeriod", v, minRetention, maxRetention)
			},
			Show: func(q *registry.Queue) (string, bool) { return number(q.RetentionSeconds) },
			Note: "60 s to 14 days, 4 days unless set; counted from the send, also in a dead-letter queue.",
		},
		{
			Name: "ReceiveMessageWaitTimeSeconds",
			Set: func(q *registry.Queue, v string) error {
				return setNumber(&q.WaitSeconds, "ReceiveMessageWaitTimeSeconds", v, 0, maxWait)
			},
			Show: func(q *registry.Queue) (string, bool) { return number(q.WaitSeconds) },
			Note: "0 to 20 s.",
		},
		{
			Name: "VisibilityTimeout",
			Set: func(q *registry.Queue, v string) error {
				return setNumber(&q.VisibilitySeconds, "VisibilityTimeout", v, 0, maxVisibility)
			},
			Show: func(q *registry.Queue) (string, bool) { return number(q.VisibilitySeconds) },
			Note: "0 to 43,200 s, 30 s unless set.",
		},
		{
			Name: "Policy",
			Set: func(q *registry.Queue, v string) error {
				if v != "" {
					if err := checkPolicy(v); err != nil {
						return err
					}
				}
				q.Policy = v
				return nil
			},
			Show: func(q *registry.Queue) (string, bool) { return q.Policy, q.Policy != "" },
			Note: "At most 20 statements. Evaluated on every request together with the caller's own policy, but on a server without a keys file, which stores it only (unless enforce-policies is set); " +
				"a condition operator that is not known is refused when the policy is set.",
			Same: sameJSON,
		},
		{
			Name: "RedrivePolicy",
			Set: func(q *registry.Queue, v string) (err error) {
				q.Redrive, err = parseRedrive(v)
				return err
			},
			Show: func(q *registry.Queue) (string, bool) { return showRedrive(q.Redrive) },
			Note: "maxReceiveCount 1 to 1,000; an empty value takes it away.",
		},
		{
			Name: "RedriveAllowPolicy",
			Set: func(q *registry.Queue, v string) (err error) {
				q.RedriveAllow, err = parseRedriveAllow(v)
				return err
			},
			Show: func(q *registry.Queue) (string, bool) { return showRedriveAllow(q.RedriveAllow) },
			Note: "Checked when a source names the queue; sources that named it before keep it, as with AWS.",
		},
		{
			Name: "KmsMasterKeyId",
			Set: func(q *registry.Queue, v string) error {
				if len(v) > maxEcho {
					return badAttribute("KmsMasterKeyId", "")
				}
				q.KMSKeyID = v
				return nil
			},
			Show:   func(q *registry.Queue) (string, bool) { return q.KMSKeyID, q.KMSKeyID != "" },
			Status: protocol.Partly,
			Note:   "Stored and answered; nothing is encrypted with it.",
		},
		{
			Name: "KmsDataKeyReusePeriodSeconds",
			Set: func(q *registry.Queue, v string) error {
				return setNumber(&q.KMSReuseSeconds, "KmsDataKeyReusePeriodSeconds", v, 60, 86400)
			},
			Show: func(q *registry.Queue) (string, bool) {
				if q.KMSKeyID == "" {
					return "", false
				}
				return number(q.KMSReuseSeconds)
			},
			Status: protocol.Partly,
			Note:   "Stored and answered while KmsMasterKeyId is set.",
		},
		{
			Name: "SqsManagedSseEnabled",
			Set: func(q *registry.Queue, v string) error {
				return setBool(&q.ManagedSSE, "SqsManagedSseEnabled", v)
			},
			Show: func(q *registry.Queue) (string, bool) {
				return strconv.FormatBool(q.ManagedSSE), true
			},
			Status: protocol.Partly,
			Note:   "Stored and answered, true unless set; encrypt the disk or the NATS store instead.",
		},
		{
			Name: "FifoQueue",
			Set: func(q *registry.Queue, v string) error {
				if !q.FIFO {
					return unknownAttribute("FifoQueue")
				}
				if !strings.EqualFold(v, "true") {
					return badAttribute("FifoQueue", "Modifying queue type is not supported.")
				}
				return nil
			},
			Show: func(q *registry.Queue) (string, bool) { return "true", q.FIFO },
			Note: "FIFO queues. Fixed when the queue is made, together with the .fifo suffix.",
		},
		{
			Name: "ContentBasedDeduplication",
			Set: func(q *registry.Queue, v string) error {
				if !q.FIFO {
					return unknownAttribute("ContentBasedDeduplication")
				}
				return setBool(&q.ContentDedup, "ContentBasedDeduplication", v)
			},
			Show: func(q *registry.Queue) (string, bool) {
				return strconv.FormatBool(q.ContentDedup), q.FIFO
			},
			Note: "FIFO queues.",
		},
		{
			Name: "DeduplicationScope",
			Set: func(q *registry.Queue, v string) error {
				return setWord(q, &q.DedupScope, "DeduplicationScope", v, scopeQueue, scopeGroup)
			},
			Show: func(q *registry.Queue) (string, bool) { return word(q, q.DedupScope, scopeQueue) },
			Note: "FIFO queues.",
		},
		{
			Name: "FifoThroughputLimit",
			Set: func(q *registry.Queue, v string) error {
				return setWord(q, &q.ThroughputLimit, "FifoThroughputLimit", v, limitPerQueue, limitPerGroup)
			},
			Show: func(q *registry.Queue) (string, bool) {
				return word(q, q.ThroughputLimit, limitPerQueue)
			},
			Note: "FIFO queues. Stored and checked against DeduplicationScope; there is no throughput limit in either mode.",
		},
		{
			Name:     "ApproximateNumberOfMessages",
			ShowLive: func(_ *registry.Queue, n *partition.Counts) (string, bool) { return number(n.Visible) },
			Note:     "Exact here.",
		},
		{
			Name:     "ApproximateNumberOfMessagesNotVisible",
			ShowLive: func(_ *registry.Queue, n *partition.Counts) (string, bool) { return number(n.InFlight) },
			Note:     "Exact here.",
		},
		{
			Name:     "ApproximateNumberOfMessagesDelayed",
			ShowLive: func(_ *registry.Queue, n *partition.Counts) (string, bool) { return number(n.Delayed) },
			Note:     "Exact here.",
		},
		{
			Name: "CreatedTimestamp",
			Show: func(q *registry.Queue) (string, bool) {
				return strconv.FormatInt(q.Created, 10), true
			},
		},
		{
			Name: "LastModifiedTimestamp",
			Show: func(q *registry.Queue) (string, bool) {
				return strconv.FormatInt(q.Modified, 10), true
			},
		},
		{
			Name: "QueueArn",
			Show: func(q *registry.Queue) (string, bool) { return q.ARN(), true },
		},
	}...)
}

// defaults is a new queue's definition before its attributes are set.
func defaults(account, region, name string, fifo bool) *registry.Queue {
	q := &registry.Queue{
		Meta: registry.Meta{Account: account, Region: region, Name: name}, FIFO: fifo,
		MaxMessageSize: maxMessageBytes, RetentionSeconds: 4 * 24 * 60 * 60, VisibilitySeconds: 30,
		ManagedSSE: true,
	}
	if fifo {
		q.DedupScope, q.ThroughputLimit = scopeQueue, limitPerQueue
	}
	return q
}

// apply sets the attributes in given, each checked by itself and then all
// together. q is left in an undefined state when an error is returned.
func (s *service) apply(q *registry.Queue, given map[string]string) error {
	if err := s.attributes.Apply(q, given); err != nil {
		return attributeUnknown(err)
	}
	return s.settle(q, given)
}

// attributeUnknown words that an attribute is not known.
func attributeUnknown(err error) error {
	var unknown *resource.Unknown
	if errors.As(err, &unknown) {
		return unknownAttribute(unknown.Name)
	}
	return err
}

// settle checks attributes against each other and against other queues.
func (s *service) settle(q *registry.Queue, given map[string]string) error {
	if q.ThroughputLimit == limitPerGroup && q.DedupScope != scopeGroup {
		return badAttribute("FifoThroughputLimit",
			"The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup.")
	}
	key, keyed := given["KmsMasterKeyId"]
	_, managed := given["SqsManagedSseEnabled"]
	switch {
	case keyed && key != "" && managed && q.ManagedSSE:
		return errSSE
	case keyed && key != "":
		q.ManagedSSE = false
	case managed && q.ManagedSSE:
		q.KMSKeyID = ""
	}
	switch {
	case q.KMSKeyID == "":
		q.KMSReuseSeconds = 0
	case q.KMSReuseSeconds == 0:
		q.KMSReuseSeconds = defaultKMSReuse
	}
	if raw, ok := given["RedrivePolicy"]; ok && q.Redrive != nil {
		return s.checkTarget(q, raw)
	}
	return nil
}

func number(n int) (string, bool) { return strconv.Itoa(n), true }

// setNumber takes decimal digits only: no sign, no blanks, no fraction.
func setNumber(to *int, name, v string, low, high int) error {
	n := 0
	for i := range len(v) {
		if v[i] < '0' || v[i] > '9' || i >= 9 {
			return badAttribute(name, "")
		}
		n = n*10 + int(v[i]-'0')
	}
	if v == "" || n < low || n > high {
		return badAttribute(name, "")
	}
	*to = n
	return nil
}

func setBool(to *bool, name, v string) error {
	switch {
	case strings.EqualFold(v, "true"):
		*to = true
	case strings.EqualFold(v, "false"):
		*to = false
	default:
		return badAttribute(name, "")
	}
	return nil
}

func setWord(q *registry.Queue, to *string, name, v string, words ...string) error {
	if !q.FIFO {
		return &protocol.Error{Code: "InvalidAttributeName",
			Message: "You can specify the " + name + " only when FifoQueue is set to true."}
	}
	for _, w := range words {
		if v == w {
			*to = v
			return nil
		}
	}
	return badAttribute(name, "")
}

// word shows an attribute of FIFO queues; unset means w.
func word(q *registry.Queue, v, w string) (string, bool) {
	if v == "" {
		v = w
	}
	return v, q.FIFO
}
