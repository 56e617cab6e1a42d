package bus

import (
	"context"

	"github.com/waystation/waystation/internal/inlet"
	"github.com/waystation/waystation/internal/partition"
)

// Planned is an event that is ready to be put: together with something else, by Items
// and Settle, or by itself, by Post.
type Planned struct {
	ID     partition.MessageID
	d      *delivery
	parcel inlet.Parcel
}

// Plan prepares to put an event. Errors are those of Result.
func (s *Service) Plan(ctx context.Context, a Addressed) (*Planned, error) {
	p := &putting{s: s, now: s.cfg.Now()}
	defer p.leave() // whoever plans events bounds how many
	x := &Planned{d: &delivery{s: s, put: p, now: p.now, trace: a.Event.Trace}}
	var err error
	if x.ID, err = x.d.prepare(ctx, &a); err != nil {
		return nil, err
	}
	x.parcel = x.d.parcel()
	return x, nil
}

// Items are to be posted as one; there may be none, if nobody gets the event. ok is
// false if that cannot be: they have more than 1,000 targets, or topics get the event.
func (x *Planned) Items() (items []partition.PostItem, ok bool) {
	return x.parcel.Items, x.parcel.Targets() <= inlet.MaxTargets && len(x.d.publications) == 0
}

// Settle is told what became of the targets of Items, in their order.
func (x *Planned) Settle(ctx context.Context, posted []partition.Posted) {
	_ = x.d.settle(ctx, x.parcel, posted) // what was posted with it is done, and cannot be tried again
	x.d.s.cfg.Observe(x.d.counted)
}

// Post puts the event.
func (x *Planned) Post(ctx context.Context) error {
	if len(x.parcel.Items) > 0 {
		out := inlet.Post(ctx, x.d.s.parts, []inlet.Parcel{x.parcel})[0]
		if out.Err != nil {
			return out.Err
		}
		if err := x.d.settle(ctx, x.parcel, out.Posted); err != nil {
			return err
		}
	}
	err := x.d.publish(ctx)
	x.d.s.cfg.Observe(x.d.counted)
	return err
}
