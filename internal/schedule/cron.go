package schedule

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// The years that an expression can name.
const (
	firstYear = 1970
	lastYear  = 2199
)

// set holds small numbers.
type set [4]uint64

func (s *set) add(n int)      { s[n/64] |= 1 << (n % 64) }
func (s *set) has(n int) bool { return s[n/64]&(1<<(n%64)) != 0 }

// from is the first number in s from n on; -1 if there is none.
func (s *set) from(n int) int {
	for w := n / 64; w < len(s); w++ {
		b := s[w]
		if w == n/64 {
			b &^= 1<<(n%64) - 1
		}
		if b != 0 {
			return w*64 + bits.TrailingZeros64(b)
		}
	}
	return -1
}

// cron is a cron expression. Years count from firstYear.
type cron struct {
	minutes, hours, months, years set
	// One of these says on which days: of the month, or of the week (1 to 7).
	byMonth, byWeek *dayField
}

// dayField says on which days of a month.
type dayField struct {
	days    set // of the month, or of the week
	last    bool
	weekday bool // the last one: LW
	nearest set  // days of the month whose nearest weekday is meant
	lastOf  set  // days of the week of which the month's last is meant
	nth     int  // with days: which of them in the month; 0: each
}

// field is one place of an expression.
type field struct {
	name     string
	min, max int
	names    []string // of the values from min on
	wraps    bool
}

var (
	minuteField = field{name: "minutes", max: 59}
	hourField   = field{name: "hours", max: 23}
	dateField   = field{name: "day of month", min: 1, max: 31}
	monthField  = field{name: "month", min: 1, max: 12, names: []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}}
	weekField   = field{name: "day of week", min: 1, max: 7, names: []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}, wraps: true}
	yearField   = field{name: "year", min: firstYear, max: lastYear}
)

func parseCron(s string) (*cron, error) {
	f := strings.Fields(strings.ToUpper(s))
	if len(f) != 6 {
		return nil, fmt.Errorf("cron has 6 fields, minutes hours day-of-month month day-of-week year, not %d", len(f))
	}
	c := &cron{}
	var years set
	for _, p := range []struct {
		of   *field
		text string
		to   *set
	}{{&minuteField, f[0], &c.minutes}, {&hourField, f[1], &c.hours}, {&monthField, f[3], &c.months}, {&yearField, f[5], &years}} {
		if err := p.of.list(p.text, p.to); err != nil {
			return nil, err
		}
	}
	c.years = years
	var err error
	switch byMonth, byWeek := f[2] != "?", f[4] != "?"; {
	case byMonth == byWeek:
		return nil, errors.New("of day of month and day of week one is ?, and the other says on which days")
	case byMonth:
		c.byMonth, err = parseDates(f[2])
	default:
		c.byWeek, err = parseWeekdays(f[4])
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// list reads a list of values, ranges and steps into to.
func (f *field) list(s string, to *set) error {
	for _, part := range strings.Split(s, ",") {
		if err := f.span(part, to); err != nil {
			return err
		}
	}
	return nil
}

// span reads one part of a list.
func (f *field) span(s string, to *set) error {
	what, by, stepped := strings.Cut(s, "/")
	step := 1
	if stepped {
		var err error
		if step, err = strconv.Atoi(by); err != nil || step < 1 || step > f.max-f.min+1 || by[0] == '+' {
			return fmt.Errorf("%s: %.20q is no step", f.name, by)
		}
	}
	from, until := f.min, f.max
	if what != "*" {
		a, b, ranged := strings.Cut(what, "-")
		var err error
		if from, err = f.value(a); err != nil {
			return err
		}
		switch {
		case ranged:
			if until, err = f.value(b); err != nil {
				return err
			}
		case !stepped:
			until = from
		}
	}
	size := f.max - f.min + 1
	if until < from {
		if !f.wraps {
			return fmt.Errorf("%s: the range %.20q ends before it begins", f.name, what)
		}
		until += size
	}
	for n := from; n <= until; n += step {
		to.add((n-f.min)%size + f.min - f.base())
	}
	return nil
}

// base is the value that stands in a set as 0.
func (f *field) base() int {
	if f.min == firstYear {
		return firstYear
	}
	return 0
}

func (f *field) value(s string) (int, error) {
	for i, name := range f.names {
		if s == name {
			return f.min + i, nil
		}
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || int(n) < f.min || int(n) > f.max {
		return 0, fmt.Errorf("%s: %.20q is not among %d to %d", f.name, s, f.min, f.max)
	}
	return int(n), nil
}

func parseDates(s string) (*dayField, error) {
	d := &dayField{}
	for _, part := range strings.Split(s, ",") {
		day, nearest := strings.CutSuffix(part, "W")
		switch {
		case part == "L":
			d.last = true
		case part == "LW":
			d.weekday = true
		case nearest:
			n, err := dateField.value(day)
			if err != nil {
				return nil, err
			}
			d.nearest.add(n)
		default:
			if err := dateField.span(part, &d.days); err != nil {
				return nil, err
			}
		}
	}
	return d, nil
}

func parseWeekdays(s string) (*dayField, error) {
	d := &dayField{}
	if day, nth, ok := strings.Cut(s, "#"); ok {
		n, err := weekField.value(day)
		if err != nil {
			return nil, err
		}
		d.days.add(n)
		if d.nth, err = strconv.Atoi(nth); err != nil || d.nth < 1 || d.nth > 5 || len(nth) != 1 {
			return nil, fmt.Errorf("day of week: %.20q is not among the 1st to the 5th, alone in its field: 6#3", nth)
		}
		return d, nil
	}
	for _, part := range strings.Split(s, ",") {
		day, last := strings.CutSuffix(part, "L")
		switch {
		case part == "L":
			d.days.add(weekField.max)
		case last:
			n, err := weekField.value(day)
			if err != nil {
				return nil, err
			}
			d.lastOf.add(n)
		default:
			if err := weekField.span(part, &d.days); err != nil {
				return nil, err
			}
		}
	}
	return d, nil
}

// next is the first time after a given one that the zone's clock shows as the
// expression says.
func (c *cron) next(after time.Time, zone *time.Location) (time.Time, bool) {
	t := after.In(zone)
	if t.Year() < firstYear {
		t = time.Date(firstYear, 1, 1, 0, 0, 0, 0, zone)
	}
	// Each loop begins where t is, and at its first value once one outside it has moved on.
	year, month, day, hour, minute := t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute()
	if year > lastYear {
		return time.Time{}, false
	}
	for y := c.years.from(year - firstYear); y >= 0; y = c.years.from(y + 1) {
		if y != year-firstYear {
			month, day, hour, minute = 1, 1, 0, 0
		}
		for m := c.months.from(month); m >= 0; m = c.months.from(m + 1) {
			if m != month {
				day, hour, minute = 1, 0, 0
			}
			days := c.days(firstYear+y, time.Month(m))
			for d := days.from(day); d >= 0; d = days.from(d + 1) {
				if d != day {
					hour, minute = 0, 0
				}
				for h := c.hours.from(hour); h >= 0; h = c.hours.from(h + 1) {
					if h != hour {
						minute = 0
					}
					for i := c.minutes.from(minute); i >= 0; i = c.minutes.from(i + 1) {
						if at, ok := instant(firstYear+y, time.Month(m), d, h, i, zone); ok && at.After(after) {
							return at, true
						}
					}
				}
			}
		}
	}
	return time.Time{}, false
}

// instant is when a zone's clock shows a time, first if it does twice; false if it
// never does.
func instant(y int, m time.Month, d, h, min int, zone *time.Location) (time.Time, bool) {
	shows := func(t time.Time) bool {
		return t.Day() == d && t.Hour() == h && t.Minute() == min
	}
	t := time.Date(y, m, d, h, min, 0, 0, zone)
	if first := before(time.Date(y, m, d, h, min, 0, 0, time.UTC), zone); first.Before(t) && shows(first) {
		return first, true
	}
	return t, shows(t)
}

// before is when a zone's clock would show a time if it went on as it did the day
// before. The time is given as if it were one of UTC.
func before(t time.Time, zone *time.Location) time.Time {
	_, offset := t.AddDate(0, 0, -1).In(zone).Zone()
	return t.Add(-time.Duration(offset) * time.Second).In(zone)
}

// days of a month on which it falls due.
func (c *cron) days(y int, m time.Month) set {
	last := time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC)
	first := weekdayOf(last.AddDate(0, 0, 1-last.Day()))
	weekday := func(day int) int { return (first-1+day-1)%7 + 1 }
	if c.byWeek != nil {
		return c.byWeek.inWeeks(last.Day(), weekday)
	}
	return c.byMonth.inMonth(last.Day(), weekday)
}

func weekdayOf(t time.Time) int { return int(t.Weekday()) + 1 }

// inMonth gives the days of a month of so many, by their numbers.
func (f *dayField) inMonth(count int, weekday func(int) int) (days set) {
	for d := 1; d <= count; d++ {
		if f.days.has(d) {
			days.add(d)
		}
		if f.nearest.has(d) {
			days.add(nearest(d, count, weekday))
		}
	}
	if f.last {
		days.add(count)
	}
	if f.weekday {
		days.add(nearest(count, count, weekday))
	}
	return days
}

// nearest is the weekday next to a day, in the same month.
func nearest(day, count int, weekday func(int) int) int {
	const sunday, saturday = 1, 7
	switch w := weekday(day); {
	case w == saturday && day > 1:
		return day - 1
	case w == saturday:
		return day + 2
	case w == sunday && day < count:
		return day + 1
	case w == sunday:
		return day - 2
	}
	return day
}

// inWeeks gives the days of a month of so many, by their days of the week.
func (f *dayField) inWeeks(count int, weekday func(int) int) (days set) {
	for d := 1; d <= count; d++ {
		w := weekday(d)
		if f.days.has(w) && (f.nth == 0 || f.nth == (d+6)/7) || f.lastOf.has(w) && d+7 > count {
			days.add(d)
		}
	}
	return days
}
