package pattern

import (
	"bytes"
	"slices"
	"strings"
)

// Attribute is a message attribute. Filter policies see the types String, Number and
// String.Array; of others they see nothing, as if the attribute were not there.
type Attribute struct {
	Name, Type, Value string
}

// MatchAttributes is Match for filter policies over message attributes.
func (p *Pattern) MatchAttributes(attributes []Attribute) (bool, error) {
	e := newEvent(p.paths.n)
	defer e.free()
	if err := e.readAttributes(p.paths, attributes); err != nil {
		return false, err
	}
	return p.match(e)
}

// MatchAttributes is Match for filter policies over message attributes.
func (s *Set) MatchAttributes(attributes []Attribute) ([]string, error) {
	return s.match(func(e *event, p *paths) error { return e.readAttributes(p, attributes) })
}

func (e *event) readAttributes(p *paths, attributes []Attribute) error {
	for _, a := range attributes {
		at := p.root.walk([]byte(a.Name))
		if at == nil || at.field < 0 {
			continue
		}
		base, _, _ := strings.Cut(a.Type, ".")
		switch {
		case a.Type == "String.Array":
			e.list(at.field, []byte(a.Value))
		case base == "String":
			e.add(at.field, leaf{value: value{kind: valString, text: a.Value}, element: -1})
		case base == "Number":
			v := value{kind: valNumber, text: strings.TrimSpace(a.Value)}
			v.micros, v.exact = decimal(v.text)
			e.add(at.field, leaf{value: v, element: -1})
		}
	}
	return nil
}

// list reads the scalars of a String.Array; one that is not an array has no values.
func (e *event) list(field int, text []byte) {
	had := len(e.leaves[field])
	e.data, e.pos = bytes.TrimSpace(text), 0
	if !e.take('[') || e.take(']') {
		return
	}
	for {
		if c := e.next(); c == '[' || c == '{' || !e.leaf(field, -1) {
			break
		}
		if e.take(',') {
			continue
		}
		if e.take(']') && e.pos == len(e.data) {
			return
		}
		break
	}
	e.leaves[field] = slices.Delete(e.leaves[field], had, len(e.leaves[field]))
}

// decimal is micros for texts that need not be numbers of JSON.
func decimal(text string) (int64, bool) {
	s := scanner{data: []byte(strings.TrimPrefix(text, "+"))}
	if number, ok := s.number(); ok && s.pos == len(s.data) {
		return micros(number)
	}
	return 0, false
}
