package simulation

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestSoak does runs for WAYSTATION_SOAK, two at a time, from a seed that the
// clock gives, and prints where it stands now and then.
func TestSoak(t *testing.T) {
	value := os.Getenv("WAYSTATION_SOAK")
	if value == "" {
		return // asked for by make soak
	}
	length, err := time.ParseDuration(value)
	if err != nil {
		t.Fatalf("WAYSTATION_SOAK: %v", err)
	}
	began := time.Now()
	seed := uint64(began.UnixNano())
	const lot = 500
	for n := 0; time.Since(began) < length && !t.Failed(); n += lot {
		runSeeds(t, seed+uint64(n), lot)
		t.Logf("%d runs from seed %d", n+lot, seed)
	}
}

// report of a run that found something.
func (r *result) String() string { return r.plan.String() + strings.Join(r.faults, "\n") }
