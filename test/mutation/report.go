package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// result is what became of a package's mutants.
type result struct {
	name    string
	reasons map[string]string // of accepted ones
	took    time.Duration
	found   int // mutants, of which a sample may have been tried
	untried int

	runs, controls, failedControls atomic.Int64

	killed    int // by the tests
	others    int // by tests of packages that use this one
	simulated int // by the simulation, and not by the tests
	survivors []*mutant
	excused   []*mutant // accepted, and not killed
	wrong     []*mutant // accepted, and killed
}

func (r *result) note(m *mutant, what string) {
	_, accepted := r.reasons[m.key()]
	killed := what == byTests || what == byOthers || what == bySimulation
	if killed && accepted {
		r.wrong = append(r.wrong, m)
	}
	switch {
	case what == byTests:
		r.killed++
	case what == byOthers:
		r.others++
	case what == bySimulation:
		r.simulated++
	case accepted:
		r.excused = append(r.excused, m)
	default:
		r.survivors = append(r.survivors, m)
	}
}

func (r *result) total() int { return r.killed + r.others + r.simulated + len(r.survivors) }

func (r *result) percent() float64 {
	if r.total() == 0 {
		return 100
	}
	return 100 * float64(r.killed+r.others+r.simulated) / float64(r.total())
}

func (r *result) print(w io.Writer) {
	order := func(a, b *mutant) int { return a.number - b.number }
	slices.SortFunc(r.survivors, order)
	slices.SortFunc(r.wrong, order)
	for _, m := range r.survivors {
		note := ""
		if m.unreached {
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
	if n := r.controls.Load(); n > 0 {
		fmt.Fprintf(w, "%s: %d of %d controls without a mutant failed\n", r.name, r.failedControls.Load(), n)
	}
	fmt.Fprintf(w, "%s: %d mutants, %d killed by tests, %d by others' tests, %d by the simulation, %.1f %%; %d more are accepted; %v\n",
		r.name, r.total(), r.killed, r.others, r.simulated, r.percent(), len(r.excused), r.took.Round(time.Second))
}

const (
	reportHead = `# Mutation testing

Each package below is altered in hundreds of small ways, one at a time, and its own unit
tests run against each; some packages have tests of those that use them, or runs of the simulation,
against what survives: what none notices shows what nobody looks at. The command
([test/mutation](../test/mutation/doc.go)) wrote this page:

    go run ./test/mutation -packages NAME -write docs/mutation.md    # one package's row
    make mutants                                                     # all, some hours

| package | mutants | by its tests | by others' | by simulation | survive | killed | accepted |
|---|---:|---:|---:|---:|---:|---:|---:|
`
	reportMiddle = `
Accepted are those that change nothing that matters, each with its reason in
[accepted.txt](../test/mutation/accepted.txt); they are not counted among the mutants. A run
that takes too long counts as killed only when the same tests without a mutant then take a third
of its time at most. A sample is drawn with seed 1.

## Survivors

By the reason why nothing looks at them ([explained.txt](../test/mutation/explained.txt)).
`
)

// writeReport writes results as Markdown, and keeps what the file says of other packages.
func writeReport(path string, results []*result, explanations map[string]string) error {
	rows, sections := map[string]string{}, map[string]string{}
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	_, survivors, _ := strings.Cut(string(old), "\n### ")
	for section := range strings.SplitSeq(survivors, "\n### ") {
		if name, text, ok := strings.Cut(section, "\n\n"); ok {
			sections[name] = strings.TrimRight(text, "\n") + "\n"
		}
	}
	for line := range strings.Lines(string(old)) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " |"); ok && sections[name] != "" {
			rows[name] = line
		}
	}
	for _, r := range results {
		rows[r.name], sections[r.name] = r.row(), r.section(explanations)
	}
	var names []string
	for name := range rows {
		names = append(names, name)
	}
	slices.Sort(names)
	var b bytes.Buffer
	b.WriteString(reportHead)
	for _, name := range names {
		b.WriteString(rows[name])
	}
	b.WriteString(reportMiddle)
	for _, name := range names {
		fmt.Fprintf(&b, "\n### %s\n\n%s", name, sections[name])
	}
	return os.WriteFile(path, b.Bytes(), 0o600)
}

func (r *result) row() string {
	size := fmt.Sprint(r.total())
	if tried := r.total() + len(r.excused); tried < r.found {
		size = fmt.Sprintf("%d (a sample: of %d)", r.total(), r.found)
	}
	return fmt.Sprintf("| %s | %s | %d | %d | %d | %d | %.1f %% | %d |\n",
		r.name, size, r.killed, r.others, r.simulated, len(r.survivors), r.percent(), len(r.excused))
}

// section lists survivors by reason.
func (r *result) section(explanations map[string]string) string {
	if len(r.survivors) == 0 {
		return "None.\n"
	}
	const none = "Not looked at yet"
	var order []string
	groups := map[string][]*mutant{}
	for _, m := range r.survivors {
		why := explain(explanations, m.key())
		if why == "" {
			why = none
		}
		if groups[why] == nil {
			order = append(order, why)
		}
		groups[why] = append(groups[why], m)
	}
	var b strings.Builder
	for i, why := range order {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s:\n\n", why)
		for _, m := range groups[why] {
			note := ""
			if m.unreached {
				note = ", never reached"
			}
			fmt.Fprintf(&b, "- `%s` in %s, %s%s: `%s`\n", strings.TrimPrefix(m.file, r.name+"/"), m.function, m.operator, note, strings.ReplaceAll(m.text, "`", "'"))
		}
	}
	return b.String()
}

// explain finds the reason under the longest beginning of a mutant's key.
func explain(explanations map[string]string, key string) string {
	longest, why := "", ""
	for start, reason := range explanations {
		if strings.HasPrefix(key, start) && len(start) >= len(longest) {
			longest, why = start, reason
		}
	}
	return why
}
