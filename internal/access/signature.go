package access

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeLayout = "20060102T150405Z"

	maxPresign = 7 * 24 * time.Hour

	// maxSignedHeaders bounds the work a client can ask for in one signature.
	maxSignedHeaders = 64
)

// signature is a parsed SigV4 signature. Its strings are parts of the request.
type signature struct {
	key       string
	scope     Scope
	scopeText string // DATE/REGION/SERVICE/aws4_request as sent
	headers   string // SignedHeaders as sent
	sum       string // hex
	when      time.Time
	whenText  string        // in timeLayout
	expires   time.Duration // presigned only
	presigned bool
	token     string
}

// signed tells whether r carries a signature of any kind.
func signed(r *http.Request) bool {
	return r.Header["Authorization"] != nil || hasQuery(r.URL.RawQuery, "X-Amz-Signature") ||
		hasQuery(r.URL.RawQuery, "X-Amz-Credential") || hasQuery(r.URL.RawQuery, "X-Amz-Algorithm")
}

// parseSignature reads the signature of a request, from its Authorization header
// or, without one, from its query string.
func parseSignature(r *http.Request) (signature, error) {
	if h := r.Header["Authorization"]; len(h) > 0 {
		s, err := parseAuthorization(h[0])
		if err != nil {
			return s, err
		}
		s.token = r.Header.Get("X-Amz-Security-Token")
		if d := r.Header["X-Amz-Date"]; len(d) > 0 {
			s.when, err = parseTime(d[0])
		} else if d := r.Header["Date"]; len(d) > 0 {
			s.when, err = parseTime(d[0])
		} else {
			return s, incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
		}
		if err != nil {
			return s, err
		}
		s.setTimeText(r.Header["X-Amz-Date"])
		return s, nil
	}
	return parsePresigned(r.URL.RawQuery)
}

// setTimeText spells the time for the string to sign, reusing the header's text.
func (s *signature) setTimeText(sent []string) {
	if len(sent) > 0 && len(sent[0]) == len(timeLayout) {
		s.whenText = sent[0]
		return
	}
	s.whenText = s.when.Format(timeLayout)
}

// parseAuthorization reads an Authorization header:
// "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…".
func parseAuthorization(h string) (signature, error) {
	var s signature
	rest, ok := strings.CutPrefix(h, algorithm)
	if !ok || rest == "" || rest[0] != ' ' {
		return s, incomplete("Unsupported AWS 'algorithm': Authorization must begin with '" + algorithm + "'.")
	}
	var credential string
	for rest != "" {
		var part string
		part, rest, _ = strings.Cut(rest, ",")
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return s, incomplete("Authorization header has a part that is not NAME=VALUE.")
		}
		var field *string
		switch name {
		case "Credential":
			field = &credential
		case "SignedHeaders":
			field = &s.headers
		case "Signature":
			field = &s.sum
		default:
			continue
		}
		if *field != "" {
			return s, incomplete("Authorization header has more than one '" + name + "' parameter.")
		}
		*field = value
	}
	for _, f := range [...]struct{ name, value string }{
		{"Credential", credential}, {"Signature", s.sum}, {"SignedHeaders", s.headers},
	} {
		if f.value == "" {
			return s, incomplete("Authorization header requires '" + f.name + "' parameter.")
		}
	}
	return s, s.setCredential(credential)
}

// parsePresigned reads the signature of a presigned request.
func parsePresigned(query string) (signature, error) {
	s := signature{presigned: true}
	var algo, credential, date, expires string
	for _, f := range [...]struct {
		name string
		into *string
		must bool
	}{
		{"X-Amz-Algorithm", &algo, true},
		{"X-Amz-Credential", &credential, true},
		{"X-Amz-Date", &date, true},
		{"X-Amz-SignedHeaders", &s.headers, true},
		{"X-Amz-Signature", &s.sum, true},
		{"X-Amz-Expires", &expires, false},
		{"X-Amz-Security-Token", &s.token, false},
	} {
		v, n := queryValue(query, f.name)
		if n > 1 {
			return s, incomplete("AWS query-string parameter '" + f.name + "' is given more than once.")
		}
		if f.must && v == "" {
			return s, incomplete("AWS query-string parameters must include '" + f.name + "'.")
		}
		*f.into = v
	}
	if algo != algorithm {
		return s, incomplete("Unsupported AWS 'algorithm': X-Amz-Algorithm must be '" + algorithm + "'.")
	}
	if err := s.setCredential(credential); err != nil {
		return s, err
	}
	var err error
	if s.when, err = parseTime(date); err != nil {
		return s, err
	}
	s.whenText = date
	if expires != "" {
		n, err := strconv.ParseUint(expires, 10, 31)
		if err != nil || n == 0 || time.Duration(n)*time.Second > maxPresign {
			return s, incomplete("X-Amz-Expires must be a number of seconds from 1 to 604800.")
		}
		s.expires = time.Duration(n) * time.Second
	}
	return s, nil
}

// setCredential takes KEY/DATE/REGION/SERVICE/aws4_request apart. Keys may hold
// slashes themselves in theory only; AWS counts five elements, so do we.
func (s *signature) setCredential(c string) error {
	if strings.Count(c, "/") != 4 {
		return incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.")
	}
	var term string
	s.key, s.scopeText, _ = strings.Cut(c, "/")
	rest := s.scopeText
	s.scope.Date, rest, _ = strings.Cut(rest, "/")
	s.scope.Region, rest, _ = strings.Cut(rest, "/")
	s.scope.Service, term, _ = strings.Cut(rest, "/")
	switch {
	case s.key == "":
		return incomplete("Credential has no access key.")
	case !isKeyID(s.key):
		return incomplete("Credential has an access key that is longer than 128 characters or has others than printable ones.")
	case term != terminator:
		return mismatch("Credential should be scoped with a valid terminator: '" + terminator + "'.")
	case s.scope.Region == "":
		return mismatch("Credential should be scoped to a valid region.")
	case !IsRegion(s.scope.Region):
		return mismatch("Credential should be scoped to a valid region: '" + clip(s.scope.Region) +
			"' is none, a region has 1 to 63 letters, digits and hyphens and begins and ends with no hyphen.")
	case !IsToken(s.scope.Service, maxRegion):
		return mismatch("Credential should be scoped to a service.")
	case !digits(s.scope.Date, 8):
		return mismatch("Date in Credential scope should be of the form YYYYMMDD.")
	}
	return nil
}

// parseTime reads a time in timeLayout, or as an HTTP Date header has it.
func parseTime(v string) (time.Time, error) {
	if len(v) == len(timeLayout) && v[8] == 'T' && v[15] == 'Z' {
		if t, err := time.Parse(timeLayout, v); err == nil {
			return t, nil
		}
	} else if t, err := http.ParseTime(v); err == nil {
		return t.UTC(), nil
	}
	return time.Time{}, incomplete("Date must be in ISO-8601 'basic format' (YYYYMMDD'T'HHMMSS'Z').")
}

// checkTime refuses signatures that are too old or from the future. The sentences
// are AWS's; SDKs correct their clocks by the answer's Date header.
func (s *signature) checkTime(now time.Time, skew time.Duration) error {
	now = now.UTC()
	if len(s.whenText) < 8 || s.scope.Date != s.whenText[:8] {
		return mismatch("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '" +
			s.scope.Date + "' != '" + s.when.Format("20060102") + "', from '" + s.whenText + "'.")
	}
	if s.when.After(now.Add(skew)) {
		return mismatch("Signature not yet current: " + s.whenText + " is still later than " +
			now.Add(skew).Format(timeLayout) + " (" + now.Format(timeLayout) + " + " + spell(skew) + ")")
	}
	if s.expires > 0 {
		if now.After(s.when.Add(s.expires)) {
			return &Error{Code: ErrExpired.Code, Status: ErrExpired.Status,
				Message: "Request has expired: it was signed at " + s.whenText + " for " + spell(s.expires)}
		}
		return nil
	}
	if oldest := now.Add(-skew); s.when.Before(oldest) {
		return mismatch("Signature expired: " + s.whenText + " is now earlier than " +
			oldest.Format(timeLayout) + " (" + now.Format(timeLayout) + " - " + spell(skew) + ")")
	}
	return nil
}

// spell gives a duration as AWS does: "15 min.".
func spell(d time.Duration) string {
	if d%time.Minute == 0 {
		return strconv.Itoa(int(d/time.Minute)) + " min."
	}
	return strconv.Itoa(int(d/time.Second)) + " sec."
}

// hasQuery tells whether a raw query string has the parameter name.
func hasQuery(raw, name string) bool {
	if !strings.Contains(raw, name) {
		return false
	}
	_, n := queryValue(raw, name)
	return n > 0
}

// queryValue gives the first value of a parameter of a raw query string, decoded,
// and how often it occurs.
func queryValue(raw, name string) (value string, n int) {
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		k, v, _ := strings.Cut(pair, "=")
		if k != name {
			continue
		}
		if n++; n == 1 {
			value = unescape(v)
		}
	}
	return value, n
}
