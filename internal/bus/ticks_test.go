package bus_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// inBubble runs f with a fixture in virtual time, from midnight on.
func inBubble(t *testing.T, partitions uint32, f func(t *testing.T, f *fixture)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { f(t, newFixture(t, partitions, false)) })
}

// every makes a rule with a schedule, of the default bus.
func (f *fixture) every(name, expression string, targets ...registry.Target) *registry.Rule {
	f.t.Helper()
	b := f.bus(registry.DefaultBus)
	r, err := f.PutRule(f.t.Context(), b, name, registry.Rule{Schedule: expression, CreatedBy: account})
	if err != nil {
		f.t.Fatal(err)
	}
	for i := range targets {
		targets[i].ID = fmt.Sprint("t", i)
	}
	if len(targets) > 0 {
		if err := f.PutTargets(f.t.Context(), b, name, targets); err != nil {
			f.t.Fatal(err)
		}
	}
	return r
}

// times are those of the scheduled events that a queue has, which are taken out.
func (f *fixture) times(q *registry.Queue) (list []string) {
	f.t.Helper()
	synctest.Wait()
	n, err := f.parts.Counts(f.t.Context(), q)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, m := range f.take(q, n.Visible) {
		var e struct{ Time time.Time }
		if err := json.Unmarshal([]byte(m.Body), &e); err != nil {
			f.t.Fatal(err)
		}
		list = append(list, e.Time.Format(time.TimeOnly))
	}
	return list
}

func (f *fixture) wantTimes(q *registry.Queue, want ...string) {
	f.t.Helper()
	if got := f.times(q); fmt.Sprint(got) != fmt.Sprint(want) {
		f.t.Fatalf("%s has the times %q at %s, want %q", q.Name, got, f.now().UTC().Format(time.TimeOnly), want)
	}
}

// A rule with a schedule gives its targets an event at each of its times, and puts it on no
// bus.
func TestScheduledRule(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, f *fixture) {
		plain, fifo, behind, other := f.standard("plain"), f.queue(registry.Queue{Meta: registry.Meta{Name: "ordered.fifo"}, ContentDedup: true}), f.standard("behind"), f.standard("other")
		news := f.topic(registry.Topic{Meta: registry.Meta{Name: "news"}}, behind)
		f.rule(f.bus(registry.DefaultBus), "all", `{"source":[{"prefix":""}]}`, registry.Target{ARN: other.ARN()})
		r := f.every("often", "rate(5 minutes)", registry.Target{ARN: plain.ARN()},
			registry.Target{ARN: fifo.ARN(), Group: "g"}, registry.Target{ARN: news.ARN()}, registry.Target{ARN: plain.ARN(), Input: `{"due":true}`})
		time.Sleep(4 * time.Minute)
		f.none(plain, fifo, behind)
		time.Sleep(2 * time.Minute)
		var bodies []string
		for _, m := range f.take(plain, 2) {
			bodies = append(bodies, m.Body)
		}
		if bodies[0] == `{"due":true}` {
			bodies[0], bodies[1] = bodies[1], bodies[0]
		}
		var e map[string]any
		if err := json.Unmarshal([]byte(bodies[0]), &e); err != nil || bodies[1] != `{"due":true}` {
			t.Fatal(bodies, err)
		}
		for k, want := range map[string]any{
			"version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "account": account, "region": region,
			"time": "2000-01-01T00:05:00Z", "resources": []any{r.ARN()}, "detail": map[string]any{},
		} {
			if fmt.Sprint(e[k]) != fmt.Sprint(want) {
				t.Errorf("%s is %v, want %v", k, e[k], want)
			}
		}
		f.wantTimes(fifo, "00:05:00")
		f.wantTimes(behind, "00:05:00")
		time.Sleep(10 * time.Minute)
		f.wantTimes(fifo, "00:10:00", "00:15:00")
		f.wantTimes(behind, "00:10:00", "00:15:00")
		f.none(other)
		f.mu.Lock()
		defer f.mu.Unlock()
		if c := f.counted; c.Scheduled != 3 || c.Delivered != 12 || c.Put != 0 || c.Failed != 0 {
			t.Errorf("counted %+v", c)
		}
	})
}

// A rule counts anew when its schedule changes or it is enabled, and goes on as before
// whatever else is said of it.
func TestScheduleChanges(t *testing.T) {
	inBubble(t, 2, func(t *testing.T, f *fixture) {
		b, q := f.bus(registry.DefaultBus), f.standard("jobs")
		r := f.every("r", "rate(1 hour)", registry.Target{ARN: q.ARN()})
		time.Sleep(30 * time.Minute)
		put := func(def registry.Rule) {
			t.Helper()
			if _, err := f.PutRule(t.Context(), b, "r", def); err != nil {
				t.Fatal(err)
			}
		}
		put(registry.Rule{Schedule: "rate(1 hour)", Description: "hourly"})
		time.Sleep(31 * time.Minute)
		f.wantTimes(q, "01:00:00")
		put(registry.Rule{Schedule: "cron(0/20 * * * ? *)"}) // at 01:01
		time.Sleep(40 * time.Minute)
		f.wantTimes(q, "01:20:00", "01:40:00")
		put(registry.Rule{Schedule: "cron(0/20 * * * ? *)", Disabled: true})
		time.Sleep(time.Hour) // 02:41
		f.wantTimes(q)
		if _, err := f.UpdateRule(t.Context(), b, "r", func(r *registry.Rule) error { r.Disabled = false; return nil }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Minute)
		f.wantTimes(q, "03:00:00")
		put(registry.Rule{Schedule: "rate(365 days)"})
		put(registry.Rule{Schedule: "rate(10 minutes)"}) // a tick that is far away gives way
		time.Sleep(10 * time.Minute)
		f.wantTimes(q, "03:11:00")
		put(registry.Rule{Pattern: `{"source":["shop"]}`})
		time.Sleep(time.Hour)
		f.wantTimes(q)
		put(registry.Rule{Schedule: "cron(0 0 1 1 ? 2199)"})
		time.Sleep(time.Second)
		put(registry.Rule{Pattern: `{"source":["shop"]}`}) // its tick stays, until the rule is deleted
		time.Sleep(time.Second)
		if _, err := f.RemoveTargets(t.Context(), b, "r", []string{"t0"}); err != nil {
			t.Fatal(err)
		}
		if err := f.DeleteRule(t.Context(), b, "r"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if _, ok, err := f.parts.Find(t.Context(), partition.Target{Partition: r.Partition, Queue: partition.Ref{Kind: partition.KindTicks, ID: r.ID}}, partition.NameOf("tick")); ok || err != nil && !errors.Is(err, partition.ErrQueueGone) {
			t.Errorf("the tick of a rule that was deleted is there: %v", err)
		}
		time.Sleep(time.Hour)
		f.wantTimes(q)
	})
}

// What was missed while nothing ran is fired as configured: of each rule the last time.
func TestScheduledWhileDown(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, f *fixture) {
		q := f.standard("jobs")
		f.every("r", "rate(1 hour)", registry.Target{ARN: q.ARN()})
		time.Sleep(time.Minute)
		f.stop()
		time.Sleep(3*time.Hour + 30*time.Minute)
		f.start(1)
		time.Sleep(time.Minute)
		f.wantTimes(q, "03:00:00")
		time.Sleep(30 * time.Minute)
		f.wantTimes(q, "04:00:00")
	})
}

// A time is fired once though the answer of the log is lost, and though the engine fails
// for a while: also when the rule is made.
func TestScheduledThroughFailures(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, f *fixture) {
		q := f.standard("jobs")
		var mu sync.Mutex
		n, failing := 0, true
		f.mu.Lock()
		f.postIf = func(post func() ([]partition.Posted, error)) ([]partition.Posted, error) {
			mu.Lock()
			defer mu.Unlock()
			n++
			switch {
			case !failing:
				return post()
			case n%3 == 0:
				_, _ = post()
				fallthrough
			default:
				return nil, partition.ErrUnavailable
			}
		}
		f.mu.Unlock()
		f.every("r", "rate(1 minute)", registry.Target{ARN: q.ARN()})
		time.Sleep(10*time.Minute + 30*time.Second)
		mu.Lock()
		failing = false
		mu.Unlock()
		time.Sleep(time.Minute)
		seen := map[string]bool{}
		for _, at := range f.times(q) {
			if seen[at] {
				t.Errorf("%s was fired twice", at)
			}
			seen[at] = true
		}
		if !seen["00:11:00"] || len(seen) < 3 {
			t.Errorf("fired %v", seen)
		}
	})
}

// A rule that a node does not know yet loses no time, and one it takes for there fires no
// more once it is deleted.
func TestScheduledOnANodeThatLags(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, f *fixture) {
		b, q := f.bus(registry.DefaultBus), f.standard("jobs")
		f.every("r", "rate(1 hour)", registry.Target{ARN: q.ARN()})
		time.Sleep(time.Minute)
		// A tick of a newer definition than the node knows waits for it.
		r, err := f.Rule(t.Context(), b, "r")
		if err != nil {
			t.Fatal(err)
		}
		tick := partition.Target{Partition: r.Partition, Queue: partition.Ref{Kind: partition.KindTicks, ID: r.ID}}
		post := func(since, next int64) {
			t.Helper()
			_, err := f.parts.Post(t.Context(), tick.Partition, []partition.PostItem{{Payload: fmt.Appendf(nil, "%d %d", since, next), Targets: []partition.PostTarget{{
				Target: tick, Name: partition.NameOf("tick"), Replace: true,
			}}}})
			if err != nil {
				t.Fatal(err)
			}
		}
		post(r.Since+3600_000, f.now().UnixMilli())
		time.Sleep(time.Minute)
		f.wantTimes(q)
		if _, ok, err := f.parts.Find(t.Context(), tick, partition.NameOf("tick")); !ok || err != nil {
			t.Errorf("the tick of a definition that is not known yet is gone: %v", err)
		}
		// One of an older definition gives way to that of the newest.
		post(r.Since-1, f.now().UnixMilli())
		time.Sleep(time.Hour)
		f.wantTimes(q, "01:00:00")
	})
}
