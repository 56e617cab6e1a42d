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
	"github.com/waystation/waystation/internal/queue"
	"github.com/waystation/waystation/internal/registry"
)

// Run serves until ctx ends, then hands its partitions over: what is in flight
// is answered, leases are released. It returns early only when the node can't
// go on: another process uses its name, or a log is corrupt.
func (s *Service) Run(ctx context.Context) error {
	kv, err := s.cfg.Conn.Bucket(ctx, jet.KVSpec{Bucket: s.cfg.Prefix + "_leases", Description: "Waystation: who owns which partition"})
	if err != nil {
		return err
	}
	secret, err := s.cfg.Registry.Secret(ctx, "receipts", 32)
	if err != nil {
		return fmt.Errorf("secret of receipt handles: %w", err)
	}
	s.receipts = newReceiptSigner(secret)
	l := s.leases
	l.kv = kv
	if err := l.agreeCount(ctx, s.cfg.Count); err != nil {
		return err
	}
	stopServing, err := s.serveOthers()
	if err != nil {
		return err
	}
	defer stopServing()
	s.cfg.Registry.OnQueue(s.queueChanged)

	// Everything but the partitions themselves lives as long as they do.
	inner, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	var wg sync.WaitGroup
	loaded := make(chan struct{})
	wg.Go(func() {
		if err := l.watch(inner, func() { close(loaded) }); err != nil && inner.Err() == nil {
			cancel(fmt.Errorf("watching leases: %w", err))
		}
	})
	wg.Go(func() { s.watchSpace(inner) })
	wg.Go(func() { s.watchReady(inner) })
	s.hold(ctx, inner, cancel, loaded)
	s.handOver(inner)
	err = context.Cause(inner)
	cancel(nil)
	wg.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return err
}

// hold beats, claims and gives up partitions until ctx or inner ends.
func (s *Service) hold(ctx, inner context.Context, fail context.CancelCauseFunc, loaded <-chan struct{}) {
	select {
	case <-loaded:
	case <-ctx.Done():
		return
	case <-inner.Done():
		return
	}
	period := s.cfg.Lease / 4
	tick := time.NewTicker(period)
	defer tick.Stop()
	silent := false
	for n := uint64(1); ; n++ {
		beatCtx, cancel := context.WithTimeout(inner, s.cfg.Lease)
		err := s.leases.beat(beatCtx, n, false, s.durable())
		cancel()
		if (err != nil) != silent {
			silent = err != nil
			if silent {
				s.log.Warn("no sign of life can be given, other nodes may take over", "error", err)
			} else {
				s.log.Info("signs of life are given again")
			}
		}
		for again := true; again; {
			_, changed := s.leases.holder(0)
			if err := s.rebalance(ctx, inner, fail); err != nil {
				fail(err)
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-inner.Done():
				return
			case <-changed:
				again = true
			case <-tick.C:
				again = false
			}
		}
	}
}

// rebalance claims what is free and gives up what is too much.
func (s *Service) rebalance(ctx, inner context.Context, fail context.CancelCauseFunc) error {
	claim, giveUp, err := s.leases.plan()
	if err != nil {
		return err
	}
	s.dropLost()
	for _, p := range claim {
		c, cancel := context.WithTimeout(inner, s.cfg.Lease)
		ok, err := s.leases.claim(c, p)
		cancel()
		if err != nil {
			s.log.Warn("a partition can't be claimed just now", "partition", p, "error", err)
			return nil
		}
		if ok {
			s.start(inner, p, fail)
		}
	}
	for _, p := range giveUp {
		s.log.Info("a partition goes to another node", "partition", p)
		s.stop(p)
		if err := s.leases.release(inner, p); err != nil {
			s.log.Warn("a lease can't be released", "partition", p, "error", err)
		}
	}
	// A lease of ours without anybody at work: start again.
	for p := range s.count() {
		s.mu.Lock()
		_, running := s.owners[p]
		s.mu.Unlock()
		if !running && s.leases.mine(p) && ctx.Err() == nil {
			s.start(inner, p, fail)
		}
	}
	return nil
}

// dropLost stops partitions whose lease another node took.
func (s *Service) dropLost() {
	s.mu.Lock()
	var lost []uint32
	for p := range s.owners {
		if !s.leases.mine(p) {
			lost = append(lost, p)
		}
	}
	s.mu.Unlock()
	for _, p := range lost {
		s.log.Warn("another node took the partition over", "partition", p)
		s.stop(p)
	}
}

func (s *Service) start(ctx context.Context, p uint32, fail context.CancelCauseFunc) {
	ctx, cancel := context.WithCancel(ctx)
	o := &owned{cancel: cancel, done: make(chan struct{})}
	s.mu.Lock()
	s.owners[p] = o
	s.mu.Unlock()
	go func() {
		defer func() {
			s.mu.Lock()
			delete(s.owners, p)
			s.mu.Unlock()
			close(o.done)
			s.leases.notify()
		}()
		s.own(ctx, p, o, fail)
	}()
}

// stop ends a partition on this node and waits until it has.
func (s *Service) stop(p uint32) {
	s.mu.Lock()
	o := s.owners[p]
	s.mu.Unlock()
	if o != nil {
		o.cancel()
		<-o.done
	}
}

// own loads and serves a partition, again after each failure, as long as the
// lease is ours.
func (s *Service) own(ctx context.Context, p uint32, o *owned, fail context.CancelCauseFunc) {
	const least, most = 50 * time.Millisecond, 2 * time.Second
	backoff := least
	for ctx.Err() == nil && s.leases.mine(p) {
		start := s.elapsed()
		err := s.serve(ctx, p, o)
		var corrupt *journal.CorruptError
		var drift *jet.DriftError
		switch {
		case ctx.Err() != nil:
			return
		case errors.As(err, &corrupt), errors.As(err, &drift):
			fail(fmt.Errorf("partition %d can't be loaded: %w", p, err))
			return
		case errors.Is(err, journal.ErrFenced):
			s.log.Warn("another node writes this partition's log", "partition", p)
		default:
			s.log.Warn("the partition is loaded again", "partition", p, "error", err)
		}
		if s.elapsed()-start > int64(10*time.Second) {
			backoff = least
		}
		timer := time.NewTimer(backoff)
		backoff = min(backoff*2, most)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// serve claims the journal, replays it and answers requests until ctx ends or
// the journal fails.
func (s *Service) serve(ctx context.Context, p uint32, slot *owned) error {
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
	return s.work(ctx, p, slot, o, time.Duration(s.elapsed()-began))
}

// durable is how far the logs of this node's partitions reach.
func (s *Service) durable() map[uint32]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[uint32]uint64, len(s.owners))
	for p, o := range s.owners {
		if o.owner != nil {
			out[p] = o.owner.j.Stats().Last
		}
	}
	return out
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
		least := s.leases.least(p)
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

// work runs the goroutines of an owner that is loaded.
func (s *Service) work(ctx context.Context, p uint32, slot *owned, o *owner, loading time.Duration) error {
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
	queues := len(o.queues)
	s.mu.Unlock()
	s.leases.notify()
	s.log.Info("partition ready", "partition", p, "queues", queues, "loaded_in", loading.Round(time.Millisecond).String())

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

// handOver stops all partitions, then releases their leases.
func (s *Service) handOver(ctx context.Context) {
	s.mu.Lock()
	var mine []uint32
	for p := range s.owners {
		mine = append(mine, p)
	}
	s.mu.Unlock()
	var wg sync.WaitGroup
	for _, p := range mine {
		wg.Go(func() {
			s.stop(p)
			c, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			if err := s.leases.release(c, p); err != nil {
				s.log.Warn("a lease can't be released, others take over when it runs out", "partition", p, "error", err)
			}
		})
	}
	wg.Wait()
	c, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = s.leases.beat(c, 0, true, nil)
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

// watchReady closes ready once every partition has an owner that answers.
func (s *Service) watchReady(ctx context.Context) {
	for {
		_, changed := s.leases.holder(0)
		if !slices.ContainsFunc(s.Status(), func(st Status) bool { return !st.Ready }) {
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
