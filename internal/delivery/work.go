package delivery

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/waystation/waystation/internal/egress"
	"github.com/waystation/waystation/internal/logkey"
	"github.com/waystation/waystation/internal/partition"
)

const (
	// resolveAgain is how long a message waits whose endpoint this node does not know.
	resolveAgain = 5 * time.Second
	// maxRetryAfter bounds how long an endpoint can have itself left alone.
	maxRetryAfter = 15 * time.Minute
	// outcomeTime bounds how long an outcome is tried to be noted; then the message
	// comes back.
	outcomeTime = 10 * time.Second
)

// delivery is one message that was taken.
type delivery struct {
	s       *Service
	queue   partition.Target
	receipt partition.Receipt
	msg     Message
	e       *Endpoint
	circuit *circuit
}

// handle brings a message of a batch one step further: the one at a place.
func (s *Service) handle(ctx context.Context, t *partition.Taken, at int) {
	m := &t.Messages[at]
	d := &delivery{s: s, queue: t.Target, receipt: m.Receipt, msg: Message{
		Payload: m.Payload, Reference: m.Note.Reference, Sent: time.UnixMilli(int64(m.Sent)), Attempt: int(m.Receipt.Receive),
	}}
	var err error
	if d.e, err = s.resolve(ctx, d.queue, &d.msg); errors.Is(err, ErrGone) {
		s.forget(ctx, d.queue)
		return
	}
	if err != nil {
		s.log.Debug("an endpoint is not known yet", logkey.Resource, d.queue.Queue.String(), logkey.Error, err)
		d.retry(ctx, s.cfg.Now().Add(jittered(resolveAgain, s.cfg.Chance())))
		return
	}
	now := s.cfg.Now()
	if d.e.Deleted {
		d.end(ctx, t.Paced)
		return
	}
	d.circuit = s.circuitOf(d.queue, now)
	if t.Paced {
		d.circuit.adopt(d.e.PerSecond)
	} else {
		d.setPace(ctx, false)
		if wait := unpacedWait(d.e.PerSecond, at); wait > 0 {
			d.retry(ctx, now.Add(wait))
			return
		}
	}
	d.step(ctx, now)
}

// unpacedWait is how long the message at a place of a batch waits that was taken before
// its queue had a pace.
func unpacedWait(perSecond float64, at int) time.Duration {
	if perSecond <= 0 || at < burstOf(perSecond) {
		return 0
	}
	return time.Duration(float64(at-burstOf(perSecond)+1) / perSecond * float64(time.Second))
}

// end gives a message up whose endpoint was deleted.
func (d *delivery) end(ctx context.Context, paced bool) {
	d.s.circuits.drop(d.queue.Queue.ID)
	d.s.forgetHealth(ctx, d.queue)
	if paced { // there is nobody to be spared
		_ = d.s.parts.SetPace(ctx, d.queue, partition.Pace{})
	}
	d.bury(ctx, Failure{Class: Deleted, Attempts: d.msg.Attempt - 1, Text: "the endpoint was deleted"})
}

func (d *delivery) step(ctx context.Context, now time.Time) {
	attempts := d.msg.Attempt - 1
	if h := d.s.healthOf(d.queue); h != nil && h.Disabled != 0 {
		d.bury(ctx, Failure{Class: Disabled, Attempts: attempts, Text: "the endpoint is disabled"})
		return
	}
	if most := d.e.Schedule.MaxAge; most > 0 && now.Sub(d.msg.Sent) > most {
		d.bury(ctx, Failure{Class: Expired, Attempts: attempts, Text: "it got too old before the endpoint took it"})
		return
	}
	open := d.circuit.isOpen()
	if open && now.Sub(d.msg.Sent) > d.e.Schedule.lasts(d.timeout()) {
		d.bury(ctx, Failure{Class: Expired, Attempts: attempts, Text: "it got too old while the endpoint was down"})
		d.setPace(ctx, true) // there may be more of them
		return
	}
	switch how, until := d.circuit.admit(now); how {
	case holdIt:
		d.retry(ctx, until)
		d.setPace(ctx, false)
	case attemptIt, probeIt:
		d.attempt(ctx)
	}
}

func (s *Service) resolve(ctx context.Context, q partition.Target, m *Message) (*Endpoint, error) {
	if len(m.Payload) == 0 {
		return nil, errors.New("delivery: an empty payload")
	}
	r := s.cfg.Resolvers[m.Payload[0]]
	if r == nil {
		return nil, errors.New("delivery: a payload of a service that this release does not know")
	}
	return r.Resolve(ctx, q, m)
}

func (d *delivery) timeout() time.Duration {
	if d.e.Timeout > 0 {
		return d.e.Timeout
	}
	return d.s.cfg.Timeout
}

func (d *delivery) most() int {
	if d.e.Concurrency > 0 {
		return d.e.Concurrency
	}
	return d.s.cfg.Concurrency
}

// attempt pushes a message once and notes the outcome.
func (d *delivery) attempt(ctx context.Context) {
	req, err := d.e.Render(ctx, &d.msg)
	if unready := (*Unready)(nil); errors.As(err, &unready) && ctx.Err() == nil {
		d.failed(ctx, &Attempt{
			Time: d.s.cfg.Now(), Message: d.msg.ID, Number: d.msg.Attempt, Class: Unprepared, Text: beginning([]byte(unready.Reason), MaxAnswer),
		}, false, 0)
		return
	}
	if ctx.Err() != nil && err != nil { // this node stops: nothing was learned
		d.circuit.unprobe()
		d.retry(ctx, d.s.cfg.Now())
		return
	}
	if err != nil {
		d.circuit.unprobe()
		d.bury(ctx, Failure{Class: Damaged, Attempts: d.msg.Attempt - 1, Text: err.Error()})
		return
	}
	header := make(http.Header, len(req.Header))
	for _, h := range req.Header {
		header[http.CanonicalHeaderKey(h.Name)] = append(header[http.CanonicalHeaderKey(h.Name)], h.Value)
	}
	stop := d.keepHidden(ctx)
	began, elapsed := d.s.cfg.Now(), time.Now()
	answer, err := d.s.cfg.Pusher.Do(ctx, egress.Request{Method: req.Method, URL: req.URL, Header: header, Body: req.Body, Timeout: d.timeout()})
	took := time.Since(elapsed)
	stop()
	if ctx.Err() != nil && err != nil { // this node stops: nothing was learned
		d.circuit.unprobe()
		d.retry(ctx, d.s.cfg.Now())
		return
	}
	a := Attempt{Time: began, Duration: took, Message: d.msg.ID, Number: d.msg.Attempt}
	if err == nil {
		a.Status, a.Text = answer.Status, beginning(answer.Body, MaxAnswer)
		if d.e.Answered != nil {
			d.e.Answered(ctx, answer.Status)
		}
		if answer.Status/100 == 2 {
			a.Class = Delivered
			d.succeeded(ctx, &a)
			return
		}
		a.Class = Refused
		d.failed(ctx, &a, d.permanent(answer.Status), retryAfter(answer, d.s.cfg.Now()))
		return
	}
	class, permanent := classOf(err)
	a.Class, a.Text = class, beginning([]byte(err.Error()), MaxAnswer)
	d.failed(ctx, &a, permanent, 0)
}

func (d *delivery) permanent(status int) bool {
	if d.e.Permanent != nil {
		return d.e.Permanent(status)
	}
	return status/100 == 4 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests
}

// retryAfter is how long an endpoint wants to be left alone; 0: it does not say.
// RFC 9110, 10.2.3.
func retryAfter(a *egress.Answer, now time.Time) time.Duration {
	if a.Status != http.StatusTooManyRequests && a.Status != http.StatusServiceUnavailable {
		return 0
	}
	v := a.Header.Get("Retry-After")
	if n, err := strconv.ParseUint(v, 10, 32); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	if t, err := http.ParseTime(v); err == nil {
		return min(max(t.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

func (d *delivery) succeeded(ctx context.Context, a *Attempt) {
	d.s.attempts.add(d.queue, a)
	d.ack(ctx)
	d.s.cfg.Observe(Counted{Delivered: 1, Took: a.Duration})
	d.circuit.delivered(a.Duration, d.most())
	d.s.recovered(ctx, d.queue)
	d.setPace(ctx, false)
}

func (d *delivery) failed(ctx context.Context, a *Attempt, permanent bool, wait time.Duration) {
	d.s.attempts.add(d.queue, a)
	d.s.cfg.Observe(Counted{Failed: 1, Took: a.Duration})
	now := d.s.cfg.Now()
	d.circuit.failure(&d.s.cfg, a.Duration, wait, !permanent, d.most(), now)
	d.s.ailing(ctx, d, a, now)
	d.setPace(ctx, false)

	n := d.msg.Attempt // so many were made, so this is the number of the next retry
	delay := max(jittered(d.e.Schedule.Delay(min(n, d.e.Schedule.Retries())), d.s.cfg.Chance()), wait)
	switch {
	case permanent, d.usedUp(now, delay):
		d.bury(ctx, Failure{Class: a.Class, Status: a.Status, Attempts: n, Text: a.Text})
	default:
		d.retry(ctx, now.Add(delay))
	}
}

// usedUp reports whether a message that failed now is not to be tried again after delay.
// It counts as an attempt that a message was taken, and given back because its endpoint
// was not known or its circuit open, or because the node died. So they are used up only
// when the time has passed, too, that they take.
func (d *delivery) usedUp(now time.Time, delay time.Duration) bool {
	s := &d.e.Schedule
	age := now.Sub(d.msg.Sent)
	if s.MaxAge > 0 && age+delay > s.MaxAge {
		return true
	}
	return d.msg.Attempt > s.Retries() && age >= jittered(s.Total(), 0)
}

// keepHidden extends the time that a message is hidden for until stop is called.
func (d *delivery) keepHidden(ctx context.Context) (stop func()) {
	ended, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(extendEvery, func() {
		for ended.Err() == nil {
			// If it fails the message may come again while it is on its way.
			_, _ = d.s.parts.Extend(ended, d.queue, []partition.Receipt{d.receipt}, visibility)
			pause(ended, extendEvery)
		}
	})
	return func() {
		cancel()
		timer.Stop()
	}
}

// setPace tells the owner of the endpoint's queue how fast it may be taken from, if that
// changed.
func (d *delivery) setPace(ctx context.Context, drain bool) {
	p, differs := d.circuit.pace(d.e.PerSecond, drain)
	if !differs {
		return
	}
	if err := d.s.parts.SetPace(ctx, d.queue, p); err != nil {
		d.circuit.forgetPace()
	}
}

// ack removes the message. What cannot be removed comes again.
func (d *delivery) ack(ctx context.Context) {
	d.note(ctx, func(ctx context.Context) ([]error, error) {
		return d.s.parts.Ack(ctx, d.queue, []partition.Receipt{d.receipt})
	})
}

// retry lets the message wait until then.
func (d *delivery) retry(ctx context.Context, at time.Time) {
	d.note(ctx, func(ctx context.Context) ([]error, error) {
		return d.s.parts.Retry(ctx, d.queue, []partition.RetryEntry{{Receipt: d.receipt, At: max(partition.Milliseconds(at), 1)}})
	})
}

// note notes an outcome, also while this node stops, and again when the partition does
// not answer.
func (d *delivery) note(ctx context.Context, do func(context.Context) ([]error, error)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), outcomeTime)
	defer cancel()
	for {
		_, err := do(ctx) // an outcome that is an error: another node has the message
		if err == nil || !errors.Is(err, partition.ErrUnavailable) && !errors.Is(err, partition.ErrBusy) {
			return
		}
		pause(ctx, jittered(takeAgain, d.s.cfg.Chance()))
		if ctx.Err() != nil {
			name := d.queue.Queue.String()
			if d.e != nil { // it is known
				name = d.e.Name
			}
			d.s.log.Warn("what became of a message could not be noted, it may be delivered again",
				logkey.Resource, name, "message", d.msg.ID, logkey.Error, err)
			return
		}
	}
}

// forget drops what waits for an endpoint that was deleted.
func (s *Service) forget(ctx context.Context, q partition.Target) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), outcomeTime)
	defer cancel()
	s.circuits.drop(q.Queue.ID)
	s.cfg.Observe(Counted{Dropped: 1})
	if err := s.parts.Drop(ctx, q); err != nil && !errors.Is(err, partition.ErrQueueGone) {
		s.log.Debug("what waits for a deleted endpoint cannot be dropped yet", logkey.Resource, q.Queue.String(), logkey.Error, err)
	}
	s.forgetHealth(ctx, q)
}
