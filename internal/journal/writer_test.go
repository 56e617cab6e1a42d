package journal

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/waystation/waystation/internal/jet"
)

// outOfOrder is a log that holds back the answers to some appends.
type outOfOrder struct {
	*fakeLog
	mu    sync.Mutex
	holds map[uint64]chan struct{} // by sequence
	tried chan uint64              // appends that came in
	open  int                      // that are not answered
	most  int                      // of them at once
}

func (l *outOfOrder) Append(data []byte, id string, expect uint64, done func(uint64, error)) {
	l.mu.Lock()
	hold := l.holds[expect+1]
	l.open++
	l.most = max(l.most, l.open)
	l.mu.Unlock()
	l.tried <- expect + 1
	l.fakeLog.Append(data, id, expect, func(seq uint64, err error) {
		done := func(seq uint64, err error) {
			l.mu.Lock()
			l.open--
			l.mu.Unlock()
			done(seq, err)
		}
		if hold == nil {
			done(seq, err)
			return
		}
		go func() {
			<-hold
			done(seq, err)
		}()
	})
}

// An append that is answered before the one in front of it is not acknowledged before
// its turn, and makes no room for another one: however many are answered, those published
// expect no more than MaxInFlight sequences from the last one that is known to be stored.
func TestAnswersOutOfOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &outOfOrder{fakeLog: newFakeLog(t), holds: map[uint64]chan struct{}{}, tried: make(chan uint64, 100)}
		o := prepare(t, log, func(c *Config) { c.MaxAppend, c.MaxInFlight = 1<<10, 2 })
		if err := o.claim(t); err != nil {
			t.Fatal(err)
		}
		for range MaxInFlightLimit {
			<-log.tried
		}
		first := make(chan struct{})
		log.holds[MaxInFlightLimit+1] = first
		o.run(t)
		var commits []*Commit
		for range 10 { // each fills an append
			_, c := o.add(t, strings.Repeat("x", 1000))
			commits = append(commits, c)
		}
		synctest.Wait()
		if n := len(log.tried); n != 2 {
			t.Errorf("%d appends are published though the first is not answered, want 2", n)
		}
		for i, c := range commits {
			select {
			case <-c.Done():
				t.Errorf("append %d is acknowledged before the first", i)
			default:
			}
		}
		close(first)
		for _, c := range commits {
			durable(t, c)
		}
		if log.most != 2 {
			t.Errorf("%d appends were under way at once, want 2", log.most)
		}
		o.close(t)
	})
}

// brokenLog ends a read early.
type brokenLog struct {
	*fakeLog
	after uint64 // entries
	err   error
}

func (l *brokenLog) Read(ctx context.Context, from, to uint64, fn func(jet.Entry) error) error {
	if err := l.fakeLog.Read(ctx, from, min(to, l.after), fn); err != nil || to <= l.after {
		return err
	}
	return l.err
}

// A log that can't be read to its end is not a log that ends there.
func TestReplayThatBreaksOff(t *testing.T) {
	t.Parallel()
	odd := errors.New("something odd")
	for _, test := range []struct{ err, want error }{
		{jet.ErrUnavailable, ErrUnavailable}, {jet.ErrNoResponders, ErrUnavailable}, {odd, odd},
	} {
		log := newFakeLog(t)
		log.intrude("old", 0, flagFence)
		for i := range uint64(2 * chunkEntries) {
			log.intrude("old", i+1, 0, "x")
		}
		for _, after := range []uint64{MaxInFlightLimit, chunkEntries, chunkEntries + 7} {
			o := prepare(t, &brokenLog{log, after, test.err})
			if err := o.claim(t); !errors.Is(err, test.want) || corrupt(err) != nil {
				t.Errorf("%v after %d entries: %v", test.err, after, err)
			}
		}
	}
}
