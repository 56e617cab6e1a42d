package jet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestTwoConns has two nodes share one external server.
func TestTwoConns(t *testing.T) {
	t.Parallel()
	_, url := external(t)
	a, b := open(t, Config{URL: url, Node: "a"}), open(t, Config{URL: url, Node: "b"})
	sa, sb := stream(t, a), stream(t, b)
	ctx := short(t)

	fill(t, sa, 10, 300<<10)
	if o := end(t, start(sb, []byte("b"), "b", 9)); !errors.Is(o.err, ErrWrongSequence) {
		t.Fatalf("%+v", o)
	}
	if o := end(t, start(sb, []byte("b"), "b", 10)); o.err != nil || o.seq != 11 {
		t.Fatalf("%+v", o)
	}
	if o := end(t, start(sa, []byte("a"), "a", 10)); !errors.Is(o.err, ErrWrongSequence) {
		t.Fatalf("%+v", o)
	}
	if e, err := sa.Get(ctx, 11); err != nil || e.ID != "b" {
		t.Fatalf("%+v %v", e, err)
	}
	if s, err := a.Space(ctx); err != nil || s.Free == 0 || s.Free > s.Total {
		t.Fatalf("%+v %v", s, err)
	}

	wa := follow(t, bucket(t, a), ">")
	wa.caughtUp(t)
	if _, err := bucket(t, b).Create(ctx, "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	if e := wa.next(t); e.Key != "k" || string(e.Value) != "v" {
		t.Fatalf("%+v", e)
	}

	if _, err := a.Request(ctx, "ws.echo", []byte("?")); !errors.Is(err, ErrNoResponders) {
		t.Fatal(err)
	}
	stop, err := b.Serve("ws.echo", func(m *Incoming) {
		if err := m.Reply(append([]byte("echo "), m.Data...)); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := a.Request(ctx, "ws.echo", []byte("x")); err != nil || string(got) != "echo x" {
		t.Fatalf("%q %v", got, err)
	}
	stop()
	silent, err := b.Serve("ws.silent", func(*Incoming) {})
	if err != nil {
		t.Fatal(err)
	}
	defer silent()
	brief, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if _, err := a.Request(brief, "ws.silent", nil); !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
	if _, err := a.Request(ctx, "ws.silent", make([]byte, a.MaxPayload()+1)); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
}

// TestServerRestart takes the external server away under load and brings it
// back: every append ends, nothing acknowledged is lost, and a watch sees all.
func TestServerRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server, err := Open(t.Context(), Config{Dir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	url := server.ListenURL()
	listen := strings.TrimPrefix(url, "nats://")
	c := open(t, Config{URL: url})
	s, kv := stream(t, c), bucket(t, c)
	ctx := short(t)

	for _, key := range []string{"stays", "goes", "changes"} {
		if _, err := kv.Put(ctx, key, []byte("1")); err != nil {
			t.Fatal(err)
		}
	}
	w := follow(t, kv, ">")
	w.caughtUp(t)
	for range 3 {
		w.next(t)
	}

	var ups, downs atomic.Int32
	back, lost := make(chan struct{}, 10), make(chan struct{}, 10)
	c.OnConnection(func(up bool) {
		if up {
			ups.Add(1)
			back <- struct{}{}
		} else {
			downs.Add(1)
			lost <- struct{}{}
		}
	})

	// Appends without a pause until some fail.
	acked := uint64(0)
	go server.Close()
	for failed := false; !failed; {
		var pending []<-chan outcome
		for i := range 8 {
			pending = append(pending, start(s, payload(acked+uint64(i)+1, 5000), "w", acked+uint64(i)))
		}
		for _, ch := range pending {
			switch o := end(t, ch); {
			case o.err == nil:
				acked = o.seq
			case errors.Is(o.err, ErrUnavailable), errors.Is(o.err, ErrWrongSequence):
				failed = true
			default:
				t.Fatal(o.err)
			}
		}
	}
	<-lost
	if c.Connected() {
		t.Error("still connected")
	}
	if o := end(t, start(s, nil, "w", acked)); !errors.Is(o.err, ErrUnavailable) {
		t.Fatalf("%+v", o)
	}
	if err := server.Close(); err != nil { // waits for the first Close's work
		t.Fatal(err)
	}

	// The deletion happens while the watcher is away, and is forgotten.
	server = open(t, Config{Dir: dir})
	other := bucket(t, server)
	if _, err := other.Delete(ctx, "goes", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Put(ctx, "changes", []byte("2")); err != nil {
		t.Fatal(err)
	}
	purge := map[string]string{"filter": "$KV.ws_registry.goes"}
	if err := server.api(ctx, server.writes, "STREAM.PURGE.KV_ws_registry", purge, &struct{}{}); err != nil {
		t.Fatal(err)
	}
	server.Close()
	open(t, Config{Dir: dir, Listen: listen})

	select {
	case <-back:
	case <-ctx.Done():
		t.Fatal("never connected again")
	}
	last, err := s.Last(ctx)
	if err != nil || last < acked {
		t.Fatalf("last %d, acknowledged %d: %v", last, acked, err)
	}
	next := uint64(1)
	if err := s.Read(ctx, 1, last, func(e Entry) error {
		if e.Seq != next || !slices.Equal(e.Data, payload(next, 5000)) {
			return fmt.Errorf("entry %d is not what was appended", e.Seq)
		}
		next++
		return nil
	}); err != nil || next != last+1 {
		t.Fatal(next, last, err)
	}
	fill(t, s, 3, 10)
	if e := w.next(t); e.Key != "changes" || string(e.Value) != "2" {
		t.Fatalf("%+v", e)
	}
	if e := w.next(t); e.Key != "goes" || !e.Deleted {
		t.Fatalf("%+v", e)
	}
	if _, err := kv.Put(ctx, "after", nil); err != nil {
		t.Fatal(err)
	}
	if e := w.next(t); e.Key != "after" {
		t.Fatalf("%+v", e)
	}
}
