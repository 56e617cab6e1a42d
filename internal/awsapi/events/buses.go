package events

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/registry"
)

// settings are what a bus can be given when it is made and later.
type settings struct {
	description, key string
	dead             *deadLetterConfig
	log              *logConfig
}

func (x *settings) check(v *problems) {
	if x.description != "" {
		v.Length("description", x.description, 0, maxDescription)
	}
	if x.key != "" {
		v.Pattern("kmsKeyIdentifier", x.key, 0, maxKey, `^[a-zA-Z0-9_\-/:]*$`, "-/:")
	}
	if x.dead != nil {
		checkDeadLetter(v, "deadLetterConfig.arn", x.dead)
	}
	if x.log != nil {
		v.Enum("logConfig.includeDetail", x.log.IncludeDetail, "NONE", "FULL")
		v.Enum("logConfig.level", x.log.Level, "OFF", "ERROR", "INFO", "TRACE")
	}
}

// checkDeadLetter checks the ARN of a dead-letter queue; one without is none.
func checkDeadLetter(v *problems, member string, d *deadLetterConfig) {
	if d.Arn == "" {
		return
	}
	_, _, name, ok := registry.ParseQueueARN(d.Arn)
	if !ok || len(d.Arn) > maxARN || strings.HasSuffix(name, fifoSuffix) {
		v.Add(member, d.Arn, "be the ARN of a standard queue")
	}
}

func (x *settings) put(b *registry.Bus) {
	b.Description, b.KMSKeyID = x.description, x.key
	b.DeadLetterARN, b.LogLevel, b.LogDetail = "", "", ""
	if x.dead != nil {
		b.DeadLetterARN = x.dead.Arn
	}
	if x.log != nil {
		b.LogLevel, b.LogDetail = x.log.Level, x.log.IncludeDetail
	}
}

func shownDeadLetter(arn string) *deadLetterConfig {
	if arn == "" {
		return nil
	}
	return &deadLetterConfig{arn}
}

func shownLog(b *registry.Bus) *logConfig {
	if b.LogLevel == "" && b.LogDetail == "" {
		return nil
	}
	return &logConfig{b.LogDetail, b.LogLevel}
}

// moment is a stored time; 0: none.
func moment(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// own is the bus of a name as a resource of the caller's.
func own(c *protocol.Call, name string) registry.Resource {
	return registry.Resource{Kind: "bus", Account: c.Account, Region: c.Region, Name: name}
}

// createEventBus makes a bus.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateEventBus.html
func (s *service) createEventBus(ctx context.Context, c *protocol.Call, in *createEventBusInput) (*createEventBusOutput, error) {
	var v problems
	ownBusName(&v, "name", in.Name)
	x := settings{in.Description, in.KmsKeyIdentifier, in.DeadLetterConfig, in.LogConfig}
	x.check(&v)
	tags := tagMap(&v, in.Tags)
	if err := v.error(); err != nil {
		return nil, err
	}
	if in.EventSourceName != "" {
		return nil, badParameter("EventSourceName", "partner event sources are not supported yet.")
	}
	arn := own(c, in.Name).ARN()
	if err := s.allowAccount(c, c.Account, "events:CreateEventBus", arn); err != nil {
		return nil, err
	}
	if len(tags) > 0 {
		if err := s.allowAccount(c, c.Account, "events:TagResource", arn); err != nil {
			return nil, err
		}
	}
	if err := checkTags(nil, tags); err != nil {
		return nil, err
	}
	b := registry.Bus{Meta: registry.Meta{Account: c.Account, Region: c.Region, Name: in.Name}, Tags: tags}
	x.put(&b)
	made, err := s.buses.Create(ctx, b)
	if errors.Is(err, bus.ErrExists) {
		return nil, &protocol.Error{Code: "ResourceAlreadyExistsException", Message: "Event bus " + in.Name + " already exists."}
	}
	if err != nil {
		return nil, failure(err)
	}
	return &createEventBusOutput{made.ARN(), made.Description, made.KMSKeyID, shownDeadLetter(made.DeadLetterARN), shownLog(made)}, nil
}

// updateEventBus replaces what was set of a bus.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_UpdateEventBus.html
func (s *service) updateEventBus(ctx context.Context, c *protocol.Call, in *updateEventBusInput) (*updateEventBusOutput, error) {
	var v problems
	name := in.Name
	if name == "" {
		name = registry.DefaultBus
	}
	ownBusName(&v, "name", name)
	x := settings{in.Description, in.KmsKeyIdentifier, in.DeadLetterConfig, in.LogConfig}
	x.check(&v)
	if err := v.error(); err != nil {
		return nil, err
	}
	b, err := s.find(ctx, c, own(c, name), "events:UpdateEventBus", "", nil)
	if err != nil {
		return nil, err
	}
	now, err := s.buses.Update(ctx, b, func(b *registry.Bus) error {
		x.put(b)
		return nil
	})
	if err != nil {
		return nil, busFailure(err, name)
	}
	return &updateEventBusOutput{now.ARN(), now.Name, now.KMSKeyID, now.Description, shownDeadLetter(now.DeadLetterARN), shownLog(now)}, nil
}

// busFailure is failure for what is about a bus.
func busFailure(err error, name string) error {
	if errors.Is(err, bus.ErrNoBus) {
		return noBus(name)
	}
	return failure(err)
}

// deleteEventBus removes a bus that has no rules; one that is not there is no error.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeleteEventBus.html
func (s *service) deleteEventBus(ctx context.Context, c *protocol.Call, in *eventBusInput) (*protocol.Empty, error) {
	var v problems
	ownBusName(&v, "name", in.Name)
	if err := v.error(); err != nil {
		return nil, err
	}
	b, err := s.find(ctx, c, own(c, in.Name), "events:DeleteEventBus", "", nil)
	var shown *protocol.Error
	if errors.As(err, &shown) && shown.Is(noBus("")) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	switch err := s.buses.Delete(ctx, b.Account, b.Region, b.Name); {
	case errors.Is(err, bus.ErrDefault):
		return nil, invalid("Cannot delete event bus default.")
	case errors.Is(err, bus.ErrHasRules):
		return nil, invalid("Cannot delete event bus " + b.Name + ": it has rules, which have to be deleted first.")
	case errors.Is(err, bus.ErrHasArchives):
		return nil, invalid("Cannot delete event bus " + b.Name + ": it has archives, which have to be deleted first.")
	default:
		return nil, failure(err)
	}
}

func (s *service) describeEventBus(ctx context.Context, c *protocol.Call, in *eventBusInput) (*describeEventBusOutput, error) {
	var v problems
	r := busName(&v, c, "name", in.Name)
	if err := v.error(); err != nil {
		return nil, err
	}
	b, err := s.find(ctx, c, r, "events:DescribeEventBus", "", nil)
	if err != nil {
		return nil, err
	}
	return &describeEventBusOutput{
		Name: b.Name, Arn: b.ARN(), Description: b.Description, KmsKeyIdentifier: b.KMSKeyID,
		DeadLetterConfig: shownDeadLetter(b.DeadLetterARN), Policy: b.Policy, LogConfig: shownLog(b),
		CreationTime: moment(b.Created), LastModifiedTime: moment(b.Modified),
	}, nil
}

func (s *service) listEventBuses(ctx context.Context, c *protocol.Call, in *listEventBusesInput) (*listEventBusesOutput, error) {
	var v problems
	if in.NamePrefix != "" {
		ownBusName(&v, "namePrefix", in.NamePrefix)
	}
	l, err := s.list(ctx, &v, c, in.Limit, in.NextToken, c.Region, in.NamePrefix)
	if err != nil {
		return nil, err
	}
	if err := s.allowAccount(c, c.Account, "events:ListEventBuses", own(c, "*").ARN()); err != nil {
		return nil, err
	}
	list, more := s.buses.List(c.Account, c.Region, in.NamePrefix, l.after, l.limit)
	out := &listEventBusesOutput{EventBuses: make([]eventBus, len(list))}
	for i, b := range list {
		out.EventBuses[i] = eventBus{b.Name, b.ARN(), b.Description, b.Policy, moment(b.Created), moment(b.Modified)}
		l.after = b.Name
	}
	out.NextToken, err = s.next(ctx, l, more, l.after)
	return out, err
}
