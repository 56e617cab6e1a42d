package bus

import (
	"context"

	"github.com/waystation/waystation/internal/registry"
)

// What tests need to know.
const (
	MaxChunkEvents = maxChunkEvents
	PackAfter      = packAfter
)

// Routers is of how many buses rules are kept.
func (s *Service) Routers() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.routers)
}

// Pack packs all that an archive has on a partition.
func (s *Service) Pack(ctx context.Context, archive uint64, p uint32) error {
	_, err := s.pack(ctx, toPack{archive, p}, true)
	return err
}

// Expire removes what an archive has kept for long enough on a partition.
func (s *Service) Expire(ctx context.Context, a *registry.Archive, p uint32) error {
	return s.expire(ctx, a, p)
}
