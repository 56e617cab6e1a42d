package simulation

import (
	"context"
	"fmt"
	"time"
)

// journalOf is the name of a partition's log.
func journalOf(p uint32) string { return fmt.Sprint("ws_journal_", p) }

// ruin damages an entry of a partition's log for good. One partition at least stays
// whole. Until it is loaded again nobody may notice; what is left of it at the end is
// looked at then.
func (f *fault) ruin() string {
	s := f.s
	p := uint32(f.r.IntN(int(s.plan.partitions)))
	first, last, ok := s.world.Bounds(journalOf(p))
	s.mu.Lock()
	defer s.mu.Unlock()
	if !ok || last < first || len(s.ruined) > 0 {
		return "nothing"
	}
	seq := first + f.r.Uint64N(last-first+1)
	if _, ok := s.world.Damage(journalOf(p), seq, -1); !ok {
		return "nothing"
	}
	s.ruined[p] = seq
	return fmt.Sprintf("entry %d of partition %d", seq, p)
}

// spoilt reports whether a partition was damaged for good.
func (s *sim) spoilt(p uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ruined[p] > 0
}

// ruins checks, once all nodes were started anew, that partitions which are still
// damaged say so and are not served by anybody.
func (s *sim) ruins() string {
	for p := range s.count() {
		if !s.spoilt(p) {
			continue
		}
		first, _, _ := s.world.Bounds(journalOf(p))
		s.mu.Lock()
		there := s.ruined[p] >= first // it was not trimmed
		s.mu.Unlock()
		for _, n := range s.nodes {
			r := n.current()
			if r == nil {
				return fmt.Sprintf("node %s does not run beside damaged partition %d", n.name, p)
			}
			st := r.svc.Status()[p]
			if there && (st.Ready || st.Damaged == "") {
				return fmt.Sprintf("partition %d is damaged, which node %s does not say (served: %v)", p, n.name, st.Ready)
			}
		}
	}
	return ""
}

// cutLog kills all nodes and takes from a log what it held at its end, also of the
// time of which the nodes know how far it reached. They have to refuse it until the
// fault ends, when the end is put back.
func (f *fault) cutLog() string {
	s := f.s
	name := f.store(loseJournal)
	if f.r.IntN(2) == 0 {
		name = f.store(loseRegistry)
	}
	s.mu.Lock()
	soon := time.Now().Before(s.cutAgain)
	if !soon {
		s.cutAgain = time.Now().Add(f.for_ + 3*markedAfter)
	}
	s.mu.Unlock()
	if soon {
		return "nothing"
	}
	for _, n := range s.nodes {
		n.kill()
	}
	back, taken := s.world.CutTail(name, time.Now().Add(-markedAfter))
	for _, n := range s.nodes {
		n.start()
	}
	f.later(func() {
		for _, n := range s.nodes {
			n.kill()
		}
		if added := back(); added > 0 {
			s.book.fault("%s had lost its last %d entries, and %d were written as if nothing had happened", name, taken, added)
		}
		for _, n := range s.nodes {
			n.start()
		}
	})
	return fmt.Sprintf("%s lost its last %d entries", name, taken)
}

// flipDefinition has all nodes start from definitions of which a bit is flipped. They
// have to refuse them until it is put back.
func (f *fault) flipDefinition() string {
	s, name := f.s, f.store(loseRegistry)
	first, last, ok := s.world.Bounds(name)
	if !ok || last < first {
		return "nothing"
	}
	everywhere := func(do func(*node)) {
		for _, n := range s.nodes {
			do(n)
		}
	}
	seq := first + f.r.Uint64N(last-first+1)
	everywhere((*node).kill)
	repair, ok := s.world.Damage(name, seq, -1)
	everywhere((*node).start)
	if !ok {
		return "nothing"
	}
	f.later(func() {
		everywhere((*node).kill)
		repair()
		everywhere((*node).start)
	})
	return fmt.Sprintf("entry %d of %s", seq, name)
}

// markedAfter is the time after which it is surely noted how far a log reaches, when
// nothing else is wrong.
const markedAfter = 20 * time.Second

// watchMemory looks whether messages take more memory than they may.
func (s *sim) watchMemory(ctx context.Context) {
	for ctx.Err() == nil {
		for _, n := range s.nodes {
			r := n.current()
			if r == nil {
				continue
			}
			var held int64
			for _, st := range r.svc.Status() {
				held += st.Messages
			}
			// What was let in while there was room, from each client.
			if most := s.plan.messages + int64(10*(s.plan.clients+players)); held > most {
				s.book.fault("node %s holds %d messages, %d are the most", n.name, held, s.plan.messages)
				return
			}
		}
		time.Sleep(2 * time.Second)
	}
}

// ruined reports whether a message of a page may be, or have to go, to a partition
// that is damaged for good.
func (b *book) ruined(p *page) bool {
	names, _ := b.reach(p)
	for _, name := range names {
		for _, q := range b.names[name] {
			if b.s.spoilt(q.def.Partition) {
				return true
			}
		}
	}
	return false
}

// onRuin reports whether a queue was on a partition that is damaged for good.
func (s *sim) onRuin(q queuePlan) bool {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	for _, p := range s.book.names[q.name] {
		if s.spoilt(p.def.Partition) {
			return true
		}
	}
	return false
}

// touchesRuin reports whether a post has to do with a partition that is damaged for good.
func (s *sim) touchesRuin(p *post) bool {
	list := []uint32{p.from}
	for t := range p.targets {
		list = append(list, t.Partition)
		if t.Queue.Kind == kindTried {
			list = append(list, 0) // where kindSpent is
		}
	}
	for _, n := range list {
		if s.spoilt(n) {
			return true
		}
	}
	return false
}
