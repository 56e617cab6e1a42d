package bus

import (
	"context"
	"errors"
	"time"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/inlet"
	"github.com/waystation/waystation/internal/registry"
)

// Topics publishes to topics; *topic.Service has this method.
type Topics interface {
	// PublishText publishes a message without a subject and attributes to a standard
	// topic. refused says why the topic cannot take it, if so. The error asks to try
	// again, and the message may have been published.
	PublishText(ctx context.Context, t *registry.Topic, body, trace string) (refused string, err error)
}

// SetTopics says where topics are. Before anything is put.
func (s *Service) SetTopics(t Topics) { s.topics = t }

// publication is what a topic gets of an event, once its post is done.
type publication struct {
	target *target
	topic  *registry.Topic
	body   string
}

// deliverToTopic notes what a topic is to get; the fault says why that cannot be. The
// error is one of the registry, which passes.
func (d *delivery) deliverToTopic(ctx context.Context, t *target) (*fault, error) {
	to, err := d.s.finder.FindTopic(ctx, t.rule.source, t.def.ARN, &t.deliver, d.now)
	switch {
	case errors.Is(err, inlet.ErrGone):
		return &fault{"NO_RESOURCE", "The topic " + t.def.ARN + " does not exist."}, nil
	case errors.Is(err, inlet.ErrRefused):
		return &fault{"NO_PERMISSIONS", "The policy of the topic " + t.def.ARN + " does not let the rule publish to it."}, nil
	case err != nil:
		return nil, err
	case to.FIFO:
		return &fault{"INVALID_PARAMETER", "The topic " + t.def.ARN + " is FIFO, and events have no deduplication id."}, nil
	}
	body, f := d.alter(t)
	if f == nil && body == nil {
		body, f = d.shared(t)
	}
	if f != nil {
		return f, nil
	}
	most := to.Largest()
	if len(body) == 0 || len(body) > most {
		return tooLarge(t, len(body), most), nil
	}
	if d.altered += len(body); d.altered > maxAltered {
		return tooMuch(errAltered), nil
	}
	d.bytes += len(body)
	d.publications = append(d.publications, publication{t, to, string(body)})
	return nil, nil
}

// publish publishes what is noted, and reports the first error: what follows is not
// published then.
func (d *delivery) publish(ctx context.Context) error {
	list := d.publications
	d.publications = nil
	for i := range list {
		refused, err := d.s.topics.PublishText(ctx, list[i].topic, list[i].body, d.trace)
		switch {
		case err != nil:
			return err
		case refused != "":
			d.counted.Failed++
			if err := d.buryLate(ctx, list[i].target, &fault{"INVALID_PARAMETER", "The topic " + list[i].target.def.ARN + " does not take the message: " + refused + "."}); err != nil {
				return err
			}
		default:
			d.counted.Delivered++
		}
	}
	return nil
}

// reach gives the targets of the rules that an event matches on the bus that is a
// target; the fault says why it does not come there. It goes no further than that:
// what is a bus among them gets nothing, as with Amazon EventBridge, so there are no
// circles. The error is one of the registry, which passes, or ErrEvent.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-bus-to-bus.html
func (d *delivery) reach(ctx context.Context, t *target) ([]*target, *fault, error) {
	b, err := d.s.Find(ctx, t.at.Account, t.at.Region, t.at.Name)
	switch {
	case errors.Is(err, ErrNoBus):
		return nil, &fault{"NO_RESOURCE", "The event bus " + t.def.ARN + " does not exist."}, nil
	case err != nil:
		return nil, nil, err
	case !d.mayPut(t, b):
		return nil, &fault{"NO_PERMISSIONS", "The policy of the event bus " + t.def.ARN + " does not let the rule put events on it."}, nil
	}
	list, err := d.match(b)
	d.counted.Delivered++
	return list, nil, err
}

// mayPut asks a bus's policy, which can depend on the event. The account of the rule
// puts it: with Amazon EventBridge a role of it does.
func (d *delivery) mayPut(t *target, b *registry.Bus) bool {
	if !d.s.cfg.Access.Enforces() {
		return true
	}
	who := access.OfAccount(t.rule.def.Account)
	return d.s.cfg.Access.Authorize(access.Query{
		Principal: &who, Action: "events:PutEvents", Resource: b.ARN(), Account: b.Account, Policy: b.Policy,
		Context: func() access.Context {
			c := access.Context{}
			c.Set("aws:SourceArn", t.rule.source.ARN)
			c.Set("aws:SourceAccount", t.rule.source.Account)
			c.Set("aws:SecureTransport", "true") // it never leaves the server
			c.Set("aws:CurrentTime", d.now.UTC().Format(time.RFC3339))
			c.Set("events:source", d.source)
			c.Set("events:detail-type", d.detailType)
			return c
		},
	}) == nil
}
