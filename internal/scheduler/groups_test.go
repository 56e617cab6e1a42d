package scheduler_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/scheduler"
)

func all(*scheduler.Schedule) bool { return true }

func (n *node) newGroup(name string) *registry.ScheduleGroup {
	n.c.t.Helper()
	g, err := n.CreateGroup(n.c.t.Context(), registry.ScheduleGroup{Meta: registry.Meta{Account: account, Region: region, Name: name}, CreateToken: "t-" + name})
	if err != nil {
		n.c.t.Fatal(err)
	}
	return g
}

func TestGroups(t *testing.T) {
	bubble(t, 2, func(t *testing.T, c *cluster) {
		n := c.start("one")
		ctx := t.Context()
		// The default one is there without being made, and cannot be made or deleted.
		g := n.group(group)
		if g.Partitions != 0 || g.Deleting != 0 {
			t.Errorf("%+v", g)
		}
		if err := n.DeleteGroup(ctx, g, ""); !errors.Is(err, scheduler.ErrDefault) {
			t.Error(err)
		}
		def := registry.ScheduleGroup{Meta: registry.Meta{Account: account, Region: region, Name: group}}
		if _, err := n.CreateGroup(ctx, def); !errors.Is(err, scheduler.ErrExists) {
			t.Error(err)
		}
		made := n.newGroup("nightly")
		if again := n.newGroup("nightly"); again.ID != made.ID {
			t.Error("the same token made another group")
		}
		def.Name = "nightly"
		if _, err := n.CreateGroup(ctx, def); !errors.Is(err, scheduler.ErrExists) {
			t.Error(err)
		}
		n.newGroup("aaa")
		names := func(prefix, after string, limit int) string {
			list, more := n.Groups(account, region, prefix, after, limit)
			text := ""
			for _, g := range list {
				text += g.Name + " "
			}
			return fmt.Sprint(text, more)
		}
		for _, test := range []struct {
			prefix, after string
			limit         int
			want          string
		}{
			{"", "", 10, "aaa default nightly false"}, {"", "", 1, "aaa true"}, {"", "aaa", 1, "default true"}, {"", "default", 1, "nightly false"},
			{"d", "", 1, "default false"}, {"n", "", 1, "nightly false"}, {"x", "", 1, "false"},
		} {
			if got := names(test.prefix, test.after, test.limit); got != test.want {
				t.Errorf("%+v: %s", test, got)
			}
		}
		for i := len("aaa nightly"); n.reg.ScheduleGroups().Len() < scheduler.MaxGroups-1; i++ {
			n.newGroup(numbered("g", i))
		}
		def.Name = "one-more"
		if _, err := n.CreateGroup(ctx, def); !errors.Is(err, scheduler.ErrGroups) {
			t.Errorf("a group too many: %v", err)
		}
		// The default one still gets its schedules.
		n.make(scheduler.Schedule{Name: "s", Expression: "rate(1 day)", Disabled: true, Target: to(arn("queue", "q"), "x")})
	})
}

// A group that is deleted takes its schedules along, also when nodes die meanwhile, and
// one that is made again under its name begins without any.
func TestDeletedGroup(t *testing.T) {
	bubble(t, 3, func(t *testing.T, c *cluster) {
		n := c.start("one")
		ctx := t.Context()
		q := n.queue("jobs")
		g := n.newGroup("nightly")
		for i := range 30 {
			if err := n.Create(ctx, g, scheduler.Schedule{Name: numbered("s", i), Expression: c.at(5 * time.Minute), Target: to(q.ARN(), "x")}); err != nil {
				t.Fatal(err)
			}
		}
		missing := scheduler.Schedule{Name: "failing", Expression: c.at(-time.Second), Target: to(arn("queue", "missing"), "x")}
		if err := n.Create(ctx, g, missing); err != nil {
			t.Fatal(err)
		}
		wait(time.Second)
		if err := n.DeleteGroup(ctx, g, "token"); err != nil {
			t.Fatal(err)
		}
		n.kill()
		n = c.start("one")
		g = n.group("nightly")
		if g.Deleting == 0 {
			t.Errorf("%+v is not being deleted", g)
		}
		if err := n.DeleteGroup(ctx, g, "token"); err != nil {
			t.Errorf("deleted once more by the same token: %v", err)
		}
		if err := n.DeleteGroup(ctx, g, "other"); !errors.Is(err, scheduler.ErrDeleting) {
			t.Errorf("deleted once more by another: %v", err)
		}
		if err := n.Create(ctx, g, scheduler.Schedule{Name: "late", Expression: "rate(1 minute)", Target: to(q.ARN(), "x")}); !errors.Is(err, scheduler.ErrDeleting) {
			t.Errorf("a schedule in a group that is being deleted: %v", err)
		}
		wait(30 * time.Second)
		if _, err := n.Group(ctx, account, region, "nightly"); !errors.Is(err, scheduler.ErrNoGroup) {
			t.Errorf("it is there yet: %v", err)
		}
		again := n.newGroup("nightly")
		if list, _, _, err := n.List(ctx, account, region, "nightly", scheduler.Position{}, 10, all); len(list) > 0 || err != nil {
			t.Errorf("the new one has %d schedules, %v", len(list), err)
		}
		wait(10 * time.Minute)
		n.wantBodies(q)
		n.queue("missing")
		wait(10 * time.Minute)
		n.wantBodies(n.queue("missing"))
		// A schedule that came too late for its group is found when it falls due.
		if err := n.Create(ctx, g0(again, g), scheduler.Schedule{Name: "orphan", Expression: c.at(time.Minute), Target: to(q.ARN(), "orphan")}); err != nil {
			t.Fatal(err)
		}
		wait(5 * time.Minute)
		n.wantBodies(q)
		if _, err := n.Get(ctx, g0(again, g), "orphan"); !errors.Is(err, scheduler.ErrNotFound) {
			t.Errorf("what has no group is there: %v", err)
		}
	})
}

// g0 is the group that is gone, as a node knows it that has not heard.
func g0(now, gone *registry.ScheduleGroup) *registry.ScheduleGroup {
	c := now.Clone()
	c.ID = gone.ID
	return c
}

func TestCreateAndChange(t *testing.T) {
	bubble(t, 2, func(t *testing.T, c *cluster) {
		n := c.start("one")
		ctx := t.Context()
		x := scheduler.Schedule{Name: "s", Expression: "rate(1 day)", Target: to(arn("queue", "q"), "x"), Token: "one", Digest: []byte("a"), Disabled: true}
		n.make(x)
		g := n.group(group)
		n.make(x) // again: the answer got lost
		x.Digest = []byte("b")
		if err := n.Create(ctx, g, x); !errors.Is(err, scheduler.ErrToken) {
			t.Errorf("the token with another request: %v", err)
		}
		x.Token = "two"
		if err := n.Create(ctx, g, x); !errors.Is(err, scheduler.ErrExists) {
			t.Errorf("made again: %v", err)
		}
		was, err := n.get("s")
		if err != nil || was.Next != 0 || was.Target.ARN != x.Target.ARN {
			t.Fatalf("%+v, %v", was, err)
		}
		wait(time.Minute)
		x.Disabled, x.Description = false, "changed"
		refused := errors.New("refused")
		if err := n.Update(ctx, g, x, func(old *scheduler.Schedule) error { return refused }); !errors.Is(err, refused) {
			t.Errorf("an update that is refused: %v", err)
		}
		if err := n.Update(ctx, g, x, nil); err != nil {
			t.Fatal(err)
		}
		now, err := n.get("s")
		if err != nil || now.Description != "changed" || now.Created != was.Created || now.Modified <= was.Modified || now.Next == 0 {
			t.Errorf("%+v, %v", now, err)
		}
		x.Digest = []byte("c")
		if err := n.Update(ctx, g, x, nil); !errors.Is(err, scheduler.ErrToken) {
			t.Errorf("the token with another update: %v", err)
		}
		x.Name = "none"
		if err := n.Update(ctx, g, x, nil); !errors.Is(err, scheduler.ErrNotFound) {
			t.Errorf("an update of nothing: %v", err)
		}
		if err := n.Delete(ctx, g, "none"); !errors.Is(err, scheduler.ErrNotFound) {
			t.Errorf("a deletion of nothing: %v", err)
		}
		if err := n.Delete(ctx, g, "s"); err != nil {
			t.Error(err)
		}
		if _, err := n.get("s"); !errors.Is(err, scheduler.ErrNotFound) {
			t.Errorf("it is there yet: %v", err)
		}
		if _, err := n.Get(ctx, &registry.ScheduleGroup{Meta: registry.Meta{Account: other, Region: region, Name: group}}, "s"); !errors.Is(err, scheduler.ErrNotFound) {
			t.Errorf("in a default group without schedules: %v", err)
		}
	})
}

// A walk through all pages gives each schedule once, also while they fire.
func TestList(t *testing.T) {
	bubble(t, 3, func(t *testing.T, c *cluster) {
		n := c.start("one")
		ctx := t.Context()
		n.queue("jobs")
		groups := []*registry.ScheduleGroup{n.newGroup("alpha"), n.newGroup("zeta")}
		var want []string
		for i := range 60 {
			g := groups[i%2]
			if i%3 == 0 {
				g = n.group(group)
			}
			x := scheduler.Schedule{Name: numbered("s", i), Expression: "rate(1 minute)", Target: to(arn("queue", "jobs"), "x"), Disabled: i%4 == 0}
			if err := n.Create(ctx, g, x); err != nil {
				t.Fatal(err)
			}
			want = append(want, g.Name+"/"+x.Name)
		}
		slices.Sort(want)
		walk := func(group string, limit int, wanted func(*scheduler.Schedule) bool) (got []string) {
			var at scheduler.Position
			for {
				list, next, more, err := n.List(ctx, account, region, group, at, limit, wanted)
				if err != nil || len(list) > limit {
					t.Fatalf("%d, %v", len(list), err)
				}
				for _, x := range list {
					got = append(got, x.Group.Name+"/"+x.Name)
				}
				if !more {
					slices.Sort(got)
					return got
				}
				at = next
				time.Sleep(5 * time.Second)
			}
		}
		if got := walk("", 7, all); !slices.Equal(got, want) {
			t.Errorf("listed %q, want %q", got, want)
		}
		for _, group := range []string{"alpha", "default", "zeta"} {
			var some []string
			for _, s := range want {
				if strings.HasPrefix(s, group+"/") {
					some = append(some, s)
				}
			}
			if got := walk(group, 3, all); !slices.Equal(got, some) {
				t.Errorf("of %s listed %q, want %q", group, got, some)
			}
		}
		if got := walk("", 100, func(x *scheduler.Schedule) bool { return x.Disabled }); len(got) != 15 {
			t.Errorf("of those disabled listed %q", got)
		}
		if _, _, _, err := n.List(ctx, account, region, "none", scheduler.Position{}, 10, all); !errors.Is(err, scheduler.ErrNoGroup) {
			t.Errorf("of a group that is not there: %v", err)
		}
	})
}
