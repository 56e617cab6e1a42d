package lease

import "time"

// forgetAfter is for how long a node must have been silent, in watched time,
// until its entry is removed. It is long after its leases have gone to others.
const forgetAfter = 10 * time.Minute

// alive reports whether the holder of a lease has given a sign of life lately.
// mu is held.
func (t *table) alive(l lease) bool {
	n := t.nodes[l.Node]
	return n.live && !n.Stopped && n.Run == l.Run && t.watched-n.seen <= t.ttl
}

// free reports whether we may claim a partition. mu is held.
func (t *table) free(p uint32) bool {
	l, ok := t.parts[p]
	if !ok {
		return true
	}
	if l.triedBy(t.run) {
		return false // we found it damaged
	}
	if l.Released {
		return true
	}
	if l.Run == t.run {
		return false
	}
	n, known := t.nodes[l.Node]
	if known && (n.Stopped || n.Run != l.Run) {
		// The node stopped, or runs anew and its former run is over. A beat
		// older than the lease says nothing: then the lease's own age counts.
		if n.Stopped || l.Node == t.node || n.rev > l.rev {
			return true
		}
	}
	seen := l.seen
	if known && n.Run == l.Run {
		seen = max(seen, n.seen)
	}
	return t.watched-seen > t.ttl
}

// share is how many partitions we should have at most. mu is held.
func (t *table) share() int {
	live := 0 // we are one of them, but for a plan that comes to nothing
	for _, n := range t.nodes {
		if !n.Stopped && !n.Leaving && t.watched-n.seen <= t.ttl {
			live++
		}
	}
	live = max(live, 1)
	return (int(t.count) + live - 1) / live
}

// plan says which free partitions we should claim now, and which one we should
// give up for others to have their share. One that others found damaged we try also
// beyond our share, and give up another for it. Nothing while not everything is
// known, or while our name is not ours; an observer has none to claim.
func (t *table) plan() (claim, giveUp []uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if us := t.nodes[t.node]; !t.loaded || us.Run != t.run || us.Leaving {
		return nil, nil
	}
	share := t.share()
	mine := 0
	var whole []uint32 // those of ours that were not found damaged
	for p := range t.count {
		if !t.ours(p) {
			continue
		}
		if mine++; t.parts[p].Damaged == "" {
			whole = append(whole, p)
		}
	}
	if n := min(share, len(whole)-1); mine > share && n >= 0 {
		giveUp = whole[n : n+1]
	}
	for p := range t.count {
		if mine+len(claim) < share || mine <= share && t.parts[p].Damaged != "" {
			if t.free(p) {
				claim = append(claim, p)
			}
		}
	}
	return claim, giveUp
}

// forgettable is a node that is long gone, holds no lease, and whose entry may be
// removed: names that never come back must not fill the bucket. How far it said
// that logs reach stands in our own beats since.
func (t *table) forgettable() (name string, rev uint64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, n := range t.nodes {
		if name == t.node || t.watched-n.seen <= forgetAfter {
			continue
		}
		holds := false
		for _, l := range t.parts {
			holds = holds || !l.Released && l.Node == name
		}
		if !holds {
			return name, n.rev, true
		}
	}
	return "", 0, false
}

// present are those of the runs that some node runs now. mu is held.
func (t *table) present(runs []string) []string {
	now := make(map[string]bool, len(t.nodes))
	for _, n := range t.nodes {
		now[n.Run] = !n.Stopped
	}
	var out []string
	for _, run := range runs {
		if now[run] {
			out = append(out, run)
		}
	}
	return out
}
