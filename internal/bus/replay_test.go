package bus_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// replayOf starts a replay of the last days of an archive.
func (f *fixture) replayOf(a *registry.Archive, name string, rules ...string) *registry.Replay {
	f.t.Helper()
	r, err := f.StartReplay(f.t.Context(), a, name, registry.Replay{
		From: f.now().Add(-72 * time.Hour).UnixMilli(), To: f.now().Add(48 * time.Hour).UnixMilli(), Rules: rules,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// inState waits until a replay is in a state.
func (f *fixture) inState(name, state string) *registry.Replay {
	f.t.Helper()
	var r *registry.Replay
	f.eventually(name+" is "+state, func() bool {
		var err error
		r, err = f.Replay(f.t.Context(), account, region, name)
		if err != nil {
			f.t.Fatal(err)
		}
		return r.State == state
	})
	return r
}

// numbers are the n of the details of messages, each with the name of the replay.
func numbers(t *testing.T, list []partition.Received) (n map[int]int, replays map[string]int) {
	t.Helper()
	n, replays = map[int]int{}, map[string]int{}
	for i := range list {
		var e struct {
			Replay string `json:"replay-name"`
			Detail struct{ N int }
		}
		if err := json.Unmarshal([]byte(list[i].Body), &e); err != nil {
			t.Fatal(err)
		}
		n[e.Detail.N]++
		replays[e.Replay]++
	}
	return n, replays
}

func (f *fixture) putMany(b *registry.Bus, n int) {
	f.t.Helper()
	for i := 0; i < n; i += 10 {
		var list []bus.Event
		for k := i; k < min(i+10, n); k++ {
			e := event("shop", fmt.Sprintf(`{"n":%d}`, k))
			e.Time = f.now().Add(time.Duration(k-n) * time.Minute)
			list = append(list, e)
		}
		f.put(b, list...)
	}
}

// A replay gives every archived event of its time to the rules that it names, once, with
// its name, and they are not archived again.
func TestReplay(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3, false)
	b := f.bus("orders")
	a := f.archive(b, "all", registry.Archive{})
	const events = 1500
	f.putMany(b, events)
	one, two := f.standard("one"), f.standard("two")
	r1 := f.rule(b, "one", `{"source":["shop"],"replay-name":[{"exists":true}]}`, registry.Target{ARN: one.ARN()})
	f.rule(b, "two", `{"source":["shop"]}`, registry.Target{ARN: two.ARN()})
	f.replayOf(a, "first", r1.ARN())
	end := f.inState("first", registry.ReplayCompleted)
	if end.Last == 0 || end.Ended < end.Started || end.Reason != "" {
		t.Errorf("%+v", end)
	}
	n, names := numbers(t, f.take(one, events))
	if len(n) != events || names["first"] != events {
		t.Errorf("%d of %d, %v", len(n), events, names)
	}
	f.none(one, two)
	if size := f.size(a); size.Events != events {
		t.Errorf("%+v", size)
	}
	// Only what happened within the times, both included.
	second := func(ms int64) int64 { return ms / 1000 * 1000 }
	from := second(f.now().Add(-90 * time.Minute).UnixMilli())
	r, err := f.StartReplay(t.Context(), a, "second", registry.Replay{From: from, To: from + (10 * time.Minute).Milliseconds()})
	if err != nil {
		t.Fatal(err)
	}
	end = f.inState("second", registry.ReplayCompleted)
	if end.Last < r.From || end.Last > r.To {
		t.Errorf("%+v", end)
	}
	got := 0
	f.eventually("they are there", func() bool {
		c, err := f.parts.Counts(t.Context(), two)
		if err != nil {
			t.Fatal(err)
		}
		got = c.Visible
		return got >= 9
	})
	if got > 11 {
		t.Errorf("%d events in ten minutes", got)
	}
	n, names = numbers(t, f.take(two, got))
	if len(n) != got || names["second"] != got {
		t.Errorf("%v %v", n, names)
	}
}

// A replay goes on where it was when its node went away, and ends once.
func TestReplaySurvivesRestart(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2, false)
	b := f.bus("orders")
	a := f.archive(b, "all", registry.Archive{})
	const events = 3000
	f.putMany(b, events)
	q := f.standard("q")
	f.rule(b, "r", `{"source":["shop"]}`, registry.Target{ARN: q.ARN()})
	posts, stuck := 0, make(chan struct{})
	f.mu.Lock()
	f.ask = func(items []partition.PostItem) error {
		if items[0].Payload[0] != bus.Form {
			return nil
		}
		if posts++; posts == 20 {
			close(stuck)
		}
		if posts >= 20 {
			return partition.ErrUnavailable
		}
		return nil
	}
	f.mu.Unlock()
	f.replayOf(a, "again")
	<-stuck
	f.stop()
	f.mu.Lock()
	f.ask = nil
	f.mu.Unlock()
	f.start(2)
	f.inState("again", registry.ReplayCompleted)
	counts, err := f.parts.Counts(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := numbers(t, f.take(q, counts.Visible))
	if len(n) != events || counts.Visible > events+bus.MaxChunkEvents*2 {
		t.Errorf("%d of %d events, %d messages", len(n), events, counts.Visible)
	}
	f.none(q)
}

func TestReplayCancelled(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	b := f.bus("orders")
	a := f.archive(b, "all", registry.Archive{})
	f.putMany(b, 100)
	q := f.standard("q")
	f.rule(b, "r", `{"source":["shop"]}`, registry.Target{ARN: q.ARN()})
	f.mu.Lock()
	f.ask = func(items []partition.PostItem) error {
		if items[0].Payload[0] == bus.Form {
			return partition.ErrUnavailable
		}
		return nil
	}
	f.mu.Unlock()
	for i := range bus.MaxReplays {
		f.replayOf(a, fmt.Sprint("r", i))
	}
	if _, err := f.StartReplay(t.Context(), a, "more", registry.Replay{}); !errors.Is(err, bus.ErrReplays) {
		t.Errorf("one too many: %v", err)
	}
	if _, err := f.StartReplay(t.Context(), a, "r3", registry.Replay{}); !errors.Is(err, bus.ErrReplayExists) {
		t.Errorf("one that is there: %v", err)
	}
	r := f.inState("r3", registry.ReplayRunning)
	if now, err := f.CancelReplay(t.Context(), r); err != nil || now.State != registry.ReplayCancelling {
		t.Errorf("%+v, %v", now, err)
	}
	r = f.inState("r3", registry.ReplayCancelled)
	if _, err := f.CancelReplay(t.Context(), r); !errors.Is(err, bus.ErrReplayEnded) || r.Ended == 0 {
		t.Errorf("cancelled twice: %v, %+v", err, r)
	}
	f.none(q)
	// What is replayed while the archive goes, fails.
	if err := f.DeleteArchive(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	f.ask = nil
	f.mu.Unlock()
	for i := range bus.MaxReplays {
		if i == 3 {
			continue
		}
		f.eventually("it ends", func() bool {
			r, err := f.Replay(t.Context(), account, region, fmt.Sprint("r", i))
			return err == nil && !r.Active()
		})
	}
	failed, _ := f.Replays(account, region, "", "", 100, func(r *registry.Replay) bool { return r.State == registry.ReplayFailed })
	done, _ := f.Replays(account, region, "", "", 100, func(r *registry.Replay) bool { return r.State == registry.ReplayCompleted })
	if len(failed)+len(done) != bus.MaxReplays-1 {
		t.Errorf("%d failed, %d completed", len(failed), len(done))
	}
	for _, r := range failed {
		if r.Reason != "The archive was deleted." {
			t.Errorf("%+v", r)
		}
	}
}

// A replay whose message was never posted is carried out all the same.
func TestReplayIsTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	b := f.bus("orders")
	a := f.archive(b, "all", registry.Archive{})
	f.mu.Lock()
	f.ask = func(items []partition.PostItem) error { return partition.ErrUnavailable }
	f.mu.Unlock()
	f.replayOf(a, "r")
	f.mu.Lock()
	f.ask = nil
	f.mu.Unlock()
	f.ahead.Add(int64(time.Minute))
	f.restart(1)
	f.inState("r", registry.ReplayCompleted)
}
