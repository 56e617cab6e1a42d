package partition

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/registry"
)

// A few long-lived messages of all kinds survive while many come and go, the
// log stays small, and after a restart everything is as before.
func TestLogStaysSmall(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := startNode(t, jet.Config{Dir: dir}, nil)
	keep := n.queue("keep", nil)
	dlq := n.queue("dead", nil)
	failing := n.queue("failing", deadLetterTo(dlq, 1))
	ordered := n.queue("ordered.fifo", fifo)
	busy := n.queue("busy", nil)

	kept := map[string]bool{}
	for i := range 20 {
		body := fmt.Sprint("keep ", i)
		kept[body] = true
		n.send(keep, message(body))
	}
	held := n.receive(keep, ReceiveOptions{Max: 5, Visibility: 3600})
	n.send(failing, message("poison"))
	n.receive(failing, ReceiveOptions{Max: 1, Visibility: 0})
	n.wantCounts(dlq, 1, 0, 0)
	first := n.send(ordered, fifoMessage("g", "dup", "o1"))
	n.delete(ordered, n.receive(ordered, one)[0].Receipt) // the id stays remembered

	big := strings.Repeat("x", 100_000)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 150 {
				n.send(busy, message(big))
				for _, r := range n.receive(busy, ten) {
					n.delete(busy, r.Receipt)
				}
			}
		})
	}
	wg.Wait()
	eventually(t, "the log is trimmed", func() bool {
		st := n.svc.local(0).Status().Journal
		return st.Bytes < 24<<20 && st.Trimmed > 0
	})
	// 20 kept, 1 dead, 1 deduplication id, and what is known of 5 queues.
	eventually(t, "everything else is released", func() bool { return n.svc.local(0).Status().Journal.LiveItems == 27 })
	check := func() {
		t.Helper()
		n.wantCounts(keep, 15, 5, 0)
		n.wantCounts(dlq, 1, 0, 0)
		if again := n.send(ordered, fifoMessage("g", "dup", "o2")); again[0] != first[0] {
			t.Errorf("the deduplication id was forgotten: %v, %v", again, first)
		}
	}
	check()
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	n = startNode(t, jet.Config{Dir: dir}, nil)
	keep, _ = n.reg.QueueByID(keep.ID)
	dlq, _ = n.reg.QueueByID(dlq.ID)
	ordered, _ = n.reg.QueueByID(ordered.ID)
	check()
	for _, r := range held {
		n.delete(keep, r.Receipt)
		delete(kept, r.Body)
	}
	for len(kept) > 0 {
		for _, r := range n.receive(keep, ReceiveOptions{Max: 10, Visibility: -1, Wait: time.Second}) {
			if !kept[r.Body] {
				t.Fatalf("received %q, which is not there", r.Body)
			}
			delete(kept, r.Body)
			n.delete(keep, r.Receipt)
		}
	}
	d := n.receive(dlq, one)
	if len(d) != 1 || d[0].Body != "poison" || d[0].DeadLetterSource != failing.ARN() {
		t.Errorf("dead letters: %+v", d)
	}
}

// manyMessages is more than what is released at once.
const manyMessages = 1000

// What is purged or deleted at once is released bit by bit; nothing of it stays.
func TestWhatPartedIsReleased(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := startNode(t, jet.Config{Dir: dir}, nil)
	dead := n.queue("dead", nil)
	failing := n.queue("failing", deadLetterTo(dead, 1))
	ordered := n.queue("ordered.fifo", fifo)
	tens := func(q *registry.Queue, of func(i int) Message) {
		for i := 0; i < 3*manyMessages; i += 10 {
			var ms []Message
			for k := range 10 {
				ms = append(ms, of(i+k))
			}
			n.send(q, ms...)
		}
	}
	tens(failing, func(int) Message { return message("x") })
	for i := 0; i < 2*manyMessages; i += 10 { // dead letters whose record names the other queue
		n.receive(failing, ReceiveOptions{Max: 10, Visibility: 0})
	}
	tens(ordered, func(i int) Message { return fifoMessage("g", fmt.Sprint(i), "x") })
	live := func() uint64 { return uint64(n.svc.local(0).Status().Journal.LiveItems) }
	c, err := n.svc.Counts(t.Context(), dead)
	if err != nil || c.Visible == 0 {
		t.Fatalf("no dead letters: %+v, %v", c, err)
	}
	if had := live(); had < 9*manyMessages {
		t.Fatalf("%d items live, want the messages and the deduplication ids", had)
	}
	for _, q := range []*registry.Queue{dead, failing} {
		if err := n.svc.Purge(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		n.wantCounts(q, 0, 0, 0)
	}
	if err := n.reg.DeleteQueue(t.Context(), ordered.Account, ordered.Region, ordered.Name); err != nil {
		t.Fatal(err)
	}
	n.send(dead, message("after"))
	// The new message, and what is known of two queues.
	eventually(t, "all is released", func() bool { return live() == 3 })
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	n = startNode(t, jet.Config{Dir: dir}, nil)
	n.wantCounts(dead, 1, 0, 0)
	n.wantCounts(failing, 0, 0, 0)
	eventually(t, "nothing comes back", func() bool { return live() == 3 })
}
