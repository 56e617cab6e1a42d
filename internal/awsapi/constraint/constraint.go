// Package constraint checks inputs against the constraints of their model, and says what
// is wrong as the real services do: all at once, in one sentence each.
package constraint

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxShown bounds how much of a refused value is repeated, in bytes.
const maxShown = 200

// Problems gathers what is wrong with an input.
type Problems []string

// Add notes that a member's value, "" if it is missing, does not satisfy a constraint:
// "not be null".
func (p *Problems) Add(member, value, constraint string) {
	if len(value) > maxShown {
		value = strings.ToValidUTF8(value[:maxShown], "") + "…"
	}
	shown := "Value '" + value + "'"
	if value == "" {
		shown = "Value null"
	}
	*p = append(*p, shown+" at '"+member+"' failed to satisfy constraint: Member must "+constraint)
}

// Message says what is wrong; "" when nothing is.
func (p Problems) Message() string {
	if len(p) == 0 {
		return ""
	}
	n := strconv.Itoa(len(p)) + " validation error"
	if len(p) > 1 {
		n += "s"
	}
	return n + " detected: " + strings.Join(p, "; ")
}

// Refuse makes the error of what is wrong, by its Message; nil when nothing is.
func Refuse[E error](p Problems, refusal func(msg string) E) error {
	if len(p) == 0 {
		return nil
	}
	return refusal(p.Message())
}

// Length checks the characters of a required text.
func (p *Problems) Length(member, value string, least, most int) {
	switch n := utf8.RuneCountInString(value); {
	case value == "":
		p.Add(member, "", "not be null")
	case n < least:
		p.Add(member, value, "have length greater than or equal to "+strconv.Itoa(least))
	case n > most:
		p.Add(member, value, "have length less than or equal to "+strconv.Itoa(most))
	}
}

// Pattern checks a required text of letters, digits, underscores and the characters of
// also; as is how the model spells that.
func (p *Problems) Pattern(member, value string, least, most int, as, also string) {
	before := len(*p)
	p.Length(member, value, least, most)
	if len(*p) > before {
		return
	}
	if strings.ContainsFunc(value, func(r rune) bool {
		word := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_'
		return !word && !strings.ContainsRune(also, r)
	}) {
		p.Add(member, value, "satisfy regular expression pattern: "+as)
	}
}

// Range checks a number; nil is none.
func (p *Problems) Range(member string, n *int32, least, most int32) {
	switch {
	case n == nil:
	case *n < least:
		p.Add(member, strconv.Itoa(int(*n)), "have value greater than or equal to "+strconv.Itoa(int(least)))
	case *n > most:
		p.Add(member, strconv.Itoa(int(*n)), "have value less than or equal to "+strconv.Itoa(int(most)))
	}
}

// Enum checks a word; "" is none.
func (p *Problems) Enum(member, value string, words ...string) {
	if value == "" {
		return
	}
	for _, w := range words {
		if value == w {
			return
		}
	}
	p.Add(member, value, "satisfy enum value set: ["+strings.Join(words, ", ")+"]")
}
