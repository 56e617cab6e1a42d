package partition

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/jet/jetsim"
	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/registry"
)

// A call can be cancelled by its id while it is under way, and in the end all are.
func TestCallsAreCancelled(t *testing.T) {
	t.Parallel()
	calls := newCallTable()
	a, doneA := calls.start("a")
	b, doneB := calls.start("b")
	calls.cancel("nobody's")
	if a.Err() != nil || b.Err() != nil {
		t.Error("cancelled by another's id")
	}
	calls.cancel("a")
	if a.Err() == nil || b.Err() != nil {
		t.Errorf("of a, which was cancelled: %v; of b: %v", a.Err(), b.Err())
	}
	doneA()
	calls.cancel("a")
	if len(calls.calls) != 1 {
		t.Errorf("%d calls are under way", len(calls.calls))
	}
	calls.cancelAll()
	if b.Err() == nil {
		t.Error("one is not cancelled in the end")
	}
	c, doneC := calls.start("c")
	if c.Err() == nil {
		t.Error("one that came after the end goes on")
	}
	doneB()
	doneC()
	if len(calls.calls) != 0 {
		t.Errorf("%d calls are left", len(calls.calls))
	}
	d, done := newCallTable().start("d")
	if done(); d.Err() == nil {
		t.Error("one that is done holds its context")
	}
}

// The word that a call is cancelled can come before the call: requests wait their turn.
// It is remembered for a while, whatever their number.
func TestCancelledBeforeItCame(t *testing.T) {
	t.Parallel()
	calls := newCallTable()
	for range 2 {
		calls.cancel("early")
	}
	a, done := calls.start("early")
	if a.Err() == nil {
		t.Error("a call that was cancelled before it came goes on")
	}
	done()
	for i := range 3 * earlyCalls {
		calls.cancel(fmt.Sprint("done ", i))
	}
	calls.cancel(strings.Repeat("x", maxCallID+1))
	calls.cancel("")
	if len(calls.early) != earlyCalls || len(calls.order) != earlyCalls {
		t.Errorf("%d ids are remembered, in an order of %d", len(calls.early), len(calls.order))
	}
	for id, cancelled := range map[string]bool{"": false, "early": false, fmt.Sprint("done ", 3*earlyCalls-1): true, fmt.Sprint("done ", 2*earlyCalls): true, fmt.Sprint("done ", 2*earlyCalls-1): false} {
		ctx, done := calls.start(id)
		if is := ctx.Err() != nil; is != cancelled {
			t.Errorf("%q: cancelled: %v", id, is)
		}
		done()
	}
}

// What another node asks is answered with what became of it: also what cannot be read,
// what this release does not know, and what is for another owner.
func TestRequestsOfOthers(t *testing.T) {
	t.Parallel()
	w := jetsim.New(jetsim.Options{Seed: 1})
	n := startOn(t, w.Node("one"), func(c *Config) { c.MaxRequests, c.MaxWaiting = 1, 1 })
	q := n.queue("q", nil)
	n.send(q, message("x"))
	over, cancel := context.WithCancel(t.Context())
	cancel()
	// Cancelled before it began, as all are while this node stops: another node may do it.
	if r := n.svc.handle(over, &request{Partition: 0}); !errors.Is(owner.ErrorOf(r.Error), owner.ErrNotOwner) {
		t.Errorf("what was cancelled before it began: %v", owner.ErrorOf(r.Error))
	}
	other := w.Node("other")
	t.Cleanup(other.Kill)
	ask := func(data []byte) reply {
		t.Helper()
		b, err := other.Request(t.Context(), n.svc.nodeSubject(n.svc.run), data)
		if err != nil {
			t.Fatal(err)
		}
		var r reply
		if err := decMode.Unmarshal(b, &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	encode := func(v any) []byte {
		b, err := encMode.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	count := request{Operation: opCount.number, In: encode(owner.QueueIn{Queue: refOf(q)})}
	with := func(change func(*request)) []byte {
		r := count
		change(&r)
		return encode(r)
	}
	for name, tt := range map[string]struct {
		data []byte
		want error
	}{
		"as it should be":       {encode(count), nil},
		"no request":            {[]byte("?"), ErrUnavailable},
		"no input":              {with(func(r *request) { r.In = encode("?") }), ErrUnavailable},
		"an unknown operation":  {with(func(r *request) { r.Operation = 99 }), ErrUnavailable},
		"another's partition":   {with(func(r *request) { r.Partition = 7 }), owner.ErrNotOwner},
		"what an owner refuses": {with(func(r *request) { r.In = encode(owner.QueueIn{Queue: Ref{ID: 1}}) }), ErrQueueGone},
		"a revision to come":    {with(func(r *request) { r.Revision = 1 << 40 }), ErrUnavailable},
	} {
		r := ask(tt.data)
		if got := owner.ErrorOf(r.Error); !errors.Is(got, tt.want) || got != nil && tt.want == nil {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
		var c Counts
		if tt.want != nil {
			continue
		}
		if err := decMode.Unmarshal(r.Out, &c); err != nil || c.Visible != 1 {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}

	// One more than there is room for is refused; those under way give their room back.
	for range cap(n.svc.slots) {
		n.svc.slots <- struct{}{}
	}
	if r := ask(encode(count)); owner.ErrorOf(r.Error) != ErrBusy {
		t.Errorf("without room: %v", owner.ErrorOf(r.Error))
	}
	for range cap(n.svc.slots) {
		<-n.svc.slots
	}
	for range 3 * cap(n.svc.slots) {
		eventually(t, "there is room", func() bool { return owner.ErrorOf(ask(encode(count)).Error) == nil })
	}
	eventually(t, "all room is given back", func() bool { return len(n.svc.slots) == 0 })
}

// A number stands for one operation.
func TestOperationsHaveNumbers(t *testing.T) {
	t.Parallel()
	if len(handlers) != 16 {
		t.Errorf("%d operations", len(handlers))
	}
	defer func() {
		if recover() == nil {
			t.Error("two operations have one number")
		}
	}()
	define(opDrop.number, (*owner.Owner).Drop, nil)
}

// Requests that come before Run wait for it, as long as for an owner, or until they are
// called off.
func TestRunThatDoesNotCome(t *testing.T) {
	t.Parallel()
	s, err := New(Config{Conn: jetsim.New(jetsim.Options{Seed: 1}).Node("a"), Registry: new(registry.Registry), Node: "a", RouteTimeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	q := &registry.Queue{Meta: registry.Meta{ID: 7}}
	if errs, err := s.Delete(t.Context(), q, []string{"x"}); !errors.Is(err, ErrUnavailable) || errs != nil {
		t.Errorf("in vain: %v, %v", errs, err)
	}
	s.cfg.RouteTimeout = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.ChangeVisibility(ctx, q, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("called off: %v", err)
	}
	for n, want := range map[int]string{0: "0 messages", 11: "11 messages"} {
		if _, err := s.Send(t.Context(), q, make([]Message, n)); err == nil || !containsText(err, want) {
			t.Errorf("a send of %d: %v", n, err)
		}
		if _, err := s.Receive(t.Context(), q, ReceiveOptions{Max: n}); err == nil || !containsText(err, want) {
			t.Errorf("a receive of %d: %v", n, err)
		}
	}
	if _, err := s.Send(ctx, q, make([]Message, 10)); !errors.Is(err, context.Canceled) {
		t.Errorf("a send that was called off: %v", err)
	}
}
