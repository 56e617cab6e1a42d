package scheduler

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// attempts is how often a change begins anew when the schedule fires or is changed
// meanwhile.
const attempts = 100

// queueOf is the queue of a group on a partition.
func queueOf(g *registry.ScheduleGroup, p uint32) partition.Target {
	return partition.Target{Partition: p, Queue: partition.Ref{Kind: partition.KindSchedules, ID: g.ID}}
}

// placeOf is the queue of the group that has a schedule of that name.
func placeOf(g *registry.ScheduleGroup, name string) partition.Target {
	n := nameOf(name)
	return queueOf(g, uint32(binary.BigEndian.Uint64(n[:])%uint64(g.Partitions)))
}

// item is what puts a schedule where it waits.
func (x *Schedule) item(q partition.Target, replace bool) (partition.PostItem, error) {
	b, err := encode(x)
	if err != nil {
		return partition.PostItem{}, err
	}
	at := int64(never)
	if x.Next != 0 {
		at = x.due(milli(x.Next)).UnixMilli()
	}
	return partition.PostItem{Payload: b, Targets: []partition.PostTarget{{
		Target: q, Name: nameOf(x.Name), Replace: replace, VisibleAt: partition.Milliseconds(milli(at)),
	}}}, nil
}

// Create stores a schedule, with whatever is not about its times set by the caller. What
// the same token made of the same Digest is found again. Errors: ErrExists, ErrToken,
// ErrDeleting; those of registry.Table.Create and of partition.Service.Post.
func (s *Service) Create(ctx context.Context, g *registry.ScheduleGroup, x Schedule) error {
	g, err := s.stored(ctx, g)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	now := s.cfg.Now()
	x.Created = now.UnixMilli()
	x.Modified = x.Created
	if err := x.begin(now); err != nil {
		return err
	}
	q := placeOf(g, x.Name)
	it, err := x.item(q, false)
	if err != nil {
		return err
	}
	posted, err := s.parts.Post(ctx, q.Partition, []partition.PostItem{it})
	switch {
	case err != nil:
		return interrupted(err)
	case len(posted) != 1 || posted[0].Gone:
		return partition.ErrUnavailable
	case !posted[0].Duplicate:
		return nil
	}
	is, _, err := s.find(ctx, g, x.Name)
	switch {
	case errors.Is(err, ErrNotFound):
		return ErrConflict // it was deleted at this moment
	case err != nil:
		return err
	case x.Token == "" || is.Token != x.Token:
		return ErrExists
	case !bytes.Equal(is.Digest, x.Digest):
		return ErrToken
	}
	return nil
}

// interrupted is the outcome of a post whose time was over.
func interrupted(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return partition.ErrUnavailable
	}
	return err
}

// begin sets when a schedule fires first.
func (x *Schedule) begin(now time.Time) error {
	t, err := x.times()
	if err != nil {
		return err
	}
	x.Next = 0
	n, ok := t.first(now)
	if ok && !x.Disabled {
		x.Next = n.UnixMilli()
	}
	return nil
}

// resume sets when a schedule fires next that takes the place of old. What was due and
// has not fired is not lost, and what has fired does not again, unless the times are
// others.
func (x *Schedule) resume(old *Schedule, now time.Time) error {
	x.Created, x.Modified = old.Created, now.UnixMilli()
	if x.Expression != old.Expression || zoneName(x.Zone) != zoneName(old.Zone) || x.Start != old.Start {
		return x.begin(now)
	}
	x.Anchor, x.Fired, x.Next = old.Anchor, old.Fired, 0
	if x.Disabled {
		return nil
	}
	t, err := x.times()
	if err != nil {
		return err
	}
	from := now
	if old.Next != 0 {
		from = milli(old.Next).Add(-1)
	} else if old.Disabled && t.Once() {
		from = now.Add(-AtAllowance - 1)
	}
	if fired := milli(x.Fired); from.Before(fired) {
		from = fired
	}
	if n, ok := t.After(from); ok {
		x.Next = n.UnixMilli()
	}
	return nil
}

// zoneName is the name of a zone as it is answered: who updates what was read says it.
func zoneName(given string) string { return cmp.Or(given, "UTC") }

// find reads a schedule and the key of its message.
func (s *Service) find(ctx context.Context, g *registry.ScheduleGroup, name string) (*Schedule, uint64, error) {
	if g.Partitions == 0 {
		return nil, 0, ErrNotFound
	}
	f, ok, err := s.parts.Find(ctx, placeOf(g, name), nameOf(name))
	if err != nil {
		return nil, 0, err
	}
	if !ok {
		return nil, 0, ErrNotFound
	}
	x := new(Schedule)
	return x, f.Key, decode(f.Payload, x)
}

// Get gives a schedule. Errors: ErrNotFound; those of partition.Service.Find.
func (s *Service) Get(ctx context.Context, g *registry.ScheduleGroup, name string) (*Schedule, error) {
	x, _, err := s.find(ctx, g, name)
	if err != nil {
		return nil, err
	}
	return x, nil
}

// Update puts x in the place of the schedule of its name, but for when it was made. check
// is asked about what is there, and may be nil. A repeated one, with the same token and
// Digest, changes nothing. Errors: ErrNotFound, ErrDeleting, ErrToken, ErrConflict; what
// check returns; those of partition.Service.PostIf.
func (s *Service) Update(ctx context.Context, g *registry.ScheduleGroup, x Schedule, check func(old *Schedule) error) error {
	if g.Deleting != 0 {
		return ErrDeleting
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	for range attempts {
		old, key, err := s.find(ctx, g, x.Name)
		if err != nil {
			return interrupted(err)
		}
		if x.Token != "" && x.Token == old.Token {
			if !bytes.Equal(x.Digest, old.Digest) {
				return ErrToken
			}
			return nil
		}
		if check != nil {
			if err := check(old); err != nil {
				return err
			}
		}
		now := x
		if err := now.resume(old, s.cfg.Now()); err != nil {
			return err
		}
		q := placeOf(g, x.Name)
		it, err := now.item(q, true)
		if err != nil {
			return err
		}
		_, err = s.parts.PostIf(ctx, q.Partition, []partition.Condition{{Queue: q.Queue, Name: nameOf(x.Name), Key: key}}, []partition.PostItem{it})
		if !errors.Is(err, partition.ErrCondition) {
			return interrupted(err)
		}
	}
	return ErrConflict
}

// Delete removes a schedule. What it fired and is tried again goes on. Errors:
// ErrNotFound, ErrConflict; those of partition.Service.PostIf.
func (s *Service) Delete(ctx context.Context, g *registry.ScheduleGroup, name string) error {
	for range attempts {
		_, key, err := s.find(ctx, g, name)
		if err != nil && key == 0 {
			return err
		}
		q := placeOf(g, name)
		_, err = s.parts.PostIf(ctx, q.Partition, []partition.Condition{{Queue: q.Queue, Name: nameOf(name), Key: key, Remove: true}}, nil)
		if !errors.Is(err, partition.ErrCondition) {
			return err
		}
	}
	return ErrConflict
}

// Position is where a list of schedules goes on; the zero value is its start.
type Position struct {
	Group     string
	Partition uint32
	After     partition.Name
}

// Listed is a schedule in a list, with its group.
type Listed struct {
	Group *registry.ScheduleGroup
	*Schedule
}

// Bounds of one page: of schedules that are looked at, and of reads.
const (
	maxScanned = 5000
	maxReads   = 64
)

// List gives up to limit schedules of a group ("": of all groups of the account), in an
// order that means nothing, of those that are wanted; more: it goes on at the position,
// also if there are fewer. Errors: ErrNoGroup; those of partition.Service.List.
func (s *Service) List(ctx context.Context, account, region, group string, at Position, limit int, wanted func(*Schedule) bool) (list []Listed, next Position, more bool, err error) {
	scanned, reads := 0, 0
	if at.Group == "" {
		if at.Group = group; group == "" {
			first, _ := s.Groups(account, region, "", "", 1)
			at.Group = first[0].Name // the default one, if no other
		}
	}
	for {
		g, err := s.Group(ctx, account, region, at.Group)
		if err != nil && (group != "" || !errors.Is(err, ErrNoGroup)) {
			return nil, at, false, err
		}
		for err == nil && at.Partition < g.Partitions {
			if scanned >= maxScanned || reads >= maxReads {
				return list, at, true, nil
			}
			reads++
			page, more, err := s.parts.List(ctx, queueOf(g, at.Partition), at.After, min(1000, maxScanned-scanned))
			if err != nil {
				return nil, at, false, err
			}
			for i := range page {
				if len(list) == limit {
					return list, at, true, nil
				}
				at.After = page[i].Name
				scanned++
				x := new(Schedule)
				if err := decode(page[i].Payload, x); err != nil {
					return nil, at, false, err
				}
				if wanted(x) {
					list = append(list, Listed{g, x})
				}
			}
			if !more {
				at.Partition, at.After = at.Partition+1, partition.Name{}
			}
		}
		if group != "" {
			return list, at, false, nil
		}
		following, _ := s.Groups(account, region, "", at.Group, 1)
		if len(following) == 0 {
			return list, at, false, nil
		}
		at = Position{Group: following[0].Name}
	}
}
