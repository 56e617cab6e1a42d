package partition

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/registry"
)

func TestSendReceiveDelete(t *testing.T) {
	t.Parallel()
	n := startNode(t, jet.Config{Dir: t.TempDir()}, nil)
	q := n.queue("orders", nil)
	m := message("hello")
	m.Attributes = []Attribute{{Name: "a", Type: "String", Value: "x"}, {Name: "b", Type: "Binary", Binary: []byte{0, 1}}}
	m.SenderID, m.TraceHeader, m.GroupID = "me", "Root=1", "tenant"
	res := n.send(q, m)
	if res[0].ID != m.ID || res[0].Sequence != 0 {
		t.Fatalf("sent as %v", res[0])
	}
	n.wantCounts(q, 1, 0, 0)
	got := n.receive(q, ten)
	if len(got) != 1 {
		t.Fatalf("received %d messages", len(got))
	}
	r := got[0]
	if r.Sent == 0 || r.FirstReceived < r.Sent || r.Receives != 1 {
		t.Errorf("stamps: %+v", r)
	}
	r.Sent, r.Delay = 0, -1
	if fmt.Sprint(r.Message) != fmt.Sprint(m) {
		t.Errorf("received %v, sent %v", r.Message, m)
	}
	n.wantCounts(q, 0, 1, 0)
	if more := n.receive(q, ten); len(more) != 0 {
		t.Fatalf("a message in flight was received again")
	}
	n.delete(q, r.Receipt)
	n.wantCounts(q, 0, 0, 0)
	n.delete(q, r.Receipt) // twice is no error
}

func TestEverythingComesBackAfterARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := &clock{}
	n := startNode(t, jet.Config{Dir: dir}, c.set)
	dlq := n.queue("dead.fifo", fifo)
	q := n.queue("orders.fifo", deadLetterTo(dlq, 2))
	std := n.queue("plain", nil)
	first := n.send(q, fifoMessage("g", "d1", "1"), fifoMessage("g", "d2", "2"), fifoMessage("h", "d3", "3"))
	got := n.receive(q, one)
	if len(got) != 1 || got[0].Body != "1" {
		t.Fatalf("received %v", got)
	}
	delayed := message("later")
	delayed.Delay = 60
	n.send(std, delayed, message("a"), message("b"))
	b := n.receive(std, ReceiveOptions{Max: 1, Visibility: 0})
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}

	n = startNode(t, jet.Config{Dir: dir}, c.set)
	q, _ = n.reg.Queue(q.Account, q.Region, q.Name)
	dlq, _ = n.reg.Queue(dlq.Account, dlq.Region, dlq.Name)
	std, _ = n.reg.Queue(std.Account, std.Region, std.Name)
	n.wantCounts(q, 2, 1, 0)
	n.wantCounts(std, 2, 0, 1)
	again := n.send(q, fifoMessage("g", "d1", "other"))
	if again[0] != first[0] {
		t.Errorf("the duplicate was sent as %v, the first as %v", again[0], first[0])
	}
	if more := n.receive(q, ten); len(more) != 1 || more[0].Body != "3" {
		t.Fatalf("group g is not closed: %v", more)
	}
	n.delete(q, got[0].Receipt)
	more := n.receive(q, one)
	if len(more) != 1 || more[0].Body != "2" || more[0].Sequence != first[1].Sequence {
		t.Fatalf("received %v", more)
	}
	for range 2 {
		if r := n.receive(std, ReceiveOptions{Max: 1, Visibility: 0}); len(r) == 1 && r[0].ID == b[0].ID && r[0].Receives != 2 {
			t.Errorf("received %d times, want 2", r[0].Receives)
		}
	}
	// The second of g is received twice in vain and goes to the DLQ.
	c.advance(31 * time.Second)
	if r := n.receive(q, ReceiveOptions{Max: 10, Visibility: 1}); len(r) != 2 || r[0].Receives != 2 {
		t.Fatalf("received %v", r)
	}
	c.advance(2 * time.Second)
	n.wantCounts(q, 0, 0, 0)
	n.wantCounts(dlq, 2, 0, 0)
	d := n.receive(dlq, ten)
	if len(d) != 2 || d[0].DeadLetterSource != q.ARN() || d[0].Receives != 3 {
		t.Fatalf("dead letters: %+v", d)
	}
}

func TestLongPollWakes(t *testing.T) {
	t.Parallel()
	n := startNode(t, jet.Config{Dir: t.TempDir()}, nil)
	q := n.queue("poll", nil)
	wait := ReceiveOptions{Max: 10, Visibility: -1, Wait: 20 * time.Second}
	results := make(chan []Received, 1)
	poll := func() {
		got, err := n.svc.Receive(t.Context(), q, wait)
		if err != nil {
			t.Error(err)
		}
		results <- got
	}
	waiting := func() {
		for n.svc.local(0).Status().Waiting == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	cases := []struct {
		name    string
		prepare func()
		wake    func()
	}{
		{"send", nil, func() { n.send(q, message("x")) }},
		{"delay", nil, func() {
			m := message("x")
			m.Delay = 1
			n.send(q, m)
		}},
		{"visibility expiry", func() {
			n.send(q, message("x"))
			n.receive(q, ReceiveOptions{Max: 1, Visibility: 1})
		}, func() {}},
	}
	for _, c := range cases {
		if c.prepare != nil {
			c.prepare()
		}
		go poll()
		waiting()
		c.wake()
		got := <-results
		if len(got) != 1 {
			t.Fatalf("%s: received %d", c.name, len(got))
		}
		n.delete(q, got[0].Receipt)
	}
	got := n.receive(q, ReceiveOptions{Max: 1, Visibility: -1, Wait: 50 * time.Millisecond})
	if len(got) != 0 {
		t.Fatalf("received %v from an empty queue", got)
	}
}

func TestLongPollAtTheInFlightLimitWaitsForRoom(t *testing.T) {
	t.Parallel()
	n := startNode(t, jet.Config{Dir: t.TempDir()}, func(c *Config) { c.MaxInFlight = 1 })
	q := n.queue("full", nil)
	n.send(q, message("a"), message("b"))
	first := n.receive(q, ReceiveOptions{Max: 10, Visibility: -1})
	if len(first) != 1 {
		t.Fatalf("received %d with room for one", len(first))
	}
	if _, err := n.svc.Receive(t.Context(), q, ReceiveOptions{Max: 1, Visibility: -1}); !errors.Is(err, ErrOverLimit) {
		t.Fatalf("a short poll at the limit: %v", err)
	}
	second := make(chan []Received, 1)
	go func() {
		got, err := n.svc.Receive(t.Context(), q, ReceiveOptions{Max: 1, Visibility: -1, Wait: 20 * time.Second})
		if err != nil {
			t.Error(err)
		}
		second <- got
	}()
	for n.svc.local(0).Status().Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	n.delete(q, first[0].Receipt)
	if got := <-second; len(got) != 1 || got[0].Body == first[0].Body {
		t.Fatalf("received %v when there was room again", got)
	}
}

func TestClientThatGoesAwaySwallowsNothing(t *testing.T) {
	t.Parallel()
	n := startNode(t, jet.Config{Dir: t.TempDir()}, nil)
	q := n.queue("gone", nil)
	for i := range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan []Received, 1)
		go func() {
			got, _ := n.svc.Receive(ctx, q, ReceiveOptions{Max: 1, Visibility: -1, Wait: 20 * time.Second})
			done <- got
		}()
		for n.svc.local(0).Status().Waiting == 0 {
			time.Sleep(time.Millisecond)
		}
		go cancel()
		n.send(q, message(fmt.Sprint(i)))
		got := <-done
		if len(got) == 0 {
			got = n.receive(q, ReceiveOptions{Max: 1, Visibility: -1, Wait: 5 * time.Second})
		}
		if len(got) != 1 || got[0].Body != fmt.Sprint(i) {
			t.Fatalf("round %d: received %v", i, got)
		}
		n.delete(q, got[0].Receipt)
		cancel()
	}
}

func TestDeleteQueueDropsItsMessages(t *testing.T) {
	t.Parallel()
	n := startNode(t, jet.Config{Dir: t.TempDir()}, nil)
	q := n.queue("q", nil)
	n.send(q, message("x"))
	if err := n.reg.DeleteQueue(t.Context(), q.Account, q.Region, q.Name); err != nil {
		t.Fatal(err)
	}
	if _, err := n.svc.Send(t.Context(), q, []Message{message("y")}); !errors.Is(err, ErrQueueGone) {
		t.Fatalf("send to a deleted queue: %v", err)
	}
	q = n.queue("q", nil)
	n.wantCounts(q, 0, 0, 0)
}

// Requests come as soon as the address is taken, perhaps before Run.
func TestRequestsBeforeRunWait(t *testing.T) {
	t.Parallel()
	n := startNode(t, jet.Config{Dir: t.TempDir()}, nil)
	q := n.queue("early", nil)
	n.send(q, message("to be deleted"))
	receipt := n.receive(q, one)[0].Receipt
	cfg := n.svc.cfg
	cfg.Node = "two"
	early, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if st := early.Status(); len(st) != 1 || st[0].Ready {
		t.Errorf("status before Run: %+v", st)
	}
	sent := make(chan error, 2)
	go func() {
		_, err := early.Send(t.Context(), q, []Message{message("early")})
		sent <- err
	}()
	go func() {
		errs, err := early.Delete(t.Context(), q, []string{receipt})
		sent <- errors.Join(append(errs, err)...)
	}()
	time.Sleep(50 * time.Millisecond)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- early.Run(ctx) }()
	for range 2 {
		if err := <-sent; err != nil {
			t.Errorf("a request before Run: %v", err)
		}
	}
	n.wantCounts(q, 1, 0, 0)
	stop()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestPurge(t *testing.T) {
	t.Parallel()
	n := startNode(t, jet.Config{Dir: t.TempDir()}, nil)
	q := n.queue("q", nil)
	n.send(q, message("x"), message("y"))
	n.receive(q, one)
	if err := n.svc.Purge(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	n.wantCounts(q, 0, 0, 0)
	if err := n.svc.Purge(t.Context(), q); !errors.Is(err, ErrPurgeInProgress) {
		t.Fatalf("second purge: %v", err)
	}
	n.send(q, message("z"))
	n.wantCounts(q, 1, 0, 0)
}

// A purge forgets deduplication ids, too, also when the log is read again: those
// seen since are remembered.
func TestPurgeForgetsDeduplicationIDs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := startNode(t, jet.Config{Dir: dir}, nil)
	q := n.queue("q.fifo", fifo)
	first := n.send(q, fifoMessage("g", "a", "1"), fifoMessage("g", "b", "2"))
	if err := n.svc.Purge(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	again := n.send(q, fifoMessage("g", "a", "3"))
	if again[0].ID == first[0].ID || again[0].Sequence <= first[1].Sequence {
		t.Errorf("after the purge a message was taken for a duplicate: %v, the first was %v", again[0], first[0])
	}
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	n = startNode(t, jet.Config{Dir: dir}, nil)
	q, _ = n.reg.Queue(q.Account, q.Region, q.Name)
	n.wantCounts(q, 1, 0, 0)
	if dup := n.send(q, fifoMessage("g", "a", "4")); dup[0] != again[0] {
		t.Errorf("a duplicate of what came after the purge was sent as %v, want %v", dup[0], again[0])
	}
	if other := n.send(q, fifoMessage("g", "b", "5")); other[0].ID == first[1].ID {
		t.Error("the restart brought back a deduplication id that was purged")
	}
	got := n.receive(q, ReceiveOptions{Max: 10, Visibility: 30})
	if len(got) != 2 || got[0].Body != "3" || got[1].Body != "5" {
		t.Errorf("received %v", got)
	}
}

func TestReceipts(t *testing.T) {
	t.Parallel()
	n := startNode(t, jet.Config{Dir: t.TempDir()}, nil)
	q, other := n.queue("q", nil), n.queue("other", nil)
	n.send(q, message("x"))
	first := n.receive(q, ReceiveOptions{Max: 1, Visibility: 0})[0].Receipt
	second := n.receive(q, one)[0].Receipt
	for _, bad := range []string{"", "x", first[:len(first)-1], "B" + first[1:], first[:20] + "--" + first[22:], first + "A"} {
		errs, err := n.svc.Delete(t.Context(), q, []string{bad})
		if err != nil || !errors.Is(errs[0], ErrReceiptInvalid) {
			t.Errorf("receipt %q: %v, %v", bad, errs, err)
		}
	}
	errs, err := n.svc.Delete(t.Context(), other, []string{second})
	if err != nil || !errors.Is(errs[0], ErrReceiptInvalid) {
		t.Errorf("receipt of another queue: %v, %v", errs, err)
	}
	n.delete(q, first) // an old one: no error, no effect
	n.wantCounts(q, 0, 1, 0)
	// An old one, and one whose time is over, change nothing and are no error.
	n.change(q, []VisibilityChange{{first, 10}, {second, 43201}, {first, 0}}, nil, ErrVisibilityTotal, nil)
	n.wantCounts(q, 0, 1, 0)
	n.change(q, []VisibilityChange{{second, 0}, {second, 5}, {second, 43201}}, nil, nil, nil)
	n.wantCounts(q, 1, 0, 0)
	n.delete(q, second)
	n.wantCounts(q, 0, 0, 0)
	n.change(q, []VisibilityChange{{second, 5}}, ErrReceiptExpired)
}

func TestReceiptsOfFIFO(t *testing.T) {
	t.Parallel()
	n := startNode(t, jet.Config{Dir: t.TempDir()}, nil)
	q := n.queue("q.fifo", fifo)
	m := message("x")
	m.GroupID, m.DedupID = "g", "x"
	n.send(q, m)
	first := n.receive(q, ReceiveOptions{Max: 1, Visibility: 0})[0].Receipt
	second := n.receive(q, one)[0].Receipt
	n.change(q, []VisibilityChange{{first, 10}, {second, 43201}, {second, 0}, {second, 5}},
		ErrReceiptExpired, ErrVisibilityTotal, nil, ErrNotInFlight)
	n.wantCounts(q, 1, 0, 0)
}

// change changes visibilities and checks the outcome of each.
func (n *node) change(q *registry.Queue, changes []VisibilityChange, want ...error) {
	n.t.Helper()
	errs, err := n.svc.ChangeVisibility(n.t.Context(), q, changes)
	if err != nil {
		n.t.Fatal(err)
	}
	for i := range want {
		if !errors.Is(errs[i], want[i]) {
			n.t.Errorf("change %d: %v, want %v", i, errs[i], want[i])
		}
	}
}

func TestMoveTask(t *testing.T) {
	t.Parallel()
	for _, partitions := range []uint32{1, 3} {
		t.Run(fmt.Sprint(partitions, " partitions"), func(t *testing.T) {
			t.Parallel()
			c := &clock{}
			n := startNode(t, jet.Config{Dir: t.TempDir()}, func(cfg *Config) {
				cfg.Count = partitions
				c.set(cfg)
			})
			dlq := n.queue("dead", nil)
			// Not created with the policy: with three partitions it lies elsewhere.
			q := n.queue("orders", nil)
			if partitions > 1 && q.Partition == dlq.Partition {
				t.Fatalf("both queues lie on partition %d", q.Partition)
			}
			q, err := n.reg.UpdateQueue(t.Context(), q.Account, q.Region, q.Name, func(q *registry.Queue) error {
				deadLetterTo(dlq, 1)(q)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			const count = 25
			for i := range count {
				n.send(q, message(fmt.Sprint(i)))
			}
			for received := 0; received < count; {
				received += len(n.receive(q, ReceiveOptions{Max: 10, Visibility: 5}))
			}
			c.advance(6 * time.Second)
			n.wantCounts(q, 0, 0, 0)
			eventually(t, "all dead letters arrive", func() bool { return n.counts(dlq).Visible == count })
			task, err := n.svc.StartMove(t.Context(), dlq, "", 500)
			if err != nil || task.ToMove != count {
				t.Fatalf("start: %+v, %v", task, err)
			}
			eventually(t, "the task completes", func() bool {
				list, err := n.svc.ListMoves(t.Context(), dlq, 10)
				return err == nil && len(list) == 1 && list[0].Status == MoveCompleted && list[0].Moved == count
			})
			eventually(t, "all messages are back", func() bool { return n.counts(q).Visible == count })
			n.wantCounts(dlq, 0, 0, 0)
			seen := map[string]bool{}
			for len(seen) < count {
				for _, r := range n.receive(q, ten) {
					if seen[r.Body] || r.DeadLetterSource != "" || r.Receives != 1 {
						t.Fatalf("received %+v", r)
					}
					seen[r.Body] = true
					n.delete(q, r.Receipt)
				}
			}
			if _, err := n.svc.CancelMove(t.Context(), dlq, task.ID); !errors.Is(err, ErrMoveNotRunning) {
				t.Errorf("cancel of an ended task: %v", err)
			}
			if _, err := n.svc.CancelMove(t.Context(), dlq, "none"); !errors.Is(err, ErrMoveNotFound) {
				t.Errorf("cancel of no task: %v", err)
			}
		})
	}
}
