package protocol

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/waystation/waystation/internal/access"
)

// maxParameters bounds the parameters of one Query request. The largest real one,
// a batch of ten messages with ten attributes each, has about 350.
const maxParameters = 4096

// parameterCost is the memory of a parameter and of what is decoded from it, in
// bytes, at most: an element of a list of structs.
const parameterCost = 256

// parameter is one decoded NAME=VALUE of a query string or form.
type parameter struct{ name, value string }

// form is the parameters of a Query request, in the order of their names: part by
// part (parts are separated by dots), numbers by value. What belongs to one list
// or structure thus stands together, and an index costs nothing however large.
type form []parameter

func malformedQuery(msg string) *Error {
	return &Error{Code: "MalformedQueryString", Message: msg}
}

// parseForm reads the query string and the body of a Query request. Of each
// parameter it takes from m what a value of an input can need.
func parseForm(query string, body []byte, m *meter) (form, *Error) {
	var f form
	if query != "" {
		var err *Error
		if f, err = f.add([]byte(query), m); err != nil {
			return nil, err
		}
	}
	f, err := f.add(body, m)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(f, func(x, y parameter) int { return compareNames(x.name, y.name) })
	return f, nil
}

func (f form) add(raw []byte, m *meter) (form, *Error) {
	for len(raw) > 0 {
		var pair []byte
		pair, raw, _ = bytes.Cut(raw, []byte{'&'})
		if len(pair) == 0 {
			continue
		}
		if len(f) == maxParameters {
			return nil, malformedQuery("The request has more than 4096 parameters.")
		}
		if err := m.take(parameterCost); err != nil {
			return nil, err
		}
		k, v, _ := bytes.Cut(pair, []byte{'='})
		name, ok1 := formText(k)
		value, ok2 := formText(v)
		if !ok1 || !ok2 {
			return nil, malformedQuery("The query string contains a syntax error.")
		}
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return nil, malformedQuery("The request parameters are not valid UTF-8.")
		}
		f = append(f, parameter{name, value})
	}
	return f, nil
}

// formText decodes percent-encoding and "+"; the result is a copy.
func formText(b []byte) (string, bool) {
	if bytes.IndexByte(b, '%') < 0 && bytes.IndexByte(b, '+') < 0 {
		return string(b), true
	}
	var s strings.Builder
	s.Grow(max(0, len(b)-2*bytes.Count(b, []byte{'%'})))
	for i := 0; i < len(b); i++ {
		switch c := b[i]; c {
		case '+':
			s.WriteByte(' ')
		case '%':
			if i+2 >= len(b) {
				return "", false
			}
			hi, lo := access.Unhex(b[i+1]), access.Unhex(b[i+2])
			if hi < 0 || lo < 0 {
				return "", false
			}
			s.WriteByte(byte(hi<<4 | lo))
			i += 2
		default:
			s.WriteByte(c)
		}
	}
	return s.String(), true
}

// get gives the value of a parameter, "" if it is not there; of repeated ones the
// first.
func (f form) get(name string) string {
	for i := range f {
		if f[i].name == name {
			return f[i].value
		}
	}
	return ""
}

// compareNames orders names part by part.
func compareNames(x, y string) int {
	for {
		a, restX, moreX := strings.Cut(x, ".")
		b, restY, moreY := strings.Cut(y, ".")
		if a != b {
			return comparePart(a, b)
		}
		switch {
		case !moreX && !moreY:
			return 0
		case !moreX:
			return -1
		case !moreY:
			return 1
		}
		x, y = restX, restY
	}
}

// comparePart orders numbers by value before text.
func comparePart(a, b string) int {
	na, nb := isNumber(a), isNumber(b)
	switch {
	case na && nb:
		x, y := strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y), strings.Compare(a, b))
	case na:
		return -1
	case nb:
		return 1
	}
	return strings.Compare(a, b)
}

func isNumber(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// groups walks the next name part of a run of parameters that agree in the first
// `at` bytes of their names. For every distinct part it gives the parameters that
// end there (scalars) and those that go on, for which the next part begins at
// `next`.
func (f form) groups(at int, each func(part string, scalars, deeper form, next int) *Error) *Error {
	for i := 0; i < len(f); {
		part, _, _ := strings.Cut(f[i].name[at:], ".")
		end := at + len(part)
		j := i
		for j < len(f) && len(f[j].name) == end && f[j].name[at:] == part {
			j++
		}
		k := j
		for k < len(f) && len(f[k].name) > end && f[k].name[end] == '.' && f[k].name[at:end] == part {
			k++
		}
		if err := each(part, f[i:j], f[j:k], end+1); err != nil {
			return err
		}
		i = k
	}
	return nil
}
