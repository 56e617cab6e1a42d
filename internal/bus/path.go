package bus

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// Path is a compiled input path: "$", "$.detail.items[0].id", "$.detail.items[*]",
// "$['detail-type']". It is not altered once it is made.
type Path struct {
	text  string
	steps []step
	wide  bool // one of the steps is [*]
}

// step goes one level down: to a member, to an element, or to all elements.
type step struct {
	name  string
	index int // -1: name counts; allElements: all
}

const (
	byName      = -1
	allElements = -2
)

// MaxPath of an input path, in bytes; MaxSteps bounds how deep it goes.
const (
	MaxPath  = 256
	MaxSteps = 100
)

var (
	errPathStart = errors.New("it must begin with $")
	errPathLong  = errors.New("it is longer than 256 characters or has more than 100 steps")
	errPathName  = errors.New("a name is missing behind a dot")
	errPathIndex = errors.New("between brackets stands an index, * or a name in quotes")
)

// ParsePath reads an input path. Errors are one sentence without its beginning, for
// whoever wrote it.
func ParsePath(s string) (*Path, error) {
	rest, ok := strings.CutPrefix(s, "$")
	if !ok {
		return nil, errPathStart
	}
	if len(s) > MaxPath {
		return nil, errPathLong
	}
	p := &Path{text: s}
	for rest != "" {
		var st step
		switch rest[0] {
		case '.':
			rest = rest[1:]
			n := strings.IndexAny(rest, ".[")
			if n < 0 {
				n = len(rest)
			}
			if n == 0 || strings.ContainsAny(rest[:n], "]\"' ") {
				return nil, errPathName
			}
			st, rest = step{rest[:n], byName}, rest[n:]
		case '[':
			inner, after, ok := cutBracket(rest[1:])
			if !ok {
				return nil, errPathIndex
			}
			st, rest = inner, after
		default:
			return nil, errPathName
		}
		p.wide = p.wide || st.index == allElements
		if p.steps = append(p.steps, st); len(p.steps) > MaxSteps {
			return nil, errPathLong
		}
	}
	return p, nil
}

// cutBracket reads what stands behind an opening bracket.
func cutBracket(s string) (st step, rest string, ok bool) {
	if s != "" && (s[0] == '\'' || s[0] == '"') {
		name, rest, ok := strings.Cut(s[1:], s[:1]+"]")
		return step{name, byName}, rest, ok && name != ""
	}
	inner, rest, ok := strings.Cut(s, "]")
	if inner == "*" {
		return step{index: allElements}, rest, ok
	}
	n, err := strconv.ParseUint(inner, 10, 31)
	return step{index: int(n)}, rest, ok && err == nil
}

// find gives the value at the path in a JSON value that is valid; ok is false if there
// is none. With [*] it is an array of what is found in each element. It reads the value
// once, whatever the path.
func (p *Path) find(value []byte) (found []byte, ok bool) {
	r := reader{b: value}
	return r.find(p.steps)
}

// reader goes over a JSON value that is valid. Of one that is not it finds something, or
// nothing.
type reader struct {
	b []byte
	i int
}

// next skips blanks and gives the byte that follows, 0 at the end.
func (r *reader) next() byte {
	for ; r.i < len(r.b); r.i++ {
		switch c := r.b[r.i]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// find goes over the value that follows, and gives what the steps lead to in it.
func (r *reader) find(steps []step) (found []byte, ok bool) {
	c := r.next()
	start := r.i
	switch {
	case len(steps) == 0:
		r.skip()
		return r.b[start:r.i], r.i > start
	case c == '{' && steps[0].index == byName:
		return r.member(steps)
	case c == '[' && steps[0].index != byName:
		return r.element(steps)
	}
	r.skip()
	return nil, false
}

// member is find in an object. Of members with the same name the last one counts.
func (r *reader) member(steps []step) (found []byte, ok bool) {
	r.i++
	for r.next() == '"' {
		name := r.text()
		if r.next() != ':' {
			return nil, false
		}
		r.i++
		if named(name, steps[0].name) {
			found, ok = r.find(steps[1:])
		} else {
			r.next()
			r.skip()
		}
		if r.next() != ',' {
			break
		}
		r.i++
	}
	r.i++
	return found, ok
}

// named reports whether a name in quotes is that one.
func named(quoted []byte, name string) bool {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return len(quoted) == len(name)+2 && string(quoted[1:len(quoted)-1]) == name
	}
	var s string
	return json.Unmarshal(quoted, &s) == nil && s == name
}

// element is find in an array.
func (r *reader) element(steps []step) (found []byte, ok bool) {
	r.i++
	all := steps[0].index == allElements
	if all {
		found, ok = []byte{'['}, true
	}
	for i := 0; ; i++ {
		if c := r.next(); c == ']' || c == 0 {
			break
		}
		if all || i == steps[0].index {
			v, there := r.find(steps[1:])
			switch {
			case !all:
				found, ok = v, there
			case there:
				if len(found) > 1 {
					found = append(found, ',')
				}
				found = append(found, v...)
			}
		} else {
			r.skip()
		}
		if r.next() != ',' {
			break
		}
		r.i++
	}
	r.i++
	if all {
		found = append(found, ']')
	}
	return found, ok
}

// text goes over a string and gives it with its quotes.
func (r *reader) text() []byte {
	start := r.i
	for r.i++; r.i < len(r.b); r.i++ {
		switch r.b[r.i] {
		case '\\':
			r.i++
		case '"':
			r.i++
			return r.b[start:r.i]
		}
	}
	r.i = len(r.b)
	return r.b[start:]
}

// skip goes over a value, which begins here.
func (r *reader) skip() {
	for depth := 0; r.i < len(r.b); {
		switch r.b[r.i] {
		case '"':
			r.text()
		case '{', '[':
			depth++
			r.i++
		case '}', ']':
			if depth == 0 {
				return // behind a number or a word
			}
			depth--
			r.i++
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return
			}
			r.i++
			continue
		default:
			r.i++
			continue
		}
		if depth == 0 {
			return
		}
	}
}
