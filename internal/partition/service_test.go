package partition

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/jet/jetsim"
	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/registry"
)

// bubble runs f in virtual time with a simulated cluster.
func bubble(t *testing.T, f func(t *testing.T, w *jetsim.World)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { f(t, jetsim.New(jetsim.Options{Seed: 1, Disk: 10 << 30})) })
}

// later lets time pass until nothing goes on any more.
func later(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// lines collects what is logged.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

// count is how many lines have a text.
func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

// While the storage is nearly used up sends are refused, then receives, too; each is told
// once, and those who waited are served once there is space.
func TestSpaceRunsOut(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		var l lines
		n := startOn(t, w.Node("a"), func(c *Config) {
			c.Logger, c.Reserve = slog.New(slog.NewTextHandler(&l, nil)), 1<<30
		})
		q := n.queue("q", nil)
		n.send(q, message("x"))
		receipt := n.receive(q, one)[0].Receipt
		polled := make(chan int, 1)
		go func() {
			got, err := n.svc.Receive(t.Context(), q, ReceiveOptions{Max: 1, Visibility: -1, Wait: time.Hour})
			if err != nil {
				t.Error(err)
			}
			polled <- len(got)
		}()
		check := func(what string, level int32, send, receive error, told [3]int) {
			t.Helper()
			later(time.Second)
			if got := n.svc.Space(); got != level || n.svc.Full() != (level != owner.SpaceEnough) {
				t.Errorf("%s: level %d, full %v", what, got, n.svc.Full())
			}
			if _, err := n.svc.Send(t.Context(), q, []Message{message("y")}); !errors.Is(err, send) || err != nil && send == nil {
				t.Errorf("%s: a send: %v, want %v", what, err, send)
			}
			other := n.queue("other", nil)
			if _, err := n.svc.Receive(t.Context(), other, one); !errors.Is(err, receive) || err != nil && receive == nil {
				t.Errorf("%s: a receive: %v, want %v", what, err, receive)
			}
			got := [3]int{l.count("nearly full"), l.count("the storage is full"), l.count("free space again")}
			if got != told {
				t.Errorf("%s: told %v times, want %v", what, got, told)
			}
		}
		w.Fill(9<<30 + 100<<20)
		check("short", owner.SpaceShort, ErrFull, nil, [3]int{1, 0, 0})
		w.Fill(9<<30 + 110<<20)
		check("a little shorter", owner.SpaceShort, ErrFull, nil, [3]int{1, 0, 0})
		w.Fill(9<<30 + 600<<20)
		check("full", owner.SpaceEnd, ErrFull, ErrFull, [3]int{1, 1, 0})
		n.change(q, []VisibilityChange{{receipt, 0}}, nil) // there is something for the one who waits
		check("still full", owner.SpaceEnd, ErrFull, ErrFull, [3]int{1, 1, 0})
		if len(polled) > 0 {
			t.Error("a poll is served from a full disk")
		}
		w.Fill(0)
		later(time.Second)
		if len(polled) == 0 {
			t.Fatal("nobody serves the one who waits")
		}
		if got := <-polled; got != 1 {
			t.Errorf("received %d", got)
		}
		check("enough", owner.SpaceEnough, nil, nil, [3]int{1, 1, 1})
	})
}

// The status tells what waits for the log, and what is in memory.
func TestStatusTells(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		n := startOn(t, w.Node("a"), func(c *Config) { c.MaxMemory, c.MaxMessages = 1<<20, 3 })
		q := n.queue("q", nil)
		n.send(q, message("x"), message("y"))
		used, limit, full := n.svc.Memory()
		if used < 200 || used > 10_000 || limit != 1<<20 || full {
			t.Errorf("%d of %d bytes, full %v", used, limit, full)
		}
		w.LoseLeader("ws_journal_0", true)
		sent := make(chan error, 1)
		go func() {
			_, err := n.svc.Send(t.Context(), q, []Message{message("z")})
			sent <- err
		}()
		synctest.Wait()
		st := n.svc.Status()[0]
		if st.Requests != 1 || st.RequestBytes < 1 || st.Messages != 3 || st.Queues != 1 || st.Defined != 1 || st.MemoryBytes < used || st.PendingBytes < 1 {
			t.Errorf("%+v", st)
		}
		w.Elect("ws_journal_0")
		if err := <-sent; err != nil {
			t.Error(err)
		}
		later(time.Second)
		st = n.svc.Status()[0]
		if st.Requests != 0 || st.RequestBytes != 0 || st.PendingBytes != 0 || st.LiveBytes < 3 || st.LogBytes < st.LiveBytes || !st.Ready || !st.Mine || st.Owner != "one" {
			t.Errorf("%+v", st)
		}
		if _, _, full := n.svc.Memory(); !full {
			t.Error("there is room for more messages than there may be")
		}
		if _, err := n.svc.Send(t.Context(), q, []Message{message("more")}); !errors.Is(err, ErrMemory) {
			t.Errorf("a send: %v", err)
		}
		var visited []string
		n.svc.EachQueue(func(s QueueStats) { visited = append(visited, s.Queue.Name) })
		if len(visited) != 1 || visited[0] != "q" {
			t.Errorf("visited %q", visited)
		}
	})
}

// A new queue lies beside its dead-letter queue, else where the fewest are.
func TestPlaces(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		n := startOn(t, w.Node("a"), func(c *Config) { c.Count = 3 })
		at := make(map[uint32]int)
		var last *registry.Queue
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			last = n.queue(name, nil)
			at[last.Partition]++
		}
		if at[0] != 2 || at[1] != 2 || at[2] != 2 {
			t.Errorf("they lie on %v", at)
		}
		for _, name := range []string{"g", "h", "i"} {
			if q := n.queue(name, deadLetterTo(last, 3)); q.Partition != last.Partition {
				t.Errorf("its dead letters would go from %d to %d", q.Partition, last.Partition)
			}
		}
		gone := *last
		gone.Name = "gone"
		if q := n.queue("j", deadLetterTo(&gone, 3)); q.Partition == last.Partition {
			t.Errorf("a queue whose dead-letter queue is not there lies on %d, where the most are", q.Partition)
		}
	})
}

// What a node gave to another it forgets.
func TestPartitionsThatWentAreForgotten(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		two := func(name string) func(*Config) {
			return func(c *Config) { c.Node, c.Count = name, 2 }
		}
		owned := func(n *node) int {
			n.svc.mu.Lock()
			defer n.svc.mu.Unlock()
			return len(n.svc.owned)
		}
		a := startOn(t, w.Node("a"), two("a"))
		if n := owned(a); n != 2 {
			t.Fatalf("alone it has %d partitions", n)
		}
		b := startOn(t, w.Node("b"), two("b"))
		later(time.Minute)
		if x, y := owned(a), owned(b); x != 1 || y != 1 {
			t.Errorf("one has %d partitions, the other %d", x, y)
		}
	})
}

// lagging is a log whose end is told late, or not at all.
type lagging struct {
	jet.Log
	late int // times
	err  error
}

func (l *lagging) Last(ctx context.Context) (uint64, error) {
	if l.err != nil {
		return 0, l.err
	}
	if l.late--; l.late >= 0 {
		return 1, nil
	}
	return l.Log.Last(ctx)
}

// A replica that leads anew may lag for a moment; a log that stays behind what its owner
// said last has lost what was acknowledged.
func TestLogsThatLag(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		n := startOn(t, w.Node("a"), nil)
		q := n.queue("q", nil)
		for range 5 {
			n.send(q, message("x"))
		}
		later(time.Minute) // so that it is known how far it reaches
		log, err := n.svc.cfg.stream(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if n.svc.keeper.Least(0) < 5 {
			t.Fatalf("the log reaches to %d at least", n.svc.keeper.Least(0))
		}
		whole := func(l *lagging) error { return n.svc.whole(t.Context(), 0, l) }
		for _, late := range []int{0, 1, 20} {
			if err := whole(&lagging{Log: log, late: late}); err != nil {
				t.Errorf("told after %d times: %v", late, err)
			}
		}
		corrupt := (*journal.CorruptError)(nil)
		if err := whole(&lagging{Log: log, late: 21}); !errors.As(err, &corrupt) || corrupt.Seq != 2 {
			t.Errorf("never told: %v", err)
		}
		away := errors.New("away")
		if err := whole(&lagging{err: away}); !errors.Is(err, away) {
			t.Errorf("away: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := n.svc.whole(ctx, 0, &lagging{Log: log, late: 21}); !errors.Is(err, context.Canceled) {
			t.Errorf("called off: %v", err)
		}
	})
}

// deafCluster does not let anybody serve some subjects, and counts those served.
type deafCluster struct {
	jet.Cluster
	deaf   string
	served atomic.Int64
}

var errDeaf = errors.New("nobody can be served there")

func (c *deafCluster) Serve(subject string, h func(*jet.Incoming)) (func(), error) {
	if strings.Contains(subject, c.deaf) {
		return nil, errDeaf
	}
	stop, err := c.Cluster.Serve(subject, h)
	if err != nil {
		return nil, err
	}
	c.served.Add(1)
	return func() { c.served.Add(-1); stop() }, nil
}

// A node that others cannot ask does not run, and leaves nothing behind.
func TestNobodyCanAsk(t *testing.T) {
	for _, deaf := range []string{".node.", ".cancel."} {
		t.Run(deaf, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *jetsim.World) {
				n := startOn(t, w.Node("a"), nil)
				cluster := &deafCluster{Cluster: w.Node("b"), deaf: deaf}
				s, err := New(Config{Conn: cluster, Registry: n.reg, Node: "b", Logger: testLogger()})
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Run(t.Context()); !errors.Is(err, errDeaf) {
					t.Error(err)
				}
				if n := cluster.served.Load(); n != 0 {
					t.Errorf("%d subjects are still served", n)
				}
				if _, err := Salvage(t.Context(), noLogs{cluster}, "ws"); !errors.Is(err, errNoLogs) {
					t.Errorf("salvaged from no logs: %v", err)
				}
			})
		})
	}
}

// noLogs is a cluster whose logs and buckets can't be opened.
type noLogs struct{ jet.Cluster }

var errNoLogs = errors.New("no logs")

func (noLogs) Log(context.Context, jet.StreamSpec) (jet.Log, error)   { return nil, errNoLogs }
func (noLogs) Bucket(context.Context, jet.KVSpec) (jet.Bucket, error) { return nil, errNoLogs }

// What a service hides longer it hides for whole seconds, no less than it asked for.
func TestExtendRoundsUp(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		const kind = FirstService
		n := startOn(t, w.Node("a"), func(c *Config) { c.Kinds = map[Kind]KindTerms{kind: {}} })
		q := Target{Queue: Ref{Kind: kind, ID: 1}}
		for by, want := range map[time.Duration]time.Duration{
			time.Millisecond: time.Second, time.Second: time.Second, time.Second + 1: 2 * time.Second, 90 * time.Second: 90 * time.Second,
		} {
			if _, err := n.svc.Post(t.Context(), 0, []PostItem{{Payload: []byte("x"), Targets: []PostTarget{{Target: q}}}}); err != nil {
				t.Fatal(err)
			}
			taken, err := n.svc.Take(t.Context(), 0, kind, TakeTerms{Max: 1})
			if err != nil || len(taken.Messages) != 1 || taken.Target != q {
				t.Fatalf("took %+v, %v", taken, err)
			}
			began := time.Now()
			if out, err := n.svc.Extend(t.Context(), q, []Receipt{taken.Messages[0].Receipt}, by); err != nil || len(out) != 1 || out[0] != nil {
				t.Fatalf("extended: %v, %v", out, err)
			}
			taken, err = n.svc.Take(t.Context(), 0, kind, TakeTerms{Max: 1, Wait: time.Hour})
			if d := time.Since(began).Truncate(100 * time.Millisecond); err != nil || len(taken.Messages) != 1 || d != want {
				t.Errorf("hidden by %v: visible after %v, want %v; %v", by, d, want, err)
			}
			if out, err := n.svc.Ack(t.Context(), q, []Receipt{taken.Messages[0].Receipt}); err != nil || out[0] != nil {
				t.Errorf("%v, %v", out, err)
			}
		}
		if err := n.svc.Drop(t.Context(), q); err != nil {
			t.Error(err)
		}
		if c, err := n.svc.CountOf(t.Context(), q); err != nil || c != (Counts{}) {
			t.Errorf("%+v, %v", c, err)
		}
	})
}

// Queues that nobody knows are listed, of all partitions of the node.
func TestOrphansOfANode(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		n := startOn(t, w.Node("a"), func(c *Config) { c.Count = 3 })
		for p := range uint32(2) { // from the third: who posts here is told that there is no such queue
			target := PostTarget{Target: Target{Partition: p, Queue: Ref{ID: 100 + uint64(p)}}}
			if _, err := n.svc.Post(t.Context(), 2, []PostItem{{Payload: make([]byte, 40), Targets: []PostTarget{target}}}); err != nil {
				t.Fatal(err)
			}
		}
		later(time.Minute)
		list, err := n.svc.Orphans(t.Context())
		if err != nil || len(list) != 2 || list[0].ID+list[1].ID != 201 || list[0].Messages != 1 || list[0].Definition != nil {
			t.Errorf("%+v, %v", list, err)
		}
		if st := n.svc.Status(); st[0].Orphans != 1 || st[1].Orphans != 1 || st[2].Orphans != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// Of two processes under one name one ends, and says so.
func TestNameIsTaken(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		n := startOn(t, w.Node("a"), named("same"))
		s, err := New(Config{Conn: w.Node("b"), Registry: n.reg, Node: "same", Logger: testLogger(), Lease: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		later(time.Minute)
		if len(ended) == 0 {
			t.Error("it goes on")
		}
		cancel()
		if err := <-ended; err == nil {
			t.Error("it does not say why it ended")
		}
		if st := n.svc.Status(); !st[0].Mine || !st[0].Ready {
			t.Errorf("the other has %+v", st[0])
		}
	})
}
