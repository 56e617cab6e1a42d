package inlet

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/registry"
)

// Finder finds the queues and topics of a service's targets. Its fields are not changed; methods
// may be called side by side.
type Finder struct {
	Registry *registry.Registry
	Access   *access.Access
	// Principal is the service as policies know it: "sns.amazonaws.com".
	Principal string

	// knownAt is when memory had all that the registry had, in Unix nanoseconds.
	knownAt atomic.Int64
}

// Source is the resource on whose behalf the service sends.
type Source struct{ ARN, Account string }

// Reasons why a queue or topic cannot be sent to.
var (
	// ErrGone: there is none.
	ErrGone = errors.New("it does not exist")
	// ErrRefused: its policy does not let the service send to it.
	ErrRefused = errors.New("its policy does not allow it")
)

// Allowance remembers for a second whether a policy lets a source send.
type Allowance struct {
	last atomic.Pointer[verdict]
}

type verdict struct {
	def   any // of which it was, a *registry.Queue or *registry.Topic: a changed one is another pointer
	allow bool
	until time.Time
}

// Find gives the queue of an ARN that source may send to; a is that target's own.
// Errors: ErrGone, ErrRefused; those of registry.Sync, which pass.
func (f *Finder) Find(ctx context.Context, source Source, arn string, a *Allowance, now time.Time) (*registry.Queue, error) {
	q, err := f.Queue(ctx, arn, now)
	if err != nil {
		return nil, err
	}
	if !f.maySend(source, a, now, q, access.Query{
		Action: "sqs:SendMessage", Resource: arn, Account: q.Account, Policy: q.Policy,
	}) {
		return nil, ErrRefused
	}
	return q, nil
}

// Queue gives the queue of an ARN, whoever may send to it. Errors: ErrGone; those of
// registry.Sync, which pass.
func (f *Finder) Queue(ctx context.Context, arn string, now time.Time) (*registry.Queue, error) {
	q, ok := f.Registry.QueueByARN(arn)
	if !ok {
		if err := f.Known(ctx, now); err != nil {
			return nil, err
		}
		if q, ok = f.Registry.QueueByARN(arn); !ok {
			return nil, ErrGone
		}
	}
	return q, nil
}

// FindTopic is Find for topics.
func (f *Finder) FindTopic(ctx context.Context, source Source, arn string, a *Allowance, now time.Time) (*registry.Topic, error) {
	r, ok := registry.ParseARN(arn)
	if !ok || r.Kind != "topic" {
		return nil, ErrGone
	}
	t, ok := f.Registry.Topics().Get(r.Account, r.Region, r.Name)
	if !ok {
		if err := f.Known(ctx, now); err != nil {
			return nil, err
		}
		if t, ok = f.Registry.Topics().Get(r.Account, r.Region, r.Name); !ok {
			return nil, ErrGone
		}
	}
	if !f.maySend(source, a, now, t, access.Query{
		Action: "sns:Publish", Resource: arn, Account: t.Account, Policy: t.Policy,
	}) {
		return nil, ErrRefused
	}
	return t, nil
}

// Known brings memory up to the registry, unless it was within the last second: what
// is missing in memory then did not exist a second ago. Errors: those of registry.Sync.
func (f *Finder) Known(ctx context.Context, now time.Time) error {
	if age := now.UnixNano() - f.knownAt.Load(); age >= 0 && age < int64(time.Second) {
		return nil
	}
	if err := f.Registry.Sync(ctx); err != nil {
		return err
	}
	f.knownAt.Store(now.UnixNano())
	return nil
}

// maySend asks the policy of def.
func (f *Finder) maySend(source Source, a *Allowance, now time.Time, def any, q access.Query) bool {
	if !f.Access.Enforces() {
		return true
	}
	if v := a.last.Load(); v != nil && v.def == def && now.Before(v.until) {
		return v.allow
	}
	who := access.OfService(f.Principal)
	q.Principal, q.Context = &who, func() access.Context {
		c := access.Context{}
		c.Set("aws:SourceArn", source.ARN)
		c.Set("aws:SourceAccount", source.Account)
		c.Set("aws:SecureTransport", "true") // it never leaves the server
		c.Set("aws:CurrentTime", now.UTC().Format(time.RFC3339))
		return c
	}
	err := f.Access.Authorize(q)
	a.last.Store(&verdict{def: def, allow: err == nil, until: now.Add(time.Second)})
	return err == nil
}
