package partition

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/jet/jetsim"
)

// What services do with names, paces and reading works through any node, also where
// it takes several answers.
func TestNamesThroughAnotherNode(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		kinds := func(c *Config) {
			c.Kinds = map[Kind]KindTerms{KindSchedules: {}}
		}
		startOn(t, w.Node("a"), func(c *Config) { named("a")(c); kinds(c) })
		n := startOn(t, w.Node("b"), func(c *Config) { named("b")(c); kinds(c) })
		later(time.Second)
		if n.svc.local(0) != nil {
			t.Fatal("the partition is the other one's")
		}
		s, ctx, q := n.svc, t.Context(), Target{Queue: Ref{Kind: KindSchedules, ID: 1}}
		at := func(name string, minutes time.Duration) PostTarget {
			return PostTarget{Target: q, Name: NameOf(name), Replace: true, VisibleAt: Milliseconds(time.Now().Add(minutes * time.Minute))}
		}
		body := strings.Repeat("x", 600<<10) // more of them than one answer holds
		for i := range 20 {
			item := PostItem{Payload: fmt.Appendf(nil, "%d %s", i, body), Targets: []PostTarget{at(fmt.Sprint(i), 1)}}
			if _, err := s.PostIf(ctx, 0, []Condition{{Queue: q.Queue, Name: NameOf(fmt.Sprint(i))}}, []PostItem{item}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.PostIf(ctx, 0, []Condition{{Queue: q.Queue, Name: NameOf(fmt.Sprint(i))}}, []PostItem{item}); !errors.Is(err, ErrCondition) {
				t.Fatalf("once more: %v", err)
			}
		}
		f, ok, err := s.Find(ctx, q, NameOf("7"))
		if err != nil || !ok || !strings.HasPrefix(string(f.Payload), "7 x") || f.Key != 8 || f.VisibleAt == 0 {
			t.Errorf("found %v, %v: %d, visible at %d", ok, err, f.Key, f.VisibleAt)
		}
		if _, ok, err := s.Find(ctx, q, NameOf("none")); ok || err != nil {
			t.Errorf("found what is not there: %v, %v", ok, err)
		}
		if _, ok, err := s.Find(ctx, q, Name{}); ok || err != nil {
			t.Errorf("found by no name: %v, %v", ok, err)
		}
		var names, first []string
		after, pages := Name{}, 0
		for more := true; more; pages++ {
			var list []Found
			if list, more, err = s.List(ctx, q, after, 1000); err != nil {
				t.Fatal(err)
			}
			for _, f := range list {
				word, _, _ := strings.Cut(string(f.Payload), " ")
				names = append(names, word)
				after = f.Name
			}
		}
		from := uint64(0)
		for {
			list, next, err := s.Read(ctx, q, from, 1000)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range list {
				word, _, _ := strings.Cut(string(f.Payload), " ")
				first = append(first, word)
			}
			if from = next; from == 0 {
				break
			}
		}
		if slices.Sort(names); len(slices.Compact(names)) != 20 || len(names) != 20 || pages < 2 {
			t.Errorf("listed %v in %d pages", names, pages)
		}
		if len(first) != 20 || first[0] != "0" || first[19] != "19" {
			t.Errorf("read %v", first)
		}
		bare, next, err := s.Scan(ctx, q, 3, 1000) // without payloads they are one answer
		if err != nil || len(bare) != 18 || next != 0 || bare[0].Key != 3 || bare[0].Payload != nil || bare[0].Name == (Name{}) {
			t.Errorf("scanned %d, %d, %v", len(bare), next, err)
		}
		if n, err := s.CountOf(ctx, q); err != nil || n.Delayed != 20 || n.Bytes < 20*600<<10 {
			t.Errorf("counted %+v, %v", n, err)
		}
		if err := s.SetPace(ctx, q, Pace{NotBefore: Milliseconds(time.Now().Add(2 * time.Minute))}); err != nil {
			t.Fatal(err)
		}
		later(70 * time.Second)
		if got, err := s.Take(ctx, 0, KindSchedules, TakeTerms{Max: 1}); err != nil || len(got.Messages) != 0 {
			t.Errorf("taken too early: %d, %v", len(got.Messages), err)
		}
		later(time.Minute)
		if got, err := s.Take(ctx, 0, KindSchedules, TakeTerms{Max: 1}); err != nil || len(got.Messages) != 1 || !got.Paced {
			t.Errorf("taken: %d, %v, paced %v", len(got.Messages), err, got.Paced)
		}
	})
}
