package pattern

import (
	"bytes"
	"strings"
	"sync"
)

// paths numbers the fields that rules look at. Names are cut at dots, as the
// services do: {"a.b": 1} and {"a": {"b": 1}} are the same field. It is immutable
// once shared.
type paths struct {
	root *step
	n    int
}

type step struct {
	next  map[string]*step
	field int // -1: no rule looks at it
}

func newPaths() *paths { return &paths{root: &step{field: -1}} }

// number gives the field of a path, which it adds if need be.
func (p *paths) number(path string) int {
	at := p.root
	for name := range strings.SplitSeq(path, ".") {
		next := at.next[name]
		if next == nil {
			next = &step{field: -1}
			if at.next == nil {
				at.next = map[string]*step{}
			}
			at.next[name] = next
		}
		at = next
	}
	if at.field < 0 {
		at.field = p.n
		p.n++
	}
	return at.field
}

// walk follows a name of an event, which may hold dots.
func (s *step) walk(name []byte) *step {
	for {
		i := bytes.IndexByte(name, '.')
		if i < 0 {
			return s.next[string(name)]
		}
		if s = s.next[string(name[:i])]; s == nil {
			return nil
		}
		name = name[i+1:]
	}
}

// leaf is a value of an event with the array elements that it lies in.
type leaf struct {
	value
	element int // index into elements, -1: none
}

// element is a place in an array, with the place that the array itself lies in.
type element struct {
	array, index, parent int
}

// event is what the rules of a set can see of one event: its leaves by field.
type event struct {
	scanner
	leaves   [][]leaf
	used     []int // fields that have leaves
	elements []element
	arrays   int
	buf      []byte
	work     int // values and places compared, see maxWork
	seen     map[*node]bool
}

var events = sync.Pool{New: func() any { return &event{seen: map[*node]bool{}} }}

func newEvent(n int) *event {
	e := events.Get().(*event)
	if len(e.leaves) < n {
		e.leaves = append(e.leaves, make([][]leaf, n-len(e.leaves))...)
	}
	return e
}

func (e *event) free() {
	for _, f := range e.used {
		clear(e.leaves[f])
		e.leaves[f] = e.leaves[f][:0]
	}
	e.used, e.elements, e.arrays, e.work, e.data = e.used[:0], e.elements[:0], 0, 0, nil
	small := len(e.seen) < 1<<12
	clear(e.seen)
	if small && cap(e.elements) < 1<<12 {
		events.Put(e)
	}
}

// read flattens a JSON object. What no rule looks at is skipped.
func (e *event) read(p *paths, data []byte) error {
	e.data, e.pos = data, 0
	if e.next() != '{' || !e.object(p.root, -1, 0) || e.next() != 0 || e.pos < len(data) {
		return ErrEvent
	}
	return nil
}

func (e *event) object(at *step, in, depth int) bool {
	if e.pos++; depth > maxDepth {
		return false
	}
	if e.take('}') {
		return true
	}
	for {
		if e.next() != '"' {
			return false
		}
		name, escaped, ok := e.str()
		if !ok || !e.take(':') {
			return false
		}
		if escaped {
			name = unescape(nil, name)
		}
		if next := at.walk(name); next == nil {
			ok = e.skip(depth + 1)
		} else {
			ok = e.member(next, in, depth+1)
		}
		if !ok {
			return false
		}
		if !e.take(',') {
			return e.take('}')
		}
	}
}

func (e *event) member(at *step, in, depth int) bool {
	switch e.next() {
	case '{':
		return e.object(at, in, depth)
	case '[':
		return e.array(at, in, depth)
	}
	if at.field < 0 {
		return e.skip(depth)
	}
	return e.leaf(at.field, in)
}

// array gives its objects and arrays a place; its scalars have the array's own.
func (e *event) array(at *step, in, depth int) bool {
	if e.pos++; depth > maxDepth {
		return false
	}
	id := e.arrays
	e.arrays++
	if e.take(']') {
		return true
	}
	for i := 0; ; i++ {
		place := in
		if c := e.next(); c == '{' || c == '[' {
			place = len(e.elements)
			e.elements = append(e.elements, element{id, i, in})
		}
		if !e.member(at, place, depth+1) {
			return false
		}
		if !e.take(',') {
			return e.take(']')
		}
	}
}

func (e *event) leaf(field, in int) bool {
	v := leaf{element: in}
	switch c := e.next(); c {
	case '"':
		raw, escaped, ok := e.str()
		if !ok {
			return false
		}
		if escaped {
			e.buf = unescape(e.buf[:0], raw)
			raw = e.buf
		}
		v.text = string(raw)
	case 't', 'f', 'n':
		v.kind, v.text = valLiteral, map[byte]string{'t': "true", 'f': "false", 'n': "null"}[c]
		if !e.literal(v.text) {
			return false
		}
	default:
		text, ok := e.number()
		if !ok {
			return false
		}
		v.kind, v.text = valNumber, string(text)
		v.micros, v.exact = micros(text)
	}
	e.add(field, v)
	return true
}

func (e *event) add(field int, v leaf) {
	if len(e.leaves[field]) == 0 {
		e.used = append(e.used, field)
	}
	e.leaves[field] = append(e.leaves[field], v)
}
