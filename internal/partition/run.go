package partition

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/lease"
	"github.com/waystation/waystation/internal/queue"
	"github.com/waystation/waystation/internal/registry"
)

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
	o := &owned{}
	s.mu.Lock()
	s.owners[p] = o
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.owners, p)
		s.mu.Unlock()
	}()
	err := s.serve(ctx, p, o, ready)
	var corrupt *journal.CorruptError
	var drift *jet.DriftError
	if errors.As(err, &corrupt) || errors.As(err, &drift) {
		return fmt.Errorf("%w: %w", lease.ErrDamaged, err)
	}
	return err
}

// serve claims the journal, replays it and answers requests until ctx ends or
// the journal fails.
func (s *Service) serve(ctx context.Context, p uint32, slot *owned, ready func(durable func() uint64)) error {
	log, err := s.cfg.stream(ctx, p)
	if err != nil {
		return err
	}
	if err := s.whole(ctx, p, log); err != nil {
		return err
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
		return err
	}
	o := newOwner(s, p, j)
	o.tick()
	began := s.elapsed()
	reported := began
	err = j.Claim(ctx, o.apply, func(pr journal.Progress) {
		s.mu.Lock()
		slot.progress = pr
		s.mu.Unlock()
		if now := s.elapsed(); now-reported >= int64(time.Second) {
			reported = now
			s.log.Info("loading", "partition", p, "entries", pr.Entries, "of", pr.TotalEntries,
				"mb", pr.Bytes>>20, "mb_per_second", int64(float64(pr.Bytes>>20)/pr.Elapsed.Seconds()))
		}
	})
	if err != nil {
		return err
	}
	return s.work(ctx, slot, o, func() {
		s.log.Info("partition ready", "partition", p, "queues", len(o.queues),
			"loaded_in", time.Duration(s.elapsed()-began).Round(time.Millisecond).String())
		ready(func() uint64 { return j.Stats().Last })
	})
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

// work runs the goroutines of an owner that is loaded, until ctx ends or it fails.
func (s *Service) work(ctx context.Context, slot *owned, o *owner, ready func()) error {
	journalCtx, stopJournal := context.WithCancel(context.WithoutCancel(ctx))
	defer stopJournal()
	work, stopWork := context.WithCancel(ctx)
	defer stopWork()
	var wg, journalDone sync.WaitGroup
	var failure error
	journalDone.Go(func() {
		failure = o.j.Run(journalCtx)
		stopWork()
	})
	o.reconcile()
	for _, f := range []func(context.Context) error{o.clock, o.prove, o.rewrite, o.forward, o.moves, o.release} {
		wg.Go(func() { _ = f(work) })
	}
	s.mu.Lock()
	slot.owner = o
	s.mu.Unlock()
	ready()

	select {
	case <-work.Done():
	case <-o.j.Failed():
	case <-o.down:
	}
	// Nothing new from here on; what was taken in is made durable and answered.
	s.mu.Lock()
	slot.owner = nil
	s.mu.Unlock()
	o.stop()
	stopWork()
	wg.Wait()
	stopJournal()
	journalDone.Wait()
	if failure == nil {
		failure = o.j.Err()
	}
	return failure
}

// watchSpace refuses sends while the log's storage is nearly used up.
func (s *Service) watchSpace(ctx context.Context) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if sp, err := s.cfg.Conn.Space(ctx); err == nil {
			reserve := s.cfg.reserve(sp.Total)
			switch full := s.full.Load(); {
			case !full && sp.Free < reserve:
				s.full.Store(true)
				s.log.Error("the storage is nearly full: sends are refused, receives and deletes go on",
					"free_mb", sp.Free>>20, "reserve_mb", reserve>>20)
			case full && sp.Free > reserve+reserve/8:
				s.full.Store(false)
				s.log.Info("there is free space again: sends are taken", "free_mb", sp.Free>>20)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// watchReady closes ready once every partition has an owner that answers, but for
// those that are damaged as long as one is not.
func (s *Service) watchReady(ctx context.Context) {
	for {
		changed := s.keeper.Changed()
		list := s.Status()
		served := slices.ContainsFunc(list, func(st Status) bool { return st.Ready })
		if served && !slices.ContainsFunc(list, func(st Status) bool { return !st.Ready && st.Damaged == "" }) {
			close(s.ready)
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// queueChanged applies changed definitions to the state machines here.
func (s *Service) queueChanged(old, new *registry.Queue) {
	def := new
	if def == nil {
		def = old
	}
	s.mu.Lock()
	var owners []*owner
	for _, o := range s.owners {
		if o.owner != nil {
			owners = append(owners, o.owner)
		}
	}
	s.mu.Unlock()
	for _, o := range owners {
		o.queueChanged(def, new == nil, old == nil || new == nil)
	}
}

// queueChanged: a queue was created, changed or deleted. exists tells whether
// it came or went, which matters to the queues that dead-letter to it.
func (o *owner) queueChanged(def *registry.Queue, deleted, exists bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	now := o.tick()
	if deleted {
		for _, r := range []ref{{id: def.ID}, {id: def.ID, outbox: true}} {
			if qs := o.queues[r]; qs != nil && !o.closed {
				o.drop(qs)
			}
		}
	} else if qs := o.queues[ref{id: def.ID}]; qs != nil && (qs.def == nil || qs.def.Revision < def.Revision) {
		qs.def = def
		o.configure(qs, now)
	}
	if !exists {
		return
	}
	for _, src := range o.svc.cfg.Registry.DeadLetterSources(def.ARN()) {
		if qs := o.queues[ref{id: src.ID}]; qs != nil && qs.def != nil {
			o.configure(qs, now)
		}
	}
}

func (o *owner) configure(qs *queueState, now queue.Time) {
	qs.m.Configure(now, o.machineConfig(qs.def))
	o.advance(qs, now)
	o.settle(qs, now)
}
