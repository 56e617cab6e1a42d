package bus

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/waystation/waystation/internal/registry"
)

// putAttempts bounds how often a put of a rule begins anew when others change it
// meanwhile.
const putAttempts = 10

// Rule finds a rule of a bus. Errors: ErrNoRule; those of registry.Table.Find.
func (s *Service) Rule(ctx context.Context, b *registry.Bus, name string) (*registry.Rule, error) {
	r, err := s.reg.Rules().Find(ctx, b.Account, b.Region, ruleKey(b.Name, name))
	if err != nil {
		return nil, noRule(err)
	}
	if r.Bus != b.Incarnation() {
		return nil, ErrNoRule
	}
	return r, nil
}

// PutRule stores a rule of b, called name, with what def says. One that is there keeps
// its targets, its tags and who made it. Errors: ErrNoBus, ErrRules; those of
// registry.Table.Create.
func (s *Service) PutRule(ctx context.Context, b *registry.Bus, name string, def registry.Rule) (*registry.Rule, error) {
	def.Meta = registry.Meta{Account: b.Account, Region: b.Region, Name: ruleKey(b.Name, name)}
	def.Bus = b.Incarnation()
	table := s.reg.Rules()
	for range putAttempts {
		existing, err := table.Find(ctx, def.Account, def.Region, def.Name)
		switch {
		case err == nil && existing.Bus != def.Bus:
			// Of a bus that had this name before.
			if err := s.deleteRule(ctx, b, name, ofBus(existing.Bus)); err != nil {
				return nil, err
			}
		case err == nil:
			now, err := s.updateRule(ctx, b, name, func(r *registry.Rule) error {
				r.Pattern, r.Schedule, r.Disabled, r.Description, r.RoleARN = def.Pattern, def.Schedule, def.Disabled, def.Description, def.RoleARN
				return nil
			})
			if !errors.Is(err, ErrNoRule) {
				return now, err
			}
			continue
		case !errors.Is(err, registry.ErrNotFound):
			return nil, err
		}
		if s.router(place{b.Account, b.Region, b.Name}, false).count(def.Bus) >= s.cfg.MaxRules {
			return nil, ErrRules
		}
		s.scheduled(&registry.Rule{}, &def)
		made, created, err := table.Create(ctx, &def, func(*registry.Rule) bool { return true })
		if err != nil {
			return nil, err
		}
		if !created {
			continue // somebody else made it at this moment
		}
		return made, s.attached(ctx, made, b)
	}
	return nil, registry.ErrConflict
}

// attached removes a rule that was just made if its bus was deleted meanwhile: memory,
// which shows the rule, shows that.
func (s *Service) attached(ctx context.Context, r *registry.Rule, b *registry.Bus) error {
	if b.Name == registry.DefaultBus {
		return nil
	}
	if now, ok := s.reg.Buses().Get(b.Account, b.Region, b.Name); ok && now.Incarnation() == r.Bus {
		return nil
	}
	_, name := r.Parts()
	if err := s.deleteRule(ctx, b, name, ofBus(r.Bus)); err != nil {
		return err
	}
	return ErrNoBus
}

// updateRule is registry.Table.Update for rules of b, with ErrNoRule.
func (s *Service) updateRule(ctx context.Context, b *registry.Bus, name string, change func(*registry.Rule) error) (*registry.Rule, error) {
	now, err := s.reg.Rules().Update(ctx, b.Account, b.Region, ruleKey(b.Name, name), func(r *registry.Rule) error {
		if r.Bus != b.Incarnation() {
			return ErrNoRule
		}
		was := *r
		if err := change(r); err != nil {
			return err
		}
		s.scheduled(&was, r)
		return nil
	})
	return now, noRule(err)
}

// UpdateRule changes a rule of b. Errors: ErrNoRule; what change returns; those of
// registry.Table.Update.
func (s *Service) UpdateRule(ctx context.Context, b *registry.Bus, name string, change func(*registry.Rule) error) (*registry.Rule, error) {
	return s.updateRule(ctx, b, name, change)
}

// DeleteRule removes a rule that has no targets; one that is not there is no error.
// Errors: ErrHasTargets; those of registry.Table.Delete.
func (s *Service) DeleteRule(ctx context.Context, b *registry.Bus, name string) error {
	return s.deleteRule(ctx, b, name, func(r *registry.Rule) error {
		switch {
		case r.Bus != b.Incarnation():
			return ErrNoRule
		case len(r.Targets) > 0:
			return ErrHasTargets
		}
		return nil
	})
}

// deleteRule removes a rule if check lets its newest definition go. One that is not
// there, or of which check says ErrNoRule, is no error.
func (s *Service) deleteRule(ctx context.Context, b *registry.Bus, name string, check func(*registry.Rule) error) error {
	err := s.reg.Rules().DeleteIf(ctx, b.Account, b.Region, ruleKey(b.Name, name), check)
	if errors.Is(err, registry.ErrNotFound) || errors.Is(err, ErrNoRule) {
		return nil
	}
	return err
}

// ofBus lets the rules of an incarnation of a bus go.
func ofBus(incarnation uint64) func(*registry.Rule) error {
	return func(r *registry.Rule) error {
		if r.Bus != incarnation {
			return ErrNoRule
		}
		return nil
	}
}

// Rules lists those of a bus in pages, in the order of their names, behind the one
// called after ("": from the start). wanted may be nil.
func (s *Service) Rules(b *registry.Bus, prefix, after string, limit int, wanted func(*registry.Rule) bool) (list []*registry.Rule, more bool) {
	from := ""
	if after != "" {
		from = ruleKey(b.Name, after)
	}
	for {
		page, more := s.reg.Rules().List(b.Account, b.Region, ruleKey(b.Name, prefix), from, limit)
		for i, r := range page {
			from = r.Name
			if r.Bus != b.Incarnation() || wanted != nil && !wanted(r) {
				continue
			}
			if list = append(list, r); len(list) == limit {
				return list, more || i < len(page)-1
			}
		}
		if !more {
			return list, false
		}
	}
}

// PutTargets adds targets to a rule, in place of those with the same ids. Errors:
// ErrNoRule, ErrTargets; those of registry.Table.Update.
func (s *Service) PutTargets(ctx context.Context, b *registry.Bus, name string, targets []registry.Target) error {
	_, err := s.updateRule(ctx, b, name, func(r *registry.Rule) error {
		for _, t := range targets {
			at, found := findTarget(r.Targets, t.ID)
			if found {
				r.Targets[at] = t
			} else {
				r.Targets = slices.Insert(r.Targets, at, t)
			}
		}
		if len(r.Targets) > MaxTargets {
			return ErrTargets
		}
		return nil
	})
	return err
}

// RemoveTargets takes targets away and gives the ids of those that were not there.
// Errors: ErrNoRule; those of registry.Table.Update.
func (s *Service) RemoveTargets(ctx context.Context, b *registry.Bus, name string, ids []string) (missing []string, err error) {
	_, err = s.updateRule(ctx, b, name, func(r *registry.Rule) error {
		missing = nil
		for _, id := range ids {
			if at, found := findTarget(r.Targets, id); found {
				r.Targets = slices.Delete(r.Targets, at, at+1)
			} else {
				missing = append(missing, id)
			}
		}
		return nil
	})
	return missing, err
}

// findTarget finds a target by its id, or where it would stand.
func findTarget(list []registry.Target, id string) (int, bool) {
	return slices.BinarySearchFunc(list, id, func(t registry.Target, id string) int { return strings.Compare(t.ID, id) })
}
