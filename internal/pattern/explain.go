package pattern

import (
	"fmt"
	"slices"
	"strings"
)

// Explain says in one sentence why an event does not match: the first field, in the
// order of their paths, that has no fitting value, and what it has instead. With $or
// it speaks of the branch that comes furthest. It says so if the event matches.
func (p *Pattern) Explain(json []byte) string {
	e := newEvent(p.paths.n)
	defer e.free()
	if err := e.read(p.paths, json); err != nil {
		return "The event is not a JSON object, or nested too deeply."
	}
	return p.explain(e)
}

// ExplainAttributes is Explain for filter policies over message attributes.
func (p *Pattern) ExplainAttributes(attributes []Attribute) string {
	e := newEvent(p.paths.n)
	defer e.free()
	_ = e.readAttributes(p.paths, attributes) // it has no errors
	return p.explain(e)
}

func (p *Pattern) explain(e *event) string {
	furthest, why := -1, ""
	for i := range p.bound {
		b := &p.bound[i]
		if b.matches(e) {
			return "The event matches."
		}
		if passed, text := b.explain(e); passed > furthest {
			furthest, why = passed, text
		}
	}
	if e.work > maxWork {
		return "The event has too many combinations of array elements to be matched."
	}
	if len(p.bound) > 1 {
		why = fmt.Sprintf("None of the %d branches of $or matches; in the closest, %s%s", len(p.bound), strings.ToLower(why[:1]), why[1:])
	}
	return why
}

// explain gives how many conditions hold on their own before the first that does not.
func (b *bound) explain(e *event) (passed int, why string) {
	for n := 1; n <= len(b.fields); n++ {
		part := bound{b.fields[:n], b.conds[:n]}
		if part.matches(e) {
			continue
		}
		c := &b.conds[n-1]
		leaves := e.leaves[b.fields[n-1]]
		alone := bound{b.fields[n-1 : n], b.conds[n-1 : n]}
		switch {
		case len(leaves) == 0:
			why = fmt.Sprintf("Field %q is not in the event, the pattern wants %s.", c.path, wanted(c.ops))
		case alone.matches(e):
			why = fmt.Sprintf("Field %q matches only in another array element than the fields before it.", c.path)
		default:
			why = fmt.Sprintf("Field %q is %s, the pattern wants %s.", c.path, found(leaves), wanted(c.ops))
		}
		return n - 1, why
	}
	return len(b.fields), ""
}

const shown = 5 // alternatives and values that a sentence names

func wanted(ops []operator) string {
	var all []string
	for _, o := range ops {
		s := o.show
		if len(s) > 80 {
			s = strings.ToValidUTF8(s[:80], "") + "…"
		}
		all = append(all, s)
	}
	return listed(all)
}

func found(leaves []leaf) string {
	var all []string
	for i := range leaves {
		if s := leaves[i].String(); !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return listed(all)
}

func listed(all []string) string {
	if n := len(all); n > shown {
		all = append(all[:shown:shown], fmt.Sprintf("%d more", n-shown))
	}
	return strings.Join(all, " or ")
}
