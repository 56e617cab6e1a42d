package bus

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/schedule"
)

// A rule with a schedule has a tick: the message that becomes visible when the rule falls
// due. It stands in a queue of the rule's own, so that it goes with it, and holds from when
// on the schedule counts (registry.Rule.Since) and the next time. The definition is what
// counts: every node that runs this service sees to it, at its start and whenever a rule
// changes, that the tick is there and of the newest definition.

const (
	// tickVisibility is after what time another node fires a rule whose node died.
	tickVisibility = time.Minute
	// tickLimit bounds the time in which a rule is fired.
	tickLimit = 30 * time.Second
	// ticksAtOnce are taken from a partition at a time, and maxTicks fired side by side.
	ticksAtOnce = 10
	maxTicks    = 8
	// tickAgain is when something is tried again that the engine could not do; each time
	// it is twice as long, as often as tickDoubles says.
	tickAgain   = time.Second
	tickDoubles = 5
	// tickEarly is how much sooner than its time a tick may be taken, as the clocks of
	// nodes differ.
	tickEarly = 3 * time.Second
	// armAttempts bounds how often a tick is placed anew as another node does so too.
	armAttempts = 10
)

var tickName = partition.NameOf("tick")

// tick is when a rule falls due next. Times are Unix milliseconds.
type tick struct{ since, next int64 }

func (t tick) encode() []byte { return fmt.Appendf(nil, "%d %d", t.since, t.next) }

func parseTick(b []byte) (t tick, err error) {
	_, err = fmt.Sscanf(string(b), "%d %d", &t.since, &t.next)
	return t, err
}

// ticksOf is the queue of a rule's tick.
func ticksOf(r *registry.Rule) partition.Target {
	return partition.Target{Partition: r.Partition, Queue: partition.Ref{Kind: partition.KindTicks, ID: r.ID}}
}

// place is a tick in its queue.
func (t tick) place(q partition.Target) partition.PostItem {
	return partition.PostItem{Payload: t.encode(), Targets: []partition.PostTarget{{
		Target: q, Name: tickName, Replace: true, VisibleAt: partition.Milliseconds(time.UnixMilli(t.next)),
	}}}
}

// ticking are the rules whose ticks are to be placed or removed by this node.
type ticking struct {
	room chan struct{} // of capacity maxTicks
	wake chan struct{} // of capacity 1

	mu      sync.Mutex
	running bool                      // guarded by mu, as what follows
	arm     map[uint64]*registry.Rule // by ID
	drop    map[uint64]*registry.Rule
}

func newTicking() ticking {
	return ticking{
		room: make(chan struct{}, maxTicks), wake: make(chan struct{}, 1),
		arm: make(map[uint64]*registry.Rule), drop: make(map[uint64]*registry.Rule),
	}
}

// falls reports whether a rule falls due.
func falls(r *registry.Rule) bool { return r.Schedule != "" && !r.Disabled }

// changed notes a rule that changed, or was deleted, while this node runs the service.
func (k *ticking) changed(old, now *registry.Rule) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.running {
		return
	}
	switch {
	case now != nil && falls(now) && (old == nil || old.ID != now.ID || old.Since != now.Since):
		k.arm[now.ID] = now
	case now == nil && old.Since != 0: // it has a schedule, or had one
		delete(k.arm, old.ID)
		k.drop[old.ID] = old
	default:
		return
	}
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// begin has all rules looked at that are there.
func (s *Service) beginTicks() {
	s.ticks.mu.Lock()
	s.ticks.running = true
	s.ticks.mu.Unlock()
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, r := range s.routers {
		r.mu.RLock()
		for _, made := range r.rules {
			s.ticks.changed(nil, made.def)
		}
		r.mu.RUnlock()
	}
}

// next takes out what is to be done.
func (k *ticking) next() (arm, drop map[uint64]*registry.Rule) {
	k.mu.Lock()
	defer k.mu.Unlock()
	arm, drop = k.arm, k.drop
	k.arm, k.drop = make(map[uint64]*registry.Rule), make(map[uint64]*registry.Rule)
	return arm, drop
}

// again has done later what could not be done, unless there is something newer.
func (k *ticking) again(list map[uint64]*registry.Rule, r *registry.Rule) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := list[r.ID]; !ok {
		list[r.ID] = r
	}
}

// keepTicks places the ticks of rules that changed, and removes those of rules that were
// deleted, until ctx ends.
func (s *Service) keepTicks(ctx context.Context) {
	s.beginTicks()
	k := &s.ticks
	for failures := 0; ; {
		arm, drop := k.next()
		failed := false
		for _, r := range arm {
			if err := s.arm(ctx, r); err != nil {
				failed = true
				k.again(k.arm, r)
			}
		}
		for _, r := range drop {
			if err := s.parts.Drop(ctx, ticksOf(r)); err != nil && !errors.Is(err, partition.ErrQueueGone) {
				failed = true
				k.again(k.drop, r)
			}
		}
		if failed {
			pause(ctx, min(50*time.Millisecond<<min(failures, 6), 2*time.Second))
			if failures++; ctx.Err() == nil {
				continue
			}
		}
		failures = 0
		select {
		case <-ctx.Done():
			return
		case <-k.wake:
		}
	}
}

// arm sees to it that the tick of a rule is there, and as its definition says.
func (s *Service) arm(ctx context.Context, r *registry.Rule) error {
	t, err := s.firstTick(r)
	if err != nil || t.next == 0 {
		return nil // another release can read it, and this one says so when the rule is compiled
	}
	q := ticksOf(r)
	for range armAttempts {
		found, ok, err := s.parts.Find(ctx, q, tickName)
		if err != nil && !errors.Is(err, partition.ErrQueueGone) {
			return err
		}
		condition := partition.Condition{Queue: q.Queue, Name: tickName}
		if ok {
			if have, err := parseTick(found.Payload); err == nil && have.since >= r.Since {
				return nil
			}
			condition.Key = found.Key
		}
		_, err = s.parts.PostIf(ctx, q.Partition, []partition.Condition{condition}, []partition.PostItem{t.place(q)})
		if !errors.Is(err, partition.ErrCondition) {
			return err
		}
	}
	return partition.ErrBusy
}

// ruleTimes are when a rule falls due: a rate the first time one period after the rule was
// made, or changed, or enabled.
func ruleTimes(r *registry.Rule) (*schedule.Times, error) {
	e, err := schedule.Parse(r.Schedule, time.UTC)
	if err != nil {
		return nil, err
	}
	since := time.UnixMilli(r.Since).UTC()
	return &schedule.Times{Expression: e, Anchor: since.Truncate(time.Second), Start: since}, nil
}

// firstTick is the tick of a rule that has not fired yet; next is 0 if it never does.
func (s *Service) firstTick(r *registry.Rule) (tick, error) {
	times, err := ruleTimes(r)
	if err != nil {
		return tick{}, err
	}
	t := tick{since: r.Since}
	if first, ok := times.After(times.Anchor.Add(time.Second - 1)); ok {
		t.next = first.UnixMilli()
	}
	return t, nil
}

// scheduled has a rule count from now on, if its schedule is another than it was, or it
// was disabled.
func (s *Service) scheduled(was, r *registry.Rule) {
	if r.Schedule == "" || was.Schedule == r.Schedule && (r.Disabled || !was.Disabled) {
		return
	}
	r.Since = max(s.cfg.Now().UnixMilli(), was.Since+1)
	if was.Since == 0 { // afterwards its tick stays where it is
		h := fnv.New32a()
		h.Write([]byte(r.ARN()))
		r.Partition = h.Sum32() % max(s.parts.Count(), 1)
	}
}

// takeTicks fires the rules whose time has come on a partition, until ctx ends.
func (s *Service) takeTicks(ctx context.Context, p uint32) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for ctx.Err() == nil {
		taken, err := s.parts.Take(ctx, p, partition.KindTicks, partition.TakeTerms{Max: ticksAtOnce, Wait: takeWait})
		if err != nil && ctx.Err() == nil {
			s.log.Warn("rules with a schedule cannot be fired for the moment", logkey.Partition, p, logkey.Error, err)
			pause(ctx, takeAgain)
		}
		for i := range taken.Messages {
			s.ticks.room <- struct{}{} // those that have it end by themselves
			wg.Go(func() {
				defer func() { <-s.ticks.room }()
				firing, cancel := context.WithTimeout(context.WithoutCancel(ctx), tickLimit)
				defer cancel()
				s.fireTick(firing, taken.Target, &taken.Messages[i])
			})
		}
	}
}

// fireTick does what a tick says, or has it taken again.
func (s *Service) fireTick(ctx context.Context, q partition.Target, m *partition.Delivered) {
	at, err := s.fire(ctx, q, m)
	if err == nil && at.IsZero() || errors.Is(err, partition.ErrCondition) { // another node did, or the rule changed
		return
	}
	if err != nil {
		at = s.cfg.Now().Add(tickAgain << min(max(m.Receipt.Receive, 1)-1, tickDoubles))
		s.log.Warn("a rule with a schedule fires later", "rule", q.Queue.ID, logkey.Partition, q.Partition, logkey.Error, err)
	}
	// The time may be over that this was to take.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tickAgain)
	defer cancel()
	// If that fails, it is taken again when its visibility timeout is over.
	_, _ = s.parts.Retry(ctx, q, []partition.RetryEntry{{Receipt: m.Receipt, At: partition.Milliseconds(at)}})
}

// fire fires a rule, and places its next tick in the same record. With a time the tick is
// to be taken again then. Errors: partition.ErrCondition, and those that pass.
func (s *Service) fire(ctx context.Context, q partition.Target, m *partition.Delivered) (again time.Time, err error) {
	now := s.cfg.Now()
	r, ok := s.reg.Rules().ByID(q.Queue.ID)
	if !ok {
		// Memory may lag: what is missing is not deleted until the registry says so.
		gone, err := s.reg.Rules().Gone(ctx, q.Queue.ID, 0)
		if err == nil && gone {
			if err = s.parts.Drop(ctx, q); errors.Is(err, partition.ErrQueueGone) {
				err = nil
			}
			return time.Time{}, err
		}
		return now.Add(tickAgain), err
	}
	t, err := parseTick(m.Payload)
	switch {
	case err == nil && t.since > r.Since:
		return now.Add(tickAgain), nil // this node does not know the newest definition yet
	case !falls(r):
		_, err := s.parts.Ack(ctx, q, []partition.Receipt{m.Receipt})
		return time.Time{}, err
	case err != nil || t.since < r.Since:
		return time.Time{}, s.arm(ctx, r)
	}
	if due := time.UnixMilli(t.next); now.Before(due) {
		if due.Sub(now) > tickEarly && m.Receipt.Receive == 1 {
			return due, nil // once: clocks that never agree must not stop it
		}
		now = due // by the clock of the partition
	}
	times, err := ruleTimes(r)
	if err != nil {
		return time.Time{}, err
	}
	d := times.Decide(s.cfg.CatchUp, s.cfg.CatchUpAge, time.UnixMilli(t.next).UTC(), now)
	if d.Skipped {
		s.log.Info("times of a rule were missed, and not all are fired late", logkey.Resource, r.ARN(), "from", time.UnixMilli(t.next).UTC(), "until", now.UTC())
	}
	// A rule that has no more times keeps a tick, far away, so that none is placed anew.
	next := tick{t.since, never}
	if !d.Next.IsZero() {
		next.next = d.Next.UnixMilli()
	}
	if d.Fire.IsZero() {
		return time.Time{}, s.moveTick(ctx, q, m, nil, next)
	}
	return time.Time{}, s.fireAt(ctx, q, m, r, d.Fire, next)
}

// never is later than the last time that an expression can have.
const never = 7_258_118_400_000 // 2200-01-01

// moveTick places the next tick instead of the one that was taken, together with items.
func (s *Service) moveTick(ctx context.Context, q partition.Target, m *partition.Delivered, items []partition.PostItem, next tick) error {
	_, err := s.postTick(ctx, q, m, append(items, next.place(q)))
	return err
}

func (s *Service) postTick(ctx context.Context, q partition.Target, m *partition.Delivered, items []partition.PostItem) ([]partition.Posted, error) {
	return s.parts.PostIf(ctx, q.Partition, []partition.Condition{{Queue: q.Queue, Name: tickName, Key: m.Receipt.Key}}, items)
}

// fireAt gives a rule's targets the event of one of its times.
func (s *Service) fireAt(ctx context.Context, q partition.Target, m *partition.Delivered, r *registry.Rule, at time.Time, next tick) error {
	p := &putting{s: s, now: s.cfg.Now()}
	defer p.leave()
	d := &delivery{s: s, put: p, now: p.now, source: scheduledSource, detailType: scheduledType, counted: Counted{Scheduled: 1}}
	var err error
	d.event, err = newDocument(s.cfg.NewID(), &Event{
		Account: r.Account, Region: r.Region, Source: scheduledSource, DetailType: scheduledType, Detail: "{}",
		Resources: []string{r.ARN()}, Time: at,
	}, p.now)
	if err != nil {
		return err
	}
	d.newItem(d.event.text, nil)
	if err := d.route(ctx, s.targetsOf(r)); err != nil {
		return err
	}
	x := &Planned{d: d, parcel: d.parcel()}
	if items, ok := x.Items(); ok {
		posted, err := s.postTick(ctx, q, m, append(items[:len(items):len(items)], next.place(q)))
		if err == nil {
			x.Settle(ctx, posted[:x.parcel.Targets()])
		}
		if !errors.Is(err, partition.ErrTooLarge) {
			return err
		}
	}
	// It does not fit one record, or topics get it: first the targets, then the next tick.
	// What was changed or deleted meanwhile is not fired.
	if _, err := s.postTick(ctx, q, m, nil); err != nil {
		return err
	}
	switch err := x.Post(ctx); {
	case errors.Is(err, partition.ErrTooLarge):
		s.log.Warn("what a rule with a schedule sends is larger than the server can store", logkey.Resource, r.ARN())
	case err != nil:
		return err
	}
	return s.moveTick(ctx, q, m, nil, next)
}

// What a rule with a schedule sends.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html
const (
	scheduledSource = "aws.events"
	scheduledType   = "Scheduled Event"
)

// targetsOf are the targets of a rule as they are now.
func (s *Service) targetsOf(r *registry.Rule) []*target {
	bus, name := r.Parts()
	at := s.router(place{r.Account, r.Region, bus}, false)
	if at == nil {
		return nil
	}
	at.mu.RLock()
	defer at.mu.RUnlock()
	if made := at.rules[name]; made != nil && made.def.ID == r.ID {
		return made.targets
	}
	return nil
}
