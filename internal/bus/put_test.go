package bus_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// A put reaches the targets of all rules that match, on all partitions, by one post with
// one payload for those that get the event, and survives a restart.
func TestPutReachesWhoWantsIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3, false)
	b := f.bus("orders")
	var whole []*registry.Queue
	for i := range 6 {
		q := f.standard(fmt.Sprint("q", i))
		whole = append(whole, q)
		f.rule(b, fmt.Sprint("r", i), `{"source":["shop"]}`, registry.Target{ARN: q.ARN()})
	}
	detail, constant, template := f.standard("detail"), f.standard("constant"), f.standard("template")
	other, off := f.standard("other"), f.standard("off")
	f.rule(b, "altered", `{"detail":{"n":[{"numeric":[">",5]}]}}`,
		registry.Target{ARN: detail.ARN(), InputPath: "$.detail"},
		registry.Target{ARN: constant.ARN(), Input: `{"constant":true}`},
		registry.Target{ARN: template.ARN(), Template: `"<n> by <aws.events.rule-name>"`, Paths: map[string]string{"n": "$.detail.n"}})
	f.rule(b, "other", `{"source":["elsewhere"]}`, registry.Target{ARN: other.ARN()})
	f.rule(b, "off", `{"source":["shop"]}`, registry.Target{ARN: off.ARN()})
	if _, err := f.UpdateRule(t.Context(), b, "off", func(r *registry.Rule) error { r.Disabled = true; return nil }); err != nil {
		t.Fatal(err)
	}
	f.rule(f.bus("elsewhere"), "r0", `{"source":["shop"]}`, registry.Target{ARN: other.ARN()})
	payloads := 0
	f.ask = func(items []partition.PostItem) error { payloads += len(items); return nil }
	id := f.put(b, event("shop", `{"n": 7}`))[0]
	if f.posts != 1 || payloads != 3 {
		t.Errorf("%d posts with %d payloads, want 1 with 3", f.posts, payloads)
	}
	f.wantCounted(bus.Counted{Put: 1, Matched: 7, Delivered: 9})
	f.restart(3)
	ids := map[partition.MessageID]bool{}
	for _, q := range whole {
		m := f.take(q, 1)[0]
		var e struct {
			Version, ID, Source, Account, Time, Region string
			DetailType                                 string `json:"detail-type"`
			Resources                                  []string
			Detail                                     struct{ N int }
		}
		if err := json.Unmarshal([]byte(m.Body), &e); err != nil || e.ID != id || e.Version != "0" || e.Source != "shop" || e.Account != account ||
			e.Region != region || e.DetailType != "paid" || e.Detail.N != 7 || e.Resources == nil || !strings.HasSuffix(e.Time, "Z") {
			t.Errorf("%s, %v", m.Body, err)
		}
		if m.SenderID != bus.Principal || ids[m.ID] {
			t.Errorf("message %s of %s", m.ID, m.SenderID)
		}
		ids[m.ID] = true
	}
	for q, want := range map[*registry.Queue]string{detail: `{"n":7}`, constant: `{"constant":true}`, template: `"7 by altered"`} {
		if got := f.body(q); got != want {
			t.Errorf("%s got %s, want %s", q.Name, got, want)
		}
	}
	f.none(append(whole, other, off)...)
}

// Two targets that lead to one queue are two messages, and equal inputs one payload.
func TestTargetsOfOneQueue(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	b := f.bus("default")
	q := f.standard("q")
	f.rule(b, "r", `{"source":["shop"]}`,
		registry.Target{ARN: q.ARN()}, registry.Target{ARN: q.ARN(), InputPath: "$.none"},
		registry.Target{ARN: q.ARN(), Input: `1`}, registry.Target{ARN: q.ARN(), Input: `1`},
		registry.Target{ARN: q.ARN(), InputPath: "$.detail['" + strings.Repeat("x", 230) + "']"})
	f.put(b, event("shop", `{"`+strings.Repeat("x", 230)+`":"long"}`))
	ids, bodies := map[partition.MessageID]bool{}, map[string]int{}
	for _, m := range f.take(q, 5) {
		ids[m.ID] = true
		bodies[m.Body]++
	}
	if len(ids) != 5 || bodies["1"] != 2 || bodies["null"] != 1 || bodies[`"long"`] != 1 {
		t.Errorf("%d ids, %v", len(ids), bodies)
	}
}

func TestFIFOTarget(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2, false)
	b := f.bus("default")
	q := f.queue(registry.Queue{Meta: registry.Meta{Name: "q.fifo"}, ContentDedup: true})
	same := f.queue(registry.Queue{Meta: registry.Meta{Name: "same.fifo"}, ContentDedup: true})
	f.rule(b, "r", `{"source":["shop"]}`,
		registry.Target{ARN: q.ARN(), InputPath: "$.detail.n", Group: "g"}, registry.Target{ARN: same.ARN(), Input: `"constant"`, Group: "g"})
	for i := range 5 {
		f.put(b, event("shop", fmt.Sprintf(`{"n":%d}`, i)))
	}
	for i, m := range f.take(q, 5) {
		if m.Body != fmt.Sprint(i) || m.GroupID != "g" || len(m.DedupID) != 64 {
			t.Errorf("message %d is %s in %s with %q", i, m.Body, m.GroupID, m.DedupID)
		}
	}
	// The content is the same, so it is a duplicate.
	if got := f.body(same); got != `"constant"` {
		t.Error(got)
	}
}

// More targets than a post has room for take several.
func TestPutToThousands(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2, false)
	b := f.bus("default")
	f.stop()
	f.rules = 1000
	f.start(2)
	one, two := f.standard("one"), f.standard("two")
	for i := range 260 {
		f.rule(b, fmt.Sprint("r", i), `{"source":["shop"]}`, registry.Target{ARN: one.ARN()}, registry.Target{ARN: one.ARN(), Input: "1"},
			registry.Target{ARN: two.ARN()}, registry.Target{ARN: two.ARN(), InputPath: "$.detail"}, registry.Target{ARN: two.ARN(), Input: fmt.Sprint(i)})
	}
	f.mu.Lock()
	f.posts = 0
	f.mu.Unlock()
	f.put(b, event("shop", `{}`))
	f.wantCounted(bus.Counted{Put: 1, Matched: 260, Delivered: 1300})
	if f.posts != 2 {
		t.Errorf("%d posts", f.posts)
	}
	f.take(one, 520)
	f.take(two, 780)
	f.none(one, two)
}

// An event fails by itself, and what the log does not take at once goes in parts.
func TestPutFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	b := f.bus("default")
	q := f.standard("q")
	f.rule(b, "r", `{"source":["shop"]}`, registry.Target{ARN: q.ARN()}, registry.Target{ARN: q.ARN(), Input: `"altered"`})
	f.ask = func([]partition.PostItem) error { return partition.ErrUnavailable }
	deep := `{"a":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `}`
	out := f.Put(t.Context(), []bus.Addressed{{b, event("shop", `{}`)}, {b, event("elsewhere", `{}`)}, {b, event("shop", `{`)}, {b, event("shop", deep)}})
	for i, want := range []error{partition.ErrUnavailable, nil, bus.ErrEvent, bus.ErrEvent} {
		if !errors.Is(out[i].Err, want) {
			t.Errorf("event %d: %v, want %v", i, out[i].Err, want)
		}
	}
	f.wantCounted(bus.Counted{Put: 1})
	f.ask = func(items []partition.PostItem) error {
		if len(items) > 1 || len(items[0].Targets) > 1 {
			return partition.ErrTooLarge
		}
		return nil
	}
	f.put(b, event("shop", `{}`), event("shop", `{}`))
	f.take(q, 4)
	f.none(q)
}
