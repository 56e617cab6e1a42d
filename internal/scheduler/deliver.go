package scheduler

import (
	"cmp"
	"context"
	"crypto/md5"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/inlet"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// fault is why a target did not take what it was to get: a code and a sentence of the
// service that it belongs to, as dead letters say it.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
type fault struct {
	code, message string
	permanent     bool // another attempt is of no use
}

// delivery is what one attempt brings where.
type delivery struct {
	s      *Service
	group  *registry.ScheduleGroup
	when   occurrence
	target *Target
	input  string // with its context attributes written

	plans []Plan
	to    string // ARN of the topic or bus that the last of them is for
	// caller is who the target is called as; made when it is needed.
	caller *access.Principal
}

// Bounds of what a call may have when its context attributes are written.
const (
	// maxMessage is the most bytes that a queue takes as one message.
	maxMessage = 1 << 20
	maxID      = 128 // bytes, of groups and deduplication ids
	maxSubject = 100 // characters
)

// prepare plans what the target gets. The error is one that passes.
func (d *delivery) prepare(ctx context.Context) (*fault, error) {
	d.input = d.when.expand(d.target.Input)
	if name, ok := strings.CutPrefix(d.target.ARN, CallPrefix); ok {
		c, err := ParseCall(name, d.input)
		if err != nil {
			return &fault{"ValidationException", "The input of the target is not valid: " + err.Error() + ".", true}, nil
		}
		return d.call(ctx, c)
	}
	r, _ := registry.ParseARN(d.target.ARN)
	switch r.Kind {
	case "queue":
		return d.toQueue(ctx, d.target.ARN, []CallMessage{{Body: d.text(), Group: d.target.Group}})
	case "topic":
		return d.toTopic(ctx, r, []CallMessage{{Body: d.text()}})
	case "bus":
		return d.toBus(ctx, r, &Event{
			Source: d.target.Source, DetailType: d.target.DetailType, Detail: cmp.Or(d.input, "{}"), Resources: []string{d.when.arn},
		})
	}
	return &fault{"ValidationException", "This release does not know the target " + d.target.ARN + ".", true}, nil
}

// text is what a target gets that takes texts.
func (d *delivery) text() string {
	if d.input == "" {
		d.input = d.when.notification(d.s.cfg.NewID().String())
	}
	return d.input
}

func (d *delivery) call(ctx context.Context, c *Call) (*fault, error) {
	switch {
	case c.Queue != nil:
		q := *c.Queue
		q.Account, q.Region = cmp.Or(q.Account, d.group.Account), d.group.Region
		return d.toQueue(ctx, q.ARN(), c.Messages)
	case c.Topic != nil:
		return d.toTopic(ctx, *c.Topic, c.Messages)
	}
	for i := range c.Events {
		r, ok := BusOf(c.Events[i].Bus, d.group.Account, d.group.Region)
		if !ok {
			return &fault{"ValidationException", "An EventBusName is neither a name nor the ARN of a bus.", true}, nil
		}
		if f, err := d.toBus(ctx, r, &c.Events[i].Event); f != nil || err != nil {
			return f, err
		}
	}
	return nil, nil
}

// BusOf is the bus of a name or an ARN, "" for the default one.
func BusOf(given, account, region string) (registry.Resource, bool) {
	if strings.HasPrefix(given, "arn:") {
		r, ok := registry.ParseARN(given)
		return r, ok && r.Kind == "bus"
	}
	r := registry.Resource{Kind: "bus", Account: account, Region: region, Name: cmp.Or(given, registry.DefaultBus)}
	parsed, ok := registry.ParseARN(r.ARN())
	return r, ok && parsed == r
}

// may asks whether the schedule's role may do an action on a resource, or its resource's
// policy lets the service.
func (d *delivery) may(action, resource, account, policy string) error {
	a := d.s.cfg.Access
	if !a.Enforces() {
		return nil
	}
	if d.caller == nil {
		source := access.Context{}
		source.Set("aws:SourceArn", d.group.ARN())
		source.Set("aws:SourceAccount", d.group.Account)
		p, err := a.ServiceRole(Principal, d.target.RoleARN, d.when.execution(), source)
		if err != nil || p.Account != d.group.Account {
			p = access.OfService(Principal)
		}
		d.caller = &p
	}
	return a.Authorize(access.Query{
		Principal: d.caller, Action: action, Resource: resource, Account: account, Policy: policy,
		Context: func() access.Context {
			c := access.Context{}
			c.Set("aws:SourceArn", d.when.arn)
			c.Set("aws:SourceAccount", d.group.Account)
			c.Set("aws:SecureTransport", "true") // it never leaves the server
			c.Set("aws:CurrentTime", d.s.cfg.Now().UTC().Format(timeForm))
			return c
		},
	})
}

// sender is who messages come from.
func (d *delivery) sender() string {
	if d.caller != nil && d.caller.UserID != "" {
		return d.caller.UserID
	}
	return Principal
}

// toQueue plans messages for a queue.
func (d *delivery) toQueue(ctx context.Context, arn string, msgs []CallMessage) (*fault, error) {
	q, err := d.s.finder.Queue(ctx, arn, d.s.cfg.Now())
	switch {
	case errors.Is(err, inlet.ErrGone):
		return &fault{"AWS.SimpleQueueService.NonExistentQueue", "The queue " + arn + " does not exist.", false}, nil
	case err != nil:
		return nil, err
	}
	if err := d.may("sqs:SendMessage", arn, q.Account, q.Policy); err != nil {
		return &fault{"AccessDenied", err.Error(), false}, nil
	}
	var items []partition.PostItem
	for i := range msgs {
		m := &msgs[i]
		switch most := cmp.Or(q.MaxMessageSize, maxMessage); {
		case m.size() > most:
			return &fault{"InvalidParameterValue", "The message has " + strconv.Itoa(m.size()) + " bytes, the queue " + arn + " takes " + strconv.Itoa(most) + ".", true}, nil
		case len(m.Group) > maxID || len(m.Dedup) > maxID:
			return &fault{"InvalidParameterValue", "A MessageGroupId or MessageDeduplicationId has more than 128 characters.", true}, nil
		case q.FIFO && m.Group == "":
			return &fault{"MissingParameter", "The FIFO queue " + arn + " needs a message group.", true}, nil
		case !q.FIFO && m.Dedup != "":
			return &fault{"InvalidParameterValue", "The queue " + arn + " is not FIFO, and takes no MessageDeduplicationId.", true}, nil
		}
		items = append(items, d.message(q, m, i))
	}
	d.plans = append(d.plans, Plan{Items: items})
	return nil, nil
}

// size is what counts towards a queue's MaximumMessageSize.
func (m *CallMessage) size() int {
	n := len(m.Body)
	for i := range m.Attributes {
		a := &m.Attributes[i]
		n += len(a.Name) + len(a.Type) + len(a.Value) + len(a.Binary)
	}
	return n
}

// message is one for a queue; number tells those of one firing apart.
func (d *delivery) message(q *registry.Queue, m *CallMessage, number int) partition.PostItem {
	out := partition.Message{
		ID: d.s.cfg.NewID(), Body: m.Body, BodyMD5: md5.Sum([]byte(m.Body)), Attributes: m.Attributes, SenderID: d.sender(),
	}
	if q.FIFO {
		out.DedupID = d.dedup(m, number)
	}
	to := partition.QueueTarget(q, m.Group, out.DedupID, out.ID)
	if m.Delay != nil && !q.FIFO {
		to.Delay = *m.Delay
	}
	return partition.PostItem{Payload: partition.EncodeMessage(&out), Targets: []partition.PostTarget{to}}
}

// dedup is the deduplication id of a message.
func (d *delivery) dedup(m *CallMessage, number int) string {
	if m.Dedup != "" {
		return m.Dedup
	}
	id := d.when.dedup()
	if number > 0 {
		id += "." + strconv.Itoa(number)
	}
	return id
}

// toTopic plans messages for a topic.
func (d *delivery) toTopic(ctx context.Context, r registry.Resource, msgs []CallMessage) (*fault, error) {
	t, err := d.s.cfg.Topics.Find(ctx, r.Account, r.Region, r.Name)
	switch {
	case errors.Is(err, ErrGone):
		return &fault{"NotFound", "Topic does not exist", false}, nil
	case err != nil:
		return nil, err
	}
	if err := d.may("sns:Publish", t.ARN(), t.Account, t.Policy); err != nil {
		return &fault{"AuthorizationError", err.Error(), false}, nil
	}
	for i := range msgs {
		m := &msgs[i]
		switch most := cmp.Or(t.MaxMessageSize, 256<<10); {
		case m.size() > most:
			return &fault{"InvalidParameter", "Invalid parameter: Message too long", true}, nil
		case len(m.Group) > maxID || len(m.Dedup) > maxID:
			return &fault{"InvalidParameter", "Invalid parameter: A MessageGroupId or MessageDeduplicationId has more than 128 characters", true}, nil
		case utf8.RuneCountInString(m.Subject) > maxSubject:
			return &fault{"InvalidParameter", "Invalid parameter: Subject", true}, nil
		case t.FIFO && m.Group == "":
			return &fault{"InvalidParameter", "Invalid parameter: The MessageGroupId parameter is required for FIFO topics", true}, nil
		case !t.FIFO && m.Dedup != "":
			return &fault{"InvalidParameter", "Invalid parameter: MessageDeduplicationId is for FIFO topics", true}, nil
		}
		out := Message{Body: m.Body, Subject: m.Subject, Attributes: m.Attributes, Group: m.Group}
		if t.FIFO {
			out.Dedup = d.dedup(m, i)
		}
		plan, err := d.s.cfg.Topics.Plan(ctx, t, out)
		if f := refused(err); f != nil {
			return f, nil
		}
		if err != nil {
			return nil, err
		}
		d.plans, d.to = append(d.plans, plan), t.ARN()
	}
	return nil, nil
}

// toBus plans an event.
func (d *delivery) toBus(ctx context.Context, r registry.Resource, e *Event) (*fault, error) {
	b, err := d.s.cfg.Buses.Find(ctx, r.Account, r.Region, r.Name)
	switch {
	case errors.Is(err, ErrGone):
		return &fault{"ResourceNotFoundException", "Event bus " + r.Name + " does not exist.", false}, nil
	case err != nil:
		return nil, err
	}
	if err := d.may("events:PutEvents", b.ARN(), b.Account, b.Policy); err != nil {
		return &fault{"AccessDeniedException", err.Error(), false}, nil
	}
	if !IsObject(e.Detail) {
		return &fault{"MalformedDetail", "Detail is malformed.", true}, nil
	}
	e.Account, e.Region = d.group.Account, r.Region
	if e.Time.IsZero() {
		e.Time = d.when.nominal
	}
	plan, err := d.s.cfg.Buses.Plan(ctx, b, *e)
	if f := refused(err); f != nil {
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	d.plans, d.to = append(d.plans, plan), b.ARN()
	return nil, nil
}
