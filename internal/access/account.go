package access

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

// IsAccount reports whether s is the number of an account: twelve digits.
func IsAccount(s string) bool { return digits(s, 12) }

func digits(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// maxRegion bounds a region's name.
const maxRegion = 63

// IsRegion reports whether s can be a region: 1 to 63 letters, digits and
// hyphens, with a hyphen at neither end. That is what the SDKs accept, and none
// of these characters means anything in an ARN or in a pattern.
func IsRegion(s string) bool {
	if s == "" || len(s) > maxRegion || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return IsToken(s, maxRegion) && strings.IndexByte(s, '_') < 0
}

// IsToken reports whether s has 1 to most letters, digits, hyphens and
// underscores and nothing else.
func IsToken(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// isKeyID reports whether s can be an access key: 1 to 128 printable ASCII
// characters without blanks and what separates the parts of a signature.
func isKeyID(s string) bool {
	return s != "" && len(s) <= 128 && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '/' || r == ',' || r == '='
	})
}

// isName reports whether s can be the name of a user or role in an ARN: 1 to 64
// printable ASCII characters without blanks and those that mean something there.
func isName(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`:*?"\`, r)
	})
}

// uniqueID is a stable id as IAM gives them, such as AIDA… for a user.
func uniqueID(prefix, account, name string) string {
	sum := sha256.Sum256([]byte(account + "/" + name))
	return prefix + base32.StdEncoding.EncodeToString(sum[:])[:17]
}

// arnAccount gives the account of an ARN, "" if it has none.
func arnAccount(arn string) string {
	if !strings.HasPrefix(arn, "arn:") {
		return ""
	}
	for range 4 {
		_, rest, ok := strings.Cut(arn, ":")
		if !ok {
			return ""
		}
		arn = rest
	}
	account, _, _ := strings.Cut(arn, ":")
	return account
}

// Unhex is the value of a hexadecimal digit, -1 for anything else.
func Unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// clip bounds text of a client that goes into an answer, and replaces what is not
// printable.
func clip(s string) string {
	const most = 300
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}
