package sqs

import (
	"strconv"
	"strings"

	"github.com/waystation/waystation/internal/awsapi/protocol"
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

// attribute is one queue attribute: how it is set, shown, and documented.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
type attribute struct {
	name string
	// set checks value and puts it into q; nil: the attribute cannot be set.
	// What needs more than q and value is checked by service.settle.
	set func(q *registry.Queue, value string, limit int) error
	// show gives the value; ok is false when the queue has none. n is filled in
	// when counted is set.
	show    func(q *registry.Queue, n *partition.Counts) (value string, ok bool)
	counted bool
	fifo    bool // FIFO queues only
	status  protocol.Status
	note    string
}

// attributes in the order in which they are checked and documented.
var attributes = []attribute{
	{
		name: "DelaySeconds",
		set: func(q *registry.Queue, v string, _ int) error {
			return setNumber(&q.DelaySeconds, "DelaySeconds", v, 0, maxDelay)
		},
		show: func(q *registry.Queue, _ *partition.Counts) (string, bool) { return number(q.DelaySeconds) },
		note: "0 to 900 s. A change counts for messages sent after it, on FIFO queues too.",
	},
	{
		name: "MaximumMessageSize",
		set: func(q *registry.Queue, v string, limit int) error {
			return setNumber(&q.MaxMessageSize, "MaximumMessageSize", v, minMessageBytes, limit)
		},
		show: func(q *registry.Queue, _ *partition.Counts) (string, bool) { return number(q.MaxMessageSize) },
		note: "1 KiB to 1 MiB of body and message attributes; 1 MiB unless set.",
	},
	{
		name: "MessageRetentionPeriod",
		set: func(q *registry.Queue, v string, _ int) error {
			return setNumber(&q.RetentionSeconds, "MessageRetentionPeriod", v, minRetention, maxRetention)
		},
		show: func(q *registry.Queue, _ *partition.Counts) (string, bool) { return number(q.RetentionSeconds) },
		note: "60 s to 14 days, 4 days unless set; counted from the send, also in a dead-letter queue.",
	},
	{
		name: "ReceiveMessageWaitTimeSeconds",
		set: func(q *registry.Queue, v string, _ int) error {
			return setNumber(&q.WaitSeconds, "ReceiveMessageWaitTimeSeconds", v, 0, maxWait)
		},
		show: func(q *registry.Queue, _ *partition.Counts) (string, bool) { return number(q.WaitSeconds) },
		note: "0 to 20 s.",
	},
	{
		name: "VisibilityTimeout",
		set: func(q *registry.Queue, v string, _ int) error {
			return setNumber(&q.VisibilitySeconds, "VisibilityTimeout", v, 0, maxVisibility)
		},
		show: func(q *registry.Queue, _ *partition.Counts) (string, bool) { return number(q.VisibilitySeconds) },
		note: "0 to 43,200 s, 30 s unless set.",
	},
	{
		name: "Policy",
		set: func(q *registry.Queue, v string, _ int) error {
			if v != "" {
				if err := checkPolicy(v); err != nil {
					return err
				}
			}
			q.Policy = v
			return nil
		},
		show: func(q *registry.Queue, _ *partition.Counts) (string, bool) { return q.Policy, q.Policy != "" },
		note: "At most 20 statements. Evaluated on every request together with the caller's own policy; " +
			"a condition operator that is not known is refused when the policy is set.",
	},
	{
		name: "RedrivePolicy",
		set: func(q *registry.Queue, v string, _ int) (err error) {
			q.Redrive, err = parseRedrive(v)
			return err
		},
		show: func(q *registry.Queue, _ *partition.Counts) (string, bool) { return showRedrive(q.Redrive) },
		note: "maxReceiveCount 1 to 1,000; an empty value takes it away.",
	},
	{
		name: "RedriveAllowPolicy",
		set: func(q *registry.Queue, v string, _ int) (err error) {
			q.RedriveAllow, err = parseRedriveAllow(v)
			return err
		},
		show: func(q *registry.Queue, _ *partition.Counts) (string, bool) { return showRedriveAllow(q.RedriveAllow) },
		note: "Checked when a source names the queue; sources that named it before keep it, as with AWS.",
	},
	{
		name: "KmsMasterKeyId",
		set: func(q *registry.Queue, v string, _ int) error {
			if len(v) > maxEcho {
				return badAttribute("KmsMasterKeyId", "")
			}
			q.KMSKeyID = v
			return nil
		},
		show:   func(q *registry.Queue, _ *partition.Counts) (string, bool) { return q.KMSKeyID, q.KMSKeyID != "" },
		status: protocol.Partly,
		note:   "Stored and answered; nothing is encrypted with it.",
	},
	{
		name: "KmsDataKeyReusePeriodSeconds",
		set: func(q *registry.Queue, v string, _ int) error {
			return setNumber(&q.KMSReuseSeconds, "KmsDataKeyReusePeriodSeconds", v, 60, 86400)
		},
		show: func(q *registry.Queue, _ *partition.Counts) (string, bool) {
			if q.KMSKeyID == "" {
				return "", false
			}
			return number(q.KMSReuseSeconds)
		},
		status: protocol.Partly,
		note:   "Stored and answered while KmsMasterKeyId is set.",
	},
	{
		name: "SqsManagedSseEnabled",
		set: func(q *registry.Queue, v string, _ int) error {
			return setBool(&q.ManagedSSE, "SqsManagedSseEnabled", v)
		},
		show: func(q *registry.Queue, _ *partition.Counts) (string, bool) {
			return strconv.FormatBool(q.ManagedSSE), true
		},
		status: protocol.Partly,
		note:   "Stored and answered, true unless set; encrypt the disk or the NATS store instead.",
	},
	{
		name: "FifoQueue",
		set: func(q *registry.Queue, v string, _ int) error {
			if !q.FIFO {
				return unknownAttribute("FifoQueue")
			}
			if !strings.EqualFold(v, "true") {
				return badAttribute("FifoQueue", "Modifying queue type is not supported.")
			}
			return nil
		},
		show: func(q *registry.Queue, _ *partition.Counts) (string, bool) { return "true", q.FIFO },
		fifo: true,
		note: "Fixed when the queue is made, together with the .fifo suffix.",
	},
	{
		name: "ContentBasedDeduplication",
		set: func(q *registry.Queue, v string, _ int) error {
			if !q.FIFO {
				return unknownAttribute("ContentBasedDeduplication")
			}
			return setBool(&q.ContentDedup, "ContentBasedDeduplication", v)
		},
		show: func(q *registry.Queue, _ *partition.Counts) (string, bool) {
			return strconv.FormatBool(q.ContentDedup), q.FIFO
		},
		fifo: true,
	},
	{
		name: "DeduplicationScope",
		set: func(q *registry.Queue, v string, _ int) error {
			return setWord(q, &q.DedupScope, "DeduplicationScope", v, scopeQueue, scopeGroup)
		},
		show: func(q *registry.Queue, _ *partition.Counts) (string, bool) { return word(q, q.DedupScope, scopeQueue) },
		fifo: true,
	},
	{
		name: "FifoThroughputLimit",
		set: func(q *registry.Queue, v string, _ int) error {
			return setWord(q, &q.ThroughputLimit, "FifoThroughputLimit", v, limitPerQueue, limitPerGroup)
		},
		show: func(q *registry.Queue, _ *partition.Counts) (string, bool) {
			return word(q, q.ThroughputLimit, limitPerQueue)
		},
		fifo: true,
		note: "Stored and checked against DeduplicationScope; there is no throughput limit in either mode.",
	},
	{
		name: "ApproximateNumberOfMessages", counted: true,
		show: func(_ *registry.Queue, n *partition.Counts) (string, bool) { return number(n.Visible) },
		note: "Exact here.",
	},
	{
		name: "ApproximateNumberOfMessagesNotVisible", counted: true,
		show: func(_ *registry.Queue, n *partition.Counts) (string, bool) { return number(n.InFlight) },
		note: "Exact here.",
	},
	{
		name: "ApproximateNumberOfMessagesDelayed", counted: true,
		show: func(_ *registry.Queue, n *partition.Counts) (string, bool) { return number(n.Delayed) },
		note: "Exact here.",
	},
	{
		name: "CreatedTimestamp",
		show: func(q *registry.Queue, _ *partition.Counts) (string, bool) {
			return strconv.FormatInt(q.Created, 10), true
		},
	},
	{
		name: "LastModifiedTimestamp",
		show: func(q *registry.Queue, _ *partition.Counts) (string, bool) {
			return strconv.FormatInt(q.Modified, 10), true
		},
	},
	{
		name: "QueueArn",
		show: func(q *registry.Queue, _ *partition.Counts) (string, bool) { return q.ARN(), true },
	},
}

// byName finds attributes.
var byName = func() map[string]*attribute {
	m := make(map[string]*attribute, len(attributes))
	for i := range attributes {
		m[attributes[i].name] = &attributes[i]
	}
	return m
}()

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
	if unknown, found := firstUnknown(given); found {
		return unknownAttribute(unknown)
	}
	for i := range attributes {
		a := &attributes[i]
		v, ok := given[a.name]
		if !ok {
			continue
		}
		if a.set == nil {
			return unknownAttribute(a.name)
		}
		if err := a.set(q, v, s.maxBatch); err != nil {
			return err
		}
	}
	return s.settle(q, given)
}

// firstUnknown finds a name that is no attribute, the first in their order so
// that the same request is always answered in the same way.
func firstUnknown(given map[string]string) (first string, found bool) {
	for name := range given {
		if _, ok := byName[name]; !ok && (!found || name < first) {
			first, found = name, true
		}
	}
	return first, found
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

// differs names the first given attribute in which two queues differ.
func differs(a, b *registry.Queue, given map[string]string) (name string, differ bool) {
	for i := range attributes {
		at := &attributes[i]
		if _, ok := given[at.name]; !ok || at.set == nil {
			continue
		}
		x, _ := at.show(a, nil)
		y, _ := at.show(b, nil)
		if x != y && (at.name != "Policy" || !sameJSON(x, y)) {
			return at.name, true
		}
	}
	return "", false
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
