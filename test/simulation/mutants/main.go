// Command mutants shows that the simulation has teeth: it puts faults into the
// source, one by one, and runs the simulation, which has to find each.
//
//	go run ./test/simulation/mutants                      all, as many seeds as CI
//	go run ./test/simulation/mutants -only "one fence"    those with these words
//	go run ./test/simulation/mutants -write docs/simulation.md
//	go run ./test/simulation/mutants -write docs/simulation.md -missing
//
// The last one goes on where the table has no row yet: all of it takes an hour.
//
// The source is not touched: go build -overlay shows the compiler another file. It
// fails when a fault is not found, when a text to be replaced is not there exactly
// once, or when what comes of it does not compile.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	seeds   = flag.Int("seeds", 2000, "how many runs may be needed to find a fault")
	first   = flag.Uint64("seed", 1, "seed of the first run")
	plan    = flag.String("plan", "", "only runs of this special plan, to try one out")
	only    = flag.String("only", "", "only faults whose name has these words")
	trust   = flag.Bool("trust", false, "don't run the simulation as it is first")
	write   = flag.String("write", "", "Markdown file whose table is replaced by the result")
	missing = flag.Bool("missing", false, "only faults of which the file has no row")
	limit   = flag.Duration("limit", 10*time.Minute, "for one fault; one with which a run goes on for half of it is found thereby")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

// outcome of one mutant.
type outcome struct {
	unfinished bool // the time was over before all runs
	mutant
	seed  string // of the first run that failed; "" when none did
	shown string // what was said
	took  time.Duration
}

func run() error {
	root, err := filepath.Abs(".")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// Runs that fail anyway show nothing.
	if *trust {
		log.Print("without a look at what fails anyway")
	} else if o, err := try(root, dir, mutant{name: "none", file: mutants[0].file}); err != nil {
		return err
	} else if o.seed != "" {
		return fmt.Errorf("without any fault the run of seed %s fails: %s", o.seed, o.shown)
	}
	var published []byte
	if *missing {
		if published, err = os.ReadFile(*write); err != nil {
			return err
		}
	}
	var list []outcome
	missed, unfinished := 0, 0
	for _, m := range mutants {
		if !strings.Contains(m.name, *only) || *missing && strings.Contains(string(published), "| "+m.name+" | ") {
			continue
		}
		o, err := try(root, dir, m)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		if o.unfinished {
			unfinished++
			log.Printf("not enough time in %v, give more by -limit: %s", o.took.Round(time.Second), m.name)
			continue // it says nothing, so the table does not either
		}
		if o.seed == "" {
			missed++
			log.Printf("NOT FOUND in %d runs (%v): %s", *seeds, o.took.Round(time.Second), m.name)
		} else {
			log.Printf("found by seed %s (%v): %s: %s", o.seed, o.took.Round(time.Second), m.name, o.shown)
		}
		list = append(list, o)
		if *write != "" { // each time: it may be a long way to the last
			if err := publish(*write, list); err != nil {
				return err
			}
		}
	}
	if missed > 0 || unfinished > 0 {
		return fmt.Errorf("%d of %d faults were not found, %d more had not enough time", missed, len(list), unfinished)
	}
	log.Printf("all %d faults were found", len(list))
	return nil
}

// try builds the simulation with a fault and runs it.
func try(root, dir string, m mutant) (outcome, error) {
	began := time.Now()
	overlay, err := m.overlay(root, dir)
	if err != nil {
		return outcome{}, err
	}
	overlayFile, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "simulation.test")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		return outcome{}, err
	}
	build := exec.Command("go", "test", "-c", "-vet=off", "-overlay", overlayFile, "-o", binary, "./test/simulation")
	if out, err := build.CombinedOutput(); err != nil {
		return outcome{}, fmt.Errorf("it does not compile: %w\n%s", err, out)
	}
	cmd := exec.Command(binary, "-test.run", "TestSimulation", "-test.timeout", limit.String(), "-failures", "1",
		"-seed", strconv.FormatUint(*first, 10), "-seeds", strconv.Itoa(*seeds), "-plan", *plan)
	out, err := cmd.CombinedOutput()
	o := outcome{mutant: m, took: time.Since(began)}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return o, nil
	case !errors.As(err, &exit):
		return o, err
	}
	if strings.Contains(string(out), "panic: test timed out") {
		for _, m := range goingOn.FindAllStringSubmatch(string(out), -1) {
			if d, err := time.ParseDuration(m[2]); err == nil && d > *limit/2 {
				o.seed, o.shown = m[1], "the run does not end"
				return o, nil
			}
		}
		o.unfinished = true
		return o, nil
	}
	o.seed, o.shown = found(string(out))
	return o, nil
}

// overlay writes the changed files into dir and describes them to go build.
func (m *mutant) overlay(root, dir string) ([]byte, error) {
	text := make(map[string]string) // by file
	for _, e := range m.edits() {
		if _, ok := text[e.file]; !ok {
			b, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				return nil, err
			}
			text[e.file] = string(b)
		}
		if n := strings.Count(text[e.file], e.old); n != 1 && e.old != "" {
			return nil, fmt.Errorf("the text to be replaced stands %d times in %s", n, e.file)
		}
		text[e.file] = strings.Replace(text[e.file], e.old, e.new, 1)
	}
	replace := make(map[string]string)
	for file, t := range text {
		changed := filepath.Join(dir, strconv.Itoa(len(replace))+".go")
		if err := os.WriteFile(changed, []byte(t), 0o600); err != nil {
			return nil, err
		}
		replace[filepath.Join(root, file)] = changed
	}
	return json.Marshal(map[string]map[string]string{"Replace": replace})
}

var (
	failedRun = regexp.MustCompile(`--- FAIL: TestSimulation/seeds/(\d+)`)
	saidFault = regexp.MustCompile(`(?m)^ +(?:[0-9hms.]+: |linear\.fifo, )(.*)$`)
	goingOn   = regexp.MustCompile(`(?m)^\s+TestSimulation/seeds/(\d+) \((\S+)\)$`)
	numbers   = regexp.MustCompile(`\b\d+\.\d+\b`)
)

// found is the seed of a failed run and what was found in it.
func found(out string) (seed, fault string) {
	seed, fault = "?", "the process ended"
	if m := failedRun.FindStringSubmatch(out); m != nil {
		seed = m[1]
	}
	if m := saidFault.FindStringSubmatch(out); m != nil {
		fault = numbers.ReplaceAllString(m[1], "…")
	} else if i := strings.Index(out, "panic: "); i >= 0 {
		fault, _, _ = strings.Cut(out[i:], "\n")
	}
	if len(fault) > 110 {
		fault = fault[:110] + "…"
	}
	return seed, fault
}

// The table stands between these lines.
const (
	begin = "<!-- mutants: begin -->"
	end   = "<!-- mutants: end -->"
)

// publish puts the outcomes into the table of a file. Rows of other mutants stay.
func publish(file string, list []outcome) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), begin)
	table, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no lines %q and %q", file, begin, end)
	}
	rows := make(map[string]string) // by the mutant's name
	for line := range strings.Lines(table) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " | "); ok {
			rows[name] = line
		}
	}
	for i := range list {
		rows[list[i].name] = list[i].row()
	}
	var b strings.Builder
	b.WriteString(before + begin + "\n\n| fault | was real once | file | found by seed | as |\n|---|---|---|---|---|\n")
	for i := range mutants {
		b.WriteString(rows[mutants[i].name])
	}
	b.WriteString("\n" + end + after)
	return os.WriteFile(file, []byte(b.String()), 0o600)
}

// row of the table.
func (o *outcome) row() string {
	real, seed, shown := "", o.seed, o.shown
	if o.known {
		real = "yes"
	}
	if seed == "" {
		seed, shown = fmt.Sprintf("**not in %d runs**", *seeds), ""
	}
	return fmt.Sprintf("| %s | %s | `%s` | %s | %s |\n", o.name, real, o.file, seed, strings.ReplaceAll(shown, "|", "\\|"))
}
