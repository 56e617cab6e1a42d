package jettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

func serve(t *testing.T, c jet.Cluster, subject string, h func(*jet.Incoming)) (stop func()) {
	t.Helper()
	stop = ok(c.Serve(subject, h))(t)
	t.Cleanup(stop)
	return stop
}

func requests(t *testing.T, s Subject) {
	ctx := within(t)
	stop := serve(t, s.B, "echo", func(m *jet.Incoming) {
		if err := m.Reply(append([]byte(m.Subject+" "), m.Data...)); err != nil {
			t.Error(err)
		}
	})
	for _, c := range []jet.Cluster{s.A, s.B} {
		for i := range 20 {
			if got := ok(c.Request(ctx, "echo", fmt.Append(nil, i)))(t); string(got) != fmt.Sprint("echo ", i) {
				t.Fatalf("%q", got)
			}
		}
	}
	stop()
	_, err := s.B.Request(ctx, "echo", nil)
	is(t, err, jet.ErrNoResponders)
}

func nobodyServes(t *testing.T, s Subject) {
	_, err := s.A.Request(within(t), "nobody", []byte("x"))
	is(t, err, jet.ErrNoResponders)
	if err := s.A.Publish("nobody", []byte("x")); err != nil {
		t.Fatal(err)
	}
}

func noAnswer(t *testing.T, s Subject) {
	heard := make(chan struct{}, 1)
	serve(t, s.B, "silent", func(*jet.Incoming) { heard <- struct{}{} })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := s.A.Request(ctx, "silent", nil)
	is(t, err, jet.ErrUnavailable)
	<-heard

	ctx, cancel = context.WithCancel(t.Context())
	go func() {
		<-heard
		cancel()
	}()
	_, err = s.A.Request(ctx, "silent", nil)
	is(t, err, context.Canceled)
	if errors.Is(err, jet.ErrUnavailable) {
		t.Errorf("%v: a cancelled request is no trouble of the store", err)
	}
}

func published(t *testing.T, s Subject) {
	const n = 100
	got := [2]chan string{make(chan string, n), make(chan string, n)}
	for i, c := range []jet.Cluster{s.A, s.B} {
		serve(t, c, "news", func(m *jet.Incoming) {
			got[i] <- string(m.Data)
			if err := m.Reply([]byte("nobody asked")); err != nil {
				t.Error(err)
			}
		})
	}
	for i := range n {
		if err := s.A.Publish("news", fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	for who, ch := range got {
		for i := range n {
			select {
			case v := <-ch:
				if v != fmt.Sprint(i) {
					t.Fatalf("node %d: %s came as number %d", who, v, i)
				}
			case <-time.After(patience):
				t.Fatalf("node %d: number %d did not come", who, i)
			}
		}
	}
}

func wildcards(t *testing.T, s Subject) {
	ctx := within(t)
	for _, pattern := range []string{"one.*.end", "all.>"} {
		serve(t, s.B, pattern, func(m *jet.Incoming) { _ = m.Reply([]byte(pattern)) })
	}
	for subject, want := range map[string]string{
		"one.x.end": "one.*.end", "one.x.y.end": "", "one.end": "", "all.x": "all.>", "all.x.y": "all.>", "all": "",
	} {
		got, err := s.A.Request(ctx, subject, nil)
		if want == "" && !errors.Is(err, jet.ErrNoResponders) || want != "" && string(got) != want {
			t.Errorf("%s: %q, %v; want %q", subject, got, err, want)
		}
	}
}

func maxPayload(t *testing.T, s Subject) {
	ctx := within(t)
	largest := s.A.MaxPayload()
	if largest < 64<<10 || s.B.MaxPayload() != largest {
		t.Fatalf("max payload: %d and %d", largest, s.B.MaxPayload())
	}
	refused := make(chan error, 1)
	serve(t, s.B, "size", func(m *jet.Incoming) {
		if len(m.Data) == 0 {
			refused <- m.Reply(make([]byte, largest+1))
			return
		}
		_ = m.Reply(m.Data)
	})
	data := bytes.Repeat([]byte{7}, largest)
	if got := ok(s.A.Request(ctx, "size", data))(t); !bytes.Equal(got, data) {
		t.Fatalf("%d bytes came back", len(got))
	}
	_, err := s.A.Request(ctx, "size", make([]byte, largest+1))
	is(t, err, jet.ErrTooLarge)
	is(t, s.A.Publish("size", make([]byte, largest+1)), jet.ErrTooLarge)
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	_, err = s.A.Request(short, "size", nil)
	is(t, err, jet.ErrUnavailable)
	is(t, <-refused, jet.ErrTooLarge)
}

func space(t *testing.T, s Subject) {
	sp := ok(s.A.Space(within(t)))(t)
	if sp.Free == 0 || sp.Free > sp.Total {
		t.Fatalf("%+v", sp)
	}
}
