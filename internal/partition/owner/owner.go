package owner

import (
	"context"

	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/partition/state"
)

// Owner of one partition.
type Owner struct {
	cfg Config
	j   *journal.Journal
	log *slog.Logger

	// admitted counts requests that wait for the log, and their bytes.
	admitted, admittedBytes atomic.Int64
	// provenAt is the start (Elapsed) of the newest barrier that succeeded: at
	// that moment this node was the owner.
	provenAt atomic.Int64
	waiting  atomic.Int64 // long polls
	// served are the kinds of cfg.Kinds.
	served [1 << 8]bool

	started struct { // what the time is counted from
		at      state.Time
		elapsed time.Duration
	}

	mu sync.Mutex // guards what follows; the journal's locks are taken inside it
	st *state.State
	// closed: an append failed, or the owner was stopped. It changes and answers
	// nothing any more.
	closed             bool
	waiters            map[*state.Queue]*waiterList
	kinds              map[state.Kind]*waiterList // those who wait for any queue of a kind
	gathers            map[*state.Queue]*gathering
	attempts           map[attemptKey]*attemptUse // of requests under way
	placings           []state.Placing            // of the post being written, for the next one to use again
	dropped            []*state.Queue             // by the open record
	behind             bool                       // a queue has more to do at this very time than one change carries out
	clockAt            state.Time                 // what the clock sleeps until
	held, heldMessages int64                      // of Memory
	orphans            map[state.Ref]*orphan

	down        chan struct{} // closed with the owner
	wakeClock   chan struct{} // the earliest due time changed
	wakeForward chan struct{} // an outbox has something to hand over
	wakeMove    chan struct{} // a move task was started or cancelled
	wakeRelease chan struct{} // something was purged or dropped
	wakeOrphans chan struct{} // a queue without a definition was found
}

// New makes the owner of a partition. It does nothing until Load.
func New(cfg Config) (*Owner, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	o := &Owner{
		cfg: cfg, j: cfg.Journal, log: cfg.Logger,
		waiters:     make(map[*state.Queue]*waiterList),
		kinds:       make(map[state.Kind]*waiterList),
		gathers:     make(map[*state.Queue]*gathering),
		attempts:    make(map[attemptKey]*attemptUse),
		orphans:     make(map[state.Ref]*orphan),
		down:        make(chan struct{}),
		wakeClock:   make(chan struct{}, 1),
		wakeForward: make(chan struct{}, 1),
		wakeMove:    make(chan struct{}, 1),
		wakeRelease: make(chan struct{}, 1),
		wakeOrphans: make(chan struct{}, 1),
	}
	for k := range cfg.Kinds {
		o.served[k] = true
	}
	o.started.at, o.started.elapsed = state.Time(cfg.Wall().UnixMilli()), cfg.Elapsed()
	o.st = state.New(state.Config{
		Partition: cfg.Partition, Log: o.j, Terms: o.terms, Definition: o.newest, Now: o.started.at,
	})
	return o, nil
}

// Load claims the journal and replays it. The errors are those of
// journal.Journal.Claim; a record that cannot be read is corrupt.
func (o *Owner) Load(ctx context.Context, progress func(journal.Progress)) error {
	err := o.j.Claim(ctx, func(at journal.Pos, rec []byte) error {
		if err := o.st.Replay(state.Pos(at), rec); err != nil {
			return &journal.CorruptError{Seq: at.Append, Reason: err.Error()}
		}
		return nil
	}, progress)
	if err != nil {
		return err
	}
	// What the log says is the past, also if this machine's clock is behind.
	if last, now := o.st.Now(), o.now(); last > now {
		o.log.Warn("this machine's clock is behind the last time in the log, which goes on from there", "by_ms", int64(last-now))
		o.started.at += last - now
	}
	return nil
}

// task is one piece of the work in the background.
type task struct {
	name string
	work func(context.Context) error
}

func (o *Owner) background() []task {
	return []task{
		{"clock", o.clock},
		{"proofs", o.prove},
		{"rewriting", o.rewrite},
		{"forwarding", o.forward},
		{"moves", o.move},
		{"releasing", o.release},
		{"orphans", o.settleOrphans},
	}
}

// Run works until ctx ends or the journal fails; then what was taken in is made
// durable and answered, nothing new is taken in. open is called when the owner is
// up to date with the registry and answers, shut when it no longer does. It
// returns why the journal failed, nil after a clean stop.
func (o *Owner) Run(ctx context.Context, open, shut func()) error {
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
	o.SpaceChanged()
	o.reconcile(work)
	for _, t := range o.background() {
		wg.Go(func() {
			if err := t.work(work); err != nil {
				o.log.Error("work in the background ended", "work", t.name, "error", err)
				stopWork()
			}
		})
	}
	if work.Err() == nil {
		open()
	}
	select {
	case <-work.Done():
	case <-o.j.Failed():
	case <-o.down:
	}
	shut()
	o.Stop()
	stopWork()
	wg.Wait()
	stopJournal()
	journalDone.Wait()
	return failure
}

// Stop ends the taking in of requests, and those that wait for messages.
func (o *Owner) Stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.close()
}

// close stops the owner from changing or answering anything. Call with mu held.
func (o *Owner) close() {
	if o.closed {
		return
	}
	o.closed = true
	close(o.down)
	for _, l := range o.waiters {
		o.dismiss(l, ErrNotOwner)
	}
	for _, l := range o.kinds {
		o.dismiss(l, ErrNotOwner)
	}
	o.cfg.Memory.add(-o.held, -o.heldMessages)
	o.held, o.heldMessages = 0, 0
}

// tick lets the time be now. Call with mu held.
func (o *Owner) tick() state.Time { return o.st.Tick(o.now()) }

// now is the time: what it was at the start, and what has passed since.
func (o *Owner) now() state.Time {
	return o.started.at + state.Time((o.cfg.Elapsed()-o.started.elapsed)/time.Millisecond)
}

// seconds as the state counts time.
func seconds(n int32) state.Time { return state.Time(n) * 1000 }

func wake(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// rest waits; false if ctx ended first.
func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
