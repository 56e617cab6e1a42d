package pattern

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// generator makes patterns and events over few names and values, so that they meet.
type generator struct{ *rand.Rand }

func (g generator) pick(of ...string) string { return of[g.IntN(len(of))] }

func (g generator) value() string {
	return g.pick(`"a"`, `"ab"`, `"abc"`, `"bA"`, `"AB"`, `"cab"`, `""`, `1`, `1.0`, `10e-1`, `2`, `-3.5`, `12345678901`, `1.0000001`, `1.5`, `"a*c"`, `"BAc"`, `"ca"`,
		`true`, `false`, `null`, `"10.0.0.1"`, `"10.0.0.7"`, `"10.0.1.1"`, `"::1"`, `"0:0:0:0:0:0:0:1"`, `"1"`, `"é"`, `"É"`)
}

func (g generator) operator() string {
	return g.pick(`{"prefix":"a"}`, `{"prefix":"ab"}`, `{"prefix":""}`, `{"suffix":"b"}`, `{"suffix":""}`, `{"exists":true}`, `{"exists":false}`,
		`{"equals-ignore-case":"Ab"}`, `{"equals-ignore-case":"É"}`, `{"prefix":{"equals-ignore-case":"B"}}`, `{"suffix":{"equals-ignore-case":"B"}}`,
		`{"anything-but":"a"}`, `{"anything-but":["a","ab"]}`, `{"anything-but":1}`, `{"anything-but":[1,2]}`, `{"anything-but":{"prefix":"a"}}`,
		`{"anything-but":{"suffix":["b","c"]}}`, `{"anything-but":{"wildcard":"a*c"}}`, `{"anything-but":{"equals-ignore-case":["AB","ba"]}}`,
		`{"numeric":["=",1]}`, `{"numeric":[">",0]}`, `{"numeric":[">=",1,"<",2]}`, `{"numeric":["<=",-3.5]}`, `{"numeric":["<",2]}`,
		`{"cidr":"10.0.0.0/24"}`, `{"cidr":"10.0.0.0/8"}`, `{"cidr":"::/64"}`, `{"wildcard":"a*"}`, `{"wildcard":"*b*"}`, `{"wildcard":"*"}`, `{"exactly":"ab"}`,
		`{"exactly":"10.0.0.1"}`, `{"wildcard":"a*b*c"}`, `{"wildcard":"ab*bc"}`, `{"wildcard":"*ab*b*"}`, `{"numeric":[">=",2]}`, `{"numeric":[">",1]}`, `{"wildcard":"a\\*c"}`, `{"cidr":"10.0.0.5/24"}`, `{"numeric":[">",1,"<=",2]}`,
		`{"anything-but":{"prefix":["ab","c"]}}`, `{"anything-but":{"suffix":"c"}}`, `{"anything-but":{"wildcard":["*b","c*"]}}`)
}

func (g generator) alternatives() string {
	var all []string
	for range 1 + g.IntN(4) {
		if g.IntN(3) == 0 {
			all = append(all, g.value())
		} else {
			all = append(all, g.operator())
		}
	}
	return "[" + strings.Join(all, ",") + "]"
}

func (g generator) pattern(depth int) string {
	var all []string
	names := []string{"x", "y", "z", "w.v"}[:2+g.IntN(3)]
	for range 1 + g.IntN(2) {
		i := g.IntN(len(names))
		name := names[i]
		names = slices.Delete(names, i, i+1)
		if depth > 0 && g.IntN(2) == 0 {
			all = append(all, fmt.Sprintf("%q:%s", name, g.pattern(depth-1)))
		} else {
			all = append(all, fmt.Sprintf("%q:%s", name, g.alternatives()))
		}
	}
	if depth > 0 && g.IntN(5) == 0 {
		all = append(all, fmt.Sprintf(`"$or":[{"p":%s},{"q":%s}]`, g.alternatives(), g.alternatives()))
	}
	return "{" + strings.Join(all, ",") + "}"
}

func (g generator) event(depth int) string {
	var all []string
	for _, name := range []string{"x", "y", "z", "w", "v", "p", "q"} {
		if g.IntN(3) > 0 {
			all = append(all, fmt.Sprintf("%q:%s", name, g.any(depth)))
		}
	}
	return "{" + strings.Join(all, ",") + "}"
}

func (g generator) any(depth int) string {
	switch n := g.IntN(6); {
	case n < 2 && depth > 0:
		return g.event(depth - 1)
	case n < 4 && depth > 0:
		var all []string
		for range g.IntN(4) {
			all = append(all, g.any(depth-1))
		}
		return "[" + strings.Join(all, ",") + "]"
	}
	return g.value()
}

// The set, a pattern alone and a matcher that tries everything agree.
func TestMatchAgreesWithNaive(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		g := generator{rand.New(rand.NewPCG(seed, 8))}
		s := NewSet()
		patterns := map[string]*Pattern{}
		texts := map[string]string{}
		branches := map[string][][]naiveCondition{}
		for i := range 60 {
			text := g.pattern(2)
			p, err := Compile(Events, []byte(text))
			if err != nil {
				continue
			}
			id := fmt.Sprint(i)
			s.Add(id, p)
			patterns[id], texts[id], branches[id] = p, text, naiveBranches(text)
			if g.IntN(4) == 0 {
				gone := fmt.Sprint(g.IntN(i + 1))
				s.Remove(gone)
				delete(patterns, gone)
			}
		}
		if s.Len() != len(patterns) || len(patterns) < 20 {
			t.Fatalf("seed %d: %d patterns in the set, want %d", seed, s.Len(), len(patterns))
		}
		for range 60 {
			event := []byte(g.event(3))
			ids, err := s.Match(event)
			if err != nil {
				t.Fatalf("seed %d: %s: %v", seed, event, err)
			}
			n := naiveEvent(event)
			for id, p := range patterns {
				want := slices.ContainsFunc(branches[id], func(b []naiveCondition) bool { return n.match(b, nil) })
				alone, err := p.Match(event)
				if inSet := slices.Contains(ids, id); alone != want || inSet != want || err != nil {
					t.Fatalf("seed %d: %s on %s: alone %v, in the set %v, want %v (%v)", seed, texts[id], event, alone, inSet, want, err)
				}
			}
			for _, id := range ids {
				if patterns[id] == nil {
					t.Fatalf("seed %d: removed pattern %s matched", seed, id)
				}
			}
		}
	}
}
