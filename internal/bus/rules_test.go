package bus_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/registry"
)

func TestDefaultBus(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	names := func(prefix, after string, limit int) (list []string, more bool) {
		found, more := f.List(account, region, prefix, after, limit)
		for _, b := range found {
			list = append(list, b.Name)
		}
		return list, more
	}
	check := func(prefix, after string, limit int, want string) {
		t.Helper()
		if list, more := names(prefix, after, limit); fmt.Sprint(list, more) != want {
			t.Errorf("buses %q behind %q, %d: %v %v, want %s", prefix, after, limit, list, more, want)
		}
	}
	check("", "", 10, "[default] false")
	f.bus("a")
	f.bus("z")
	for range 2 { // without a definition, and with one
		check("", "", 10, "[a default z] false")
		check("", "", 1, "[a] true")
		check("", "a", 1, "[default] true")
		check("", "", 2, "[a default] true")
		check("", "default", 1, "[z] false")
		check("d", "", 10, "[default] false")
		check("b", "", 10, "[] false")
		b, err := f.Find(t.Context(), account, region, registry.DefaultBus)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Update(t.Context(), b, func(b *registry.Bus) error { b.Description = "d"; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Create(t.Context(), registry.Bus{Meta: registry.Meta{Account: account, Region: region, Name: "default"}}); !errors.Is(err, bus.ErrExists) {
		t.Errorf("made again: %v", err)
	}
	if err := f.Delete(t.Context(), account, region, "default"); !errors.Is(err, bus.ErrDefault) {
		t.Errorf("deleted: %v", err)
	}
	// A change that is refused leaves nothing.
	elsewhere, _ := f.Find(t.Context(), account, "us-east-1", "default")
	refused := errors.New("refused")
	if _, err := f.Update(t.Context(), elsewhere, func(*registry.Bus) error { return refused }); !errors.Is(err, refused) {
		t.Error(err)
	}
	if _, ok := f.reg.Buses().Get(account, "us-east-1", "default"); ok {
		t.Error("a refused change has made a definition")
	}
}

// A bus that is made again under its name begins without rules, whatever is left of
// those of the one before.
func TestBusMadeAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	b := f.bus("orders")
	q := f.standard("q")
	f.rule(b, "r", `{"source":["shop"]}`, registry.Target{ARN: q.ARN()})
	if err := f.Delete(t.Context(), account, region, "orders"); !errors.Is(err, bus.ErrHasRules) {
		t.Errorf("a bus with rules: %v", err)
	}
	// As if another node had deleted it at the moment the rule was made, and died.
	if err := f.reg.Buses().Delete(t.Context(), account, region, "orders"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.PutRule(t.Context(), b, "late", registry.Rule{Pattern: `{"source":["shop"]}`}); !errors.Is(err, bus.ErrNoBus) {
		t.Errorf("a rule for a bus that is gone: %v", err)
	}
	again := f.bus("orders")
	if _, err := f.Rule(t.Context(), again, "r"); !errors.Is(err, bus.ErrNoRule) {
		t.Errorf("the old rule is found: %v", err)
	}
	if list, _ := f.Rules(again, "", "", 10, nil); len(list) > 0 {
		t.Errorf("it has rules: %v", list)
	}
	f.put(again, event("shop", `{}`))
	f.none(q)
	if _, err := f.UpdateRule(t.Context(), again, "r", func(*registry.Rule) error { return nil }); !errors.Is(err, bus.ErrNoRule) {
		t.Errorf("the old rule is changed: %v", err)
	}
	if r := f.rule(again, "r", `{"source":["shop"]}`); len(r.Targets) > 0 {
		t.Errorf("the new rule has %v", r.Targets)
	}
	if err := f.DeleteRule(t.Context(), again, "r"); err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(t.Context(), account, region, "orders"); err != nil {
		t.Error(err)
	}
	if _, err := f.Find(t.Context(), account, region, "orders"); !errors.Is(err, bus.ErrNoBus) {
		t.Errorf("it is still there: %v", err)
	}
	if err := f.Delete(t.Context(), account, region, "orders"); err != nil {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestRulesAndTargets(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	b := f.bus("default")
	if _, err := f.PutRule(t.Context(), b, "r", registry.Rule{Pattern: `{"source":["a"]}`, CreatedBy: account, Tags: map[string]string{"a": "b"}}); err != nil {
		t.Fatal(err)
	}
	target := func(id string) registry.Target {
		return registry.Target{ID: id, ARN: "arn:aws:sqs:" + region + ":" + account + ":q"}
	}
	if err := f.PutTargets(t.Context(), b, "r", []registry.Target{target("b"), target("a"), target("c"), target("b")}); err != nil {
		t.Fatal(err)
	}
	// Put again, it keeps its targets and tags and no other setting.
	r, err := f.PutRule(t.Context(), b, "r", registry.Rule{Pattern: `{"source":["b"]}`, Disabled: true, CreatedBy: "other", Tags: map[string]string{"x": "y"}})
	if err != nil || len(r.Targets) != 3 || r.Targets[1].ID != "b" || r.Tags["a"] != "b" || len(r.Tags) != 1 || !r.Disabled || r.CreatedBy != account || r.Pattern != `{"source":["b"]}` {
		t.Errorf("%+v, %v", r, err)
	}
	if err := f.PutTargets(t.Context(), b, "r", []registry.Target{target("d"), target("e"), target("f")}); !errors.Is(err, bus.ErrTargets) {
		t.Errorf("six targets: %v", err)
	}
	if err := f.DeleteRule(t.Context(), b, "r"); !errors.Is(err, bus.ErrHasTargets) {
		t.Errorf("a rule with targets: %v", err)
	}
	missing, err := f.RemoveTargets(t.Context(), b, "r", []string{"a", "none", "c", "b"})
	if err != nil || fmt.Sprint(missing) != "[none]" {
		t.Errorf("missing %v, %v", missing, err)
	}
	if err := f.PutTargets(t.Context(), b, "none", []registry.Target{target("a")}); !errors.Is(err, bus.ErrNoRule) {
		t.Errorf("no rule: %v", err)
	}
	for range 2 {
		if err := f.DeleteRule(t.Context(), b, "r"); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
}

func TestLimitOfRules(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	f.stop()
	f.rules = 3
	f.start(1)
	b := f.bus("default")
	for i := range 3 {
		f.rule(b, fmt.Sprint("r", i), `{"source":["a"]}`)
	}
	if _, err := f.PutRule(t.Context(), b, "more", registry.Rule{Pattern: `{"source":["a"]}`}); !errors.Is(err, bus.ErrRules) {
		t.Errorf("a fourth rule: %v", err)
	}
	f.rule(b, "r1", `{"source":["b"]}`) // one that is there can be changed
	f.rule(f.bus("other"), "r0", `{"source":["a"]}`)
	var names []string
	for after, more := "", true; more; {
		var page []*registry.Rule
		page, more = f.Rules(b, "r", after, 2, func(r *registry.Rule) bool { return r.Pattern != `{"source":["b"]}` })
		for _, r := range page {
			_, after = r.Parts()
			names = append(names, after)
		}
	}
	if fmt.Sprint(names) != "[r0 r2]" {
		t.Errorf("rules %v", names)
	}
}

// A rule that gets a target at the moment in which it is deleted stays, or was deleted
// before.
func TestTargetsWhileDeleting(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	b := f.bus("default")
	q := f.standard("q")
	for i := range 40 {
		f.rule(b, "r", `{"source":["shop"]}`)
		var deleted, put error
		var wg sync.WaitGroup
		wg.Go(func() { deleted = f.DeleteRule(t.Context(), b, "r") })
		wg.Go(func() { put = f.PutTargets(t.Context(), b, "r", []registry.Target{{ID: "a", ARN: q.ARN()}}) })
		wg.Wait()
		switch {
		case deleted == nil && errors.Is(put, bus.ErrNoRule):
		case errors.Is(deleted, bus.ErrHasTargets) && put == nil:
			if _, err := f.RemoveTargets(t.Context(), b, "r", []string{"a"}); err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatalf("round %d: deleted: %v; a target was put: %v", i, deleted, put)
		}
	}
}

// What is kept of a bus for puts goes with its last rule.
func TestRoutersAreDropped(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	for i := range 20 {
		b := f.bus(fmt.Sprintf("bus-%d", i))
		f.rule(b, "r", `{"source":["shop"]}`)
		if err := f.DeleteRule(t.Context(), b, "r"); err != nil {
			t.Fatal(err)
		}
		if err := f.Delete(t.Context(), b.Account, b.Region, b.Name); err != nil {
			t.Fatal(err)
		}
	}
	b, q := f.bus("default"), f.standard("q")
	for range 2 {
		f.rule(b, "r", `{"source":["shop"]}`, registry.Target{ARN: q.ARN()})
		f.put(b, event("shop", `{}`))
		f.take(q, 1)
		if _, err := f.RemoveTargets(t.Context(), b, "r", []string{"a"}); err != nil {
			t.Fatal(err)
		}
		if err := f.DeleteRule(t.Context(), b, "r"); err != nil {
			t.Fatal(err)
		}
	}
	// Listeners are told behind memory.
	for deadline := time.Now().Add(10 * time.Second); f.Routers() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("there are %d routers", f.Routers())
		}
	}
}
