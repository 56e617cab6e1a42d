package owner_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/queue"
	"github.com/waystation/waystation/internal/registry"
)

// Refused requests leave no trace in the account of what waits.
func TestRefusalsAreAccountedFor(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.limits.MaxRequests, c.limits.MaxRequestBytes = 2, 1000
	q := c.defs.define(7, 0, nil)
	o := c.start(0)
	small := owner.PostIn{Items: []owner.PostItem{{Payload: payload("x"), Targets: []owner.PostTarget{to(q, nil)}}}}
	big := owner.PostIn{Items: []owner.PostItem{{Payload: make([]byte, 2000), Targets: []owner.PostTarget{to(q, nil)}}}}
	for range 50 {
		if _, err := o.Post(t.Context(), big); !errors.Is(err, owner.ErrBusy) {
			t.Fatalf("more bytes than may wait: %v", err)
		}
	}
	if n, b := o.Admitted(); n != 0 || b != 0 {
		t.Fatalf("%d requests of %d bytes are accounted for, none waits", n, b)
	}
	// Many at once: some are refused for their number.
	done := make(chan error)
	for range 200 {
		go func() {
			_, err := o.Post(context.Background(), small)
			done <- err
		}()
	}
	refused := 0
	for range 200 {
		if err := <-done; errors.Is(err, owner.ErrBusy) {
			refused++
		} else if err != nil {
			t.Error(err)
		}
	}
	if n, b := o.Admitted(); n != 0 || b != 0 || refused == 0 {
		t.Errorf("%d requests of %d bytes are accounted for after %d refusals", n, b, refused)
	}
}

// A fenced owner does not even refuse from its old state.
func TestFencedOwnerRefusesNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.limits.MaxInFlight = 1
	q := c.defs.define(7, 0, nil)
	o := c.start(0)
	c.post(o, "x", to(q, nil))
	c.post(o, "y", to(q, nil))
	if _, err := o.Purge(t.Context(), owner.QueueIn{Queue: ref(q)}); err != nil {
		t.Fatal(err)
	}
	if _, err := o.StartMove(t.Context(), owner.StartMoveIn{Queue: ref(q), Task: state.Task{ID: "t", Destination: q.ARN()}}); err != nil {
		t.Fatal(err)
	}
	c.post(o, "x", to(q, nil))
	c.post(o, "y", to(q, nil))
	c.receive(o, q, 3600)

	log, err := c.node.Log(t.Context(), jet.StreamSpec{Name: "journal_0", Subject: "journal.0"})
	if err != nil {
		t.Fatal(err)
	}
	ops := map[string]func() error{
		"purge": func() error { _, err := o.Purge(t.Context(), owner.QueueIn{Queue: ref(q)}); return err },
		"cancel move": func() error {
			_, err := o.CancelMove(t.Context(), owner.CancelMoveIn{Queue: ref(q), ID: "none"})
			return err
		},
		"receive": func() error {
			_, err := o.Receive(t.Context(), owner.ReceiveIn{Queue: ref(q), Max: 1})
			return err
		},
	}
	for name, op := range ops {
		if err := op(); err == nil || errors.Is(err, owner.ErrUnavailable) || errors.Is(err, owner.ErrNotOwner) {
			t.Fatalf("%s before the fence: %v, want a refusal", name, err)
		}
	}
	other, err := journal.New(journal.Config{Log: log, Writer: "other"})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Claim(t.Context(), func(journal.Pos, []byte) error { return nil }, nil); err != nil {
		t.Fatal(err)
	}
	for name, op := range ops {
		if err := op(); !errors.Is(err, owner.ErrUnavailable) && !errors.Is(err, owner.ErrNotOwner) {
			t.Errorf("%s: the former owner answers %v", name, err)
		}
	}
}

// A receive takes no more than fits its answer; the rest is not touched.
func TestReceiveByBytes(t *testing.T) {
	t.Parallel()
	for _, fifo := range []bool{false, true} {
		c := newCluster(t)
		q := c.defs.define(7, 0, func(q *registry.Queue) { q.FIFO = fifo })
		o := c.start(0)
		for range 10 {
			c.post(o, strings.Repeat("x", 100_000), to(q, func(p *owner.PostTarget) { p.Group = "g" }))
		}
		out, err := o.Receive(t.Context(), owner.ReceiveIn{Queue: ref(q), Max: 10, MaxBytes: 350_000, Visibility: 30})
		if err != nil || len(out.Messages) != 3 {
			t.Fatalf("fifo %v: received %d, %v; want the 3 that fit", fifo, len(out.Messages), err)
		}
		c.want(o, q, 7, 3, 0)
		c.remove(o, ref(q), out.Messages...)
		out, err = o.Receive(t.Context(), owner.ReceiveIn{Queue: ref(q), Max: 10, MaxBytes: 10, Visibility: 30})
		if err != nil || len(out.Messages) != 1 || out.Messages[0].Receipt.Receive != 1 {
			t.Fatalf("fifo %v: received %d, %v; want one, however large", fifo, len(out.Messages), err)
		}
	}
}

// Posts stop first, receives before they use up what is left; deletes, purges and
// rewriting go on.
func TestSpace(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	q := c.defs.define(7, 0, nil)
	o := c.start(0)
	for range 3 {
		c.post(o, "x", to(q, nil))
	}
	in := owner.PostIn{Items: []owner.PostItem{{Payload: payload("y"), Targets: []owner.PostTarget{to(q, nil)}}}}
	receive := owner.ReceiveIn{Queue: ref(q), Max: 1, Visibility: 30}
	c.space.Set(owner.SpaceShort, 0)
	o.SpaceChanged()
	if _, err := o.Post(t.Context(), in); !errors.Is(err, owner.ErrFull) {
		t.Errorf("a post while space is short: %v", err)
	}
	got, err := o.Receive(t.Context(), receive)
	if err != nil || len(got.Messages) != 1 {
		t.Fatalf("a receive while space is short: %v", err)
	}
	// A poll that waits takes nothing either, when space has come to its end.
	poll := make(chan error, 1)
	c.space.Set(owner.SpaceEnd, 0)
	o.SpaceChanged()
	go func() {
		_, err := o.Receive(context.Background(), owner.ReceiveIn{Queue: ref(q), Max: 1, Wait: time.Second})
		poll <- err
	}()
	if _, err := o.Receive(t.Context(), receive); !errors.Is(err, owner.ErrFull) {
		t.Errorf("a receive when space is at its end: %v", err)
	}
	if err := <-poll; !errors.Is(err, owner.ErrFull) {
		t.Errorf("a long poll when space is at its end: %v", err)
	}
	c.remove(o, ref(q), got.Messages...)
	c.want(o, q, 2, 0, 0)
	if _, err := o.Purge(t.Context(), owner.QueueIn{Queue: ref(q)}); err != nil {
		t.Errorf("a purge when space is at its end: %v", err)
	}
	c.space.Set(owner.SpaceEnough, 0)
	o.SpaceChanged()
	c.post(o, "x", to(q, nil))
}

// What waits in memory is bounded, by messages and by bytes, and comes back under
// the bound by receiving and deleting.
func TestMemory(t *testing.T) {
	t.Parallel()
	for name, memory := range map[string]*owner.Memory{
		"messages": owner.NewMemory(0, 100), "bytes": owner.NewMemory(20<<10, 0),
	} {
		c := newCluster(t)
		c.memory = memory
		q := c.defs.define(7, 0, func(q *registry.Queue) { q.FIFO = true })
		o := c.start(0)
		n := 0
		post := func() error {
			n++
			_, err := o.Post(t.Context(), owner.PostIn{Items: []owner.PostItem{{Payload: payload("x"), Targets: []owner.PostTarget{
				to(q, func(p *owner.PostTarget) { p.Group = strings.Repeat("g", n) }),
			}}}})
			return err
		}
		var err error
		for err == nil && n < 1000 {
			err = post()
		}
		if !errors.Is(err, owner.ErrMemory) || !errors.Is(err, owner.ErrBusy) {
			t.Fatalf("%s: after %d messages: %v", name, n, err)
		}
		if n < 20 || n > 101 {
			t.Errorf("%s: refused after %d messages", name, n)
		}
		// A restart loads what is there, and refuses again.
		o = c.restart(0)
		if err := post(); !errors.Is(err, owner.ErrMemory) {
			t.Errorf("%s: after a restart: %v", name, err)
		}
		for range 3 {
			c.remove(o, ref(q), c.receive(o, q, 30)...)
		}
		if err := post(); err != nil {
			t.Errorf("%s: after deletes: %v", name, err)
		}
		c.stop(0)
		if bytes, messages := memory.Used(); bytes != 0 || messages != 0 {
			t.Errorf("%s: %d bytes, %d messages are accounted for, nothing is loaded", name, bytes, messages)
		}
	}
}

// After a restart what was received too often is dead-lettered as soon as its
// visibility ends, and not only by the next receive.
func TestExhaustedAfterARestart(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{true, false} { // the dead-letter queue, while the log is read
		c := newCluster(t)
		dead := c.defs.define(8, 0, nil)
		q := c.defs.define(7, 0, deadLetterTo(dead, 1))
		o := c.start(0)
		c.post(o, "x", to(q, nil))
		c.post(o, "y", to(q, nil))
		// One comes back by its timeout, one at once: when replayed without the
		// terms, it looks as if it were visible.
		got := c.receive(o, q, 10)
		if _, err := o.Hide(t.Context(), owner.HideIn{Queue: ref(q), Changes: []owner.HideEntry{{Receipt: got[0].Receipt}}}); err != nil {
			t.Fatal(err)
		}
		c.want(o, dead, 1, 0, 0)
		c.stop(0)
		if !known {
			c.defs.forget(q.ID, false)
		}
		o = c.make(0)
		c.ahead(11 * time.Second)
		if err := o.Load(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		c.defs.put(q)
		c.serve(0, o)
		c.want(o, q, 0, 0, 0)
		c.want(o, dead, 2, 0, 0)
	}
}

// A receive attempt can be repeated though the log was rewritten and the partition
// loaded again.
func TestAttemptsSurviveRewriting(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.journal = smallSteps
	var l lines
	c.logger = slog.New(slog.NewTextHandler(&l, nil))
	q := c.defs.define(7, 0, func(q *registry.Queue) { q.FIFO = true })
	busy := c.defs.define(8, 0, nil)
	o := c.start(0)
	for range 3 {
		c.post(o, "x", to(q, func(p *owner.PostTarget) { p.Group = "g" }))
	}
	in := owner.ReceiveIn{Queue: ref(q), Max: 10, Visibility: 300, Attempt: &queue.DedupID{1}}
	first, err := o.Receive(t.Context(), in)
	if err != nil || len(first.Messages) != 3 {
		t.Fatalf("received %d, %v", len(first.Messages), err)
	}
	for range 2 {
		c.churn(o, busy)
		o = c.restart(0)
	}
	again, err := o.Receive(t.Context(), in)
	if err != nil || len(again.Messages) != 3 || again.Messages[2].Receipt != first.Messages[2].Receipt {
		t.Errorf("the attempt repeated gave %+v, %v; want %+v", again.Messages, err, first.Messages)
	}
	if l.has("no longer fit") {
		t.Error("told of messages that do not fit, though all do")
	}
}
