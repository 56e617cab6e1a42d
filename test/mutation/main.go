package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	packages := flag.String("packages", "internal/queue,internal/journal,internal/lease", "packages, from the module's root, separated by commas")
	least := flag.Float64("min", 0, "fail when less than so many percent are killed in any package")
	sample := flag.Int("sample", 0, "try so many mutants of each package, 0 for all")
	seed := flag.Uint64("seed", 1, "of the sample")
	only := flag.String("only", "", "try mutants whose name contains this")
	accepted := flag.String("accepted", "test/mutation/accepted.txt", "file of mutants that change nothing that matters")
	resume := flag.String("resume", "", "file that remembers what was killed: it is not tried again, and what is killed now is added")
	budget := flag.Duration("for", 0, "begin no further run after this time; 0 for no limit")
	write := flag.String("write", "", "file to write the result to, as Markdown")
	workers := flag.Int("workers", runtime.NumCPU(), "runs at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	reasons, err := readAccepted(*accepted)
	if err != nil {
		fatal(err)
	}
	known, err := openMemory(*resume)
	if err != nil {
		fatal(err)
	}
	if *budget > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *budget)
		defer cancel()
	}
	var results []result
	for name := range strings.SplitSeq(*packages, ",") {
		choose := func(list []*mutant) []*mutant {
			list = slices.DeleteFunc(list, func(m *mutant) bool { return !strings.Contains(m.key(), *only) })
			if *sample > 0 && *sample < len(list) {
				r := rand.New(rand.NewPCG(*seed, 0))
				r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
				list = list[:*sample]
			}
			return list
		}
		r, err := try(ctx, name, choose, *workers, reasons, known)
		if err != nil {
			fatal(err)
		}
		r.print(os.Stdout)
		results = append(results, r)
	}
	if *write != "" {
		if err := os.WriteFile(*write, report(results), 0o600); err != nil {
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

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "mutation:", err)
	os.Exit(1)
}

// readAccepted reads "key | reason" lines; # begins a comment.
func readAccepted(path string) (map[string]string, error) {
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

// try runs a package's tests against its mutants.
func try(ctx context.Context, name string, choose func([]*mutant) []*mutant, workers int, reasons map[string]string, known *memory) (result, error) {
	tmp, err := os.MkdirTemp("", "mutation")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(tmp)
	s, err := build(name, tmp)
	if err != nil {
		return result{}, err
	}
	trace := filepath.Join(tmp, "trace")
	began := time.Now()
	if ok, out := s.run(-1, trace, 10*time.Minute); !ok {
		return result{}, fmt.Errorf("%s: the tests fail without a mutant:\n%s", name, out)
	}
	usual := time.Since(began)
	reached, err := readTrace(trace)
	if err != nil {
		return result{}, err
	}
	r := result{name: name, reasons: reasons}
	jobs := make(chan *mutant)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for m := range jobs {
				mu.Lock()
				killed := known.killed[m.key()]
				mu.Unlock()
				if !killed && reached[m.number] {
					ok, _ := s.run(m.number, "", 3*usual+10*time.Second)
					killed = !ok
				}
				mu.Lock()
				r.note(m, killed, reached[m.number])
				if killed {
					known.add(m.key())
				}
				mu.Unlock()
			}
		})
	}
	for _, m := range choose(s.mutants) {
		if ctx.Err() != nil {
			r.untried++
			continue
		}
		jobs <- m
	}
	close(jobs)
	wg.Wait()
	r.took = time.Since(began)
	return r, nil
}

// memory is what was killed in this run and those before.
type memory struct {
	killed map[string]bool
	file   *os.File // nil: nothing is remembered
}

func openMemory(path string) (*memory, error) {
	m := &memory{killed: map[string]bool{}}
	if path == "" {
		return m, nil
	}
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		m.killed[strings.TrimRight(line, "\n")] = true
	}
	m.file, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return m, err
}

func (m *memory) add(key string) {
	if m.killed[key] || m.file == nil {
		return
	}
	m.killed[key] = true
	if _, err := fmt.Fprintln(m.file, key); err != nil {
		fatal(err)
	}
}

// memoryKiB bounds what a mutant that runs wild may take.
const memoryKiB = 8 << 20

// run runs the tests with one mutant on, -1 for none, and reports whether they pass.
func (s *subject) run(number int, trace string, limit time.Duration) (bool, string) {
	args := []string{"-c", fmt.Sprintf("ulimit -v %d; exec \"$@\"", memoryKiB), "sh", s.binary,
		"-test.failfast", "-test.timeout=" + limit.String()}
	if s.rapid {
		// A fixed seed: what is killed today is killed tomorrow.
		args = append(args, "-rapid.checks=60", "-rapid.seed=7", "-rapid.nofailfile")
	}
	cmd := exec.Command("sh", args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "MUTANT="+strconv.Itoa(number), "MUTANT_TRACE="+trace, "GOTRACEBACK=none")
	out, err := cmd.CombinedOutput()
	return err == nil, string(out)
}

func readTrace(path string) (map[int]bool, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	out := map[int]bool{}
	for line := range strings.Lines(string(data)) {
		n, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			return nil, err
		}
		out[n] = true
	}
	return out, nil
}
