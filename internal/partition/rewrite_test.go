package partition

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/jet"
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
		st := n.svc.local(0).j.Stats()
		return st.Bytes < 24<<20 && st.Trimmed > 0
	})
	// 20 kept, 1 dead, 1 deduplication id, and what is known of 5 queues.
	eventually(t, "everything else is released", func() bool { return n.svc.local(0).j.Stats().LiveItems == 27 })
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
