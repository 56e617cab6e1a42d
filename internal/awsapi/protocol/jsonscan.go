package protocol

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting of values in requests of all protocols, so that a
// body cannot exhaust the stack. No AWS input comes near it.
const maxDepth = 64

// scanner reads JSON (RFC 8259) from a buffer. It accepts what encoding/json
// accepts, but for: invalid UTF-8 and unpaired surrogates, which encoding/json
// replaces silently (a message's body would then differ from what was sent), and
// values nested deeper than maxDepth.
type scanner struct {
	data  []byte
	pos   int
	depth int
	meter *meter // of what is made of the document; nil: free
}

const errSyntax = "The request body is not valid JSON."

func serialization(msg string) *Error {
	return &Error{Code: "SerializationException", Message: msg}
}

// next skips blanks and gives the first byte of what follows, 0 at the end.
func (s *scanner) next() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\n', '\r', '\t':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// take consumes the byte c if it comes next.
func (s *scanner) take(c byte) bool {
	if s.next() == c && s.pos < len(s.data) {
		s.pos++
		return true
	}
	return false
}

func (s *scanner) enter() *Error {
	if s.depth++; s.depth > maxDepth {
		return serialization("The request body is nested too deeply.")
	}
	return nil
}

// literal consumes true, false or null.
func (s *scanner) literal(word string) *Error {
	if len(s.data)-s.pos < len(word) || string(s.data[s.pos:s.pos+len(word)]) != word {
		return serialization(errSyntax)
	}
	s.pos += len(word)
	return nil
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// str reads a string; the cursor is at its opening quote. raw is what is between
// the quotes, a part of the buffer; escaped reports whether it holds escapes.
func (s *scanner) str() (raw []byte, escaped bool, err *Error) {
	start := s.pos + 1
	i := start
	var seen uint64 // bits of all bytes, for the question whether any is not ASCII
	for {
		// Eight bytes at a time up to a quote, a backslash or a control. Of the flags
		// the lowest is always right, which is all that is needed.
		for i+8 <= len(s.data) {
			w := binary.LittleEndian.Uint64(s.data[i:])
			quote := w ^ ones*'"'
			slash := w ^ ones*'\\'
			if stop := ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w) & highs; stop != 0 {
				n := bits.TrailingZeros64(stop) / 8
				seen |= w & (1<<(8*n) - 1)
				i += n
				break
			}
			seen |= w
			i += 8
		}
		if i >= len(s.data) {
			return nil, false, serialization(errSyntax)
		}
		switch c := s.data[i]; {
		case c == '"':
			raw = s.data[start:i]
			s.pos = i + 1
			if seen&highs != 0 && !utf8.Valid(raw) {
				return nil, false, serialization("The request body is not valid UTF-8.")
			}
			return raw, escaped, nil
		case c == '\\':
			escaped = true
			n := escapeLen(s.data[i:])
			if n == 0 {
				return nil, false, serialization(errSyntax)
			}
			i += n
		case c < 0x20:
			return nil, false, serialization(errSyntax)
		default:
			seen |= uint64(c)
			i++
		}
	}
}

// escapeLen gives the length of the escape that b begins with, 0 if it is none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 || hex4(b[2:6]) < 0 {
			return 0
		}
		return 6
	}
	return 0
}

func hex4(b []byte) rune {
	var r rune
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// unescape makes the text of a raw string, always a copy. It fails on unpaired
// surrogates: they cannot be written in UTF-8.
func unescape(raw []byte, escaped bool) (string, *Error) {
	if !escaped {
		return string(raw), nil
	}
	var b strings.Builder
	b.Grow(len(raw)) // an escape is never shorter than what it stands for
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			j := bytes.IndexByte(raw[i:], '\\')
			if j < 0 {
				j = len(raw) - i
			}
			b.Write(raw[i : i+j])
			i += j
			continue
		}
		switch c := raw[i+1]; c {
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'u':
			r := hex4(raw[i+2:])
			if utf16.IsSurrogate(r) {
				if len(raw) < i+12 || raw[i+6] != '\\' || raw[i+7] != 'u' {
					return "", serialization("The request body has an unpaired surrogate in a string.")
				}
				if r = utf16.DecodeRune(r, hex4(raw[i+8:])); r == utf8.RuneError {
					return "", serialization("The request body has an unpaired surrogate in a string.")
				}
				i += 6
			}
			b.WriteRune(r)
			i += 4
		default:
			b.WriteByte(c)
		}
		i += 2
	}
	return b.String(), nil
}

// number reads a number and gives its text; whole reports whether it has neither
// fraction nor exponent.
func (s *scanner) number() (text []byte, whole bool, err *Error) {
	start := s.pos
	if s.pos < len(s.data) && s.data[s.pos] == '-' {
		s.pos++
	}
	switch {
	case s.pos < len(s.data) && s.data[s.pos] == '0':
		s.pos++
	case s.digits() == 0:
		return nil, false, serialization(errSyntax)
	}
	whole = true
	if s.pos < len(s.data) && s.data[s.pos] == '.' {
		whole = false
		s.pos++
		if s.digits() == 0 {
			return nil, false, serialization(errSyntax)
		}
	}
	if s.pos < len(s.data) && s.data[s.pos]|0x20 == 'e' {
		whole = false
		s.pos++
		if s.pos < len(s.data) && (s.data[s.pos] == '+' || s.data[s.pos] == '-') {
			s.pos++
		}
		if s.digits() == 0 {
			return nil, false, serialization(errSyntax)
		}
	}
	return s.data[start:s.pos], whole, nil
}

func (s *scanner) digits() (n int) {
	for s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9' {
		s.pos++
		n++
	}
	return n
}

// skip reads any value and forgets it.
func (s *scanner) skip() *Error {
	switch c := s.next(); {
	case c == '{':
		return s.object(func([]byte, bool) *Error { return s.skip() })
	case c == '[':
		return s.array(s.skip)
	case c == '"':
		raw, escaped, err := s.str()
		if err == nil && escaped {
			_, err = unescape(raw, true)
		}
		return err
	case c == '-' || '0' <= c && c <= '9':
		_, _, err := s.number()
		return err
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	}
	return serialization(errSyntax)
}

// object reads an object, calling member at the value of every member with its raw
// name.
func (s *scanner) object(member func(raw []byte, escaped bool) *Error) *Error {
	if err := s.enter(); err != nil {
		return err
	}
	s.pos++
	if !s.take('}') {
		for {
			if s.next() != '"' {
				return serialization(errSyntax)
			}
			raw, escaped, err := s.str()
			if err != nil {
				return err
			}
			if !s.take(':') {
				return serialization(errSyntax)
			}
			if err := member(raw, escaped); err != nil {
				return err
			}
			if s.take(',') {
				continue
			}
			if s.take('}') {
				break
			}
			return serialization(errSyntax)
		}
	}
	s.depth--
	return nil
}

// array reads an array, calling element at every element.
func (s *scanner) array(element func() *Error) *Error {
	if err := s.enter(); err != nil {
		return err
	}
	s.pos++
	if !s.take(']') {
		for {
			if err := element(); err != nil {
				return err
			}
			if s.take(',') {
				continue
			}
			if s.take(']') {
				break
			}
			return serialization(errSyntax)
		}
	}
	s.depth--
	return nil
}
