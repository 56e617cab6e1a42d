// Command mutants shows that the simulation has teeth: it puts faults into the
// source, one by one, and runs the simulation, which has to find each.
//
//	go run ./test/simulation/mutants                      all, as many seeds as CI
//	go run ./test/simulation/mutants -only "one fence"    those with these words
//	go run ./test/simulation/mutants -write docs/simulation.md
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
	seeds = flag.Int("seeds", 2000, "how many runs may be needed to find a fault")
	only  = flag.String("only", "", "only faults whose name has these words")
	trust = flag.Bool("trust", false, "don't run the simulation as it is first")
	write = flag.String("write", "", "Markdown file whose table is replaced by the result")
	limit = flag.Duration("limit", 10*time.Minute, "for one fault; one with which a run goes on for half of it is found thereby")
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
	var list []outcome
	missed := 0
	for _, m := range mutants {
		if !strings.Contains(m.name, *only) {
			continue
		}
		o, err := try(root, dir, m)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
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
	if missed > 0 {
		return fmt.Errorf("%d of %d faults were not found", missed, len(list))
	}
	log.Printf("all %d faults were found", len(list))
	return nil
}

// try builds the simulation with a fault and runs it.
func try(root, dir string, m mutant) (outcome, error) {
	began := time.Now()
	source, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		return outcome{}, err
	}
	if n := strings.Count(string(source), m.old); n != 1 && m.old != "" {
		return outcome{}, fmt.Errorf("the text to be replaced stands %d times in %s", n, m.file)
	}
	changed := filepath.Join(dir, "changed.go")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(source), m.old, m.new, 1)), 0o600); err != nil {
		return outcome{}, err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(root, m.file): changed}})
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
	cmd := exec.Command(binary, "-test.run", "TestSimulation", "-test.timeout", limit.String(), "-seeds", strconv.Itoa(*seeds), "-failures", "1")
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
		log.Printf("not enough time: give more by -limit: %s", m.name)
		return o, nil
	}
	o.seed, o.shown = first(string(out))
	return o, nil
}

var (
	failedRun = regexp.MustCompile(`--- FAIL: TestSimulation/seeds/(\d+)`)
	saidFault = regexp.MustCompile(`(?m)^ +(?:[0-9hms.]+: |linear\.fifo, )(.*)$`)
	goingOn   = regexp.MustCompile(`(?m)^\s+TestSimulation/seeds/(\d+) \((\S+)\)$`)
	numbers   = regexp.MustCompile(`\b\d+\.\d+\b`)
)

// first is the seed of a failed run and what was found in it.
func first(out string) (seed, fault string) {
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

func publish(file string, list []outcome) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no lines %q and %q", file, begin, end)
	}
	var b strings.Builder
	b.WriteString(before + begin + "\n\n| fault | was real once | file | found by seed | as |\n|---|---|---|---|---|\n")
	for _, o := range list {
		real := ""
		if o.known {
			real = "yes"
		}
		if o.seed == "" {
			o.seed, o.shown = fmt.Sprintf("**not in %d runs**", *seeds), ""
		}
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s | %s |\n", o.name, real, o.file, o.seed, strings.ReplaceAll(o.shown, "|", "\\|"))
	}
	b.WriteString("\n" + end + after)
	return os.WriteFile(file, []byte(b.String()), 0o600)
}
