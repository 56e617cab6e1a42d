package scheduler

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/schedule"
)

func parsed(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.DateTime, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func mustTimes(t *testing.T, x *Schedule) *times {
	t.Helper()
	all, err := x.times()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// What a schedule that is made falls due for, one after the other.
func TestTimes(t *testing.T) {
	t.Parallel()
	const now = "2026-03-28 12:00:00"
	ms := func(s string) int64 { return parsed(t, s).UnixMilli() }
	for _, test := range []struct {
		x    Schedule
		want string // of which the last may be "never"
	}{
		{Schedule{Expression: "at(2026-03-28T12:00:05)"}, "2026-03-28 12:00:05, never"},
		{Schedule{Expression: "at(2026-03-28T11:56:00)"}, "2026-03-28 11:56:00, never"}, // just over
		{Schedule{Expression: "at(2026-03-28T11:54:00)"}, "never"},
		// Start and end do not count for one that fires once.
		{Schedule{Expression: "at(2026-03-28T12:00:05)", Start: ms("2027-01-01 00:00:00"), End: ms("2020-01-01 00:00:00")}, "2026-03-28 12:00:05, never"},
		{Schedule{Expression: "rate(1 hour)"}, "2026-03-28 12:00:00, 2026-03-28 13:00:00"},
		{Schedule{Expression: "rate(1 hour)", Start: ms("2026-03-30 07:30:00")}, "2026-03-30 07:30:00, 2026-03-30 08:30:00"},
		{Schedule{Expression: "rate(1 hour)", Start: ms("2026-03-28 11:58:00")}, "2026-03-28 11:58:00, 2026-03-28 12:58:00"},
		{Schedule{Expression: "rate(1 hour)", Start: ms("2026-03-01 00:30:00")}, "2026-03-28 12:30:00, 2026-03-28 13:30:00"},
		{Schedule{Expression: "rate(1 day)", End: ms("2026-03-29 12:00:00")}, "2026-03-28 12:00:00, 2026-03-29 12:00:00, never"},
		{Schedule{Expression: "cron(0 9 * * ? *)", Start: ms("2026-04-02 09:00:00"), End: ms("2026-04-03 10:00:00")}, "2026-04-02 09:00:00, 2026-04-03 09:00:00, never"},
		// Clocks go from 2 to 3 on the 29th, and from 3 back to 2 on October 25th.
		{Schedule{Expression: "cron(30 2 * * ? *)", Zone: "Europe/Paris", Start: ms("2026-03-28 00:00:00")}, "2026-03-30 00:30:00, 2026-03-31 00:30:00"},
		{Schedule{Expression: "cron(30 2 * * ? *)", Zone: "Europe/Paris", Start: ms("2026-10-24 12:00:00")}, "2026-10-25 00:30:00, 2026-10-26 01:30:00"},
		{Schedule{Expression: "at(2026-10-25T02:30:00)", Zone: "Europe/Paris"}, "2026-10-25 00:30:00, never"},
	} {
		x := test.x
		all := mustTimes(t, &x)
		var got []string
		want := strings.Split(test.want, ", ")
		at, ok := all.first(parsed(t, now))
		for range want {
			if !ok {
				got = append(got, "never")
				break
			}
			got = append(got, at.UTC().Format(time.DateTime))
			at, ok = all.After(at)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%+v: %q, want %q", test.x, got, want)
		}
	}
}

// What is fired late, and what comes next.
func TestDecide(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		expression string
		next       string
		window     int
		rule       schedule.CatchUp
		age        time.Duration
		now        string
		fire, then string // "": none
		skipped    bool
	}{
		{"rate(1 hour)", "2026-01-01 10:00:00", 0, schedule.CatchUpLast, 24 * time.Hour, "2026-01-01 10:00:00", "2026-01-01 10:00:00", "2026-01-01 11:00:00", false},
		{"rate(1 hour)", "2026-01-01 10:00:00", 0, schedule.CatchUpNone, 24 * time.Hour, "2026-01-01 10:00:59", "2026-01-01 10:00:00", "2026-01-01 11:00:00", false},
		{"rate(1 hour)", "2026-01-01 10:00:00", 0, schedule.CatchUpNone, 24 * time.Hour, "2026-01-01 13:30:00", "", "2026-01-01 14:00:00", true},
		{"rate(1 hour)", "2026-01-01 10:00:00", 0, schedule.CatchUpLast, 24 * time.Hour, "2026-01-01 13:30:00", "2026-01-01 13:00:00", "2026-01-01 14:00:00", true},
		{"rate(1 hour)", "2026-01-01 10:00:00", 0, schedule.CatchUpLast, 24 * time.Hour, "2026-01-01 10:30:00", "2026-01-01 10:00:00", "2026-01-01 11:00:00", false},
		{"rate(1 hour)", "2026-01-01 10:00:00", 0, schedule.CatchUpAll, 24 * time.Hour, "2026-01-01 13:30:00", "2026-01-01 10:00:00", "2026-01-01 11:00:00", false},
		{"rate(1 hour)", "2026-01-01 10:00:00", 0, schedule.CatchUpAll, 2 * time.Hour, "2026-01-01 13:30:00", "2026-01-01 12:00:00", "2026-01-01 13:00:00", true},
		{"rate(1 hour)", "2026-01-01 10:00:00", 0, schedule.CatchUpAll, 10 * time.Minute, "2026-01-01 13:30:00", "", "2026-01-01 14:00:00", true},
		{"rate(1 hour)", "2026-01-01 10:00:00", 0, schedule.CatchUpLast, 10 * time.Minute, "2026-01-01 13:30:00", "", "2026-01-01 14:00:00", true},
		{"rate(1 hour)", "2026-01-01 10:00:00", 0, schedule.CatchUpLast, 0, "2026-01-01 13:30:00", "", "2026-01-01 14:00:00", true},
		// One that is due and was not missed is the last.
		{"rate(1 minute)", "2026-01-01 10:00:00", 0, schedule.CatchUpLast, 24 * time.Hour, "2026-01-01 10:05:30", "2026-01-01 10:05:00", "2026-01-01 10:06:00", true},
		{"rate(1 minute)", "2026-01-01 10:00:00", 0, schedule.CatchUpNone, 24 * time.Hour, "2026-01-01 10:05:30", "2026-01-01 10:05:00", "2026-01-01 10:06:00", true},
		// A window that is not over is nothing missed.
		{"rate(1 day)", "2026-01-01 10:00:00", 60, schedule.CatchUpNone, 24 * time.Hour, "2026-01-01 11:00:00", "2026-01-01 10:00:00", "2026-01-02 10:00:00", false},
		{"rate(1 day)", "2026-01-01 10:00:00", 60, schedule.CatchUpNone, 24 * time.Hour, "2026-01-01 11:02:00", "", "2026-01-02 10:00:00", true},
		// What fires once does late, whatever the rule, up to the age.
		{"at(2026-01-01T10:00:00)", "2026-01-01 10:00:00", 0, schedule.CatchUpNone, 24 * time.Hour, "2026-01-02 09:00:00", "2026-01-01 10:00:00", "", false},
		{"at(2026-01-01T10:00:00)", "2026-01-01 10:00:00", 0, schedule.CatchUpAll, 24 * time.Hour, "2026-01-02 11:00:00", "", "", true},
		{"cron(0 9 ? * MON *)", "2026-01-05 09:00:00", 0, schedule.CatchUpLast, 24 * time.Hour, "2026-02-02 20:00:00", "2026-02-02 09:00:00", "2026-02-09 09:00:00", true},
		{"cron(0 9 ? * MON *)", "2026-01-05 09:00:00", 0, schedule.CatchUpLast, 24 * time.Hour, "2026-02-04 20:00:00", "", "2026-02-09 09:00:00", true},
		{"cron(0 9 1 1 ? 2026)", "2026-01-01 09:00:00", 0, schedule.CatchUpLast, 24 * time.Hour, "2026-01-01 09:00:00", "2026-01-01 09:00:00", "", false},
	} {
		x := &Schedule{Expression: test.expression, Window: test.window, Next: parsed(t, test.next).UnixMilli()}
		x.Anchor = x.Next
		d := mustTimes(t, x).Decide(test.rule, test.age, milli(x.Next), parsed(t, test.now))
		show := func(at time.Time) string {
			if at.IsZero() {
				return ""
			}
			return at.UTC().Format(time.DateTime)
		}
		if show(d.Fire) != test.fire || show(d.Next) != test.then || d.Skipped != test.skipped {
			t.Errorf("%+v\n  fires %q, then %q, skipped %v", test, show(d.Fire), show(d.Next), d.Skipped)
		}
	}
}

// The last time before another is found however many there are.
func TestLastBefore(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for _, expression := range []string{"rate(1 minute)", "rate(7 hours)", "cron(* 1 * * ? *)", "cron(0 0 1 * ? *)", "cron(30 2 ? * SUN *)", "cron(*/7 9-17 ? * MON-FRI *)"} {
		x := &Schedule{Expression: expression, Zone: "Europe/Paris"}
		all := mustTimes(t, x)
		first, ok := all.first(parsed(t, "2026-01-01 00:00:00"))
		if !ok {
			t.Fatal(expression)
		}
		for range 20 {
			end := first.Add(1 + time.Duration(r.Int64N(int64(90*24*time.Hour))))
			want := first
			for {
				next, ok := all.After(want)
				if !ok || !next.Before(end) {
					break
				}
				want = next
			}
			if got := all.LastBefore(first, end); !got.Equal(want) {
				t.Fatalf("%s before %v: %v, want %v", expression, end, got, want)
			}
		}
	}
}

// A time falls due within its window, spread over all of it, and at the same moment
// whenever it is asked.
func TestDue(t *testing.T) {
	t.Parallel()
	nominal := parsed(t, "2026-01-01 00:00:00")
	var quarters [4]int
	for i := range 1000 {
		x := &Schedule{Name: fmt.Sprint("s", i), Window: 20}
		wait := x.due(nominal).Sub(nominal)
		if wait < 0 || wait >= 20*time.Minute || x.due(nominal) != nominal.Add(wait) {
			t.Fatalf("due after %v", wait)
		}
		quarters[wait/(5*time.Minute)]++
	}
	for _, n := range quarters {
		if n < 150 {
			t.Errorf("not spread over the window: %v", quarters)
		}
	}
}

// A change keeps what is due, and begins anew with other times.
func TestResume(t *testing.T) {
	t.Parallel()
	now := parsed(t, "2026-01-01 12:00:30")
	ms := func(s string) int64 { return parsed(t, s).UnixMilli() }
	old := Schedule{Expression: "rate(1 hour)", Anchor: ms("2026-01-01 00:00:00"), Next: ms("2026-01-01 12:00:00"), Created: 7}
	for _, test := range []struct {
		old, x Schedule
		next   string
	}{
		{old, Schedule{Expression: "rate(1 hour)"}, "2026-01-01 12:00:00"}, // it is due: not lost
		{old, Schedule{Expression: "rate(1 hour)", End: ms("2026-01-01 11:00:00")}, ""},
		{old, Schedule{Expression: "rate(1 hour)", Disabled: true}, ""},
		{old, Schedule{Expression: "rate(2 hours)"}, "2026-01-01 12:00:30"}, // as one that is made
		{old, Schedule{Expression: "rate(1 hour)", Zone: "Europe/Paris"}, "2026-01-01 12:00:30"},
		{Schedule{Expression: "rate(1 hour)", Disabled: true, Anchor: old.Anchor}, Schedule{Expression: "rate(1 hour)"}, "2026-01-01 13:00:00"},
		{Schedule{Expression: "at(2026-01-01T12:00:00)"}, Schedule{Expression: "at(2026-01-01T12:00:00)"}, ""}, // it has fired
		{Schedule{Expression: "at(2026-01-01T12:00:00)", Disabled: true}, Schedule{Expression: "at(2026-01-01T12:00:00)"}, "2026-01-01 12:00:00"},
	} {
		x := test.x
		if err := x.resume(&test.old, now); err != nil {
			t.Fatal(err)
		}
		got := ""
		if x.Next != 0 {
			got = milli(x.Next).Format(time.DateTime)
		}
		if got != test.next || x.Created != test.old.Created || x.Modified != now.UnixMilli() {
			t.Errorf("%+v after %+v: next %q, want %q", test.x, test.old, got, test.next)
		}
	}
}
