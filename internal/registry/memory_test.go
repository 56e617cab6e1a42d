package registry

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/waystation/waystation/internal/jet"
)

// noLog and noBucket are for registries that do not run.
type (
	noLog    struct{ jet.Log }
	noBucket struct{ jet.Bucket }
)

// TestMemoryAgreesWithModel does random things to a memory and a plain map. Hashes
// meet often.
func TestMemoryAgreesWithModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kind := queues(0, nil)
		m := newMemory(&kind)
		hashes := rapid.Uint64Range(1, 4).Draw(t, "hashes")
		m.hash = func(n fullName) uint64 { return hashName(n) % hashes }
		model := make(map[fullName]*Queue)
		nextID := uint64(1)
		names := rapid.Custom(func(t *rapid.T) fullName {
			return fullName{
				rapid.SampledFrom([]string{"a", "b"}).Draw(t, "account"),
				rapid.SampledFrom([]string{"r", "s"}).Draw(t, "region"),
				rapid.SampledFrom([]string{"n", "n1", "n2", "o", "p/q"}).Draw(t, "name"),
			}
		})
		revision := uint64(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			n := names.Draw(t, "n")
			revision++
			switch rapid.IntRange(0, 2).Draw(t, "op") {
			case 0, 1:
				id := nextID
				if old := model[n]; old != nil && rapid.Bool().Draw(t, "same") {
					id = old.ID
				} else {
					nextID++
				}
				q := &Queue{Meta: Meta{ID: id, Account: n.account, Region: n.region, Name: n.name, Revision: revision}, Partition: uint32(revision % 3)}
				if rapid.Bool().Draw(t, "redrive") {
					q.Redrive = &Redrive{TargetARN: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "target")}
				}
				var more extra
				if rapid.Bool().Draw(t, "extra") {
					more = extra{99: []byte{1}}
				}
				old, now := m.put(opened[Queue]{q, more})
				if was, _ := old.(*Queue); was != model[n] || now.(*Queue) != q || (old == nil) != (model[n] == nil) {
					t.Fatalf("put gave %v, %v", old, now)
				}
				model[n] = q
			case 2:
				id := nextID
				was := model[n]
				if was != nil && rapid.Bool().Draw(t, "right") {
					id = was.ID
					delete(model, n)
				} else {
					was = nil
				}
				if old, _ := m.remove(n, id).(*Queue); old != was {
					t.Fatalf("remove gave %v, not %v", old, was)
				}
			}
			checkMemory(t, m, model)
		}
	})
}

func checkMemory(t *rapid.T, m *memory[Queue], model map[fullName]*Queue) {
	if m.size() != len(model) || len(m.byID) != len(model) || len(m.byHash)+len(m.spilled) != len(model) {
		t.Fatalf("sizes %d, %d, %d and %d, not %d", m.size(), len(m.byID), len(m.byHash), len(m.spilled), len(model))
	}
	counts := make(map[uint32]int)
	var sorted []fullName
	for n, q := range model {
		if m.get(n) != q || m.byID[q.ID] != q || m.revision(n) != q.Revision {
			t.Fatalf("%v: %v", n, m.get(n))
		}
		counts[q.Partition]++
		sorted = append(sorted, n)
	}
	slices.SortFunc(sorted, fullName.compare)
	for p := range uint32(3) {
		if m.counts[p] != counts[p] {
			t.Fatalf("partition %d counts %d, not %d", p, m.counts[p], counts[p])
		}
	}
	if m.get(fullName{"a", "r", "never"}) != nil || m.revision(fullName{"a", "r", "never"}) != 0 {
		t.Fatal("found what is not there")
	}
	for _, target := range []string{"x", "y", "z", ""} {
		var want []*Queue
		for _, n := range sorted {
			if q := model[n]; target != "" && q.Redrive != nil && q.Redrive.TargetARN == target {
				want = append(want, q)
			}
		}
		if !slices.Equal(m.by(byRedriveTarget, target), want) {
			t.Fatalf("by %q: %v", target, m.by(byRedriveTarget, target))
		}
	}
	// Walks from everywhere, and stopped.
	for from := range len(sorted) + 1 {
		after := fullName{}
		if from > 0 {
			after = sorted[from-1]
		}
		var walked []fullName
		if err := m.walk(after, func(n fullName, encoded []byte) bool {
			q, err := DecodeQueue(encoded)
			if err != nil || q.ID != model[n].ID || q.Revision != model[n].Revision {
				t.Fatalf("%v is written as %v, %v", n, q, err)
			}
			walked = append(walked, n)
			return len(walked) < 3
		}); err != nil {
			t.Fatal(err)
		}
		want := sorted[from:]
		if want = want[:min(3, len(want))]; !slices.Equal(walked, want) {
			t.Fatalf("walked %v, not %v", walked, want)
		}
	}
	for _, prefix := range []string{"", "n", "n1", "x"} {
		for _, after := range []string{"", "n", "n1", "o", "z"} {
			var want []*Queue
			for _, n := range sorted {
				if n.account == "a" && n.region == "r" && strings.HasPrefix(n.name, prefix) && n.name > after {
					want = append(want, model[n])
				}
			}
			list, more := m.list("a", "r", prefix, after, 2)
			if !slices.Equal(list, want[:min(2, len(want))]) || more != (len(want) > 2) {
				t.Fatalf("list %q after %q: %v %v", prefix, after, list, more)
			}
		}
	}
}

// TestDifferences: what listeners are told when memory is replaced.
func TestDifferences(t *testing.T) {
	t.Parallel()
	kind := queues(0, nil)
	fill := func(list ...Meta) *memory[Queue] {
		m := newMemory(&kind)
		for _, meta := range list {
			m.put(opened[Queue]{&Queue{Meta: meta}, nil})
		}
		return m
	}
	meta := func(name string, id, revision uint64) Meta {
		return Meta{ID: id, Account: "a", Region: "r", Name: name, Revision: revision}
	}
	old := fill(meta("gone", 1, 1), meta("same", 2, 2), meta("changed", 3, 3), meta("again", 4, 4))
	now := fill(meta("same", 2, 2), meta("changed", 3, 30), meta("again", 40, 40), meta("new", 5, 5))
	var got []string
	tell := func(old, now any) {
		a, _ := old.(*Queue)
		b, _ := now.(*Queue)
		switch {
		case a == nil:
			got = append(got, fmt.Sprint("+", b.Name, b.ID))
		case b == nil:
			got = append(got, fmt.Sprint("-", a.Name, a.ID))
		default:
			got = append(got, fmt.Sprint(a.Name, a.Revision, ">", b.Revision))
		}
	}
	now.differences(old, tell)
	if want := []string{"-again4", "-gone1", "+again40", "changed3>30", "+new5"}; !slices.Equal(got, want) {
		t.Fatal(got)
	}
	got = nil
	fill(meta("x", 1, 1)).differences(nil, tell)
	if !slices.Equal(got, []string{"+x1"}) {
		t.Fatal(got)
	}
}

// TestSharedStrings: definitions of one account share their strings, so that
// memory holds each once.
func TestSharedStrings(t *testing.T) {
	t.Parallel()
	kind := queues(0, nil)
	m := newMemory(&kind)
	for i := range 5 {
		q := full()
		q.ID, q.Name = uint64(i+1), fmt.Sprint("q", i)
		q.Account, q.DedupScope, q.Redrive.TargetARN = strings.Clone(q.Account), strings.Clone(q.DedupScope), strings.Clone(q.Redrive.TargetARN)
		m.put(opened[Queue]{q, nil})
	}
	for _, of := range []func(*Queue) string{
		func(q *Queue) string { return q.Account },
		func(q *Queue) string { return q.DedupScope },
		func(q *Queue) string { return q.Redrive.TargetARN },
	} {
		at := make(map[string]bool)
		for q := range maps.Values(m.byID) {
			s := of(q)
			at[fmt.Sprintf("%p", stringData(s))] = true
		}
		if len(at) != 1 {
			t.Errorf("%d copies", len(at))
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[fullName]bool{
		{"a", "r", "n"}: true, {"A-_9", "us-east-1", "a.b..c"}: true, {"a", "r", "x/y"}: true,
		{strings.Repeat("a", 64), strings.Repeat("r", 64), strings.Repeat("n", 512)}: true,
		{"", "r", "n"}: false, {"a", "", "n"}: false, {"a", "r", ""}: false,
		{"a.b", "r", "n"}: false, {"a", "eu.west", "n"}: false, {"a", "r", "x//y"}: false, {"a", "r", "x/"}: false, {"a", "r", "/x"}: false,
		{strings.Repeat("a", 65), "r", "n"}: false, {"a", strings.Repeat("r", 65), "n"}: false, {"a", "r", strings.Repeat("n", 513)}: false,
		{"a", "r", "@"}: false, {"a", "r", "["}: false, {"a", "r", "`"}: false, {"a", "r", "{"}: false, {"a", "r", ":"}: false, {"a", "r", " "}: false,
		{"a", "r", "azAZ09"}: true,
	} {
		if name.valid() != want {
			t.Errorf("%+v: %v", name, !want)
		}
	}
	order := []fullName{{"a", "a", "b"}, {"a", "b", "a"}, {"b", "a", "a"}}
	for i := range order {
		for j := range order {
			if c := order[i].compare(order[j]); (c < 0) != (i < j) || (c > 0) != (i > j) {
				t.Error(i, j, c)
			}
		}
	}
	if hashName(fullName{"a", "b", "c"}) == hashName(fullName{"b", "a", "c"}) || hashName(fullName{"a", "b", "c"}) == hashName(fullName{"c", "b", "a"}) {
		t.Error("swapped parts have one hash")
	}
}

func stringData(s string) *byte { return unsafe.StringData(s) }
