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
	name       string // of a special plan, "" for one that chance made
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

	cutShort float64       // jetsim.Options.CutShort
	cutDies  int           // at each how manieth of those the node dies, 0: at none
	scatter  bool          // queues are placed anywhere, not beside their dead-letter queues
	big      int           // bytes of the largest bodies
	bulky    bool          // all of them are large
	skew     time.Duration // how far clocks may be apart
	slack    time.Duration // by how much that may show
	steady   bool          // nothing happens that makes an owner look at a clock again
	drift    float64       // seconds a second by which clocks run apart, at most
	messages int64         // partition.Config.MaxMessages, 0: no bound
	requests int64         // partition.Config.MaxRequests, 0: its default

	queues []queuePlan
	load   map[verb]int  // weight of each
	think  time.Duration // mean time between two requests of a client
	faults []faultKind
	gap    time.Duration // mean time between two faults
	lasts  time.Duration // mean time that a fault lasts
	burst  int           // how many faults come at once, at most

	founds   time.Duration // mean time between two queues that are made later, 0: none
	repeats  time.Duration // for how long sends and receive attempts are repeated that were answered
	hoard    bool          // nobody receives from dead-letter queues until the end
	keep     bool          // nobody deletes what was received until the end
	reposts  time.Duration // for how long services post again what was answered
	counters bool          // clients count by posts on conditions
	hasty    bool          // clients leave at once and ask again by the same receive attempt
	stands   bool          // once the load is over all nodes are down until nothing is in flight

	topics, buses bool          // there are some, and a load on them
	announcers    int           // that publish, put and define
	announceEvery time.Duration // mean time between two requests of one
	policies      bool          // those of queues are asked
}

// announces reports whether anything is published or put.
func (p *plan) announces() bool { return p.topics || p.buses }

// listeners receive what was published and put.
const listeners = 3

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
	repeatVerb // a send that was answered
	verbs
)

var verbNames = [verbs]string{"send", "receive", "poll", "leave", "count", "purge", "recreate", "move", "update", "repeat"}

// maxTime is the longest visibility timeout, delay or wait that is asked for,
// which bounds how long draining takes.
const maxTime = 40 * time.Second

// maxSkew is how far clocks may be apart. It leaves of the five minutes for which
// deduplication and receive attempt ids count enough for clients to ask again.
const maxSkew = 2 * time.Minute

// maxDrift of clocks is what NTP corrects at most.
const maxDrift = 500e-6

// newPlan makes the plan of a seed.
func newPlan(seed uint64) *plan {
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
	for v, percent := range []int{100, 100, 70, 50, 50, 25, 35, 35, 35} {
		if often(percent) {
			p.load[verb(v)] = []int{10, 8, 4, 2, 1, 1, 1, 1, 1}[v]
		}
	}
	p.load[repeatVerb] = 1
	p.planQueues(often, seconds, pick)
	if often(90) { // one in ten has no faults, and the strictest books
		for k := range addPartition + 1 { // those after it are for special plans
			if often(30) {
				p.faults = append(p.faults, k)
			}
		}
	}
	p.lasts, p.burst, p.repeats = p.gap/2, 1, 20*time.Second
	p.cutShort = 0.05
	p.special(r.IntN(100), pick)
	p.share()
	if slices.Contains(p.faults, stepClock) {
		p.skew = span(time.Second, maxSkew)
	}
	if !p.steady {
		p.slack = p.skew
	}
	if r := rand.New(rand.NewPCG(seed, 3)); !p.steady && r.IntN(5) == 0 {
		p.drift = maxDrift * r.Float64()
		p.slack += time.Duration(2 * p.drift * float64(p.length+resume+empty))
	}
	// What is repeated last may still be carried out so late.
	p.repeats = min(p.repeats, 5*time.Minute-p.slack-late-10*time.Second)
	if p.disk > 0 {
		// The reserve, an eighth of the disk, holds eight of the largest requests, as
		// that of a real disk does: 32 MiB at least, and posts have 4 MiB at most.
		p.disk = max(p.disk, uint64(64*p.big*p.batch()))
	}
	if p.disk == 0 {
		p.faults = slices.DeleteFunc(p.faults, func(k faultKind) bool { return k == fillDisk })
	}
	return p
}

// batch is how many messages a client sends at once at most: as an API does, which
// bounds a batch below what the log takes at once.
func (p *plan) batch() int {
	const most = 9
	if p.big == 0 {
		return most
	}
	return min(most, max(1, p.maxPayload/2/p.big))
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
	fmt.Fprintf(&b, "seed %d: %s %d nodes, %d partitions, lease %v, %d clients every %v, faults every %v for %v, up to %d at once\n", p.seed, p.name, p.nodes, p.partitions, p.lease.Round(time.Millisecond), p.clients, p.think.Round(time.Millisecond), p.gap.Round(time.Second), p.lasts.Round(time.Second), p.burst)
	fmt.Fprintf(&b, "  max payload %d, disk %d, cache %d, floor %d, trim %d every %v, append %d, in flight %d, scatter %v, bodies up to %d, skew %v, drift %.6f, max requests %d, max messages %d, repeats for %v\n",
		p.maxPayload, p.disk, p.cache, p.floor, p.trim, p.trimEvery.Round(time.Millisecond), p.append, p.inFlight, p.scatter, p.big, p.skew.Round(time.Millisecond), p.drift, p.requests, p.messages, p.repeats)
	if p.announces() {
		fmt.Fprintf(&b, "  topics %v, buses %v, %d announcers every %v, policies %v\n", p.topics, p.buses, p.announcers, p.announceEvery.Round(time.Millisecond), p.policies)
	}
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
