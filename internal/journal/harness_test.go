package journal

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds waits for things that have to happen.
const patience = 20 * time.Second

var writers atomic.Uint64

// owner is a journal with what its replay brought, and its Run.
type owner struct {
	*Journal
	replayed []string
	places   []Pos
	stop     context.CancelFunc
	ended    chan error
}

// start makes a journal on a log, claims it and runs it until the test ends.
func start(t testing.TB, log Log, change ...func(*Config)) *owner {
	t.Helper()
	o := prepare(t, log, change...)
	if err := o.claim(t); err != nil {
		t.Fatal(err)
	}
	o.run(t)
	return o
}

func prepare(t testing.TB, log Log, change ...func(*Config)) *owner {
	t.Helper()
	// Names are of one length: tests count an append's bytes to the last one.
	cfg := Config{Log: log, Name: "test", Writer: fmt.Sprintf("writer-%06d", writers.Add(1)), GiveUp: 5 * time.Second}
	for _, fn := range change {
		fn(&cfg)
	}
	j, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &owner{Journal: j, ended: make(chan error, 1)}
}

func (o *owner) claim(t testing.TB) error {
	t.Helper()
	return o.Claim(t.Context(), func(pos Pos, rec []byte) error {
		o.replayed = append(o.replayed, string(rec))
		o.places = append(o.places, pos)
		return nil
	}, nil)
}

func (o *owner) run(t testing.TB) {
	ctx, cancel := context.WithCancel(context.Background())
	o.stop = cancel
	go func() { o.ended <- o.Run(ctx) }()
	t.Cleanup(func() { o.close(t) })
}

// close stops the journal and returns what Run returned. It may be called again.
func (o *owner) close(t testing.TB) error {
	t.Helper()
	o.stop()
	select {
	case err := <-o.ended:
		o.ended <- err
		return err
	case <-time.After(patience):
		t.Error("Run does not end")
		return nil
	}
}

func (o *owner) add(t testing.TB, rec string) (Pos, *Commit) {
	t.Helper()
	pos, c, err := o.Append([]byte(rec))
	if err != nil {
		t.Fatal(err)
	}
	return pos, c
}

// outcome waits for a commit.
func outcome(t testing.TB, c *Commit) error {
	t.Helper()
	select {
	case <-c.Done():
		return c.Err()
	case <-time.After(patience):
		t.Fatal("commit is not answered")
		return nil
	}
}

func durable(t testing.TB, c *Commit) {
	t.Helper()
	if err := outcome(t, c); err != nil {
		t.Fatal(err)
	}
}

// failure waits for the journal to fail and returns why.
func (o *owner) failure(t testing.TB) error {
	t.Helper()
	select {
	case <-o.Failed():
		return o.Err()
	case <-time.After(patience):
		t.Fatal("the journal does not fail")
		return nil
	}
}

// replayOf claims the log with a new journal and returns what it replayed.
func replayOf(t testing.TB, log Log) []string {
	t.Helper()
	o := prepare(t, log)
	if err := o.claim(t); err != nil {
		t.Fatal(err)
	}
	return o.replayed
}

// eventually waits for a condition that another goroutine brings about and gives no signal of.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !cond() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("it does not come about that " + what)
		}
	}
}
