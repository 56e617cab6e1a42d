package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/registry"
)

// due is what one receiver has of a notice: a subscription, or a target of a rule.
type due struct {
	who    string
	places []place // where a copy may stand
	must   bool    // it stands in one of them
}

func (d *due) add(p place) {
	if !slices.Contains(d.places, p) {
		d.places = append(d.places, p)
	}
}

// endpoint adds where a copy for a queue may be, in its forms there and among the dead
// letters, by what the node knew.
type endpoint struct {
	arn, form   string
	grave, dead string // ARN of the dead-letter queue, "": none, and the form there
	refused     bool   // whatever the queue says
	refuses     func(*registry.Queue) bool
	buries      func(*registry.Queue) bool // whether a dead-letter queue takes it
}

func (b *copyBook) reach(d *due, a *attempt, e endpoint) {
	from, to := a.moment.from, a.moment.to
	settled := func(q *registry.Queue) bool { return b.settled(a, q) }
	for _, q := range b.history.queue(e.arn, from, to, settled) {
		if fails := e.refused || q == nil || b.closed(q) || e.refuses(q); !fails {
			d.add(place{q.ID, e.form})
			if !b.history.mortal(q, from) {
				continue
			}
			if a.answered.IsZero() || !slices.Contains(a.moment.missing, q.ID) {
				d.must = false // it may have gone with the queue, or nobody went on when that was missing
			}
			for _, next := range b.history.since(e.arn, from) { // made in its place
				d.add(place{next.ID, e.form})
				d.must = d.must && !b.history.mortal(next, from)
			}
		}
		if e.grave == "" {
			d.must = false
			continue
		}
		for _, g := range b.history.queue(e.grave, from, to, settled) {
			if g == nil || b.closed(g) || !e.buries(g) {
				d.must = false
				continue
			}
			d.add(place{g.ID, e.dead})
		}
	}
}

// settled reports whether a queue was made more than a second before an attempt, and not
// deleted until that ended.
func (b *copyBook) settled(a *attempt, q *registry.Queue) bool {
	at, ok := b.made[q.ID]
	if !ok || b.s.plan.skew > 0 || a.began.Sub(at) <= time.Second+b.s.book.slack || a.moment.ended.IsZero() {
		return false // the second is by a clock that may step
	}
	return !slices.ContainsFunc(b.drops[q.Name], func(x span) bool { return x.until().After(at) && x.start.Before(a.moment.ended) })
}

// closed reports whether a queue's policy lets no service send.
func (b *copyBook) closed(q *registry.Queue) bool { return b.s.plan.policies && q.Policy == "" }

// dues of an attempt.
func (b *copyBook) dues(a *attempt) []*due {
	if a.of.topic != nil {
		return b.duesOfTopic(a)
	}
	return b.duesOfBus(a)
}

func (b *copyBook) duesOfTopic(a *attempt) (list []*due) {
	n, t := a.of, a.of.topic
	for name, of := range b.history.subs[t.ID] {
		all := of.during(a.moment.from, a.moment.to)
		d := &due{who: "subscription " + name, must: true}
		if !slices.ContainsFunc(all, func(v *registry.Subscription) bool { return v != nil && filterOf(v).wants(n) }) {
			continue
		}
		for _, v := range all {
			if v == nil {
				d.must = false
				continue
			}
			d.must = d.must && filterOf(v).wants(n)
			form := "raw"
			if _, id := v.Parts(); !v.Raw {
				form = "subscription " + id
			}
			b.reach(d, a, endpoint{
				arn: v.Endpoint, form: form, grave: v.RedriveARN, dead: form, refused: v.Raw && n.many,
				refuses: func(q *registry.Queue) bool { return q.FIFO && !t.FIFO },
				buries:  func(g *registry.Queue) bool { return !g.FIFO || t.FIFO },
			})
		}
		list = append(list, d)
	}
	return list
}

func (b *copyBook) duesOfBus(a *attempt) (list []*due) {
	for name, of := range b.history.rules {
		if bus, _, _ := strings.Cut(name, "/"); bus != a.of.bus.Name {
			continue
		}
		all := of.during(a.moment.from, a.moment.to)
		var ids []string
		for _, v := range all {
			if v != nil && v.Bus == a.of.bus.Incarnation() && !v.Disabled && patternOf(v).wants(a.of) {
				for i := range v.Targets {
					if id := v.Targets[i].ID; !slices.Contains(ids, id) {
						ids = append(ids, id)
					}
				}
			}
		}
		for _, id := range ids {
			d := &due{who: "target " + id + " of rule " + name, must: true}
			for _, v := range all {
				b.reachTarget(d, a, v, id)
			}
			list = append(list, d)
		}
	}
	return list
}

func (b *copyBook) reachTarget(d *due, a *attempt, v *registry.Rule, id string) {
	if v == nil || v.Bus != a.of.bus.Incarnation() || v.Disabled || !patternOf(v).wants(a.of) {
		d.must = false
		return
	}
	at := slices.IndexFunc(v.Targets, func(t registry.Target) bool { return t.ID == id })
	if at < 0 {
		d.must = false
		return
	}
	t := &v.Targets[at]
	b.reach(d, a, endpoint{
		arn: t.ARN, form: formOf(v, t), grave: t.DeadLetterARN, dead: deadForm(v.ARN(), t.ARN),
		refuses: func(q *registry.Queue) bool { return q.FIFO && !q.ContentDedup },
		buries:  func(g *registry.Queue) bool { return !g.FIFO },
	})
}

// judge holds the copies of a notice against what is owed.
func (b *copyBook) judge(n *notice) {
	fifo := n.topic != nil && n.topic.FIFO
	for _, a := range n.attempts {
		if !a.answered.IsZero() && a.seenID != "" && a.seenID != a.id.String() && !fifo {
			b.s.book.fault("%s was answered with id %v, its copies have %s", a, a.id, a.seenID)
		}
		b.judgeAttempt(a, !a.answered.IsZero() && !fifo)
	}
	if fifo && !b.orphaned(n) {
		b.judgeOnce(n)
	}
}

// judgeOnce checks that a message of a FIFO topic was published once, by one of the
// attempts, and that all of them say so.
func (b *copyBook) judgeOnce(n *notice) {
	var placed []*attempt
	ids, numbers, answered := make(map[string]bool), make(map[uint64]bool), false
	for _, a := range n.attempts {
		if len(a.copies) > 0 {
			placed = append(placed, a)
		}
		if !a.answered.IsZero() {
			answered, ids[a.id.String()] = true, true
		}
		if a.seenID != "" {
			ids[a.seenID] = true
		}
		for _, x := range a.sequences {
			numbers[x] = true
		}
	}
	switch first := n.attempts[0]; {
	case len(placed) > 1:
		b.s.book.fault("%s was published twice, also as %s\n%s", placed[0], placed[1], b.story(n))
	case len(ids) > 1, len(numbers) > 1:
		b.s.book.fault("%s has %d ids and %d numbers: %v, %v", first, len(ids), len(numbers), ids, numbers)
	case answered && len(placed) == 0 && !slices.ContainsFunc(n.attempts, b.mayHaveReachedNobody):
		b.s.book.fault("%s was answered, and reached nobody, though each time somebody was there for it", first)
	}
	for _, a := range placed {
		b.batch(a)
	}
}

// mayHaveReachedNobody reports whether an attempt may have published a message without
// any copy.
func (b *copyBook) mayHaveReachedNobody(a *attempt) bool {
	return a.moment.posted && !slices.ContainsFunc(b.dues(a), func(d *due) bool { return d.must })
}

// batch checks that the message before one that was published, in the same batch, was,
// too, and before it.
func (b *copyBook) batch(a *attempt) {
	before := a.ahead
	if before == nil {
		return
	}
	if x, y := b.sequence(before.of), b.sequence(a.of); x > y && y > 0 {
		b.s.book.fault("%s has number %d, and %s behind it in its batch %d", before, x, a, y)
	}
	published := func(o *attempt) bool { return len(o.copies) > 0 || !o.answered.IsZero() || b.mayHaveReachedNobody(o) }
	if !b.orphaned(before.of) && !slices.ContainsFunc(before.of.attempts, published) {
		b.s.book.fault("%s was published, and %s before it in its batch was not", a, before)
	}
}

// judgeAttempt checks where copies of an attempt are, and, if it was answered or any is
// there, that none is missing: a post is all or nothing.
func (b *copyBook) judgeAttempt(a *attempt, answered bool) {
	if len(a.copies) > 0 && (a.moment.from == 0 || !a.moment.posted) {
		b.s.book.fault("%s was not posted, and there are copies: %v", a, a.copies)
		return
	}
	if len(a.copies) == 0 && !answered {
		return
	}
	list := b.dues(a)
	most, least := make(map[place]int), make(map[place]int)
	for _, d := range list {
		for _, p := range d.places {
			most[p]++
		}
		if d.must && len(d.places) == 1 {
			least[d.places[0]]++
		}
		if d.must && !slices.ContainsFunc(d.places, func(p place) bool { return b.there(a, p) }) {
			b.s.book.fault("%s did not reach %s: it is in none of %v\n%s", a, d.who, d.places, b.story(a.of))
			return
		}
		if d.must {
			b.s.book.count(func(x *stats) { x.Owed++ })
		}
	}
	for p, n := range a.copies {
		if b.deduplicates(p) {
			most[p], least[p] = min(most[p], 1), min(least[p], 1)
		}
		switch {
		case most[p] == 0:
			b.s.book.fault("%s is in %v, where nobody asked for it\n%s", a, p, b.story(a.of))
		case n > most[p]:
			b.s.book.fault("%s is in %v %d times, and was asked for %d times", a, p, n, most[p])
		case n < least[p]:
			b.s.book.fault("%s is in %v %d times, and was asked for %d times", a, p, n, least[p])
		}
	}
}

// there reports whether an attempt has a copy in a place: of its own, or, where the topic
// knew of no other attempt any more, that of another one, by which a FIFO queue knows.
func (b *copyBook) there(a *attempt, p place) bool {
	if a.copies[p] > 0 || a.of.topic == nil || !a.of.topic.FIFO || !b.orphaned(a.of) {
		return a.copies[p] > 0
	}
	return slices.ContainsFunc(a.of.attempts, func(o *attempt) bool { return o.copies[p] > 0 })
}

// story tells what became of the attempts of a notice.
func (b *copyBook) story(n *notice) string {
	var s strings.Builder
	for _, a := range n.attempts {
		m := a.moment
		fmt.Fprintf(&s, "      %s: asked %s, answered %s, by revision %d to %d, posted %v, ended %s, copies %v\n",
			a, b.s.book.at(a.began), b.s.book.at(a.answered), m.from, m.to, m.posted, b.s.book.at(m.ended), a.copies)
	}
	return s.String()
}

// deduplicates reports whether a place is in a FIFO queue, which has the same content once.
func (b *copyBook) deduplicates(p place) bool {
	for _, v := range b.history.queues {
		for _, x := range v.list {
			if x.def != nil && x.def.ID == p.queue {
				return x.def.FIFO
			}
		}
	}
	return false
}
