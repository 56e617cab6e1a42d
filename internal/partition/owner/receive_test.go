package owner_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/queue"
	"github.com/waystation/waystation/internal/registry"
)

// Without a visibility timeout of its own a receive takes the queue's, or the kind's.
func TestVisibilityTimeouts(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		c.kinds = map[state.Kind]owner.Kind{attempts: {}, failures: {Visibility: time.Minute}}
		q := c.defs.define(7, 0, func(q *registry.Queue) { q.VisibilitySeconds = 45 })
		o := c.start(0)
		for name, tt := range map[string]struct {
			target     owner.PostTarget
			visibility int32
			want       time.Duration
		}{
			"the queue's":      {to(q, nil), -1, 45 * time.Second},
			"the kind's":       {of(failures, 1), -1, time.Minute},
			"a kind's default": {of(attempts, 1), -1, 30 * time.Second},
			"its own":          {to(q, nil), 20, 20 * time.Second},
		} {
			c.post(o, "x", tt.target)
			in := owner.ReceiveIn{Queue: tt.target.Target.Queue, Max: 1, Visibility: tt.visibility}
			if out, err := o.Receive(t.Context(), in); err != nil || len(out.Messages) != 1 {
				t.Fatalf("%s: %+v, %v", name, out, err)
			}
			began := time.Now()
			in.Visibility, in.Wait = 3600, time.Hour
			out, err := o.Receive(t.Context(), in)
			if err != nil || len(out.Messages) != 1 || time.Since(began).Round(time.Second) != tt.want {
				t.Fatalf("%s: %+v, %v, after %v", name, out, err, time.Since(began))
			}
			c.remove(o, in.Queue, out.Messages...)
		}
	})
}

// A client that has gone leaves what was taken for it to others; one that asked again by
// the same attempt has it from there.
func TestReceiveCalledOff(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		q := c.defs.define(7, 0, func(q *registry.Queue) { q.FIFO = true })
		o := c.start(0)
		c.post(o, "x", to(q, func(p *owner.PostTarget) { p.Group = "g" }))
		receive := func(ctx context.Context, attempt *queue.DedupID) <-chan error {
			done := make(chan error, 1)
			go func() {
				_, err := o.Receive(ctx, owner.ReceiveIn{Queue: ref(q), Max: 1, Visibility: 3600, Attempt: attempt})
				done <- err
			}()
			later(0)
			return done
		}
		for _, tt := range []struct {
			name    string
			attempt *queue.DedupID
			again   bool
		}{
			{"without an attempt", nil, false},
			{"by an attempt", &queue.DedupID{1}, false},
			{"by one that is repeated", &queue.DedupID{2}, true},
		} {
			c.node.Slow(100 * time.Millisecond)
			ctx, cancel := context.WithCancel(t.Context())
			done := receive(ctx, tt.attempt)
			var again <-chan error
			if tt.again {
				again = receive(t.Context(), tt.attempt)
			}
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", tt.name, err)
			}
			c.node.Slow(0)
			if !tt.again {
				c.want(o, q, 1, 0, 0)
				continue
			}
			if err := <-again; err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			c.want(o, q, 0, 1, 0)
		}

		// Whoever comes last, or in whichever order they end: what one was answered
		// with is its client's, what all have given up is anybody's.
		const gone, stays = true, false
		for _, tt := range []struct {
			name     string
			requests []bool // in the order of their coming
			before   bool   // the first is answered before the others come
			held     bool
		}{
			{"the late one is gone", []bool{stays, gone}, true, true},
			{"the one behind is gone", []bool{stays, gone}, false, true},
			{"the one in the middle stays", []bool{gone, stays, gone}, false, true},
			{"all are gone", []bool{gone, gone, gone}, false, false},
		} {
			if _, err := o.Purge(t.Context(), owner.QueueIn{Queue: ref(q)}); err != nil {
				t.Fatal(err)
			}
			later(2 * time.Minute) // purges are a minute apart
			c.post(o, "x", to(q, func(p *owner.PostTarget) { p.Group = "g" }))
			requests := tt.requests
			attempt := &queue.DedupID{3}
			if tt.before {
				if err := <-receive(t.Context(), attempt); err != nil {
					t.Errorf("%s: the first: %v", tt.name, err)
				}
				requests = requests[1:]
			}
			c.node.Slow(100 * time.Millisecond)
			ctx, cancel := context.WithCancel(t.Context())
			done := make([]<-chan error, len(requests))
			for i, leaves := range requests {
				if leaves {
					done[i] = receive(ctx, attempt)
				} else {
					done[i] = receive(t.Context(), attempt)
				}
			}
			cancel()
			for i, leaves := range requests {
				if err := <-done[i]; (err != nil) != leaves {
					t.Errorf("%s: request %d: %v", tt.name, i, err)
				}
			}
			c.node.Slow(0)
			if tt.held {
				c.want(o, q, 0, 1, 0)
			} else {
				c.want(o, q, 1, 0, 0)
			}
			if n := o.Attempts(); n != 0 {
				t.Errorf("%s: %d attempts are remembered", tt.name, n)
			}
		}

		later(2 * time.Minute)
		if _, err := o.Purge(t.Context(), owner.QueueIn{Queue: ref(q)}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		polled := make(chan error, 1)
		go func() {
			_, err := o.Receive(ctx, owner.ReceiveIn{Queue: ref(q), Max: 1, Wait: time.Hour})
			polled <- err
		}()
		later(0)
		cancel()
		if err := <-polled; !errors.Is(err, context.Canceled) || o.Waiting() != 0 {
			t.Errorf("a long poll: %v, %d wait", err, o.Waiting())
		}
	})
}

// A long poll is no request that waits for the log, neither while it waits nor when it ends.
func TestLongPollsAreNoRequests(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		c.limits.MaxRequests = 1
		q := c.defs.define(7, 0, nil)
		o := c.start(0)
		for range 3 {
			polled := make(chan owner.ReceiveOut, 1)
			go func() {
				out, err := o.Receive(t.Context(), owner.ReceiveIn{Queue: ref(q), Max: 1, Visibility: 3600, Wait: time.Hour})
				if err != nil {
					t.Error(err)
				}
				polled <- out
			}()
			later(0)
			if n, _ := o.Admitted(); n != 0 || o.Waiting() != 1 {
				t.Errorf("%d are admitted, %d wait", n, o.Waiting())
			}
			c.post(o, "x", to(q, nil))
			if out := <-polled; len(out.Messages) != 1 {
				t.Errorf("received %+v", out)
			}
			if n, _ := o.Admitted(); n != 0 || o.Waiting() != 0 {
				t.Errorf("in the end %d are admitted, %d wait", n, o.Waiting())
			}
			c.post(o, "y", to(q, nil)) // what is there is not waited for
			out, err := o.Receive(t.Context(), owner.ReceiveIn{Queue: ref(q), Max: 1, Visibility: 3600, Wait: time.Hour})
			if err != nil || len(out.Messages) != 1 || o.Waiting() != 0 {
				t.Errorf("received %+v, %v, %d wait", out, err, o.Waiting())
			}
		}
	})
}

// A poll that waits is told when its queue is deleted, and those behind it.
func TestPollsOfADeletedQueue(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		q := c.defs.define(7, 0, nil)
		o := c.start(0)
		c.post(o, "x", to(q, nil))
		c.receiveOne(o, q)
		polled := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := o.Receive(t.Context(), owner.ReceiveIn{Queue: ref(q), Max: 1, Wait: time.Hour})
				polled <- err
			}()
		}
		later(0)
		c.defs.forget(q.ID, true)
		began := time.Now()
		o.QueueChanged(q, nil)
		for range 2 {
			if err := <-polled; !errors.Is(err, owner.ErrQueueGone) {
				t.Error(err)
			}
		}
		if d := time.Since(began); d > time.Second || o.Waiting() != 0 {
			t.Errorf("told after %v, %d wait", d, o.Waiting())
		}
	})
}

// Nothing but an owner that answers does what is asked, and of a queue that is not there
// nothing is done.
func TestRefusals(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		c.kinds = map[state.Kind]owner.Kind{attempts: {}}
		gone := c.defs.define(7, 0, nil)
		elsewhere := c.defs.define(8, 1, nil)
		o := c.start(0)
		c.defs.forget(gone.ID, true)
		ctx := t.Context()
		receipt := state.Receipt{Key: 1, Receive: 1}
		ops := map[string]func(r state.Ref) error{
			"receive": func(r state.Ref) error { _, err := o.Receive(ctx, owner.ReceiveIn{Queue: r, Max: 1}); return err },
			"long poll": func(r state.Ref) error {
				_, err := o.Receive(ctx, owner.ReceiveIn{Queue: r, Max: 1, Wait: time.Hour})
				return err
			},
			"remove": func(r state.Ref) error {
				_, err := o.Remove(ctx, owner.RemoveIn{Queue: r, Receipts: []state.Receipt{receipt}})
				return err
			},
			"hide": func(r state.Ref) error {
				_, err := o.Hide(ctx, owner.HideIn{Queue: r, Changes: []owner.HideEntry{{Receipt: receipt}}})
				return err
			},
			"retry": func(r state.Ref) error {
				_, err := o.Retry(ctx, owner.RetryIn{Queue: r, Entries: []owner.RetryEntry{{Receipt: receipt}}})
				return err
			},
			"purge":  func(r state.Ref) error { _, err := o.Purge(ctx, owner.QueueIn{Queue: r}); return err },
			"drop":   func(r state.Ref) error { _, err := o.Drop(ctx, owner.QueueIn{Queue: r}); return err },
			"count":  func(r state.Ref) error { _, err := o.Count(ctx, owner.QueueIn{Queue: r}); return err },
			"cancel": func(r state.Ref) error { _, err := o.Cancel(ctx, owner.CancelIn{Queue: r}); return err },
			"move":   func(r state.Ref) error { _, err := o.StartMove(ctx, owner.StartMoveIn{Queue: r}); return err },
			"moves":  func(r state.Ref) error { _, err := o.ListMoves(ctx, owner.ListMovesIn{Queue: r}); return err },
			"no move": func(r state.Ref) error {
				_, err := o.CancelMove(ctx, owner.CancelMoveIn{Queue: r})
				return err
			},
		}
		for name, op := range ops {
			for _, r := range []state.Ref{ref(gone), ref(elsewhere), {Kind: failures, ID: 1}, state.Outbox(1)} {
				if err := op(r); !errors.Is(err, owner.ErrQueueGone) {
					t.Errorf("%s of %v: %v", name, r, err)
				}
			}
		}
		c.defs.put(gone)
		c.stop(0)
		for name, op := range ops {
			if err := op(ref(gone)); !errors.Is(err, owner.ErrNotOwner) {
				t.Errorf("%s after the stop: %v", name, err)
			}
		}
		if _, err := o.Post(ctx, owner.PostIn{Items: []owner.PostItem{{Payload: payload("x"), Targets: []owner.PostTarget{to(gone, nil)}}}}); !errors.Is(err, owner.ErrNotOwner) {
			t.Errorf("post after the stop: %v", err)
		}
		if _, err := o.Accept(ctx, owner.AcceptIn{From: 1}); !errors.Is(err, owner.ErrNotOwner) {
			t.Errorf("accept after the stop: %v", err)
		}
		o.QueueChanged(gone, nil) // nor does it mind
		if n, bytes := o.Admitted(); n != 0 || bytes != 0 {
			t.Errorf("%d requests of %d bytes are accounted for", n, bytes)
		}
	})
}

// A purge is refused for just a minute after the last one.
func TestPurgeAgain(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		q := c.defs.define(7, 0, nil)
		o := c.start(0)
		c.freeze(true)
		purge := func() error { _, err := o.Purge(t.Context(), owner.QueueIn{Queue: ref(q)}); return err }
		for range 3 {
			if err := purge(); err != nil {
				t.Error(err)
			}
			c.frozen.Add(int64(time.Minute - time.Millisecond))
			if err := purge(); !errors.Is(err, owner.ErrPurgeInProgress) {
				t.Errorf("a millisecond too early: %v", err)
			}
			c.frozen.Add(int64(time.Millisecond))
		}
	})
}

// Of a post's targets those that are gone are told, each in its place; a post that is not
// as it should be is refused whole.
func TestPostToQueuesThatAreGone(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.kinds = map[state.Kind]owner.Kind{attempts: {}}
	a, gone, b := c.defs.define(7, 0, nil), c.defs.define(8, 0, nil), c.defs.define(9, 0, nil)
	o := c.start(0)
	c.defs.forget(gone.ID, true)
	got := c.post(o, "x", to(gone, nil), to(a, nil), of(failures, 1), to(gone, nil), to(b, nil))
	for i, want := range []owner.Posted{{Gone: true}, {Key: 1}, {Gone: true}, {Gone: true}, {Key: 1}} {
		if got[i] != want {
			t.Errorf("target %d: %+v, want %+v", i, got[i], want)
		}
	}
	c.want(o, a, 1, 0, 0)
	c.want(o, b, 1, 0, 0)
	if n := o.Status().Usage.Queues; n != 2 {
		t.Errorf("there are %d queues", n)
	}
	long := func(n int) string { return string(make([]byte, n)) }
	for name, tt := range map[string]struct {
		change func(*owner.PostTarget)
		want   error
	}{
		"the longest group":     {func(p *owner.PostTarget) { p.Group = long(owner.MaxGroup) }, nil},
		"the longest reference": {func(p *owner.PostTarget) { p.Reference = long(state.MaxReference) }, nil},
		"a longer group":        {func(p *owner.PostTarget) { p.Group = long(owner.MaxGroup + 1) }, owner.ErrTooLarge},
		"a longer reference":    {func(p *owner.PostTarget) { p.Reference = long(state.MaxReference + 1) }, owner.ErrTooLarge},
		"an outbox":             {func(p *owner.PostTarget) { p.Target.Queue.Kind = state.KindOutbox }, owner.ErrQueueGone},
		"nobody's kind":         {func(p *owner.PostTarget) { p.Target.Queue.Kind = state.FirstService - 1 }, owner.ErrQueueGone},
	} {
		_, err := o.Post(t.Context(), owner.PostIn{Items: []owner.PostItem{{Payload: payload("y"), Targets: []owner.PostTarget{to(a, tt.change)}}}})
		if !errors.Is(err, tt.want) || err != nil && tt.want == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.want(o, a, 3, 0, 0)
}
