package simulation

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// book notes all requests and their answers, and where these contradict what
// docs/guarantees.md promises. It is stricter than test/harness/ledger, since it
// knows more: all clients share one clock here, and every request is noted.
//
// What is unknown (a request without an answer) may have happened, then or later.
type book struct {
	s     *sim
	slack time.Duration // what clocks may differ by

	mu     sync.Mutex // guards what follows
	pages  map[uint64]*page
	names  map[string][]*page   // incarnations, oldest first
	gone   map[uint64]time.Time // queues by id: when a node was told first of their deletion
	msgs   map[string]*message
	missed []refusal
	faults []string
	stats  stats
}

// stats count what a run did.
type stats struct {
	Sends, Acknowledged, Deliveries, Deletes, Dead, Moved, Unknown, Purges, Drops, Posts, Taken int
	// Of topics and buses: messages and events, of them and their repeats those that were
	// answered, copies in queues, and those of them that had to be there.
	Announced, Answered, Copies, Owed int
}

func (a *stats) add(b stats) {
	a.Sends += b.Sends
	a.Acknowledged += b.Acknowledged
	a.Deliveries += b.Deliveries
	a.Deletes += b.Deletes
	a.Dead += b.Dead
	a.Moved += b.Moved
	a.Unknown += b.Unknown
	a.Purges += b.Purges
	a.Drops += b.Drops
	a.Posts += b.Posts
	a.Taken += b.Taken
	a.Announced += b.Announced
	a.Answered += b.Answered
	a.Copies += b.Copies
	a.Owed += b.Owed
}

// page is one incarnation of a queue.
type page struct {
	queuePlan
	def     *registry.Queue
	seen    time.Time // first, by a client
	drops   []span    // deletions of the queue that clients asked for
	purges  []span
	waiting []waiting
	moves   []moveNote
	ghosts  int    // receives without an answer: each may have taken anything
	asked   int    // receives under way, which may, too
	empty   []span // receives that got nothing
	groups  map[string][]*message
}

// moveNote is a move task that was asked for.
type moveNote struct {
	destination string // a name; "" for where each came from
}

// span is when something happened or may have.
type span struct {
	start, end time.Time
	acked      bool
}

// late is until when a request without an answer may still have its effect: it
// waits for its owner, its owner for the log, and the log for its disk.
const late = 90 * time.Second

func (x span) until() time.Time {
	if x.acked {
		return x.end
	}
	return x.end.Add(late)
}

// lingers is how long a queue may be used after it was deleted, through nodes that
// have not heard of it (Amazon SQS API Reference, DeleteQueue: up to 60 seconds).
const lingers = time.Minute

type message struct {
	id, body, group string
	page            *page
	delay           time.Duration
	first           time.Time // asked for first
	again           time.Time // asked for, or answered, last
	asking          int       // how many requests are under way
	unsure          time.Time // until when one that got no answer may have its effect
	last            time.Time // until when it may have been stored
	acked           time.Time // zero: not
	sentID          partition.MessageID
	takes           []*take
	deletes         []deletion
	tried           bool // a delete was asked for
	told            bool // a fault about it was noted
}

// take is one delivery.
type take struct {
	m          *message
	page       *page
	server     partition.MessageID
	count      uint32
	start, end time.Time
	visibility time.Duration
	attempt    string
	receipt    string
	changed    bool // its visibility was changed, or may have been
}

// purged reports whether the queue may have been purged since the message was sent
// first. A purge forgets deduplication ids, so a repeated send is a new message then.
func (m *message) purged() bool {
	return slices.ContainsFunc(m.page.purges, func(x span) bool { return !x.until().Before(m.first) })
}

type deletion struct {
	take  *take
	end   time.Time
	final bool
}

func newBook(s *sim) *book {
	return &book{s: s, slack: s.plan.slack + 5*time.Millisecond, pages: make(map[uint64]*page), names: make(map[string][]*page), gone: make(map[uint64]time.Time), msgs: make(map[string]*message)}
}

// maxFaults bounds what is remembered.
const maxFaults = 20

// note needs mu held.
func (b *book) note(format string, args ...any) {
	if len(b.faults) < maxFaults {
		b.faults = append(b.faults, fmt.Sprintf("%v: ", time.Since(b.s.began).Round(time.Millisecond))+fmt.Sprintf(format, args...))
	}
}

// about notes a fault of a message, one for each.
func (b *book) about(m *message, format string, args ...any) {
	if !m.told {
		m.told = true
		b.note("%s\n%s", fmt.Sprintf(format, args...), b.history(m))
	}
}

// fault notes what somebody else found.
func (b *book) fault(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note(format, args...)
}

// created opens the page of an incarnation.
func (b *book) created(q queuePlan, def *registry.Queue) { b.page(q, def) }

// page of a queue that was found under its definition.
func (b *book) page(q queuePlan, def *registry.Queue) *page {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pages[def.ID]
	if p == nil {
		p = &page{queuePlan: q, def: def, seen: time.Now(), groups: make(map[string][]*message)}
		b.pages[def.ID] = p
		b.names[q.name] = append(b.names[q.name], p)
	}
	return p
}

// count changes what is counted.
func (b *book) count(by func(*stats)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	by(&b.stats)
}

func (b *book) unknown() {
	b.mu.Lock()
	b.stats.Unknown++
	b.mu.Unlock()
}

// asking notes that a receive is about to be asked for, and returns what notes that
// it has ended.
func (b *book) asking(p *page) (ended func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p.asked++
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		p.asked--
	}
}

// ghost notes a receive without an answer.
func (b *book) ghost(p *page) {
	b.mu.Lock()
	p.ghosts++
	b.stats.Unknown++
	b.mu.Unlock()
}

// reach lists the names of the queues in which a message of p may be.
func (b *book) reach(p *page) (names []string, moved bool) {
	names = []string{p.name}
	for i := 0; i < len(names); i++ {
		add := func(name string) {
			if name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		for _, p := range b.names[names[i]] {
			add(p.deadLetter)
			for _, mv := range p.moves {
				moved = true
				if add(mv.destination); mv.destination == "" {
					for _, sources := range b.names {
						if sources[0].deadLetter == p.name {
							add(sources[0].name)
						}
					}
				}
			}
		}
	}
	return names, moved
}

// maybeGone reports whether a message may have left for a reason other than a
// delete of its own.
func (b *book) maybeGone(m *message) bool {
	now := time.Now()
	names, _ := b.reach(m.page)
	for _, name := range names {
		for _, p := range b.names[name] {
			if now.After(m.first.Add(p.retention - b.slack)) {
				return true
			}
			for _, x := range p.purges {
				if !x.until().Before(m.first) {
					return true
				}
			}
			for _, x := range p.drops {
				if !x.until().Add(lingers).Before(m.first) {
					return true
				}
			}
		}
	}
	return false
}

// received notes the answer of a receive.
func (b *book) received(p *page, start time.Time, visibility time.Duration, attempt string, batch []partition.Received) []*take {
	end := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(batch) == 0 {
		p.empty = append(p.empty, span{start: start, end: end})
	}
	in := make(map[*message]bool)
	var takes []*take
	for i := range batch {
		r := &batch[i]
		b.stats.Deliveries++
		id, _, _ := strings.Cut(r.Body, "|")
		m := b.msgs[id]
		if m == nil || m.body != r.Body {
			b.note("%s delivered what nobody sent: %.80q", p.name, r.Body)
			continue
		}
		t := &take{m: m, page: p, server: r.ID, count: r.Receives, start: start, end: end, visibility: visibility, attempt: attempt, receipt: r.Receipt}
		names, moved := b.reach(m.page)
		if p != m.page {
			b.stats.Dead++
			switch {
			case !slices.Contains(names, p.name):
				b.about(m, "%s delivered a message of %s", p.name, m.page.name)
			case p.name == m.page.name && !moved:
				b.about(m, "%s delivered a message of the queue of this name that was deleted", p.name)
			case !moved && int(r.Receives) <= m.page.maxReceive:
				b.about(m, "dead-letter queue %s delivered a message with receive count %d, it could be received %d times before", p.name, r.Receives, m.page.maxReceive)
			case !moved && r.DeadLetterSource != m.page.def.ARN():
				b.about(m, "%s says that a message came from %q", p.name, r.DeadLetterSource)
			}
		} else if !moved && p.maxReceive > 0 && int(r.Receives) > p.maxReceive && !b.dropped(p.deadLetter) {
			b.about(m, "%s delivered a message for the %dth time, the limit is %d", p.name, r.Receives, p.maxReceive)
		}
		if !moved && !m.acked.IsZero() && r.ID != m.sentID && !m.purged() {
			b.about(m, "%s delivered as %v what was acknowledged as %v", p.name, r.ID, m.sentID)
		}
		if r.GroupID != m.group {
			b.about(m, "%s delivered group %q", p.name, r.GroupID)
		}
		m.takes = append(m.takes, t)
		b.times(t, moved)
		b.counts(t, moved)
		b.undone(t)
		if p.fifo && p == m.page {
			b.order(t, in)
		}
		in[m] = true
		takes = append(takes, t)
	}
	return takes
}

// dropped reports whether a queue of that name may have been missing for a while:
// those that dead-letter to it keep their messages then.
func (b *book) dropped(name string) bool {
	for _, p := range b.names[name] {
		if len(p.drops) > 0 {
			return true
		}
	}
	return false
}

// times checks delay, retention, purges and deletions of the queue.
func (b *book) times(t *take, moved bool) {
	m, p := t.m, t.page
	if p == m.page && !moved {
		if early := m.first.Add(m.delay - b.slack).Sub(t.end); early > 0 {
			b.about(m, "%s delivered a message %v before its delay was over", p.name, early)
		}
		if t.start.After(m.last.Add(p.retention + b.slack)) {
			b.about(m, "%s delivered a message after its retention", p.name)
		}
		b.unpurged(t)
		for _, x := range p.purges {
			if x.acked && m.settled(x.start) && t.start.After(x.end) {
				b.about(m, "%s delivered a message that was purged (asked %v, done %v)", p.name, b.at(x.start), b.at(x.end))
			}
		}
	}
	for _, x := range p.drops {
		if x.acked && t.start.After(x.end.Add(lingers)) {
			b.about(m, "%s delivered a message after it was deleted (%v)", p.name, b.at(x.end))
		}
	}
}

// counts checks a delivery against earlier ones.
func (b *book) counts(t *take, moved bool) {
	m := t.m
	if t.count < 1 {
		b.about(m, "%s delivered with receive count 0", t.page.name)
	}
	for _, o := range m.takes {
		if o == t {
			continue
		}
		if o.server != t.server {
			if !moved && !m.purged() {
				b.about(m, "%s: a message was stored twice, as %v and %v", t.page.name, o.server, t.server)
			}
			continue
		}
		switch {
		case o.count == t.count && o.attempt != "" && o.attempt == t.attempt && o.page == t.page:
			// The same receive, asked again.
		case o.count == t.count:
			b.about(m, "%s delivered twice with receive count %d", t.page.name, t.count)
		case o.end.Before(t.start) && o.count > t.count:
			b.about(m, "%s: receive count went back from %d to %d", t.page.name, o.count, t.count)
		case o.count+1 == t.count && !o.changed && t.end.Before(o.start.Add(o.visibility-b.slack)):
			b.about(m, "%s delivered a message that was in flight until %v", t.page.name, b.at(o.start.Add(o.visibility)))
		}
	}
}

// empties checks receives of a standard queue that got nothing: an answer, empty
// too, is of a moment between request and answer. A message whose first receive
// came later was there for all of them that were asked for once it was visible.
func (b *book) empties(m *message) {
	p := m.page
	if p.fifo || m.acked.IsZero() || len(m.takes) == 0 || len(p.moves) > 0 || m.delay > 0 && b.s.plan.skew > 0 {
		return
	}
	t := m.takes[0]
	for _, o := range m.takes {
		if o.start.Before(t.start) {
			t = o
		}
	}
	if t.page != p || t.count != 1 || t.server != m.sentID {
		return // it may have been received before, without an answer
	}
	visible := m.acked.Add(m.delay + b.slack)
	for _, e := range p.empty {
		if e.start.After(visible) && e.end.Before(t.start) {
			b.about(m, "%s: a receive asked %v and answered %v got nothing while a message was visible", p.name, b.at(e.start), b.at(e.end))
			return
		}
	}
}

// undone checks a delivery against deletes that were acknowledged.
func (b *book) undone(t *take) {
	for _, d := range t.m.deletes {
		if !t.start.After(d.end) || d.take.server != t.server && t.m.purged() {
			continue
		}
		if d.final || d.take.server == t.server && d.take.page == t.page && d.take.count+1 == t.count {
			b.about(t.m, "%s delivered (receive %d) what was deleted (receive %d) at %v", t.page.name, t.count, d.take.count, b.at(d.end))
		}
	}
}

// order checks that what was acknowledged before this one was sent is gone, or
// goes before it in the same answer.
func (b *book) order(t *take, in map[*message]bool) {
	m, p := t.m, t.page
	if len(p.moves) > 0 {
		return // any of them may have been moved elsewhere
	}
	for _, e := range p.groups[m.group] {
		if e == m || e.acked.IsZero() || !e.acked.Before(m.first) || e.tried || in[e] || b.mayBeDead(e) || b.maybeGone(e) {
			continue
		}
		b.about(m, "%s delivered out of order: %s was before it in group %s and is not deleted\n%s", p.name, e.id, m.group, b.history(e))
	}
}

// mayBeDead reports whether a message may have been received too often.
func (b *book) mayBeDead(m *message) bool {
	p := m.page
	if p.maxReceive == 0 {
		return false
	}
	most := 0
	for _, t := range m.takes {
		most = max(most, int(t.count))
	}
	return most+p.ghosts+p.asked >= p.maxReceive
}

// deleting notes that a delete is about to be asked for.
func (b *book) deleting(t *take) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t.m.tried = true
}

// deleted notes that it was acknowledged.
func (b *book) deleted(t *take) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Deletes++
	end := time.Now()
	_, moved := b.reach(t.m.page)
	inTime := !t.changed && end.Before(t.start.Add(t.visibility-b.slack))
	d := deletion{take: t, end: end, final: inTime || t.page.fifo && t.page.maxReceive == 0 && !moved}
	t.m.deletes = append(t.m.deletes, d)
	for _, o := range t.m.takes { // noted before this answer was
		if o.start.After(end) {
			b.undone(o)
		}
	}
}

// expired judges that a delete or a change of visibility was refused because its
// receipt was not good any more.
func (b *book) expired(t *take, start time.Time, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := t.m
	excused := t.changed || m.tried && err != partition.ErrReceiptExpired || time.Now().After(t.start.Add(t.visibility-b.slack)) || b.maybeGone(m)
	for _, o := range m.takes {
		excused = excused || o.server == t.server && o.count > t.count
	}
	for range m.deletes {
		excused = true
	}
	if !excused {
		b.about(m, "%s: the receipt of receive %d was refused (%v) while it was good", t.page.name, t.count, err)
	}
}

// changing notes that a visibility is about to be changed.
func (b *book) changing(t *take) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t.changed = true
}

// begin notes that a purge or deletion of a queue is about to be asked for, and
// returns what notes that it was done.
func (b *book) begin(list *[]span) (done func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := len(*list)
	now := time.Now()
	*list = append(*list, span{start: now, end: now.Add(30 * time.Second)})
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		(*list)[i].end, (*list)[i].acked = time.Now(), true
	}
}

func (b *book) at(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Sub(b.s.began).Round(time.Millisecond).String()
}

// history tells what is known of a message.
func (b *book) history(m *message) string {
	s := fmt.Sprintf("    %s (%s, partition %d, group %q): sent %s, acknowledged %s", m.id, m.page.name, m.page.def.Partition, m.group, b.at(m.first), b.at(m.acked))
	for _, t := range m.takes {
		s += fmt.Sprintf("\n      %s receive %d of %.8v: asked %s, answered %s, hidden %v, changed %v", t.page.name, t.count, t.server, b.at(t.start), b.at(t.end), t.visibility, t.changed)
	}
	for _, d := range m.deletes {
		s += fmt.Sprintf("\n      deleted from %s (receive %d) at %s, final %v", d.take.page.name, d.take.count, b.at(d.end), d.final)
	}
	if m.tried {
		s += "\n      a delete was asked for"
	}
	return s
}

// finish is called once all queues are empty, unless the cluster is stuck, and
// returns all faults.
func (b *book) finish(stuck bool) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.judgeMissed()
	if stuck {
		return b.faults
	}
	ids := make([]string, 0, len(b.msgs))
	for id := range b.msgs {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	for _, id := range ids {
		m := b.msgs[id]
		b.empties(m)
		if m.acked.IsZero() || m.tried || b.maybeGone(m) || b.ruined(m.page) {
			continue
		}
		if len(m.takes) == 0 {
			b.about(m, "%s: a message was acknowledged and never delivered", m.page.name)
		} else {
			b.about(m, "%s: a message was acknowledged and never deleted, and is gone", m.page.name)
		}
	}
	return b.faults
}
