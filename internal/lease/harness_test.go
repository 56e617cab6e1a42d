package lease

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// node is a Keeper that runs in a bubble of virtual time.
type node struct {
	*Keeper
	link *link
	stop func() error // and wait
	done chan error   // Run's
	logs *logs

	mu       sync.Mutex
	serving  map[uint32]int // partitions that are served, and how often they were
	total    map[uint32]int
	observer bool
	serve    func(ctx context.Context, p uint32, ready func(func() uint64)) error // nil: serves well
}

// startKeeper runs a Keeper and waits until all is still.
func startKeeper(t *testing.T, c *fakeCluster, name, runName string, count uint32, change func(*node)) *node {
	t.Helper()
	n := &node{
		link: &link{fakeCluster: c}, serving: make(map[uint32]int), total: make(map[uint32]int),
		done: make(chan error, 1), logs: &logs{},
	}
	if change != nil {
		change(n)
	}
	var err error
	n.Keeper, err = New(Config{Cluster: n.link, Node: name, Run: runName, Count: count, TTL: ttl, Serve: n.run, Observer: n.observer, Logger: slog.New(n.logs)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { n.done <- n.Run(ctx) }()
	n.stop = sync.OnceValue(func() error { cancel(); return <-n.done })
	t.Cleanup(func() { _ = n.stop() })
	synctest.Wait()
	return n
}

func (n *node) run(ctx context.Context, p uint32, ready func(func() uint64)) error {
	n.mu.Lock()
	n.total[p]++
	serve := n.serve
	n.mu.Unlock()
	if serve != nil {
		return serve(ctx, p, ready)
	}
	return n.serveWell(ctx, p, ready)
}

func (n *node) serveWell(ctx context.Context, p uint32, ready func(func() uint64)) error {
	n.mu.Lock()
	n.serving[p]++
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.serving[p]--; n.serving[p] == 0 {
			delete(n.serving, p)
		}
	}()
	ready(func() uint64 {
		if ctx.Err() != nil {
			return uint64(200 + p) // something was appended at last
		}
		return uint64(100 + p)
	})
	<-ctx.Done()
	return nil
}

// ended is what Run returned, and fails the test if it goes on.
func (n *node) ended(t *testing.T) error {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-n.done:
		n.done <- err
		return err
	default:
		t.Fatalf("%s goes on", n.cfg.Node)
		return nil
	}
}

// logs counts log lines by their text.
type logs struct {
	mu    sync.Mutex
	lines map[string]int
}

func (l *logs) Enabled(context.Context, slog.Level) bool { return true }

func (l *logs) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l *logs) WithGroup(string) slog.Handler { return l }

func (l *logs) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines == nil {
		l.lines = make(map[string]int)
	}
	l.lines[r.Level.String()+" "+r.Message]++
	return nil
}

// want checks how often lines that begin so were written.
func (l *logs) want(t *testing.T, begin string, n int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	got := 0
	for line, times := range l.lines {
		if strings.HasPrefix(line, begin) {
			got += times
		}
	}
	if got != n {
		t.Errorf("%q is logged %d times, want %d; there are %v", begin, got, n, l.lines)
	}
}

func (n *node) serves() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.TrimPrefix(fmt.Sprint(n.serving), "map")
}

func (n *node) tries(p uint32) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.total[p]
}

func (n *node) want(t *testing.T, serves string) {
	t.Helper()
	synctest.Wait()
	if got := n.serves(); got != serves {
		t.Errorf("%s serves %s, want %s", n.cfg.Node, got, serves)
	}
}
