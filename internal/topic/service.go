package topic

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// Service publishes to topics and keeps their subscriptions.
type Service struct {
	cfg       Config
	log       *slog.Logger
	reg       *registry.Registry
	parts     Partitions
	envelopes *Envelopes

	mu      sync.RWMutex
	fanouts map[uint64]*fanout // by the topic's ID; guarded by mu

	// knownAt is when memory had all that the registry had, in Unix nanoseconds.
	knownAt atomic.Int64

	sweepMu sync.Mutex
	sweeps  map[uint64]time.Time // topics that were deleted, and when to look after them; guarded by sweepMu
	wake    chan struct{}        // of capacity 1
}

// New checks the configuration. It starts nothing, but hears of the registry's
// changes from now on. SetPartitions follows before anything is published.
func New(cfg Config) (*Service, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	s := &Service{
		cfg: cfg, log: cfg.Logger, reg: cfg.Registry, envelopes: newEnvelopes(cfg.Registry.SigningKeys(), cfg.Now),
		fanouts: make(map[uint64]*fanout), sweeps: make(map[uint64]time.Time), wake: make(chan struct{}, 1),
	}
	s.reg.Subscriptions().OnChange(s.subscriptionChanged)
	s.reg.Topics().OnChange(s.topicChanged)
	return s, nil
}

// SetPartitions says where queues are. It exists because partitions, in turn, are made
// with Envelopes.
func (s *Service) SetPartitions(p Partitions) { s.parts = p }

// Envelopes are what messages are rendered with when they are received.
func (s *Service) Envelopes() *Envelopes { return s.envelopes }

// Create stores a topic, or finds the one that is there; see registry.Table.Create.
func (s *Service) Create(ctx context.Context, t registry.Topic, same func(existing *registry.Topic) bool) (*registry.Topic, bool, error) {
	t.Partition = rand.Uint32N(s.parts.Count())
	return s.reg.Topics().Create(ctx, &t, same)
}

// Delete removes a topic. Its subscriptions go with it: nothing is delivered to them
// any more, and Run removes them.
//
// Errors: ErrNotFound, those of registry.Table.Delete.
func (s *Service) Delete(ctx context.Context, account, region, name string) error {
	t, err := s.Find(ctx, account, region, name)
	if err != nil {
		return err
	}
	if err := s.reg.Topics().Delete(ctx, account, region, name); err != nil {
		return notFound(err)
	}
	s.sweep(t.ID, 0)
	if t.FIFO {
		// What is left of a ledger when this fails takes some hundred bytes.
		if err := s.parts.Drop(ctx, ledgerOf(t)); err != nil && !errors.Is(err, partition.ErrQueueGone) {
			s.log.Warn("the ledger of a deleted topic stays", logkey.Resource, t.ARN(), logkey.Error, err)
		}
	}
	return nil
}

// Find is registry.Table.Find for topics, with ErrNotFound.
func (s *Service) Find(ctx context.Context, account, region, name string) (*registry.Topic, error) {
	t, err := s.reg.Topics().Find(ctx, account, region, name)
	return t, notFound(err)
}

// Update is registry.Table.Update for topics, with ErrNotFound.
func (s *Service) Update(ctx context.Context, t *registry.Topic, change func(*registry.Topic) error) (*registry.Topic, error) {
	now, err := s.reg.Topics().Update(ctx, t.Account, t.Region, t.Name, change)
	return now, notFound(err)
}

// List gives topics of an account in pages; see registry.Table.List.
func (s *Service) List(account, region, after string, limit int) ([]*registry.Topic, bool) {
	return s.reg.Topics().List(account, region, "", after, limit)
}

func ledgerOf(t *registry.Topic) partition.Target {
	return partition.Target{Partition: t.Partition, Queue: partition.Ref{Kind: partition.KindLedger, ID: t.ID}}
}

func notFound(err error) error {
	if errors.Is(err, registry.ErrNotFound) {
		return ErrNotFound
	}
	return err
}

// known brings memory up to the registry, unless it was within the last second: what
// is missing in memory then did not exist a second ago.
func (s *Service) known(ctx context.Context) error {
	now := s.cfg.Now().UnixNano()
	if age := now - s.knownAt.Load(); age >= 0 && age < int64(time.Second) {
		return nil
	}
	if err := s.reg.Sync(ctx); err != nil {
		return err
	}
	s.knownAt.Store(now)
	return nil
}
