package app

import (
	"context"
	"errors"

	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/schedule"
	"github.com/waystation/waystation/internal/scheduler"
	"github.com/waystation/waystation/internal/telemetry"
	"github.com/waystation/waystation/internal/topic"
)

func (a *App) openScheduler(context.Context) (opened, error) {
	var err error
	a.scheduler, err = scheduler.New(scheduler.Config{
		Registry: a.registry, Access: a.access, Partitions: a.partitions, Topics: scheduledTopics{a.topics}, Buses: scheduledBuses{a.buses},
		CatchUp: schedule.CatchUp(a.cfg.ScheduleCatchUp), CatchUpAge: a.cfg.ScheduleCatchUpAge, Logger: a.log.With(keyService, "scheduler"),
		Observe: func(n scheduler.Counted) {
			a.metrics.Schedules(telemetry.ScheduleCounts{
				Fired: n.Fired, Retried: n.Retried, Redriven: n.Redriven, Failed: n.Failed, Skipped: n.Skipped,
			})
		},
	})
	if err != nil {
		return opened{}, err
	}
	return a.of(RoleSchedule, opened{run: a.scheduler.Run}), nil
}

// scheduledTopics are the topics of schedules.
type scheduledTopics struct{ *topic.Service }

// Find is topic.Service.Find in the scheduler's words.
func (t scheduledTopics) Find(ctx context.Context, account, region, name string) (*registry.Topic, error) {
	def, err := t.Service.Find(ctx, account, region, name)
	if errors.Is(err, topic.ErrNotFound) {
		return nil, scheduler.ErrGone
	}
	return def, err
}

// Plan is topic.Service.Plan in the scheduler's words.
func (t scheduledTopics) Plan(ctx context.Context, def *registry.Topic, m scheduler.Message) (scheduler.Plan, error) {
	message := topic.Message{Body: m.Body, Subject: m.Subject, Attributes: m.Attributes, Group: m.Group, Dedup: m.Dedup}
	planned, err := t.Service.Plan(ctx, def, message)
	if errors.Is(err, topic.ErrUnmatched) {
		return scheduler.Plan{}, &scheduler.Refusal{Code: "InvalidParameter", Message: "The message is too much work for the filter policies."}
	}
	if err != nil {
		return scheduler.Plan{}, err
	}
	items, ok := planned.Items()
	return scheduler.Plan{
		Items: items, Alone: !ok, Settle: planned.Settle,
		Apart: func(ctx context.Context) error { return planned.Post(ctx).Err },
	}, nil
}

// scheduledBuses are the buses of schedules.
type scheduledBuses struct{ *bus.Service }

// Find is bus.Service.Find in the scheduler's words.
func (b scheduledBuses) Find(ctx context.Context, account, region, name string) (*registry.Bus, error) {
	def, err := b.Service.Find(ctx, account, region, name)
	if errors.Is(err, bus.ErrNoBus) {
		return nil, scheduler.ErrGone
	}
	return def, err
}

// Plan is bus.Service.Plan in the scheduler's words.
func (b scheduledBuses) Plan(ctx context.Context, def *registry.Bus, e scheduler.Event) (scheduler.Plan, error) {
	planned, err := b.Service.Plan(ctx, bus.Addressed{Bus: def, Event: bus.Event{
		Account: e.Account, Region: e.Region, Source: e.Source, DetailType: e.DetailType, Detail: e.Detail, Resources: e.Resources, Time: e.Time, Trace: e.Trace,
	}})
	if errors.Is(err, bus.ErrEvent) {
		return scheduler.Plan{}, &scheduler.Refusal{Code: "MalformedDetail", Message: "The event cannot be matched against the rules."}
	}
	if err != nil {
		return scheduler.Plan{}, err
	}
	items, ok := planned.Items()
	return scheduler.Plan{Items: items, Alone: !ok, Settle: planned.Settle, Apart: planned.Post}, nil
}
