package bus

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/waystation/waystation/internal/inlet"
	"github.com/waystation/waystation/internal/registry"
)

// Service routes events and keeps buses and rules.
type Service struct {
	cfg    Config
	log    *slog.Logger
	reg    *registry.Registry
	finder inlet.Finder
	parts  Partitions
	topics Topics
	large  chan struct{} // takes one for each large put under way

	pusher Pusher
	count  func() uint32 // partitions
	tokens tokens
	waits  chan struct{} // of capacity 1: connections wait for a token

	waitingMu sync.Mutex
	waiting   map[uint64]bool // connections that wait for a token, by ID; guarded by waitingMu

	packing packing
	wake    chan struct{} // of capacity 1: there is something to sweep
	shorter atomic.Bool   // the retention of an archive changed
	replays replaying
	ticks   ticking

	mu      sync.RWMutex
	routers map[place]*router // of buses that have rules or archives; guarded by mu
}

// New checks the configuration. It starts nothing, but hears of the registry's changes
// from now on. SetPartitions follows before anything is put.
func New(cfg Config) (*Service, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	s := &Service{
		cfg: cfg, log: cfg.Logger, reg: cfg.Registry, routers: make(map[place]*router), large: make(chan struct{}, maxLarge),
		finder: inlet.Finder{Registry: cfg.Registry, Access: cfg.Access, Principal: Principal},
		tokens: tokens{byID: make(map[uint64]*token)}, waits: make(chan struct{}, 1), waiting: make(map[uint64]bool),
		count: func() uint32 { return 1 },
	}
	s.wake = make(chan struct{}, 1)
	s.packing = packing{list: make(chan toPack, maxToPack), state: make(map[toPack]packState)}
	s.ticks = newTicking()
	s.replays = replaying{all: make(map[uint64]*registry.Replay), room: make(chan struct{}, maxReplaysHere)}
	s.reg.Rules().OnChange(s.ruleChanged)
	s.reg.Connections().OnChange(s.connectionChanged)
	s.reg.Archives().OnChange(s.archiveChanged)
	s.reg.Replays().OnChange(s.replayChanged)
	return s, nil
}

// SetPartitions says where queues are.
func (s *Service) SetPartitions(p Partitions) { s.parts = p }

// defaultBus is what a default bus is as long as nothing of it was set.
func defaultBus(account, region string) *registry.Bus {
	return &registry.Bus{Meta: registry.Meta{Account: account, Region: region, Name: registry.DefaultBus}}
}

// Find gives a bus. The default one is always there. Errors: ErrNoBus; those of
// registry.Table.Find.
func (s *Service) Find(ctx context.Context, account, region, name string) (*registry.Bus, error) {
	if name == registry.DefaultBus {
		if b, ok := s.reg.Buses().Get(account, region, name); ok {
			return b, nil
		}
		return defaultBus(account, region), nil
	}
	b, err := s.reg.Buses().Find(ctx, account, region, name)
	return b, noBus(err)
}

// Create stores a bus. Errors: ErrExists; those of registry.Table.Create.
func (s *Service) Create(ctx context.Context, b registry.Bus) (*registry.Bus, error) {
	if b.Name == registry.DefaultBus {
		return nil, ErrExists
	}
	made, _, err := s.reg.Buses().Create(ctx, &b, func(*registry.Bus) bool { return false })
	if errors.Is(err, registry.ErrConflict) {
		return nil, ErrExists
	}
	return made, err
}

// Update changes a bus, as registry.Table.Update does. Errors: ErrNoBus too.
func (s *Service) Update(ctx context.Context, b *registry.Bus, change func(*registry.Bus) error) (*registry.Bus, error) {
	if b.Name == registry.DefaultBus {
		// A change that is refused makes no definition.
		if err := change(b.Clone()); err != nil {
			return nil, err
		}
		if _, _, err := s.reg.Buses().Create(ctx, defaultBus(b.Account, b.Region), func(*registry.Bus) bool { return true }); err != nil {
			return nil, err
		}
	}
	now, err := s.reg.Buses().Update(ctx, b.Account, b.Region, b.Name, change)
	return now, noBus(err)
}

// Delete removes a bus that has no rules and no archives; one that is not there is no
// error. Errors: ErrDefault, ErrHasRules, ErrHasArchives; those of registry.Table.Delete.
func (s *Service) Delete(ctx context.Context, account, region, name string) error {
	if name == registry.DefaultBus {
		return ErrDefault
	}
	b, err := s.Find(ctx, account, region, name)
	if errors.Is(err, ErrNoBus) {
		return nil
	}
	if err != nil {
		return err
	}
	at := place{account, region, name}
	// Another node may have made a rule a moment ago.
	if err := s.reg.Sync(ctx); err != nil {
		return err
	}
	if s.router(at, false).count(b.Incarnation()) > 0 {
		return ErrHasRules
	}
	if len(s.router(at, false).kept(b.Incarnation())) > 0 {
		return ErrHasArchives
	}
	if err := s.reg.Buses().Delete(ctx, account, region, name); err != nil && !errors.Is(err, registry.ErrNotFound) {
		return err
	}
	// Those that were made at the same moment.
	for _, r := range s.router(at, false).list(b.Incarnation()) {
		_, rule := r.Parts()
		if err := s.deleteRule(ctx, b, rule, ofBus(b.Incarnation())); err != nil {
			return err
		}
	}
	for _, a := range s.router(at, false).kept(b.Incarnation()) {
		if err := s.DeleteArchive(ctx, a.def); err != nil && !errors.Is(err, ErrNoArchive) {
			return err
		}
	}
	return nil
}

// List gives buses of an account in pages, the default one among them; see
// registry.Table.List.
func (s *Service) List(account, region, prefix, after string, limit int) (list []*registry.Bus, more bool) {
	list, more = s.reg.Buses().List(account, region, prefix, after, limit)
	if _, stored := s.reg.Buses().Get(account, region, registry.DefaultBus); stored ||
		!strings.HasPrefix(registry.DefaultBus, prefix) || after >= registry.DefaultBus {
		return list, more
	}
	at := len(list)
	for i, b := range list {
		if b.Name > registry.DefaultBus {
			at = i
			break
		}
	}
	if at == len(list) && more {
		return list, more // it comes later
	}
	list = slices.Insert(slices.Clone(list), at, defaultBus(account, region))
	if len(list) > limit {
		return list[:limit], true
	}
	return list, more
}

func noBus(err error) error {
	if errors.Is(err, registry.ErrNotFound) {
		return ErrNoBus
	}
	return err
}

func noRule(err error) error {
	if errors.Is(err, registry.ErrNotFound) {
		return ErrNoRule
	}
	return err
}
