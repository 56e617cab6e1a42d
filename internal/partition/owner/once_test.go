package owner_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
)

// heldLog holds large appends back until they are freed.
type heldLog struct {
	journal.Log
	freed chan struct{}
}

func (l heldLog) Append(data []byte, id string, expectLast uint64, done func(uint64, error)) {
	if len(data) < 8<<10 {
		l.Log.Append(data, id, expectLast, done)
		return
	}
	go func() {
		<-l.freed
		l.Log.Append(data, id, expectLast, done)
	}()
}

// An owner can lose its journal between the record of a request and that of what
// follows from it. Such a request is not one that may be made again elsewhere.
func TestWrittenIsNotDoneAgain(t *testing.T) {
	c := newCluster(t)
	held := heldLog{freed: make(chan struct{})}
	c.journal = func(cfg *journal.Config) {
		held.Log = cfg.Log
		cfg.Log, cfg.MaxInFlight, cfg.MaxAppend, cfg.MaxPending = held, 1, 4<<10, 4<<10
	}
	q := c.defs.define(1, 0, nil)
	o := c.start(0)

	polled := make(chan error, 1)
	go func() {
		_, err := o.Receive(context.Background(), owner.ReceiveIn{Queue: ref(q), Max: 1, Visibility: 30, Wait: 20 * time.Second})
		polled <- err
	}()
	eventually(t, "the poll waits", func() bool { return o.Waiting() == 1 })

	// The message itself still finds room in the journal, its receive does not.
	posted := make(chan error, 1)
	go func() {
		_, err := o.Post(context.Background(), owner.PostIn{Items: []owner.PostItem{
			{Payload: payload(strings.Repeat("x", 16<<10)), Targets: []owner.PostTarget{to(q, nil)}},
		}})
		posted <- err
	}()
	<-o.Down()
	if err := <-polled; !errors.Is(err, owner.ErrNotOwner) {
		t.Errorf("the poll ended with %v, want ErrNotOwner", err)
	}
	close(held.freed)
	err := <-posted
	if err != nil && !errors.Is(err, owner.ErrNotOwner) {
		t.Fatal(err)
	}
	o = c.restart(0)
	if n := c.counts(o, q).Visible; n == 1 != (err == nil) {
		t.Errorf("the post ended with %v, and %d messages stand", err, n)
	}
}

// So it is with the drop of a queue by which messages are dead-lettered on the way:
// made again, it would take what was posted to the queue since.
func TestWrittenDropIsNotDoneAgain(t *testing.T) {
	t.Parallel()
	const exhausted = 1000
	c := newCluster(t)
	held := heldLog{freed: make(chan struct{})}
	c.journal = func(cfg *journal.Config) {
		held.Log = cfg.Log
		cfg.Log, cfg.MaxInFlight, cfg.MaxAppend, cfg.MaxPending = held, 1, 4<<10, 4<<10
	}
	c.kinds = map[state.Kind]owner.Kind{
		attempts: {MaxReceives: 1, Exhausted: func(uint64) (state.Target, bool, bool) {
			return state.Target{Queue: state.Ref{Kind: failures, ID: 1}}, false, true
		}},
		failures: {},
	}
	o := c.start(0)
	from, dead := state.Ref{Kind: attempts, ID: 1}, state.Ref{Kind: failures, ID: 1}
	for range exhausted / 100 {
		targets := make([]owner.PostTarget, 100)
		for i := range targets {
			targets[i] = of(attempts, 1)
		}
		c.post(o, "x", targets...)
	}
	for range exhausted / 10 {
		out, err := o.Receive(t.Context(), owner.ReceiveIn{Queue: from, Max: 10, Visibility: 1800})
		if err != nil || len(out.Messages) != 10 {
			t.Fatalf("received %d messages, %v", len(out.Messages), err)
		}
	}
	c.post(o, "stays unless dropped", of(attempts, 1))
	polled := make(chan error, 1)
	go func() {
		_, err := o.Receive(context.Background(), owner.ReceiveIn{Queue: dead, Max: 1, Visibility: 30, Wait: 20 * time.Second})
		polled <- err
	}()
	eventually(t, "the poll waits", func() bool { return o.Waiting() == 1 })

	// The dead letters and the drop find room in the journal, the poll's receive does not.
	c.ahead(time.Hour)
	dropped := make(chan error, 1)
	go func() {
		_, err := o.Drop(context.Background(), owner.QueueIn{Queue: from})
		dropped <- err
	}()
	<-o.Down()
	if err := <-polled; !errors.Is(err, owner.ErrNotOwner) {
		t.Errorf("the poll ended with %v, want ErrNotOwner", err)
	}
	close(held.freed)
	err := <-dropped
	if err != nil && !errors.Is(err, owner.ErrNotOwner) {
		t.Fatal(err)
	}
	o = c.restart(0)
	n, countErr := o.Count(t.Context(), owner.QueueIn{Queue: from})
	if countErr != nil {
		t.Fatal(countErr)
	}
	if n.Visible == 0 != (err == nil) {
		t.Errorf("the drop ended with %v, and %d messages stand", err, n.Visible)
	}
}
