package protocol

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// timeFormat is how a time is written:
// https://smithy.io/2.0/spec/protocol-traits.html#timestampformat-trait.
type timeFormat uint8

const (
	epochSeconds timeFormat = iota + 1 // 1515531081.123
	dateTime                           // 2018-01-09T20:51:21.123Z
	httpDate                           // Tue, 09 Jan 2018 20:51:21 GMT
)

var timeFormats = map[string]timeFormat{"epoch-seconds": epochSeconds, "date-time": dateTime, "http-date": httpDate}

// or gives the format, or that of the place where the time stands.
func (f timeFormat) or(other timeFormat) timeFormat {
	if f == 0 {
		return other
	}
	return f
}

const (
	httpLayout = "Mon, 02 Jan 2006 15:04:05 GMT"
	dateLayout = "2006-01-02T15:04:05"
	// maxEpoch bounds times, in seconds: the end of the year 9999, which no format
	// but epoch-seconds goes beyond. minEpoch is the begin of the year 1.
	maxEpoch = 253402300799
	minEpoch = -62135596800
)

// appendTime appends a time in UTC, with milliseconds if it has any (HTTP dates
// have none). Quotes are the caller's.
func appendTime(b []byte, t time.Time, f timeFormat) []byte {
	switch f {
	case dateTime:
		t = t.UTC()
		b = t.AppendFormat(b, dateLayout)
		if t.Nanosecond()/int(time.Millisecond) > 0 {
			b = t.AppendFormat(b, ".000")
		}
		return append(b, 'Z')
	case httpDate:
		return t.UTC().AppendFormat(b, httpLayout)
	}
	return appendEpoch(b, t)
}

// appendEpoch appends Unix seconds, with milliseconds if there are any.
func appendEpoch(b []byte, t time.Time) []byte {
	ms := t.UnixMilli()
	if ms%1000 == 0 {
		return strconv.AppendInt(b, ms/1000, 10)
	}
	return strconv.AppendFloat(b, float64(ms)/1000, 'f', 3, 64)
}

// parseTime reads a time in one format; ok is false if it is not one.
func parseTime(s string, f timeFormat) (t time.Time, ok bool) {
	var err error
	switch f {
	case dateTime:
		// Go's parser lets a comma stand for the point; offsets are not for servers.
		if !strings.HasSuffix(s, "Z") || strings.IndexByte(s, ',') >= 0 {
			return t, false
		}
		t, err = time.Parse(time.RFC3339, s)
	case httpDate:
		// RFC 9110's preferred form, with or without a fraction of a second.
		if t, err = time.Parse(httpLayout, s); err != nil {
			t, err = time.Parse("Mon, 02 Jan 2006 15:04:05.999999999 GMT", s)
		}
	default:
		for _, c := range []byte(s) {
			if (c < '0' || c > '9') && c != '-' && c != '.' {
				return t, false
			}
		}
		seconds, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return t, false
		}
		return epochTime(seconds)
	}
	return t.UTC(), err == nil
}

// epochTime makes a time, in milliseconds, of Unix seconds.
func epochTime(seconds float64) (time.Time, bool) {
	if !(seconds >= minEpoch && seconds <= maxEpoch) { // NaN is neither
		return time.Time{}, false
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(math.Round(fraction*1000))*int64(time.Millisecond)).UTC(), true
}

// appendFloat appends a number, or its name if it is none. Quotes are the caller's.
func appendFloat(b []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "NaN"...)
	case math.IsInf(f, 1):
		return append(b, "Infinity"...)
	case math.IsInf(f, -1):
		return append(b, "-Infinity"...)
	}
	return strconv.AppendFloat(b, f, 'g', -1, bits)
}

// namedFloat reads the names of what is no number.
func namedFloat(s string) (float64, bool) {
	switch s {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	}
	return 0, false
}

// parseFloat reads a number from text, as JSON writes it, or the name of what is
// none.
func parseFloat(s string, bits int) (float64, bool) {
	if f, ok := namedFloat(s); ok {
		return f, true
	}
	for _, c := range []byte(s) {
		// strconv takes hexadecimal numbers, underscores and other names too.
		if (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' && c|0x20 != 'e' {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(s, bits)
	return f, err == nil
}
