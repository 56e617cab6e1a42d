package simulation

import (
	"time"

	"github.com/waystation/waystation/internal/partition"
)

// refused judges a refusal that is no matter of receipts.
func (b *book) refused(p *page, what verb, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	recent := func(list []span, within time.Duration) (n int) {
		for _, x := range list {
			if now.Sub(x.until()) <= within {
				n++
			}
		}
		return n
	}
	if err == partition.ErrPurgeInProgress {
		p.waits(now, 60*time.Second+patience+b.slack)
	}
	excused := true
	switch err {
	case partition.ErrQueueGone:
		b.missed = append(b.missed, refusal{p, what, now}) // judged in the end
	case partition.ErrPurgeInProgress:
		// One is this one itself, and it was decided some time before it was answered.
		excused = recent(p.purges, 60*time.Second+patience+b.slack) > 1
	case partition.ErrMoveActive:
		excused = len(p.moves) > 1
	case partition.ErrReceiptInvalid, partition.ErrOverLimit, partition.ErrMoveNotFound, partition.ErrMoveNotRunning:
		excused = false
	case partition.ErrFull:
		excused = b.s.plan.disk > 0
	case partition.ErrBusy:
		excused = b.s.plan.requests > 0
	}
	if !excused {
		b.note("%s: %s was refused without a reason: %v", p.name, verbNames[what], err)
	}
}

// refusal is one of a request for a queue that was said not to exist.
type refusal struct {
	page *page
	what verb
	at   time.Time
}

// removed notes that a node was told of the deletion of a queue, by its id.
func (b *book) removed(id uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.gone[id]; !ok {
		b.gone[id] = time.Now()
	}
}

// judgeMissed judges that queues were said not to exist. Which incarnation of a
// queue a deletion meets is not known by who asks for it: a node that lags finds an
// older one by the name, and deletes what has the name in the store. So a refusal
// has a reason if a node saw that incarnation deleted, or may have died before it
// could tell of a deletion that nobody answered.
func (b *book) judgeMissed() {
	for _, r := range b.missed {
		at, excused := b.gone[r.page.def.ID]
		excused = excused && !at.After(r.at)
		for _, p := range b.names[r.page.name] {
			for _, x := range p.drops {
				excused = excused || !x.acked && !x.start.After(r.at) && !x.until().Before(r.page.seen)
			}
		}
		if !excused {
			b.note("%s: %s was refused at %s without a reason: %v", r.page.name, verbNames[r.what], b.at(r.at), partition.ErrQueueGone)
		}
	}
}

// waiting is a purge that was refused for another one, of which no answer is known.
type waiting struct {
	told time.Time
	then time.Time // no earlier than this the other one was asked for
}

// waits notes a refusal for a purge that came within so long before.
func (p *page) waits(told time.Time, within time.Duration) {
	w := waiting{told: told, then: told}
	for _, x := range p.purges {
		switch {
		case told.Sub(x.until()) > within:
		case x.acked:
			return
		case x.start.Before(w.then):
			w.then = x.start
		}
	}
	p.waiting = append(p.waiting, w)
}

// unpurged checks a delivery of a message from the queue that it was sent to: what a
// purge was refused for has purged it.
func (b *book) unpurged(t *take) {
	m := t.m
	for _, w := range t.page.waiting {
		if m.settled(w.then) && t.start.After(w.told) {
			b.about(m, "%s delivered a message though a purge was refused at %v for another one, asked for at %v at the earliest", t.page.name, b.at(w.told), b.at(w.then))
		}
	}
}
