package pattern

import (
	"encoding/json"
	"slices"
	"strings"
)

// naiveField is a leaf of a decoded event with its place in arrays.
type naiveField struct {
	path  string
	v     any // string, json.Number, bool, nil
	place map[int]int
}

type naive struct {
	fields []naiveField
	arrays int
}

func naiveEvent(text []byte) *naive {
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	var doc map[string]any
	if d.Decode(&doc) != nil {
		return nil
	}
	n := &naive{}
	n.walk("", doc, map[int]int{})
	return n
}

func (n *naive) walk(path string, x any, place map[int]int) {
	switch x := x.(type) {
	case map[string]any:
		for k, v := range x {
			n.walk(path+"."+k, v, place)
		}
	case []any:
		id := n.arrays
		n.arrays++
		for i, v := range x {
			inner := place
			switch v.(type) {
			case map[string]any, []any:
				inner = map[int]int{id: i}
				for a, j := range place {
					inner[a] = j
				}
			}
			n.walk(path, v, inner)
		}
	default:
		n.fields = append(n.fields, naiveField{path[1:], x, place})
	}
}

// naiveCondition is a field with the decoded alternatives of a pattern.
type naiveCondition struct {
	path string
	any  []any
}

// naiveBranches multiplies the $or of a decoded pattern out.
func naiveBranches(text string) [][]naiveCondition {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var doc map[string]any
	if err := d.Decode(&doc); err != nil {
		panic(err)
	}
	all := naiveExpand("", doc)
	for _, b := range all {
		slices.SortFunc(b, func(x, y naiveCondition) int { return strings.Compare(x.path, y.path) })
	}
	return all
}

func naiveExpand(prefix string, doc map[string]any) [][]naiveCondition {
	all := [][]naiveCondition{nil}
	for name, x := range doc {
		var ways [][]naiveCondition
		switch x := x.(type) {
		case map[string]any:
			ways = naiveExpand(prefix+name+".", x)
		case []any:
			if name != "$or" {
				ways = [][]naiveCondition{{{prefix + name, x}}}
				break
			}
			for _, one := range x {
				ways = append(ways, naiveExpand(prefix, one.(map[string]any))...)
			}
		}
		var product [][]naiveCondition
		for _, b := range all {
			for _, w := range ways {
				product = append(product, append(slices.Clone(b), w...))
			}
		}
		all = product
	}
	return all
}

// match tries every choice of values.
func (n *naive) match(conds []naiveCondition, place map[int]int) bool {
	if len(conds) == 0 {
		return true
	}
	c := conds[0]
	present := false
	for _, f := range n.fields {
		if f.path != c.path {
			continue
		}
		merged, ok := merge(place, f.place)
		if !ok {
			continue
		}
		present = true
		if slices.ContainsFunc(c.any, func(o any) bool { return naiveOperator(o, f.v) }) && n.match(conds[1:], merged) {
			return true
		}
	}
	return !present && slices.ContainsFunc(c.any, naiveAbsent) && n.match(conds[1:], place)
}

func merge(a, b map[int]int) (map[int]int, bool) {
	m := map[int]int{}
	for k, v := range a {
		m[k] = v
	}
	for k, v := range b {
		if old, ok := m[k]; ok && old != v {
			return nil, false
		}
		m[k] = v
	}
	return m, true
}
