package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// result is what became of a package's mutants.
type result struct {
	name    string
	reasons map[string]string // of accepted ones
	took    time.Duration
	untried int

	killed    int
	survivors []*mutant
	unreached map[int]bool
	excused   []*mutant // accepted, and not killed
	wrong     []*mutant // accepted, and killed
}

func (r *result) note(m *mutant, killed, reached bool) {
	_, ok := r.reasons[m.key()]
	switch {
	case killed && ok:
		r.wrong = append(r.wrong, m)
		r.killed++
	case killed:
		r.killed++
	case ok:
		r.excused = append(r.excused, m)
	default:
		r.survivors = append(r.survivors, m)
		if !reached {
			if r.unreached == nil {
				r.unreached = map[int]bool{}
			}
			r.unreached[m.number] = true
		}
	}
}

func (r *result) total() int { return r.killed + len(r.survivors) }

func (r *result) percent() float64 {
	if r.total() == 0 {
		return 100
	}
	return 100 * float64(r.killed) / float64(r.total())
}

func (r *result) print(w io.Writer) {
	order := func(a, b *mutant) int { return a.number - b.number }
	slices.SortFunc(r.survivors, order)
	slices.SortFunc(r.wrong, order)
	for _, m := range r.survivors {
		note := ""
		if r.unreached[m.number] {
			note = " (never reached)"
		}
		fmt.Fprintf(w, "survives  %s:%d  %s%s\n", m.file, m.line, m.key(), note)
	}
	for _, m := range r.wrong {
		fmt.Fprintf(w, "accepted, but killed: %s\n", m.key())
	}
	if r.untried > 0 {
		fmt.Fprintf(w, "%s: %d were not tried\n", r.name, r.untried)
	}
	fmt.Fprintf(w, "%s: %d of %d mutants killed, %.1f %%; %d more are accepted; %v\n",
		r.name, r.killed, r.total(), r.percent(), len(r.excused), r.took.Round(time.Second))
}

// report is the result for people, in Markdown.
func report(results []result) []byte {
	var b bytes.Buffer
	b.WriteString(`# Mutation testing

Each package below is altered in hundreds of small ways, one at a time, and its own unit
tests run against each; what they do not notice shows what nobody looks at. The command
(` + "`make mutants`" + `) is described in [test/mutation](../test/mutation/doc.go); it wrote this page.

| package | mutants | killed | | accepted |
|---|---:|---:|---:|---:|
`)
	for _, r := range results {
		fmt.Fprintf(&b, "| %s | %d | %d | %.1f %% | %d |\n", r.name, r.total(), r.killed, r.percent(), len(r.excused))
	}
	b.WriteString(`
Accepted are those that change nothing that matters, each with its reason in
[accepted.txt](../test/mutation/accepted.txt); they are not counted among the mutants.

## Survivors
`)
	for _, r := range results {
		fmt.Fprintf(&b, "\n### %s\n\n", r.name)
		if len(r.survivors) == 0 {
			b.WriteString("None.\n")
		}
		for _, m := range r.survivors {
			note := ""
			if r.unreached[m.number] {
				note = ", never reached"
			}
			fmt.Fprintf(&b, "- `%s` in %s, %s%s: `%s`\n", strings.TrimPrefix(m.file, r.name+"/"), m.function, m.operator, note, strings.ReplaceAll(m.text, "`", "'"))
		}
	}
	return b.Bytes()
}
