package partition

import "github.com/waystation/waystation/internal/registry"

// Place chooses the partition of a new queue: beside its dead-letter queue, so
// that moves are atomic, else the partition with the fewest queues.
func (s *Service) Place(q *registry.Queue) uint32 {
	if q.Redrive != nil {
		if t, ok := s.cfg.Registry.QueueByARN(q.Redrive.TargetARN); ok {
			return t.Partition
		}
	}
	count := s.keeper.Count()
	best, fewest := uint32(0), int(^uint(0)>>1)
	for p := range count {
		if n := s.cfg.Registry.CountOf(p); n < fewest {
			best, fewest = p, n
		}
		if count == 1 {
			break
		}
	}
	return best
}
