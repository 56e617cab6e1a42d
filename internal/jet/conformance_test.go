package jet_test

import (
	"testing"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/jet/jettest"
)

// TestConformance holds NATS to the contracts of Cluster, Log and Bucket, as
// jetsim's own test does with the simulated one.
func TestConformance(t *testing.T) {
	t.Parallel()
	jettest.Run(t, func(t *testing.T) jettest.Subject {
		open := func(cfg jet.Config) *jet.Conn {
			c, err := jet.Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			return c
		}
		a := open(jet.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", Node: "a"})
		b := open(jet.Config{URL: a.ListenURL(), Node: "b"})
		return jettest.Subject{A: a, B: b, Interrupt: func() {
			if err := jet.Restart(a); err != nil {
				t.Fatal(err)
			}
		}}
	})
}
