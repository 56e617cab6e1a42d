package schedule

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

const form = "2006-01-02T15:04:05"

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := Zone(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// times are the first n after a time of UTC, as the zone's clock shows them.
func times(t *testing.T, expression, zoneName, after string, n int) (list []string) {
	t.Helper()
	z := zone(t, zoneName)
	e, err := Parse(expression, z)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	at, err := time.Parse(form, after)
	if err != nil {
		t.Fatal(err)
	}
	start := at.Add(-time.Hour)
	for range n {
		next, ok := e.Next(at, start)
		if !ok {
			return append(list, "never")
		}
		if !next.After(at) {
			t.Fatalf("%s: %v is not after %v", expression, next, at)
		}
		at = next
		list = append(list, next.In(z).Format(form))
	}
	return list
}

func TestNext(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ expression, zone, after, want string }{
		{"cron(0 10 * * ? *)", "", "2026-01-31T10:00:00", "2026-02-01T10:00:00 2026-02-02T10:00:00"},
		{"cron(15 12 * * ? *)", "Asia/Tokyo", "2026-01-31T10:00:00", "2026-02-01T12:15:00"},
		{"cron(0 18 ? * MON-FRI *)", "", "2026-11-27T18:00:00", "2026-11-30T18:00:00 2026-12-01T18:00:00"},
		{"cron(0/15 * * * ? *)", "", "2026-11-27T18:01:00", "2026-11-27T18:15:00 2026-11-27T18:30:00 2026-11-27T18:45:00 2026-11-27T19:00:00"},
		{"cron(1/10 0 * * ? *)", "", "2026-11-27T00:50:00", "2026-11-27T00:51:00 2026-11-28T00:01:00"},
		{"cron(10-20/5,59 0 1 JAN ? *)", "", "2026-01-01T00:10:30", "2026-01-01T00:15:00 2026-01-01T00:20:00 2026-01-01T00:59:00 2027-01-01T00:10:00"},
		{"cron(0 8 1 * ? *)", "", "2026-11-27T18:01:00", "2026-12-01T08:00:00 2027-01-01T08:00:00"},
		{"cron(0 0 L * ? *)", "", "2027-01-31T00:00:00", "2027-02-28T00:00:00 2027-03-31T00:00:00"},
		{"cron(0 0 L 2 ? *)", "", "2027-01-31T00:00:00", "2027-02-28T00:00:00 2028-02-29T00:00:00"},
		{"cron(0 0 29 FEB ? *)", "", "2027-01-31T00:00:00", "2028-02-29T00:00:00 2032-02-29T00:00:00"},
		{"cron(0 0 29 2 ? *)", "", "2096-03-01T00:00:00", "2104-02-29T00:00:00"}, // 2100 has none
		{"cron(0 0 31 2 ? *)", "", "2027-01-31T00:00:00", "never"},
		{"cron(0 0 LW * ? *)", "", "2027-01-01T00:00:00", "2027-01-29T00:00:00 2027-02-26T00:00:00 2027-03-31T00:00:00"},
		{"cron(0 0 3W * ? *)", "", "2026-10-01T00:00:00", "2026-10-02T00:00:00 2026-11-03T00:00:00 2026-12-03T00:00:00 2027-01-04T00:00:00"},
		{"cron(0 0 1W * ? *)", "", "2026-07-31T00:00:00", "2026-08-03T00:00:00 2026-09-01T00:00:00 2026-10-01T00:00:00 2026-11-02T00:00:00"},
		{"cron(0 0 31W * ? *)", "", "2026-01-01T00:00:00", "2026-01-30T00:00:00 2026-03-31T00:00:00 2026-05-29T00:00:00"},
		{"cron(0 0 ? * 6L *)", "", "2026-11-01T00:00:00", "2026-11-27T00:00:00 2026-12-25T00:00:00"},
		{"cron(0 0 ? * FRIL,MON *)", "", "2026-11-24T00:00:00", "2026-11-27T00:00:00 2026-11-30T00:00:00 2026-12-07T00:00:00"},
		{"cron(0 0 ? * L *)", "", "2026-11-24T00:00:00", "2026-11-28T00:00:00 2026-12-05T00:00:00"},
		{"cron(0 0 ? * 3#2 *)", "", "2026-11-01T00:00:00", "2026-11-10T00:00:00 2026-12-08T00:00:00"},
		{"cron(0 0 ? * sun#5 *)", "", "2026-11-01T00:00:00", "2026-11-29T00:00:00 2027-01-31T00:00:00"},
		{"cron(0 0 ? * FRI-MON *)", "", "2026-11-24T00:00:00", "2026-11-27T00:00:00 2026-11-28T00:00:00 2026-11-29T00:00:00 2026-11-30T00:00:00 2026-12-04T00:00:00"},
		{"cron(0 0 1 1 ? 2030-2040/5)", "", "2026-11-24T00:00:00", "2030-01-01T00:00:00 2035-01-01T00:00:00 2040-01-01T00:00:00 never"},
		{"cron(0 0 1 1 ? 2020)", "", "2026-11-24T00:00:00", "never"},
		{"cron(0 0 1 1 ? *)", "", "1931-11-24T00:00:00", "1970-01-01T00:00:00"},
		{"cron(0 0 1 1 ? *)", "", "2250-11-24T00:00:00", "never"},
		// The clock goes from 2 to 3.
		{"cron(30 2 * * ? *)", "Europe/Paris", "2026-03-27T12:00:00", "2026-03-28T02:30:00 2026-03-30T02:30:00"},
		{"cron(0 * * * ? *)", "Europe/Paris", "2026-03-29T00:00:00", "2026-03-29T03:00:00 2026-03-29T04:00:00"},
		// It goes from 3 back to 2.
		{"cron(30 2 * * ? *)", "Europe/Paris", "2026-10-24T12:00:00", "2026-10-25T02:30:00 2026-10-26T02:30:00"},
		{"cron(0,30 * * * ? *)", "America/New_York", "2026-11-01T04:45:00", "2026-11-01T01:00:00 2026-11-01T01:30:00 2026-11-01T02:00:00"},
		{"cron(15 2 * * ? *)", "Australia/Lord_Howe", "2026-10-03T00:00:00", "2026-10-05T02:15:00"}, // by half an hour
		{"cron(45 1 * * ? *)", "Australia/Lord_Howe", "2026-04-03T20:00:00", "2026-04-05T01:45:00 2026-04-06T01:45:00"},
		{"cron(0 0 * * ? *)", "America/Sao_Paulo", "2018-11-03T12:00:00", "2018-11-05T00:00:00"}, // a day without midnight
		{"cron(0 12 * * ? *)", "Pacific/Apia", "2011-12-29T23:00:00", "2011-12-31T12:00:00"},     // a day that was not
		{"at(2030-01-31T08:00:05)", "America/New_York", "2030-01-31T13:00:04", "2030-01-31T08:00:05 never"},
		{"at(2026-03-29T02:30:10)", "Europe/Paris", "2026-03-28T00:00:00", "2026-03-29T03:30:10 never"},
		{"at(2026-10-25T02:30:00)", "Europe/Paris", "2026-10-25T00:29:59", "2026-10-25T02:30:00 never"},
		{"at(2026-10-25T02:30:00)", "Europe/Paris", "2026-10-25T00:30:00", "never"},
		{"rate(5 minutes)", "", "2026-11-24T00:01:00", "2026-11-24T00:06:00 2026-11-24T00:11:00"},
		{"rate(1 hour)", "", "2026-11-24T00:00:00", "2026-11-24T01:00:00"},
		{"rate(2 days)", "Europe/Paris", "2026-03-28T01:00:00", "2026-03-30T02:00:00 2026-04-01T02:00:00"},
		{"rate(36500 days)", "", "2026-11-24T01:00:00", "2126-10-31T00:00:00"},
	} {
		want := strings.Fields(test.want)
		if got := times(t, test.expression, test.zone, test.after, len(want)); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s in %q after %s: %v, want %v", test.expression, test.zone, test.after, got, want)
		}
	}
}

// A rate begins with its start, and keeps to its steps however late it is asked.
func TestRateCountsFromItsStart(t *testing.T) {
	t.Parallel()
	e, err := Parse("rate(7 minutes)", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 11, 24, 1, 2, 3, 4, time.UTC)
	if next, ok := e.Next(start.Add(-time.Hour), start); !ok || !next.Equal(start) {
		t.Errorf("before its start: %v", next)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		after := start.Add(time.Duration(r.Int64N(int64(200 * 365 * 24 * time.Hour))))
		next, ok := e.Next(after, start)
		if wait := next.Sub(after); !ok || wait <= 0 || wait > 7*time.Minute || next.Sub(start)%(7*time.Minute) != 0 {
			t.Fatalf("after %v: %v", after, next)
		}
	}
	if next, _ := e.Next(start, start); !next.Equal(start.Add(7 * time.Minute)) {
		t.Errorf("after its start: %v", next)
	}
}

func TestOnce(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{"at(2030-01-01T00:00:00)": true, "rate(1 day)": false, "cron(0 0 * * ? *)": false} {
		if e, err := Parse(s, time.UTC); err != nil || e.Once() != want {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "x", "rate", "rate(", "rate)", "rate()", "cron", "every(5 minutes)", "Rate(5 minutes)", " rate(5 minutes)", "rate(5 minutes) ",
		"rate(0 minutes)", "rate(-5 minutes)", "rate(+5 minutes)", "rate(5)", "rate(5 minute)", "rate(1 minutes)", "rate(5 seconds)", "rate(1.5 hours)",
		"rate(5 minutes 2)", "rate(99999999999 minutes)", "rate(36501 days)", "rate(s 5)", "rate(5 s)",
		"at(2030-01-01)", "at(2030-01-01T00:00)", "at(2030-01-01T00:00:00.5)", "at(2030-01-01T00:00:00Z)", "at(2030-02-30T00:00:00)", "at(2030-01-01T24:00:00)",
		"at(1969-12-31T23:59:59)", "at(9999-12-31T23:59:59)", "at( 2030-01-01T00:00:00)",
		"cron()", "cron(* * * * *)", "cron(* * * * ? * *)", "cron(* * * * * *)", "cron(* * ? * ? *)", "cron(60 * * * ? *)", "cron(-1 * * * ? *)",
		"cron(* 24 * * ? *)", "cron(* * 0 * ? *)", "cron(* * 32 * ? *)", "cron(* * * 0 ? *)", "cron(* * * 13 ? *)", "cron(* * * JANUARY ? *)",
		"cron(* * ? * 0 *)", "cron(* * ? * 8 *)", "cron(* * ? * MONDAY *)", "cron(* * * * ? 1969)", "cron(* * * * ? 2200)", "cron(* * * * ? 1969-2000)",
		"cron(*/0 * * * ? *)", "cron(*/61 * * * ? *)", "cron(*/+5 * * * ? *)", "cron(*/x * * * ? *)", "cron(*/ * * * ? *)", "cron(5-1 * * * ? *)", "cron(1-2-3 * * * ? *)", "cron(1/2/3 * * * ? *)",
		"cron(, * * * ? *)", "cron(1, * * * ? *)", "cron(? * * * ? *)", "cron(* * * ? ? *)", "cron(* * * * ? ?)", "cron(L * * * ? *)",
		"cron(* * W * ? *)", "cron(* * 32W * ? *)", "cron(* * 1-5W * ? *)", "cron(* * WL * ? *)", "cron(* * L-3 * ? *)", "cron(* * ? * 5W *)",
		"cron(* * ? * 3#0 *)", "cron(* * ? * 3#6 *)", "cron(* * ? * 3#1,6#3 *)", "cron(* * ? * #1 *)", "cron(* * ? * 3# *)", "cron(* * ? * 8L *)", "cron(* * ? * LW *)", "cron(* * 3#1 * ? *)",
		"cron(" + strings.Repeat("1,", 200) + "1 * * * ? *)",
	} {
		if _, err := Parse(s, time.UTC); err == nil {
			t.Errorf("%q was taken", s)
		} else if len(err.Error()) > 200 || strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("%q: the error is not one sentence: %q", s, err)
		}
	}
}

func TestZone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "UTC", "Europe/Paris", "America/Argentina/Buenos_Aires"} {
		if _, err := Zone(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"Local", "Mars/Phobos", "../etc/passwd", "/etc/localtime", "europe\x00", strings.Repeat("x", 1000)} {
		if _, err := Zone(name); err == nil {
			t.Errorf("%q was taken", name)
		} else if len(err.Error()) > 300 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
}
