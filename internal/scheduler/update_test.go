package scheduler_test

import (
	"testing"
	"time"

	"github.com/waystation/waystation/internal/scheduler"
)

// update changes a schedule of the default group.
func (n *node) update(x scheduler.Schedule) {
	n.c.t.Helper()
	if err := n.Update(n.c.t.Context(), n.group(group), x, nil); err != nil {
		n.c.t.Fatal(err)
	}
}

// An update with what was read, where a zone has its name, changes no times: a rate goes
// on counting from where it did.
func TestUpdateWithWhatWasRead(t *testing.T) {
	bubble(t, 1, func(t *testing.T, c *cluster) {
		n := c.start("one")
		q := n.queue("jobs")
		hourly := scheduler.Schedule{Name: "hourly", Expression: "rate(1 hour)", Target: to(q.ARN(), "hourly")}
		once := scheduler.Schedule{Name: "once", Expression: c.at(time.Minute), Target: to(q.ARN(), "once")}
		n.make(hourly)
		n.make(once)
		wait(2 * time.Minute)
		n.wantBodies(q, "hourly", "once")
		hourly.Zone, once.Zone = "UTC", "UTC"
		n.update(hourly)
		n.update(once)
		wait(30 * time.Minute)
		n.wantBodies(q)
		wait(30 * time.Minute)
		n.wantBodies(q, "hourly")
	})
}

// What has fired does not fire again when it is disabled and enabled.
func TestEnabledAgain(t *testing.T) {
	bubble(t, 1, func(t *testing.T, c *cluster) {
		n := c.start("one")
		q := n.queue("jobs")
		once := scheduler.Schedule{Name: "once", Expression: c.at(time.Minute), Target: to(q.ARN(), "once")}
		late := once
		late.Name, late.Target = "late", to(q.ARN(), "late")
		late.Disabled = true
		n.make(once)
		n.make(late)
		wait(2 * time.Minute)
		n.wantBodies(q, "once")
		once.Disabled, late.Disabled = true, false
		n.update(once)
		n.update(late) // its time is over for less than what at(…) is allowed
		once.Disabled = false
		n.update(once)
		wait(time.Minute)
		n.wantBodies(q, "late")
	})
}

// After the wall clock was set, forward or back, schedules fire by what it says, those too
// that were made before when it was set back.
func TestClockIsSet(t *testing.T) {
	for _, by := range []time.Duration{30 * time.Minute, -30 * time.Minute} {
		t.Run(by.String(), func(t *testing.T) {
			bubble(t, 1, func(t *testing.T, c *cluster) {
				n := c.start("one")
				q := n.queue("jobs")
				n.make(scheduler.Schedule{Name: "before", Expression: c.at(time.Hour), Target: to(q.ARN(), "before")})
				n.make(scheduler.Schedule{Name: "hourly", Expression: "rate(1 hour)", Target: to(q.ARN(), "hourly")})
				wait(time.Second)
				n.wantBodies(q, "hourly")
				c.set.Store(int64(by))
				n.make(scheduler.Schedule{Name: "after", Expression: c.at(time.Minute), Target: to(q.ARN(), "after")})
				wait(50 * time.Second)
				n.wantBodies(q)
				wait(20 * time.Second)
				n.wantBodies(q, "after")
				if by > 0 { // late by so much: their place was in the time before
					wait(time.Hour - 2*time.Minute)
					n.wantBodies(q)
					wait(2 * time.Minute)
				} else {
					wait(time.Hour + 25*time.Minute)
					n.wantBodies(q)
					wait(5 * time.Minute)
				}
				n.wantBodies(q, "before", "hourly")
				// The next is again at its hour by the clock: 60 minutes after the one before
				// was due, not after it came.
				next := time.Hour
				if by > 0 {
					next -= by
				}
				wait(next - 5*time.Minute)
				n.wantBodies(q)
				wait(6 * time.Minute)
				n.wantBodies(q, "hourly")
			})
		})
	}
}
