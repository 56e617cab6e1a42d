package topic

import (
	"context"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// Planned is a message that is ready to be published: together with something else, by
// Items and Settle, or by itself, by Post.
type Planned struct{ p publication }

// Plan prepares the publish of a message. Errors are those of Published.
func (s *Service) Plan(ctx context.Context, t *registry.Topic, m Message) (*Planned, error) {
	x := &Planned{s.publication(t, 1)}
	if err := x.p.add(ctx, 0, &m); err != nil {
		return nil, err
	}
	return x, nil
}

// Items are to be posted as one; there may be none, if nobody gets the message. ok is
// false if that cannot be: FIFO topics post from a partition of their own, and a message
// for too many subscribers takes several posts.
func (x *Planned) Items() (items []partition.PostItem, ok bool) {
	if x.p.topic.FIFO || len(x.p.parts) > 1 {
		return nil, false
	}
	for i := range x.p.parts {
		items = append(items, x.p.parts[i].item)
	}
	return items, true
}

// Settle is told what became of the targets of Items, in their order.
func (x *Planned) Settle(ctx context.Context, posted []partition.Posted) {
	for i := range x.p.parts {
		n := len(x.p.parts[i].routes)
		x.p.settle(ctx, &x.p.parts[i], posted[:n])
		posted = posted[n:]
	}
	x.p.s.cfg.Observe(x.p.counted)
}

// Post publishes the message.
func (x *Planned) Post(ctx context.Context) Published {
	x.p.post(ctx)
	x.p.s.cfg.Observe(x.p.counted)
	return x.p.results[0]
}
