package bus

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/waystation/waystation/internal/inlet"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// Addressed is an event and its bus.
type Addressed struct {
	Bus   *registry.Bus
	Event Event
}

// Result is what became of one event. With Err nothing is known to have been
// delivered, but some targets may have it; what partition.Post returns, or ErrEvent.
type Result struct {
	ID  partition.MessageID
	Err error
}

// Counted says what became of events: of those put, and of their deliveries.
type Counted struct {
	Put       int
	Matched   int // rules that events matched
	Delivered int // to the queues, topics and buses of targets
	Failed    int // targets that are gone or do not take the event
	Redriven  int // of the failed ones, into dead-letter queues
	Archived  int // into archives
	Replayed  int // out of them
	Scheduled int // times of rules with a schedule
}

func (c *Counted) add(o Counted) {
	c.Put += o.Put
	c.Matched += o.Matched
	c.Delivered += o.Delivered
	c.Failed += o.Failed
	c.Redriven += o.Redriven
	c.Archived += o.Archived
	c.Replayed += o.Replayed
	c.Scheduled += o.Scheduled
}

// Put puts events on buses: each goes to the targets of the rules that it matches.
// Every one succeeds or fails by itself.
func (s *Service) Put(ctx context.Context, events []Addressed) []Result {
	p := &putting{s: s, results: make([]Result, len(events)), now: s.cfg.Now()}
	defer p.leave()
	for i := range events {
		d := &delivery{s: s, put: p, at: i, now: p.now, trace: events[i].Event.Trace,
			source: events[i].Event.Source, detailType: events[i].Event.DetailType}
		if p.results[i].ID, p.results[i].Err = d.prepare(ctx, &events[i]); p.results[i].Err == nil {
			p.add(ctx, d)
		}
	}
	p.post(ctx)
	s.cfg.Observe(p.counted)
	return p.results
}

const (
	// maxGathered is how many bytes of payloads and targets a call of Put gathers
	// before it posts them: no log takes more as one record.
	maxGathered = 4 << 20
	// A call of Put that has gathered largePut bytes beside its events is large: there
	// are maxLarge of these at a time, others wait.
	largePut = 512 << 10
	maxLarge = 16
	// targetBytes is about what a target takes.
	targetBytes = 250
)

// putting is one call of Put.
type putting struct {
	s       *Service
	results []Result
	now     time.Time
	counted Counted

	sent    []*delivery // what is gathered
	parcels []inlet.Parcel
	bytes   int
	large   bool    // it has a place among the large ones
	near    *uint32 // where its events are archived that lead to no queue; nil: not chosen
}

// add gathers an event that is prepared.
func (p *putting) add(ctx context.Context, d *delivery) {
	parcel := d.parcel()
	if len(parcel.Items) == 0 {
		p.results[d.at].Err = d.publish(ctx)
		p.counted.add(d.counted)
		return
	}
	p.sent, p.parcels = append(p.sent, d), append(p.parcels, parcel)
	if p.bytes += d.bytes; p.bytes > maxGathered {
		p.post(ctx)
	}
}

// post posts what is gathered.
func (p *putting) post(ctx context.Context) {
	for i, out := range inlet.Post(ctx, p.s.parts, p.parcels) {
		d := p.sent[i]
		if out.Err != nil {
			p.results[d.at].Err = out.Err
			continue
		}
		err := d.settle(ctx, p.parcels[i], out.Posted)
		if err == nil {
			err = d.publish(ctx)
		}
		p.results[d.at].Err = err
		p.counted.add(d.counted)
	}
	p.sent, p.parcels, p.bytes = nil, nil, 0
}

// enter waits for a place among the large ones, if n bytes more make it one. The error
// is partition.ErrBusy.
func (p *putting) enter(ctx context.Context, n int) error {
	if p.large || p.bytes+n < largePut {
		return nil
	}
	select {
	case p.s.large <- struct{}{}:
		p.large = true
		return nil
	case <-ctx.Done():
		return partition.ErrBusy
	}
}

func (p *putting) leave() {
	if p.large {
		<-p.s.large
	}
}

// delivery is one event on its way.
type delivery struct {
	s       *Service
	put     *putting
	at      int // of the event in the call
	now     time.Time
	event   *document
	trace   string
	counted Counted

	source, detailType string      // of the event
	replay             *recipients // it comes out of an archive; nil: it does not

	items   []*item        // the first is the event as it is
	bodies  map[string]int // items by what targets make of the event
	altered int            // bytes of them, since the event was put
	bytes   int            // of all that is gathered, beside the event

	publications []publication // for topics, once the post is done
}

// item is one payload, with the targets that get it.
type item struct {
	payload payload
	targets []partition.PostTarget
	routes  []route // aligned with targets
}

// route is where a target's delivery goes.
type route struct {
	target  *target
	dead    bool     // it is the dead-letter queue
	archive *archive // it is this archive, and no target
}

// prepare matches an event and finds where it goes.
func (d *delivery) prepare(ctx context.Context, a *Addressed) (partition.MessageID, error) {
	id := d.s.cfg.NewID()
	var err error
	if d.event, err = newDocument(id, &a.Event, d.now); err != nil {
		return id, ErrEvent
	}
	d.counted = Counted{Put: 1}
	return id, d.distribute(ctx, a.Bus)
}

// distribute finds where an event goes from a bus.
func (d *delivery) distribute(ctx context.Context, b *registry.Bus) error {
	d.newItem(d.event.text, nil)
	targets, err := d.match(b)
	if err != nil {
		return err
	}
	return d.route(ctx, d.replay.chosen(targets))
}

// route finds where targets of a bus get the event.
func (d *delivery) route(ctx context.Context, targets []*target) error {
	for _, t := range targets {
		if t.at.Kind != busKind {
			if err := d.send(ctx, t); err != nil {
				return err
			}
			continue
		}
		onward, f, err := d.reach(ctx, t)
		if err == nil && f != nil {
			err = d.fail(ctx, t, f)
		}
		if err != nil {
			return err
		}
		for _, t := range onward {
			if t.at.Kind == busKind {
				continue
			}
			if err := d.send(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// match gives the targets of a bus's rules that the event matches, and adds the archives.
// The error is ErrEvent.
func (d *delivery) match(b *registry.Bus) ([]*target, error) {
	m, err := d.s.router(place{b.Account, b.Region, b.Name}, false).match(d.event.text, b.Incarnation())
	d.counted.Matched += m.rules
	if d.replay == nil {
		for _, a := range m.archives {
			d.archive(a)
		}
	}
	return m.targets, err
}

// send sees to it that a target gets the event, or its dead-letter queue does.
func (d *delivery) send(ctx context.Context, t *target) error {
	f, err := d.deliver(ctx, t)
	if err == nil && f != nil {
		err = d.fail(ctx, t, f)
	}
	if d.bytes += targetBytes; err == nil {
		err = d.put.enter(ctx, d.bytes)
	}
	if err == nil && d.bytes > maxGathered {
		err = d.postSome(ctx)
	}
	return err
}

// fail counts a delivery that cannot be, and sends the event to the dead-letter queue.
func (d *delivery) fail(ctx context.Context, t *target, f *fault) error {
	d.counted.Failed++
	return d.bury(ctx, t, f)
}

// postSome posts what is gathered for the event's targets so far, behind the events
// before it.
func (d *delivery) postSome(ctx context.Context) error {
	d.put.post(ctx)
	parcel := d.parcel()
	if len(parcel.Items) > 0 {
		out := inlet.Post(ctx, d.s.parts, []inlet.Parcel{parcel})[0]
		if out.Err != nil {
			return out.Err
		}
		if err := d.settle(ctx, parcel, out.Posted); err != nil {
			return err
		}
	}
	if err := d.publish(ctx); err != nil {
		return err
	}
	d.items, d.bodies, d.bytes = []*item{{payload: d.items[0].payload}}, nil, 0
	return nil
}

// newItem adds a payload.
func (d *delivery) newItem(body []byte, attributes []partition.Attribute) *item {
	if len(d.items) > 0 {
		d.bytes += len(body)
	}
	it := &item{payload: payload{slot: d.s.cfg.NewID(), trace: d.trace, attributes: attributes, body: body}}
	d.items = append(d.items, it)
	return it
}

// parcel is what is to be posted. What targets make of the event is there only.
func (d *delivery) parcel() (p inlet.Parcel) {
	d.placeArchived()
	for i, it := range d.items {
		if len(it.targets) > 0 {
			p.Items = append(p.Items, partition.PostItem{Payload: it.payload.encode(), Targets: it.targets})
		}
		if i > 0 {
			it.payload.body = nil
		}
	}
	d.bodies = nil
	return p
}

// add gives an item a target: a queue that gets the item's body, or what path finds in
// it ("": all).
func (it *item) add(r route, q *registry.Queue, path, dedup string) {
	tag := r.target.tag
	to := partition.QueueTarget(q, r.target.def.Group, dedup, messageID(it.payload.slot, tag))
	if r.dead {
		to.Group = ""
	}
	to.Reference = reference(q.FIFO, tag, path)
	it.targets = append(it.targets, to)
	it.routes = append(it.routes, r)
}

// settle counts what became of the targets of a parcel, which is the delivery's.
func (d *delivery) settle(ctx context.Context, parcel inlet.Parcel, posted []partition.Posted) (failed error) {
	for _, it := range d.items {
		if len(it.routes) == 0 {
			continue
		}
		payload := parcel.Items[0].Payload
		parcel.Items = parcel.Items[1:]
		for i, r := range it.routes {
			switch {
			case r.archive != nil:
				d.archived(r.archive, it.targets[i].Target.Partition, len(payload))
			case posted[i].Gone && r.dead:
				d.s.tellFailed(r.target, d.now, "the dead-letter queue was deleted at that moment", false)
			case posted[i].Gone:
				failed = errors.Join(failed, d.deliverLate(ctx, r.target, payload, it.targets[i]))
			case r.dead:
				d.counted.Redriven++
			default:
				d.counted.Delivered++
			}
		}
		posted = posted[len(it.routes):]
	}
	return failed
}

// deliverLate brings an event whose queue was deleted at the last moment to the one
// that was made in its place, or to the dead-letter queue. The error asks to try again.
func (d *delivery) deliverLate(ctx context.Context, t *target, payload []byte, was partition.PostTarget) error {
	done, err := d.again(ctx, t, payload, was)
	switch {
	case err != nil:
		return err
	case done:
		d.counted.Delivered++
		return nil
	}
	d.counted.Failed++
	return d.buryLate(ctx, t, &fault{"NO_RESOURCE", "The queue " + t.def.ARN + " was deleted."})
}

// again brings what found its queue deleted at the last moment to the queue that was
// made in its place, if there is one.
func (d *delivery) again(ctx context.Context, t *target, payload []byte, was partition.PostTarget) (done bool, err error) {
	// Whoever holds the queues knew of it first. If that fails, memory says what it can.
	_ = d.s.reg.Sync(ctx)
	q, err := d.s.finder.Find(ctx, t.rule.source, t.def.ARN, &t.deliver, d.now)
	switch {
	case errors.Is(err, inlet.ErrGone), errors.Is(err, inlet.ErrRefused):
		return false, nil
	case err != nil:
		return false, err
	case q.ID == was.Target.Queue.ID || q.FIFO && !q.ContentDedup || len(payload) > cmp.Or(q.MaxMessageSize, maxMessage):
		return false, nil
	}
	to := partition.QueueTarget(q, was.Group, "", was.Answer)
	to.Reference = was.Reference
	if q.FIFO {
		to.Dedup = was.Dedup
	}
	out := inlet.Post(ctx, d.s.parts, []inlet.Parcel{{Items: []partition.PostItem{{Payload: payload, Targets: []partition.PostTarget{to}}}}})[0]
	return out.Err == nil && !out.Posted[0].Gone, out.Err
}
