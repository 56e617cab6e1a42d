package jetsim_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/waystation/waystation/internal/jet/jetsim"
	"github.com/waystation/waystation/internal/jet/jettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestConformance holds the simulated cluster to the contracts of package jet,
// as jet's own test does with NATS.
func TestConformance(t *testing.T) {
	t.Parallel()
	jettest.Run(t, func(t *testing.T) jettest.Subject {
		w := jetsim.New(jetsim.Options{Seed: 1, Disk: 1 << 30})
		a, b := w.Node("a"), w.Node("b")
		t.Cleanup(func() { a.Kill(); b.Kill() })
		return jettest.Subject{
			A: a, B: b,
			Interrupt: func() {
				for _, n := range []*jetsim.Node{a, b} {
					n.CutStore(true)
				}
				time.Sleep(5 * time.Millisecond) // nothing tells that a watch is off
				for _, n := range []*jetsim.Node{a, b} {
					n.CutStore(false)
				}
				w.Relist("bucket")
			},
			Fill: func() { w.Fill(1 << 30) }, Free: func() { w.Fill(0) },
		}
	})
}
