package pattern

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"testing"
)

var namedField = regexp.MustCompile(`[Ff]ield "([^"]+)"`)

// Explain says that an event matches if and only if it does; else it names the first
// condition that cannot be satisfied together with those before it.
func TestExplainAgreesWithNaive(t *testing.T) {
	t.Parallel()
	matched, failed := 0, 0
	for seed := range uint64(2000) {
		g := generator{rand.New(rand.NewPCG(seed, 9))}
		text := g.pattern(2)
		p, err := Compile(Events, []byte(text))
		if err != nil {
			continue
		}
		branches := naiveBranches(text)
		for range 10 {
			event := g.event(3)
			n := naiveEvent([]byte(event))
			want := slices.ContainsFunc(branches, func(b []naiveCondition) bool { return n.match(b, nil) })
			got := p.Explain([]byte(event))
			if (got == "The event matches.") != want {
				t.Fatalf("seed %d: %s on %s: %q, and it matches: %v", seed, text, event, got, want)
			}
			if want {
				matched++
				continue
			}
			failed++
			named := namedField.FindStringSubmatch(got)
			if named == nil {
				t.Fatalf("seed %d: %s on %s: %q names no field", seed, text, event, got)
			}
			if !slices.ContainsFunc(branches, func(b []naiveCondition) bool { return firstFailed(n, b) == named[1] }) {
				t.Fatalf("seed %d: %s on %s: %q, but that is the first to fail in no branch", seed, text, event, got)
			}
		}
	}
	if matched < 500 || failed < 500 {
		t.Fatalf("%d matched and %d did not: too few to say anything", matched, failed)
	}
}

// firstFailed gives the path of the first condition of a branch with which the naive
// matcher finds nothing any more, "" if there is none.
func firstFailed(n *naive, b []naiveCondition) string {
	for i := range b {
		if !n.match(b[:i+1], nil) {
			return b[i].path
		}
	}
	return ""
}
