package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/waystation/waystation/internal/jet/jetsim"
	"github.com/waystation/waystation/internal/journal"
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

	mu        sync.Mutex // guards what follows
	parts     uint32
	finished  bool
	wounds    map[int]func() // what ends the faults under way
	wound     int
	story     []string // what happened, for a run that failed
	linear    []porcupine.Operation
	postBook  postBook
	countBook countBook
	copies    *copyBook         // of what topics and buses bring into queues
	ruined    map[uint32]uint64 // partitions that were damaged for good, and the entry
	cutAgain  time.Time         // when logs may be cut short again
	founded   []queuePlan       // queues that were made later
	cuts      int               // removals from logs that were cut short
	spared    *node             // all others die at the next append that comes late; nil: none does
	stuck     bool              // the cluster did not come back, so that nothing can be said of what it holds
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

// queues are those of the plan and those that were made later.
func (s *sim) queues() []queuePlan {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(slices.Clip(s.plan.queues), s.founded...)
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
		if s.damages() {
			n.kill() // what was damaged is looked at again by a process that starts
		}
		n.start() // does nothing when it runs
	}
	s.trace("all faults are ended")
}

// doom has all nodes but one die while they fence, at the next append of a former owner
// that arrives then.
func (s *sim) doom(but *node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spared = but
}

// appendMixed checks an append that comes in near those of another writer. It carries out
// what doom says.
func (s *sim) appendMixed(log, id string, before []string) {
	if !strings.HasPrefix(log, "ws_journal_") {
		return // that has many writers
	}
	if why := fenced(id, before); why != "" {
		s.book.fault("append %s was stored in %s: %s", id, log, why)
	}
	if writerOf(before[0]) == writerOf(id) || isFence(id) {
		return
	}
	s.mu.Lock()
	but := s.spared
	s.spared = nil
	s.mu.Unlock()
	for _, n := range s.nodes {
		if but != nil && n != but {
			s.trace("node %s dies while it fences", n.name)
			n.kill()
			s.heal(time.Second, n.start)
		}
	}
}

// fenced says why an append must not stand behind the entries before it, the last one
// first, of which another writer's may have fenced it; "" if it may. A former owner
// expects at most MaxInFlightLimit sequences from the last one that it knows to be
// stored, and the next one's first fence has taken one of them.
func fenced(id string, before []string) string {
	fence := -1 // the first one of another writer since its own
	for i, b := range before {
		own := writerOf(b) == writerOf(id)
		if own && isFence(b) {
			break
		}
		if !own && isFence(b) {
			fence = i
		}
	}
	if isFence(id) || fence < journal.MaxInFlightLimit-1 {
		return ""
	}
	return fmt.Sprintf("%d entries behind %s, which had fenced it", fence+1, before[fence])
}

func writerOf(id string) string { return id[:strings.LastIndexByte(id, '/')+1] }

// isFence reports whether an entry of a journal is a fence, by its id.
func isFence(id string) bool {
	number, err := strconv.Atoi(id[strings.LastIndexByte(id, '/')+1:])
	return err == nil && number < journal.MaxInFlightLimit
}

// removalCut has the plan's share of those nodes die whose removal from a log was cut
// short.
func (s *sim) removalCut(name string) {
	for i, n := range s.nodes {
		if n.name != name || s.plan.cutDies == 0 {
			continue
		}
		s.mu.Lock()
		s.cuts++
		dies := s.cuts%s.plan.cutDies == 0
		s.mu.Unlock()
		if dies {
			s.trace("node %s dies while it trims", name)
			s.nodes[i].kill()
			s.heal(time.Second, n.start)
		}
	}
}

// ended notes that a node ended by itself, which damage and a full disk alone may
// bring about.
func (s *sim) ended(name string, err error) {
	damaged := slices.ContainsFunc(s.plan.faults, func(k faultKind) bool { return k == damage || k == cutLog || k == flipDefinition })
	if !damaged && s.plan.disk == 0 {
		s.book.fault("node %s ended by itself: %v", name, err)
	}
}

// damages reports whether logs are damaged.
func (s *sim) damages() bool {
	return slices.ContainsFunc(s.plan.faults, func(k faultKind) bool { return k == damage || k == ruin || k == cutLog || k == flipDefinition })
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
		plan: p, logs: logs, began: time.Now(), parts: p.partitions, wounds: make(map[int]func()), ruined: make(map[uint32]uint64),
	}
	s.world = jetsim.New(jetsim.Options{Seed: p.seed, MaxPayload: p.maxPayload, Disk: p.disk, MarkerLife: 2 * time.Minute, CutShort: p.cutShort, Cut: s.removalCut, Mixed: s.appendMixed})
	if logs != nil {
		logs.s = s
	}
	s.book, s.postBook.posts, s.copies = newBook(s), make(map[string]*post), newCopyBook(s)
	for i := range p.nodes {
		n := &node{s: s, name: string(rune('a' + i)), rng: rand.New(rand.NewPCG(p.seed, uint64(10+i)))}
		n.clock.began, n.clock.drift = s.began, p.drift*(2*n.rng.Float64()-1)
		s.nodes = append(s.nodes, n)
		n.start()
	}
	unobserved := func() {}
	if p.announces() {
		var err error
		if unobserved, err = s.observe(); err != nil {
			s.book.fault("the definitions can't be observed: %v", err)
		}
	}
	if s.makeQueues() && (!p.announces() || s.makeAnnounced()) {
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
		if p.counters {
			for i := range countPlayers {
				load.Go(func() { s.counts(ctx, i) })
			}
		}
		if p.announces() {
			for i := range p.announcers {
				load.Go(func() { s.announce(ctx, i) })
			}
			for i := range listeners {
				load.Go(func() { s.listen(ctx, i) })
			}
		}
		if p.founds > 0 {
			load.Go(func() { s.found(ctx) })
		}
		if slices.Contains(p.faults, slowHandOver) {
			load.Go(func() { s.watchBeats(ctx) })
		}
		if p.messages > 0 {
			load.Go(func() { s.watchMemory(ctx) })
		}
		s.faults()
		s.healAll()
		cancel()
		load.Wait()
		if p.stands {
			s.standStill()
		}
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
	if p.announces() && !s.stuck {
		s.copies.finish()
	}
	unobserved()
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
