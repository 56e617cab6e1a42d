package inlet

import (
	"context"
	"errors"

	"github.com/waystation/waystation/internal/partition"
)

// Poster puts payloads into queues; *partition.Service has these methods.
type Poster interface {
	// Post places payloads in queues, all of it or, with an error, none that is
	// known of: after partition.ErrUnavailable it may have been done.
	Post(ctx context.Context, from uint32, items []partition.PostItem) ([]partition.Posted, error)
}

// Parcel is payloads with the queues that get them, which belong together: a message.
type Parcel struct {
	Items []partition.PostItem
}

// Targets of all items.
func (p *Parcel) Targets() (n int) {
	for i := range p.Items {
		n += len(p.Items[i].Targets)
	}
	return n
}

// Bounds of one post, below those of partitions.
const (
	// MaxTargets of a parcel that is posted at once.
	MaxTargets = 1000
	// maxBytes of several parcels: what is more goes into another post. Every log takes
	// that much, but for a larger message alone.
	maxBytes = 512 << 10
	// targetBytes is about what a target takes beside its texts.
	targetBytes = 300
)

// Post posts parcels in order, several together where they fit. A parcel is posted at
// once, to all of its queues or none, unless it has more than 1,000 targets or the log
// does not take as much: then some of its targets may have it though others fail. The
// outcome of each is one Posted for each target, in the order of items and targets, and
// the first error.
func Post(ctx context.Context, to Poster, parcels []Parcel) []Outcome {
	p := posting{to: to, outcomes: make([]Outcome, len(parcels))}
	for i := range parcels {
		p.outcomes[i].Posted = make([]partition.Posted, parcels[i].Targets())
		p.split(i, parcels[i].Items)
	}
	for len(p.slices) > 0 {
		n, targets, bytes := 1, p.slices[0].targets, p.slices[0].bytes
		for n < len(p.slices) && targets+p.slices[n].targets <= MaxTargets && bytes+p.slices[n].bytes <= maxBytes {
			targets, bytes, n = targets+p.slices[n].targets, bytes+p.slices[n].bytes, n+1
		}
		batch := p.slices[:n]
		p.slices = p.slices[n:]
		p.post(ctx, batch)
	}
	return p.outcomes
}

// Outcome is what became of a parcel.
type Outcome struct {
	Posted []partition.Posted
	// Err: some of it was not posted, as far as is known.
	Err error
}

type posting struct {
	to       Poster
	outcomes []Outcome
	slices   []slice
}

// slice is a parcel, or some targets of one: as many as go into a post.
type slice struct {
	parcel, at     int // at: of its first target in the parcel
	items          []partition.PostItem
	targets, bytes int
}

func sizeOf(t *partition.PostTarget) int { return targetBytes + len(t.Group) + len(t.Reference) }

// split cuts a parcel where it has too many targets.
func (p *posting) split(parcel int, items []partition.PostItem) {
	next := slice{parcel: parcel}
	at := 0
	flush := func() {
		if next.targets > 0 {
			p.slices = append(p.slices, next)
		}
		next = slice{parcel: parcel, at: at}
	}
	for i := range items {
		it := items[i]
		all := it.Targets
		for len(all) > 0 {
			n := min(len(all), MaxTargets-next.targets)
			if n == 0 {
				flush()
				continue
			}
			it.Targets = all[:n]
			next.items = append(next.items, it)
			next.targets += n
			next.bytes += len(it.Payload)
			for k := range it.Targets {
				next.bytes += sizeOf(&it.Targets[k])
			}
			all, at = all[n:], at+n
		}
	}
	flush()
}

// post posts slices as one, or, when the log does not take so much at once, in two
// halves.
func (p *posting) post(ctx context.Context, batch []slice) {
	var items []partition.PostItem
	total := 0
	for i := range batch {
		items = append(items, batch[i].items...)
		total += batch[i].targets
	}
	posted, err := p.to.Post(ctx, busiest(items), items)
	if errors.Is(err, partition.ErrTooLarge) {
		if a, b, ok := halves(batch); ok {
			p.post(ctx, a)
			p.post(ctx, b)
			return
		}
	}
	if err == nil && len(posted) != total {
		err = partition.ErrUnavailable
	}
	for i := range batch {
		x := &batch[i]
		out := &p.outcomes[x.parcel]
		if err != nil {
			if out.Err == nil {
				out.Err = err
			}
			continue
		}
		copy(out.Posted[x.at:], posted[:x.targets])
		posted = posted[x.targets:]
	}
}

// halves of slices: of several, of the items of one, or of the targets of one item.
func halves(batch []slice) (a, b []slice, ok bool) {
	if n := len(batch); n > 1 {
		return batch[:n/2], batch[n/2:], true
	}
	left, right := batch[0], batch[0]
	if n := len(left.items); n > 1 {
		left.items, right.items = left.items[:n/2], right.items[n/2:]
	} else {
		it := left.items[0]
		n := len(it.Targets)
		if n < 2 {
			return nil, nil, false
		}
		first, second := it, it
		first.Targets, second.Targets = it.Targets[:n/2], it.Targets[n/2:]
		left.items, right.items = []partition.PostItem{first}, []partition.PostItem{second}
	}
	left.targets = 0
	for i := range left.items {
		left.targets += len(left.items[i].Targets)
	}
	right.targets -= left.targets
	right.at += left.targets
	return []slice{left}, []slice{right}, true
}

// busiest is the partition with the most of the queues, which have the messages at once
// if it is posted from there.
func busiest(items []partition.PostItem) uint32 {
	counts := make(map[uint32]int, 4)
	best := items[0].Targets[0].Target.Partition
	for i := range items {
		for k := range items[i].Targets {
			q := items[i].Targets[k].Target.Partition
			if counts[q]++; counts[q] > counts[best] {
				best = q
			}
		}
	}
	return best
}
