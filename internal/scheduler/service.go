package scheduler

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/inlet"
	"github.com/waystation/waystation/internal/registry"
)

// Service keeps schedules and groups of them, and fires what falls due.
type Service struct {
	cfg    Config
	log    *slog.Logger
	reg    *registry.Registry
	parts  Partitions
	finder inlet.Finder
	told   telling
	away   away
	large  chan struct{} // takes one for each large firing
	wake   chan struct{} // of capacity 1: a group is to be deleted
}

// New checks the configuration. It starts nothing.
func New(cfg Config) (*Service, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	s := &Service{
		cfg: cfg, log: cfg.Logger, reg: cfg.Registry, parts: cfg.Partitions,
		finder: inlet.Finder{Registry: cfg.Registry, Access: cfg.Access, Principal: Principal},
		wake:   make(chan struct{}, 1), large: make(chan struct{}, maxLarge),
	}
	s.reg.ScheduleGroups().OnChange(func(_, now *registry.ScheduleGroup) {
		if now != nil && now.Deleting != 0 {
			s.wakeSweep()
		}
	})
	return s, nil
}

// defaultGroup is what a default group is before it has schedules.
func defaultGroup(account, region string) *registry.ScheduleGroup {
	return &registry.ScheduleGroup{Meta: registry.Meta{Account: account, Region: region, Name: registry.DefaultScheduleGroup}}
}

// Group gives a group. The default one is always there: with Partitions 0, while it has
// no schedules. Errors: ErrNoGroup; those of registry.Table.Find.
func (s *Service) Group(ctx context.Context, account, region, name string) (*registry.ScheduleGroup, error) {
	g, err := s.reg.ScheduleGroups().Find(ctx, account, region, name)
	if errors.Is(err, registry.ErrNotFound) && name == registry.DefaultScheduleGroup {
		return defaultGroup(account, region), nil
	}
	return g, noGroup(err)
}

// CreateGroup stores a group. One that the same token made is found again. Errors:
// ErrExists, ErrGroups; those of registry.Table.Create.
func (s *Service) CreateGroup(ctx context.Context, g registry.ScheduleGroup) (*registry.ScheduleGroup, error) {
	if g.Name == registry.DefaultScheduleGroup {
		return nil, ErrExists
	}
	if _, ok := s.reg.ScheduleGroups().Get(g.Account, g.Region, g.Name); !ok {
		// The default one counts.
		if list, _ := s.reg.ScheduleGroups().List(g.Account, g.Region, "", "", MaxGroups); len(list) >= MaxGroups-1 && others(list) >= MaxGroups-1 {
			return nil, ErrGroups
		}
	}
	g.Partitions = s.parts.Count()
	made, _, err := s.reg.ScheduleGroups().Create(ctx, &g, func(is *registry.ScheduleGroup) bool {
		return g.CreateToken != "" && is.CreateToken == g.CreateToken && is.Deleting == 0
	})
	if errors.Is(err, registry.ErrConflict) {
		return nil, ErrExists
	}
	return made, err
}

// others counts the groups beside the default one.
func others(list []*registry.ScheduleGroup) (n int) {
	for _, g := range list {
		if g.Name != registry.DefaultScheduleGroup {
			n++
		}
	}
	return n
}

// stored is a group that schedules can be put into. Errors: ErrDeleting; those of
// registry.Table.Create.
func (s *Service) stored(ctx context.Context, g *registry.ScheduleGroup) (*registry.ScheduleGroup, error) {
	if g.Deleting != 0 {
		return nil, ErrDeleting
	}
	if g.Partitions != 0 {
		return g, nil
	}
	g = g.Clone()
	g.Partitions = s.parts.Count()
	made, _, err := s.reg.ScheduleGroups().Create(ctx, g, func(*registry.ScheduleGroup) bool { return true })
	return made, err
}

// Groups lists those of an account in pages, the default one among them; see
// registry.Table.List.
func (s *Service) Groups(account, region, prefix, after string, limit int) (list []*registry.ScheduleGroup, more bool) {
	const name = registry.DefaultScheduleGroup
	list, more = s.reg.ScheduleGroups().List(account, region, prefix, after, limit)
	_, stored := s.reg.ScheduleGroups().Get(account, region, name)
	if stored || !strings.HasPrefix(name, prefix) || after >= name {
		return list, more
	}
	at, _ := slices.BinarySearchFunc(list, name, func(g *registry.ScheduleGroup, name string) int { return cmp.Compare(g.Name, name) })
	if at == len(list) && more {
		return list, more // it comes later
	}
	list = slices.Insert(slices.Clone(list), at, defaultGroup(account, region))
	if len(list) > limit {
		return list[:limit], true
	}
	return list, more
}

// UpdateGroup changes a group; see registry.Table.Update. Errors: ErrNoGroup too.
func (s *Service) UpdateGroup(ctx context.Context, g *registry.ScheduleGroup, change func(*registry.ScheduleGroup) error) (*registry.ScheduleGroup, error) {
	if g.Partitions == 0 {
		// A change that is refused makes no definition.
		if err := change(g.Clone()); err != nil {
			return nil, err
		}
		var err error
		if g, err = s.stored(ctx, g); err != nil {
			return nil, err
		}
	}
	now, err := s.reg.ScheduleGroups().Update(ctx, g.Account, g.Region, g.Name, change)
	return now, noGroup(err)
}

// DeleteGroup has a group deleted with all of its schedules: Run does. One that the same
// token deletes already is no error. Errors: ErrNoGroup, ErrDefault, ErrDeleting; those
// of registry.Table.Update.
func (s *Service) DeleteGroup(ctx context.Context, g *registry.ScheduleGroup, token string) error {
	if g.Name == registry.DefaultScheduleGroup {
		return ErrDefault
	}
	_, err := s.reg.ScheduleGroups().Update(ctx, g.Account, g.Region, g.Name, func(g *registry.ScheduleGroup) error {
		switch {
		case g.Deleting == 0:
			g.Deleting, g.DeleteToken = s.cfg.Now().UnixMilli(), token
		case token == "" || g.DeleteToken != token:
			return ErrDeleting
		}
		return nil
	})
	return noGroup(err)
}

func noGroup(err error) error {
	if errors.Is(err, registry.ErrNotFound) {
		return ErrNoGroup
	}
	return err
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
