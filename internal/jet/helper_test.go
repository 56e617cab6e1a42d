package jet

import (
	"bytes"
	"context"
	"testing"
	"time"
)

// open starts an embedded Conn in a folder of the test's own, or as cfg says.
func open(tb testing.TB, cfg Config) *Conn {
	tb.Helper()
	if cfg.Dir == "" && cfg.URL == "" {
		cfg.Dir = tb.TempDir()
	}
	c, err := Open(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

// external starts a server with a port, and returns it and where it is.
func external(tb testing.TB) (*Conn, string) {
	tb.Helper()
	c := open(tb, Config{Listen: "127.0.0.1:0"})
	return c, c.ListenURL()
}

func stream(tb testing.TB, c *Conn) *Stream {
	tb.Helper()
	s, err := c.Stream(tb.Context(), StreamSpec{Name: "ws_journal_0", Subject: "ws.journal.0"})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

type outcome struct {
	seq uint64
	err error
}

// start appends without waiting.
func start(s *Stream, data []byte, id string, last uint64) <-chan outcome {
	ch := make(chan outcome, 2) // room to notice a second call
	s.Append(data, id, last, func(seq uint64, err error) { ch <- outcome{seq, err} })
	return ch
}

// end waits for the outcome of an append.
func end(tb testing.TB, ch <-chan outcome) outcome {
	tb.Helper()
	select {
	case o := <-ch:
		return o
	case <-time.After(30 * time.Second):
		tb.Fatal("append was never finished")
		return outcome{}
	}
}

// fill appends entries whose data tells their sequence.
func fill(tb testing.TB, s *Stream, n, size int) {
	tb.Helper()
	last, err := s.Last(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	// A few at a time: on a busy machine many take longer than an append may.
	const atOnce = 8
	var pending []<-chan outcome
	wait := func(i int) {
		if o := end(tb, pending[i]); o.err != nil || o.seq != last+uint64(i)+1 {
			tb.Fatalf("append %d: %+v", i, o)
		}
	}
	for i := range n {
		seq := last + uint64(i) + 1
		pending = append(pending, start(s, payload(seq, size), "w", seq-1))
		if i >= atOnce {
			wait(i - atOnce)
		}
	}
	for i := max(n-atOnce, 0); i < n; i++ {
		wait(i)
	}
}

func payload(seq uint64, size int) []byte {
	return bytes.Repeat([]byte{byte(seq), byte(seq >> 8), 1, 2, 3}, size/5+1)[:size]
}

func short(tb testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	tb.Cleanup(cancel)
	return ctx
}

// pauseFor waits between two looks at what gives no signal.
func pauseFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
