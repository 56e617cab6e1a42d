package simulation

import (
	"math/rand/v2"
	"slices"
	"time"
)

// specials are plans of one thing: what meets there is too rare in plans that
// chance alone makes. percent of all runs are of it.
var specials = []struct {
	name    string
	percent int
	make    func(p *plan, pick func(...int) int)
}{
	{"come and go", 8, (*plan).comeAndGo},
	{"clocks alone", 5, (*plan).clocksAlone},
	{"many owners", 5, (*plan).manyOwners},
	{"written again", 4, (*plan).writtenAgain},
	{"dead letters at rest", 2, (*plan).deadAtRest},
	{"late appends", 3, (*plan).lateAppends},
	{"large messages", 2, (*plan).largeMessages},
	{"full memory", 2, (*plan).fullMemory},
	{"same name", 2, (*plan).sameName},
	{"ruined partition", 3, (*plan).ruinedPartition},
	{"logs cut short", 2, (*plan).logsCutShort},
	{"slow hand-overs", 2, (*plan).slowHandOvers},
	{"posted again", 2, (*plan).postedAgain},
	{"full disk", 1, (*plan).fullDisk},
	{"slow loads", 1, (*plan).slowLoads},
	{"flipped definitions", 1, (*plan).flippedDefinitions},
	{"answers lost", 1, (*plan).answersLost},
	{"asked twice", 1, (*plan).askedTwice},
	{"topics", 5, (*plan).topicsAlone},
	{"buses", 4, (*plan).busesAlone},
	{"counters", 3, (*plan).countersAlone},
}

// special makes of p the special plan that a number below 100 falls on, if any.
func (p *plan) special(n int, pick func(...int) int) {
	for _, x := range specials {
		if n -= x.percent; n < 0 {
			p.name = x.name
			x.make(p, pick)
			return
		}
	}
}

// comeAndGo: queues come and go while partitions go from node to node, of which
// some do not know of it.
func (p *plan) comeAndGo(pick func(...int) int) {
	p.nodes, p.think, p.lease = pick(2, 3), 1500*time.Millisecond, 2500*time.Millisecond
	p.gap, p.lasts, p.burst = 15*time.Second, 8*time.Second, pick(1, 4)
	p.faults = []faultKind{lagRegistry, lagRegistry, loseRegistry, loseRegistry, killNode, killNode, stopNode, behind, behind}
	p.founds = 5 * time.Second
	p.load[recreateVerb] = 5
	if !slices.ContainsFunc(p.queues, func(q queuePlan) bool { return q.churns }) {
		p.queues = append(p.queues, queuePlan{name: "churn", churns: true, visibility: 5 * time.Second, retention: 4 * 24 * time.Hour})
	}
}

// slowLoads: queues come and go while partitions are loaded.
func (p *plan) slowLoads(pick func(...int) int) {
	p.comeAndGo(pick)
	p.faults, p.burst, p.founds, p.load[recreateVerb] = []faultKind{slowLoad}, 1, 0, 10
}

// clocksAlone: a node's clock steps and nothing else happens, so that no step may show.
func (p *plan) clocksAlone(func(...int) int) {
	p.nodes, p.gap, p.faults, p.steady = 1, 15*time.Second, []faultKind{stepClock}, true
}

// manyOwners: partitions have a new owner all the time, and the old one is asked
// too, for what it does not know to have changed.
func (p *plan) manyOwners(pick func(...int) int) {
	p.nodes, p.think, p.lease = pick(2, 3), time.Second, 2500*time.Millisecond
	p.gap, p.lasts = 15*time.Second, 15*time.Second
	p.faults = []faultKind{cutStore, cutStore, freezeNode, loseMessages, lostAcks}
	p.floor, p.trim = 2<<10, 1
	p.load[purgeVerb], p.load[pollVerb], p.load[leaveVerb] = 4, 10, 0
}

// writtenAgain: everything is written again, trimmed, and read again all the time,
// while clients repeat what they asked for minutes before.
func (p *plan) writtenAgain(pick func(...int) int) {
	p.nodes, p.partitions, p.think, p.lease = pick(1, 2), uint32(pick(1, 2)), 1500*time.Millisecond, 2500*time.Millisecond
	p.gap, p.lasts = 15*time.Second, 2*time.Second
	p.faults = []faultKind{killNode, killNode, killAll, stopNode}
	p.floor, p.trim, p.trimEvery, p.append = 2<<10, 1, 200*time.Millisecond, pick(1<<10, 16<<10)
	p.repeats = 4 * time.Minute
	p.load[repeatVerb], p.load[purgeVerb], p.load[recreateVerb] = 6, 0, 0
	if !slices.ContainsFunc(p.queues, func(q queuePlan) bool { return q.name == "a.fifo" }) {
		p.queues = append(p.queues, queuePlan{name: "a.fifo", fifo: true, visibility: 5 * time.Second, retention: 4 * 24 * time.Hour})
	}
}

// deadAtRest: dead letters stay where they are while everything around them is
// written again and trimmed, and messages become dead letters though nobody runs when
// their time comes.
func (p *plan) deadAtRest(pick func(...int) int) {
	p.writtenAgain(pick)
	p.hoard, p.stands, p.load[moveVerb] = true, true, 0
	p.queues = slices.DeleteFunc(p.queues, func(q queuePlan) bool { return q.name == "std" || q.name == "dead-std" })
	p.queues = append(p.queues,
		queuePlan{name: "dead-std", visibility: 5 * time.Second, retention: 4 * 24 * time.Hour},
		queuePlan{name: "std", visibility: time.Second, retention: 4 * 24 * time.Hour, deadLetter: "dead-std", maxReceive: 1})
}

// lateAppends: a node is so slow that it loses its partitions while several of its
// appends are under way, of which some arrive while the next owner fences.
func (p *plan) lateAppends(pick func(...int) int) {
	p.nodes, p.partitions, p.think, p.lease = 2, 1, 700*time.Millisecond, 2500*time.Millisecond
	p.clients, p.append, p.inFlight, p.big = 8, 1<<10, 4, 2<<10
	p.gap, p.lasts = 15*time.Second, 8*time.Second
	p.faults = []faultKind{overtake, overtake, overtake, killNode}
	p.floor, p.trim, p.trimEvery, p.cutShort, p.cutDies = 64<<10, 1, 100*time.Millisecond, 0.5, 2
}

// fullMemory: more is sent than received, so that what waits reaches its bound.
func (p *plan) fullMemory(pick func(...int) int) {
	p.nodes, p.partitions, p.posters, p.messages = 1, 1, 0, int64(pick(80, 120))
	p.load = map[verb]int{sendVerb: 10, receiveVerb: 2, countVerb: 1, repeatVerb: 1}
	p.think, p.faults = time.Second, []faultKind{killNode, stopNode, slowStore}
}

// sameName: now and then somebody starts another process under the name of a node
// that is well.
func (p *plan) sameName(pick func(...int) int) {
	p.nodes, p.faults, p.gap, p.lasts = pick(1, 2, 3), []faultKind{twin, twin, relist}, 30*time.Second, 20*time.Second
}

// ruinedPartition: an entry of a partition's log is damaged for good.
func (p *plan) ruinedPartition(pick func(...int) int) {
	p.partitions, p.gap, p.lasts = uint32(pick(2, 3)), 20*time.Second, 5*time.Second
	p.faults, p.disk = []faultKind{ruin, killNode, killNode, killAll, stopNode}, 0
}

// logsCutShort: all nodes are killed, and what they start from has lost its end.
func (p *plan) logsCutShort(func(...int) int) {
	p.faults, p.gap, p.lasts, p.disk = []faultKind{cutLog}, 60*time.Second, 20*time.Second, 0
}

// slowHandOvers: a node that gives up a partition while the logs don't answer goes on
// giving signs of life, so that it keeps its others.
func (p *plan) slowHandOvers(pick func(...int) int) {
	p.nodes, p.partitions, p.lease, p.think = 2, uint32(pick(3, 4)), 2500*time.Millisecond, time.Second
	p.faults, p.gap, p.clients, p.posters, p.scatter = []faultKind{slowHandOver}, 30*time.Second, 4, 3, true
	p.length = 4 * time.Minute // of many requests
}

// answersLost: nodes die whose answers to others were lost for a while.
func (p *plan) answersLost(pick func(...int) int) {
	p.nodes, p.partitions, p.lease, p.think = 2, uint32(pick(2, 3)), 2500*time.Millisecond, time.Second
	p.faults, p.gap, p.clients, p.posters, p.scatter, p.disk = []faultKind{muteNode}, 15*time.Second, 4, 3, true, 0
}

// askedTwice: clients ask again by the same receive attempt, while a node is slow, so
// that their first request may come after the second was answered.
func (p *plan) askedTwice(func(...int) int) {
	p.nodes, p.partitions, p.posters, p.clients, p.hasty = 2, 2, 0, 8, true
	p.faults, p.gap, p.lasts, p.think, p.disk = []faultKind{slowNode}, 10*time.Second, 8*time.Second, time.Second, 0
	p.queues = []queuePlan{{name: "a.fifo", fifo: true, visibility: maxTime, retention: 4 * 24 * time.Hour}}
	p.load = map[verb]int{sendVerb: 1, receiveVerb: 2}
}

// countersAlone: clients count by posts on conditions, while owners die, are overtaken
// and cut off, and their logs are written again and again.
func (p *plan) countersAlone(pick func(...int) int) {
	p.nodes, p.partitions, p.posters, p.clients, p.counters = pick(2, 3), uint32(pick(1, 2, 3)), 0, 1, true
	p.faults, p.gap, p.lasts, p.think, p.lease = []faultKind{killNode, killNode, stopNode, slowNode, freezeNode, cutPeers, cutStore, overtake}, 12*time.Second, 6*time.Second, time.Second, 2500*time.Millisecond
	p.disk, p.floor, p.trim = 0, 4<<10, 1<<10
	p.load = map[verb]int{sendVerb: 1, receiveVerb: 1}
}

// postedAgain: services post again what was posted minutes before, while the partition
// that it is for can't take it in, or goes to another owner while it does.
func (p *plan) postedAgain(pick func(...int) int) {
	p.nodes, p.partitions, p.posters, p.lease = 2, uint32(pick(2, 3)), 3, 2500*time.Millisecond
	p.think, p.faults, p.gap = time.Second, []faultKind{holdBack, overtake, overtake, overtake, overtake}, 20*time.Second
	p.reposts, p.disk = 200*time.Second, 0
	p.load = map[verb]int{sendVerb: 1, receiveVerb: 1, countVerb: 20}
}

// fullDisk: what is sent stays, so that the disk becomes full, and is received again
// and again then.
func (p *plan) fullDisk(pick func(...int) int) {
	p.nodes, p.partitions, p.posters, p.clients = pick(1, 2), 1, 0, 3
	p.disk, p.big, p.bulky, p.keep = 300<<10, 512, true, true
	p.load = map[verb]int{sendVerb: 10, receiveVerb: 10, countVerb: 1}
	p.queues = []queuePlan{{name: "std", visibility: time.Second, retention: 4 * 24 * time.Hour}}
	p.think, p.faults, p.gap = 1200*time.Millisecond, []faultKind{killNode, stopNode}, 60*time.Second
}

// flippedDefinitions: bits of the definitions flip while nobody runs.
func (p *plan) flippedDefinitions(func(...int) int) {
	p.faults, p.gap, p.lasts, p.disk = []faultKind{flipDefinition}, 30*time.Second, 10*time.Second, 0
}

// largeMessages: what a receive may give does not fit one answer, through any node.
func (p *plan) largeMessages(pick func(...int) int) {
	p.nodes, p.maxPayload, p.append, p.big, p.bulky = pick(2, 3), 64<<10, 32<<10, 30<<10, true
	p.faults, p.requests, p.disk = nil, 0, 0
	p.load[sendVerb], p.load[receiveVerb], p.load[leaveVerb] = 20, 4, 0
}

// topicsAlone: messages are published through nodes that do not know of each other's
// changes, while topics, subscriptions and their queues come and go.
func (p *plan) topicsAlone(pick func(...int) int) {
	p.announcing(pick)
	p.topics = true
}

// busesAlone: the same of events, rules and targets.
func (p *plan) busesAlone(pick func(...int) int) {
	p.announcing(pick)
	p.buses = true
}

func (p *plan) announcing(pick func(...int) int) {
	p.nodes, p.partitions, p.lease = pick(2, 2, 3), uint32(pick(2, 3)), 2500*time.Millisecond
	p.clients, p.posters, p.load, p.think, p.disk, p.requests, p.big = 1, 0, map[verb]int{countVerb: 1}, 20*time.Second, 0, 0, 0
	p.announcers, p.announceEvery, p.policies = 2, 1500*time.Millisecond, pick(0, 1) == 0
	p.gap, p.lasts, p.repeats = 15*time.Second, 8*time.Second, 3*time.Minute
	all := []faultKind{killNode, stopNode, freezeNode, slowNode, cutStore, cutPeers, loseMessages, loseRegistry, loseJournal, lostAcks, lateChanges, lagRegistry, relist, muteNode, overtake}
	p.faults = []faultKind{lagRegistry, killNode, loseRegistry}
	for range pick(0, 2, 4) {
		p.faults = append(p.faults, all[pick(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14)])
	}
	if pick(0, 1, 2, 3, 4, 5) == 0 {
		p.faults = nil
	}
}

// share gives some of the plans that chance alone made a little of topics and buses, but
// for those of which definitions are damaged: what they were could not be told then.
func (p *plan) share() {
	r := rand.New(rand.NewPCG(p.seed, 4))
	if p.name != "" || p.disk > 0 || slices.Contains(p.faults, damage) || r.IntN(100) >= 30 {
		return
	}
	p.announcers, p.announceEvery, p.policies = 1, 5*time.Second, r.IntN(2) == 0
	n := r.IntN(3)
	p.topics, p.buses = n != 1, n != 0
}
