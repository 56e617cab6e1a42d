package registry

import "strings"

// Bounds on the parts of a key, in bytes. They are wider than what the AWS APIs
// allow: those are the API's to check.
const (
	maxAccount = 64
	maxRegion  = 64
	maxName    = 512
)

// fullName is what a definition is looked up by within its kind. Kept as parts,
// so that the lookup on every request makes no garbage.
type fullName struct{ account, region, name string }

func (a fullName) compare(b fullName) int {
	if c := strings.Compare(a.account, b.account); c != 0 {
		return c
	}
	if c := strings.Compare(a.region, b.region); c != 0 {
		return c
	}
	return strings.Compare(a.name, b.name)
}

// valid reports whether a definition can have this name: letters, digits, - and
// _ in account and region; in the name dots too, and parts between single
// slashes ("bus/rule").
func (n fullName) valid() bool {
	if !token(n.account, maxAccount, "") || !token(n.region, maxRegion, "") || len(n.name) > maxName {
		return false
	}
	for part := range strings.SplitSeq(n.name, "/") {
		if !token(part, maxName, ".") {
			return false
		}
	}
	return true
}

// token reports whether s has 1 to n letters, digits, -, _ and what also holds,
// and nothing else.
func token(s string, n int, also string) bool {
	if len(s) == 0 || len(s) > n {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		case strings.IndexByte(also, c) >= 0:
		default:
			return false
		}
	}
	return true
}
