package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// memory is what became of mutants in this run and those before. An entry holds for
// as long as the source of the mutant's function does not change.
type memory struct {
	outcome map[string]string // by a mutant's key and its function's hash
	trust   bool              // what survived is believed, too
	file    *os.File          // nil: nothing is remembered
}

// What is remembered of a mutant.
const (
	byTests      = "killed"
	byOthers     = "others"    // survived the package's tests, not those of others that use it
	bySimulation = "simulated" // survived the tests, not the simulation
	byNothing    = "survived"  // the tests
	everything   = "outlived"  // tests and simulation
)

func openMemory(path string, trust bool) (*memory, error) {
	m := &memory{outcome: map[string]string{}, trust: trust}
	if path == "" {
		return m, nil
	}
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		what, name, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		m.outcome[name] = what
	}
	m.file, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return m, err
}

func (m *memory) name(of *mutant) string { return fmt.Sprintf("%08x %s", of.hash, of.key()) }

// of is what is known of a mutant, "" when it has to be tried.
func (m *memory) of(mut *mutant) string {
	what := m.outcome[m.name(mut)]
	if (what == byNothing || what == everything) && !m.trust {
		return ""
	}
	return what
}

// outlived is of, for what follows the tests: what survived these alone has to be tried.
func (m *memory) outlived(mut *mutant) string {
	if what := m.of(mut); what == everything {
		return what
	}
	return ""
}

func (m *memory) add(mut *mutant, what string) {
	name := m.name(mut)
	if m.outcome[name] == what || m.file == nil {
		return
	}
	m.outcome[name] = what
	if _, err := fmt.Fprintln(m.file, what, name); err != nil {
		fatal(err)
	}
}
