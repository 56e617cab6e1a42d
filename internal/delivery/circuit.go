package delivery

import (
	"sync"
	"time"

	"github.com/waystation/waystation/internal/partition"
)

// circuit is what this node knows of how an endpoint has fared lately. It decides how
// many messages may be on their way there, and when.
//
//	closed ──failures in a row──► open ──time passes──► probing ──delivered──► closed
//	                               ▲                       │
//	                               └──────── failed ───────┘
type circuit struct {
	mu       sync.Mutex
	used     time.Time
	failures int // in a row
	limit    int // messages on their way
	average  time.Duration

	open      bool
	probing   bool
	probeWait time.Duration
	notBefore time.Time // of the next probe, or as the endpoint asked for

	failed bool // the last attempt

	set   partition.Pace // what this node asked for last
	isSet bool
	setAt time.Time // as of used
}

// firstLimit is how many messages are on their way to an endpoint that nothing is known
// of.
const firstLimit = 4

// quick is how long an attempt may take before it counts against the concurrency.
const quick = time.Second

// delivered notes a success and reports whether the circuit was open.
func (c *circuit) delivered(took time.Duration, most int) (was bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was = c.open
	c.failures, c.failed, c.open, c.probing, c.probeWait, c.notBefore = 0, false, false, false, 0, time.Time{}
	c.measure(took)
	c.limit = min(c.limit*2, c.slowed(most))
	return was
}

// failure notes an attempt that did not succeed. retryable says that the endpoint could
// not be reached or failed, and not just refused the message. wait is what it asked for,
// or 0. It reports whether the circuit has opened.
func (c *circuit) failure(cfg *Config, took, wait time.Duration, retryable bool, most int, now time.Time) (opened bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures++
	c.failed, c.probing = true, false
	c.measure(took)
	if !retryable && c.open { // it answers
		c.open, c.probeWait, c.notBefore = false, 0, time.Time{}
	}
	if retryable {
		c.limit = max(c.limit/2, 1)
		if c.open || c.failures >= cfg.OpenAfter {
			opened = !c.open
			c.open = true
			c.probeWait = min(max(c.probeWait*2, cfg.ProbeMin), cfg.ProbeMax)
			c.notBefore = now.Add(jittered(c.probeWait, cfg.Chance()))
		}
	}
	if at := now.Add(wait); wait > 0 && at.After(c.notBefore) {
		c.notBefore = at
	}
	c.limit = min(c.limit, c.slowed(most))
	return opened
}

func (c *circuit) measure(took time.Duration) {
	if c.average == 0 {
		c.average = took
	}
	c.average += (took - c.average) / 4
}

// slowed is the concurrency of an endpoint that takes as long as this one did of late:
// it gets no more of the workers because it keeps them longer.
func (c *circuit) slowed(most int) int {
	if c.average <= quick {
		return most
	}
	return min(most, max(most/int(1+c.average/quick), 2))
}

// admission is what to do with a message that was taken.
type admission int

const (
	attemptIt admission = iota
	probeIt             // try it: the circuit is open, and this is the probe
	holdIt              // wait until notBefore
)

// admit says what to do with a message.
func (c *circuit) admit(now time.Time) (admission, time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used = now
	switch {
	case !c.open:
		return attemptIt, time.Time{}
	case c.probing, now.Before(c.notBefore):
		return holdIt, c.notBefore
	}
	c.probing = true
	return probeIt, time.Time{}
}

// let go of a probe that came to no outcome.
func (c *circuit) unprobe() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probing = false
}

func (c *circuit) isOpen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// paceLasts is how long the pace that a node asked for counts as the one that the queue
// has: another node may have asked for another, and be gone.
const paceLasts = time.Minute

// pace is what the endpoint's queue should have; differs says that it is not what this
// node asked for last, or that this was a while ago. drain lets what waits behind an open circuit through, to be
// looked at.
func (c *circuit) pace(perSecond float64, drain bool) (p partition.Pace, differs bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.MaxInFlight = c.limit
	if perSecond > 0 {
		p.Interval = time.Duration(float64(time.Second) / perSecond)
		p.Burst = burstOf(perSecond)
	}
	if !c.notBefore.IsZero() {
		p.NotBefore = partition.Milliseconds(c.notBefore)
	}
	if c.open {
		p.MaxInFlight, p.Interval, p.Burst = 1, 0, 0
		if drain {
			p = partition.Pace{MaxInFlight: 10}
		}
	}
	if differs = !c.isSet || p != c.set || c.used.Sub(c.setAt) >= paceLasts; differs {
		c.set, c.isSet, c.setAt = p, true, c.used
	}
	return p, differs
}

// burstOf is how many messages may come at once of so many a second.
func burstOf(perSecond float64) int { return max(int(perSecond/10), 1) }

// adopt takes the pace that another node has set for what this one wants.
func (c *circuit) adopt(perSecond float64) {
	c.mu.Lock()
	known := c.isSet
	c.mu.Unlock()
	if !known {
		c.pace(perSecond, false)
	}
}

// forgetPace: it is not in force, or not known to be.
func (c *circuit) forgetPace() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isSet = false
}

// circuits of the endpoints that messages went to lately.
type circuits struct {
	mu   sync.Mutex
	byID map[uint64]*circuit // by the endpoint's number; guarded by mu
}

// maxCircuits bounds them; at the bound those are forgotten that are closed and were
// not used for a minute, and else what is new is not kept.
const maxCircuits = 100_000

func (t *circuits) of(id uint64, now time.Time, fresh func() *circuit) *circuit {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.byID[id]; c != nil {
		return c
	}
	c := fresh()
	c.used = now
	if len(t.byID) >= maxCircuits {
		t.forget(now)
	}
	if len(t.byID) < maxCircuits {
		t.byID[id] = c
	}
	return c
}

// peek gives the circuit of an endpoint, if there is one.
func (t *circuits) peek(id uint64) *circuit {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID[id]
}

// unpaced notes that the owner of an endpoint's queue knows no pace.
func (t *circuits) unpaced(id uint64) {
	if c := t.peek(id); c != nil {
		c.forgetPace()
	}
}

// drop forgets a circuit.
func (t *circuits) drop(id uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byID, id)
}

// forget makes room. Call with mu held.
func (t *circuits) forget(now time.Time) {
	n := 0
	for id, c := range t.byID {
		c.mu.Lock()
		idle := !c.open && now.Sub(c.used) > time.Minute
		c.mu.Unlock()
		if idle {
			delete(t.byID, id)
		}
		if n++; n > 10_000 {
			return
		}
	}
}
