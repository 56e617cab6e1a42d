package scheduler

import (
	"context"
	"errors"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// Bounds of the firings of one record, below those of partitions: what is more goes into
// another one.
const (
	maxTargets = 1000
	maxBytes   = 512 << 10
)

// size is about what a firing takes in a record.
func (f *firing) size() (targets, bytes int) {
	for i := range f.items {
		targets += len(f.items[i].Targets)
		bytes += len(f.items[i].Payload) + 300*len(f.items[i].Targets)
	}
	return targets, bytes
}

// post carries out firings of a queue, several in one record where they fit.
func (s *Service) post(ctx context.Context, g *registry.ScheduleGroup, q partition.Target, list []*firing) {
	for len(list) > 0 {
		targets, bytes := list[0].size()
		n := 1
		for ; n < len(list); n++ {
			t, b := list[n].size()
			if targets+t > maxTargets || bytes+b > maxBytes {
				break
			}
			targets, bytes = targets+t, bytes+b
		}
		s.postTogether(ctx, g, q, list[:n])
		list = list[n:]
	}
}

// postTogether posts firings as one record. If one of them cannot be, each goes by
// itself.
func (s *Service) postTogether(ctx context.Context, g *registry.ScheduleGroup, q partition.Target, list []*firing) {
	conditions := make([]partition.Condition, len(list))
	var items []partition.PostItem
	for i, f := range list {
		conditions[i] = f.condition
		items = append(items, f.items...)
	}
	posted, err := s.parts.PostIf(ctx, q.Partition, conditions, items)
	alone := len(list) == 1
	switch {
	case err == nil:
		for _, f := range list {
			n, _ := f.size()
			f.settle(ctx, posted[:n])
			posted = posted[n:]
		}
	case errors.Is(err, partition.ErrCondition) && alone:
		// It was changed or deleted meanwhile, or somebody else has fired it.
	case !alone && (errors.Is(err, partition.ErrCondition) || errors.Is(err, partition.ErrTooLarge)):
		for i := range list {
			s.postTogether(ctx, g, q, list[i:i+1])
		}
	case errors.Is(err, partition.ErrTooLarge) && len(list[0].plans) > 0:
		switch err := list[0].beforehand(ctx); {
		case errors.Is(err, partition.ErrCondition):
		case err != nil:
			s.delayed(ctx, g, q, list[0].receipt, err)
		default:
			s.postTogether(ctx, g, q, list)
		}
	case errors.Is(err, partition.ErrTooLarge) && list[0].counted.Redriven > 0:
		f := list[0]
		f.counted.Redriven, f.counted.Failed = 0, 1
		f.d.tell(&fault{code: "InvalidParameterValue", message: "The dead letter is larger than the server can store."}, "", "")
		f.items = f.items[1:]
		s.postTogether(ctx, g, q, list)
	default:
		for _, f := range list {
			s.delayed(ctx, g, q, f.receipt, err)
		}
	}
}

// planned counts the items of plans.
func planned(plans []Plan) (n int) {
	for i := range plans {
		n += len(plans[i].Items)
	}
	return n
}

// settle counts what became of a firing that was carried out.
func (f *firing) settle(ctx context.Context, posted []partition.Posted) {
	gone := false
	for i := range f.plans {
		p := &f.plans[i]
		n := 0
		for k := range p.Items {
			n += len(p.Items[k].Targets)
		}
		if p.Settle != nil {
			p.Settle(ctx, posted[:n])
		} else {
			for _, out := range posted[:n] {
				gone = gone || out.Gone
			}
		}
		posted = posted[n:]
	}
	if gone {
		f.missed(ctx)
	}
	if f.counted.Redriven > 0 && len(f.plans) == 0 && len(posted) > 0 && posted[0].Gone {
		f.counted.Redriven, f.counted.Failed = 0, 1
		f.d.tell(&fault{code: "AWS.SimpleQueueService.NonExistentQueue", message: "The dead-letter queue was deleted at that moment."}, "", "")
	}
	f.s.cfg.Observe(f.counted)
}

// missed tries a firing again whose queue was deleted at the moment of the record.
func (f *firing) missed(ctx context.Context) {
	f.counted.Fired--
	d := f.d
	items, err := f.failed(ctx, f.p, &fault{"AWS.SimpleQueueService.NonExistentQueue", "The queue " + d.target.ARN + " was deleted.", false})
	if err == nil && len(items) > 0 {
		_, err = f.s.parts.Post(ctx, f.queue.Partition, items)
	}
	if err != nil {
		f.counted.Failed++
		d.tell(&fault{code: "AWS.Scheduler.InternalServerError", message: err.Error()}, "", "")
	}
}
