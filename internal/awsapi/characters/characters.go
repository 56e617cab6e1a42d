// Package characters says which characters messages and their attributes may be made
// of: those of XML 1.0, and for ids printable ASCII.
package characters

import (
	"encoding/binary"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
	"unsafe"
)

// Allowed names what a message may be made of, as errors do: the characters of
// XML 1.0. https://www.w3.org/TR/REC-xml/#charsets
const Allowed = "the set of allowed characters is #x9 | #xA | #xD | [#x20-#xD7FF] | [#xE000-#xFFFD] | [#x10000-#x10FFFF]."

// Bytes is s without a copy. The result must not be changed or kept.
func Bytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// Bad finds the first character that a message may not contain and gives its
// place, or -1. It looks at eight bytes at a time while they are
// printable ASCII.
func Bad(s string) int {
	const (
		high  = 0x8080808080808080
		space = 0x2020202020202020
	)
	b := Bytes(s)
	for i := 0; i < len(b); {
		if i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			// No byte has its high bit, and none is less than a blank: the
			// subtraction borrows at the first that is.
			if (x|(x-space))&high == 0 {
				i += 8
				continue
			}
		}
		switch c := b[i]; {
		case c >= 0x20 && c < utf8.RuneSelf, c == '\t', c == '\n', c == '\r':
			i++
		case c < 0x20:
			return i
		default:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n <= 1 || r == 0xFFFE || r == 0xFFFF {
				return i
			}
			i += n
		}
	}
	return -1
}

// Spell spells the character at i as errors do: #xFFFF.
func Spell(s string, i int) string {
	r, n := utf8.DecodeRuneInString(s[i:])
	if r == utf8.RuneError && n <= 1 {
		r = rune(s[i])
	}
	return "#x" + string(appendUpperHex(nil, uint32(r)))
}

func appendUpperHex(b []byte, n uint32) []byte {
	at := len(b)
	b = strconv.AppendUint(b, uint64(n), 16)
	for i := at; i < len(b); i++ {
		if b[i] >= 'a' {
			b[i] -= 'a' - 'A'
		}
	}
	return b
}

// MaxID bounds ids of groups, deduplication and attempts.
const MaxID = 128

// ID reports whether s can be an id of a message group, a deduplication or a receive
// attempt: 1 to MaxID ASCII letters, digits and punctuation characters.
func ID(s string) bool {
	if s == "" || len(s) > MaxID {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// MaxSubject is how many characters the subject of a notification has at most.
const MaxSubject = 100

// Subject reports whether s can be the subject of a notification: 1 to MaxSubject
// characters without line breaks and control characters.
func Subject(s string) bool {
	return s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= MaxSubject && Bad(s) < 0 && !strings.ContainsFunc(s, unicode.IsControl)
}
