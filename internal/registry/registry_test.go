package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/jet"
)

const (
	account = "000000000000"
	region  = "eu-central-1"
)

// cluster is one server that several registries share.
type cluster struct {
	t     *testing.T
	conn  *jet.Conn
	log   jet.Log
	marks jet.Bucket
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	return clusterIn(t, t.TempDir())
}

func clusterIn(t *testing.T, dir string) *cluster {
	t.Helper()
	conn, err := jet.Open(t.Context(), jet.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	log, marks, err := stores(t.Context(), conn, "ws")
	if err != nil {
		t.Fatal(err)
	}
	return &cluster{t, conn, log, marks}
}

// node starts a registry; prepare may change it before it runs.
func (c *cluster) node(cfg Config, prepare ...func(*Registry)) *Registry {
	c.t.Helper()
	if cfg.Log == nil {
		cfg.Log = c.log
	}
	if cfg.Marks == nil {
		cfg.Marks = c.marks
	}
	r, err := New(cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, fn := range prepare {
		fn(r)
	}
	ctx, cancel := context.WithCancel(c.t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	c.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			c.t.Error(err)
		}
	})
	select {
	case <-r.Ready():
	case <-short(c.t).Done():
		c.t.Fatal("never ready")
	}
	return r
}

func short(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func queue(name string) Queue {
	return Queue{
		Meta: Meta{Account: account, Region: region, Name: name}, FIFO: strings.HasSuffix(name, ".fifo"),
		VisibilitySeconds: 30, RetentionSeconds: 345600, MaxMessageSize: 1 << 20,
	}
}

func yes(*Queue) bool { return true }

func create(t *testing.T, r *Registry, name string) *Queue {
	t.Helper()
	q, created, err := r.CreateQueue(short(t), queue(name), yes)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	return q
}

func names(list []*Queue) (names []string) {
	for _, q := range list {
		names = append(names, q.Name)
	}
	return names
}

func TestLifeOfAQueue(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	now := int64(1000)
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Unix(now, 0) }
	tick := func() { mu.Lock(); defer mu.Unlock(); now++ }
	a := c.node(Config{Now: clock, Place: func(*Queue) uint32 { return 1 }})
	b := c.node(Config{})
	a.SetPlacer(func(q *Queue) uint32 { return uint32(len(q.Name)) })
	ctx := short(t)

	q := create(t, a, "orders.fifo")
	if q.ID == 0 || q.Created != 1000 || q.Modified != 1000 || q.Partition != 11 || q.Revision == 0 || !q.FIFO {
		t.Fatalf("%+v", q)
	}
	if q.ARN() != "arn:aws:sqs:eu-central-1:000000000000:orders.fifo" {
		t.Fatal(q.ARN())
	}
	if err := b.WaitFor(ctx, q.Revision); err != nil {
		t.Fatal(err)
	}
	byName, _ := b.Queue(account, region, "orders.fifo")
	byARN, _ := b.QueueByARN(q.ARN())
	byID, _ := b.QueueByID(q.ID)
	if byName == nil || byName != byARN || byName != byID || byName.ID != q.ID || byName.Partition != 11 {
		t.Fatal(byName, byARN, byID)
	}
	if n := b.CountOf(11); n != 1 || b.CountOf(1) != 0 || b.Count() != 1 {
		t.Fatal(n, b.Count())
	}

	if again, created, err := b.CreateQueue(ctx, queue("orders.fifo"), yes); err != nil || created || again.ID != q.ID {
		t.Fatal(again, created, err)
	}
	if _, _, err := b.CreateQueue(ctx, queue("orders.fifo"), func(*Queue) bool { return false }); !errors.Is(err, ErrConflict) {
		t.Fatal(err)
	}

	tick()
	tagged, err := a.UpdateQueue(ctx, account, region, "orders.fifo", func(q *Queue) error {
		q.Tags = map[string]string{"team": "x"}
		return nil
	})
	if err != nil || tagged.Modified != 1000 || tagged.Revision <= q.Revision {
		t.Fatalf("%+v %v", tagged, err)
	}
	changed, err := a.UpdateQueue(ctx, account, region, "orders.fifo", func(q *Queue) error {
		q.ID, q.Name, q.Partition, q.Created, q.FIFO = 7, "other", 9, 5, false
		q.DelaySeconds = 5
		return nil
	})
	if err != nil || changed.ID != q.ID || changed.Name != q.Name || changed.Partition != 11 || !changed.FIFO ||
		changed.Created != 1000 || changed.Modified != 1001 || changed.DelaySeconds != 5 || changed.Tags["team"] != "x" {
		t.Fatalf("%+v %v", changed, err)
	}
	same, err := a.UpdateQueue(ctx, account, region, "orders.fifo", func(*Queue) error { return nil })
	if err != nil || same.Revision != changed.Revision {
		t.Fatalf("a change of nothing was written: %+v %v", same, err)
	}
	refused := errors.New("refused")
	if _, err := a.UpdateQueue(ctx, account, region, "orders.fifo", func(*Queue) error { return refused }); err != refused {
		t.Fatal(err)
	}
	if q.DelaySeconds != 0 || q.Tags != nil {
		t.Fatalf("a shared queue was changed: %+v", q)
	}

	if err := b.DeleteQueue(ctx, account, region, "orders.fifo"); err != nil {
		t.Fatal(err)
	}
	if _, ok := b.Queue(account, region, "orders.fifo"); ok {
		t.Fatal("still there")
	}
	if err := b.DeleteQueue(ctx, account, region, "orders.fifo"); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if _, err := b.UpdateQueue(ctx, account, region, "orders.fifo", func(*Queue) error { return nil }); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if q2 := create(t, b, "orders.fifo"); q2.ID == q.ID {
		t.Fatal("the same ID again")
	}
}

func TestInvalid(t *testing.T) {
	t.Parallel()
	r := newCluster(t).node(Config{})
	for _, name := range []string{"", "a b", "a*", "a//b", "/a", "a/", "ü", strings.Repeat("x", 513)} {
		if _, _, err := r.CreateQueue(short(t), queue(name), yes); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, arn := range []string{"", "arn:aws:sqs:", "arn:aws:sqs:r", "arn:aws:sqs:r:a", "arn:aws:sns:r:a:n", "arn:aws:sqs:r:a:n:x", "arn:aws:sqs:r::n"} {
		if _, ok := r.QueueByARN(arn); ok {
			t.Errorf("%q was taken for an ARN", arn)
		}
		if _, _, _, ok := ParseQueueARN(arn); ok {
			t.Errorf("%q was taken for an ARN", arn)
		}
	}
	if _, err := New(Config{}); err == nil {
		t.Error("a registry without a store")
	}
	if err := r.Run(t.Context()); err == nil {
		t.Error("Run twice")
	}
}

// TestCreateRace has two nodes create the same queues at once, some of them
// over and over: they agree on every ID.
func TestCreateRace(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	nodes := []*Registry{c.node(Config{}), c.node(Config{})}
	ctx := short(t)
	for round := range 20 {
		name := fmt.Sprint("q", round%10)
		results := make([]*Queue, 8)
		made := make([]bool, 8)
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() {
				var err error
				results[i], made[i], err = nodes[i%2].CreateQueue(ctx, queue(name), yes)
				if err != nil {
					t.Error(err)
					return
				}
				if q, ok := nodes[i%2].Queue(account, region, name); !ok || q.ID != results[i].ID {
					t.Errorf("memory has %v, created was %v", q, results[i])
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		count := 0
		for i, q := range results {
			if q.ID != results[0].ID {
				t.Fatalf("%d and %d", q.ID, results[0].ID)
			}
			if made[i] {
				count++
			}
		}
		if count != 1 {
			t.Fatalf("created %d times", count)
		}
		if round < 10 {
			if err := nodes[round%2].DeleteQueue(ctx, account, region, name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestUpdateContention counts with many from two nodes: no update is lost.
func TestUpdateContention(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	nodes := []*Registry{c.node(Config{}), c.node(Config{})}
	create(t, nodes[0], "q")
	ctx := short(t)
	const workers, each = 8, 15
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for range each {
				if _, err := nodes[i%2].UpdateQueue(ctx, account, region, "q", func(q *Queue) error {
					q.DelaySeconds++
					return nil
				}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	q, err := nodes[0].UpdateQueue(ctx, account, region, "q", func(*Queue) error { return nil })
	if err != nil || q.DelaySeconds != workers*each {
		t.Fatal(q, err)
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	r := c.node(Config{Place: func(q *Queue) uint32 { return uint32(q.Name[0]) % 2 }})
	ctx := short(t)
	for _, name := range []string{"b", "a2", "a1", "a10", "c", "dlq"} {
		create(t, r, name)
	}
	other := queue("a3")
	other.Region = "us-east-1"
	if _, _, err := r.CreateQueue(ctx, other, yes); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		prefix, after string
		limit         int
		want          []string
		more          bool
	}{
		{"", "", 100, []string{"a1", "a10", "a2", "b", "c", "dlq"}, false},
		{"", "", 2, []string{"a1", "a10"}, true},
		{"", "a10", 4, []string{"a2", "b", "c", "dlq"}, false},
		{"a", "", 3, []string{"a1", "a10", "a2"}, false},
		{"a", "a1", 1, []string{"a10"}, true},
		{"a", "a2", 10, nil, false},
		{"b", "a1", 10, []string{"b"}, false},
		{"a", "b", 10, nil, false},
		{"x", "", 10, nil, false},
	} {
		list, more := r.Queues(account, region, tt.prefix, tt.after, tt.limit)
		if !slices.Equal(names(list), tt.want) || more != tt.more {
			t.Errorf("%+v: %v %v", tt, names(list), more)
		}
	}
	if a, b := r.CountOf(1), r.CountOf(0); a != 5 || b != 2 {
		t.Error(a, b)
	}

	dlq, _ := r.Queue(account, region, "dlq")
	redrive := func(name string, to *Redrive) {
		t.Helper()
		if _, err := r.UpdateQueue(ctx, account, region, name, func(q *Queue) error { q.Redrive = to; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	redrive("b", &Redrive{dlq.ARN(), 3})
	redrive("a2", &Redrive{dlq.ARN(), 1})
	redrive("c", &Redrive{"arn:aws:sqs:eu-central-1:000000000000:zzz", 1})
	if got := names(r.DeadLetterSources(dlq.ARN())); !slices.Equal(got, []string{"a2", "b"}) {
		t.Error(got)
	}
	redrive("a2", nil)
	redrive("c", &Redrive{dlq.ARN(), 9})
	if err := r.DeleteQueue(ctx, account, region, "b"); err != nil {
		t.Fatal(err)
	}
	if got := names(r.DeadLetterSources(dlq.ARN())); !slices.Equal(got, []string{"c"}) {
		t.Error(got)
	}
	if got := r.DeadLetterSources("arn:none"); got != nil {
		t.Error(got)
	}
}

func TestTooMany(t *testing.T) {
	t.Parallel()
	r := newCluster(t).node(Config{MaxQueues: 3})
	var wg sync.WaitGroup
	var mu sync.Mutex
	refused := 0
	for i := range 8 {
		wg.Go(func() {
			_, _, err := r.CreateQueue(short(t), queue(fmt.Sprint("q", i)), yes)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, ErrTooMany):
				refused++
			case err != nil:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list, _ := r.Queues(account, region, "", "", 10)
	if len(list)+refused != 8 || len(list) > 3 || len(list) == 0 {
		t.Fatal(len(list), refused)
	}
}

// TestOnQueue checks what another node is told, incarnations included.
func TestOnQueue(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.node(Config{})
	ctx := short(t)
	create(t, a, "before")

	events := make(chan string, 100)
	b := c.node(Config{}, func(r *Registry) {
		r.OnQueue(func(old, now *Queue) {
			switch {
			case old == nil:
				events <- "created " + now.Name
			case now == nil:
				events <- "deleted " + old.Name
			default:
				events <- fmt.Sprintf("changed %s %d %d", now.Name, old.DelaySeconds, now.DelaySeconds)
			}
		})
	})
	want := []string{"created before", "created q", "changed q 0 7", "deleted q", "created q"}
	create(t, a, "q")
	q, err := a.UpdateQueue(ctx, account, region, "q", func(q *Queue) error { q.DelaySeconds = 7; return nil })
	if err != nil {
		t.Fatal(err)
	}
	// Waiting here keeps the changes from being told as one.
	if err := b.WaitFor(ctx, q.Revision); err != nil {
		t.Fatal(err)
	}
	if err := a.DeleteQueue(ctx, account, region, "q"); err != nil {
		t.Fatal(err)
	}
	q = create(t, a, "q")
	if err := b.WaitFor(ctx, q.Revision); err != nil {
		t.Fatal(err)
	}
	var got []string
	for len(events) > 0 { // all told before WaitFor returned
		got = append(got, <-events)
	}
	// "created q" may have been seen together with the change.
	if len(got) == 4 {
		want = slices.Delete(want, 2, 3)
	}
	if !slices.Equal(got, want) {
		t.Fatal(got)
	}
}

func TestSecretRace(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	nodes := []*Registry{c.node(Config{}), c.node(Config{})}
	ctx := short(t)
	results := make([][]byte, 8)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			var err error
			if results[i], err = nodes[i%2].Secret(ctx, "receipts", 32); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, s := range results {
		if len(s) != 32 || !slices.Equal(s, results[0]) {
			t.Fatalf("%x and %x", s, results[0])
		}
	}
	if other, err := nodes[0].Secret(ctx, "pages", 32); err != nil || slices.Equal(other, results[0]) {
		t.Fatal(err)
	}
	if _, err := nodes[0].Secret(ctx, "receipts", 16); err == nil {
		t.Error("a secret of another size")
	}
	for n, name := range map[int]string{16: "a.b", 0: "none", -1: "less", 1025: "more"} {
		if _, err := nodes[0].Secret(ctx, name, n); !errors.Is(err, ErrInvalid) {
			t.Error(name, err)
		}
	}
}
