package simulation

import (
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// copyBook notes what was published to topics and put on buses, and the copies that the
// queues of subscribers and targets gave. What should have been there is judged in the
// end (owed.go), by what the node that took a request up knew then (history.go).
type copyBook struct {
	s       *sim
	history *history

	mu       sync.Mutex // guards what follows
	notices  map[string]*notice
	attempts map[string]*attempt
	made     map[uint64]time.Time // queues by id: when it was answered that they were made
	drops    map[string][]span    // queues by name: deletions that were asked for
	answered []answeredAt         // changes of definitions, in order
	taken    map[takenCopy]bool
	removed  map[copyKey]time.Time // when it was answered that a copy was deleted
	firsts   map[line][]*attempt   // on FIFO queues, in the order in which they came first
}

// notice is a message for a topic, or an event, that is published or put once or, without
// an answer or on FIFO topics, again.
type notice struct {
	id, kind string // kind "": none
	size     int
	many     bool // it has more attributes than raw delivery can carry
	group    string
	first    time.Time
	topic    *registry.Topic // of a message
	bus      *registry.Bus   // of an event
	attempts []*attempt
}

// attempt is one request to publish or put a notice. Its number stands in the text.
type attempt struct {
	of     *notice
	number int
	began  time.Time
	moment *moment
	ahead  *attempt // the one before it in the same request

	answered  time.Time
	id        partition.MessageID // that was answered
	seenID    string              // that copies have
	sequences []uint64            // that were answered, or that copies have
	copies    map[place]int
}

// place is where a copy may stand: a queue, by its incarnation, and how it looks there.
type place struct {
	queue uint64
	form  string
}

// copyKey is a copy in a queue.
type copyKey struct {
	queue uint64
	id    partition.MessageID
}

type takenCopy struct {
	copyKey
	receive uint32
}

// line is a group of what one topic sends to one FIFO queue.
type line struct {
	queue, topic uint64
	group        string
}

// answeredAt is a revision that a client was told of, and by whom.
type answeredAt struct {
	revision uint64
	run      *run
	at       time.Time
}

func newCopyBook(s *sim) *copyBook {
	return &copyBook{
		s: s, notices: make(map[string]*notice), attempts: make(map[string]*attempt), made: make(map[uint64]time.Time), drops: make(map[string][]span),
		taken: make(map[takenCopy]bool), removed: make(map[copyKey]time.Time), firsts: make(map[line][]*attempt),
	}
}

func textOf(id string, number int) string { return fmt.Sprintf("%s/%d", id, number) }

// attempt notes that a node is about to publish notices to a topic or to put them on a
// bus, one of which is nil. It is false when they were for one that is gone.
func (b *copyBook) attempt(list []*notice, t *registry.Topic, on *registry.Bus) (*moment, []*attempt, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := &moment{}
	var made []*attempt
	for i, n := range list {
		switch {
		case n.first.IsZero():
			n.first, n.topic, n.bus = time.Now(), t, on
			b.notices[n.id] = n
			b.s.book.count(func(x *stats) { x.Announced++ })
		case t != nil && t.ID != n.topic.ID, on != nil && on.Incarnation() != n.bus.Incarnation():
			return nil, nil, false
		}
		a := &attempt{of: n, number: len(n.attempts), began: time.Now(), moment: m, copies: make(map[place]int)}
		if i > 0 {
			a.ahead = made[i-1]
		}
		n.attempts = append(n.attempts, a)
		b.attempts[textOf(n.id, a.number)] = a
		made = append(made, a)
	}
	return m, made, true
}

// outcome is what a request answered of one attempt.
type outcome struct {
	id       partition.MessageID
	sequence uint64
	err      error
}

// answer notes the answer of a request.
func (b *copyBook) answer(made []*attempt, list []outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	failed := false
	for i, o := range list {
		a := made[i]
		if o.err != nil {
			failed = true
			continue
		}
		if t := a.of.topic; t != nil && t.FIFO && failed {
			b.s.book.fault("%s was published behind a message of its batch that was refused", a)
		}
		a.answered, a.id = time.Now(), o.id
		if o.sequence != 0 {
			a.sequences = append(a.sequences, o.sequence)
		}
		b.s.book.count(func(x *stats) { x.Answered++ })
	}
}

func (a *attempt) String() string {
	what := "event"
	if a.of.topic != nil {
		what = "message"
	}
	return fmt.Sprintf("%s %s", what, textOf(a.of.id, a.number))
}

// defined notes that a client was told of a definition.
func (b *copyBook) defined(r *run, revision uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answered = append(b.answered, answeredAt{revision, r, time.Now()})
}

// hears is how long a node may take to hear of a change while nothing is wrong: the
// registry's Refresh, and what reading takes.
const hears = 3 * time.Second

// knows checks what a node knows of the definitions that takes a request up: what it
// answered itself, and, while nothing is wrong, what others answered.
func (b *copyBook) knows(r *run, revision uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, x := range b.answered {
		if x.revision <= revision {
			continue
		}
		if x.run == r {
			b.s.book.fault("node %s knows revision %d, and has answered %d before", r.node.name, revision, x.revision)
		} else if len(b.s.plan.faults) == 0 && time.Since(x.at) > hears {
			b.s.book.fault("node %s knows revision %d, and %d was answered %v ago", r.node.name, revision, x.revision, time.Since(x.at))
		}
	}
}

// took notes a copy that a queue gave.
func (b *copyBook) took(q *registry.Queue, start time.Time, r *partition.Received) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := copyKey{q.ID, r.ID}
	if at, ok := b.removed[key]; ok && start.After(at) {
		b.s.book.fault("%s gave %v after it was deleted", q.Name, r.ID)
	}
	first := !b.taken[takenCopy{key, 0}]
	b.taken[takenCopy{key, 0}] = true
	if again := (takenCopy{key, r.Receives}); b.taken[again] {
		b.s.book.fault("%s gave %v twice as receive %d: it stands there twice: %.120q", q.Name, r.ID, r.Receives, r.Body)
	} else {
		b.taken[again] = true
	}
	if !first {
		return
	}
	b.s.book.count(func(x *stats) { x.Copies++ })
	c, err := readCopy(r)
	a := b.attempts[c.text]
	if err != nil || a == nil {
		b.s.book.fault("%s gave what nobody published: %v: %.200q", q.Name, err, r.Body)
		return
	}
	a.copies[place{q.ID, c.form}]++
	if c.id != "" {
		if a.seenID != "" && a.seenID != c.id {
			b.s.book.fault("%s has the ids %s and %s", a, a.seenID, c.id)
		}
		a.seenID = c.id
	}
	if a.of.topic == nil {
		return
	}
	if c.topic != "" && c.topic != a.of.topic.ARN() {
		b.s.book.fault("%s says that it is of %s", a, c.topic)
	}
	switch {
	case c.sequence != 0:
		a.sequences = append(a.sequences, c.sequence)
	case a.of.topic.FIFO && c.topic != "":
		b.s.book.fault("%s has no number in %s", a, q.Name)
	}
	if q.FIFO && a.of.topic.FIFO {
		if r.GroupID != a.of.group {
			b.s.book.fault("%s has group %q", a, r.GroupID)
		}
		l := line{q.ID, a.of.topic.ID, a.of.group}
		b.firsts[l] = append(b.firsts[l], a)
	}
}

// deleted notes that it was answered that a copy was deleted.
func (b *copyBook) deleted(q *registry.Queue, id partition.MessageID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.removed[copyKey{q.ID, id}] = time.Now()
}

// finish judges what was published and put, once all queues are empty.
func (b *copyBook) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	last := uint64(0)
	for _, a := range b.attempts {
		last = max(last, a.moment.to)
	}
	if !b.history.reaches(last) {
		b.s.book.fault("the observer does not hear of revision %d of the definitions", last)
		return
	}
	b.history.mu.Lock()
	defer b.history.mu.Unlock()
	ids := make([]string, 0, len(b.notices))
	for id := range b.notices {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	for _, id := range ids {
		b.judge(b.notices[id])
	}
	b.order()
}

// order checks the order of what FIFO topics published.
func (b *copyBook) order() {
	for l, list := range b.firsts {
		var before *attempt
		for _, a := range list {
			n := b.sequence(a.of)
			if n == 0 {
				continue
			}
			if before != nil && before.of != a.of && b.sequence(before.of) > n {
				b.s.book.fault("%s, number %d, came after number %d, %s, in group %s", a, n, b.sequence(before.of), before, l.group)
			}
			before = a
		}
	}
	// What was answered before another one was asked for has the smaller number.
	topics := make(map[uint64][]*attempt)
	for _, a := range b.attempts {
		if t := a.of.topic; t != nil && t.FIFO && !a.answered.IsZero() && b.sequence(a.of) != 0 {
			topics[t.ID] = append(topics[t.ID], a)
		}
	}
	for _, list := range topics {
		sort.Slice(list, func(i, k int) bool { return list[i].answered.Before(list[k].answered) })
		for i, a := range list {
			for _, later := range list[i+1:] {
				if x, y := b.sequence(a.of), b.sequence(later.of); later.of.first.After(a.answered) && y <= x {
					b.s.book.fault("%s, number %d, was published after %s, number %d, was answered", later, y, a, x)
				}
			}
		}
	}
}

// sequence is the number that a message is known to have; 0 if it is not known, or is not
// to be judged by.
func (b *copyBook) sequence(n *notice) uint64 {
	if b.orphaned(n) {
		return 0
	}
	for _, a := range n.attempts {
		if len(a.sequences) > 0 {
			return a.sequences[0]
		}
	}
	return 0
}

// orphaned reports whether a message may have been published when its topic was gone,
// by a node that had not heard of it: nothing is known there of what was published
// before.
func (b *copyBook) orphaned(n *notice) bool {
	at, gone := b.history.gone[n.topic.ID]
	return gone && slices.ContainsFunc(n.attempts, func(a *attempt) bool {
		return a.moment.ended.IsZero() || a.moment.ended.After(at.Add(-deletes))
	})
}

// deletes is how long a deletion may take, from when it is asked for until the observer
// hears of it.
const deletes = 40 * time.Second
