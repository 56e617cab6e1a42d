package partition

import "github.com/waystation/waystation/internal/registry"

// Place chooses the partition of a new queue: beside its dead-letter queue, so
// that moves are atomic, else the partition with the fewest queues. One that is
// damaged gets none, unless all are.
func (s *Service) Place(q *registry.Queue) uint32 {
	damaged := func(p uint32) bool { return s.keeper.View(p).Damaged != "" }
	if q.Redrive != nil {
		if t, ok := s.cfg.Registry.QueueByARN(q.Redrive.TargetARN); ok && !damaged(t.Partition) {
			return t.Partition
		}
	}
	count := s.keeper.Count()
	if count == 1 {
		return 0
	}
	const none = int(^uint(0) >> 1)
	best, fewest := uint32(0), none
	for p := range count {
		if n := s.cfg.Registry.CountOf(p); n < fewest && !damaged(p) {
			best, fewest = p, n
		}
	}
	return best
}
