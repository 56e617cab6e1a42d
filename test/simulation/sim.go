package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/waystation/waystation/internal/jet/jetsim"
	"github.com/waystation/waystation/internal/registry"
)

// sim is one run of the simulation. It lives in a bubble of testing/synctest.
type sim struct {
	plan  *plan
	world *jetsim.World
	nodes []*node
	book  *book
	logs  *recorder // nil: logs are dropped
	began time.Time

	runs  sync.WaitGroup // runs of nodes
	calls sync.WaitGroup // requests under way

	mu       sync.Mutex // guards what follows
	parts    uint32
	finished bool
	wounds   map[int]func() // what ends the faults under way
	wound    int
	story    []string // what happened, for a run that failed
	linear   []porcupine.Operation
	postBook postBook
	stuck    bool // the cluster did not come back, so that nothing can be said of what it holds
}

// maxStory bounds what is remembered of a run.
const maxStory = 5000

// trace notes what happened.
func (s *sim) trace(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.story) < maxStory {
		s.story = append(s.story, fmt.Sprintf("%10v ", time.Since(s.began).Round(time.Millisecond))+fmt.Sprintf(format, args...))
	}
}

func (s *sim) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.finished
}

func (s *sim) count() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parts
}

// addPartition has nodes that start from now on know of one more, four at most.
func (s *sim) addPartition() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parts >= 4 {
		return false
	}
	s.parts++
	return true
}

// heal ends a fault after some time, or when all are ended.
func (s *sim) heal(after time.Duration, end func()) {
	s.mu.Lock()
	s.wound++
	id := s.wound
	s.wounds[id] = end
	s.mu.Unlock()
	time.AfterFunc(after, func() {
		s.mu.Lock()
		end := s.wounds[id]
		delete(s.wounds, id)
		s.mu.Unlock()
		if end != nil {
			end()
		}
	})
}

// healAll ends all faults.
func (s *sim) healAll() {
	s.mu.Lock()
	list := s.wounds
	s.wounds = make(map[int]func())
	s.mu.Unlock()
	for _, end := range list {
		end()
	}
	for _, n := range s.nodes {
		if slices.Contains(s.plan.faults, damage) {
			n.kill() // what was damaged is looked at again by a process that starts
		}
		n.start() // does nothing when it runs
	}
	s.trace("all faults are ended")
}

// ended notes that a node ended by itself, which damage and a full disk alone may
// bring about.
func (s *sim) ended(name string, err error) {
	if !slices.Contains(s.plan.faults, damage) && s.plan.disk == 0 {
		s.book.fault("node %s ended by itself: %v", name, err)
	}
}

// result is what a run brought.
type result struct {
	plan   *plan
	faults []string
	story  []string
	linear []porcupine.Operation
	stats  stats
}

// simulate does one run. It must be called in a bubble.
func simulate(p *plan, logs *recorder) *result {
	s := &sim{
		plan: p, logs: logs, began: time.Now(), parts: p.partitions, wounds: make(map[int]func()),
		world: jetsim.New(jetsim.Options{Seed: p.seed, MaxPayload: p.maxPayload, Disk: p.disk, MarkerLife: 2 * time.Minute}),
	}
	if logs != nil {
		logs.s = s
	}
	s.book, s.postBook.posts = newBook(s), make(map[string]*post)
	for i := range p.nodes {
		n := &node{s: s, name: string(rune('a' + i)), rng: rand.New(rand.NewPCG(p.seed, uint64(10+i)))}
		s.nodes = append(s.nodes, n)
		n.start()
	}
	if s.makeQueues() {
		var load sync.WaitGroup
		ctx, cancel := context.WithCancel(context.Background())
		for i := range p.clients {
			load.Go(func() { s.client(ctx, i) })
		}
		for i := range players {
			load.Go(func() { s.play(ctx, i) })
		}
		for i := range p.posters {
			load.Go(func() { s.poster(ctx, i) })
		}
		s.faults()
		s.healAll()
		cancel()
		load.Wait()
		s.drain()
	}
	s.mu.Lock()
	s.finished = true
	s.mu.Unlock()
	for _, n := range s.nodes {
		n.stop()
	}
	s.calls.Wait()
	s.runs.Wait()
	for _, n := range s.nodes {
		n.kill()
	}
	s.book.stats.Posts, s.book.stats.Taken = len(s.postBook.posts), s.postBook.taken
	return &result{plan: p, faults: s.book.finish(s.stuck), story: s.story, linear: s.linear, stats: s.book.stats}
}

const account, region = "000000000000", "sim"

func queueARN(name string) string {
	return (&registry.Queue{Meta: registry.Meta{Account: account, Region: region, Name: name}}).ARN()
}

// makeQueues makes the queues of the plan before anything goes wrong.
func (s *sim) makeQueues() bool {
	for _, q := range append(s.plan.queues, linearQueue) {
		deadline := time.Now().Add(time.Minute)
		for {
			if s.create(s.nodes[0], q) == nil {
				break
			}
			if time.Now().After(deadline) {
				s.book.fault("queue %s can't be created on a healthy cluster", q.name)
				return false
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	return true
}

// create makes a queue through a node and opens its page in the book.
func (s *sim) create(n *node, q queuePlan) error {
	def := registry.Queue{
		Meta: registry.Meta{Account: account, Region: region, Name: q.name}, FIFO: q.fifo,
		VisibilitySeconds: int(q.visibility / time.Second), RetentionSeconds: int(q.retention / time.Second),
		DelaySeconds: int(q.delay / time.Second), MaxMessageSize: 1 << 20,
	}
	if q.deadLetter != "" {
		def.Redrive = &registry.Redrive{TargetARN: queueARN(q.deadLetter), MaxReceives: q.maxReceive}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	made, err := ask(ctx, n, func(ctx context.Context, r *run) (*registry.Queue, error) {
		q, _, err := r.reg.CreateQueue(ctx, def, func(*registry.Queue) bool { return true })
		return q, err
	})
	if err == nil {
		s.book.created(q, made)
	}
	return err
}
