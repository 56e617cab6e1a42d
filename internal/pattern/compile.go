package pattern

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Dialect is the grammar and the bounds of a pattern.
type Dialect int

const (
	// Events is the dialect of EventBridge rules, and of function and pipe filters.
	Events Dialect = iota
	// Attributes is an SNS filter policy over message attributes.
	Attributes
	// Body is an SNS filter policy over a message's body.
	Body
)

// condition is a field with its alternatives, one of which has to match.
type condition struct {
	path string // names joined with dots
	ops  []operator
}

// branch is one way to match: all of its conditions, sorted by path. A pattern has
// one branch, or more where it has $or.
type branch []condition

// Pattern is a compiled pattern. It is immutable and safe for concurrent use.
type Pattern struct {
	dialect  Dialect
	branches []branch
	paths    *paths
	bound    []bound
}

// Compile reads a pattern. The error is an *Error.
func Compile(dialect Dialect, text []byte) (p *Pattern, err error) {
	c := compiler{dialect: dialect, grammar: grammar{src: text}}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case invalid:
			p, err = nil, &Error{Dialect: dialect, Reason: r.reason, bare: r.bare}
		default:
			panic(r)
		}
	}()
	return c.pattern(), nil
}

type compiler struct {
	grammar
	dialect      Dialect
	branches     []branch
	combinations []int // of each branch, for SNS
	globs        map[string][]glob
	compared     int // conditions, see maxConditions
}

func (c *compiler) pattern() *Pattern {
	c.checkSize()
	tokens, bad, ok := tokenize(c.src)
	if !ok {
		c.failAt(bad, "Filter is not valid JSON")
	}
	c.tokens = tokens
	if c.cur().kind != tokObject {
		c.fail("Filter is not an object")
	}
	if c.dialect != Events {
		c.checkKeys()
	}
	c.branches, c.combinations = []branch{{}}, []int{1}
	c.object("", 1, false)
	c.checkComplexity()
	p := &Pattern{dialect: c.dialect, branches: c.branches, paths: newPaths()}
	for i, b := range p.branches {
		slices.SortStableFunc(b, func(x, y condition) int { return strings.Compare(x.path, y.path) })
		p.branches[i] = b
		p.bound = append(p.bound, p.paths.bind(b))
	}
	return p
}

func (c *compiler) checkSize() {
	switch {
	case c.dialect == Events && utf8.RuneCount(c.src) > MaxEventPattern:
		panic(invalid{reason: "Event pattern is too long: at most 2048 characters are allowed"})
	case c.dialect != Events && len(c.src) > MaxFilterPolicy:
		panic(invalid{reason: "Filter policy is too large: at most 262144 bytes are allowed"})
	}
}

func (c *compiler) checkKeys() {
	keys, depth := 0, 0
	for _, t := range c.tokens {
		switch t.kind {
		case tokObject, tokArray:
			depth++
		case tokObjectEnd, tokArrayEnd:
			depth--
		case tokName:
			if depth == 1 {
				keys++
			}
		}
	}
	if keys > maxKeys {
		panic(invalid{reason: "Filter policy can not have more than 5 keys"})
	}
}

func (c *compiler) checkComplexity() {
	total := 0
	for _, n := range c.combinations {
		total += n
	}
	if c.dialect != Events && total > maxCombinations {
		panic(invalid{reason: "Filter policy is too complex"})
	}
	for _, globs := range c.globs {
		if tooComplex(globs) {
			panic(invalid{reason: "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character"})
		}
	}
}

// object reads the members of an object, to its end; the token in hand is its brace.
// prefix is the path so far with a dot behind it.
func (c *compiler) object(prefix string, depth int, insideOr bool) {
	empty := true
	for c.advance().kind != tokObjectEnd {
		empty = false
		name := c.cur().text
		if name == "$or" && (c.dialect == Events || c.isOr()) {
			c.or(prefix, depth)
			continue
		}
		if insideOr && slices.Contains(reserved, name) {
			c.fail("%s is Ruler reserved fieldName which cannot be used inside $or.", name)
		}
		switch c.advance().kind {
		case tokObject:
			if c.dialect == Attributes {
				panic(invalid{reason: "Filter policy scope MessageAttributes does not support nested filter policy", bare: true})
			}
			c.object(prefix+name+".", depth+1, insideOr)
		case tokArray:
			c.field(prefix+name, depth)
		default:
			c.fail("\"%s\" must be an object or an array", name)
		}
	}
	if empty {
		c.fail("Empty objects are not allowed")
	}
}

// field reads a condition and adds it to every branch.
func (c *compiler) field(path string, depth int) {
	ops := c.alternatives()
	for i, b := range c.branches {
		if c.compared += len(b); c.compared > maxConditions {
			c.fail("Rule is too complex - try using fewer combinations of $or")
		}
		if slices.ContainsFunc(b, func(o condition) bool { return o.path == path }) {
			c.fail("Path `%s` cannot be allowed multiple times", path)
		}
		c.branches[i] = append(b[:len(b):len(b)], condition{path, ops})
		c.combinations[i] = min(c.combinations[i]*len(ops)*depth, maxCombinations+1)
	}
	for _, o := range ops {
		if o.code == opWildcard || o.code == opNotWildcard {
			if c.globs == nil {
				c.globs = map[string][]glob{}
			}
			c.globs[path] = append(c.globs[path], o.globs...)
		}
	}
}

// or reads {"$or": […]}: every object in it makes branches of its own.
func (c *compiler) or(prefix string, depth int) {
	if c.advance().kind != tokArray {
		c.fail("It must be an Array followed with $or.")
	}
	before, combinations := c.branches, c.combinations
	var all []branch
	var counts []int
	n := 0
	for c.advance().kind != tokArrayEnd {
		if c.cur().kind != tokObject {
			c.fail("Only JSON object is allowed in array of $or relationship.")
		}
		n++
		c.branches, c.combinations = slices.Clone(before), slices.Clone(combinations)
		c.object(prefix, depth, true)
		all, counts = append(all, c.branches...), append(counts, c.combinations...)
		if len(all) > maxBranches {
			c.fail("Rule is too complex - try using fewer combinations of $or")
		}
	}
	if n < 2 {
		c.fail("There must have at least 2 Objects in $or relationship.")
	}
	c.branches, c.combinations = all, counts
}

// isOr reports whether the member in hand is the operator in SNS: an array of at
// least two objects none of which has a reserved name. Any other $or is a field.
func (c *compiler) isOr() bool {
	if c.tokens[c.i+1].kind != tokArray {
		return false
	}
	objects, depth := 0, 0
	for _, t := range c.tokens[c.i+1:] {
		switch t.kind {
		case tokObject:
			if depth == 1 {
				objects++
			}
			depth++
		case tokArray:
			depth++
		case tokObjectEnd, tokArrayEnd:
			if depth--; depth == 0 {
				return objects >= 2
			}
		case tokName:
			if depth == 2 && slices.Contains(reserved, t.text) {
				return false
			}
		default:
			if depth == 1 {
				return false
			}
		}
	}
	return false
}

// reserved names cannot be fields inside of $or.
var reserved = []string{
	"exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard", "numeric", "cidr", "html",
	"=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case",
	"date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range",
	"ip-address-in-range", "ip-address-not-in-range",
}
