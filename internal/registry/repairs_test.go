package registry

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/jet/jetsim"
)

// TestRepairOfWhat checks what a repair takes and what it leaves.
func TestRepairOfWhat(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		n := w.Node("a")
		list := chained(
			entry{items: []item{put(1, "one", 1), put(2, "two", 1), put(3, "three", 1), put(9, "reused", 1)}},
			entry{items: []item{put(2, "two", 2), {opDelete, (&deletion{tagQueue, 3, fullName{account, region, "three"}}).encode()}}},
			entry{items: []item{put(4, "four", 3)}},
			entry{items: []item{put(10, "reused", 4)}},
		)
		write(t, n, list...)
		cfg := RepairConfig{Cluster: n, Prefix: "ws"}
		if _, err := Repair(t.Context(), cfg); !errors.Is(err, ErrWhole) {
			t.Fatal(err)
		}
		if _, ok := w.Damage("ws_registry", 3, 20); !ok {
			t.Fatal("not damaged")
		}
		if err := Verify(t.Context(), n, "ws", 0); !Damaged(err) {
			t.Fatal(err)
		}
		known := func(id uint64, name string, revision uint64) Known {
			return Known{ID: id, Revision: revision, Encoded: put(id, name, revision).data}
		}
		broken := known(8, "broken", 3)
		broken.Encoded[7] ^= 1
		cfg.Known = []Known{known(1, "one", 1), known(3, "three", 1), known(4, "four", 3), known(5, "five", 7), broken}
		cfg.Revision = 40
		done, err := Repair(t.Context(), cfg)
		if err != nil || done.Definitions != 5 || done.FromJournals != 2 || done.Damaged != 1 || done.Revision != 41 {
			t.Fatalf("%+v %v", done, err)
		}
		if err := Verify(t.Context(), n, "ws", 41); err != nil {
			t.Fatal(err)
		}
		if err := Verify(t.Context(), n, "ws", 42); !Damaged(err) {
			t.Fatal(err)
		}
		r := up(t, w.Node("b"), Config{})
		got := contents(r)
		for name, id := range map[string]uint64{"one": 1, "two": 2, "four": 4, "five": 5, "reused": 10} {
			if got[name].ID != id {
				t.Errorf("%s: %+v", name, got[name])
			}
		}
		if len(got) != 5 || got["two"].Revision != 2 {
			t.Errorf("%+v", got)
		}
		if q, _, err := r.CreateQueue(t.Context(), queue("next"), yes); err != nil || q.Revision != 42 {
			t.Error(q, err)
		}
	})
}

// TestRepairOfNothing: the log is gone; the journals and the mark are there. More
// definitions than fit an entry, and a repair that is interrupted.
func TestRepairOfNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		n := w.Node("a")
		cfg := RepairConfig{Cluster: n, Prefix: "ws", Revision: 500}
		for i := range 300 {
			q := &Queue{Meta: Meta{ID: uint64(i + 1), Account: account, Region: region, Name: fmt.Sprint("q", i), Revision: uint64(i + 100)}, Policy: strings.Repeat("p", 2000)}
			b, err := EncodeQueue(q)
			if err != nil {
				t.Fatal(err)
			}
			cfg.Known = append(cfg.Known, Known{ID: q.ID, Revision: q.Revision, Encoded: b})
		}
		// Interrupted: the first entry only.
		write(t, n, chained(entry{flags: flagBase | flagOpen | flagKeeps, revision: 450, floor: 450, items: []item{{opKeep, cfg.Known[0].Encoded}}})...)
		done, err := Repair(t.Context(), cfg)
		if err != nil || done.Definitions != 300 || done.Revision < 502 || done.Damaged != 0 {
			t.Fatalf("%+v %v", done, err)
		}
		r := up(t, w.Node("b"), Config{})
		if list, _ := r.Queues(account, region, "", "", 1000); len(list) != 300 || r.Revision() != done.Revision {
			t.Fatal(len(list), r.Revision())
		}
		first, last, _ := w.Bounds("ws_registry")
		if last-first+1 != done.Revision-500 || first == 1 {
			t.Fatal(first, last, done.Revision)
		}
		for i := range 3 { // a walk can follow
			if _, _, err := r.CreateQueue(t.Context(), queue(fmt.Sprint("new", i)), yes); err != nil {
				t.Fatal(err)
			}
		}
	})
}
