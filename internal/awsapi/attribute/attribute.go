package attribute

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/waystation/waystation/internal/awsapi/characters"
	"github.com/waystation/waystation/internal/partition"
)

// Data types. Each may carry a label of the sender's behind a dot.
const (
	String = "String"
	Number = "Number"
	Binary = "Binary"
)

// Bounds, in bytes.
const (
	maxName = 256
	maxType = 256
)

// Problem is what is wrong with an attribute.
type Problem int

// Problems, in the order in which they are looked for.
const (
	NoName        Problem = iota + 1
	LongName              // over 256 bytes
	ReservedName          // begins with AWS. or Amazon.
	NameBeginsDot         // begins with a dot
	NameEndsDot           // ends with a dot
	NameDots              // two dots one after the other
	NameCharacter         // other than letters, digits, _ - and .
	NoValue               // neither type nor value
	NoType
	LongType      // over 256 bytes
	UnknownType   // none of String, Number, Binary
	TypeCharacter // one that a message cannot contain
	TwoValues
	WantsBinary    // of a binary type, with a text
	WantsText      // of another type, with bytes
	EmptyValue     // no value, or an empty one
	NotANumber     // of type Number
	ValueCharacter // one that a message cannot contain: Error.Character
)

// Error is an attribute that was refused.
type Error struct {
	Problem   Problem
	Name      string // as given
	Type      string
	Character string // of ValueCharacter: #xFFFF
}

// Error names the problem by its number: clients are told by their API.
func (e *Error) Error() string { return fmt.Sprintf("attribute %.80q: problem %d", e.Name, e.Problem) }

// Base is a data type without the sender's label.
func Base(dataType string) string {
	base, _, _ := strings.Cut(dataType, ".")
	return base
}

// Check checks an attribute and makes it; text is nil where none was given. The
// error is an *Error.
func Check(name, dataType string, text *string, binary []byte) (partition.Attribute, error) {
	a := partition.Attribute{Name: name, Type: dataType}
	problem := badName(name)
	if problem == 0 {
		problem = badValue(dataType, text, binary)
	}
	switch {
	case problem != 0:
		e := &Error{Problem: problem, Name: name, Type: dataType}
		if problem == ValueCharacter {
			e.Character = characters.Spell(*text, characters.Bad(*text))
		}
		return a, e
	case IsBinary(dataType):
		a.Binary = binary
	default:
		a.Value = *text
	}
	return a, nil
}

func badName(name string) Problem {
	switch {
	case name == "":
		return NoName
	case len(name) > maxName:
		return LongName
	case hasPrefixFold(name, "aws.") || hasPrefixFold(name, "amazon."):
		return ReservedName
	case name[0] == '.':
		return NameBeginsDot
	case name[len(name)-1] == '.':
		return NameEndsDot
	case strings.Contains(name, ".."):
		return NameDots
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-', r == '.':
		case r > unicode.MaxASCII && r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			// Not documented, but taken by the real services.
		default:
			return NameCharacter
		}
	}
	return 0
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func badValue(dataType string, text *string, binary []byte) Problem {
	hasText, base := text != nil && *text != "", Base(dataType)
	switch {
	case dataType == "" && text == nil && binary == nil:
		return NoValue
	case dataType == "":
		return NoType
	case len(dataType) > maxType:
		return LongType
	case base != String && base != Number && base != Binary:
		return UnknownType
	case characters.Bad(dataType) >= 0:
		return TypeCharacter
	case hasText && len(binary) > 0:
		return TwoValues
	case base == Binary && hasText:
		return WantsBinary
	case base != Binary && len(binary) > 0:
		return WantsText
	case !hasText && len(binary) == 0:
		return EmptyValue
	case base == Number && !isNumber(*text):
		return NotANumber
	case hasText && characters.Bad(*text) >= 0:
		return ValueCharacter
	}
	return 0
}

// isNumber reports whether s is a decimal number: sign, digits, fraction, exponent.
func isNumber(s string) bool {
	digits := func() (n int) {
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		s = s[n:]
		return n
	}
	sign := func() {
		if s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
	}
	sign()
	n := digits()
	if s != "" && s[0] == '.' {
		s = s[1:]
		n += digits()
	}
	if n == 0 {
		return false
	}
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		s = s[1:]
		sign()
		if digits() == 0 {
			return false
		}
	}
	return s == ""
}
