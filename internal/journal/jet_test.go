package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

var _ Log = (*jet.Stream)(nil)

// newStream is a stream of an embedded server in a folder that the test owns.
func newStream(t testing.TB) *jet.Stream {
	t.Helper()
	conn, err := jet.Open(context.Background(), jet.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := conn.Stream(context.Background(), jet.StreamSpec{Name: "journal", Subject: "journal"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOnJetStream(t *testing.T) {
	t.Parallel()
	stream := newStream(t)
	o := start(t, stream)
	var mu sync.Mutex
	var order []string
	var places []Pos
	var wg sync.WaitGroup
	for c := range 32 {
		wg.Go(func() {
			for i := range 100 {
				rec := fmt.Sprintf("%d/%d %s", c, i, strings.Repeat("x", 500))
				mu.Lock()
				pos, commit, err := o.Append([]byte(rec))
				order, places = append(order, rec), append(places, pos)
				mu.Unlock()
				if err == nil {
					err = commit.Wait(t.Context())
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()

	// A second owner sees it all, and the first finds out.
	next := start(t, stream, func(c *Config) { c.MaxAppend, c.CacheBytes = 64<<10, 1<<20 })
	if !slices.Equal(next.replayed, order) || !slices.Equal(next.places, places) {
		t.Fatal("replay brought something else")
	}
	if err := outcome(t, o.Barrier()); !errors.Is(err, ErrFenced) {
		t.Fatalf("the former owner's barrier: %v", err)
	}
	for i, pos := range places {
		got, err := next.Read(t.Context(), pos, len(order[i]))
		if err != nil || string(got) != order[i] {
			t.Fatalf("record %d: %.20q, %v", i, got, err)
		}
	}
	big := strings.Repeat("y", 4<<20)
	pos, commit := next.add(t, big)
	next.Retain(pos.Append, 1, len(big))
	durable(t, commit)
	if err := next.close(t); err != nil {
		t.Fatal(err)
	}
	last := start(t, stream, quickTrim)
	if n := len(last.replayed); n != len(order)+1 || last.replayed[n-1] != big {
		t.Fatalf("replayed %d", n)
	}
	// Nothing is retained: all but the last append goes.
	durable(t, last.Barrier())
	eventually(t, "the log is trimmed", func() bool {
		first, end, err := stream.Bounds(t.Context())
		return err == nil && first == end
	})
	pos, commit = last.add(t, "after trimming")
	durable(t, commit)
	if got, err := last.Read(t.Context(), pos, 5); err != nil || string(got) != "after" {
		t.Fatalf("%q, %v", got, err)
	}
}

// unreliable loses appends and answers on their way to a stream.
type unreliable struct {
	*jet.Stream
	mu    sync.Mutex
	count int
}

func (l *unreliable) Append(data []byte, id string, expect uint64, done func(uint64, error)) {
	l.mu.Lock()
	l.count++
	n := l.count
	l.mu.Unlock()
	switch {
	case n%7 == 0:
		go done(0, jet.ErrUnavailable)
	case n%5 == 0:
		l.Stream.Append(data, id, expect, func(uint64, error) { done(0, jet.ErrUnavailable) })
	default:
		l.Stream.Append(data, id, expect, done)
	}
}

func TestUnreliableJetStream(t *testing.T) {
	t.Parallel()
	stream := newStream(t)
	o := start(t, &unreliable{Stream: stream}, func(c *Config) { c.MaxInFlight, c.MaxAppend = MaxInFlightLimit, 1<<10 })
	var want []string
	var last *Commit
	for i := range 500 {
		rec := fmt.Sprintf("%d %s", i, strings.Repeat("x", 200))
		want = append(want, rec)
		_, last = o.add(t, rec)
		if i%20 == 0 {
			durable(t, last)
		}
	}
	durable(t, last)
	if err := o.close(t); err != nil {
		t.Fatal(err)
	}
	if got := replayOf(t, stream); !slices.Equal(got, want) {
		t.Fatalf("%d records replayed of %d", len(got), len(want))
	}
}

// TestTakeOversOnJetStream has owners claim a log from one another under load.
func TestTakeOversOnJetStream(t *testing.T) {
	t.Parallel()
	stream := newStream(t)
	var all []*witness
	var seen []string
	var wg sync.WaitGroup
	for range 6 {
		o := prepare(t, stream, func(c *Config) { c.MaxInFlight, c.MaxAppend = MaxInFlightLimit, 2<<10 })
		if err := o.claim(t); err != nil {
			t.Fatal(err)
		}
		check(t, all, seen, o.replayed, false)
		seen = o.replayed
		w := &witness{owner: o}
		all = append(all, w)
		w.run(t)
		wg.Go(func() { w.work(t, 100000, func(n int) int { return int(time.Now().UnixNano()>>8) % n }) })
		eventually(t, "it has appended", func() bool { return o.Stats().Records > 200 })
	}
	last := prepare(t, stream)
	if err := last.claim(t); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	check(t, all, seen, last.replayed, true)
}
