package partition

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/lease"
	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/registry"
)

// Service runs the partitions that this node owns and sends every request to
// the owner of its queue's partition, here or on another node.
type Service struct {
	cfg    Config
	log    *slog.Logger
	run    string // this run of the node; another each start
	keeper *lease.Keeper

	receipts *receiptSigner
	space    owner.Space
	memory   *owner.Memory
	ready    chan struct{}
	signing  chan struct{} // closed when receipts is there

	mu     sync.Mutex // guards owned
	owned  map[uint32]*owned
	callID atomic.Uint64
	slots  chan struct{} // bounds requests of other nodes under way
}

// owned is a partition that this node runs or is loading.
type owned struct {
	progress journal.Progress
	owner    *owner.Owner // nil until it is loaded
	open     bool         // it answers requests
}

// New checks the configuration. Nothing runs until Run; requests that come
// before wait for it.
func New(cfg Config) (*Service, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	s := &Service{
		cfg: cfg, log: cfg.Logger.With(logkey.Service, "partition"), run: newRun(),
		memory: owner.NewMemory(cfg.MaxMemory, cfg.MaxMessages),
		ready:  make(chan struct{}), signing: make(chan struct{}), owned: make(map[uint32]*owned),
		slots: make(chan struct{}, cfg.MaxRequests+cfg.MaxWaiting),
	}
	var err error
	s.keeper, err = lease.New(lease.Config{
		Cluster: cfg.Conn, Prefix: cfg.Prefix, Node: cfg.Node, Run: s.run, Count: cfg.Count, TTL: cfg.Lease, Observer: cfg.Observer,
		Serve: s.own, Logger: s.log, Elapsed: cfg.Elapsed,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Ready is closed once every partition has an owner that answers.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Run serves until ctx ends, then hands its partitions over: what is in flight
// is answered, leases are released. It returns early only when the node can't
// go on: another process uses its name. A partition that can't be loaded stops
// alone.
func (s *Service) Run(ctx context.Context) error {
	secret, err := s.cfg.Registry.Secret(ctx, "receipts", 32)
	if err != nil {
		return fmt.Errorf("secret of receipt handles: %w", err)
	}
	s.receipts = newReceiptSigner(secret)
	close(s.signing)
	stopServing, err := s.serveOthers()
	if err != nil {
		return err
	}
	defer stopServing()
	s.cfg.Registry.OnQueue(s.queueChanged)

	// Everything but the partitions themselves lives as long as they do.
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { s.watchSpace(inner) })
	wg.Go(func() { s.watchReady(inner) })
	err = s.keeper.Run(ctx)
	cancel()
	wg.Wait()
	return err
}

// own loads and serves a partition until ctx ends or it fails.
func (s *Service) own(ctx context.Context, p uint32, ready func(durable func() uint64)) error {
	slot := &owned{}
	s.mu.Lock()
	s.owned[p] = slot
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.owned, p)
		s.mu.Unlock()
	}()
	err := s.serve(ctx, p, slot, ready)
	var corrupt *journal.CorruptError
	var drift *jet.DriftError
	var damaged *jet.DamagedError
	if errors.As(err, &damaged) {
		return fmt.Errorf("%w: %w", lease.ErrDamaged, err) // it says what to do
	}
	if errors.As(err, &corrupt) || errors.As(err, &drift) {
		return fmt.Errorf("%w: %w; restore its log from a backup, or start the release that wrote it", lease.ErrDamaged, err)
	}
	return err
}

// serve claims the journal, replays it and answers requests until ctx ends or
// the journal fails.
func (s *Service) serve(ctx context.Context, p uint32, slot *owned, ready func(durable func() uint64)) error {
	o, err := s.newOwner(ctx, p)
	if err != nil {
		return err
	}
	began := s.cfg.Elapsed()
	reported := began
	err = o.Load(ctx, func(pr journal.Progress) {
		s.mu.Lock()
		slot.progress = pr
		s.mu.Unlock()
		if now := s.cfg.Elapsed(); now-reported >= time.Second {
			reported = now
			s.log.Info("loading", "partition", p, "entries", pr.Entries, "of", pr.TotalEntries,
				"mb", pr.Bytes>>20, "mb_per_second", int64(float64(pr.Bytes>>20)/pr.Elapsed.Seconds()))
		}
	})
	if err != nil {
		return err
	}
	// From here on it hears of every change of a definition.
	s.mu.Lock()
	slot.owner = o
	s.mu.Unlock()
	err = o.Run(ctx, func() {
		s.mu.Lock()
		slot.open = true
		s.mu.Unlock()
		s.log.Info("partition ready", "partition", p, "queues", o.Status().Usage.Queues,
			"loaded_in", (s.cfg.Elapsed() - began).Round(time.Millisecond).String())
		ready(o.Durable)
	}, func() {
		s.mu.Lock()
		slot.open = false
		s.mu.Unlock()
	})
	return err
}

// newOwner makes the owner of a partition over its journal.
func (s *Service) newOwner(ctx context.Context, p uint32) (*owner.Owner, error) {
	log, err := s.cfg.stream(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := s.whole(ctx, p, log); err != nil {
		return nil, err
	}
	name := fmt.Sprint(p)
	jcfg := journal.Config{
		Log: log, Name: name, Writer: s.run + "." + newRun(),
		MaxPayload: s.cfg.Conn.MaxPayload(), CacheBytes: s.cfg.CacheBytes,
		MaxPending: int(4*s.cfg.MaxRequestBytes) + 64<<20,
		Logger:     s.cfg.Logger.With("partition", p), Now: s.cfg.Now, Observe: s.cfg.Observe(name),
	}
	s.cfg.Journal(&jcfg)
	j, err := journal.New(jcfg)
	if err != nil {
		return nil, err
	}
	return owner.New(owner.Config{
		Partition: p, Journal: j, Registry: s.cfg.Registry, Kinds: s.cfg.Kinds,
		Limits: owner.Limits{
			MaxRequests: s.cfg.MaxRequests, MaxRequestBytes: s.cfg.MaxRequestBytes,
			MaxWaiting: s.cfg.MaxWaiting, MaxInFlight: s.cfg.MaxInFlight, MaxAnswer: s.answerBytes(),
		},
		Space: &s.space, Memory: s.memory,
		HandOver: func(ctx context.Context, to uint32, in owner.AcceptIn) (owner.AcceptOut, error) {
			return call(ctx, s, to, opAccept, in)
		},
		Wall: s.cfg.Now, Elapsed: s.cfg.Elapsed,
		NewID:  func() [16]byte { return s.cfg.NewID() },
		Logger: s.log.With("partition", p),
	})
}

// answerBytes is how many bytes of payloads fit an answer to another node.
func (s *Service) answerBytes() int {
	return s.cfg.Conn.MaxPayload() - envelopeBytes - maxBatch*owner.DeliveredBytes
}

// whole makes sure that the log has all that was durable at the last sign of
// life of its owner: a store that finds damage may cut off what stands behind
// it, and what is cut off can't be seen from the rest. A replica that leads
// anew may lag for a moment, so it is asked again for a while.
func (s *Service) whole(ctx context.Context, p uint32, log jet.Log) error {
	for try := 0; ; try++ {
		last, err := log.Last(ctx)
		if err != nil {
			return err
		}
		least := s.keeper.Least(p)
		if last >= least {
			return nil
		}
		if try == 20 {
			return &journal.CorruptError{Seq: last + 1, Reason: fmt.Sprintf(
				"missing, with all up to entry %d: the log was damaged and cut short; restore the data folder from a backup", least)}
		}
		pause := time.NewTimer(100 * time.Millisecond)
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-pause.C:
		}
	}
}

// queueChanged tells the owners here of a changed definition.
func (s *Service) queueChanged(old, now *registry.Queue) {
	for _, o := range s.owners() {
		o.QueueChanged(old, now)
	}
}

// owners are those of the partitions that are loaded here.
func (s *Service) owners() (list []*owner.Owner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.owned {
		if o.owner != nil {
			list = append(list, o.owner)
		}
	}
	return list
}
