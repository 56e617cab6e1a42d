package partition

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/jet/jetsim"
)

// TestServiceResumes: how long a client of another node waits when a partition's
// owner dies, freezes or stops, with leases as they are by default. All of it in
// virtual time, so that no busy machine has a say.
func TestServiceResumes(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(conn *jetsim.Node, owner *node) error
		most time.Duration
	}{
		{"killed", func(conn *jetsim.Node, _ *node) error { conn.Kill(); return nil }, 5 * time.Second},
		{"frozen", func(conn *jetsim.Node, _ *node) error { conn.Freeze(); return nil }, 5 * time.Second},
		{"stopped", func(_ *jetsim.Node, owner *node) error { return owner.stop() }, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for seed := range uint64(20) {
				synctest.Test(t, func(t *testing.T) {
					world := jetsim.New(jetsim.Options{Seed: seed})
					asDefault := func(name string) func(*Config) {
						return func(c *Config) { c.Node, c.Lease = name, 0 }
					}
					conns := []*jetsim.Node{world.Node("a"), world.Node("b")}
					owner := startOn(t, conns[0], asDefault("a"))
					other := startOn(t, conns[1], asDefault("b"))
					q := owner.queue("q", nil)
					time.Sleep(10*time.Second + time.Duration(seed)*97*time.Millisecond) // anywhere between two beats
					if owner.svc.local(0) == nil {
						t.Fatal("the first node does not own the partition")
					}
					other.send(q, message("before"))

					began := time.Now()
					ended := make(chan error, 1)
					go func() { ended <- tt.end(conns[0], owner) }()
					for {
						ctx, cancel := context.WithTimeout(t.Context(), time.Second)
						_, err := other.svc.Send(ctx, q, []Message{message("after")})
						cancel()
						if err == nil && other.svc.local(0) != nil {
							break
						}
						time.Sleep(10 * time.Millisecond)
						if time.Since(began) > time.Minute {
							t.Fatal("it never resumes: ", err)
						}
					}
					took := time.Since(began)
					t.Logf("seed %d: %v", seed, took)
					if took > tt.most {
						t.Errorf("seed %d: resumed after %v, want at most %v", seed, took, tt.most)
					}
					if err := <-ended; err != nil {
						t.Error(err)
					}
					for _, conn := range conns {
						conn.Kill()
					}
					_ = owner.stop() // a dead node has nothing to say
					_ = other.stop()
				})
			}
		})
	}
}
