package pattern

import (
	"net/netip"
	"slices"
)

// leafSize is the number of rules that are tried one by one rather than told apart
// by another field.
const leafSize = 8

// node tells rules apart by the fields of an event. A rule stands under one field,
// the one whose values fewest other rules ask for; where many rules ask for the same
// value, the node behind it tells them apart by another field.
type node struct {
	rules  []*rule // tried one by one
	fields []fieldIndex
}

// rule is a bound branch with what Match gives for it.
type rule struct {
	bound
	entry *entry
}

// fieldIndex finds the nodes that a value of one field leads to.
type fieldIndex struct {
	field    int
	exact    map[string]*node // strings with a quote in front, other values as they are
	numbers  map[int64]*node
	address  map[netip.Addr]*node
	affixes  [4]affixes // by opPrefix and so on, see affixKinds
	ranges   []interval // by lo
	anything *node      // rules that only the value itself decides
}

// affixes are texts by length: a value has one beginning of each length.
type affixes struct {
	lengths []int
	next    map[string]*node
}

// interval is a node of a tree laid out in a sorted list: the middle is the root. max
// is the highest end under it.
type interval struct {
	lo, hi, max int64
	next        *node
}

var affixKinds = [4]opcode{opPrefix, opSuffix, opPrefixFold, opSuffixFold}

// access is how an operator is found: by its key under one kind, or by nothing but
// the presence of the field.
type access struct {
	field  int
	code   opcode
	text   string
	lo, hi int64
	addr   netip.Addr
}

const opAny = opExists // access by presence

// accesses of a condition; none if it can match an absent field.
func accesses(field int, ops []operator) []access {
	var all []access
	for _, o := range ops {
		a := access{field: field, code: o.code, text: o.text}
		switch o.code {
		case opAbsent:
			return nil
		case opString:
			a.text = `"` + o.text
		case opLiteral:
			a.code = opString
		case opNumber:
			a.code = opString
			if o.number {
				a.code, a.lo, a.text = opNumber, o.lo, ""
			}
		case opPrefix, opSuffix, opPrefixFold, opSuffixFold:
		case opFold:
			a.code = opPrefixFold
		case opRange:
			a.lo, a.hi, a.text = o.lo, o.hi, ""
		case opWildcard:
			g := o.globs[0]
			if a.code, a.text = opPrefix, g[0]; a.text == "" {
				a.code, a.text = opSuffix, g[len(g)-1]
			}
		case opCIDR:
			a = access{field: field, code: opAny}
			if o.from == o.to {
				a.code, a.addr = opCIDR, o.from
			}
		default:
			a = access{field: field, code: opAny}
		}
		if a.text == "" && slices.Contains(affixKinds[:], a.code) {
			a = access{field: field, code: opAny}
		}
		all = append(all, a)
	}
	return all
}

// builder makes the nodes of a segment. room bounds how many places they hold.
type builder struct{ room int }

func (b *builder) node(rules []*rule, taken []int) *node {
	n := &node{}
	if len(rules) <= leafSize || b.room <= 0 {
		n.rules = rules
		return n
	}
	count := map[access]int{}
	choices := make([][][]access, len(rules))
	for i, r := range rules {
		for j, f := range r.fields {
			if slices.Contains(taken, f) {
				continue
			}
			if as := accesses(f, r.conds[j].ops); as != nil {
				choices[i] = append(choices[i], as)
				for _, a := range as {
					count[a]++
				}
			}
		}
	}
	groups := map[access][]*rule{}
	for i, r := range rules {
		best := cheapest(choices[i], count)
		if best == nil {
			n.rules = append(n.rules, r)
			continue
		}
		for _, a := range best {
			if g := groups[a]; len(g) == 0 || g[len(g)-1] != r {
				groups[a] = append(g, r)
				b.room--
			}
		}
	}
	for a, g := range groups {
		next := b.node(g, append(slices.Clone(taken), a.field))
		n.at(a.field).put(a, next)
	}
	for i := range n.fields {
		n.fields[i].finish()
	}
	return n
}

// cheapest gives the condition whose values fewest rules share.
func cheapest(choices [][]access, count map[access]int) (best []access) {
	least := 0
	for _, as := range choices {
		cost := 0
		for _, a := range as {
			if cost += count[a]; a.code == opAny {
				cost += 1 << 20
			}
		}
		if best == nil || cost < least {
			best, least = as, cost
		}
	}
	return best
}

func (n *node) at(field int) *fieldIndex {
	for i := range n.fields {
		if n.fields[i].field == field {
			return &n.fields[i]
		}
	}
	n.fields = append(n.fields, fieldIndex{field: field, exact: map[string]*node{}, numbers: map[int64]*node{}, address: map[netip.Addr]*node{}})
	return &n.fields[len(n.fields)-1]
}

func (f *fieldIndex) put(a access, next *node) {
	switch a.code {
	case opString:
		f.exact[a.text] = next
	case opNumber:
		f.numbers[a.lo] = next
	case opCIDR:
		f.address[a.addr] = next
	case opRange:
		f.ranges = append(f.ranges, interval{lo: a.lo, hi: a.hi, next: next})
	case opAny:
		f.anything = next
	default:
		x := &f.affixes[slices.Index(affixKinds[:], a.code)]
		if x.next == nil {
			x.next = map[string]*node{}
		}
		x.next[a.text] = next
		if !slices.Contains(x.lengths, len(a.text)) {
			x.lengths = append(x.lengths, len(a.text))
		}
	}
}

func (f *fieldIndex) finish() {
	slices.SortFunc(f.ranges, func(a, b interval) int {
		switch {
		case a.lo < b.lo:
			return -1
		case a.lo > b.lo:
			return 1
		}
		return 0
	})
	highest(f.ranges)
}

func highest(tree []interval) int64 {
	if len(tree) == 0 {
		return -maxMicros
	}
	m := len(tree) / 2
	tree[m].max = max(tree[m].hi, highest(tree[:m]), highest(tree[m+1:]))
	return tree[m].max
}

// find tries the rules that an event leads to, each node once however many values
// lead to it.
func (n *node) find(e *event, try func(*rule)) {
	for _, r := range n.rules {
		try(r)
	}
	for i := range n.fields {
		f := &n.fields[i]
		leaves := e.leaves[f.field]
		if len(leaves) > 0 && f.anything != nil {
			f.anything.find(e, try)
		}
		for k := range leaves {
			if e.work++; e.work > maxWork {
				return
			}
			f.value(&leaves[k].value, e, try)
		}
	}
}

func (f *fieldIndex) value(v *value, e *event, try func(*rule)) {
	follow := func(n *node) {
		if n != nil && !e.seen[n] {
			e.seen[n] = true
			n.find(e, try)
		}
	}
	switch v.kind {
	case valNumber:
		if v.exact {
			follow(f.numbers[v.micros])
			stab(f.ranges, v.micros, follow)
		}
		follow(f.exact[v.text])
	case valLiteral:
		follow(f.exact[v.text])
	default:
		if len(f.exact) > 0 {
			follow(f.exact[`"`+v.text])
		}
		if len(f.address) > 0 {
			if a, ok := v.address(); ok {
				follow(f.address[a])
			}
		}
		f.affixed(v, e, follow)
	}
}

func (f *fieldIndex) affixed(v *value, e *event, follow func(*node)) {
	for i := range f.affixes {
		x := &f.affixes[i]
		if len(x.lengths) == 0 {
			continue
		}
		s := v.text
		if i >= 2 {
			e.work += v.foldCost()
			s = v.folded()
		}
		for k, l := range x.lengths {
			if l > len(s) {
				continue
			}
			e.work += l >> 10
			if k%4 == 3 {
				e.work++
			}
			if e.work > maxWork {
				return
			}
			if i%2 == 0 {
				follow(x.next[s[:l]])
			} else {
				follow(x.next[s[len(s)-l:]])
			}
		}
	}
}

// stab follows the intervals that hold a number.
func stab(tree []interval, at int64, follow func(*node)) {
	if len(tree) == 0 || tree[len(tree)/2].max < at {
		return
	}
	m := len(tree) / 2
	stab(tree[:m], at, follow)
	if tree[m].lo <= at {
		if at <= tree[m].hi {
			follow(tree[m].next)
		}
		stab(tree[m+1:], at, follow)
	}
}
