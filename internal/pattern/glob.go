package pattern

import (
	"fmt"
	"strings"
)

// glob is a wildcard pattern cut at its asterisks: a value matches if it begins with
// the first piece, ends with the last and has the others between them in order.
type glob []string

// parseGlob reads "*" and the escapes \* and \\. Positions in its messages count the
// opening quote, as those of EventBridge do.
func parseGlob(text string) (glob, error) {
	var g glob
	var piece strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '*':
			if i+1 < len(text) && text[i+1] == '*' {
				return nil, fmt.Errorf("Consecutive wildcard characters at pos %d", i+1)
			}
			g = append(g, piece.String())
			piece.Reset()
		case '\\':
			if i+1 >= len(text) || text[i+1] != '*' && text[i+1] != '\\' {
				return nil, fmt.Errorf("Invalid escape character at pos %d", i+1)
			}
			i++
			piece.WriteByte(text[i])
		default:
			piece.WriteByte(c)
		}
	}
	return append(g, piece.String()), nil
}

func (g glob) match(s string) bool {
	first, last := g[0], g[len(g)-1]
	if len(g) == 1 {
		return s == first
	}
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, piece := range g[1 : len(g)-1] {
		i := strings.Index(s, piece)
		if i < 0 {
			return false
		}
		s = s[i+len(piece):]
	}
	return true
}

// maxActive bounds the places in the wildcards of one field that a value can be at
// at once. EventBridge does not publish its bound; this one parts the examples that
// are known to be taken from those known to be refused.
const maxActive = 10

// maxGlobWork bounds the cost of finding that out, some ten milliseconds. Wildcards
// that take more are too complex.
const maxGlobWork = 1 << 22

// tooComplex reports whether some value is at more than maxActive places of the
// globs of a field at once. It walks the sets of places that values lead to.
func tooComplex(globs []glob) bool {
	if len(globs) == 0 {
		return false
	}
	m := newPlaces(globs)
	start := m.start()
	seen := map[string]bool{string(start): true}
	queue := [][]byte{start}
	work := 0
	for len(queue) > 0 {
		set := queue[0]
		queue = queue[1:]
		for _, c := range m.alphabet {
			next, active := m.step(set, c)
			if work += len(set); active > maxActive || work > maxGlobWork {
				return true
			}
			if !seen[string(next)] {
				seen[string(next)] = true
				queue = append(queue, next)
			}
		}
	}
	return false
}

// places are the bytes and asterisks of globs, as an automaton.
type places struct {
	symbol   []int // byte, or one of the values below
	first    []int
	alphabet []byte
}

const (
	star   = -1
	accept = -2
)

func newPlaces(globs []glob) *places {
	m := &places{alphabet: []byte{0}}
	var used [256]bool
	for _, g := range globs {
		m.first = append(m.first, len(m.symbol))
		for i, piece := range g {
			if i > 0 {
				m.symbol = append(m.symbol, star)
			}
			for _, c := range []byte(piece) {
				m.symbol = append(m.symbol, int(c))
				if !used[c] {
					used[c] = true
					m.alphabet = append(m.alphabet, c)
				}
			}
		}
		m.symbol = append(m.symbol, accept)
	}
	return m
}

// start is the set of places where all globs begin; a set has a byte a place.
func (m *places) start() []byte {
	set := make([]byte, len(m.symbol))
	for _, i := range m.first {
		m.enter(set, i)
	}
	return set
}

func (m *places) enter(set []byte, i int) {
	for set[i] = 1; m.symbol[i] == star; set[i] = 1 {
		i++
	}
}

// step gives where a byte leads, and how many moves it makes at once: bytes taken, and
// asterisks that a value is in.
func (m *places) step(set []byte, c byte) (next []byte, active int) {
	next = make([]byte, len(set))
	for i, in := range set {
		switch {
		case in == 0:
		case m.symbol[i] == star:
			m.enter(next, i)
		case m.symbol[i] == int(c):
			m.enter(next, i+1)
			active++
		}
	}
	for i, in := range next {
		if in == 1 && m.symbol[i] == star {
			active++
		}
	}
	return next, active
}
