package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// memoryKiB bounds what a mutant that runs wild may take.
const memoryKiB = 8 << 20

// spare is added to what tests may take: threefold the time without a mutant.
const spare = 5 * time.Second

// run runs a test binary with one mutant on, -1 for none, and reports whether its
// tests pass.
func run(binary, dir string, mutant int, trace string, limit time.Duration, args ...string) (bool, string) {
	all := append([]string{
		"-c", fmt.Sprintf("ulimit -v %d; exec \"$@\"", memoryKiB), "sh", binary,
		"-test.failfast", "-test.timeout=" + limit.String(),
	}, args...)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", all...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "MUTANT="+strconv.Itoa(mutant), "MUTANT_TRACE="+trace, "GOTRACEBACK=none")
	var out output
	if mutant >= 0 { // the first failure is enough
		out.failed = cancel
	}
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return err == nil, out.String()
}

// output gathers what tests say and calls failed when one of them has.
type output struct {
	bytes.Buffer
	failed func()
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Buffer.Write(p)
	if o.failed != nil && bytes.Contains(o.Bytes(), []byte("--- FAIL: ")) {
		o.failed()
	}
	return n, err
}

// suite is a set of tests that are run together.
type suite struct {
	binary, dir string
	args        []string
	mu          sync.Mutex
	usual       time.Duration // what it took without a mutant, at most
}

// kills reports whether the suite fails with a mutant on. A test that fails has to do so
// twice. A run that takes too long counts only when the suite, run again without a mutant,
// still takes a third of the limit at most: else it was the machine that was slow, and the
// limit is raised.
func (s *suite) kills(mutant int) (bool, error) {
	for doubted := false; ; {
		s.mu.Lock()
		limit := 3*s.usual + spare
		s.mu.Unlock()
		ok, out := run(s.binary, s.dir, mutant, "", limit, s.args...)
		if ok {
			return false, nil
		}
		if name := failedTest(out); name != "" {
			again, _ := run(s.binary, s.dir, mutant, "", limit, append(s.args[:len(s.args):len(s.args)], "-test.run=^"+name+"$")...)
			if !again || doubted {
				return true, nil
			}
			doubted = true // all once more
			continue
		}
		if !strings.Contains(out, "test timed out after") {
			return true, nil
		}
		took, err := s.measure("")
		if err != nil {
			return false, err
		}
		if 3*took <= limit {
			return true, nil
		}
	}
}

// failedTest is the first test that says that it failed.
func failedTest(out string) string {
	_, rest, ok := strings.Cut(out, "--- FAIL: ")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, " ")
	name, _, _ = strings.Cut(name, "/")
	return name
}

// measure runs the suite without a mutant, up to three times until it passes.
func (s *suite) measure(trace string) (time.Duration, error) {
	for try := 1; ; try++ {
		began := time.Now()
		ok, out := run(s.binary, s.dir, -1, trace, 10*time.Minute, s.args...)
		took := time.Since(began)
		if !ok && try < 3 {
			fmt.Printf("%s: fails without a mutant, once more:\n%s\n", filepath.Base(s.binary), out)
			continue
		}
		if !ok {
			return 0, fmt.Errorf("%s: the tests fail without a mutant:\n%s", filepath.Base(s.binary), out)
		}
		s.mu.Lock()
		s.usual = max(s.usual, took)
		s.mu.Unlock()
		return took, nil
	}
}

// tests is all that a package has for its mutants: every test, and which of them reach
// which mutant, cheapest first.
type tests struct {
	all     *suite
	reached map[int]bool
	by      map[int][]string // names of tests, by the mutant they reach
	took    map[string]time.Duration
}

// survey runs all tests together, and each alone.
func survey(s *subject, tmp string) (*tests, error) {
	var args []string
	if s.rapid {
		// A fixed seed: what is killed today is killed tomorrow.
		args = []string{"-rapid.checks=60", "-rapid.seed=7", "-rapid.nofailfile"}
	}
	t := &tests{
		all: &suite{binary: s.binary, dir: s.dir, args: args},
		by:  map[int][]string{}, took: map[string]time.Duration{},
	}
	trace := filepath.Join(tmp, "trace")
	if _, err := t.all.measure(trace); err != nil {
		return nil, err
	}
	var err error
	if t.reached, err = readTrace(trace); err != nil {
		return nil, err
	}
	_, list := run(s.binary, s.dir, -1, "", time.Minute, "-test.list=.")
	for name := range strings.FieldsSeq(list) {
		if !strings.HasPrefix(name, "Test") && !strings.HasPrefix(name, "Fuzz") && !strings.HasPrefix(name, "Example") {
			continue
		}
		trace := filepath.Join(tmp, "trace_"+name)
		one := &suite{binary: s.binary, dir: s.dir, args: append([]string{"-test.run=^" + name + "$"}, args...)}
		took, err := one.measure(trace)
		if err != nil {
			return nil, err
		}
		t.took[name] = took
		reached, err := readTrace(trace)
		if err != nil {
			return nil, err
		}
		for n := range reached {
			t.reached[n] = true
			t.by[n] = append(t.by[n], name)
		}
	}
	for _, names := range t.by {
		slices.SortFunc(names, func(a, b string) int { return int(t.took[a] - t.took[b]) })
	}
	return t, nil
}

// kills reports whether any test fails with a mutant on. The cheapest that reach it are
// asked first: most mutants end there. What survives has survived all tests together.
func (t *tests) kills(mutant int) (bool, error) {
	if !t.reached[mutant] {
		return false, nil
	}
	var few []string
	var sum time.Duration
	for _, name := range t.by[mutant] {
		if sum += t.took[name]; sum > t.all.usual/5 && len(few) > 0 {
			break
		}
		few = append(few, name)
	}
	if len(few) > 0 {
		first := &suite{
			binary: t.all.binary, dir: t.all.dir, usual: sum,
			args: append([]string{"-test.run=^(" + strings.Join(few, "|") + ")$"}, t.all.args...),
		}
		if killed, err := first.kills(mutant); killed || err != nil {
			return killed, err
		}
	}
	return t.all.kills(mutant)
}

// readTrace reads the numbers of the mutants that were reached; without a file, none was.
func readTrace(path string) (map[int]bool, error) {
	out := map[int]bool{}
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		n, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			return nil, err
		}
		out[n] = true
	}
	return out, nil
}
