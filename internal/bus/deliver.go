package bus

import (
	"cmp"
	"context"
	"errors"

	"github.com/waystation/waystation/internal/inlet"
	"github.com/waystation/waystation/internal/registry"
)

// deliver sees to it that a target gets the event; the fault says why that cannot be.
// The error is one of the registry, which passes.
func (d *delivery) deliver(ctx context.Context, t *target) (*fault, error) {
	switch t.at.Kind {
	case topicKind:
		return d.deliverToTopic(ctx, t)
	case destinationKind:
		return d.deliverToDestination(ctx, t)
	}
	return d.deliverToQueue(ctx, t)
}

// deliverToQueue adds a queue to the event's post.
func (d *delivery) deliverToQueue(ctx context.Context, t *target) (*fault, error) {
	q, err := d.s.finder.Find(ctx, t.rule.source, t.def.ARN, &t.deliver, d.now)
	switch {
	case errors.Is(err, inlet.ErrGone):
		return &fault{"NO_RESOURCE", "The queue " + t.def.ARN + " does not exist."}, nil
	case errors.Is(err, inlet.ErrRefused):
		return &fault{"NO_PERMISSIONS", "The policy of the queue " + t.def.ARN + " does not let the rule send to it."}, nil
	case err != nil:
		return nil, err
	case q.FIFO && !q.ContentDedup:
		return &fault{"INVALID_PARAMETER", "The FIFO queue " + t.def.ARN + " has no ContentBasedDeduplication, and events have no deduplication id."}, nil
	}
	most := cmp.Or(q.MaxMessageSize, maxMessage)
	body, f := d.alter(t)
	switch {
	case f != nil:
		return f, nil
	case body != nil:
		return d.deliverAltered(t, q, body, most), nil
	}
	return d.deliverShared(t, q, most), nil
}

// alter makes of the event what the target asks for; nil if that is the event, or a part
// of it: see shared.
func (d *delivery) alter(t *target) ([]byte, *fault) {
	switch {
	case t.def.Input != "":
		return []byte(t.def.Input), nil
	case t.form == nil:
		return nil, nil
	case d.altered > maxAltered:
		return nil, tooMuch(errAltered)
	}
	body, err := t.form.execute(d.event, &t.rule.names, d.now)
	switch {
	case errors.Is(err, errRead):
		return nil, tooMuch(err)
	case err != nil:
		return nil, &fault{"INVALID_PARAMETER", "The message cannot be made: " + err.Error() + "."}
	}
	return body, nil
}

// shared is the event, or what the target's input path finds in it.
func (d *delivery) shared(t *target) ([]byte, *fault) {
	if t.path == nil {
		return d.event.text, nil
	}
	body, err := d.event.find(t.path)
	if err != nil {
		return nil, tooMuch(err)
	}
	if body == nil {
		body = nothing
	}
	return body, nil
}

var errAltered = errors.New("the targets of the event make more than 16 MiB of it")

func tooMuch(err error) *fault {
	return &fault{"RESOURCE_LIMIT_EXCEEDED", "The message cannot be made: " + err.Error() + "."}
}

// deliverShared adds a target that gets the event, or what its input path finds there
// when it is received.
func (d *delivery) deliverShared(t *target, q *registry.Queue, most int) *fault {
	body := d.event.text
	// What the path finds is needed only if it decides about something.
	if t.path != nil && (q.FIFO || len(body) > most || len(t.def.InputPath) > maxReferencedPath) {
		var f *fault
		if body, f = d.shared(t); f != nil {
			return f
		}
	}
	if len(t.def.InputPath) > maxReferencedPath {
		return d.deliverAltered(t, q, body, most)
	}
	if len(body) > most {
		return tooLarge(t, len(body), most)
	}
	dedup := ""
	if q.FIFO {
		dedup = contentID(body)
	}
	d.items[0].add(route{target: t}, q, t.def.InputPath, dedup)
	return nil
}

// deliverAltered adds a target that gets something else than the event. Equal ones of
// one event are stored once.
func (d *delivery) deliverAltered(t *target, q *registry.Queue, body []byte, most int) *fault {
	if len(body) > most {
		return tooLarge(t, len(body), most)
	}
	at, ok := d.bodies[string(body)]
	if !ok {
		if d.altered += len(body); d.altered > maxAltered {
			return tooMuch(errAltered)
		}
		if d.bodies == nil {
			d.bodies = make(map[string]int)
		}
		at = len(d.items)
		d.bodies[string(body)] = at
		d.newItem(body, nil)
	}
	dedup := ""
	if q.FIFO {
		dedup = contentID(body)
	}
	d.items[at].add(route{target: t}, q, "", dedup)
	return nil
}
