package sqs

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/waystation/waystation/internal/awsapi/attribute"
	"github.com/waystation/waystation/internal/awsapi/characters"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// traceHeader is the only system attribute that can be sent.
const traceHeader = "AWSTraceHeader"

// maxTraceHeader bounds what is taken of the request's trace, in bytes.
const maxTraceHeader = 512

// draft is a message that was checked and waits to be sent, with its checksums.
type draft struct {
	partition.Message
	attributesMD5 string
	systemMD5     string
	size          int // bytes of body and attributes, what the limits count
}

// compose checks one message and makes it ready to send. at is its place in a
// batch, from 1, or 0.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func (s *service) compose(c *protocol.Call, q *registry.Queue, e *sendBatchEntry, at int, d *draft) error {
	if e.MessageBody == "" {
		name := "MessageBody"
		if at > 0 {
			name = "SendMessageBatchRequestEntry." + strconv.Itoa(at) + ".MessageBody"
		}
		return protocol.MissingParameter(name)
	}
	d.Delay = -1
	d.Body = e.MessageBody
	d.SenderID = c.Principal.UserID
	d.TraceHeader = traceOf(c)
	if err := d.setAttributes(e); err != nil {
		return err
	}
	d.size = messageSize(e)
	if d.size > q.MaxMessageSize {
		return tooLong(q.MaxMessageSize, at > 0)
	}
	if i := characters.Bad(d.Body); i >= 0 {
		return &protocol.Error{Code: "InvalidMessageContents",
			Message: "Invalid binary character '" + characters.Spell(d.Body, i) + "' was found in the message body, " + characters.Allowed}
	}
	if err := d.setDelay(q, e.DelaySeconds); err != nil {
		return err
	}
	if err := d.setGroup(q, e, at > 0); err != nil {
		return err
	}
	d.ID = s.newID()
	d.BodyMD5 = md5.Sum(characters.Bytes(d.Body))
	d.attributesMD5 = attribute.Digest(d.Attributes)
	return nil
}

// traceOf is the trace that the request belongs to, "" if it says none: the header
// that AWS's load balancers and functions set, which becomes the AWSTraceHeader of
// its messages unless that is given. What could not be given is not taken either.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-enabling-x-ray.html
func traceOf(c *protocol.Call) string {
	h := c.Header["X-Amzn-Trace-Id"]
	if len(h) == 0 || len(h[0]) > maxTraceHeader || characters.Bad(h[0]) >= 0 {
		return ""
	}
	return h[0]
}

// messageSize counts what MaximumMessageSize limits: the body, and of each
// message attribute its name, type and value. System attributes do not count.
func messageSize(e *sendBatchEntry) int {
	n := len(e.MessageBody)
	for name, v := range e.MessageAttributes {
		n += len(name) + len(v.DataType) + len(v.BinaryValue)
		if v.StringValue != nil {
			n += len(*v.StringValue)
		}
	}
	return n
}

func (d *draft) setAttributes(e *sendBatchEntry) error {
	if n := len(e.MessageAttributes); n > maxAttributes {
		return protocol.InvalidParameterValue("Number of message attributes [" + strconv.Itoa(n) + "] exceeds the allowed maximum [10].")
	} else if n > 0 {
		d.Attributes = make([]partition.Attribute, 0, n)
		for name, v := range e.MessageAttributes {
			a, err := checkAttribute("message (user) attribute", name, v)
			if err != nil {
				return err
			}
			d.Attributes = append(d.Attributes, a)
		}
		slices.SortFunc(d.Attributes, func(a, b partition.Attribute) int { return strings.Compare(a.Name, b.Name) })
	}
	for name, v := range e.MessageSystemAttributes {
		if name != traceHeader {
			return protocol.InvalidParameterValue("Message system attribute name '" + echo(name) + "' is invalid.")
		}
		a, err := checkAttribute("message system attribute", name, v)
		if err != nil {
			return err
		}
		if a.Type != attribute.String {
			return protocol.InvalidParameterValue("Message system attribute 'AWSTraceHeader' must be of type 'String'.")
		}
		d.TraceHeader = a.Value
		d.systemMD5 = attribute.Digest([]partition.Attribute{a})
	}
	return nil
}

// checkAttribute checks one attribute; kind says in errors which sort it is.
func checkAttribute(kind, name string, v attributeValue) (partition.Attribute, error) {
	if len(v.StringListValues) > 0 || len(v.BinaryListValues) > 0 {
		return partition.Attribute{}, errListValues
	}
	a, err := attribute.Check(name, v.DataType, v.StringValue, v.BinaryValue)
	var refused *attribute.Error
	if errors.As(err, &refused) {
		msg := attributeRefused(kind, refused)
		return a, protocol.InvalidParameterValue(strings.ToUpper(msg[:1]) + msg[1:])
	}
	return a, err
}

// attributeRefused puts a refusal into the words of the real service.
func attributeRefused(kind string, e *attribute.Error) string {
	quoted := kind + " '" + echo(e.Name) + "'"
	switch e.Problem {
	case attribute.NoName:
		return "The request must contain non-empty " + kind + " names."
	case attribute.LongName:
		return kind + " name must be shorter than 256 bytes."
	case attribute.ReservedName:
		return "You can't use message attribute names beginning with 'AWS.' or 'Amazon'. These strings are reserved for internal use."
	case attribute.NameBeginsDot:
		return kind + " name must not begin with character '.'."
	case attribute.NameEndsDot:
		return kind + " name must not end with character '.'."
	case attribute.NameDots:
		return kind + " name must not have successive '.' characters."
	case attribute.NameCharacter:
		return "The message attribute name '" + e.Name + "' is invalid. Attribute name can contain A-Z, a-z, 0-9, " +
			"underscore (_), hyphen (-), and period (.) characters."
	case attribute.NoValue:
		return "The " + quoted + " must contain a non-empty message attribute value."
	case attribute.NoType:
		return "The " + quoted + " must contain a non-empty message attribute type."
	case attribute.LongType:
		return kind + " type must be shorter than 256 bytes."
	case attribute.UnknownType:
		return "The type of " + quoted + " is invalid. You must use only the following supported type prefixes: Binary, Number, String."
	case attribute.TypeCharacter:
		return "The type of " + quoted + " is invalid. It can only contain characters that a message can contain."
	case attribute.TwoValues:
		return quoted + " must have a single value."
	case attribute.WantsBinary:
		return quoted + " with type 'Binary' must use field 'Binary'."
	case attribute.WantsText:
		return quoted + " with type '" + attribute.Base(e.Type) + "' must use field 'String'."
	case attribute.EmptyValue:
		return quoted + " must contain a non-empty value of type '" + e.Type + "'."
	case attribute.NotANumber:
		return "Can't cast the value of " + quoted + " to a number."
	}
	return "Invalid binary character '" + e.Character + "' was found in the message attribute '" + echo(e.Name) + "' value, " + characters.Allowed
}

// setDelay checks a message's own delay. FIFO queues know only the queue's; a 0
// is taken for "none given" there.
func (d *draft) setDelay(q *registry.Queue, delay *int32) error {
	switch {
	case delay == nil:
	case q.FIFO && *delay != 0:
		return wrongType(strconv.Itoa(int(*delay)), "DelaySeconds")
	case *delay < 0 || *delay > maxDelay:
		return badNumber(*delay, "DelaySeconds", "DelaySeconds must be >= 0 and <= 900.")
	case !q.FIFO:
		d.Delay = *delay
	}
	return nil
}

// setGroup checks message group and deduplication id, and makes the latter of
// the body where the queue says so. inBatch: AWS answers a missing group there
// with another code than in a single send.
func (d *draft) setGroup(q *registry.Queue, e *sendBatchEntry, inBatch bool) error {
	if e.MessageGroupId != nil {
		if !characters.ID(*e.MessageGroupId) {
			return badID(*e.MessageGroupId, "MessageGroupId")
		}
		d.GroupID = *e.MessageGroupId
	}
	if !q.FIFO {
		if e.MessageDeduplicationId != nil {
			return wrongType(*e.MessageDeduplicationId, "MessageDeduplicationId")
		}
		return nil
	}
	if e.MessageGroupId == nil {
		missing := protocol.MissingParameter("MessageGroupId")
		if inBatch {
			return protocol.InvalidParameterValue(missing.Message)
		}
		return missing
	}
	switch {
	case e.MessageDeduplicationId != nil && !characters.ID(*e.MessageDeduplicationId):
		return badID(*e.MessageDeduplicationId, "MessageDeduplicationId")
	case e.MessageDeduplicationId != nil:
		d.DedupID = *e.MessageDeduplicationId
	case q.ContentDedup:
		sum := sha256.Sum256(characters.Bytes(d.Body))
		d.DedupID = hex.EncodeToString(sum[:])
	default:
		return errNoDedup
	}
	return nil
}

func badID(value, parameter string) error {
	return badValue(value, parameter, parameter+" can only include alphanumeric and punctuation characters. 1 to 128 in length.")
}
