package simulation

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/jet/jetsim"
)

// faultKind is one way in which things go wrong.
type faultKind int

const (
	killNode faultKind = iota
	killAll
	stopNode
	freezeNode
	slowNode
	cutStore
	cutPeers
	loseMessages
	loseLeases
	loseRegistry
	loseJournal
	lostAcks
	lateChanges
	lagRegistry
	lagLeases
	relist
	slowStore
	fillDisk
	stepClock
	damage
	addPartition
	overtake
	behind
	twin
	ruin
	cutLog
	slowHandOver
	holdBack
	flipDefinition
	slowLoad
	muteNode
	faultKinds
)

var faultNames = [faultKinds]string{
	"kill", "kill all", "stop", "freeze", "slow node", "cut from store", "cut from each other", "lose messages",
	"no leader for leases", "no leader for registry", "no leader for a journal", "lost acknowledgements", "late changes",
	"registry watch lags", "leases watch lags", "watches start over", "slow store", "full disk", "clock steps", "damaged entry", "partition added", "overtaken", "behind the definitions", "another process of the same name", "damaged for good", "logs cut short",
	"slow hand-over", "held back", "definition flipped", "slow load", "answers lost",
}

func (k faultKind) String() string { return faultNames[k] }

// faults does one fault after another until the load is over, then ends all.
func (s *sim) faults() {
	if len(s.plan.faults) == 0 {
		time.Sleep(s.plan.length)
		return
	}
	r := rand.New(rand.NewPCG(s.plan.seed, 2))
	for {
		gap := time.Duration(r.ExpFloat64() * float64(s.plan.gap))
		if left := s.plan.length - time.Since(s.began); gap > left {
			time.Sleep(max(left, 0))
			return
		}
		time.Sleep(gap)
		for n := r.IntN(s.plan.burst); n >= 0; n-- {
			s.oneFault(r)
		}
	}
}

// oneFault does any of the plan's.
func (s *sim) oneFault(r *rand.Rand) {
	k := s.plan.faults[r.IntN(len(s.plan.faults))]
	f := fault{s: s, r: r, for_: time.Duration(float64(200*time.Millisecond) + r.ExpFloat64()*float64(s.plan.lasts))}
	s.trace("fault: %s for %v: %s", k, f.for_.Round(time.Millisecond), f.do(k))
}

// fault is one that is about to be done.
type fault struct {
	s    *sim
	r    *rand.Rand
	for_ time.Duration
}

// later ends the fault.
func (f *fault) later(end func()) { f.s.heal(f.for_, end) }

// do does it, and tells to what.
func (f *fault) do(k faultKind) string {
	s, w := f.s, f.s.world
	n := s.nodes[f.r.IntN(len(s.nodes))]
	switch k {
	case killNode:
		n.kill()
		f.later(n.start)
	case killAll:
		for _, n := range s.nodes {
			n.kill()
			f.later(n.start)
		}
		return "all"
	case stopNode:
		s.calls.Go(func() {
			n.stop()
			f.later(n.start)
		})
	case freezeNode:
		n.with(func(net *jetsim.Node) { net.Freeze(); f.later(net.Thaw) })
	case slowNode:
		by := time.Duration(f.r.Int64N(int64(2 * time.Second)))
		n.with(func(net *jetsim.Node) { net.Slow(by); f.later(func() { net.Slow(0) }) })
		return fmt.Sprint(n.name, " by ", by.Round(time.Millisecond))
	case cutStore:
		n.with(func(net *jetsim.Node) { net.CutStore(true); f.later(func() { net.CutStore(false) }) })
	case cutPeers:
		for _, other := range s.nodes {
			if other != n && f.r.IntN(3) > 0 {
				w.Cut(n.name, other.name, true)
				f.later(func() { w.Cut(n.name, other.name, false) })
			}
		}
	case loseMessages:
		share := f.r.Float64()
		w.LoseMessages(share)
		f.later(func() { w.LoseMessages(0) })
		return fmt.Sprintf("%.0f %%", share*100)
	case loseLeases, loseRegistry, loseJournal:
		name := f.store(k)
		w.LoseLeader(name, f.r.IntN(2) == 0)
		f.later(func() { w.Elect(name) })
		return name
	case lostAcks, lateChanges:
		name := f.store(faultKind(f.r.IntN(int(faultKinds))))
		o := jetsim.Odds{Lag: 0.5}
		if k == lostAcks {
			o.Lost, o.LostAck = f.r.Float64()/2, f.r.Float64()/2
		} else {
			o.Late, o.LateBy = f.r.Float64()/2, time.Duration(f.r.Int64N(int64(10*time.Second)))
		}
		w.Trouble(name, o)
		f.later(func() { w.Trouble(name, jetsim.Odds{}) })
		return name
	case lagRegistry, lagLeases:
		bucket := "ws_marks"
		if k == lagLeases {
			bucket = "ws_leases"
		}
		by := time.Duration(f.r.ExpFloat64() * float64(10*time.Second))
		n.with(func(net *jetsim.Node) { net.LagWatch(bucket, by); f.later(func() { net.LagWatch(bucket, 0) }) })
		return fmt.Sprint(n.name, " by ", by.Round(time.Millisecond))
	case relist:
		for _, name := range w.Names() {
			if f.r.IntN(2) == 0 {
				w.Relist(name)
			}
		}
		return ""
	case slowStore:
		by := time.Duration(f.r.Int64N(int64(3 * time.Second)))
		w.SlowStore(by)
		f.later(func() { w.SlowStore(0) })
		return by.Round(time.Millisecond).String()
	case fillDisk:
		w.Fill(s.plan.disk - s.plan.disk/uint64(2+f.r.IntN(30)))
		f.later(func() { w.Fill(0) })
		return ""
	case stepClock:
		off := time.Duration(f.r.Int64N(int64(s.plan.skew))) - s.plan.skew/2
		n.clock.set(off)
		return fmt.Sprint(n.name, " to ", off.Round(time.Millisecond))
	case damage:
		return f.damage()
	case overtake:
		return f.overtake()
	case behind:
		return f.behind(n)
	case twin:
		if n.current() == nil {
			return "nobody"
		}
		n.rival(f.for_)
	case ruin:
		return f.ruin()
	case cutLog:
		return f.cutLog()
	case slowHandOver:
		return f.slowHandOver(n)
	case holdBack:
		return f.holdBack()
	case flipDefinition:
		return f.flipDefinition()
	case slowLoad:
		return f.slowLoad(n)
	case muteNode:
		f.mute(n)
	case addPartition:
		if s.addPartition() {
			n.kill()
			f.later(n.start)
		}
	}
	return n.name
}

// overtake has the node that owns a partition be so slow that another one takes it
// over while its appends are still on their way, and the store slow enough for them
// to arrive while the other one fences.
func (f *fault) overtake() string {
	for _, n := range f.s.nodes {
		r := n.current()
		if r == nil || !r.svc.Status()[0].Mine {
			continue
		}
		by, store := f.between(2800*time.Millisecond, 4800*time.Millisecond), f.between(600*time.Millisecond, 1200*time.Millisecond)
		r.net.Slow(by)
		f.s.world.SlowStore(store)
		f.later(func() { r.net.Slow(0); f.s.world.SlowStore(0) })
		if f.r.IntN(2) == 0 {
			f.s.doom(n)
		}
		return fmt.Sprint(n.name, " by ", by.Round(time.Millisecond), ", the store by ", store.Round(time.Millisecond))
	}
	return "nobody"
}

// behind has nobody hear of new definitions, and then a node killed whose partitions
// others take over that cannot read the definitions.
func (f *fault) behind(n *node) string {
	s := f.s
	for _, n := range s.nodes {
		n.with(func(net *jetsim.Node) {
			net.LagWatch("ws_marks", time.Minute)
			f.later(func() { net.LagWatch("ws_marks", 0) })
		})
	}
	time.Sleep(f.between(2*time.Second, 8*time.Second))
	s.world.LoseLeader("ws_registry", false)
	n.kill()
	f.for_ = f.between(15*time.Second, 25*time.Second)
	f.later(func() { s.world.Elect("ws_registry") })
	f.later(n.start)
	return n.name
}

// slowHandOver has a node killed, and started again once others have its partitions:
// they give some of them back, while the logs answer nobody and stopping takes long.
func (f *fault) slowHandOver(n *node) string {
	s := f.s
	n.kill()
	time.Sleep(2*s.plan.lease + 2*time.Second)
	for p := range s.count() {
		s.world.LoseLeader(journalOf(p), true)
	}
	time.Sleep(5 * time.Second) // for requests to wait for the logs
	n.start()
	f.for_ = f.between(10*time.Second, 20*time.Second)
	f.later(func() {
		for p := range s.count() {
			s.world.Elect(journalOf(p))
		}
	})
	time.Sleep(f.for_ + 10*time.Second)
	return n.name
}

// mute has what other nodes ask of a node be done, and never answered, until the node is
// killed: whoever does it next must know what was done.
func (f *fault) mute(n *node) {
	n.with(func(net *jetsim.Node) { net.Mute(true) })
	time.Sleep(f.between(500*time.Millisecond, 3*time.Second))
	n.kill()
	f.for_ = f.between(time.Second, 5*time.Second)
	f.later(n.start)
}

// slowLoad has a node killed whose partitions are loaded so slowly, by whoever has them
// next, that definitions change meanwhile.
func (f *fault) slowLoad(n *node) string {
	s, w := f.s, f.s.world
	f.for_ = f.between(15*time.Second, 25*time.Second)
	for p := range s.count() {
		name := journalOf(p)
		w.Trouble(name, jetsim.Odds{Lag: 1})
		f.later(func() { w.Trouble(name, jetsim.Odds{}) })
	}
	by := f.between(200*time.Millisecond, 700*time.Millisecond)
	for _, n := range s.nodes {
		n.with(func(net *jetsim.Node) { net.Slow(by); f.later(func() { net.Slow(0) }) })
	}
	n.kill()
	f.later(n.start)
	return fmt.Sprint(n.name, " by ", by.Round(time.Millisecond))
}

// holdBack takes the leader of a partition's log away for so long that what waits for
// the partition comes after the deduplication window of what it has, and gives it time
// then to take all in.
func (f *fault) holdBack() string {
	name := f.store(loseJournal)
	f.s.world.LoseLeader(name, f.r.IntN(2) == 0)
	f.for_ = f.between(180*time.Second, 240*time.Second)
	f.later(func() { f.s.world.Elect(name) })
	time.Sleep(f.for_ + 30*time.Second)
	return name
}

func (f *fault) between(least, most time.Duration) time.Duration {
	return least + time.Duration(f.r.Int64N(int64(most-least)))
}

// store picks a stream or bucket; a journal unless a kind asks for another.
func (f *fault) store(k faultKind) string {
	switch k {
	case loseLeases:
		return "ws_leases"
	case loseRegistry:
		return "ws_registry"
	}
	var journals []string
	for _, name := range f.s.world.Names() {
		if strings.Contains(name, "_journal_") {
			journals = append(journals, name)
		}
	}
	if len(journals) == 0 {
		return ""
	}
	return journals[f.r.IntN(len(journals))]
}

// damage spoils an entry of a journal. It is put back when the fault ends.
func (f *fault) damage() string {
	name := f.store(loseJournal)
	if f.r.IntN(4) == 0 {
		name = f.store(loseRegistry)
	}
	first, last, ok := f.s.world.Bounds(name)
	if !ok || last < first {
		return "nothing"
	}
	seq := first + f.r.Uint64N(last-first+1)
	cut := -1
	if f.r.IntN(2) == 0 {
		cut = f.r.IntN(200)
	}
	repair, ok := f.s.world.Damage(name, seq, cut)
	if !ok {
		return "nothing"
	}
	f.later(repair)
	return fmt.Sprintf("entry %d of %s, cut %d", seq, name, cut)
}
