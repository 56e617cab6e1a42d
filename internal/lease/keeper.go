package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/logkey"
)

// Keys of log lines.
const (
	keyPartition = "partition"
	keyRun       = "run"
	keyError     = logkey.Error
)

// How long a node that stops waits for its last words.
const (
	releaseTimeout  = 2 * time.Second
	farewellTimeout = time.Second
)

// Keeper keeps the leases of one node: it gives signs of life, claims what is
// free, has it served, and gives up what is too much.
type Keeper struct {
	cfg    Config
	table  *table
	bucket jet.Bucket // set by Run
	name   name
	runs   runs

	beatNow chan struct{} // of length 1
	leaving atomic.Bool   // partitions are being handed over, or it is an observer

	stuck bool // the last round met a bucket that does not answer; of hold alone
}

// New checks the configuration. It starts nothing.
func New(cfg Config) (*Keeper, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	k := &Keeper{
		cfg:     cfg,
		table:   newTable(cfg.Node, cfg.Run, cfg.TTL, cfg.Elapsed),
		beatNow: make(chan struct{}, 1),
	}
	k.name.k = k
	k.leaving.Store(cfg.Observer)
	k.runs.active, k.runs.damaged = make(map[uint32]*run), make(map[uint32]string)
	return k, nil
}

// Run keeps leases until ctx ends, then hands over: every partition is stopped,
// its lease released, and the node says that it stopped. It returns early with
// ErrNameTaken, or when the bucket can't be opened, is closed, or makes no sense.
// It is called once.
func (k *Keeper) Run(ctx context.Context) error {
	var err error
	k.bucket, err = openBucket(ctx, k.cfg.Cluster, k.cfg.Prefix)
	if err != nil {
		return stopped(ctx, err)
	}
	if err := k.patiently(ctx, func() error { return agreeCount(ctx, k.bucket, k.cfg.Count) }); err != nil {
		return stopped(ctx, fmt.Errorf("agree on the number of partitions: %w", err))
	}
	stop, err := k.cfg.Cluster.Serve(aliveSubject(k.cfg.Prefix, k.cfg.Run), func(in *jet.Incoming) {
		if err := in.Reply(nil); err != nil {
			k.cfg.Logger.Warn("a question whether this node lives can't be answered", keyError, err)
		}
	})
	if err != nil {
		return err
	}
	defer stop()

	// What follows goes on until everything is handed over.
	var tasks sync.WaitGroup
	defer tasks.Wait()
	work, fail := context.WithCancelCause(context.WithoutCancel(ctx))
	defer fail(nil)
	loaded := make(chan struct{})
	tasks.Go(func() {
		err := k.bucket.Watch(work, ">", k.table.hear, func() {
			k.table.complete()
			close(loaded)
		})
		fail(fmt.Errorf("watch the leases: %w", err))
	})
	select {
	case <-loaded:
	case <-ctx.Done():
		return nil
	case <-work.Done():
		return context.Cause(work)
	}
	if err := k.patiently(ctx, func() error { return k.name.take(ctx) }); err != nil {
		return stopped(ctx, err)
	}

	var beating sync.WaitGroup
	beatCtx, stopBeats := context.WithCancel(work)
	defer stopBeats()
	beating.Go(func() {
		if err := k.beats(beatCtx); err != nil {
			fail(err)
		}
	})
	k.hold(ctx, work)
	k.handOver()
	stopBeats()
	beating.Wait()
	err = context.Cause(work)
	if !errors.Is(err, ErrNameTaken) {
		farewell, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewellTimeout)
		// Without it the others find out when the lease runs out.
		_ = k.name.beat(farewell, beat{Stopped: true})
		cancel()
	}
	return err
}

// stopped is nil when the node was asked to stop, else err.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// patiently calls f until the bucket answers: servers that start have to find
// each other first.
func (k *Keeper) patiently(ctx context.Context, f func() error) error {
	for told := false; ; {
		err := f()
		if !errors.Is(err, jet.ErrUnavailable) && !errors.Is(err, jet.ErrNoResponders) {
			return err
		}
		if !told {
			told = true
			k.cfg.Logger.Warn("the leases can't be reached, trying again until they can", keyError, err)
		}
		if err := pause(ctx, k.period()); err != nil {
			return err
		}
	}
}

// hold claims and gives up partitions until ctx or work ends. Stopping a partition
// and giving signs of life go on beside it.
func (k *Keeper) hold(ctx, work context.Context) {
	tick := time.NewTicker(k.period())
	defer tick.Stop()
	for {
		err := k.round(ctx, work)
		if stuck := err != nil; stuck != k.stuck && ctx.Err() == nil {
			if k.stuck = stuck; stuck {
				k.cfg.Logger.Warn("leases can't be changed just now", keyError, err)
			} else {
				k.cfg.Logger.Info("leases can be changed again")
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-work.Done():
			return
		case <-k.table.poke:
		case <-tick.C:
		}
	}
}

// round brings what runs here in line with the leases, and the leases in line
// with what is our share: what is claimed now is served from the next round on,
// which follows at once. Its error is the bucket's: what is left is done in the
// next round. ctx bounds the round, what it starts lives as long as work.
func (k *Keeper) round(ctx, work context.Context) error {
	for _, r := range k.runs.list() {
		if !k.table.mine(r.partition) && r.stop(false) {
			k.cfg.Logger.Warn("another node took the partition over", keyPartition, r.partition)
		}
	}
	claim, giveUp := k.table.plan()
	for _, p := range giveUp {
		// One at a time: while it stops the plan may come to name another.
		if r := k.runs.get(p); r != nil && !k.runs.givesUp() && r.stop(true) {
			k.cfg.Logger.Info("a partition goes to another node", keyPartition, p)
		}
	}
	var failed error
	for p := range k.Count() {
		if err := k.align(ctx, work, p); err != nil {
			failed = err
		}
	}
	if failed != nil {
		return failed
	}
	for _, p := range claim {
		if err := k.claim(ctx, p); err != nil {
			return err
		}
	}
	if name, rev, ok := k.table.forgettable(); ok {
		if _, err := k.bucket.Delete(ctx, nodeKey(name), rev); err != nil && !lostRace(err) {
			return err
		}
	}
	return nil
}

// align sees to it that a partition of ours is served, that its lease says so
// when it is, and that it is released when it can't be.
func (k *Keeper) align(ctx, work context.Context, p uint32) error {
	l, rev := k.table.lease(p)
	if l.Released || l.Run != k.cfg.Run {
		k.runs.forgive(p)
		return nil
	}
	r, damage := k.runs.find(p)
	switch {
	case r == nil && damage != "":
		return k.releaseDamaged(ctx, p, l, rev, damage)
	case r == nil:
		k.runs.start(work, k, p)
	case r.news.Swap(false):
		err := k.write(ctx, p, lease{Node: k.cfg.Node, Run: k.cfg.Run, Served: l.Served + 1}, rev)
		if err != nil {
			r.news.Store(true)
		}
		return err
	}
	return nil
}

// claim takes the lease of a free partition, if no other is faster.
func (k *Keeper) claim(ctx context.Context, p uint32) error {
	old, rev := k.table.lease(p)
	return k.write(ctx, p, lease{Node: k.cfg.Node, Run: k.cfg.Run, Damaged: old.Damaged, Tried: old.Tried}, rev)
}

// release gives a lease back, if it is still ours.
func (k *Keeper) release(ctx context.Context, p uint32) error {
	l, rev := k.table.lease(p)
	if l.Run != k.cfg.Run || l.Released {
		return nil
	}
	l.Released = true
	return k.write(ctx, p, l, rev)
}

// releaseDamaged gives back the lease of a partition that we could not load.
func (k *Keeper) releaseDamaged(ctx context.Context, p uint32, l lease, rev uint64, reason string) error {
	k.table.mu.Lock()
	tried := k.table.present(l.Tried)
	k.table.mu.Unlock()
	return k.write(ctx, p, lease{
		Node: k.cfg.Node, Run: k.cfg.Run, Released: true,
		Damaged: reason, Tried: append(tried, k.cfg.Run),
	}, rev)
}

// write replaces a lease of the given revision. When another was faster, that is no
// error: what stands there now is read at once. The watch will tell, too, but may be
// behind, and whoever goes on by what it told takes the partition from its owner,
// again and again.
func (k *Keeper) write(ctx context.Context, p uint32, l lease, rev uint64) error {
	ctx, cancel := context.WithTimeout(ctx, k.cfg.TTL)
	defer cancel()
	var err error
	value := encode(l)
	if rev == 0 {
		rev, err = k.bucket.Create(ctx, leaseKey(p), value)
	} else {
		rev, err = k.bucket.Update(ctx, leaseKey(p), value, rev)
	}
	if lostRace(err) {
		var now jet.KVEntry
		if now, err = k.bucket.Get(ctx, leaseKey(p)); err == nil {
			k.table.see(now)
			return nil
		}
		if errors.Is(err, jet.ErrNotFound) {
			return nil // removed, which the watch will tell
		}
	}
	if err != nil {
		return fmt.Errorf("lease of partition %d: %w", p, err)
	}
	k.table.see(jet.KVEntry{Key: leaseKey(p), Value: value, Revision: rev})
	return nil
}

// handOver stops all partitions, each of which releases its lease then. Signs of
// life go on meanwhile.
func (k *Keeper) handOver() {
	k.leaving.Store(true)
	select {
	case k.beatNow <- struct{}{}:
	default:
	}
	list := k.runs.list()
	for _, r := range list {
		r.stop(true)
	}
	for _, r := range list {
		<-r.done
	}
}
