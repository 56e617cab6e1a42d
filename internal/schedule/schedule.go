package schedule

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // time zones do not depend on what the machine has
)

// MaxLength of an expression, in bytes.
const MaxLength = 256

// Expression says when something falls due. It is not altered once it is made.
type Expression struct {
	every time.Duration // of a rate, else 0
	at    time.Time     // of at, else zero
	cron  *cron
	zone  *time.Location
}

// Parse reads an expression that goes by a zone's clock. Errors are one sentence for
// whoever wrote it.
func Parse(s string, zone *time.Location) (*Expression, error) {
	if len(s) > MaxLength {
		return nil, fmt.Errorf("an expression has at most %d characters", MaxLength)
	}
	kind, rest, ok := strings.Cut(s, "(")
	body, closed := strings.CutSuffix(rest, ")")
	if !ok || !closed {
		return nil, errors.New("an expression is rate(…), cron(…) or at(…)")
	}
	e := &Expression{zone: zone}
	var err error
	switch kind {
	case "rate":
		e.every, err = parseRate(body)
	case "cron":
		e.cron, err = parseCron(body)
	case "at":
		e.at, err = parseAt(body, zone)
	default:
		err = errors.New("an expression is rate(…), cron(…) or at(…)")
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

// Once reports whether it falls due at one time only: at(…).
func (e *Expression) Once() bool { return !e.at.IsZero() }

// Next is the first time after a given one at which it falls due; false if there is
// none any more. A rate counts from start on: start itself is its first time.
func (e *Expression) Next(after, start time.Time) (time.Time, bool) {
	switch {
	case e.cron != nil:
		return e.cron.next(after, e.zone)
	case e.every == 0:
		return e.at, e.at.After(after)
	case start.After(after):
		return start, true
	}
	// In whole seconds: a Duration ends at 292 years.
	every := int64(e.every / time.Second)
	passed := (after.Unix() - start.Unix()) / every
	next := time.Unix(start.Unix()+passed*every, int64(start.Nanosecond())).UTC()
	if !next.After(after) {
		next = next.Add(e.every)
	}
	return next, true
}

// maxRate is the longest rate.
const maxRate = 100 * 365 * 24 * time.Hour

func parseRate(s string) (time.Duration, error) {
	fields := strings.Fields(s)
	if len(fields) != 2 {
		return 0, errors.New("a rate is a number and a unit: rate(5 minutes)")
	}
	n, err := strconv.ParseUint(fields[0], 10, 31)
	if err != nil || n == 0 || fields[0][0] == '+' {
		return 0, fmt.Errorf("a rate counts in whole numbers from 1 on, not %q", fields[0])
	}
	unit, many := strings.CutSuffix(fields[1], "s")
	length := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[unit]
	switch {
	case length == 0:
		return 0, fmt.Errorf("the unit of a rate is minutes, hours or days, not %q", fields[1])
	case many != (n > 1):
		return 0, errors.New("the unit of a rate is singular for 1, plural for more: rate(1 hour), rate(2 hours)")
	case time.Duration(n) > maxRate/length:
		return 0, errors.New("a rate is 100 years at most")
	}
	return time.Duration(n) * length, nil
}

func parseAt(s string, zone *time.Location) (time.Time, error) {
	const form = "2006-01-02T15:04:05"
	t, err := time.Parse(form, s)
	if err != nil || len(s) != len(form) || t.Year() < firstYear || t.Year() > lastYear {
		return time.Time{}, errors.New("at wants a time as at(2030-01-31T08:00:00)")
	}
	first, shown := instant(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), zone)
	if !shown {
		first = before(t.Truncate(time.Minute), zone)
	}
	return first.Add(time.Duration(t.Second()) * time.Second), nil
}

// Zone finds a time zone by its name in the IANA database; "" is UTC.
func Zone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fmt.Errorf("%.60q is no time zone of the IANA database, such as Europe/Paris", name)
	}
	return zone, nil
}
