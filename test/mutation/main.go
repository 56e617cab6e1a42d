package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
)

func main() {
	packages := flag.String("packages", "internal/queue,internal/journal,internal/lease,internal/registry,internal/partition/state,internal/partition/owner,internal/partition", "packages, from the module's root, separated by commas")
	least := flag.Float64("min", 0, "fail when less than so many percent are killed in any package")
	sample := flag.Int("sample", 0, "try so many mutants of each package, 0 for all")
	seed := flag.Uint64("seed", 1, "of the sample")
	only := flag.String("only", "", "try mutants whose name contains this")
	accepted := flag.String("accepted", "test/mutation/accepted.txt", "file of mutants that change nothing that matters")
	explained := flag.String("explained", "test/mutation/explained.txt", "file of reasons why mutants survive, by the beginning of their names")
	resume := flag.String("resume", "", "file that remembers what became of mutants: what was killed is not tried again while its function stays as it is")
	trust := flag.Bool("trust", false, "with -resume: what survived is not tried again either")
	also := flag.String("also", "", "packages, separated by commas, whose tests are run against what survives, too")
	simulate := flag.Int("simulate", 0, "run so many seeds of the simulation against what survives the tests; what fails is killed")
	budget := flag.Duration("for", 0, "begin no further run after this time; 0 for no limit")
	write := flag.String("write", "", "file to write the result to, as Markdown")
	workers := flag.Int("workers", runtime.NumCPU(), "runs at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	reasons, err := readReasons(*accepted)
	if err != nil {
		fatal(err)
	}
	explanations, err := readReasons(*explained)
	if err != nil {
		fatal(err)
	}
	known, err := openMemory(*resume, *trust)
	if err != nil {
		fatal(err)
	}
	if *budget > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *budget)
		defer cancel()
	}
	var results []*result
	for name := range strings.SplitSeq(*packages, ",") {
		choose := func(list []*mutant) []*mutant {
			list = slices.DeleteFunc(list, func(m *mutant) bool { return !strings.Contains(m.key(), *only) })
			if *sample == 0 {
				return list
			}
			return draw(list, *sample, *seed)
		}
		r, err := try(ctx, plan{name: name, choose: choose, workers: *workers, also: strings.FieldsFunc(*also, func(r rune) bool { return r == ',' }), seeds: *simulate, reasons: reasons, known: known})
		if err != nil {
			fatal(err)
		}
		r.print(os.Stdout)
		results = append(results, r)
	}
	if *write != "" {
		if err := writeReport(*write, results, explanations); err != nil {
			fatal(err)
		}
	}
	for _, r := range results {
		if r.untried > 0 {
			fatal(fmt.Errorf("%s: %d mutants were not tried", r.name, r.untried))
		}
		if r.percent() < *least {
			fatal(fmt.Errorf("%s: %.1f %% killed, want %.0f", r.name, r.percent(), *least))
		}
	}
}

// draw takes a sample. It goes by names, so that it stays mostly the same when the
// source changes.
func draw(list []*mutant, n int, seed uint64) []*mutant {
	lot := func(m *mutant) uint64 {
		h := fnv.New64a()
		fmt.Fprintf(h, "%d %s", seed, m.key())
		return h.Sum64() * 0x9e3779b97f4a7c15 // the first bytes of FNV alone spread too little
	}
	slices.SortFunc(list, func(a, b *mutant) int { return cmp.Compare(lot(a), lot(b)) })
	return list[:min(n, len(list))]
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "mutation:", err)
	os.Exit(1)
}

// readReasons reads "key | reason" lines; # begins a comment.
func readReasons(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		key, reason, ok := cut(line)
		if !ok {
			return nil, fmt.Errorf("%s: no reason in %q", path, line)
		}
		out[key] = reason
	}
	return out, nil
}

// cut parts a line at its last " | ": conditions hold bars, too.
func cut(line string) (key, reason string, ok bool) {
	at := strings.LastIndex(line, " | ")
	if at < 0 {
		return "", "", false
	}
	return line[:at], strings.TrimSpace(line[at+3:]), true
}
