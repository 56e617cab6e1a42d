package main

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/scheduler"
)

const (
	schedulesDue = 10_000
	// schedulesIdle is how long the CPU is looked at while all wait.
	schedulesIdle = 20 * time.Second
)

// schedules makes many schedules that wait for a day that is far away, says what they take,
// and how long ten thousand take that fall due in one second until all are in their queue.
func schedules(ctx context.Context, o options, r *report) error {
	n, err := openTemp(ctx, o)
	if err != nil {
		return err
	}
	defer n.close()
	s, err := scheduler.New(scheduler.Config{Registry: n.registry, Access: n.access, Partitions: n, Topics: nowhere[*registry.Topic, scheduler.Message]{}, Buses: nowhere[*registry.Bus, scheduler.Event]{}})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop() // before the node is closed, which waits for it
	n.start(func() error { return s.Run(running) })
	g, err := s.Group(ctx, routingAccount, routingRegion, registry.DefaultScheduleGroup)
	if err != nil {
		return err
	}
	q, err := n.queue(ctx, "fired", false)
	if err != nil {
		return err
	}
	create := func(count int, kind string, at time.Time) error {
		x := scheduler.Schedule{
			Expression: at.UTC().Format("at(2006-01-02T15:04:05)"),
			Target:     scheduler.Target{ARN: q.ARN(), RoleARN: "arn:aws:iam::" + routingAccount + ":role/scheduler", Input: `{"order":"12345"}`},
		}
		return parallel(routingCallers, count, 1, func(i, _ int) error {
			x := x
			x.Name = fmt.Sprint(kind, i)
			return s.Create(ctx, g, x)
		})
	}
	before := heap()
	began := time.Now()
	if err := create(o.schedules, "far-", began.AddDate(10, 0, 0)); err != nil {
		return err
	}
	took := time.Since(began)
	waiting := float64(heap()) - float64(before)
	cpu := cpuTime()
	select {
	case <-time.After(schedulesIdle):
	case <-ctx.Done():
		return ctx.Err()
	}
	idle := cpuTime() - cpu
	r.add("schedules", fmt.Sprint(o.schedules, " that wait"), []string{"created/s", "MiB heap", "B each", "% of a core"},
		float64(o.schedules)/took.Seconds(), waiting/(1<<20), waiting/float64(o.schedules), 100*idle.Seconds()/schedulesIdle.Seconds())

	due := time.Now().Add(30 * time.Second).Truncate(time.Second)
	if err := create(schedulesDue, "due-", due); err != nil {
		return err
	}
	if late := time.Since(due); late > 0 {
		return fmt.Errorf("%d schedules took too long to make: they were due %v ago", schedulesDue, late)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for limit := due.Add(time.Minute); ; {
		c, err := n.Counts(ctx, q)
		if err != nil {
			return err
		}
		if c.Visible >= schedulesDue {
			r.add("schedules", fmt.Sprint(schedulesDue, " due in one second"), []string{"s until all are queued"}, time.Since(due).Seconds())
			return nil
		}
		if time.Now().After(limit) {
			return fmt.Errorf("%d of %d schedules fired", c.Visible, schedulesDue)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// nowhere are topics or buses of which there is none.
type nowhere[T, M any] struct{}

// Find is scheduler.Topics' and scheduler.Buses'.
func (nowhere[T, M]) Find(context.Context, string, string, string) (t T, err error) {
	return t, scheduler.ErrGone
}

// Plan is scheduler.Topics' and scheduler.Buses'.
func (nowhere[T, M]) Plan(context.Context, T, M) (scheduler.Plan, error) {
	return scheduler.Plan{}, scheduler.ErrGone
}

// cpuTime is what this process has used, of all cores together.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
