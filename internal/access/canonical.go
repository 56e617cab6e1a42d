package access

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// appendCanonical builds the canonical request. normal normalises the path (dot
// segments, repeated slashes), which some SDKs do before signing and some do not.
func appendCanonical(b []byte, r *http.Request, s *signature, payload []byte, normal bool) []byte {
	b = append(b, r.Method...)
	b = append(b, '\n')
	path := r.URL.EscapedPath()
	if normal {
		path = normalPath(path)
	}
	if path == "" {
		path = "/"
	}
	// Services other than S3: the path as on the wire, encoded once more.
	b = appendEscaped(b, path, true)
	b = append(b, '\n')
	b = appendQuery(b, r.URL.RawQuery, s.presigned)
	b = append(b, '\n')

	for rest := s.headers; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, ";")
		b = appendHeader(b, r, name)
	}
	b = append(b, '\n')
	b = append(b, s.headers...)
	b = append(b, '\n')
	return append(b, payload...)
}

// checkSignedHeaders refuses a list of signed headers that appendHeader cannot
// look up or that leaves out what must be signed.
func checkSignedHeaders(r *http.Request, list string) error {
	hasHost, hasTarget, n := false, false, 0
	for rest := list; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, ";")
		if n++; n > maxSignedHeaders {
			return incomplete("SignedHeaders names more than 64 headers.")
		}
		if name == "" || len(name) > maxHeaderName {
			return incomplete("SignedHeaders has an empty or overlong name.")
		}
		for i := range len(name) {
			if 'A' <= name[i] && name[i] <= 'Z' {
				return incomplete("SignedHeaders must be in lower case.")
			}
		}
		switch name {
		case "host":
			hasHost = true
		case "x-amz-target":
			hasTarget = true
		}
	}
	if !hasHost {
		return mismatch("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	if !hasTarget && r.Header["X-Amz-Target"] != nil {
		return mismatch("'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization.")
	}
	return nil
}

// maxHeaderName bounds the name of a signed header, in bytes.
const maxHeaderName = 64

// appendHeader appends "name:value\n" of one signed header, whose name
// checkSignedHeaders has seen.
func appendHeader(b []byte, r *http.Request, name string) []byte {
	var buf [maxHeaderName]byte
	upper := true
	for i := range len(name) {
		c := name[i]
		if upper && 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		upper = c == '-'
		buf[i] = c
	}
	b = append(b, name...)
	b = append(b, ':')
	switch name {
	case "host":
		b = appendTrimmed(b, r.Host)
	case "transfer-encoding":
		b = appendJoined(b, r.TransferEncoding)
	default:
		values := r.Header[string(buf[:len(name)])]
		if values == nil && name == "content-length" && r.ContentLength >= 0 {
			b = strconv.AppendInt(b, r.ContentLength, 10)
			break
		}
		b = appendJoined(b, values)
	}
	return append(b, '\n')
}

func appendJoined(b []byte, values []string) []byte {
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTrimmed(b, v)
	}
	return b
}

// appendTrimmed appends a header's value without outer blanks and with runs of
// blanks inside as one.
func appendTrimmed(b []byte, v string) []byte {
	v = strings.Trim(v, " \t")
	if !strings.Contains(v, "  ") {
		return append(b, v...)
	}
	for i := range len(v) {
		if v[i] == ' ' && v[i-1] == ' ' { // v[0] is no blank
			continue
		}
		b = append(b, v[i])
	}
	return b
}

// appendQuery appends the canonical query string: every name and value decoded
// and encoded again, sorted. Of a presigned request the signature is left out.
func appendQuery(b []byte, raw string, presigned bool) []byte {
	if raw == "" {
		return b
	}
	type pair struct{ name, value string }
	var space [32]pair
	pairs := space[:0]
	for raw != "" {
		var p string
		p, raw, _ = strings.Cut(raw, "&")
		if p == "" {
			continue
		}
		k, v, _ := strings.Cut(p, "=")
		if presigned && k == "X-Amz-Signature" {
			continue
		}
		pairs = append(pairs, pair{canonicalPart(k), canonicalPart(v)})
	}
	slices.SortFunc(pairs, func(x, y pair) int {
		if c := strings.Compare(x.name, y.name); c != 0 {
			return c
		}
		return strings.Compare(x.value, y.value)
	})
	for i, p := range pairs {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(b, p.name...)
		b = append(b, '=')
		b = append(b, p.value...)
	}
	return b
}

// canonicalPart brings a name or value of the query string into AWS's encoding.
func canonicalPart(s string) string {
	plain := true
	for i := range len(s) {
		if !unreserved[s[i]] {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	return string(appendEscaped(nil, unescape(s), false))
}

// unreserved are the bytes that AWS never encodes.
var unreserved = func() (t [256]bool) {
	for c := range 256 {
		t[c] = 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' ||
			c == '-' || c == '_' || c == '.' || c == '~'
	}
	return t
}()

func appendEscaped(b []byte, s string, slash bool) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		if c := s[i]; unreserved[c] || slash && c == '/' {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return b
}

// unescape decodes percent-encoding and "+" of a query string. What is no valid
// encoding stays as it is: the signature of such a request then does not match, or
// it does and the decoder refuses it.
func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b = append(b, ' ')
		case s[i] == '%' && i+2 < len(s) && Unhex(s[i+1]) >= 0 && Unhex(s[i+2]) >= 0:
			b = append(b, byte(Unhex(s[i+1])<<4|Unhex(s[i+2])))
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}

// abnormal tells whether normalPath would change a path.
func abnormal(path string) bool {
	return strings.Contains(path, "//") || strings.Contains(path, "/.")
}

// normalPath removes empty, "." and ".." segments (RFC 3986, 5.2.4, and repeated
// slashes), keeping a slash at the end.
func normalPath(path string) string {
	var out []string
	segments := strings.Split(path, "/")
	for _, s := range segments {
		switch s {
		case "", ".":
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, s)
		}
	}
	p := "/" + strings.Join(out, "/")
	if len(p) > 1 && (strings.HasSuffix(path, "/") || strings.HasSuffix(path, "/.") || strings.HasSuffix(path, "/..")) {
		p += "/"
	}
	return p
}
