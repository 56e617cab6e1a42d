package partition

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/jet/jetsim"
	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
	"github.com/waystation/waystation/internal/registry"
)

// external starts a NATS server of its own and tells its URL.
func external(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	conn, err := jet.Open(t.Context(), jet.Config{Dir: t.TempDir(), Listen: addr, Logger: testLogger()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return "nats://" + addr
}

func named(name string) func(*Config) { return func(c *Config) { c.Node = name } }

func TestRequestsThroughAnyNode(t *testing.T) {
	t.Parallel()
	url := external(t)
	a := startNode(t, jet.Config{URL: url}, named("a"))
	b := startNode(t, jet.Config{URL: url}, named("b"))
	q := a.queue("q.fifo", fifo)
	eventually(t, "b knows the queue", func() bool { _, ok := b.reg.QueueByID(q.ID); return ok })
	res := b.send(q, fifoMessage("g", "1", "x"), fifoMessage("g", "2", "y"))
	if res[0].Sequence == 0 || res[1].Sequence <= res[0].Sequence {
		t.Fatalf("sequence numbers %v", res)
	}
	got := b.receive(q, ReceiveOptions{Max: 1, Visibility: 0})
	if len(got) != 1 || got[0].Body != "x" {
		t.Fatalf("received %v", got)
	}
	b.wantCounts(q, 2, 0, 0)
	got = a.receive(q, ten)
	if len(got) != 2 || got[0].Receives != 2 {
		t.Fatalf("received %v", got)
	}
	errs, err := b.svc.ChangeVisibility(t.Context(), q, []VisibilityChange{{got[1].Receipt, 0}, {"junk", 0}})
	if err != nil || errs[0] != nil || !errors.Is(errs[1], ErrReceiptInvalid) {
		t.Fatalf("visibility: %v, %v", errs, err)
	}
	b.delete(q, got[0].Receipt)
	// A long poll through b is served by a send through a.
	std := a.queue("std", nil)
	done := make(chan []Received, 1)
	go func() {
		got, err := b.svc.Receive(t.Context(), std, ReceiveOptions{Max: 1, Visibility: -1, Wait: 20 * time.Second})
		if err != nil {
			t.Error(err)
		}
		done <- got
	}()
	eventually(t, "the poll waits", func() bool {
		for _, n := range []*node{a, b} {
			if o := n.svc.local(0); o != nil && o.Status().Waiting == 1 {
				return true
			}
		}
		return false
	})
	a.send(std, message("z"))
	if got := <-done; len(got) != 1 {
		t.Fatalf("long poll received %v", got)
	}
}

// Leases and signs of life that a killed node left behind make nobody ready.
func TestReadyWhenServing(t *testing.T) {
	t.Parallel()
	for _, former := range []string{"one", "gone"} { // our own former run, another node
		t.Run(former, func(t *testing.T) {
			t.Parallel()
			url := external(t)
			conn, err := jet.Open(t.Context(), jet.Config{URL: url, Logger: testLogger()})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			kv, err := conn.KV(t.Context(), jet.KVSpec{Bucket: "ws_leases", Description: "Waystation: who owns which partition"})
			if err != nil {
				t.Fatal(err)
			}
			for key, value := range map[string]string{
				"node." + former: `{"run":"former","n":7}`,
				"partition.0":    `{"node":"` + former + `","run":"former"}`,
				"count":          "1",
			} {
				if _, err := kv.Create(t.Context(), key, []byte(value)); err != nil {
					t.Fatal(err)
				}
			}
			n := startNode(t, jet.Config{URL: url}, named("one")) // waits until it is ready
			if st := n.svc.Status(); n.svc.local(0) == nil || !st[0].Ready || !st[0].Mine {
				t.Errorf("ready, but partition 0 is %+v", st[0])
			}
		})
	}
}

func TestHandOverAndTakeOver(t *testing.T) {
	t.Parallel()
	url := external(t)
	a := startNode(t, jet.Config{URL: url}, named("a"))
	b := startNode(t, jet.Config{URL: url}, named("b"))
	q := a.queue("q", nil)
	a.send(q, message("1"))
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "b serves", func() bool {
		got, err := b.svc.Receive(t.Context(), q, one)
		return err == nil && len(got) == 1
	})
	c := startNode(t, jet.Config{URL: url}, named("c"))
	eventually(t, "c knows the queue", func() bool { _, ok := c.reg.QueueByID(q.ID); return ok })
	c.send(q, message("2"))
	b.wantCounts(q, 1, 1, 0)
}

// An owner that was replaced, as after a freeze, must find itself fenced: its
// next change fails, and so does an answer that changes nothing.
func TestReplacedOwnerIsFenced(t *testing.T) {
	t.Parallel()
	n := startNode(t, jet.Config{Dir: t.TempDir()}, nil)
	q := n.queue("q", nil)
	n.send(q, message("1"))
	old := n.svc.local(0)
	log, err := n.svc.cfg.stream(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	other, err := journal.New(journal.Config{Log: log, Writer: "other"})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Claim(t.Context(), func(journal.Pos, []byte) error { return nil }, nil); err != nil {
		t.Fatal(err)
	}
	if c, err := old.Count(t.Context(), owner.QueueIn{Queue: refOf(q)}); err == nil {
		t.Errorf("the old owner still counts %+v", c)
	}
	m := message("2")
	in := owner.PostIn{Items: []owner.PostItem{{Payload: encodePayload(nil, &m), Targets: []owner.PostTarget{{Target: state.Target{Queue: refOf(q)}}}}}}
	if _, err := old.Post(t.Context(), in); err == nil {
		t.Error("the old owner still takes messages")
	}
	// The lease is still this node's: it loads the log again and goes on.
	eventually(t, "the node serves again", func() bool {
		c, err := n.svc.Counts(t.Context(), q)
		return err == nil && c.Visible == 1
	})
}

func TestPartitionsAreShared(t *testing.T) {
	t.Parallel()
	url := external(t)
	four := func(name string) func(*Config) {
		return func(c *Config) { c.Node, c.Count = name, 4 }
	}
	a := startNode(t, jet.Config{URL: url}, four("a"))
	b := startNode(t, jet.Config{URL: url}, four("b"))
	mine := func(n *node) (k int) {
		for _, st := range n.svc.Status() {
			if st.Mine && st.Ready {
				k++
			}
		}
		return k
	}
	eventually(t, "each node has two partitions", func() bool { return mine(a) == 2 && mine(b) == 2 })
	var queues []*registry.Queue
	for i := range 8 {
		queues = append(queues, a.queue(fmt.Sprint("q", i), nil))
	}
	eventually(t, "b knows the queues", func() bool { return b.reg.Revision() >= a.reg.Revision() })
	var wg sync.WaitGroup
	for _, q := range queues {
		wg.Go(func() {
			if _, err := b.svc.Send(t.Context(), q, []Message{message("x")}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "b has all four", func() bool { return mine(b) == 4 })
	for _, q := range queues {
		b.wantCounts(q, 1, 0, 0)
	}
}

// What goes through an outbox arrives once, though it is handed over again and
// again.
func TestAcceptOnce(t *testing.T) {
	t.Parallel()
	n := startNode(t, jet.Config{Dir: t.TempDir()}, nil)
	q := n.queue("q", nil)
	parcels := make([]owner.Parcel, 5)
	fill := func(firstKey uint64, sent int64) {
		for i := range parcels {
			m := message(fmt.Sprint(i))
			parcels[i] = owner.Parcel{Key: firstKey + uint64(i), Payload: encodePayload(nil, &m), Places: []state.Place{{
				Queue: refOf(q), Sent: state.Time(sent), Note: state.Note{Source: "arn:aws:sqs:r:a:s", Receives: 1},
			}}}
		}
	}
	handOver := func() {
		t.Helper()
		for _, upTo := range []int{2, 2, 4, 1, 5} {
			out, err := call(t.Context(), n.svc, 0, opAccept, owner.AcceptIn{From: 7, Parcels: parcels[:upTo]})
			if want := parcels[upTo-1].Key; err != nil || out.Mark < want {
				t.Fatalf("accepted up to %d, %v, want %d", out.Mark, err, want)
			}
		}
	}
	fill(1, 1000)
	handOver()
	if c := n.counts(q); c.Visible != 0 { // Sent in 1970: long expired
		t.Errorf("%d messages older than the retention are there", c.Visible)
	}
	fill(10, time.Now().UnixMilli())
	handOver()
	n.wantCounts(q, 5, 0, 0)
	if got := n.receive(q, one); got[0].DeadLetterSource != "arn:aws:sqs:r:a:s" || got[0].Receives != 2 {
		t.Errorf("received %+v", got[0])
	}
}

// Ten messages of 1 MB through a node that is not the owner: as many as fit one
// answer come, the others are not touched and come next.
func TestLargeMessagesThroughAnotherNode(t *testing.T) {
	t.Parallel()
	url := external(t)
	a := startNode(t, jet.Config{URL: url}, named("a"))
	b := startNode(t, jet.Config{URL: url}, named("b"))
	q := a.queue("q", nil)
	eventually(t, "b knows the queue", func() bool { _, ok := b.reg.QueueByID(q.ID); return ok })
	far := b // whoever does not own the partition
	if b.svc.local(0) != nil {
		far = a
	}
	body := strings.Repeat("x", 1<<20-1000)
	for range 10 {
		a.send(q, message(body))
	}
	got := 0
	for rounds := 0; got < 10; rounds++ {
		if rounds == 3 {
			t.Fatalf("%d of 10 messages after %d receives", got, rounds)
		}
		list := far.receive(q, ReceiveOptions{Max: 10, Visibility: 600})
		for _, r := range list {
			if r.Receives != 1 || r.Body != body {
				t.Fatalf("received %d times, %d bytes", r.Receives, len(r.Body))
			}
		}
		got += len(list)
		a.wantCounts(q, 10-got, got, 0)
	}
}

// A damaged partition stops alone: the other one of the node goes on, and the
// status says why.
func TestDamagedPartitionStopsAlone(t *testing.T) {
	t.Parallel()
	w := jetsim.New(jetsim.Options{Seed: 1})
	two := func(c *Config) { c.Count = 2 }
	first := w.Node("first")
	n := startOn(t, first, two)
	q0, q1 := n.queue("a", nil), n.queue("b", nil)
	if q0.Partition == q1.Partition {
		t.Fatalf("both queues lie on partition %d", q0.Partition)
	}
	n.send(q0, message("x"))
	n.send(q1, message("y"))
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	first.Kill()
	log := fmt.Sprintf("ws_journal_%d", q0.Partition)
	_, last, ok := w.Bounds(log)
	if !ok {
		t.Fatal("no such log")
	}
	if _, ok := w.Damage(log, last, -1); !ok {
		t.Fatal("nothing was damaged")
	}
	second := w.Node("second")
	t.Cleanup(second.Kill)
	n = startOn(t, second, two)
	n.wantCounts(q1, 1, 0, 0)
	eventually(t, "the status tells of the damage", func() bool {
		st := n.svc.Status()
		return strings.Contains(st[q0.Partition].Damaged, "restore its log") && st[q1.Partition].Damaged == "" && st[q1.Partition].Ready
	})
	if _, err := n.svc.Send(t.Context(), q0, []Message{message("z")}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a send to the damaged partition: %v", err)
	}
	n.send(q1, message("more"))
	// What is made now is of use: nothing new lies there, though fewer do.
	for _, name := range []string{"c", "d", "e"} {
		if q := n.queue(name, nil); q.Partition != q1.Partition {
			t.Errorf("%s lies on the damaged partition", name)
		}
	}
	if q := n.queue("f", deadLetterTo(q0, 3)); q.Partition != q1.Partition {
		t.Error("a queue lies on the damaged partition beside its dead-letter queue")
	}
}

// A record that this release cannot read is damage too: it does not become readable by
// loading it again and again, but another node may run the release that wrote it.
func TestUnknownRecordStopsThePartition(t *testing.T) {
	t.Parallel()
	w := jetsim.New(jetsim.Options{Seed: 1})
	two := func(c *Config) { c.Count = 2 }
	first := w.Node("first")
	n := startOn(t, first, two)
	log, err := n.svc.cfg.stream(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	j, err := journal.New(journal.Config{Log: log, Writer: "newer"})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Claim(t.Context(), func(journal.Pos, []byte) error { return nil }, nil); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- j.Run(ctx) }()
	_, commit, err := j.Append([]byte{255, 0}) // a fact of a kind that is not known
	if err != nil {
		t.Fatal(err)
	}
	if err := commit.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	first.Kill()
	second := w.Node("second")
	t.Cleanup(second.Kill)
	n = startOn(t, second, two)
	if st := n.svc.Status(); !st[0].Ready || !strings.Contains(st[1].Damaged, "newer") {
		t.Errorf("status %+v", st)
	}
}

// An owner hears of changed definitions as soon as it is loaded, though it does
// not answer yet.
func TestOwnersHearOfChangesBeforeTheyOpen(t *testing.T) {
	t.Parallel()
	n := startNode(t, jet.Config{Dir: t.TempDir()}, nil)
	n.svc.mu.Lock()
	n.svc.owned[0].open = false
	n.svc.mu.Unlock()
	if n.svc.local(0) != nil || len(n.svc.owners()) != 1 {
		t.Errorf("an owner that is not open: answers %v, hears of changes %v", n.svc.local(0) != nil, len(n.svc.owners()) == 1)
	}
	n.svc.mu.Lock()
	n.svc.owned[0].open = true
	n.svc.mu.Unlock()
}

func TestSpaceLevel(t *testing.T) {
	t.Parallel()
	const reserve = 32 << 20
	for _, c := range []struct {
		before int32
		free   uint64
		want   int32
	}{
		{owner.SpaceEnough, reserve, owner.SpaceEnough},
		{owner.SpaceEnough, reserve - 1, owner.SpaceShort},
		{owner.SpaceShort, reserve, owner.SpaceShort},
		{owner.SpaceShort, reserve + reserve/64, owner.SpaceEnough},
		{owner.SpaceShort, reserve/2 - 1, owner.SpaceEnd},
		{owner.SpaceEnd, reserve / 2, owner.SpaceEnd},
		{owner.SpaceEnd, reserve/2 + reserve/64, owner.SpaceShort},
		{owner.SpaceEnd, 2 * reserve, owner.SpaceEnough},
		{owner.SpaceEnough, 0, owner.SpaceEnd},
	} {
		if got := spaceLevel(c.before, c.free, reserve); got != c.want {
			t.Errorf("from level %d with %d bytes free: %d, want %d", c.before, c.free, got, c.want)
		}
	}
}

// All partitions of a node together take a quarter of the reserve, unless they are
// many.
func TestSpaceShare(t *testing.T) {
	t.Parallel()
	for partitions, want := range map[int]int64{0: 8 << 20, 1: 8 << 20, 2: 4 << 20, 16: 512 << 10, 1024: 512 << 10} {
		if got := spaceShare(32<<20, partitions); got != want {
			t.Errorf("of %d partitions each has %d bytes, want %d", partitions, got, want)
		}
	}
}

// A long poll through another node outlives the hand-over of its partition, however
// long it has waited by then: only the time without an owner counts.
func TestLongPollIsRoutedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := jetsim.New(jetsim.Options{Seed: 1})
		var nodes []*node
		for _, name := range []string{"a", "b"} {
			conn := world.Node(name)
			nodes = append(nodes, startOn(t, conn, named(name)))
			t.Cleanup(conn.Kill)
		}
		a, b := nodes[0], nodes[1]
		q := a.queue("q", nil)
		time.Sleep(time.Second) // b knows it
		done := make(chan []Received, 1)
		go func() {
			got, err := b.svc.Receive(t.Context(), q, ReceiveOptions{Max: 1, Visibility: -1, Wait: 20 * time.Second})
			if err != nil {
				t.Error(err)
			}
			done <- got
		}()
		time.Sleep(b.svc.cfg.RouteTimeout + time.Second)
		if a.svc.local(0) == nil || a.svc.local(0).Status().Waiting != 1 {
			t.Fatal("the poll does not wait on the other node")
		}
		if err := a.stop(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		b.send(q, message("x"))
		if got := <-done; len(got) != 1 {
			t.Errorf("received %v", got)
		}
		if err := b.stop(); err != nil {
			t.Error(err)
		}
	})
}

// A request for a queue that the sender's memory just began to show, while its
// listeners are still being told: the owner, which has not heard of the queue,
// reads up to it before it answers.
func TestOwnerReadsUpToWhatTheSenderSaw(t *testing.T) {
	t.Parallel()
	w := jetsim.New(jetsim.Options{Seed: 1})
	behind, maker := w.Node("b"), w.Node("c")
	startOn(t, behind, named("b")) // the owner
	a := startOn(t, w.Node("a"), named("a"))
	telling, told := make(chan struct{}), make(chan struct{})
	a.reg.OnQueue(func(*registry.Queue, *registry.Queue) {
		close(telling)
		<-told
	})
	behind.LagWatch("ws_marks", time.Hour)
	reg, err := registry.Open(t.Context(), maker, "ws", registry.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- reg.Run(ctx) }()
	q, _, err := reg.CreateQueue(t.Context(), registry.Queue{
		Meta: registry.Meta{Account: "000000000000", Region: "r", Name: "q"}, RetentionSeconds: 3600, MaxMessageSize: 1 << 20,
	}, func(*registry.Queue) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	<-telling
	def, ok := a.reg.QueueByID(q.ID)
	if !ok {
		t.Fatal("memory does not show what listeners are told")
	}
	if a.svc.local(0) != nil {
		t.Fatal("the partition is not the other node's")
	}
	_, err = a.svc.Send(t.Context(), def, []Message{message("x")})
	close(told)
	if err != nil {
		t.Error(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
