package sns

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/waystation/waystation/internal/awsapi/attribute"
	"github.com/waystation/waystation/internal/awsapi/batch"
	"github.com/waystation/waystation/internal/awsapi/characters"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/topic"
)

// publish publishes one message to a topic.
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
func (s *service) publish(ctx context.Context, c *protocol.Call, in *publishInput) (*publishOutput, error) {
	arn := in.TopicArn
	switch given := count(in.TopicArn, in.TargetArn, in.PhoneNumber); {
	case given == 0:
		return nil, invalid("TopicArn or TargetArn Reason: no value for required parameter")
	case given > 1:
		return nil, invalid("TopicArn Reason: give one of TopicArn, TargetArn and PhoneNumber")
	case in.PhoneNumber != "":
		return nil, notYet("PhoneNumber", "text messages are")
	case in.TargetArn != "":
		if r, ok := registry.ParseARN(in.TargetArn); !ok || r.Kind != "topic" {
			return nil, notYet("TargetArn", "targets other than topics are")
		}
		arn = in.TargetArn
	}
	t, err := s.topic(ctx, c, arn, "sns:Publish", nil)
	if err != nil {
		return nil, err
	}
	e := publishEntry{
		Message: in.Message, Subject: in.Subject, MessageStructure: in.MessageStructure, MessageAttributes: in.MessageAttributes,
		MessageDeduplicationId: in.MessageDeduplicationId, MessageGroupId: in.MessageGroupId,
	}
	m, err := compose(c, t, &e)
	if err != nil {
		return nil, err
	}
	out := s.topics.Publish(ctx, t, []topic.Message{m})[0]
	if out.Err != nil {
		return nil, failure(out.Err)
	}
	return &publishOutput{MessageId: out.ID.String(), SequenceNumber: sequence(out.Sequence)}, nil
}

// count of the texts that are not empty.
func count(texts ...string) (n int) {
	for _, s := range texts {
		if s != "" {
			n++
		}
	}
	return n
}

// publishBatch publishes up to ten messages. To a FIFO topic one that is not valid
// refuses them all, so that those behind it do not overtake it.
// https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
func (s *service) publishBatch(ctx context.Context, c *protocol.Call, in *publishBatchInput) (*publishBatchOutput, error) {
	t, err := s.topic(ctx, c, in.TopicArn, "sns:Publish", nil)
	if err != nil {
		return nil, err
	}
	entries := in.PublishBatchRequestEntries
	if err := batch.Check("", "PublishBatchRequestEntry", len(entries), func(i int) string { return entries[i].Id }); err != nil {
		return nil, err
	}
	total := 0
	for i := range entries {
		total += messageSize(&entries[i])
	}
	if most := t.Largest(); total > most {
		return nil, batch.TooLong("", most, total)
	}
	results := make([]topic.Published, len(entries))
	var refused error
	errs, err := batch.Run(len(entries), func(i int) (topic.Message, error) {
		m, err := compose(c, t, &entries[i])
		if t.FIFO && refused == nil {
			refused = err
		}
		return m, err
	}, func(msgs []topic.Message, at []int) ([]error, error) {
		if refused != nil {
			return nil, nil
		}
		outcomes := make([]error, len(msgs))
		for k, r := range s.topics.Publish(ctx, t, msgs) {
			results[at[k]], outcomes[k] = r, failure(r.Err)
		}
		return outcomes, nil
	})
	if refused != nil {
		return nil, refused
	}
	if err != nil {
		return nil, failure(err)
	}
	out := &publishBatchOutput{Successful: []publishedEntry{}, Failed: []batch.Failure{}}
	for i, err := range errs {
		if err != nil {
			out.Failed = append(out.Failed, s.entryFailure(c, entries[i].Id, err))
			continue
		}
		out.Successful = append(out.Successful, publishedEntry{
			Id: entries[i].Id, MessageId: results[i].ID.String(), SequenceNumber: sequence(results[i].Sequence),
		})
	}
	return out, nil
}

// sequence spells the number of a FIFO topic's message; 0 means none.
func sequence(n uint64) string {
	if n == 0 {
		return ""
	}
	return topic.Sequence(n)
}

// messageSize counts what MaximumMessageSize limits: the message, and of each
// attribute its name, type and value.
func messageSize(e *publishEntry) int {
	n := len(e.Message)
	for name, v := range e.MessageAttributes {
		n += len(name) + len(v.DataType) + len(v.BinaryValue)
		if v.StringValue != nil {
			n += len(*v.StringValue)
		}
	}
	return n
}

// maxTraceHeader bounds what is taken of the request's trace, in bytes.
const maxTraceHeader = 512

// compose checks one message and makes it ready to publish.
func compose(c *protocol.Call, t *registry.Topic, e *publishEntry) (m topic.Message, err error) {
	switch {
	case e.Message == "":
		return m, invalid("Empty message")
	case messageSize(e) > t.Largest():
		return m, invalid("Message too long")
	}
	if m.Body, err = bodyOf(e); err != nil {
		return m, err
	}
	if i := characters.Bad(m.Body); i >= 0 {
		return m, invalid("Message Reason: it contains the character " + characters.Spell(m.Body, i) + ", " + characters.Allowed)
	}
	if e.Subject != nil {
		if !characters.Subject(*e.Subject) {
			return m, invalid("Subject")
		}
		m.Subject = *e.Subject
	}
	if m.Attributes, err = attributes(e.MessageAttributes); err != nil {
		return m, err
	}
	if h := c.Header["X-Amzn-Trace-Id"]; len(h) > 0 && len(h[0]) <= maxTraceHeader && characters.Bad(h[0]) < 0 {
		m.Trace = h[0]
	}
	return m, setGroup(t, e, &m)
}

// bodyOf is the message for queues.
func bodyOf(e *publishEntry) (string, error) {
	switch e.MessageStructure {
	case "":
		return e.Message, nil
	case "json":
		return structured(e.Message, topic.ProtocolSQS)
	}
	return "", invalid("MessageStructure Reason: it can only be json")
}

// setGroup checks message group and deduplication id, and makes the latter of the
// message where the topic says so.
func setGroup(t *registry.Topic, e *publishEntry, m *topic.Message) error {
	if e.MessageGroupId != nil {
		if !characters.ID(*e.MessageGroupId) {
			return invalid("MessageGroupId Reason: it has 1 to 128 letters, digits and punctuation characters")
		}
		m.Group = *e.MessageGroupId
	}
	switch {
	case !t.FIFO && e.MessageDeduplicationId != nil:
		return invalid("MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type")
	case !t.FIFO:
		return nil
	case m.Group == "":
		return invalid("The MessageGroupId parameter is required for FIFO topics")
	case e.MessageDeduplicationId != nil && !characters.ID(*e.MessageDeduplicationId):
		return invalid("MessageDeduplicationId Reason: it has 1 to 128 letters, digits and punctuation characters")
	case e.MessageDeduplicationId != nil:
		m.Dedup = *e.MessageDeduplicationId
	case t.ContentDedup:
		sum := sha256.Sum256(characters.Bytes(e.Message))
		m.Dedup = hex.EncodeToString(sum[:])
	default:
		return invalid("The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	}
	return nil
}

// attributes checks message attributes, and gives them in the order of their names.
func attributes(given map[string]attributeValue) ([]partition.Attribute, error) {
	if len(given) == 0 {
		return nil, nil
	}
	list := make([]partition.Attribute, 0, len(given))
	for name, v := range given {
		a, err := attribute.Check(name, v.DataType, v.StringValue, v.BinaryValue)
		var refused *attribute.Error
		if errors.As(err, &refused) {
			return nil, badValue(attributeRefused(refused))
		}
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b partition.Attribute) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// attributeRefused puts a refusal into words.
func attributeRefused(e *attribute.Error) string {
	quoted := "The message attribute '" + echo(e.Name) + "' "
	switch e.Problem {
	case attribute.NoName:
		return "The message attribute name cannot be empty."
	case attribute.LongName:
		return "Length of message attribute name must be less than 256 bytes."
	case attribute.ReservedName:
		return "You can't use message attribute names beginning with 'AWS.' or 'Amazon'. These strings are reserved for internal use."
	case attribute.NameBeginsDot, attribute.NameEndsDot, attribute.NameDots, attribute.NameCharacter:
		return "Invalid non-alphanumeric character was found in the message attribute name. Can only include alphanumeric " +
			"characters, hyphens, underscores, or dots, and no dot at an end or beside another."
	case attribute.NoValue, attribute.NoType:
		return quoted + "must contain a non-empty message attribute type and value."
	case attribute.LongType:
		return quoted + "has a type that is longer than 256 bytes."
	case attribute.UnknownType, attribute.TypeCharacter:
		return quoted + "has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
	case attribute.TwoValues:
		return quoted + "must have a single value."
	case attribute.WantsBinary:
		return quoted + "with type 'Binary' must use field 'Binary'."
	case attribute.WantsText:
		return quoted + "with type '" + attribute.Base(e.Type) + "' must use field 'String'."
	case attribute.EmptyValue:
		return quoted + "must contain non-empty message attribute value for message attribute type '" + echo(e.Type) + "'."
	case attribute.NotANumber:
		return "Could not cast message attribute '" + echo(e.Name) + "' value to number."
	}
	return quoted + "contains the character " + e.Character + ", " + characters.Allowed
}
