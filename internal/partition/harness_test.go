package partition

import (
	"context"
	"crypto/md5"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is one running node: registry and partition service on a connection.
type node struct {
	t       testing.TB
	reg     *registry.Registry
	svc     *Service
	stop    func() error // clean
	stopped atomic.Bool
}

// clock is a time that a test moves on.
type clock struct{ offset atomic.Int64 }

func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// set makes a service go by the clock.
func (c *clock) set(cfg *Config) {
	base := time.Now()
	cfg.Now = func() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }
	cfg.Elapsed = func() time.Duration { return time.Since(base) + time.Duration(c.offset.Load()) }
}

func testLogger() *slog.Logger {
	if os.Getenv("WAYSTATION_TEST_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return slog.New(slog.DiscardHandler)
}

// startNode opens the store and runs registry and service until stop.
func startNode(t testing.TB, jc jet.Config, change func(*Config)) *node {
	t.Helper()
	ctx := t.Context()
	jc.Logger = testLogger()
	conn, err := jet.Open(ctx, jc)
	if err != nil {
		t.Fatal(err)
	}
	n := startOn(t, conn, change)
	stop := n.stop
	n.stop = func() error { return errors.Join(stop(), conn.Close()) }
	return n
}

// startOn is startNode on a store that is open.
func startOn(t testing.TB, conn jet.Cluster, change func(*Config)) *node {
	t.Helper()
	ctx := t.Context()
	n := &node{t: t}
	var err error
	n.reg, err = registry.Open(ctx, conn, "ws", registry.Config{Logger: testLogger(), Place: func(q *registry.Queue) uint32 { return n.svc.Place(q) }})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Conn: conn, Registry: n.reg, Node: "one", Logger: testLogger(), Lease: time.Second}
	if change != nil {
		change(&cfg)
	}
	if n.svc, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	runCtx, cancel := context.WithCancel(context.Background())
	regCtx, regCancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var svcErr, regErr error
	wg.Go(func() { regErr = n.reg.Run(regCtx) })
	select {
	case <-n.reg.Ready():
	case <-time.After(20 * time.Second):
		t.Fatal("the registry is not ready")
	}
	svcDone := make(chan struct{})
	go func() {
		defer close(svcDone)
		svcErr = n.svc.Run(runCtx)
	}()
	n.stop = func() error {
		if n.stopped.Swap(true) {
			return nil
		}
		cancel()
		<-svcDone
		regCancel()
		wg.Wait()
		return errors.Join(svcErr, regErr)
	}
	t.Cleanup(func() {
		if err := n.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	select {
	case <-n.svc.Ready():
	case <-svcDone:
		t.Fatalf("the service ended: %v", svcErr)
	case <-time.After(20 * time.Second):
		t.Fatal("the service is not ready")
	}
	return n
}

func (n *node) queue(name string, change func(*registry.Queue)) *registry.Queue {
	n.t.Helper()
	q := registry.Queue{
		Meta: registry.Meta{Account: "000000000000", Region: "us-east-1", Name: name}, VisibilitySeconds: 30,
		RetentionSeconds: 345600, MaxMessageSize: 1 << 20,
	}
	if change != nil {
		change(&q)
	}
	got, _, err := n.reg.CreateQueue(n.t.Context(), q, func(*registry.Queue) bool { return true })
	if err != nil {
		n.t.Fatal(err)
	}
	return got
}

func fifo(q *registry.Queue) { q.FIFO = true }

func deadLetterTo(dlq *registry.Queue, max int) func(*registry.Queue) {
	return func(q *registry.Queue) {
		q.FIFO = dlq.FIFO
		q.Redrive = &registry.Redrive{TargetARN: dlq.ARN(), MaxReceives: max}
	}
}

func message(body string) Message {
	return Message{ID: NewID(), Body: body, BodyMD5: md5.Sum([]byte(body)), Delay: -1}
}

func fifoMessage(group, dedup, body string) Message {
	m := message(body)
	m.GroupID, m.DedupID = group, dedup
	return m
}

func (n *node) send(q *registry.Queue, msgs ...Message) []SendResult {
	n.t.Helper()
	res, err := n.svc.Send(n.t.Context(), q, msgs)
	if err != nil {
		n.t.Fatal(err)
	}
	return res
}

func (n *node) receive(q *registry.Queue, opts ReceiveOptions) []Received {
	n.t.Helper()
	got, err := n.svc.Receive(n.t.Context(), q, opts)
	if err != nil {
		n.t.Fatal(err)
	}
	return got
}

func (n *node) delete(q *registry.Queue, receipts ...string) {
	n.t.Helper()
	errs, err := n.svc.Delete(n.t.Context(), q, receipts)
	if err := errors.Join(append(errs, err)...); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) counts(q *registry.Queue) Counts {
	n.t.Helper()
	c, err := n.svc.Counts(n.t.Context(), q)
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}

func (n *node) wantCounts(q *registry.Queue, visible, inFlight, delayed int) {
	n.t.Helper()
	c := n.counts(q)
	if c.Visible != visible || c.InFlight != inFlight || c.Delayed != delayed {
		n.t.Fatalf("%s has %d visible, %d in flight, %d delayed; want %d, %d, %d",
			q.Name, c.Visible, c.InFlight, c.Delayed, visible, inFlight, delayed)
	}
}

var one = ReceiveOptions{Max: 1, Visibility: -1}

var ten = ReceiveOptions{Max: 10, Visibility: -1}

// eventually waits for what happens in the background.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not seen: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
