package bus

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/waystation/waystation/internal/inlet"
	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// fault is why a delivery failed, as dead letters say it: a code of the service's and a
// sentence.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-event-delivery.html#eb-rule-dlq
type fault struct{ code, message string }

func tooLarge(t *target, n, most int) *fault {
	return &fault{"INVALID_PARAMETER", "The message has " + strconv.Itoa(n) + " bytes, the target " + t.def.ARN + " takes " + strconv.Itoa(most) + "."}
}

// attributes are those that a dead letter of the target has.
func (f *fault) attributes(t *target) []partition.Attribute {
	list := []partition.Attribute{
		{Name: "ERROR_CODE", Value: f.code}, {Name: "ERROR_MESSAGE", Value: f.message},
		{Name: "RETRY_ATTEMPTS", Value: "0"}, {Name: "RULE_ARN", Value: t.rule.source.ARN}, {Name: "TARGET_ARN", Value: t.def.ARN},
	}
	for i := range list {
		list[i].Type = "String"
	}
	return list
}

// bury adds the dead-letter queue of a target to the event's post, if it has one that
// can take the event. The error is one of the registry, which passes.
func (d *delivery) bury(ctx context.Context, t *target, f *fault) error {
	q, why, err := d.grave(ctx, t)
	if err != nil {
		return err
	}
	if q != nil {
		d.newItem(d.event.text, f.attributes(t)).add(route{target: t, dead: true}, q, "", "")
	}
	d.s.tellFailed(t, d.now, f.message+why, q != nil)
	return nil
}

// grave finds the dead-letter queue of a target; without one, why says why, if there
// should be one.
func (d *delivery) grave(ctx context.Context, t *target) (q *registry.Queue, why string, err error) {
	if t.def.DeadLetterARN == "" {
		return nil, "", nil
	}
	q, err = d.s.finder.Find(ctx, t.rule.source, t.def.DeadLetterARN, &t.bury, d.now)
	switch {
	case errors.Is(err, inlet.ErrGone), errors.Is(err, inlet.ErrRefused):
		return nil, " The dead-letter queue does not take it: " + err.Error() + ".", nil
	case err != nil:
		return nil, "", err
	case q.FIFO:
		return nil, " The dead-letter queue does not take it: it is FIFO.", nil
	case q.MaxMessageSize > 0 && len(d.event.text) > q.MaxMessageSize:
		return nil, " The dead-letter queue does not take it: it is too large.", nil
	}
	return q, "", nil
}

// buryLate brings an event that its target did not take at the last moment to the
// dead-letter queue. The error asks to try again.
func (d *delivery) buryLate(ctx context.Context, t *target, f *fault) error {
	q, why, err := d.grave(ctx, t)
	buried := false
	if err == nil && q != nil {
		late := delivery{s: d.s, trace: d.trace}
		late.newItem(d.event.text, f.attributes(t)).add(route{target: t, dead: true}, q, "", "")
		out := inlet.Post(ctx, d.s.parts, []inlet.Parcel{late.parcel()})[0]
		err = out.Err
		buried = err == nil && !out.Posted[0].Gone
	}
	if err != nil {
		why = " It could not be dead-lettered: " + err.Error()
	}
	if buried {
		d.counted.Redriven++
	}
	d.s.tellFailed(t, d.now, f.message+why, buried)
	return err
}

// tellFailed logs a failed delivery, of each target once a minute at most.
func (s *Service) tellFailed(t *target, now time.Time, why string, buried bool) {
	last := t.warned.Load()
	if now.UnixNano()-last < int64(time.Minute) || !t.warned.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	s.log.Warn("an event could not be delivered to a target", logkey.Resource, t.rule.source.ARN, "target", t.def.ID, "why", why, "dead_lettered", buried)
}
