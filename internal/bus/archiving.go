package bus

import (
	"github.com/waystation/waystation/internal/partition"
)

// archive adds an archive to the event's post: one place more for its payload.
func (d *delivery) archive(a *archive) {
	it := d.items[0]
	it.targets = append(it.targets, partition.PostTarget{
		Target: arrivalsOf(a.def.ID, 0), // see placeArchived
		Name:   partition.Name(d.s.cfg.NewID()), VisibleAt: partition.Milliseconds(d.now.Add(packAfter)),
	})
	it.routes = append(it.routes, route{archive: a})
	d.bytes += targetBytes
}

// placeArchived chooses the partitions on which an event is archived: where most of its
// queues are, as far as each partition has its share.
func (d *delivery) placeArchived() {
	if len(d.items) == 0 || len(d.items[0].targets) == 0 {
		return
	}
	it, count, near := d.items[0], d.s.parts.Count(), uint32(0)
	chosen := false
	for i := range it.routes {
		a := it.routes[i].archive
		if a == nil {
			continue
		}
		if !chosen {
			near, chosen = d.near(count), true
		}
		it.targets[i].Target.Partition = a.place(near, count)
	}
}

// near is the partition with the most of the event's queues. Events of a call that lead
// to none are archived together.
func (d *delivery) near(count uint32) uint32 {
	queues := make(map[uint32]int, 4)
	best := -1
	for _, it := range d.items {
		for i := range it.targets {
			p := it.targets[i].Target.Partition
			if it.routes[i].archive != nil || p >= count {
				continue
			}
			if queues[p]++; best < 0 || queues[p] > queues[uint32(best)] {
				best = int(p)
			}
		}
	}
	switch {
	case best >= 0:
		return uint32(best)
	case d.put.near == nil:
		id := d.s.cfg.NewID()
		p := (uint32(id[0])<<8 | uint32(id[1])) % max(count, 1)
		d.put.near = &p
	}
	return *d.put.near % max(count, 1)
}

// archived counts an event that stands in an archive.
func (d *delivery) archived(a *archive, p uint32, bytes int) {
	d.counted.Archived++
	if a.arrived(p, bytes) {
		d.s.packing.add(toPack{a.def.ID, p})
	}
}
