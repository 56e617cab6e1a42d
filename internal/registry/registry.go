package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/logkey"
)

// Registry answers from memory and changes definitions in the log. Safe for
// concurrent use.
type Registry struct {
	cfg Config
	log *slog.Logger
	run string // this Registry's, in the IDs of its entries

	kinds   map[byte]handle // fixed once Run was called
	queues  *Table[Queue]
	secrets *Table[secret]

	topics        *Table[Topic]
	subscriptions *Table[Subscription]
	signingKeys   *Table[SigningKey]

	buses *Table[Bus]
	rules *Table[Rule]

	connections     *Table[Connection]
	apiDestinations *Table[APIDestination]

	archives *Table[Archive]
	replays  *Table[Replay]

	endpointHealth *Table[EndpointHealth]
	scheduleGroups *Table[ScheduleGroup]

	ready   chan struct{} // closed when the first full state is in memory
	stopped chan struct{} // closed when Run returns

	wakeWriter, wakeReader, wakeMark chan struct{}

	// Only the writer uses these.
	walk       *walk
	entries    uint64
	minGarbage uint64

	// applying has room for one: who brings entries into memory and tells of them.
	// Taken before mu. A channel, since the log may be read meanwhile.
	applying chan struct{}

	placeMu sync.Mutex // held while a new definition is placed; taken before mu

	pendingMu sync.Mutex
	pending   []*change // wait for the writer; guarded by pendingMu

	roundMu sync.Mutex
	round   *round // that begins next, nil if nobody waits; guarded by roundMu

	mu       sync.RWMutex // guards what follows; state is changed only by who is in applying too
	state    *state
	revision uint64        // that memory shows and listeners know
	advanced chan struct{} // closed and replaced when revision rises; nil while nobody waits
	place    func(*Queue) uint32
	running  bool
}

// New makes a Registry. It does nothing until Run.
func New(cfg Config) (*Registry, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &Registry{
		cfg: cfg, log: cfg.Logger, run: fmt.Sprintf("registry.%x", randomID()),
		kinds: make(map[byte]handle),
		ready: make(chan struct{}), stopped: make(chan struct{}),
		wakeWriter: make(chan struct{}, 1), wakeReader: make(chan struct{}, 1), wakeMark: make(chan struct{}, 1),
		applying: make(chan struct{}, 1), minGarbage: minGarbage,
		place: cfg.Place,
	}
	r.state = newState(r.kinds)
	r.queues = Add(r, queues(cfg.MaxQueues, r.placeQueue))
	r.secrets = Add(r, secrets)
	r.topics = Add(r, topics(cfg.MaxTopics))
	r.subscriptions = Add(r, subscriptions(cfg.MaxSubscriptions))
	r.signingKeys = Add(r, signingKeys)
	r.buses = Add(r, buses(cfg.MaxBuses))
	r.rules = Add(r, rules(cfg.MaxRules))
	r.connections = Add(r, connections(cfg.MaxConnections))
	r.apiDestinations = Add(r, apiDestinations(cfg.MaxAPIDestinations))
	r.archives = Add(r, archives)
	r.replays = Add(r, replays)
	r.endpointHealth = Add(r, endpointHealth)
	r.scheduleGroups = Add(r, scheduleGroups(cfg.MaxScheduleGroups))
	return r, nil
}

// SetPlacer replaces Config.Place.
func (r *Registry) SetPlacer(place func(*Queue) uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.place = place
}

// placeQueue chooses the partition of a new queue.
func (r *Registry) placeQueue(q *Queue) {
	r.mu.RLock()
	place := r.place
	r.mu.RUnlock()
	q.Partition = 0
	if place != nil {
		q.Partition = place(q)
	}
}

// Ready is closed when the first full state is in memory.
func (r *Registry) Ready() <-chan struct{} { return r.ready }

// Run keeps memory and log in line until ctx is cancelled, then returns nil. It
// returns an error when definitions were lost or cannot be read: *DamageError,
// *BehindError, *VersionError. To go on without them would lose queues. It can be
// called once.
func (r *Registry) Run(ctx context.Context) error {
	r.mu.Lock()
	if r.running {
		r.mu.Unlock()
		return errors.New("registry: Run called twice")
	}
	r.running = true
	r.mu.Unlock()
	defer close(r.stopped)

	if err := r.begin(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	close(r.ready)
	working, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var tasks sync.WaitGroup
	for _, f := range []func(context.Context) error{r.write, r.read, r.keepMark, r.watchMark} {
		tasks.Go(func() {
			if err := f(working); err != nil {
				cancel(err)
			}
		})
	}
	tasks.Wait()
	if ctx.Err() == nil {
		return context.Cause(working)
	}
	last, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer stop()
	if err := r.writeMark(last); err != nil {
		r.log.Warn("how far the definitions reach cannot be noted", logkey.Error, err)
	}
	return nil
}

// begin loads the definitions; while the log does not answer, again and again.
func (r *Registry) begin(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		err := r.load(ctx)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if !errors.Is(err, ErrUnavailable) {
			return err
		}
		r.log.Warn("the definitions cannot be read yet", logkey.Error, err)
		timer := time.NewTimer(min(10*time.Millisecond<<min(attempt, 10), 2*time.Second))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// waitReady waits for the first full state, so that limits and placement judge by
// all definitions.
func (r *Registry) waitReady(ctx context.Context) error {
	select {
	case <-r.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-r.stopped:
		return errStopped
	}
}

// secretOwner is the account and the region of secrets.
const secretOwner = "waystation"

// Secret returns n random bytes that are made once and are the same on all nodes
// and after every restart. name has letters, digits, - and _.
func (r *Registry) Secret(ctx context.Context, name string, n int) ([]byte, error) {
	if !token(name, maxName, "") || n <= 0 || n > 1024 {
		return nil, fmt.Errorf("registry: secret: %w", ErrInvalid)
	}
	value := make([]byte, n)
	if _, err := io.ReadFull(r.cfg.Random, value); err != nil {
		return nil, fmt.Errorf("registry: secret %s: %w", name, err)
	}
	s, _, err := r.secrets.Create(ctx, &secret{
		Meta: Meta{Account: secretOwner, Region: secretOwner, Name: name}, Value: value,
	}, func(*secret) bool { return true })
	if err != nil {
		return nil, err
	}
	if len(s.Value) != n {
		return nil, fmt.Errorf("registry: secret %s has %d bytes, needed are %d", name, len(s.Value), n)
	}
	return slices.Clone(s.Value), nil
}

// Open opens what the registry keeps in a cluster, under names that begin with
// prefix, and makes a Registry of it. It sets cfg.Log and cfg.Marks.
func Open(ctx context.Context, cluster jet.Cluster, prefix string, cfg Config) (*Registry, error) {
	var err error
	if cfg.Log, cfg.Marks, err = stores(ctx, cluster, prefix); err != nil {
		return nil, err
	}
	return New(cfg)
}

// LogSpec is the log of the definitions under a prefix.
func LogSpec(prefix string) jet.StreamSpec {
	return jet.StreamSpec{Name: prefix + "_registry", Subject: prefix + ".registry", Description: "Waystation definitions"}
}

// stores opens the log of the definitions and the bucket with its mark.
func stores(ctx context.Context, cluster jet.Cluster, prefix string) (jet.Log, jet.Bucket, error) {
	log, err := cluster.Log(ctx, LogSpec(prefix))
	if cut := (*jet.DamagedError)(nil); errors.As(err, &cut) {
		err = &DamageError{cut.Last + 1, fmt.Sprintf("it and all behind it, up to entry %d, cannot be read", cut.Reached)}
	}
	if err != nil {
		return nil, nil, err
	}
	marks, err := cluster.Bucket(ctx, jet.KVSpec{Bucket: prefix + "_marks", Description: "Waystation: how far logs reach"})
	return log, marks, err
}
