package ledger

import (
	"fmt"
	"sort"
	"sync"
	"time"
)

// slack is what clocks of milliseconds may differ by.
const slack = 10 * time.Millisecond

// maxFaults bounds what is remembered; more are counted.
const maxFaults = 50

// Queue is what the ledger has to know of a queue.
type Queue struct {
	Name       string
	FIFO       bool
	Visibility time.Duration // of every receive
	MaxReceive int           // 0: no dead-letter queue
	DeadLetter string        // its name
}

// Ledger is safe for concurrent use.
type Ledger struct {
	mu     sync.Mutex // guards all below
	queues map[string]Queue
	msgs   map[string]*message
	groups map[string]*group // queue + group
	faults []string
	more   int
	open   map[string]int // of a queue: acknowledged, no delete asked for
	lower  chan struct{}  // closed and replaced when open falls
	stats  Stats
	began  time.Time
}

// Stats counts what was noted.
type Stats struct {
	Sends, Acknowledged, Deliveries, Deletes, Dead, Unknown int
}

type message struct {
	id, queue, group, body string
	seq                    int
	delay                  time.Duration
	sendStart              time.Time
	acked                  bool
	serverID               string
	deliveries             []delivery
	deletes                []deletion
	tried                  bool // a delete was asked for, whatever came of it
	dead                   bool // seen in the dead-letter queue
	overtaken              bool // a fault about its order was noted
	ackedAt, triedAt       time.Time
}

type delivery struct {
	queue      string
	count      int
	start, end time.Time
}

type deletion struct {
	queue string
	count int // of the receive whose handle it used
	end   time.Time
}

// group orders the messages of a FIFO group by their number.
type group struct {
	bySeq []*message
	low   int // all before are tried
	// waived are orders that hold only if the earlier message turns out dead.
	waived []waiver
}

type waiver struct{ earlier, later *message }

// New makes a ledger of these queues.
func New(queues ...Queue) *Ledger {
	l := &Ledger{queues: map[string]Queue{}, msgs: map[string]*message{}, groups: map[string]*group{}, open: map[string]int{}, lower: make(chan struct{}), began: time.Now()}
	for _, q := range queues {
		l.queues[q.Name] = q
	}
	return l
}

// Send notes that a message is about to be sent. id is unique; in a FIFO group
// messages are noted in the order of their sends, and one is acknowledged before
// the next is noted.
func (l *Ledger) Send(queue, grp, id, body string, delay time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := &message{id: id, queue: queue, group: grp, body: body, delay: delay, sendStart: time.Now()}
	if l.queues[queue].FIFO {
		g := l.group(queue, grp)
		m.seq = len(g.bySeq)
		g.bySeq = append(g.bySeq, m)
	}
	l.msgs[id] = m
	l.stats.Sends++
}

func (l *Ledger) group(queue, grp string) *group {
	key := queue + "\x00" + grp
	g := l.groups[key]
	if g == nil {
		g = &group{}
		l.groups[key] = g
	}
	return g
}

// Sent notes the answer of a send.
func (l *Ledger) Sent(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.msgs[id]
	if m.acked {
		return
	}
	m.acked, m.ackedAt = true, time.Now()
	l.stats.Acknowledged++
	if !m.tried {
		l.open[m.queue]++
	}
}

// Unknown counts a request that got no answer.
func (l *Ledger) Unknown() {
	l.mu.Lock()
	l.stats.Unknown++
	l.mu.Unlock()
}

// Delivery is one message of a receive's answer.
type Delivery struct {
	ID       string // the sender's id, from the body
	Body     string
	ServerID string // MessageId
	Count    int    // ApproximateReceiveCount
}

// Received notes the answer of a receive that was asked at start, in the order
// of the answer.
func (l *Ledger) Received(queue string, start time.Time, batch []Delivery) {
	end := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	in := map[*message]bool{}
	for _, d := range batch {
		l.stats.Deliveries++
		m := l.msgs[d.ID]
		if m == nil {
			l.fault("%s delivered a message that nobody sent: %.60q", queue, d.Body)
			continue
		}
		l.place(m, queue)
		if d.Body != m.body {
			l.fault("%s: message %s has another body than was sent: %.60q", queue, m.id, d.Body)
		}
		if m.serverID == "" {
			m.serverID = d.ServerID
		} else if m.serverID != d.ServerID {
			l.fault("%s: message %s was stored twice, as %s and %s", queue, m.id, m.serverID, d.ServerID)
		}
		if early := m.sendStart.Add(m.delay).Sub(end); early > slack {
			l.fault("%s: message %s was delivered %v before its delay was over", queue, m.id, early)
		}
		now := delivery{queue: queue, count: d.Count, start: start, end: end}
		l.counts(m, now)
		l.undone(m, now)
		if q := l.queues[queue]; q.FIFO && queue == m.queue {
			l.order(q, m, in)
		}
		m.deliveries = append(m.deliveries, now)
		in[m] = true
	}
}

// place checks that the message belongs to the queue, or to its source.
func (l *Ledger) place(m *message, queue string) {
	if queue == m.queue {
		return
	}
	if l.queues[m.queue].DeadLetter != queue {
		l.fault("%s delivered message %s of %s", queue, m.id, m.queue)
		return
	}
	if !m.dead {
		m.dead = true
		l.stats.Dead++
	}
}

// counts checks the receive count against earlier deliveries of the same queue.
func (l *Ledger) counts(m *message, d delivery) {
	if d.count < 1 {
		l.fault("%s: message %s was delivered with receive count %d", d.queue, m.id, d.count)
	}
	if limit := l.queues[d.queue].MaxReceive; limit > 0 && d.count > limit {
		l.fault("%s: message %s was delivered for the %dth time, the limit is %d", d.queue, m.id, d.count, limit)
	}
	for _, p := range m.deliveries {
		switch {
		case p.queue != d.queue:
			if p.queue != m.queue && p.end.Before(d.start) {
				l.fault("%s: message %s came back from its dead-letter queue", d.queue, m.id)
			}
		case p.count == d.count:
			l.fault("%s: a message was delivered twice with receive count %d, again asked %v after the first answer\n%s", d.queue, d.count, d.start.Sub(p.end), l.history(m))
		case p.end.Before(d.start) && p.count > d.count:
			l.fault("%s: receive count went back from %d to %d\n%s", d.queue, p.count, d.count, l.history(m))
		}
	}
}

// undone checks a delivery against the deletes that are final.
func (l *Ledger) undone(m *message, d delivery) {
	for _, x := range m.deletes {
		switch {
		case d.queue == x.queue && d.count <= x.count:
			continue // of before the delete
		case d.queue != x.queue && d.queue == m.queue && !d.start.After(x.end):
			continue // of before it died
		}
		l.fault("%s: receive %d (asked %v after the delete was acknowledged) gave a message although its delete was acknowledged\n%s",
			d.queue, d.count, d.start.Sub(x.end), l.history(m))
	}
}

// order checks that everything before m in its group is gone, or goes before it
// in the same answer.
func (l *Ledger) order(q Queue, m *message, in map[*message]bool) {
	g := l.group(q.Name, m.group)
	for g.low < len(g.bySeq) && g.bySeq[g.low].tried {
		g.low++
	}
	for i := g.low; i < m.seq; i++ {
		e := g.bySeq[i]
		switch {
		case e.tried, e.dead, in[e]:
		case q.MaxReceive > 0:
			g.waived = append(g.waived, waiver{e, m})
		case !e.overtaken:
			e.overtaken = true
			l.fault("%s: number %d of group %s was delivered before number %d was deleted\n%s\n%s", q.Name, m.seq, m.group, e.seq, l.history(e), l.history(m))
		}
	}
	for i := m.seq + 1; i < len(g.bySeq); i++ {
		if in[g.bySeq[i]] {
			l.fault("%s: one receive gave number %d of group %s before number %d", q.Name, g.bySeq[i].seq, m.group, m.seq)
		}
	}
}

// Deleting notes that a delete of the message is about to be asked for.
func (l *Ledger) Deleting(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.msgs[id]
	if m == nil || m.tried {
		return
	}
	m.tried, m.triedAt = true, time.Now()
	if m.acked {
		l.open[m.queue]--
		close(l.lower)
		l.lower = make(chan struct{})
	}
}

// Deleted notes that a delete with the handle of the delivery with that receive
// count was acknowledged. It is final if the handle was current: for certain when
// the visibility timeout of that receive was not over yet, and always on a FIFO
// queue, which refuses other handles, unless the message may have gone to a
// dead-letter queue meanwhile.
func (l *Ledger) Deleted(queue, id string, count int) {
	end := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.msgs[id]
	if m == nil {
		return
	}
	l.stats.Deletes++
	q := l.queues[queue]
	final := false
	for _, d := range m.deliveries {
		if d.queue == queue && d.count == count {
			final = end.Sub(d.start) < q.Visibility-slack || q.FIFO && q.MaxReceive == 0
		}
	}
	if !final {
		return
	}
	m.deletes = append(m.deletes, deletion{queue: queue, count: count, end: end})
	for _, d := range m.deliveries { // noted before this answer was
		if d.queue == queue && d.count > count {
			l.fault("%s: receive %d gave a message although its delete (receive %d) was acknowledged\n%s", queue, d.count, count, l.history(m))
		}
	}
}

// Complain notes a fault that the caller found.
func (l *Ledger) Complain(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault(format, args...)
}

// Open is how many acknowledged messages sent to a queue nobody has tried to
// delete, and a channel that closes when the number of some queue falls.
func (l *Ledger) Open(queue string) (int, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open[queue], l.lower
}

// Stats are the numbers so far.
func (l *Ledger) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

// Faults are the contradictions found so far.
func (l *Ledger) Faults() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := append([]string(nil), l.faults...)
	if l.more > 0 {
		out = append(out, fmt.Sprintf("and %d more", l.more))
	}
	return out
}

// Finish is called once the queues are empty: it adds what only the end can
// tell, and returns all faults.
func (l *Ledger) Finish() []string {
	l.mu.Lock()
	ids := make([]string, 0, len(l.msgs))
	for id := range l.msgs {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	for _, id := range ids {
		m := l.msgs[id]
		switch {
		case m.acked && len(m.deliveries) == 0:
			l.fault("%s: a message was acknowledged and never delivered\n%s", m.queue, l.history(m))
		case m.acked && !m.tried:
			l.fault("%s: a message was acknowledged and never deleted, and is gone\n%s", m.queue, l.history(m))
		}
	}
	for _, g := range l.groups {
		for _, w := range g.waived {
			if !w.earlier.dead {
				if w.earlier.overtaken {
					continue
				}
				w.earlier.overtaken = true
				l.fault("%s: number %d of group %s was delivered before number %d, which is not dead\n%s\n%s",
					w.later.queue, w.later.seq, w.later.group, w.earlier.seq, l.history(w.earlier), l.history(w.later))
			}
		}
	}
	l.mu.Unlock()
	return l.Faults()
}

// Dead says whether the message was seen in its dead-letter queue.
func (l *Ledger) Dead(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.msgs[id]
	return m != nil && m.dead
}

// history tells what is known of a message, times since the ledger began; needs
// mu held.
func (l *Ledger) history(m *message) string {
	since := func(t time.Time) string {
		if t.IsZero() {
			return "never"
		}
		return t.Sub(l.began).Round(time.Millisecond).String()
	}
	s := fmt.Sprintf("  %s %s number %d: send asked %s, acknowledged %s;", m.id, m.serverID, m.seq, since(m.sendStart), since(m.ackedAt))
	for _, d := range m.deliveries {
		s += fmt.Sprintf(" delivered by %s (receive %d, asked %s, answered %s);", d.queue, d.count, since(d.start), since(d.end))
	}
	s += fmt.Sprintf(" first delete asked %s;", since(m.triedAt))
	for _, d := range m.deletes {
		s += fmt.Sprintf(" delete from %s (receive %d) acknowledged %s;", d.queue, d.count, since(d.end))
	}
	return s
}

// fault needs mu held.
func (l *Ledger) fault(format string, args ...any) {
	if len(l.faults) >= maxFaults {
		l.more++
		return
	}
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}
