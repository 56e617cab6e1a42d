package schedule

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// shown reports whether a field of numbers and ranges, as the model makes them, has n.
func shown(s string, n, first int) bool {
	for _, part := range strings.Split(s, ",") {
		what, by, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			step, _ = strconv.Atoi(by)
		}
		from, until := first, 3000
		if what != "*" {
			a, b, ranged := strings.Cut(what, "-")
			from, _ = strconv.Atoi(a)
			if ranged {
				until, _ = strconv.Atoi(b)
			} else if !stepped {
				until = from
			}
		}
		if n >= from && n <= until && (n-from)%step == 0 {
			return true
		}
	}
	return false
}

// onDay reports whether a day field means the day of t.
func onDay(date, week string, t time.Time) bool {
	t = time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	last := t.AddDate(0, 1, -t.Day()).Day()
	work := func(t time.Time) bool { return t.Weekday() != time.Saturday && t.Weekday() != time.Sunday }
	switch {
	case date == "L":
		return t.Day() == last
	case date == "LW":
		d := t.AddDate(0, 0, last-t.Day())
		for !work(d) {
			d = d.AddDate(0, 0, -1)
		}
		return d.Equal(t)
	case strings.HasSuffix(date, "W"):
		n, _ := strconv.Atoi(date[:len(date)-1])
		if n > last {
			return false
		}
		meant := t.AddDate(0, 0, n-t.Day())
		for _, by := range []int{0, -1, 1, -2, 2} {
			if d := meant.AddDate(0, 0, by); work(d) && d.Month() == t.Month() {
				return d.Equal(t)
			}
		}
	case date != "?":
		return shown(date, t.Day(), 1)
	}
	day := int(t.Weekday()) + 1
	if d, nth, ok := strings.Cut(week, "#"); ok {
		return d == fmt.Sprint(day) && nth == fmt.Sprint((t.Day()-1)/7+1)
	}
	if d, ok := strings.CutSuffix(week, "L"); ok && d != "" {
		return d == fmt.Sprint(day) && t.AddDate(0, 0, 7).Month() != t.Month()
	}
	if week == "L" {
		return day == 7
	}
	return shown(week, day, 1)
}

// list is a random field.
func list(r *rand.Rand, from, to int, often bool) string {
	n := func() int { return from + r.IntN(to-from+1) }
	switch k := r.IntN(6); {
	case often || k == 0:
		return "*"
	case k == 1:
		return fmt.Sprintf("*/%d", 1+r.IntN(to-from))
	case k == 2:
		return fmt.Sprintf("%d/%d", n(), 1+r.IntN(to-from))
	case k == 3:
		a := n()
		return fmt.Sprintf("%d-%d", a, a+r.IntN(to-a+1))
	case k == 4:
		a := n()
		return fmt.Sprintf("%d-%d/%d,%d", a, a+r.IntN(to-a+1), 1+r.IntN(5), n())
	}
	return fmt.Sprintf("%d,%d", n(), n())
}

// What Next gives is what somebody sees who looks at the zone's clock each minute and
// notes what it shows for the first time.
func TestNextAgreesWithAClock(t *testing.T) {
	t.Parallel()
	zones := []*time.Location{time.UTC, zone(t, "Europe/Paris"), zone(t, "America/New_York"), zone(t, "Australia/Lord_Howe"), zone(t, "Asia/Kathmandu")}
	around := []string{"2026-03-28", "2026-03-07", "2026-10-24", "2026-10-31", "2026-10-03", "2026-04-04", "2027-02-27", "2027-12-30"}
	r := rand.New(rand.NewPCG(3, 4))
	hits := 0
	for range 400 {
		z := zones[r.IntN(len(zones))]
		minute, hour, month := list(r, 0, 59, false), list(r, 0, 23, r.IntN(2) == 0), list(r, 1, 12, r.IntN(4) > 0)
		date, week := "?", "?"
		switch r.IntN(4) {
		case 0:
			date = list(r, 1, 28, r.IntN(2) == 0)
		case 1:
			date = []string{"L", "LW", fmt.Sprint(1+r.IntN(31), "W")}[r.IntN(3)]
		case 2:
			week = list(r, 1, 7, false)
		default:
			week = []string{"L", fmt.Sprint(1+r.IntN(7), "L"), fmt.Sprintf("%d#%d", 1+r.IntN(7), 1+r.IntN(5))}[r.IntN(3)]
		}
		s := fmt.Sprintf("cron(%s %s %s %s %s *)", minute, hour, date, month, week)
		e, err := Parse(s, z)
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		began, _ := time.ParseInLocation("2006-01-02", around[r.IntN(len(around))], z)
		var want, got []time.Time
		seen := make(map[string]bool)
		for at := began.Add(-3 * time.Hour); at.Before(began.Add(60 * time.Hour)); at = at.Add(time.Minute) {
			clock := at.In(z)
			text := clock.Format("2006-01-02 15:04")
			if seen[text] {
				continue
			}
			seen[text] = true
			if at.After(began) && shown(minute, clock.Minute(), 0) && shown(hour, clock.Hour(), 0) && shown(month, int(clock.Month()), 1) && onDay(date, week, clock) {
				want = append(want, at.UTC())
			}
		}
		for at := began; ; {
			next, ok := e.Next(at, began)
			if !ok || !next.Before(began.Add(60*time.Hour)) {
				break
			}
			at = next
			got = append(got, next.UTC())
		}
		hits += len(want)
		if !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Fatalf("%s in %v from %v: %v, want %v", s, z, began, got, want)
		}
	}
	if hits < 1000 {
		t.Errorf("only %d times were compared", hits)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"rate(5 minutes)", "at(2030-01-01T00:00:00)", "cron(0/5 8-17 ? * MON-FRI 2026-2030)", "cron(0 0 L,3W,LW * ? *)", "cron(0 0 ? * 6#3 *)"} {
		f.Add(s, int64(1_790_000_000))
	}
	z := zone(f, "America/New_York")
	f.Fuzz(func(t *testing.T, s string, unix int64) {
		e, err := Parse(s, z)
		if err != nil {
			return
		}
		after := time.Unix(unix%(1<<34), 0)
		next, ok := e.Next(after, after)
		if ok && !next.After(after) {
			t.Errorf("%q: %v is not after %v", s, next, after)
		}
		if between, again := e.Next(next.Add(-time.Nanosecond), after); ok && (!again || !between.Equal(next)) {
			t.Errorf("%q: %v, and just before it %v", s, next, between)
		}
	})
}
