package sqs

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/awsapi/attribute"
	"github.com/waystation/waystation/internal/awsapi/characters"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// receiveMessage hands out messages. The context is the request's: a client
// that goes away while it waits gets none.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
func (s *service) receiveMessage(ctx context.Context, c *protocol.Call, in *receiveInput) (*receiveOutput, error) {
	q, err := s.queue(ctx, c, in.QueueUrl, "sqs:ReceiveMessage")
	if err != nil {
		return nil, err
	}
	o := partition.ReceiveOptions{Max: 1, Visibility: -1, Wait: time.Duration(q.WaitSeconds) * time.Second, Origin: origin(c)}
	if v := in.MaxNumberOfMessages; v != nil {
		if *v < 1 || *v > maxReceive {
			return nil, badNumber(*v, "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")
		}
		o.Max = int(*v)
	}
	if v := in.VisibilityTimeout; v != nil {
		if *v < 0 || *v > maxVisibility {
			return nil, badNumber(*v, "VisibilityTimeout", "Must be >= 0 and <= 43200, if provided.")
		}
		o.Visibility = *v
	}
	if v := in.WaitTimeSeconds; v != nil {
		if *v < 0 || *v > maxWait {
			return nil, badNumber(*v, "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided.")
		}
		o.Wait = time.Duration(*v) * time.Second
	}
	if v := in.ReceiveRequestAttemptId; v != nil {
		switch {
		case !q.FIFO:
			return nil, wrongType(*v, "ReceiveRequestAttemptId")
		case !characters.ID(*v):
			return nil, badID(*v, "ReceiveRequestAttemptId")
		}
		o.Attempt = *v
	}
	got, err := s.msgs.Receive(ctx, q, o)
	if err != nil {
		return nil, failure(c, err)
	}
	out := &receiveOutput{}
	if len(got) == 0 {
		return out, nil
	}
	if o.Attempt == "" { // a client that has an attempt's id repeats it, and has them from there
		c.Unanswered = s.giveBack(q, got)
	}
	system := selectSystem(in.AttributeNames, in.MessageSystemAttributeNames)
	user := selectUser(in.MessageAttributeNames)
	out.Messages = make([]message, len(got))
	for i := range got {
		render(&out.Messages[i], &got[i], system, user)
	}
	return out, nil
}

// giveBack is what makes messages visible at once that were taken for an answer that
// nobody gets. Where it fails they are when their visibility timeout has run out. It
// keeps none of their bodies.
func (s *service) giveBack(q *registry.Queue, got []partition.Received) func(context.Context) {
	changes := make([]partition.VisibilityChange, len(got))
	for i := range got {
		changes[i].Receipt = got[i].Receipt
	}
	return func(ctx context.Context) {
		if _, err := s.msgs.ChangeVisibility(ctx, q, changes); err != nil {
			s.log.Warn("messages that nobody received stay hidden until their visibility timeout", logkey.Resource, q.ARN(), "count", len(changes), logError, err)
		}
	}
}

func render(m *message, r *partition.Received, system systemSet, user userSet) {
	m.MessageId = r.ID.String()
	m.ReceiptHandle = r.Receipt
	m.MD5OfBody = attribute.Hex(r.BodyMD5)
	m.Body = r.Body
	m.Attributes = system.of(r)
	chosen := user.of(r.Attributes)
	if len(chosen) == 0 {
		return
	}
	m.MD5OfMessageAttributes = attribute.Digest(chosen)
	m.MessageAttributes = make(map[string]attributeValue, len(chosen))
	for i := range chosen {
		a := &chosen[i]
		v := attributeValue{DataType: a.Type}
		if attribute.IsBinary(a.Type) {
			v.BinaryValue = a.Binary
		} else {
			v.StringValue = &a.Value
		}
		m.MessageAttributes[a.Name] = v
	}
}

// systemAttribute is one message system attribute.
type systemAttribute struct {
	name string
	// get gives the value, "" when the message has none.
	get    func(r *partition.Received) string
	status protocol.Status
	note   string
}

// systemAttributes in the order of the API reference. Their places are the bits
// of a systemSet.
var systemAttributes = [...]systemAttribute{
	{
		name: "ApproximateFirstReceiveTimestamp", note: "Milliseconds since 1970.",
		get: func(r *partition.Received) string { return strconv.FormatInt(r.FirstReceived, 10) },
	},
	{
		name: "ApproximateReceiveCount", note: "Exact here.",
		get: func(r *partition.Received) string { return strconv.FormatUint(uint64(r.Receives), 10) },
	},
	{
		name: traceHeader, note: "Also the one that can be sent. Any text is taken.",
		get: func(r *partition.Received) string { return r.TraceHeader },
	},
	{
		name: "SenderId", note: "The user's id of the keys file; without keys the account's number.",
		get: func(r *partition.Received) string { return r.SenderID },
	},
	{
		name: "SentTimestamp", note: "Milliseconds since 1970; kept by dead letters.",
		get: func(r *partition.Received) string { return strconv.FormatInt(r.Sent, 10) },
	},
	{
		name: "MessageDeduplicationId", note: "FIFO queues.",
		get: func(r *partition.Received) string { return r.DedupID },
	},
	{
		name: "MessageGroupId", note: "FIFO queues, and standard queues where the sender gave one (fair queues).",
		get: func(r *partition.Received) string { return r.GroupID },
	},
	{
		name: "SequenceNumber", note: "FIFO queues; 20 digits, rising within the queue.",
		get: func(r *partition.Received) string { return sequence(r.Sequence) },
	},
	{
		name: "DeadLetterQueueSourceArn", note: "Messages of a dead-letter queue.",
		get: func(r *partition.Received) string { return r.DeadLetterSource },
	},
}

// systemSet is a selection of system attributes, a bit for each.
type systemSet uint16

// selectSystem reads the two lists of names, the deprecated and the new; what
// either asks for is given. Names that are not known select nothing.
func selectSystem(lists ...[]string) (set systemSet) {
	for _, names := range lists {
		for _, name := range names {
			if name == "All" {
				return 1<<len(systemAttributes) - 1
			}
			for i := range systemAttributes {
				if systemAttributes[i].name == name {
					set |= 1 << i
				}
			}
		}
	}
	return set
}

func (set systemSet) of(r *partition.Received) map[string]string {
	if set == 0 {
		return nil
	}
	m := make(map[string]string, len(systemAttributes))
	for i := range systemAttributes {
		if set&(1<<i) == 0 {
			continue
		}
		if v := systemAttributes[i].get(r); v != "" {
			m[systemAttributes[i].name] = v
		}
	}
	return m
}

// userSet is a selection of message attributes.
type userSet struct {
	all      bool
	names    []string
	prefixes []string
}

// selectUser reads MessageAttributeNames: names, "All", ".*" or "*" for all, and
// "prefix.*" for those that begin with prefix, whether or not a dot follows.
func selectUser(names []string) (set userSet) {
	for _, name := range names {
		switch prefix, isPrefix := strings.CutSuffix(name, ".*"); {
		case name == "All", name == ".*", name == "*":
			return userSet{all: true}
		case isPrefix:
			set.prefixes = append(set.prefixes, prefix)
		default:
			set.names = append(set.names, name)
		}
	}
	return set
}

// of picks the selected attributes, in their order.
func (set userSet) of(attributes []partition.Attribute) []partition.Attribute {
	if set.all || len(attributes) == 0 {
		return attributes
	}
	var chosen []partition.Attribute
	for _, a := range attributes {
		if slices.Contains(set.names, a.Name) ||
			slices.ContainsFunc(set.prefixes, func(p string) bool { return strings.HasPrefix(a.Name, p) }) {
			chosen = append(chosen, a)
		}
	}
	return chosen
}
