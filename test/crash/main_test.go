package crash

import (
	"context"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/waystation/waystation/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// seed is that of WAYSTATION_SEED, or a new one; it is logged.
func seed(t *testing.T) uint64 {
	t.Helper()
	s := uint64(time.Now().UnixNano())
	if given := os.Getenv("WAYSTATION_SEED"); given != "" {
		var err error
		if s, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("WAYSTATION_SEED: %v", err)
		}
	}
	t.Logf("WAYSTATION_SEED=%d", s)
	return s
}

// soak is how long the load should last, 0 if not asked for.
func soak(t *testing.T) time.Duration {
	t.Helper()
	given := os.Getenv("WAYSTATION_SOAK")
	if given == "" {
		return 0
	}
	d, err := time.ParseDuration(given)
	if err != nil {
		t.Fatalf("WAYSTATION_SOAK: %v", err)
	}
	return d
}

// gate holds the load back while the server is down.
type gate struct {
	mu   sync.Mutex // guards open
	open chan struct{}
}

func newGate() *gate {
	g := &gate{open: make(chan struct{})}
	close(g.open)
	return g
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = make(chan struct{})
}

func (g *gate) lift() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.open)
}

// wait returns once the server is up.
func (g *gate) wait(ctx context.Context) error {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	select {
	case <-open:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pause waits for d, unless ctx is over first.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
