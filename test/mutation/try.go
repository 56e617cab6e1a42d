package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// plan says what is to be done with one package.
type plan struct {
	name    string
	choose  func([]*mutant) []*mutant
	workers int
	also    []string // packages whose tests try what survives
	seeds   int      // of the simulation, against what survives all tests; 0: none
	reasons map[string]string
	known   *memory
}

// controlEvery is after how many runs the tests run without a mutant, as a control: tests
// that fail by themselves would seem to kill mutants.
const controlEvery = 50

// try runs a package's tests, and the simulation, against its mutants.
func try(ctx context.Context, p plan) (*result, error) {
	tmp, err := os.MkdirTemp("", "mutation")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	began := time.Now()
	s, err := build(p.name, tmp)
	if err != nil {
		return nil, err
	}
	chosen := p.choose(s.mutants)
	r := &result{name: p.name, reasons: p.reasons, found: len(s.mutants)}
	fmt.Printf("%s: %d of %d mutants\n", p.name, len(chosen), len(s.mutants))
	open := 0
	for _, m := range chosen {
		if p.known.of(m) == "" {
			open++
		}
	}
	var t *tests
	if open > 0 {
		if t, err = survey(s, tmp); err != nil {
			return nil, err
		}
	}
	byTest := func(m *mutant) (string, error) { return r.first(t, m) }
	if err := r.each(ctx, p, stage{settled: p.known.of, try: byTest}, chosen); err != nil {
		return nil, err
	}
	var seconds []second
	for _, pkg := range p.also {
		seconds = append(seconds, second{pkg: pkg, killed: byOthers, passed: byNothing})
	}
	if p.seeds > 0 {
		seconds = append(seconds, second{
			pkg: "test/simulation", args: []string{"-test.run=^TestSimulation$", fmt.Sprintf("-seeds=%d", p.seeds), "-failures=1"},
			killed: bySimulation, passed: everything,
		})
	}
	for _, by := range seconds {
		if err := r.later(ctx, p, s, tmp, by); err != nil {
			return nil, err
		}
	}
	r.took = time.Since(began)
	return r, nil
}

// first has the tests try a mutant.
func (r *result) first(t *tests, m *mutant) (string, error) {
	if r.runs.Add(1)%controlEvery == 0 {
		r.controls.Add(1)
		if ok, out := run(t.all.binary, t.all.dir, -1, "", 10*time.Minute, t.all.args...); !ok {
			r.failedControls.Add(1)
			fmt.Printf("%s: a control without a mutant fails:\n%s\n", r.name, out)
		}
	}
	killed, err := t.kills(m.number)
	if killed {
		return byTests, err
	}
	m.unreached = !t.reached[m.number]
	return byNothing, err
}

// stage is one way to try mutants.
type stage struct {
	settled func(*mutant) string // what is known already, or ""
	try     func(*mutant) (string, error)
	late    string // what is noted when no time is left; "": nothing
}

// each finds out what becomes of mutants.
func (r *result) each(ctx context.Context, p plan, st stage, list []*mutant) error {
	jobs := make(chan *mutant)
	var mu sync.Mutex
	var failure error
	var wg sync.WaitGroup
	for range p.workers {
		wg.Go(func() {
			for m := range jobs {
				mu.Lock()
				what, failed := st.settled(m), failure
				mu.Unlock()
				if failed != nil {
					continue
				}
				var err error
				if what == "" {
					what, err = st.try(m)
				}
				mu.Lock()
				if err != nil {
					failure = err
				} else {
					r.note(m, what)
					p.known.add(m, what)
				}
				mu.Unlock()
			}
		})
	}
	for _, m := range list {
		mu.Lock()
		late := ctx.Err() != nil && st.settled(m) == ""
		if late {
			r.untried++
			if st.late != "" {
				r.note(m, st.late)
			}
		}
		mu.Unlock()
		if late {
			continue
		}
		jobs <- m
	}
	close(jobs)
	wg.Wait()
	return failure
}

// second is a test binary that tries what survived the package's own tests, with the package's
// mutants built in.
type second struct {
	pkg    string
	args   []string
	killed string // what a mutant is that it kills
	passed string // and one that it does not
}

// later has a second suite try the survivors.
func (r *result) later(ctx context.Context, p plan, s *subject, tmp string, by second) error {
	binary := filepath.Join(tmp, strings.ReplaceAll(by.pkg, "/", "_")+".second")
	if err := s.compile(by.pkg, binary); err != nil {
		return err
	}
	dir, err := filepath.Abs(by.pkg)
	if err != nil {
		return err
	}
	all := &suite{binary: binary, dir: dir, args: by.args}
	if _, err := all.measure(""); err != nil {
		return err
	}
	survivors := r.survivors
	r.survivors = nil
	try := func(m *mutant) (string, error) {
		killed, err := all.kills(m.number)
		if killed {
			return by.killed, err
		}
		return by.passed, err
	}
	return r.each(ctx, p, stage{settled: p.known.outlived, try: try, late: byNothing}, survivors)
}
