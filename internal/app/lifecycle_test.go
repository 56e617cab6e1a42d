package app

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// diary notes what happened in which order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(s string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, s)
}

func (d *diary) want(t *testing.T, lines ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !reflect.DeepEqual(d.lines, lines) {
		t.Fatalf("happened:\n  %s\nwant:\n  %s", strings.Join(d.lines, "\n  "), strings.Join(lines, "\n  "))
	}
}

// calm is a service that runs until it is stopped.
func calm(d *diary, name string, needs ...string) service {
	return service{name: name, needs: needs, open: func(context.Context) (opened, error) {
		d.note("open " + name)
		ready := make(chan struct{})
		return opened{
			run: func(ctx context.Context) error {
				close(ready)
				<-ctx.Done()
				d.note("stop " + name)
				return nil
			},
			ready: ready, gate: true,
			close: func() error { d.note("close " + name); return nil },
		}, nil
	}}
}

func TestStopsInReverse(t *testing.T) {
	t.Parallel()
	d := &diary{}
	g := newGroup(slog.New(slog.DiscardHandler))
	if err := g.start(t.Context(), []service{calm(d, "a"), calm(d, "b", "a"), calm(d, "c", "a", "b")}); err != nil {
		t.Fatal(err)
	}
	if err := g.ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(g.stop(), g.stop()); err != nil {
		t.Fatal(err)
	}
	d.want(t, "open a", "open b", "open c", "stop c", "close c", "stop b", "close b", "stop a", "close a")
}

func TestOpeningFailureStopsWhatWasOpened(t *testing.T) {
	t.Parallel()
	d := &diary{}
	g := newGroup(slog.New(slog.DiscardHandler))
	broken := errors.New("broken")
	err := g.start(t.Context(), []service{calm(d, "a"), {name: "b", open: func(context.Context) (opened, error) { return opened{}, broken }}, calm(d, "c")})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "b: broken") {
		t.Fatalf("error %v", err)
	}
	d.want(t, "open a", "stop a", "close a")
}

func TestFailureWhileStartingIsToldOnce(t *testing.T) {
	t.Parallel()
	g := newGroup(slog.New(slog.DiscardHandler))
	broken := errors.New("broken")
	err := g.start(t.Context(), []service{{name: "a", open: func(context.Context) (opened, error) {
		return opened{run: func(context.Context) error { return broken }, ready: make(chan struct{}), gate: true}, nil
	}}})
	if err == nil || err.Error() != "a: broken" {
		t.Fatalf("error %v", err)
	}
}

func TestFailureWhileRunning(t *testing.T) {
	t.Parallel()
	for name, result := range map[string]error{"error": errors.New("disk gone"), "silent end": nil} {
		d := &diary{}
		g := newGroup(slog.New(slog.DiscardHandler))
		fail := make(chan struct{})
		err := g.start(t.Context(), []service{calm(d, "a"), {name: "b", open: func(context.Context) (opened, error) {
			return opened{run: func(context.Context) error { <-fail; return result }}, nil
		}}})
		if err != nil {
			t.Fatal(name, err)
		}
		close(fail)
		err = <-g.failed
		if !strings.HasPrefix(err.Error(), "b: ") || result != nil && !errors.Is(err, result) {
			t.Fatalf("%s: %v", name, err)
		}
		if err := g.stop(); err != nil {
			t.Fatalf("%s: told twice: %v", name, err)
		}
		d.want(t, "open a", "stop a", "close a")
	}
}

func TestCancelWhileWaitingAtTheGate(t *testing.T) {
	t.Parallel()
	g := newGroup(slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	err := g.start(ctx, []service{{name: "a", open: func(context.Context) (opened, error) {
		cancel()
		return opened{run: func(ctx context.Context) error { <-ctx.Done(); return nil }, ready: make(chan struct{}), gate: true}, nil
	}}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
}

func TestTableOrder(t *testing.T) {
	t.Parallel()
	none := func(context.Context) (opened, error) { return opened{}, nil }
	for name, table := range map[string][]service{
		"need after":   {{name: "a", needs: []string{"b"}, open: none}, {name: "b", open: none}},
		"need missing": {{name: "a", needs: []string{"b"}, open: none}},
		"twice":        {{name: "a", open: none}, {name: "a", open: none}},
	} {
		if checkTable(table) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
