package topic

import "context"

// Expire is what Run does every hour.
func (s *Service) Expire(ctx context.Context) { s.expire(ctx) }
