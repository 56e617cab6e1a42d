package scheduler

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// The calls that a target can name, behind CallPrefix.
const (
	CallPrefix       = "arn:aws:scheduler:::aws-sdk:"
	CallSendMessage  = "sqs:sendMessage"
	CallSendBatch    = "sqs:sendMessageBatch"
	CallPublish      = "sns:publish"
	CallPublishBatch = "sns:publishBatch"
	CallPutEvents    = "eventbridge:putEvents"
)

// Calls are all of them.
var Calls = []string{CallPutEvents, CallPublish, CallPublishBatch, CallSendMessage, CallSendBatch}

// maxEntries of a call.
const maxEntries = 10

// Call is what a target of the form CallPrefix is to do.
type Call struct {
	// Queue or Topic that gets Messages, with account and region "" for the schedule's;
	// or Events, each with its bus.
	Queue, Topic *registry.Resource
	Messages     []CallMessage
	Events       []CallEvent
}

// CallMessage is one message of a call.
type CallMessage struct {
	Body, Subject string
	Attributes    []partition.Attribute
	Group, Dedup  string
	Delay         *int32 // in seconds, of queues; nil: the queue's own
}

// CallEvent is one event of a call.
type CallEvent struct {
	Bus string // name or ARN; "": the default one
	Event
}

// attributeValue is the value of a message attribute in a call.
type attributeValue struct {
	DataType    string
	StringValue *string
	BinaryValue *string
}

type messageInput struct {
	Id                     string
	MessageBody            string // of queues
	Message, Subject       string // of topics
	MessageAttributes      map[string]attributeValue
	MessageGroupId         string
	MessageDeduplicationId string
	DelaySeconds           *int32
}

type callInput struct {
	messageInput
	QueueUrl, TopicArn, TargetArn string
	Entries                       json.RawMessage
	PublishBatchRequestEntries    []messageInput
}

type eventInput struct {
	Source, DetailType, Detail, EventBusName, TraceHeader string
	Resources                                             []string
	Time                                                  json.RawMessage
}

var errEntries = fmt.Errorf("it has 1 to %d entries", maxEntries)

// ParseCall reads the input of a call of that name. Errors are for whoever wrote it: half
// a sentence about the input.
func ParseCall(name, input string) (*Call, error) {
	var in callInput
	if err := strict(input, &in); err != nil {
		return nil, err
	}
	c := &Call{}
	switch name {
	case CallSendMessage, CallSendBatch:
		account, queue, ok := splitURL(in.QueueUrl)
		if !ok {
			return nil, errors.New("QueueUrl is not the URL of a queue")
		}
		c.Queue = &registry.Resource{Kind: "queue", Account: account, Name: queue}
	case CallPublish, CallPublishBatch:
		arn := in.TopicArn
		if arn == "" && name == CallPublish {
			arn = in.TargetArn
		}
		r, ok := registry.ParseARN(arn)
		if !ok || r.Kind != "topic" {
			return nil, errors.New("TopicArn is not the ARN of a topic")
		}
		c.Topic = &r
	case CallPutEvents:
		return c, c.events(in.Entries)
	default:
		return nil, errors.New("there is no such call")
	}
	entries := []messageInput{in.messageInput}
	switch name {
	case CallSendBatch:
		entries = nil
		if len(in.Entries) > 0 {
			if err := strict(string(in.Entries), &entries); err != nil {
				return nil, err
			}
		}
	case CallPublishBatch:
		entries = in.PublishBatchRequestEntries
	}
	if len(entries) == 0 || len(entries) > maxEntries {
		return nil, errEntries
	}
	for i := range entries {
		m, err := entries[i].message(c.Queue != nil)
		if err != nil {
			return nil, err
		}
		c.Messages = append(c.Messages, m)
	}
	return c, nil
}

// strict reads JSON whose members are all known.
func strict(text string, v any) error {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return fmt.Errorf("its member %.100s is not supported", name)
		}
		var kind *json.UnmarshalTypeError
		if errors.As(err, &kind) && kind.Field != "" {
			return fmt.Errorf("its member %.100s has a value of the wrong kind", kind.Field)
		}
		return errors.New("it is not a JSON object with the parameters of the call")
	}
	if _, err := d.Token(); err != io.EOF { //nolint:errorlint // as Token documents it
		return errors.New("it is not one JSON object")
	}
	return nil
}

func (in *messageInput) message(queue bool) (m CallMessage, err error) {
	m = CallMessage{Body: in.Message, Subject: in.Subject, Group: in.MessageGroupId, Dedup: in.MessageDeduplicationId, Delay: in.DelaySeconds}
	missing := "Message"
	if queue {
		m.Body, missing = in.MessageBody, "MessageBody"
	}
	switch {
	case m.Body == "":
		return m, errors.New(missing + " is missing")
	case queue && (in.Message != "" || in.Subject != "") || !queue && (in.MessageBody != "" || in.DelaySeconds != nil):
		return m, errors.New("it has a parameter of another call")
	case m.Delay != nil && (*m.Delay < 0 || *m.Delay > 900):
		return m, errors.New("DelaySeconds is 0 to 900")
	}
	for name, v := range in.MessageAttributes {
		a := partition.Attribute{Name: name, Type: v.DataType}
		switch {
		case v.StringValue != nil && v.BinaryValue == nil:
			a.Value = *v.StringValue
		case v.BinaryValue != nil && v.StringValue == nil:
			if a.Binary, err = base64.StdEncoding.DecodeString(*v.BinaryValue); err != nil {
				return m, fmt.Errorf("the message attribute %.100q has a BinaryValue that is not base64", name)
			}
		default:
			return m, fmt.Errorf("the message attribute %.100q has one of StringValue and BinaryValue", name)
		}
		m.Attributes = append(m.Attributes, a)
	}
	slices.SortFunc(m.Attributes, func(a, b partition.Attribute) int { return strings.Compare(a.Name, b.Name) })
	return m, nil
}

func (c *Call) events(entries json.RawMessage) error {
	var list []eventInput
	if len(entries) > 0 {
		if err := strict(string(entries), &list); err != nil {
			return err
		}
	}
	if len(list) == 0 || len(list) > maxEntries {
		return errEntries
	}
	for i := range list {
		in := &list[i]
		e := CallEvent{Bus: in.EventBusName, Event: Event{
			Source: in.Source, DetailType: in.DetailType, Detail: in.Detail, Resources: in.Resources, Trace: in.TraceHeader,
		}}
		switch {
		case in.Source == "" || in.DetailType == "" || in.Detail == "":
			return errors.New("an entry has no Source, DetailType or Detail")
		case registry.ReservedSource(in.Source):
			return errors.New("a Source must not begin with aws. or waystation.")
		case !IsObject(in.Detail):
			return errors.New("a Detail is not a JSON object")
		}
		if len(in.Time) > 0 && string(in.Time) != "null" {
			var err error
			if e.Time, err = readTime(in.Time); err != nil {
				return err
			}
		}
		c.Events = append(c.Events, e)
	}
	return nil
}

// IsObject reports whether s is a JSON object.
func IsObject(s string) bool {
	return strings.HasPrefix(strings.TrimLeft(s, " \t\r\n"), "{") && json.Valid([]byte(s))
}

// readTime reads a time as RFC 3339 or in Unix seconds.
func readTime(raw json.RawMessage) (time.Time, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		if t, err := time.Parse(time.RFC3339, text); err == nil {
			return t, nil
		}
	}
	var seconds float64
	if json.Unmarshal(raw, &seconds) == nil && seconds >= 0 && seconds < never/1000 {
		return time.UnixMilli(int64(seconds * 1000)).UTC(), nil
	}
	return time.Time{}, errors.New("a Time is neither a time nor a number of seconds")
}

// splitURL finds account and name in the URL of a queue, whatever its host; "" is the
// schedule's account.
func splitURL(url string) (account, name string, ok bool) {
	rest := url
	if i := strings.Index(rest, "://"); i > 0 {
		if _, rest, ok = strings.Cut(rest[i+3:], "/"); !ok {
			return "", "", false
		}
	} else {
		rest = strings.TrimPrefix(rest, "/")
	}
	if account, name, ok = strings.Cut(rest, "/"); !ok {
		account, name = "", rest
	}
	isName := access.IsToken(strings.TrimSuffix(name, ".fifo"), 80)
	return account, name, isName && (account == "" && name == url || access.IsAccount(account))
}
