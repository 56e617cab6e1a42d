package simulation

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/topic"
)

// choice is a filter policy, or an event pattern, and what it stands for, said a second
// time.
type choice struct {
	policy string
	body   bool // a filter policy over the body
	wants  func(*notice) bool
}

// filters of subscriptions.
var filters = []choice{
	{"", false, func(*notice) bool { return true }},
	{`{"kind":["a"]}`, false, func(n *notice) bool { return n.kind == "a" }},
	{`{"kind":["a","b"],"size":[{"numeric":[">=",5]}]}`, false, func(n *notice) bool { return (n.kind == "a" || n.kind == "b") && n.size >= 5 }},
	{`{"kind":[{"anything-but":["a"]}]}`, false, func(n *notice) bool { return n.kind != "a" && n.kind != "" }},
	{`{"kind":[{"exists":false}]}`, false, func(n *notice) bool { return n.kind == "" }},
	{`{"size":[{"numeric":["<",5]}]}`, true, func(n *notice) bool { return n.size < 5 }},
	{`{"kind":[{"prefix":"b"}]}`, true, func(n *notice) bool { return n.kind == "b" }},
}

// patterns of rules.
var patterns = []choice{
	{`{"source":["sim"]}`, false, func(*notice) bool { return true }},
	{`{"detail":{"kind":["a"]}}`, false, func(n *notice) bool { return n.kind == "a" }},
	{`{"source":["sim"],"detail":{"kind":["b","c"],"size":[{"numeric":[">=",5]}]}}`, false, func(n *notice) bool { return (n.kind == "b" || n.kind == "c") && n.size >= 5 }},
	{`{"detail":{"kind":[{"exists":false}]}}`, false, func(n *notice) bool { return n.kind == "" }},
	{`{"source":["elsewhere"]}`, false, func(*notice) bool { return false }},
}

func choiceOf(list []choice, policy string, body bool) choice {
	for _, c := range list {
		if c.policy == policy && c.body == body {
			return c
		}
	}
	panic("simulation: nobody made the policy " + policy)
}

func filterOf(s *registry.Subscription) choice {
	return choiceOf(filters, s.FilterPolicy, s.FilterBody)
}

func patternOf(r *registry.Rule) choice { return choiceOf(patterns, r.Pattern, false) }

// text is what stands in a copy of an attempt.
type text struct {
	Text string `json:"text"`
	Kind string `json:"kind,omitempty"`
	Size int    `json:"size"`
}

func (a *attempt) text() string {
	b, err := json.Marshal(text{textOf(a.of.id, a.number), a.of.kind, a.of.size})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// message of an attempt to publish.
func (a *attempt) message() topic.Message {
	n := a.of
	m := topic.Message{Body: a.text(), Group: n.group}
	if n.many {
		for i := range topic.MaxRawAttributes {
			m.Attributes = append(m.Attributes, partition.Attribute{Name: fmt.Sprint("a", i), Type: "String", Value: "x"})
		}
	}
	if n.kind != "" {
		m.Attributes = append(m.Attributes, partition.Attribute{Name: "kind", Type: "String", Value: n.kind})
	}
	m.Attributes = append(m.Attributes, partition.Attribute{Name: "size", Type: "Number", Value: strconv.Itoa(n.size)})
	if n.topic.FIFO {
		m.Dedup = n.id
	}
	return m
}

// event of an attempt to put one.
func (a *attempt) event() bus.Addressed {
	return bus.Addressed{Bus: a.of.bus, Event: bus.Event{Account: account, Region: region, Source: "sim", DetailType: "news", Detail: a.text()}}
}

// template of targets that make something else of an event.
const template = `{"rule":<aws.events.rule-name>,"text":<text>}`

// formOf is how a target's copies look.
func formOf(r *registry.Rule, t *registry.Target) string {
	switch {
	case t.Template != "":
		_, name := r.Parts()
		return "made by rule " + name
	case t.InputPath != "":
		return "raw"
	}
	return "event"
}

// deadForm is how an event looks that a rule could not bring to a target.
func deadForm(rule, target string) string { return "dead by " + rule + " for " + target }

// copied is what can be read in a copy.
type copied struct {
	text, form string
	id         string // of the message or event, if it is there
	topic      string // ARN
	sequence   uint64
}

// readCopy reads a copy as a consumer does.
func readCopy(r *partition.Received) (c copied, err error) {
	var x struct {
		Type, MessageId, TopicArn, Message, SequenceNumber, UnsubscribeURL string
		ID                                                                 string `json:"id"`
		Detail                                                             *text  `json:"detail"`
		Rule                                                               string `json:"rule"`
		text
	}
	if err := json.Unmarshal([]byte(r.Body), &x); err != nil {
		return c, err
	}
	switch {
	case x.Type == "Notification":
		var of text
		if err := json.Unmarshal([]byte(x.Message), &of); err != nil {
			return c, err
		}
		_, arn, _ := strings.Cut(x.UnsubscribeURL, "SubscriptionArn=")
		subscription, ok := strings.CutPrefix(arn, x.TopicArn+":")
		if !ok {
			return c, errors.New("no subscription of the topic")
		}
		c = copied{text: of.Text, form: "subscription " + subscription, id: x.MessageId, topic: x.TopicArn}
		if x.SequenceNumber != "" {
			c.sequence, err = strconv.ParseUint(x.SequenceNumber, 10, 64)
		}
	case x.Detail != nil:
		c = copied{text: x.Detail.Text, form: "event", id: x.ID}
		if rule := attributeOf(r, "RULE_ARN"); rule != "" {
			c.form = deadForm(rule, attributeOf(r, "TARGET_ARN"))
		}
	case x.Rule != "":
		c = copied{text: x.Text, form: "made by rule " + x.Rule}
	default:
		c = copied{text: x.Text, form: "raw"}
	}
	return c, err
}

func attributeOf(r *partition.Received, name string) string {
	for _, a := range r.Attributes {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}
