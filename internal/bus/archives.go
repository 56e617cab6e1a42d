package bus

import (
	"context"
	"errors"
	"strconv"
	"sync"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

const (
	// MaxArchives of an account in a region.
	MaxArchives = 100
	// fairShare is how many events more than the partition with the fewest another may be
	// given of an archive, so that they stand where the targets of the event do.
	fairShare = 1024
)

// archive is one archive of a bus as puts need it.
type archive struct {
	def *registry.Archive

	mu    sync.Mutex
	given []given // by partition; guarded by mu
}

// given is what this node put into an archive on a partition.
type given struct {
	events        int64
	fresh, volume int // events and bytes since they were asked to be packed
}

// place chooses the partition on which an event is archived: near, unless others have
// less.
func (a *archive) place(near, count uint32) uint32 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.given) != int(count) {
		a.given = make([]given, count)
	}
	least := near
	for p := range a.given {
		if a.given[p].events < a.given[least].events {
			least = uint32(p)
		}
	}
	if a.given[near].events-a.given[least].events <= fairShare {
		least = near
	}
	a.given[least].events++
	return least
}

// arrived notes an event that stands in the archive, and reports whether there are enough
// to be packed.
func (a *archive) arrived(p uint32, bytes int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if int(p) >= len(a.given) {
		return false
	}
	g := &a.given[p]
	g.fresh++
	g.volume += bytes
	if g.fresh < maxChunkEvents && g.volume < maxChunkBytes {
		return false
	}
	g.fresh, g.volume = 0, 0
	return true
}

func arrivalsOf(id uint64, p uint32) partition.Target {
	return partition.Target{Partition: p, Queue: partition.Ref{Kind: partition.KindArrivals, ID: id}}
}

func chunksOf(id uint64, p uint32) partition.Target {
	return partition.Target{Partition: p, Queue: partition.Ref{Kind: partition.KindArchives, ID: id}}
}

// Archive finds an archive. Errors: ErrNoArchive; those of registry.Table.Find.
func (s *Service) Archive(ctx context.Context, account, region, name string) (*registry.Archive, error) {
	a, err := s.reg.Archives().Find(ctx, account, region, name)
	return a, noArchive(err)
}

// CreateArchive stores an archive of a bus; def says the rest. Errors: ErrArchiveExists,
// ErrArchives, ErrNoBus; those of registry.Table.Create.
func (s *Service) CreateArchive(ctx context.Context, b *registry.Bus, name string, def registry.Archive) (*registry.Archive, error) {
	def.Meta = registry.Meta{Account: b.Account, Region: b.Region, Name: name}
	def.BusName, def.Bus = b.Name, b.Incarnation()
	if list, _ := s.reg.Archives().List(b.Account, b.Region, "", "", MaxArchives); len(list) >= MaxArchives {
		if _, there := s.reg.Archives().Get(b.Account, b.Region, name); !there {
			return nil, ErrArchives
		}
	}
	made, _, err := s.reg.Archives().Create(ctx, &def, func(*registry.Archive) bool { return false })
	if errors.Is(err, registry.ErrConflict) {
		return nil, ErrArchiveExists
	}
	if err != nil {
		return nil, err
	}
	if b.Name != registry.DefaultBus {
		// It may have been deleted at this moment: memory, which shows the archive, shows that.
		if now, ok := s.reg.Buses().Get(b.Account, b.Region, b.Name); !ok || now.Incarnation() != def.Bus {
			if err := s.DeleteArchive(ctx, made); err != nil {
				return nil, err
			}
			return nil, ErrNoBus
		}
	}
	return made, nil
}

// UpdateArchive changes an archive. A shorter retention holds for what is there. Errors:
// ErrNoArchive; what change returns; those of registry.Table.Update.
func (s *Service) UpdateArchive(ctx context.Context, a *registry.Archive, change func(*registry.Archive) error) (*registry.Archive, error) {
	now, err := s.reg.Archives().Update(ctx, a.Account, a.Region, a.Name, func(now *registry.Archive) error {
		if now.ID != a.ID {
			return ErrNoArchive
		}
		return change(now)
	})
	return now, noArchive(err)
}

// DeleteArchive removes an archive: its events are removed soon after, by Run. Errors:
// ErrNoArchive; those of registry.Table.
func (s *Service) DeleteArchive(ctx context.Context, a *registry.Archive) error {
	remains := registry.Archive{
		Meta:    registry.Meta{Account: registry.ArchiveRemains, Region: registry.ArchiveRemains, Name: strconv.FormatUint(a.ID, 16)},
		Remains: a.ID, Of: a.ARN(),
	}
	_, created, err := s.reg.Archives().Create(ctx, &remains, func(*registry.Archive) bool { return true })
	if err != nil {
		return err
	}
	err = noArchive(s.forgetArchive(ctx, a.Account, a.Region, a.Name, a.ID))
	if created && errors.Is(err, ErrNoArchive) {
		return nil // whoever sweeps was faster
	}
	return err
}

// forgetArchive removes the definition of an archive.
func (s *Service) forgetArchive(ctx context.Context, account, region, name string, id uint64) error {
	return s.reg.Archives().DeleteIf(ctx, account, region, name, func(now *registry.Archive) error {
		if now.ID != id {
			return ErrNoArchive
		}
		return nil
	})
}

// Archives lists those of an account in pages; see registry.Table.List. wanted may be nil.
func (s *Service) Archives(account, region, prefix, after string, limit int, wanted func(*registry.Archive) bool) ([]*registry.Archive, bool) {
	return choose(s.reg.Archives(), account, region, prefix, after, limit, func(a *registry.Archive) *registry.Meta { return &a.Meta }, wanted)
}

// choose lists definitions that are wanted, in pages.
func choose[T any](table *registry.Table[T], account, region, prefix, after string, limit int, meta func(*T) *registry.Meta, wanted func(*T) bool) (list []*T, more bool) {
	for {
		page, more := table.List(account, region, prefix, after, limit)
		for i, def := range page {
			after = meta(def).Name
			if wanted != nil && !wanted(def) {
				continue
			}
			if list = append(list, def); len(list) == limit {
				return list, more || i < len(page)-1
			}
		}
		if !more {
			return list, false
		}
	}
}

// ArchiveSize is how much an archive holds.
type ArchiveSize struct {
	Events int64
	Bytes  int64 // of the events as JSON
}

// SizeOf says how much an archive holds: of what has expired, some is counted for an
// hour. Its cost does not grow with the archive. Errors: those of partition.Service.
func (s *Service) SizeOf(ctx context.Context, a *registry.Archive) (size ArchiveSize, err error) {
	for p := range s.parts.Count() {
		t, _, err := s.tally(ctx, a.ID, p)
		if err != nil {
			return size, err
		}
		n, err := s.parts.CountOf(ctx, arrivalsOf(a.ID, p))
		if err != nil && !errors.Is(err, partition.ErrQueueGone) {
			return size, err
		}
		waiting := int64(n.Visible + n.InFlight + n.Delayed)
		size.Events += t.events + waiting
		size.Bytes += t.bytes + n.Bytes - waiting*payloadOverhead
	}
	size.Events, size.Bytes = max(size.Events, 0), max(size.Bytes, 0)
	return size, nil
}

// payloadOverhead is what a payload has beside the event, without a trace.
const payloadOverhead = partition.PayloadRest + 3

// tally reads what is counted of an archive on a partition, and the key of the message
// that says so; 0: of none.
func (s *Service) tally(ctx context.Context, id uint64, p uint32) (tally, uint64, error) {
	f, ok, err := s.parts.Find(ctx, chunksOf(id, p), tallyName)
	if !ok || err != nil {
		if errors.Is(err, partition.ErrQueueGone) {
			err = nil
		}
		return tally{}, 0, err
	}
	t, err := decodeTally(f.Payload)
	return t, f.Key, err
}

// archiveChanged is told by the registry.
func (s *Service) archiveChanged(old, now *registry.Archive) {
	def := now
	if def == nil {
		def = old
	}
	if def.Remains != 0 {
		s.wakeSweep()
		return
	}
	at := place{def.Account, def.Region, def.BusName}
	if now == nil {
		s.dropArchive(at, def.Name)
		return
	}
	if old != nil && old.RetentionDays != now.RetentionDays {
		s.shorter.Store(true)
		s.wakeSweep()
	}
	s.putArchive(at, now)
}

// archivePrefix begins the ids of archives' patterns: no rule's name does.
const archivePrefix = "archive/"

func noArchive(err error) error {
	if errors.Is(err, registry.ErrNotFound) {
		return ErrNoArchive
	}
	return err
}
