package partition_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/jet/jetsim"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// The primitives, used as services use them.

const (
	deliveries = partition.FirstService + iota // retried, then dead
	ordered                                    // in order of their groups
	timers                                     // far ahead, by name
	failed                                     // where exhausted deliveries go
	discarding                                 // gives up without a trace
	ledgers                                    // remember what was posted
)

var kinds = map[partition.Kind]partition.KindTerms{
	deliveries: {
		MaxReceives: 3, Visibility: time.Minute, Backoff: []time.Duration{time.Hour, 10 * time.Hour},
		Exhausted: func(id uint64) (partition.Target, bool, bool) {
			return partition.Target{Queue: partition.Ref{Kind: failed, ID: id}}, false, true
		},
	},
	ordered:    {FIFO: true, MaxInFlight: 20},
	timers:     {},
	failed:     {},
	discarding: {MaxReceives: 1, Retention: time.Hour},
	ledgers:    {FIFO: true, Retention: time.Second},
}

// fixture is one node whose clock a test moves.
type fixture struct {
	t     *testing.T
	world *jetsim.World
	node  *jetsim.Node
	*partition.Service
	reg   *registry.Registry
	ahead atomic.Int64
	stop  func()
}

func newFixture(t *testing.T, partitions uint32) *fixture {
	f := &fixture{t: t, world: jetsim.New(jetsim.Options{Seed: 1})}
	f.start(partitions)
	t.Cleanup(func() { f.stop() })
	return f
}

// start runs the service until stop; again after a stop.
func (f *fixture) start(partitions uint32) {
	f.t.Helper()
	f.node = f.world.Node("one")
	ctx, cancel := context.WithCancel(context.Background())
	var err error
	f.reg, err = registry.Open(ctx, f.node, "ws", registry.Config{Place: func(q *registry.Queue) uint32 { return f.Place(q) }})
	if err != nil {
		f.t.Fatal(err)
	}
	base := time.Now()
	f.Service, err = partition.New(partition.Config{
		Conn: f.node, Registry: f.reg, Node: "one", Count: partitions, Lease: time.Second, Kinds: kinds,
		Renderers: map[byte]partition.Renderer{form: render},
		Now:       func() time.Time { return time.Now().Add(time.Duration(f.ahead.Load())) },
		Elapsed:   func() time.Duration { return time.Since(base) + time.Duration(f.ahead.Load()) },
	})
	if err != nil {
		f.t.Fatal(err)
	}
	var wg sync.WaitGroup
	regCtx, stopReg := context.WithCancel(context.Background())
	wg.Go(func() {
		if err := f.reg.Run(regCtx); err != nil {
			f.t.Error(err)
		}
	})
	<-f.reg.Ready()
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := f.Run(ctx); err != nil {
			f.t.Error(err)
		}
	}()
	node := f.node
	f.stop = sync.OnceFunc(func() {
		cancel()
		<-served
		stopReg()
		wg.Wait()
		node.Kill()
	})
	<-f.Ready()
}

func (f *fixture) restart(partitions uint32) {
	f.stop()
	f.start(partitions)
}

func (f *fixture) pass(d time.Duration) { f.ahead.Add(int64(d)) }

// now is the time of the fixture's clock in Unix milliseconds.
func (f *fixture) now() time.Time { return time.Now().Add(time.Duration(f.ahead.Load())) }

func at(partitionNumber uint32, kind partition.Kind, id uint64) partition.Target {
	return partition.Target{Partition: partitionNumber, Queue: partition.Ref{Kind: kind, ID: id}}
}

func (f *fixture) post(from uint32, payload string, targets ...partition.PostTarget) []partition.Posted {
	f.t.Helper()
	out, err := f.Post(f.t.Context(), from, []partition.PostItem{{Payload: []byte(payload), Targets: targets}})
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

func (f *fixture) take(p uint32, k partition.Kind, terms partition.TakeTerms) partition.Taken {
	f.t.Helper()
	if terms.Max == 0 {
		terms.Max = 10
	}
	got, err := f.Take(f.t.Context(), p, k, terms)
	if err != nil {
		f.t.Fatal(err)
	}
	return got
}

func (f *fixture) ack(got partition.Taken) {
	f.t.Helper()
	var list []partition.Receipt
	for _, m := range got.Messages {
		list = append(list, m.Receipt)
	}
	errs, err := f.Ack(f.t.Context(), got.Target, list)
	if err := errors.Join(append(errs, err)...); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) count(q partition.Target) partition.Counts {
	f.t.Helper()
	c, err := f.CountOf(f.t.Context(), q)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// eventually waits for what happens in the background.
func (f *fixture) eventually(what string, ok func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatalf("not seen: %s", what)
		}
	}
}

// One payload in many queues of several kinds and partitions: each has it once,
// with its own reference, also when the post is repeated.
func TestPostToManyQueues(t *testing.T) {
	t.Parallel()
	const partitions, each = 3, 20
	f := newFixture(t, partitions)
	sqs, _, err := f.reg.CreateQueue(t.Context(), registry.Queue{
		Meta: registry.Meta{Account: "000000000000", Region: "us-east-1", Name: "q"}, RetentionSeconds: 3600, VisibilitySeconds: 30,
	}, func(*registry.Queue) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	var targets []partition.PostTarget
	for p := range uint32(partitions) {
		for id := range uint64(each) {
			dedup := partition.DedupOf(fmt.Sprint("event 1 for ", id))
			targets = append(targets, partition.PostTarget{
				Target: at(p, deliveries, id), Reference: fmt.Sprintf("subscription %d of %d", id, p), Dedup: &dedup,
			})
		}
	}
	dedup := partition.DedupOf("event 1")
	targets = append(targets, partition.PostTarget{
		Target: partition.Target{Partition: sqs.Partition, Queue: partition.Ref{ID: sqs.ID}}, Revision: sqs.Revision, Dedup: &dedup, Reference: "sqs",
	})
	for round := range 3 {
		out := f.post(0, "payload", targets...)
		if len(out) != len(targets) {
			t.Fatalf("%d outcomes for %d targets", len(out), len(targets))
		}
		if local := out[0]; local.Duplicate != (round > 0) || local.Key == 0 {
			t.Errorf("round %d: %+v", round, local)
		}
		if round == 1 {
			f.restart(partitions)
		}
	}
	for p := range uint32(partitions) {
		seen := map[string]bool{}
		for len(seen) < each {
			got := f.take(p, deliveries, partition.TakeTerms{Wait: 10 * time.Second})
			if len(got.Messages) != 1 {
				t.Fatalf("partition %d: took %d messages after %d queues", p, len(got.Messages), len(seen))
			}
			m := got.Messages[0]
			if want := fmt.Sprintf("subscription %d of %d", got.Target.Queue.ID, p); m.Note.Reference != want || seen[want] || string(m.Payload) != "payload" {
				t.Fatalf("took %q with reference %q, want %q once", m.Payload, m.Note.Reference, want)
			}
			seen[m.Note.Reference] = true
			f.ack(got)
		}
	}
	f.eventually("all outboxes are empty", func() bool {
		for _, st := range f.Status() {
			if st.Backlog > 0 {
				return false
			}
		}
		return true
	})
	for p := range uint32(partitions) {
		if got := f.take(p, deliveries, partition.TakeTerms{}); len(got.Messages) > 0 {
			t.Errorf("partition %d: a message was put there twice", p)
		}
	}
	if c, err := f.Counts(t.Context(), sqs); err != nil || c.Visible != 1 {
		t.Errorf("the SQS queue has %+v, %v", c, err)
	}
}

// All items of a post that does not fit are refused, none is there.
func TestPostBounds(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	target := partition.PostTarget{Target: at(0, timers, 1)}
	long := target
	long.Reference = string(make([]byte, 257))
	many := make([]partition.PostTarget, 1001)
	for i := range many {
		many[i] = target
	}
	outbox := partition.PostTarget{Target: at(0, 1, 0)}
	nowhere := partition.PostTarget{Target: at(1, timers, 1)}
	for name, c := range map[string]struct {
		items []partition.PostItem
		want  error
	}{
		"bytes":     {[]partition.PostItem{{Payload: make([]byte, 5<<20), Targets: []partition.PostTarget{target}}}, partition.ErrTooLarge},
		"reference": {[]partition.PostItem{{Targets: []partition.PostTarget{target}}, {Targets: []partition.PostTarget{long}}}, partition.ErrTooLarge},
		"targets":   {[]partition.PostItem{{Targets: many}}, partition.ErrTooLarge},
		"outbox":    {[]partition.PostItem{{Targets: []partition.PostTarget{outbox}}}, partition.ErrQueueGone},
		"partition": {[]partition.PostItem{{Targets: []partition.PostTarget{target, nowhere}}}, partition.ErrUnavailable},
	} {
		if _, err := f.Post(t.Context(), 0, c.items); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if out := f.post(0, "x", partition.PostTarget{Target: at(0, 99, 1)}); !out[0].Gone {
		t.Errorf("a kind that nobody gave terms: %+v", out)
	}
	if c := f.count(at(0, timers, 1)); c.Visible != 0 {
		t.Errorf("%+v is there", c)
	}
}

// Queues of other kinds are not seen as SQS queues, keep their terms, and retry.
func TestRetriesAndExhaustion(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	q := at(0, deliveries, 7)
	f.post(0, "x", partition.PostTarget{Target: q, Reference: "to endpoint 7"})
	f.EachQueue(func(s partition.QueueStats) { t.Errorf("%v is seen", s.Queue) })
	// The pauses that Backoff says: after the first and the second attempt.
	for attempt, pause := range []time.Duration{time.Hour, 10 * time.Hour} { // far more than a busy machine takes
		got := f.take(0, deliveries, partition.TakeTerms{})
		if len(got.Messages) != 1 || got.Messages[0].Receipt.Receive != uint32(attempt+1) {
			t.Fatalf("attempt %d: took %+v", attempt+1, got.Messages)
		}
		errs, err := f.Retry(t.Context(), got.Target, []partition.RetryEntry{{Receipt: got.Messages[0].Receipt}})
		if err != nil || errs[0] != nil {
			t.Fatalf("retry: %v, %v", errs, err)
		}
		if c := f.count(q); c.InFlight != 0 || c.Delayed != 1 {
			t.Errorf("attempt %d: %+v while it waits", attempt+1, c)
		}
		if attempt == 0 {
			f.restart(1)
		}
		f.pass(pause - 30*time.Minute)
		if early := f.take(0, deliveries, partition.TakeTerms{}); len(early.Messages) > 0 {
			t.Fatalf("attempt %d came before its time", attempt+2)
		}
		f.pass(30 * time.Minute)
	}
	// An explicit time, and the last attempt: it does not wait for it.
	got := f.take(0, deliveries, partition.TakeTerms{})
	late := partition.RetryEntry{Receipt: got.Messages[0].Receipt}
	late.At += 1 << 50
	if _, err := f.Retry(t.Context(), got.Target, []partition.RetryEntry{late}); err != nil {
		t.Fatal(err)
	}
	dead := f.take(0, failed, partition.TakeTerms{})
	if dead.Target != at(0, failed, 7) || len(dead.Messages) != 1 || dead.Messages[0].Note.Reference != "to endpoint 7" || dead.Messages[0].Note.Receives != 3 {
		t.Fatalf("exhausted: %+v", dead)
	}
	errs, err := f.Retry(t.Context(), got.Target, []partition.RetryEntry{late})
	if err != nil || !errors.Is(errs[0], partition.ErrReceiptExpired) {
		t.Errorf("a retry of what is gone: %v, %v", errs, err)
	}
	// A kind without a place for them discards what is exhausted.
	f.post(0, "y", partition.PostTarget{Target: at(0, discarding, 1)})
	once := f.take(0, discarding, partition.TakeTerms{})
	if _, err := f.Retry(t.Context(), once.Target, []partition.RetryEntry{{Receipt: once.Messages[0].Receipt}}); err != nil {
		t.Fatal(err)
	}
	if c := f.count(once.Target); c != (partition.Counts{}) {
		t.Errorf("discarded: %+v", c)
	}
	// A queue of a service can be dropped.
	f.post(0, "z", partition.PostTarget{Target: q})
	if err := f.Drop(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	if c := f.count(q); c.Visible != 0 {
		t.Errorf("a dropped queue has %+v", c)
	}
}

// Queues of a kind come in turn, however much one of them has.
func TestTakeIsFair(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	for i := range 50 {
		f.post(0, fmt.Sprint(i), partition.PostTarget{Target: at(0, timers, 1)})
	}
	for id := uint64(2); id <= 4; id++ {
		f.post(0, "x", partition.PostTarget{Target: at(0, timers, id)})
	}
	seen := map[uint64]int{}
	for range 8 {
		got := f.take(0, timers, partition.TakeTerms{Max: 5})
		seen[got.Target.Queue.ID] += len(got.Messages)
		if len(seen) < 4 && seen[1] > 10 {
			t.Fatalf("after %v the others have had no turn", seen)
		}
	}
	if seen[1] != 25 || seen[2] != 1 || seen[3] != 1 || seen[4] != 1 {
		t.Errorf("taken: %v", seen)
	}
}

// A take waits for whatever queue gets something, and gathers a batch.
func TestTakeWaits(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	type result struct {
		got partition.Taken
		err error
	}
	results := make(chan result, 1)
	take := func(ctx context.Context, terms partition.TakeTerms) {
		got, err := f.Take(ctx, 0, timers, terms)
		results <- result{got, err}
	}
	waiting := func() { f.eventually("the take waits", func() bool { return f.Status()[0].Takes == 1 }) }

	if got := f.take(0, timers, partition.TakeTerms{Wait: 20 * time.Millisecond}); len(got.Messages) != 0 {
		t.Fatalf("took %+v of nothing", got)
	}
	go take(t.Context(), partition.TakeTerms{Max: 10, Wait: 20 * time.Second})
	waiting()
	f.post(0, "a", partition.PostTarget{Target: at(0, timers, 77)})
	if r := <-results; r.err != nil || r.got.Target.Queue.ID != 77 || len(r.got.Messages) != 1 {
		t.Fatalf("woken with %+v", r)
	}

	// A batch: complete when there are enough, long before the window is over.
	go take(t.Context(), partition.TakeTerms{Max: 3, Wait: 20 * time.Second, Window: time.Hour})
	waiting()
	for i := range 3 {
		f.post(0, fmt.Sprint(i), partition.PostTarget{Target: at(0, timers, 78)})
	}
	if r := <-results; r.err != nil || len(r.got.Messages) != 3 {
		t.Fatalf("a batch of %+v", r)
	}
	// Or when the window is over.
	f.post(0, "only", partition.PostTarget{Target: at(0, timers, 79)})
	if got := f.take(0, timers, partition.TakeTerms{Max: 3, Window: 30 * time.Millisecond}); len(got.Messages) != 1 {
		t.Fatalf("a batch of %+v", got)
	}
	// Or when there are enough bytes.
	go take(t.Context(), partition.TakeTerms{Max: 10, MaxBytes: 250, Wait: 20 * time.Second, Window: time.Hour})
	waiting()
	for range 3 {
		f.post(0, string(make([]byte, 100)), partition.PostTarget{Target: at(0, timers, 80)})
	}
	if r := <-results; r.err != nil || len(r.got.Messages) != 2 {
		t.Fatalf("a batch of %+v", r)
	}
	f.ack(f.take(0, timers, partition.TakeTerms{}))

	// Who goes away while it gathers leaves all as it was.
	ctx, cancel := context.WithCancel(t.Context())
	f.post(0, "kept", partition.PostTarget{Target: at(0, timers, 81)})
	go take(ctx, partition.TakeTerms{Max: 10, Window: time.Hour})
	cancel()
	if r := <-results; !errors.Is(r.err, context.Canceled) {
		t.Fatalf("cancelled: %+v", r)
	}
	if got := f.take(0, timers, partition.TakeTerms{Wait: 10 * time.Second}); len(got.Messages) != 1 || string(got.Messages[0].Payload) != "kept" {
		t.Fatalf("after one that went away: %+v", got)
	}
}

// Typed handles: what is taken can be extended, and comes back if it is not acked;
// an in-flight limit holds a queue back, not others of its kind.
func TestTakeHandles(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	for id := uint64(1); id <= 2; id++ {
		for i := range 25 {
			f.post(0, fmt.Sprint(i), partition.PostTarget{Target: at(0, ordered, id), Group: fmt.Sprint("g", i)})
		}
	}
	taken := map[uint64]int{}
	var last partition.Taken
	for {
		got := f.take(0, ordered, partition.TakeTerms{})
		if len(got.Messages) == 0 {
			break
		}
		last = got
		taken[got.Target.Queue.ID] += len(got.Messages)
	}
	if taken[1] != 20 || taken[2] != 20 {
		t.Errorf("taken up to the limit in flight: %v", taken)
	}
	errs, err := f.Extend(t.Context(), last.Target, []partition.Receipt{last.Messages[0].Receipt}, 10*time.Minute)
	if err != nil || errs[0] != nil {
		t.Fatalf("extend: %v, %v", errs, err)
	}
	f.pass(31 * time.Second)
	if c := f.count(last.Target); c.InFlight != 1 || c.Visible != 24 {
		t.Errorf("%+v after the visibility timeout of all but one", c)
	}
	errs, err = f.Ack(t.Context(), last.Target, []partition.Receipt{last.Messages[0].Receipt, last.Messages[1].Receipt})
	if err != nil || errs[0] != nil || !errors.Is(errs[1], partition.ErrReceiptExpired) {
		t.Errorf("ack of a live and a late handle: %v, %v", errs, err)
	}
}

// Timers: absolute, replaced and cancelled by name, harmless when repeated.
func TestTimers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	q := at(0, timers, 1)
	timer := func(name string, in time.Duration, replace bool) partition.PostTarget {
		p := partition.PostTarget{Target: q, Name: partition.NameOf(name), Replace: replace}
		p.VisibleAt = partition.Milliseconds(f.now().Add(in))
		return p
	}
	year := 365 * 24 * time.Hour
	first := f.post(0, "a", timer("a", year, false))
	again := f.post(0, "a again", timer("a", 2*year, false))
	if !again[0].Duplicate || again[0].Key != first[0].Key {
		t.Errorf("a post repeated: %+v, first %+v", again, first)
	}
	f.post(0, "b", timer("b", year, false))
	if out := f.post(0, "b sooner", timer("b", time.Hour, true)); out[0].Duplicate {
		t.Errorf("a replacement: %+v", out)
	}
	f.post(0, "c", timer("c", time.Hour, false))
	f.restart(2)
	if found, err := f.Cancel(t.Context(), q, partition.NameOf("c")); err != nil || !found {
		t.Errorf("cancel: %v, %v", found, err)
	}
	if found, err := f.Cancel(t.Context(), q, partition.NameOf("c")); err != nil || found {
		t.Errorf("cancelled twice: %v, %v", found, err)
	}
	if c := f.count(q); c.Delayed != 2 {
		t.Fatalf("%+v wait, want 2", c)
	}
	f.pass(time.Hour)
	got := f.take(0, timers, partition.TakeTerms{Wait: 10 * time.Second})
	if len(got.Messages) != 1 || string(got.Messages[0].Payload) != "b sooner" {
		t.Fatalf("due: %+v", got)
	}
	f.ack(got)
	// Its name is free again, also for a dedup that lasts longer than the item.
	until := partition.Milliseconds(f.now().Add(48 * time.Hour))
	dedup := partition.DedupOf("run 1 of d")
	d := timer("d", 0, false)
	d.Dedup, d.DedupUntil = &dedup, until
	f.post(0, "d", d)
	f.ack(f.take(0, timers, partition.TakeTerms{Wait: 10 * time.Second}))
	f.pass(24 * time.Hour)
	f.restart(2)
	if out := f.post(0, "d", d); !out[0].Duplicate {
		t.Errorf("a day later the post is taken again: %+v", out)
	}
	f.pass(25 * time.Hour)
	if out := f.post(0, "d", d); out[0].Duplicate {
		t.Errorf("two days later it is not: %+v", out)
	}
	f.ack(f.take(0, timers, partition.TakeTerms{Wait: 10 * time.Second}))
	// From another partition, too.
	far := timer("e", time.Hour, true)
	far.Target.Partition = 1
	for _, text := range []string{"e1", "e2", "e3"} {
		f.post(0, text, far)
	}
	f.eventually("the last one waits", func() bool { return f.Status()[0].Backlog == 0 && f.count(far.Target).Delayed == 1 })
	f.pass(2 * time.Hour)
	if got := f.take(1, timers, partition.TakeTerms{Wait: 10 * time.Second}); len(got.Messages) != 1 || string(got.Messages[0].Payload) != "e3" {
		t.Errorf("from another partition: %+v", got)
	}
}
