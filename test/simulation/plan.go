package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// plan is what one seed decides: the cluster, the load, and what may go wrong.
// Each seed leaves most faults and some kinds of load out, so that what is left
// meets each other often.
type plan struct {
	seed       uint64
	nodes      int
	partitions uint32
	lease      time.Duration
	length     time.Duration // of load and faults
	clients    int
	posters    int // of services: the first posts, the others take

	maxPayload int    // bytes
	disk       uint64 // bytes, 0: no limit
	cache      int    // bytes of a partition
	floor      int64  // journal.Config.RewriteFloor
	trim       int64  // journal.Config.TrimBytes
	trimEvery  time.Duration
	append     int // journal.Config.MaxAppend
	inFlight   int // journal.Config.MaxInFlight

	scatter  bool          // queues are placed anywhere, not beside their dead-letter queues
	big      int           // bytes of the largest bodies
	skew     time.Duration // how far clocks may be apart
	slack    time.Duration // by how much that may show
	steady   bool          // nothing happens that makes an owner look at a clock again
	requests int64         // partition.Config.MaxRequests, 0: its default

	queues []queuePlan
	load   map[verb]int  // weight of each
	think  time.Duration // mean time between two requests of a client
	faults []faultKind
	gap    time.Duration // mean time between two faults
}

// queuePlan is a queue to be made.
type queuePlan struct {
	name       string
	fifo       bool
	visibility time.Duration
	retention  time.Duration
	delay      time.Duration
	deadLetter string
	maxReceive int
	churns     bool // is deleted and made again
}

// verb is a kind of request.
type verb int

const (
	sendVerb verb = iota
	receiveVerb
	pollVerb
	leaveVerb // a receive whose client goes away
	countVerb
	purgeVerb
	recreateVerb
	moveVerb
	updateVerb
	verbs
)

var verbNames = [verbs]string{"send", "receive", "poll", "leave", "count", "purge", "recreate", "move", "update"}

// maxTime is the longest visibility timeout, delay or wait that is asked for,
// which bounds how long draining takes.
const maxTime = 40 * time.Second

// maxSkew is how far clocks may be apart. It leaves of the five minutes for which
// deduplication and receive attempt ids count enough for clients to ask again.
const maxSkew = 2 * time.Minute

// newPlan makes the plan of a seed, without what findings say to avoid.
func newPlan(seed uint64, avoid []finding) *plan {
	r := rand.New(rand.NewPCG(seed, 1))
	pick := func(n ...int) int { return n[r.IntN(len(n))] }
	span := func(from, to time.Duration) time.Duration { return from + time.Duration(r.Int64N(int64(to-from)+1)) }
	seconds := func(from, to time.Duration) time.Duration { return span(from, to).Truncate(time.Second) }
	often := func(percent int) bool { return r.IntN(100) < percent }
	p := &plan{
		seed: seed, length: 10 * time.Minute,
		nodes: pick(1, 2, 2, 3, 3), partitions: uint32(pick(1, 2, 2, 3)),
		lease: span(2500*time.Millisecond, 12*time.Second), clients: pick(2, 3, 4),
		maxPayload: 8<<20 - 1<<10, cache: pick(1, 16<<10, 1<<20),
		floor: int64(pick(2<<10, 8<<10, 64<<10)), trim: int64(pick(1, 2<<10, 32<<10)), trimEvery: span(100*time.Millisecond, 20*time.Second),
		append: pick(1<<10, 16<<10, 256<<10), inFlight: pick(1, 2, 2, 4),
		posters: pick(0, 2, 3), scatter: often(40), big: pick(0, 0, 2<<10), load: map[verb]int{},
		think: span(2*time.Second, 8*time.Second), gap: span(8*time.Second, 60*time.Second),
	}
	if often(25) {
		p.maxPayload, p.append, p.big = 64<<10, min(p.append, 32<<10), 20<<10
	}
	if often(10) {
		p.disk = uint64(pick(256<<10, 1<<20))
	}
	if often(15) {
		p.requests = int64(pick(1, 2, 3))
	}
	for v, percent := range [verbs]int{100, 100, 70, 50, 50, 25, 35, 35, 35} {
		if often(percent) {
			p.load[verb(v)] = [verbs]int{10, 8, 4, 2, 1, 1, 1, 1, 1}[v]
		}
	}
	p.planQueues(often, seconds, pick)
	if often(90) { // one in ten has no faults, and the strictest books
		for k := range faultKind(faultKinds) {
			if often(30) {
				p.faults = append(p.faults, k)
			}
		}
	}
	switch n := r.IntN(100); {
	case n < 10:
		p.comeAndGo(pick)
	case n < 15:
		p.clocksAlone()
	case n < 20:
		p.manyOwners(pick)
	}
	if slices.Contains(p.faults, stepClock) {
		p.skew = span(time.Second, maxSkew)
	}
	if !p.steady {
		p.slack = p.skew
	}
	for _, f := range avoid {
		f.avoid(p)
	}
	if p.disk == 0 {
		p.faults = slices.DeleteFunc(p.faults, func(k faultKind) bool { return k == fillDisk })
	}
	return p
}

// Some plans are of one thing: what meets there is too rare otherwise.

// comeAndGo: queues come and go while partitions go from node to node, of which
// some do not know of it.
func (p *plan) comeAndGo(pick func(...int) int) {
	p.nodes, p.gap, p.think, p.lease = pick(2, 3), 8*time.Second, 1500*time.Millisecond, 2500*time.Millisecond
	p.faults = []faultKind{lagRegistry, loseRegistry, loseRegistry, killNode, killNode, stopNode}
	p.load[recreateVerb] = 5
	if !slices.ContainsFunc(p.queues, func(q queuePlan) bool { return q.churns }) {
		p.queues = append(p.queues, queuePlan{name: "churn", churns: true, visibility: 5 * time.Second, retention: 4 * 24 * time.Hour})
	}
}

// clocksAlone: a node's clock steps and nothing else happens, so that no step may show.
func (p *plan) clocksAlone() {
	p.nodes, p.gap, p.faults, p.steady = 1, 15*time.Second, []faultKind{stepClock}, true
}

// manyOwners: partitions have a new owner all the time, and the old one is asked too.
func (p *plan) manyOwners(pick func(...int) int) {
	p.nodes, p.gap, p.think, p.lease = pick(2, 3), 10*time.Second, time.Second, 2500*time.Millisecond
	p.faults = []faultKind{cutStore, cutStore, freezeNode, loseMessages, lostAcks}
	p.load[purgeVerb] = 4
}

func (p *plan) planQueues(often func(int) bool, span func(a, b time.Duration) time.Duration, pick func(...int) int) {
	add := func(q queuePlan) {
		q.visibility = span(time.Second, 30*time.Second)
		if q.retention == 0 {
			q.retention = 4 * 24 * time.Hour
		}
		p.queues = append(p.queues, q)
	}
	dead := func(q *queuePlan) {
		q.deadLetter, q.maxReceive = "dead-"+q.name, pick(1, 2, 3)
		add(queuePlan{name: q.deadLetter, fifo: q.fifo, churns: q.churns && often(30)})
	}
	std := queuePlan{name: "std"}
	if often(70) {
		dead(&std)
	}
	add(std)
	if often(70) {
		fifo := queuePlan{name: "a.fifo", fifo: true}
		if often(50) {
			dead(&fifo)
		}
		add(fifo)
	}
	if often(50) {
		add(queuePlan{name: "late", delay: span(time.Second, 30*time.Second)})
	}
	if often(40) {
		q := queuePlan{name: "churn", churns: true, fifo: false}
		if often(50) {
			dead(&q)
		}
		add(q)
	}
	if often(30) {
		add(queuePlan{name: "brief", retention: span(60*time.Second, 120*time.Second)})
	}
}

// String tells the plan in a few lines.
func (p *plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d nodes, %d partitions, lease %v, %d clients every %v, faults every %v\n", p.seed, p.nodes, p.partitions, p.lease.Round(time.Millisecond), p.clients, p.think.Round(time.Millisecond), p.gap.Round(time.Second))
	fmt.Fprintf(&b, "  max payload %d, disk %d, cache %d, floor %d, trim %d every %v, append %d, in flight %d, scatter %v, bodies up to %d, skew %v, max requests %d\n",
		p.maxPayload, p.disk, p.cache, p.floor, p.trim, p.trimEvery.Round(time.Millisecond), p.append, p.inFlight, p.scatter, p.big, p.skew.Round(time.Millisecond), p.requests)
	var list []string
	for v := range verbs {
		if p.load[v] > 0 {
			list = append(list, verbNames[v])
		}
	}
	fmt.Fprintf(&b, "  load: %s\n", strings.Join(list, ", "))
	list = nil
	for _, k := range p.faults {
		list = append(list, k.String())
	}
	fmt.Fprintf(&b, "  faults: %s\n", strings.Join(list, ", "))
	for _, q := range p.queues {
		fmt.Fprintf(&b, "  queue %+v\n", q)
	}
	return b.String()
}
