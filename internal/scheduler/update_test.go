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
