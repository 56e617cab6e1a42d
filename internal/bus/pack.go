package bus

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
)

const (
	// packAfter is how long an archived event may stand by itself.
	packAfter = time.Hour
	// packers pack side by side on a node, and maxToPack wait for one at most: what is
	// more is packed later.
	packers   = 4
	maxToPack = 1024
	// packAttempts bounds how often a chunk is made anew when another node changes the
	// archive meanwhile.
	packAttempts = 20
	// packLimit bounds the time in which what stands on one partition is packed.
	packLimit = time.Minute
	// packAgain is the pause after what could not be packed, or was not there yet: events
	// come to another partition through an outbox. packTries bounds the latter.
	packAgain = time.Second
	packTries = 5
)

// toPack names what an archive has on a partition.
type toPack struct {
	archive   uint64
	partition uint32
}

// packing is what waits to be packed.
type packing struct {
	list chan toPack // of capacity maxToPack

	mu    sync.Mutex
	state map[toPack]packState // of what waits or is packed; guarded by mu
}

type packState uint8

const (
	packWaits packState = iota + 1 // in list
	packRuns
	packRunsAgain // asked for anew while it ran
)

// add asks for what an archive has on a partition to be packed: by one packer at a time,
// and once more if it is being packed. At the bound it does nothing: the timers of the
// events do, later.
func (k *packing) add(x toPack) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch k.state[x] {
	case packWaits, packRunsAgain:
	case packRuns:
		k.state[x] = packRunsAgain
	default:
		k.enlist(x)
	}
}

// enlist: mu is held.
func (k *packing) enlist(x toPack) {
	select {
	case k.list <- x:
		k.state[x] = packWaits
	default:
		delete(k.state, x)
	}
}

// done ends what next began. With again it is packed once more.
func (k *packing) done(x toPack, again bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if again || k.state[x] == packRunsAgain {
		k.enlist(x)
		return
	}
	delete(k.state, x)
}

func (k *packing) next(ctx context.Context) (x toPack, ok bool) {
	select {
	case <-ctx.Done():
		return x, false
	case x = <-k.list:
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.state[x] = packRuns
	return x, ctx.Err() == nil
}

// runPacker packs what is enough for a chunk until ctx ends.
func (s *Service) runPacker(ctx context.Context) {
	for {
		x, ok := s.packing.next(ctx)
		if !ok {
			return
		}
		err := s.packWhole(ctx, x)
		if err != nil && ctx.Err() == nil {
			s.log.Debug("archived events are packed later", logkey.Partition, x.partition, logkey.Error, err)
			pause(ctx, packAgain)
		}
		s.packing.done(x, err != nil)
	}
}

// packWhole makes whole chunks, one at least when all have arrived that were counted.
func (s *Service) packWhole(ctx context.Context, x toPack) error {
	for try := 1; ; try++ {
		bounded, cancel := context.WithTimeout(ctx, packLimit)
		made, err := s.pack(bounded, x, false)
		cancel()
		if err != nil || made > 0 || try == packTries || ctx.Err() != nil {
			return err
		}
		pause(ctx, packAgain)
	}
}

// takeArrivals packs what has stood by itself for long on a partition, until ctx ends.
func (s *Service) takeArrivals(ctx context.Context, p uint32) {
	for ctx.Err() == nil {
		taken, err := s.parts.Take(ctx, p, partition.KindArrivals, partition.TakeTerms{Max: 1, Wait: takeWait})
		if err == nil && len(taken.Messages) > 0 {
			err = s.packDue(ctx, toPack{taken.Target.Queue.ID, p})
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("archived events cannot be packed for the moment", logkey.Partition, p, logkey.Error, err)
			pause(ctx, takeAgain)
		}
	}
}

// packDue packs all that an archive has on a partition; of an archive that was deleted it
// is dropped.
func (s *Service) packDue(ctx context.Context, x toPack) error {
	ctx, cancel := context.WithTimeout(ctx, packLimit)
	defer cancel()
	if _, ok := s.reg.Archives().ByID(x.archive); !ok {
		// Memory may lag: what is missing is not deleted until the registry says so.
		gone, err := s.reg.Archives().Gone(ctx, x.archive, 0)
		if err != nil {
			return err
		}
		if gone {
			return s.dropEvents(ctx, x)
		}
	}
	_, err := s.pack(ctx, x, true)
	return err
}

// dropEvents removes all that an archive has on a partition.
func (s *Service) dropEvents(ctx context.Context, x toPack) error {
	for _, q := range []partition.Target{arrivalsOf(x.archive, x.partition), chunksOf(x.archive, x.partition)} {
		if err := s.parts.Drop(ctx, q); err != nil && !errors.Is(err, partition.ErrQueueGone) {
			return err
		}
	}
	return nil
}

// pack makes chunks of the events that stand by themselves: of all that had arrived when it
// was called, or only whole chunks. Each chunk takes the place of its events in one record,
// so that every event stands in the archive exactly once whatever happens meanwhile.
// It tells how many it made.
func (s *Service) pack(ctx context.Context, x toPack, all bool) (made int, err error) {
	for attempts := 0; ; {
		done, more, err := s.packChunk(ctx, x, all)
		switch {
		case errors.Is(err, partition.ErrCondition) && attempts < packAttempts:
			attempts++
			continue
		case err != nil:
			return made, err
		case done:
			made++
		}
		if !more {
			return made, nil
		}
		attempts = 0
	}
}

// packChunk makes one chunk, if there are events for it, and reports whether it left some.
// The error is partition.ErrCondition if another node was faster.
func (s *Service) packChunk(ctx context.Context, x toPack, all bool) (done, more bool, err error) {
	q, chunks := arrivalsOf(x.archive, x.partition), chunksOf(x.archive, x.partition)
	have, key, err := s.tally(ctx, x.archive, x.partition)
	if err != nil {
		return false, false, err
	}
	conditions := []partition.Condition{{Queue: chunks.Queue, Name: tallyName, Key: key, Remove: key != 0}}
	var events []archivedEvent
	from, size, full := uint64(0), 0, false
	for !full {
		list, next, err := s.parts.Read(ctx, q, from, maxChunkEvents-len(events))
		if errors.Is(err, partition.ErrQueueGone) {
			break
		}
		if err != nil {
			return false, false, err
		}
		for i := range list {
			f := &list[i]
			p, err := decodePayload(f.Payload)
			if err != nil {
				return false, false, err
			}
			if size += len(p.body); size > maxChunkBytes && len(events) > 0 {
				full = true
				break
			}
			events = append(events, archivedEvent{at: int64(f.Sent), trace: p.trace, text: p.body})
			conditions = append(conditions, partition.Condition{Queue: q.Queue, Name: f.Name, Key: f.Key, Remove: true})
		}
		if from = next; len(events) >= maxChunkEvents {
			full = true
		}
		if next == 0 {
			break
		}
	}
	if len(events) == 0 || !all && !full {
		return false, false, nil
	}
	payload, sp := encodeChunk(events)
	have.events += sp.events
	have.bytes += sp.bytes
	_, err = s.parts.PostIf(ctx, x.partition, conditions, []partition.PostItem{
		{Payload: payload, Targets: []partition.PostTarget{{Target: chunks, Name: partition.Name(s.cfg.NewID()), Reference: sp.reference()}}},
		{Payload: have.encode(), Targets: []partition.PostTarget{{Target: chunks, Name: tallyName}}},
	})
	return true, full, err
}
