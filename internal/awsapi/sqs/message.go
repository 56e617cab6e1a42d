package sqs

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// Data types of attributes. Each may carry a label of the sender's behind a dot.
const (
	typeString = "String"
	typeNumber = "Number"
	typeBinary = "Binary"
)

// traceHeader is the only system attribute that can be sent.
const traceHeader = "AWSTraceHeader"

const (
	maxAttributeName = 256 // bytes
	maxAttributeType = 256 // bytes
	maxTraceHeader   = 512 // bytes, of the request's header
)

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
	if i := badCharacter(d.Body); i >= 0 {
		return &protocol.Error{Code: "InvalidMessageContents",
			Message: "Invalid binary character '" + characterAt(d.Body, i) + "' was found in the message body, " + charset}
	}
	if err := d.setDelay(q, e.DelaySeconds); err != nil {
		return err
	}
	if err := d.setGroup(q, e, at > 0); err != nil {
		return err
	}
	d.ID = s.newID()
	d.BodyMD5 = md5.Sum(bytesOf(d.Body))
	d.attributesMD5 = attributesDigest(d.Attributes)
	return nil
}

// traceOf is the trace that the request belongs to, "" if it says none: the header
// that AWS's load balancers and functions set, which becomes the AWSTraceHeader of
// its messages unless that is given. What could not be given is not taken either.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-enabling-x-ray.html
func traceOf(c *protocol.Call) string {
	h := c.Header["X-Amzn-Trace-Id"]
	if len(h) == 0 || len(h[0]) > maxTraceHeader || badCharacter(h[0]) >= 0 {
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
		if a.Type != typeString {
			return protocol.InvalidParameterValue("Message system attribute 'AWSTraceHeader' must be of type 'String'.")
		}
		d.TraceHeader = a.Value
		d.systemMD5 = attributesDigest([]partition.Attribute{a})
	}
	return nil
}

// checkAttribute checks one attribute; kind says in errors which sort it is.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
func checkAttribute(kind, name string, v attributeValue) (partition.Attribute, error) {
	a := partition.Attribute{Name: name, Type: v.DataType}
	refuse := func(parts ...string) (partition.Attribute, error) {
		msg := strings.Join(parts, "")
		return a, protocol.InvalidParameterValue(strings.ToUpper(msg[:1]) + msg[1:])
	}
	quoted := kind + " '" + echo(name) + "'"
	if reason := badAttributeName(kind, name); reason != "" {
		return refuse(reason)
	}
	if len(v.StringListValues) > 0 || len(v.BinaryListValues) > 0 {
		return a, errListValues
	}
	if v.DataType == "" {
		if v.StringValue == nil && v.BinaryValue == nil {
			return refuse("The ", quoted, " must contain a non-empty message attribute value.")
		}
		return refuse("The ", quoted, " must contain a non-empty message attribute type.")
	}
	if len(v.DataType) > maxAttributeType {
		return refuse(kind, " type must be shorter than 256 bytes.")
	}
	base, _, _ := strings.Cut(v.DataType, ".")
	if base != typeString && base != typeNumber && base != typeBinary {
		return refuse("The type of ", quoted, " is invalid. You must use only the following supported type prefixes: Binary, Number, String.")
	}
	if badCharacter(v.DataType) >= 0 {
		return refuse("The type of ", quoted, " is invalid. It can only contain characters that a message can contain.")
	}
	if v.StringValue != nil && *v.StringValue != "" && len(v.BinaryValue) > 0 {
		return refuse(quoted, " must have a single value.")
	}
	if base == typeBinary {
		switch {
		case v.StringValue != nil && *v.StringValue != "":
			return refuse(quoted, " with type 'Binary' must use field 'Binary'.")
		case len(v.BinaryValue) == 0:
			return refuse(quoted, " must contain a non-empty value of type '", v.DataType, "'.")
		}
		a.Binary = v.BinaryValue
		return a, nil
	}
	switch {
	case len(v.BinaryValue) > 0:
		return refuse(quoted, " with type '", base, "' must use field 'String'.")
	case v.StringValue == nil || *v.StringValue == "":
		return refuse(quoted, " must contain a non-empty value of type '", v.DataType, "'.")
	}
	a.Value = *v.StringValue
	if base == typeNumber && !isNumber(a.Value) {
		return refuse("Can't cast the value of ", quoted, " to a number.")
	}
	if i := badCharacter(a.Value); i >= 0 {
		return refuse("Invalid binary character '", characterAt(a.Value, i), "' was found in the message attribute '",
			echo(name), "' value, ", charset)
	}
	return a, nil
}

// badAttributeName says what is wrong with the name of an attribute of that kind.
func badAttributeName(kind, name string) string {
	switch {
	case name == "":
		return "The request must contain non-empty " + kind + " names."
	case len(name) > maxAttributeName:
		return kind + " name must be shorter than 256 bytes."
	case hasPrefixFold(name, "aws.") || hasPrefixFold(name, "amazon."):
		return "You can't use message attribute names beginning with 'AWS.' or 'Amazon'. These strings are reserved for internal use."
	case name[0] == '.':
		return kind + " name must not begin with character '.'."
	case name[len(name)-1] == '.':
		return kind + " name must not end with character '.'."
	case strings.Contains(name, ".."):
		return kind + " name must not have successive '.' characters."
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-', r == '.':
		case r > unicode.MaxASCII && r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			// Not documented, but taken by the real service.
		default:
			return "The message attribute name '" + name + "' is invalid. Attribute name can contain A-Z, a-z, 0-9, " +
				"underscore (_), hyphen (-), and period (.) characters."
		}
	}
	return ""
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// isNumber tells whether s is a decimal number: sign, digits, fraction, exponent.
func isNumber(s string) bool {
	digits := func() (n int) {
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		s = s[n:]
		return n
	}
	sign := func() {
		if s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
	}
	sign()
	n := digits()
	if s != "" && s[0] == '.' {
		s = s[1:]
		n += digits()
	}
	if n == 0 {
		return false
	}
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		s = s[1:]
		sign()
		if digits() == 0 {
			return false
		}
	}
	return s == ""
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
		if !isPrintable(*e.MessageGroupId) {
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
	case e.MessageDeduplicationId != nil && !isPrintable(*e.MessageDeduplicationId):
		return badID(*e.MessageDeduplicationId, "MessageDeduplicationId")
	case e.MessageDeduplicationId != nil:
		d.DedupID = *e.MessageDeduplicationId
	case q.ContentDedup:
		sum := sha256.Sum256(bytesOf(d.Body))
		d.DedupID = hex.EncodeToString(sum[:])
	default:
		return errNoDedup
	}
	return nil
}

func badID(value, parameter string) error {
	return badValue(value, parameter, parameter+" can only include alphanumeric and punctuation characters. 1 to 128 in length.")
}
