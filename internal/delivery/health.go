package delivery

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// healthOwner is the account and the region of registry.EndpointHealth.
const healthOwner = "waystation"

func healthName(q partition.Target) string { return strconv.FormatUint(q.Queue.ID, 16) }

// healthOf says since when an endpoint fails, as far as this node knows; nil: it does
// not.
func (s *Service) healthOf(q partition.Target) *registry.EndpointHealth {
	h, ok := s.cfg.Health.Get(healthOwner, healthOwner, healthName(q))
	if !ok {
		return nil
	}
	return h
}

// circuitOf gives the circuit of an endpoint. One that is known to fail begins with an
// open one.
func (s *Service) circuitOf(q partition.Target, now time.Time) *circuit {
	return s.circuits.of(q.Queue.ID, now, func() *circuit {
		c := &circuit{limit: firstLimit}
		if s.healthOf(q) != nil {
			c.open, c.failures, c.limit = true, s.cfg.OpenAfter, 1
		}
		return c
	})
}

// ailing notes in the registry that an endpoint fails, once it has for a while, and
// disables it when it has for days.
func (s *Service) ailing(ctx context.Context, d *delivery, a *Attempt, now time.Time) {
	d.circuit.mu.Lock()
	failures := d.circuit.failures
	d.circuit.mu.Unlock()
	if failures < s.cfg.OpenAfter {
		return
	}
	h := s.healthOf(d.queue)
	switch {
	case h == nil:
		def := &registry.EndpointHealth{
			Meta:     registry.Meta{Account: healthOwner, Region: healthOwner, Name: healthName(d.queue)},
			Endpoint: d.e.Name, Since: now.UnixMilli(), Class: string(a.Class), Status: a.Status,
		}
		if _, made, err := s.cfg.Health.Create(ctx, def, func(*registry.EndpointHealth) bool { return true }); err != nil {
			s.log.Debug("it cannot be noted that an endpoint fails", logkey.Resource, d.e.Name, logkey.Error, err)
		} else if made {
			s.log.Warn("an endpoint does not take messages, it is tried now and then", logkey.Resource, d.e.Name,
				"class", a.Class, "status", a.Status)
		}
	case h.Disabled == 0 && s.cfg.DisableAfter > 0 && now.Sub(time.UnixMilli(h.Since)) >= s.cfg.DisableAfter:
		s.disable(ctx, d, a, now)
	}
}

func (s *Service) disable(ctx context.Context, d *delivery, a *Attempt, now time.Time) {
	made := false
	h, err := s.cfg.Health.Update(ctx, healthOwner, healthOwner, healthName(d.queue), func(h *registry.EndpointHealth) error {
		made = h.Disabled == 0
		if made {
			h.Disabled, h.Class, h.Status = now.UnixMilli(), string(a.Class), a.Status
		}
		return nil
	})
	if err != nil || !made {
		return // another node has, or tries again with the next failure
	}
	s.cfg.Observe(Counted{Disabled: 1})
	s.log.Warn("an endpoint is disabled, since nothing reached it for days: enable it with waystation deliveries enable",
		logkey.Resource, d.e.Name, "since", time.UnixMilli(h.Since).UTC(), "class", a.Class, "status", a.Status)
	s.cfg.Disabled(ctx, d.e, h)
}

// recovered notes that an endpoint takes messages again. One that is disabled stays so
// until somebody enables it.
func (s *Service) recovered(ctx context.Context, q partition.Target) {
	if h := s.healthOf(q); h != nil && h.Disabled == 0 && s.forgetHealth(ctx, q) {
		s.log.Info("an endpoint takes messages again", logkey.Resource, h.Endpoint)
	}
}

// forgetHealth removes what is noted of an endpoint, and reports whether it did.
func (s *Service) forgetHealth(ctx context.Context, q partition.Target) bool {
	if s.healthOf(q) == nil {
		return false
	}
	err := s.cfg.Health.Delete(ctx, healthOwner, healthOwner, healthName(q))
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		s.log.Debug("it cannot be noted that an endpoint does not fail any more", logkey.Resource, q.Queue.String(), logkey.Error, err)
	}
	return err == nil
}

// Enable has an endpoint tried again that was disabled, or that fails, at once.
func (s *Service) Enable(ctx context.Context, name string) error {
	e, err := s.named(ctx, name)
	if err != nil {
		return err
	}
	err = s.cfg.Health.Delete(ctx, healthOwner, healthOwner, healthName(e.Queue))
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return err
	}
	s.circuits.drop(e.Queue.Queue.ID)
	return s.parts.SetPace(ctx, e.Queue, partition.Pace{})
}
