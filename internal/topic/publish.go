package topic

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// Message is what is published, as the subscribers of queues get it.
type Message struct {
	Body       string
	Subject    string                // "": none
	Attributes []partition.Attribute // in the order of their names
	// Group is required on FIFO topics; queues get it from others too.
	Group string
	// Dedup is the deduplication id, of FIFO topics only, which need one.
	Dedup string
	Trace string // AWSTraceHeader, "": none
}

// Published is what became of one message. With Err nothing is known to have been
// delivered, but some subscribers may have it; what partition.Post returns, or
// ErrUnmatched.
type Published struct {
	ID       partition.MessageID // of the first one, if this is its duplicate
	Sequence uint64              // of FIFO topics, else 0
	Err      error
}

// Counted says what became of messages: of those published, and of their deliveries.
type Counted struct {
	Published int
	Delivered int // to the queues of subscriptions
	Filtered  int // that filter policies kept back
	Failed    int // queues that are gone or do not let the topic send
	Redriven  int // of the failed ones, into dead-letter queues
	Queued    int // to be pushed, see package delivery
}

func (c *Counted) add(o Counted) {
	c.Published += o.Published
	c.Delivered += o.Delivered
	c.Filtered += o.Filtered
	c.Failed += o.Failed
	c.Redriven += o.Redriven
	c.Queued += o.Queued
}

// Publish delivers up to ten messages to all subscribers that want them, in their
// order on FIFO topics. On these, no message is published behind one that failed.
func (s *Service) Publish(ctx context.Context, t *registry.Topic, msgs []Message) []Published {
	p := s.publication(t, len(msgs))
	results := p.results
	for i := range msgs {
		if err := p.add(ctx, i, &msgs[i]); err != nil {
			results[i].Err = err
			if t.FIFO {
				for k := i; k < len(results); k++ {
					results[k].Err = err
				}
				break
			}
		}
	}
	p.post(ctx)
	s.cfg.Observe(p.counted)
	return results
}

// publication is one call of Publish.
type publication struct {
	s       *Service
	topic   *registry.Topic
	fanout  *fanout
	now     time.Time
	results []Published
	counted Counted

	parts []part
}

// publication of n messages.
func (s *Service) publication(t *registry.Topic, n int) publication {
	return publication{s: s, topic: t, fanout: s.fanout(t.ID, false), now: s.cfg.Now(), results: make([]Published, n)}
}

// part is a message with some of its targets: as many as go into a post.
type part struct {
	at    int // of the message in results
	item  partition.PostItem
	bytes int
	// routes say which target is whose, aligned with the item's; the zero route is
	// the ledger's.
	routes []route
	// counted of the message, once it is published; zero but in its first part.
	counted Counted
}

// route is where a member's delivery goes.
type route struct {
	member *member
	queue  *registry.Queue // nil: it is pushed
	dead   bool            // it is the dead-letter queue
}

// add prepares a message.
func (p *publication) add(ctx context.Context, at int, m *Message) error {
	members, filtered, err := p.fanout.match(m)
	if err != nil {
		return err
	}
	id := p.s.cfg.NewID()
	p.results[at].ID = id
	n := notification{
		slot: id, kind: kindNotification, id: id, time: p.now.UnixMilli(), topic: p.topic.ARN(), subject: m.Subject,
		dedup: m.Dedup, trace: m.Trace, attributes: m.Attributes, message: m.Body,
	}
	if !p.topic.FIFO { // FIFO topics do not sign
		n.signature = byte(max(p.topic.SignatureVersion, 1))
	}
	routes, failed, err := p.routes(ctx, members, m)
	if err != nil {
		return err
	}
	counted := Counted{Published: 1, Filtered: filtered, Failed: failed}
	if len(routes) == 0 && !p.topic.FIFO {
		p.counted.add(counted) // nobody gets it
		return nil
	}
	p.split(ctx, part{at: at, item: partition.PostItem{Payload: n.encode()}, counted: counted}, m, routes)
	return nil
}

// routes finds the queues of members. What cannot be delivered is counted, and goes to
// the member's dead-letter queue if that can.
func (p *publication) routes(ctx context.Context, members []*member, m *Message) (list []route, failed int, err error) {
	list = make([]route, 0, len(members))
	for _, to := range members {
		if isPush(to.def.Protocol) {
			list = append(list, route{member: to})
			continue
		}
		q, why, err := p.s.reach(ctx, p.topic, to.def.Endpoint, &to.deliver, p.now)
		if err != nil {
			return nil, 0, err
		}
		if why == "" && to.def.Raw && len(m.Attributes) > MaxRawAttributes {
			why = "it has more than 10 message attributes, which raw delivery cannot carry"
		}
		if why == "" {
			list = append(list, route{member: to, queue: q})
			continue
		}
		failed++
		buried := false
		if to.def.RedriveARN != "" {
			dead, whyNot, err := p.s.reach(ctx, p.topic, to.def.RedriveARN, &to.bury, p.now)
			if err != nil {
				return nil, 0, err
			}
			if buried = whyNot == ""; buried {
				list = append(list, route{member: to, queue: dead, dead: true})
			} else {
				why += "; nor to the dead-letter queue: " + whyNot
			}
		}
		p.s.tellFailed(to, p.now, why, buried)
	}
	return list, failed, nil
}

// tellFailed logs a failed delivery, of each subscription once a minute at most.
func (s *Service) tellFailed(m *member, now time.Time, why string, buried bool) {
	last := m.warned.Load()
	if now.UnixNano()-last < int64(time.Minute) || !m.warned.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	s.log.Warn("a message could not be delivered to a subscription", logkey.Resource, m.def.ARN(), "why", why, "dead_lettered", buried)
}

// reach finds the queue of an ARN and asks its policy whether the topic may send to
// it; why says why not, "" if it may. The error is one of the registry, which passes.
func (s *Service) reach(ctx context.Context, t *registry.Topic, arn string, a *allowance, now time.Time) (q *registry.Queue, why string, err error) {
	q, ok := s.reg.QueueByARN(arn)
	if !ok {
		if err := s.known(ctx); err != nil {
			return nil, "", err
		}
		if q, ok = s.reg.QueueByARN(arn); !ok {
			return nil, "the queue " + arn + " does not exist", nil
		}
	}
	switch {
	case q.FIFO && !t.FIFO:
		return nil, "the queue " + arn + " is FIFO, and the topic is not", nil
	case !s.maySend(t, q, a, now):
		return nil, "the policy of the queue " + arn + " does not let the topic send to it", nil
	}
	return q, "", nil
}

// maySend asks a queue's policy.
func (s *Service) maySend(t *registry.Topic, q *registry.Queue, a *allowance, now time.Time) bool {
	if !s.cfg.Access.Enforces() {
		return true
	}
	if v := a.last.Load(); v != nil && v.queue == q && now.Before(v.until) {
		return v.allow
	}
	who := access.OfService(Principal)
	err := s.cfg.Access.Authorize(access.Query{
		Principal: &who, Action: "sqs:SendMessage", Resource: q.ARN(), Account: q.Account, Policy: q.Policy,
		Context: func() access.Context {
			c := access.Context{}
			c.Set("aws:SourceArn", t.ARN())
			c.Set("aws:SourceAccount", t.Account)
			c.Set("aws:SecureTransport", "true") // it never leaves the server
			c.Set("aws:CurrentTime", now.UTC().Format(time.RFC3339))
			return c
		},
	})
	a.last.Store(&verdict{queue: q, allow: err == nil, until: now.Add(time.Second)})
	return err == nil
}

// Bounds of one post, below those of partitions.
const (
	maxTargets = 1000
	// maxParts that wait for their post: as many as there are messages in a call.
	maxParts = 10
	// maxBytes of several messages, or of the targets of one: what is more goes into
	// another post. Every log takes that much, but for a larger message alone.
	maxBytes = 512 << 10
	// targetBytes is about what a target takes beside its texts.
	targetBytes = 300
)

// split gives a message its targets, in several parts if there are too many.
func (p *publication) split(ctx context.Context, whole part, m *Message, routes []route) {
	id := p.results[whole.at].ID
	whole.bytes = len(whole.item.Payload)
	next := whole
	next.grow(min(len(routes)+1, maxTargets))
	if p.topic.FIFO {
		scope := ""
		if p.topic.DedupPerGroup {
			scope = m.Group + " "
		}
		dedup := partition.DedupOf(scope + m.Dedup)
		next.item.Once = true
		next.add(route{}, partition.PostTarget{Target: ledgerOf(p.topic), FIFO: true, Group: m.Group, Answer: id, Dedup: &dedup})
	}
	for _, r := range routes {
		if !p.topic.FIFO && (len(next.routes) >= maxTargets || next.bytes-whole.bytes > maxBytes) {
			p.gather(ctx, next)
			next = part{at: whole.at, item: whole.item, bytes: whole.bytes}
			next.grow(maxTargets)
		}
		next.add(r, r.target(id, m))
	}
	p.gather(ctx, next)
}

// gather adds a part. Of standard topics those that are there are posted when they are
// too many: one message can have a million targets.
func (p *publication) gather(ctx context.Context, x part) {
	p.parts = append(p.parts, x)
	if len(p.parts) > maxParts && !p.topic.FIFO {
		p.post(ctx)
	}
}

// target is where a message of that id goes.
func (r *route) target(id partition.MessageID, m *Message) partition.PostTarget {
	if r.queue == nil {
		return partition.PostTarget{Target: pushTarget(r.member.def), Reference: r.member.reference}
	}
	var answer partition.MessageID // only FIFO queues remember it
	if r.queue.FIFO {
		answer = deliveryID(id, r.member.id)
	}
	dedup := m.Dedup
	if r.dead {
		dedup = "" // the dead letters of several subscribers have one queue
	}
	to := partition.QueueTarget(r.queue, m.Group, dedup, answer)
	to.Reference = r.member.reference
	return to
}

// grow makes room for n targets.
func (x *part) grow(n int) {
	x.routes = make([]route, 0, n)
	x.item.Targets = make([]partition.PostTarget, 0, n)
}

func (x *part) add(r route, to partition.PostTarget) {
	x.routes = append(x.routes, r)
	x.item.Targets = append(x.item.Targets, to)
	x.bytes += targetBytes + len(to.Group) + len(to.Reference)
}

// refuse says that nothing became of parts.
func (p *publication) refuse(parts []part, err error) {
	for i := range parts {
		p.results[parts[i].at].Err = err
	}
}

// post posts all parts, in order, several together where they fit. A FIFO topic ends
// at the first error: what comes behind must not overtake.
func (p *publication) post(ctx context.Context) {
	for len(p.parts) > 0 {
		n, targets, bytes := 1, len(p.parts[0].routes), p.parts[0].bytes
		for n < len(p.parts) && targets+len(p.parts[n].routes) <= maxTargets && bytes+p.parts[n].bytes <= maxBytes {
			targets, bytes, n = targets+len(p.parts[n].routes), bytes+p.parts[n].bytes, n+1
		}
		batch := p.parts[:n]
		p.parts = p.parts[n:]
		if err := p.postTogether(ctx, batch); err != nil && p.topic.FIFO {
			p.refuse(p.parts, err)
			return
		}
	}
}

// postTogether posts parts as one, or, when the log does not take so much at once, in
// two halves. What fails is noted in the results; the error is the first.
func (p *publication) postTogether(ctx context.Context, batch []part) error {
	items := make([]partition.PostItem, len(batch))
	for i := range batch {
		items[i] = batch[i].item
	}
	posted, err := p.s.parts.Post(ctx, p.from(batch), items)
	if errors.Is(err, partition.ErrTooLarge) {
		if a, b, ok := halves(batch, p.topic.FIFO); ok {
			err := p.postTogether(ctx, a)
			if err != nil && p.topic.FIFO {
				p.refuse(b, err)
				return err
			}
			return errors.Join(err, p.postTogether(ctx, b))
		}
	}
	total := 0
	for i := range batch {
		total += len(batch[i].routes)
	}
	if err == nil && len(posted) != total {
		err = partition.ErrUnavailable
	}
	if err != nil {
		p.refuse(batch, err)
		return err
	}
	for i := range batch {
		n := len(batch[i].routes)
		p.settle(ctx, &batch[i], posted[:n])
		posted = posted[n:]
	}
	return nil
}

// halves of parts: of several, or of the targets of one. Those of a FIFO topic's
// message stay together, for the first decides about all.
func halves(batch []part, fifo bool) (a, b []part, ok bool) {
	if n := len(batch); n > 1 {
		return batch[:n/2], batch[n/2:], true
	}
	whole := batch[0]
	n := len(whole.routes)
	if n < 2 || fifo {
		return nil, nil, false
	}
	left, right := whole, whole
	right.counted = Counted{}
	left.routes, left.item.Targets = whole.routes[:n/2], whole.item.Targets[:n/2]
	right.routes, right.item.Targets = whole.routes[n/2:], whole.item.Targets[n/2:]
	return []part{left}, []part{right}, true
}

// from is the partition to post from: the topic's own for its ledger, else the one
// with the most of the queues, which have the messages at once then.
func (p *publication) from(batch []part) uint32 {
	if p.topic.FIFO {
		return p.topic.Partition
	}
	counts := make(map[uint32]int, 4)
	best := batch[0].item.Targets[0].Target.Partition
	for i := range batch {
		for k := range batch[i].item.Targets {
			q := batch[i].item.Targets[k].Target.Partition
			if counts[q]++; counts[q] > counts[best] {
				best = q
			}
		}
	}
	return best
}

// settle counts what became of the targets of a part.
func (p *publication) settle(ctx context.Context, x *part, posted []partition.Posted) {
	if p.topic.FIFO && posted[0].Gone {
		// No node that knows this release's kinds says so.
		p.results[x.at].Err = partition.ErrUnavailable
		return
	}
	var late []int
	for i, r := range x.routes {
		switch {
		case r.member == nil:
			p.results[x.at].Sequence = posted[i].Key
			if posted[i].Duplicate {
				p.results[x.at].ID = posted[i].Answer
				return
			}
		case posted[i].Gone && r.dead:
			// It was counted, as one that failed.
		case posted[i].Gone:
			late = append(late, i)
		case r.dead:
			p.counted.Redriven++
		case r.queue == nil:
			p.counted.Queued++
		default:
			p.counted.Delivered++
		}
	}
	p.counted.add(x.counted)
	if len(late) > 0 {
		p.deliverLate(ctx, x, late)
	}
}

// deliverLate brings what found its queue deleted at the last moment to the queue that
// was made in its place, or to the dead-letter queue. late are places of routes.
func (p *publication) deliverLate(ctx context.Context, x *part, late []int) {
	numbered(x.item.Payload, p.results[x.at].Sequence)
	// Whoever holds the queues knew of it first. If that fails, memory says what it can.
	_ = p.s.reg.Sync(ctx)
	var failed error
	for _, i := range late {
		m, was := x.routes[i].member, &x.item.Targets[i]
		q, why, err := p.s.reach(ctx, p.topic, m.def.Endpoint, &m.deliver, p.now)
		done := false
		if err == nil && why == "" && q.ID != was.Target.Queue.ID {
			done, err = p.postLate(ctx, x, i, q, was.Dedup)
		}
		if done {
			p.counted.Delivered++
			continue
		}
		p.counted.Failed++
		buried := false
		if m.def.RedriveARN != "" {
			q, why, lost := p.s.reach(ctx, p.topic, m.def.RedriveARN, &m.bury, p.now)
			if lost == nil && why == "" {
				buried, lost = p.postLate(ctx, x, i, q, nil)
			}
			err = errors.Join(err, lost)
		}
		if !buried {
			failed = errors.Join(failed, err)
		}
		if buried {
			p.counted.Redriven++
		}
		p.s.tellFailed(m, p.now, "the queue "+m.def.Endpoint+" was deleted at that moment", buried)
	}
	// A FIFO topic has noted that the message is published: it would not be again.
	if p.results[x.at].Err == nil && !p.topic.FIFO {
		p.results[x.at].Err = failed
	}
}

// postLate puts a part's message into another queue than that of the target at place i,
// and reports whether it is there.
func (p *publication) postLate(ctx context.Context, x *part, i int, q *registry.Queue, dedup *[16]byte) (done bool, err error) {
	was := &x.item.Targets[i]
	from := q.Partition
	if p.topic.FIFO {
		from = p.topic.Partition // what follows comes from there
	}
	to := partition.QueueTarget(q, was.Group, "", was.Answer)
	to.Reference = was.Reference
	if q.FIFO {
		to.Dedup = dedup
	}
	posted, err := p.s.parts.Post(ctx, from, []partition.PostItem{{Payload: x.item.Payload, Targets: []partition.PostTarget{to}}})
	return err == nil && len(posted) == 1 && !posted[0].Gone, err
}

// numbered sees to it that a payload has its sequence number: the partition writes it
// into its own copy, which is another one on another node.
func numbered(payload []byte, sequence uint64) {
	if at := payload[partition.PayloadSequence:]; binary.BigEndian.Uint64(at) != sequence {
		binary.BigEndian.PutUint64(at, sequence)
	}
}
