package scheduler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// firing is one message that was taken, a schedule or what is tried again, and what
// becomes of it in one record.
type firing struct {
	s       *Service
	queue   partition.Target // that it was taken from
	receipt partition.Receipt
	d       *delivery
	p       *pending // what is attempted; nil: nothing is

	condition partition.Condition
	items     []partition.PostItem // what the target gets, then what waits
	plans     []Plan               // whose items those first are
	counted   Counted
	large     bool // it has a place among the large ones
}

// later is when something is tried again that could not be now, because of the engine;
// each time it is twice as long, as often as laterDoubles says.
const (
	later        = time.Second
	laterDoubles = 5
)

// unreadable is when a payload that this release cannot read is looked at again: by
// another release, maybe.
const unreadable = 5 * time.Minute

// together is how long what is ready waits for the rest of what was taken with it, to be
// posted as one.
const together = 20 * time.Millisecond

// early is how much sooner than its time a schedule may be taken: more has passed by this
// node's clock than by its partition's, or a clock was set after it was put there.
const early = 3 * time.Second

// earlyError says that a schedule was taken before its time.
type earlyError struct{ due time.Time }

func (e earlyError) Error() string { return "scheduler: not due before " + e.due.UTC().String() }

// fire does what messages of one queue say that were taken from it. One that takes its
// time does not hold up the others.
func (s *Service) fire(ctx context.Context, got partition.Taken) {
	g, ok := s.groupOf(ctx, got)
	if !ok {
		return
	}
	ready := make(chan *firing, len(got.Messages))
	for i := range got.Messages {
		go func() { ready <- s.prepared(ctx, g, got.Target, &got.Messages[i]) }()
	}
	patience := time.NewTimer(together)
	defer patience.Stop()
	patient := true
	var list []*firing
	for left := len(got.Messages); left > 0; {
		select {
		case f := <-ready:
			if left--; f != nil {
				list = append(list, f)
			}
		case <-patience.C:
			patient = false
		}
		if left == 0 || !patient {
			s.post(ctx, g, got.Target, list)
			for _, f := range list {
				f.leave()
			}
			list = nil
		}
	}
}

// prepared prepares what a message says; nil if it was put off.
func (s *Service) prepared(ctx context.Context, g *registry.ScheduleGroup, q partition.Target, m *partition.Delivered) *firing {
	f, err := s.prepare(ctx, g, q, m)
	if err != nil {
		f.leave()
	}
	var soon earlyError
	switch {
	case errors.As(err, &soon):
		s.retry(ctx, q, []partition.Delivered{*m}, soon.due.Sub(s.cfg.Now()))
		return nil
	case errors.Is(err, errPayload):
		if s.told.may(fmt.Sprint("payload of ", q), s.cfg.Now()) {
			s.log.Error("a schedule cannot be read, it is not fired", logkey.Resource, g.ARN(), "key", m.Receipt.Key, logkey.Error, err)
		}
		s.retry(ctx, q, []partition.Delivered{*m}, unreadable)
		return nil
	case errors.Is(err, partition.ErrCondition):
		return nil // it was changed or deleted meanwhile, or somebody else has fired it
	case err != nil:
		s.delayed(ctx, g, q, m.Receipt, err)
		return nil
	}
	return f
}

// groupOf is the group of what was taken; ok is false if nothing is to be done with it.
func (s *Service) groupOf(ctx context.Context, got partition.Taken) (*registry.ScheduleGroup, bool) {
	id := got.Target.Queue.ID
	g, ok := s.reg.ScheduleGroups().ByID(id)
	switch {
	case ok && g.Deleting == 0:
		return g, true
	case ok:
		s.retry(ctx, got.Target, got.Messages, time.Minute) // it is dropped meanwhile
		return nil, false
	}
	gone, err := s.reg.ScheduleGroups().Gone(ctx, id, 0)
	if err == nil && gone {
		q := got.Target
		q.Queue.Kind = partition.KindSchedules
		err = s.drop(ctx, q)
	}
	if err != nil || !gone {
		s.retry(ctx, got.Target, got.Messages, later)
	}
	return nil, false
}

// retry has messages taken again after a while.
func (s *Service) retry(ctx context.Context, q partition.Target, list []partition.Delivered, after time.Duration) {
	at := partition.Milliseconds(s.cfg.Now().Add(after))
	entries := make([]partition.RetryEntry, len(list))
	for i := range list {
		entries[i] = partition.RetryEntry{Receipt: list[i].Receipt, At: at}
	}
	// If that fails, they are taken again when their visibility timeout is over.
	_, _ = s.parts.Retry(ctx, q, entries)
}

// delayed puts off what the engine cannot do for the moment.
func (s *Service) delayed(ctx context.Context, g *registry.ScheduleGroup, q partition.Target, r partition.Receipt, err error) {
	if s.told.may("delayed", s.cfg.Now()) {
		s.log.Warn("schedules cannot be fired for the moment", logkey.Resource, g.ARN(), logkey.Partition, q.Partition, logkey.Error, err)
	}
	// The time may be over that this was to take.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), later)
	defer cancel()
	s.retry(ctx, q, []partition.Delivered{{Receipt: r}}, later<<min(max(r.Receive, 1)-1, laterDoubles))
}

// prepare says what becomes of a message. The error is errPayload, an earlyError,
// partition.ErrCondition, or one that passes.
func (s *Service) prepare(ctx context.Context, g *registry.ScheduleGroup, q partition.Target, m *partition.Delivered) (*firing, error) {
	f := &firing{s: s, queue: q, receipt: m.Receipt, condition: partition.Condition{Queue: q.Queue, Key: m.Receipt.Key}}
	if q.Queue.Kind == partition.KindFirings {
		return f, f.again(ctx, g, m.Payload)
	}
	return f, f.schedule(ctx, g, m.Payload)
}

// schedule prepares one that fell due.
func (f *firing) schedule(ctx context.Context, g *registry.ScheduleGroup, payload []byte) error {
	x := new(Schedule)
	if err := decode(payload, x); err != nil {
		return fmt.Errorf("%w: %w", errPayload, err)
	}
	f.condition.Name = nameOf(x.Name)
	t, err := x.times()
	if err != nil {
		return fmt.Errorf("%w: %w", errPayload, err)
	}
	now := f.s.cfg.Now()
	if x.Next == 0 { // it has none, and should not have been taken
		it, err := x.item(f.queue, true)
		f.items = append(f.items, it)
		return err
	}
	if due := x.due(milli(x.Next)); now.Before(due) {
		if due.Sub(now) > early && f.receipt.Receive == 1 {
			return earlyError{due} // once: clocks that never agree must not stop it
		}
		now = due // by the clock of the partition
	}
	decided := t.Decide(f.s.cfg.CatchUp, f.s.cfg.CatchUpAge, milli(x.Next), now)
	if decided.Skipped {
		f.counted.Skipped++
		if f.s.told.may("skipped "+x.Name, now) {
			f.s.log.Info("times of a schedule were missed, and not all are fired late", logkey.Resource, g.ScheduleARN(x.Name), "from", milli(x.Next), "until", now.UTC())
		}
	}
	if !decided.Fire.IsZero() {
		p := pending{Schedule: x.Name, Created: x.Created, Target: x.Target, Nominal: decided.Fire.UnixMilli(), First: f.s.cfg.Now().UnixMilli()}
		if err := f.attempt(ctx, g, &p); err != nil {
			return err
		}
		x.Fired = p.Nominal
	}
	if x.Next = 0; !decided.Next.IsZero() {
		x.Next = decided.Next.UnixMilli()
	} else if x.DeleteAfter {
		f.condition.Remove = true
		return nil
	}
	it, err := x.item(f.queue, true)
	f.items = append(f.items, it)
	return err
}

// again prepares what failed before.
func (f *firing) again(ctx context.Context, g *registry.ScheduleGroup, payload []byte) error {
	p := new(pending)
	if err := decode(payload, p); err != nil {
		return fmt.Errorf("%w: %w", errPayload, err)
	}
	f.condition.Name, f.condition.Remove = p.name(), true
	return f.attempt(ctx, g, p)
}

// attempt tries to deliver: it plans what the target gets, or what follows a failure.
func (f *firing) attempt(ctx context.Context, g *registry.ScheduleGroup, p *pending) error {
	p.Attempts++
	f.p = p
	f.d = &delivery{s: f.s, group: g, target: &p.Target, when: occurrence{
		arn: g.ScheduleARN(p.Schedule), account: g.Account, region: g.Region, created: p.Created, nominal: milli(p.Nominal), attempt: p.Attempts,
	}}
	wrong, err := f.d.prepare(ctx)
	if err != nil {
		return err
	}
	if wrong != nil {
		f.items, err = f.failed(ctx, p, wrong)
		return err
	}
	f.counted.Fired++
	f.plans = f.d.plans
	if err := f.enter(); err != nil {
		return err
	}
	for i := range f.plans {
		if f.plans[i].Alone {
			return f.beforehand(ctx)
		}
		f.items = append(f.items, f.plans[i].Items...)
	}
	return nil
}

const (
	// largeFiring is how many bytes make a firing a large one, and maxLarge how many of
	// them are prepared at a time: what a bus makes of an event may be megabytes.
	largeFiring = 1 << 20
	maxLarge    = 16
)

var errLarge = errors.New("scheduler: as many large firings as may be are under way")

// enter takes a place among the large firings, if this one is; errLarge if none is free.
func (f *firing) enter() error {
	bytes := 0
	for i := range f.plans {
		for k := range f.plans[i].Items {
			bytes += len(f.plans[i].Items[k].Payload)
		}
	}
	if bytes < largeFiring {
		return nil
	}
	select {
	case f.s.large <- struct{}{}:
		f.large = true
		return nil
	default:
		return errLarge
	}
}

// leave gives the place back.
func (f *firing) leave() {
	if f.large {
		f.large = false
		<-f.s.large
	}
}

// beforehand brings the target what it is to get, as it does not fit the record. What it
// never can take has failed. The error is partition.ErrCondition, or one that passes.
func (f *firing) beforehand(ctx context.Context) error {
	rest := f.items[min(planned(f.plans), len(f.items)):]
	if f.s.away.is(f.d.to, f.s.cfg.Now()) {
		return errAway
	}
	// What was changed or deleted meanwhile is not fired.
	still := f.condition
	still.Remove = false
	_, err := f.s.parts.PostIf(ctx, f.queue.Partition, []partition.Condition{still}, nil)
	if err != nil {
		return err
	}
	err = f.apart(ctx)
	switch {
	case errors.Is(err, partition.ErrTooLarge):
		f.counted.Fired--
		failed, err := f.failed(ctx, f.p, &fault{"InvalidParameterValue", "What the target is to get is larger than the server can store.", true})
		f.plans, f.items = nil, append(failed, rest...)
		return err
	case errors.Is(err, partition.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		f.s.away.note(f.d.to, f.s.cfg.Now())
		return err
	case err != nil:
		return err
	}
	f.plans, f.items = nil, rest
	return nil
}

// apart posts plans by themselves.
func (f *firing) apart(ctx context.Context) error {
	for i := range f.plans {
		p := &f.plans[i]
		do := p.Apart
		if do == nil {
			do = func(ctx context.Context) error {
				_, err := f.s.parts.Post(ctx, f.queue.Partition, p.Items)
				return err
			}
		}
		if err := do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// failed plans what follows a failed attempt: another one, or the end.
func (f *firing) failed(ctx context.Context, p *pending, wrong *fault) ([]partition.PostItem, error) {
	now := f.s.cfg.Now()
	again := now.Add(backoff(p.Attempts, f.d.when.digest(p.Attempts)))
	exhausted := ""
	switch {
	case wrong.permanent:
	case p.Attempts > p.Target.retries():
		exhausted = "MaximumRetryAttempts"
	case again.After(milli(p.First).Add(p.Target.age())):
		exhausted = "MaximumEventAgeInSeconds"
	default:
		f.counted.Retried++
		it, err := p.item(f.queue.Partition, f.d.group, again)
		return []partition.PostItem{it}, err
	}
	items, err := f.d.bury(ctx, wrong, exhausted)
	if len(items) > 0 {
		f.counted.Redriven++
	} else {
		f.counted.Failed++
	}
	return items, err
}

// item is what puts a firing where it waits for another attempt.
func (p *pending) item(part uint32, g *registry.ScheduleGroup, at time.Time) (partition.PostItem, error) {
	b, err := encode(p)
	return partition.PostItem{Payload: b, Targets: []partition.PostTarget{{
		Target: partition.Target{Partition: part, Queue: partition.Ref{Kind: partition.KindFirings, ID: g.ID}},
		Name:   p.name(), Replace: true, VisibleAt: partition.Milliseconds(at),
	}}}, err
}

// Backoff between attempts: it doubles from the first on, up to the longest, and a
// quarter of it is chance.
const (
	firstBackoff   = 2 * time.Second
	longestBackoff = 5 * time.Minute
)

func backoff(attempt int, chance [32]byte) time.Duration {
	d := longestBackoff
	if attempt < 8 {
		d = min(firstBackoff<<(attempt-1), longestBackoff)
	}
	return d - d/4*time.Duration(chance[0])/255
}
