package lease

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Pauses between two attempts at serving a partition. After a run of steadyAfter
// they are short again.
const (
	leastPause  = 50 * time.Millisecond
	mostPause   = 2 * time.Second
	steadyAfter = 10 * time.Second
)

// runs are the partitions that are served here, being loaded, or being stopped.
type runs struct {
	mu      sync.Mutex // guards what follows
	active  map[uint32]*run
	damaged map[uint32]string // why we could not load a partition, until its lease is no longer ours
}

// run is one partition being served, until it has stopped.
type run struct {
	k         *Keeper
	partition uint32
	cancel    context.CancelFunc
	done      chan struct{}
	news      atomic.Bool // it became ready, and the lease does not say so yet

	mu      sync.Mutex // guards what follows
	stops   bool
	release bool          // give the lease back once it has stopped
	reach   func() uint64 // how far the log is durable; nil before it was ready
}

func (s *runs) get(p uint32) *run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.active[p]
}

// find is get, or else why the partition can't be loaded, if that is so.
func (s *runs) find(p uint32) (r *run, damage string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.active[p], s.damaged[p]
}

// forgive has the partition be tried again if its lease should become ours anew.
func (s *runs) forgive(p uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.damaged, p)
}

func (s *runs) list() []*run {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*run, 0, len(s.active))
	for _, r := range s.active {
		out = append(out, r)
	}
	return out
}

// givesUp reports whether a partition is being stopped for another node to have it.
func (s *runs) givesUp() bool {
	for _, r := range s.list() {
		r.mu.Lock()
		release := r.release
		r.mu.Unlock()
		if release {
			return true
		}
	}
	return false
}

// start serves a partition that is not served yet, from a goroutine of its own.
func (s *runs) start(ctx context.Context, k *Keeper, p uint32) {
	ctx, cancel := context.WithCancel(ctx)
	r := &run{k: k, partition: p, cancel: cancel, done: make(chan struct{})}
	s.mu.Lock()
	s.active[p] = r
	s.mu.Unlock()
	go func() {
		defer close(r.done)
		defer cancel()
		damage := r.serve(ctx)
		if durable := r.durable(); durable != nil {
			k.table.marks(map[uint32]uint64{p: durable()})
		}
		r.giveBack(ctx)
		s.mu.Lock()
		delete(s.active, p)
		if damage != "" {
			s.damaged[p] = damage
		}
		s.mu.Unlock()
		k.table.wake(p)
	}()
}

// stop has the partition stop, and then release its lease if that is wanted. It
// does not wait, and reports whether it was the first to say so.
func (r *run) stop(release bool) (first bool) {
	r.mu.Lock()
	first = !r.stops
	r.stops, r.release = true, r.release || release
	r.mu.Unlock()
	r.cancel()
	return first
}

// durable tells how far the partition's log reaches; nil before it was ready.
func (r *run) durable() func() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reach
}

// conclude asks for the last time how far the log reaches: what is asked may hold
// all the memory of a partition that is about to be loaded again.
func (r *run) conclude() {
	r.mu.Lock()
	durable := r.reach
	r.mu.Unlock()
	if durable == nil {
		return
	}
	seq := durable()
	r.mu.Lock()
	r.reach = func() uint64 { return seq }
	r.mu.Unlock()
}

// serve has the partition served, again after each failure, for as long as the
// lease is ours. It returns why the partition can't be loaded, if that is so.
func (r *run) serve(ctx context.Context) (damage string) {
	k, p := r.k, r.partition
	ready := func(durable func() uint64) {
		r.mu.Lock()
		r.reach = durable
		r.mu.Unlock()
		r.news.Store(true)
		k.table.wake(p)
	}
	rest := leastPause
	for k.table.mine(p) {
		began := k.cfg.Elapsed()
		err := k.cfg.Serve(ctx, p, ready)
		r.conclude()
		switch {
		case ctx.Err() != nil:
			return ""
		case errors.Is(err, ErrDamaged):
			k.cfg.Logger.Error("a partition cannot be loaded and stops, others go on", keyPartition, p, keyError, err)
			return err.Error()
		}
		k.cfg.Logger.Warn("the partition is loaded again", keyPartition, p, keyError, err)
		if k.cfg.Elapsed()-began > steadyAfter {
			rest = leastPause
		}
		if pause(ctx, rest) != nil {
			return ""
		}
		rest = min(2*rest, mostPause)
	}
	return ""
}

// giveBack releases the lease of a partition that was stopped for others to have it.
func (r *run) giveBack(ctx context.Context) {
	r.mu.Lock()
	release := r.release
	r.mu.Unlock()
	if !release {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if err := r.k.release(ctx, r.partition); err != nil {
		r.k.cfg.Logger.Warn("a lease can't be released, others take over when it runs out",
			keyPartition, r.partition, keyError, err)
	}
}
