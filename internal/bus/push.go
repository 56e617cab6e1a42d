package bus

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	pushing "github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/egress"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// Pusher sends requests; *egress.Client is one.
type Pusher interface {
	Do(ctx context.Context, r egress.Request) (*egress.Answer, error)
}

// SetEgress says by whom tokens are asked for, and how many partitions there are. Before
// anything is put.
func (s *Service) SetEgress(p Pusher, partitions func() uint32) { s.pusher, s.count = p, partitions }

const (
	// pushTime is how long an API destination, or an authorization endpoint, may take.
	// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html
	pushTime = 5 * time.Second
	// pushed is the first byte of the references of targets by HTTP.
	pushed = 'h'
)

// pushReference says by which target an event goes to an API destination. What the
// target asks for is looked up when the event is pushed.
type pushReference struct {
	rule   uint64 // ID
	at     time.Time
	target string // id
}

// encode gives the stored form: a letter, the rule and the time in milliseconds in
// base64, the target's id.
func (r pushReference) encode() string {
	b := binary.BigEndian.AppendUint64(nil, r.rule)
	b = binary.BigEndian.AppendUint64(b, uint64(r.at.UnixMilli()))
	return string(pushed) + base64.RawURLEncoding.EncodeToString(b) + r.target
}

const pushHead = 22 // characters of 16 bytes

func readPushReference(s string) (r pushReference, err error) {
	if len(s) <= 1+pushHead || s[0] != pushed {
		return r, errReference
	}
	b, err := base64.RawURLEncoding.DecodeString(s[1 : 1+pushHead])
	if err != nil {
		return r, errReference
	}
	return pushReference{
		binary.BigEndian.Uint64(b), time.UnixMilli(int64(binary.BigEndian.Uint64(b[8:]))), s[1+pushHead:],
	}, nil
}

// Destinations are the API destinations, as package delivery asks for them.
type Destinations struct{ s *Service }

// Destinations that events are pushed to.
func (s *Service) Destinations() *Destinations { return &Destinations{s} }

// Resolve is delivery.Resolver's. Retries and dead-letter queue are those of the target
// by which the event came, as they are now.
func (e *Destinations) Resolve(ctx context.Context, q partition.Target, m *pushing.Message) (*pushing.Endpoint, error) {
	p, err := decodePayload(m.Payload)
	if err != nil {
		return nil, err
	}
	ref, err := readPushReference(m.Reference)
	if err != nil {
		return nil, err
	}
	m.ID = eventID(p.body)
	to, err := e.byID(ctx, q.Queue.ID)
	if err != nil {
		return nil, err
	}
	t, err := e.s.targetOf(ctx, ref)
	if err != nil {
		return nil, err
	}
	x := &push{s: e.s, to: to, target: t, at: ref.at, payload: p}
	if to == nil {
		// Whoever made it again under its name made another: the ARN differs.
		return x.deleted(q), nil
	}
	if t != nil && t.def.ARN != to.ARN() {
		x.target = nil
	}
	return x.endpoint(), nil
}

// byID gives a destination; nil: it was deleted, which is certain.
func (e *Destinations) byID(ctx context.Context, id uint64) (*registry.APIDestination, error) {
	if d, ok := e.s.reg.APIDestinations().ByID(id); ok {
		return d, nil
	}
	if _, err := e.s.reg.APIDestinations().Gone(ctx, id, 0); err != nil {
		return nil, err
	}
	d, _ := e.s.reg.APIDestinations().ByID(id)
	return d, nil
}

// targetOf gives the target by which an event came; nil: it was deleted, which is
// certain.
func (s *Service) targetOf(ctx context.Context, ref pushReference) (*target, error) {
	def, ok := s.reg.Rules().ByID(ref.rule)
	if !ok {
		if _, err := s.reg.Rules().Gone(ctx, ref.rule, 0); err != nil {
			return nil, err
		}
		if def, ok = s.reg.Rules().ByID(ref.rule); !ok {
			return nil, nil
		}
	}
	bus, name := def.Parts()
	made := s.router(place{def.Account, def.Region, bus}, false).rule(name, def.ID)
	if made == nil {
		made, _, _ = newRule(def) // memory is just changing
	}
	i := slices.IndexFunc(made.targets, func(t *target) bool { return t.def.ID == ref.target })
	if i < 0 {
		return nil, nil
	}
	return made.targets[i], nil
}

// rule of a name, if it is that incarnation.
func (r *router) rule(name string, id uint64) *rule {
	if r == nil {
		return nil
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if made := r.rules[name]; made != nil && made.def.ID == id {
		return made
	}
	return nil
}

// Named is delivery.Resolver's; the name is the ARN of an API destination.
func (e *Destinations) Named(ctx context.Context, name string) (*pushing.Endpoint, error) {
	r, ok := registry.ParseARN(name)
	if !ok || r.Kind != destinationKind {
		return nil, pushing.ErrNotFound
	}
	to, err := e.s.Destination(ctx, r.Account, r.Region, ownName(r))
	if errors.Is(err, ErrNoDestination) || err == nil && to.ARN() != name {
		return nil, pushing.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return (&push{s: e.s, to: to}).endpoint(), nil
}

// Endpoints is delivery.Resolver's.
func (e *Destinations) Endpoints(after string, most int) (list []*pushing.Endpoint, more bool) {
	var place registry.Meta
	if r, ok := registry.ParseARN(after); ok && r.Kind == destinationKind {
		place = registry.Meta{Account: r.Account, Region: r.Region, Name: ownName(r)}
	}
	all, more := e.s.reg.APIDestinations().ByPage(registry.AllAPIDestinations, "all", place, most)
	for _, to := range all {
		list = append(list, (&push{s: e.s, to: to}).endpoint())
	}
	return list, more
}

// push is one event on its way to an API destination. One goroutine at a time.
type push struct {
	s       *Service
	to      *registry.APIDestination
	target  *target // nil: it is gone
	at      time.Time
	payload *payload

	conn  *registry.Connection // by which the request was made last
	token string               // that it had, if any
}

func (x *push) endpoint() *pushing.Endpoint {
	e := &pushing.Endpoint{
		Queue: destinationQueue(x.to), Name: x.to.ARN(), Account: x.to.Account, Region: x.to.Region,
		Address: egress.Masked(x.to.Endpoint), Schedule: retries(nil), Timeout: pushTime, PerSecond: float64(x.to.PerSecond),
		Permanent: permanent, Render: x.render, Answered: x.answered,
	}
	x.ofTarget(e)
	return e
}

// deleted is what is left of a destination: what waits for it ends in the dead-letter
// queues of the targets.
func (x *push) deleted(q partition.Target) *pushing.Endpoint {
	e := &pushing.Endpoint{Queue: q, Name: "a deleted API destination", Deleted: true, Discard: true}
	x.ofTarget(e)
	if x.target != nil {
		e.Name, e.Account, e.Region = x.target.def.ARN, x.target.at.Account, x.target.at.Region
		e.Bury = x.bury // which tells of those that have no dead-letter queue, too
	}
	return e
}

// ofTarget sets what the target says.
func (x *push) ofTarget(e *pushing.Endpoint) {
	if x.target == nil {
		return
	}
	if e.Schedule = retries(x.target.def); x.target.def.DeadLetterARN != "" {
		e.Bury = x.bury
	}
}

// Retries unless a target says otherwise.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
const (
	defaultRetries = 185
	defaultAge     = 24 * time.Hour
	// doublings of the delay, which begins with a second: up to 512 s. 185 of these
	// delays take a day.
	doublings = 9
)

// retries is the schedule of a target; nil: of one that says nothing.
func retries(t *registry.Target) pushing.Schedule {
	n, age := defaultRetries, defaultAge
	if t != nil && t.MaxRetries != nil {
		n = *t.MaxRetries
	}
	if t != nil && t.MaxAge != nil {
		age = time.Duration(*t.MaxAge) * time.Second
	}
	growing := min(n, doublings+1)
	return pushing.Schedule{
		Backoff: growing, AtMax: n - growing, MinDelay: time.Second, MaxDelay: time.Second << max(growing-1, 0),
		Function: pushing.Exponential, MaxAge: age,
	}
}

// permanent is what the service says of statuses: of those that are no success only
// these are tried again.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html
func permanent(status int) bool {
	switch status {
	case 401, 407, 409, 429:
		return false
	}
	return status/100 != 5
}

// answered is told what the API destination answered: what did not authorize is not used
// again.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-target-connection-deauthorize.html
func (x *push) answered(ctx context.Context, status int) {
	switch {
	case status != 401 && status != 407:
	case x.token != "":
		x.s.tokens.refuse(x.conn.ID, x.token, x.s.cfg.Now())
	default:
		x.s.refused(ctx, x.conn, "The API destination "+x.to.Name+" answered "+strconv.Itoa(status)+".")
	}
}

// bury is the post by which an event gets into its target's dead-letter queue.
func (x *push) bury(ctx context.Context, _ *pushing.Message, f pushing.Failure) (*partition.PostItem, string, error) {
	t := x.target
	d := delivery{s: x.s, now: x.s.cfg.Now(), event: readDocument(x.payload.body)}
	q, why, err := d.grave(ctx, t)
	if err != nil {
		return nil, "", err
	}
	x.s.tellFailed(t, d.now, faultOf(t, &f).message+why, q != nil)
	if q == nil {
		return nil, strings.TrimSpace(why), nil
	}
	p := payload{slot: x.payload.slot, trace: x.payload.trace, attributes: pushAttributes(t, &f), body: x.payload.body}
	to := partition.QueueTarget(q, "", "", messageID(p.slot, t.tag))
	to.Reference = reference(q.FIFO, t.tag, "")
	return &partition.PostItem{Payload: p.encode(), Targets: []partition.PostTarget{to}}, "", nil
}

// faultOf says why an event was given up, in the words of dead letters.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-event-delivery.html#eb-rule-dlq
func faultOf(t *target, f *pushing.Failure) *fault {
	to := "The API destination " + t.def.ARN
	switch f.Class {
	case pushing.Refused:
		msg := to + " answered " + strconv.Itoa(f.Status) + "."
		switch f.Status {
		case 401, 403, 407:
			return &fault{"NO_PERMISSIONS", msg}
		case 429:
			return &fault{"THROTTLING", msg}
		}
		return &fault{"ERROR_FROM_TARGET", msg}
	case pushing.Deleted:
		return &fault{"NO_RESOURCE", to + " was deleted."}
	case pushing.Disabled:
		return &fault{"CONNECTION_FAILURE", to + " is disabled, since nothing reached it for days."}
	case pushing.Expired:
		return &fault{"TIMEOUT", to + " did not take the event in time."}
	case pushing.Unprepared:
		return &fault{"NO_PERMISSIONS", "The request to " + t.def.ARN + " cannot be authorized: " + f.Text + "."}
	case pushing.Damaged, pushing.Class(egress.BadRequest):
		return &fault{"INVALID_PARAMETER", "The request to " + t.def.ARN + " cannot be made: " + f.Text + "."}
	case pushing.Class(egress.TimedOut):
		return &fault{"TIMEOUT", to + " did not answer in time."}
	}
	return &fault{"CONNECTION_FAILURE", to + " cannot be reached: " + f.Text + "."}
}

// pushAttributes are those of a dead letter that was tried.
func pushAttributes(t *target, f *pushing.Failure) []partition.Attribute {
	schedule := retries(t.def)
	tried := min(max(f.Attempts-1, 0), schedule.Retries())
	list := faultOf(t, f).attributes(t)
	for i := range list {
		if list[i].Name == "RETRY_ATTEMPTS" {
			list[i].Value = strconv.Itoa(tried)
		}
	}
	exhausted := ""
	switch f.Class {
	case pushing.Damaged, pushing.Deleted, pushing.Disabled, pushing.Class(egress.BadRequest):
	case pushing.Expired:
		exhausted = "MaximumEventAgeInSeconds"
	default:
		if f.Class == pushing.Refused && permanent(f.Status) {
			break
		}
		if exhausted = "MaximumEventAgeInSeconds"; f.Attempts > schedule.Retries() {
			exhausted = "MaximumRetryAttempts"
		}
	}
	if exhausted != "" {
		list = slices.Insert(list, 2, partition.Attribute{Name: "EXHAUSTED_RETRY_CONDITION", Type: "String", Value: exhausted})
	}
	return list
}

// readDocument is the event of a payload.
func readDocument(text []byte) *document {
	return &document{text: text, at: max(bytes.Index(text, []byte(`,"detail":`)), 0)}
}

// eventID is the id of an event, as its text says it.
func eventID(text []byte) string {
	_, rest, _ := bytes.Cut(text, []byte(`"id":"`))
	id, _, _ := bytes.Cut(rest, []byte{'"'})
	return string(id[:min(len(id), 64)])
}
