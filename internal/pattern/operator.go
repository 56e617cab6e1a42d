package pattern

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// opcode names an operator.
type opcode byte

const (
	opString opcode = iota
	opNumber
	opLiteral
	opPrefix
	opSuffix
	opFold
	opPrefixFold
	opSuffixFold
	opWildcard
	opRange
	opCIDR
	opExists
	opAbsent
	opNotString
	opNotNumber
	opNotPrefix
	opNotSuffix
	opNotFold
	opNotWildcard
)

// operator is one alternative of a field, ready to match.
type operator struct {
	code   opcode
	text   string   // the operand; for numbers their text; folded where case does not count
	list   []string // operands of anything-but
	globs  []glob   // of wildcard and anything-but wildcard
	lo, hi int64    // inclusive, in millionths; for opNumber lo == hi
	number bool     // lo and hi hold
	nums   []int64  // of anything-but with numbers
	from   netip.Addr
	to     netip.Addr
	show   string // as it stands in the pattern
}

// valueKind is the type of a value in an event.
type valueKind byte

const (
	valString valueKind = iota
	valNumber
	valLiteral // true, false, null
)

// value is one leaf of an event.
type value struct {
	kind   valueKind
	text   string
	micros int64
	exact  bool // micros holds
	made   *made
}

// made is what was made of a text, once for all operators that want it.
type made struct {
	folded    string
	address   netip.Addr
	isFolded  bool
	isAddress bool
	parsed    bool // the address was looked for
}

func (v *value) more() *made {
	if v.made == nil {
		v.made = &made{}
	}
	return v.made
}

func (v *value) folded() string {
	m := v.more()
	if !m.isFolded {
		m.folded, m.isFolded = fold(v.text), true
	}
	return m.folded
}

// foldCost is what folded costs, in the units of maxWork.
func (v *value) foldCost() int {
	if v.made != nil && v.made.isFolded {
		return 0
	}
	return len(v.text) >> 5
}

func (v *value) address() (netip.Addr, bool) {
	m := v.more()
	if !m.parsed {
		m.address, m.isAddress = address(v.text)
		m.parsed = true
	}
	return m.address, m.isAddress
}

// fold makes texts equal that differ in case only.
func fold(s string) string {
	return strings.Map(unicode.ToLower, s)
}

// address reads an IP address as the services do: IPv4 in four decimal parts, IPv6
// without zone or dots.
func address(s string) (netip.Addr, bool) {
	if len(s) < 2 || len(s) > 45 || strings.IndexByte(s, '%') >= 0 {
		return netip.Addr{}, false
	}
	if strings.IndexByte(s, '.') < 0 && strings.IndexByte(s, ':') < 0 {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(s)
	return a.Unmap(), err == nil && (a.Is4() || strings.IndexByte(s, '.') < 0)
}

// matches reports whether an existing value satisfies the operator.
func (o *operator) matches(v *value) bool {
	switch o.code {
	case opExists:
		return true
	case opAbsent:
		return false
	case opNumber:
		return v.kind == valNumber && (o.text == v.text || o.number && v.exact && o.lo == v.micros)
	case opRange:
		return v.kind == valNumber && v.exact && o.lo <= v.micros && v.micros <= o.hi
	case opLiteral:
		return v.kind == valLiteral && o.text == v.text
	case opNotNumber:
		return v.kind != valNumber || !v.exact || !slices.Contains(o.nums, v.micros)
	}
	if v.kind != valString {
		return o.code >= opNotString
	}
	return o.matchesText(v)
}

// cost of asking the operator about a value, in the units of maxWork, beside what all
// operators cost.
func (o *operator) cost(v *value) int {
	n := (len(o.list) + len(o.nums)) >> 5
	if v.kind != valString {
		return n
	}
	switch o.code {
	case opWildcard, opNotWildcard:
		n += len(o.globs) * (len(v.text) >> 9)
	case opFold, opPrefixFold, opSuffixFold, opNotFold:
		n += v.foldCost()
	}
	return n
}

func (o *operator) matchesText(v *value) bool {
	s := v.text
	switch o.code {
	case opString:
		return s == o.text
	case opPrefix:
		return strings.HasPrefix(s, o.text)
	case opSuffix:
		return strings.HasSuffix(s, o.text)
	case opFold:
		return v.folded() == o.text
	case opPrefixFold:
		return strings.HasPrefix(v.folded(), o.text)
	case opSuffixFold:
		return strings.HasSuffix(v.folded(), o.text)
	case opWildcard:
		return o.globs[0].match(s)
	case opCIDR:
		a, ok := v.address()
		return ok && a.BitLen() == o.from.BitLen() && o.from.Compare(a) <= 0 && a.Compare(o.to) <= 0
	case opNotString:
		return !slices.Contains(o.list, s)
	case opNotPrefix:
		return !slices.ContainsFunc(o.list, func(p string) bool { return strings.HasPrefix(s, p) })
	case opNotSuffix:
		return !slices.ContainsFunc(o.list, func(p string) bool { return strings.HasSuffix(s, p) })
	case opNotFold:
		return !slices.Contains(o.list, v.folded())
	case opNotWildcard:
		return !slices.ContainsFunc(o.globs, func(g glob) bool { return g.match(s) })
	}
	return false
}

// String gives the value as it stands in an event, cut where it is long.
func (v *value) String() string {
	s := v.text
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:60], "") + "…"
	}
	if v.kind == valString {
		return strconv.Quote(s)
	}
	return s
}
