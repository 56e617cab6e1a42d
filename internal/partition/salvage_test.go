package partition

import (
	"testing"

	"github.com/waystation/waystation/internal/jet/jetsim"
	"github.com/waystation/waystation/internal/registry"
)

// What the logs know of definitions brings a lost registry back.
func TestSalvage(t *testing.T) {
	t.Parallel()
	w := jetsim.New(jetsim.Options{Seed: 1})
	one := w.Node("one")
	n := startOn(t, one, func(c *Config) { c.Count = 2 })
	kept, deleted := n.queue("kept", nil), n.queue("deleted", nil)
	n.queue("never-used", nil)
	n.send(kept, message("x"))
	n.send(deleted, message("x"))
	changed, err := n.reg.UpdateQueue(t.Context(), kept.Account, kept.Region, kept.Name, func(q *registry.Queue) error {
		q.VisibilitySeconds = 77
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.reg.DeleteQueue(t.Context(), deleted.Account, deleted.Region, deleted.Name); err != nil {
		t.Fatal(err)
	}
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	got, err := Salvage(t.Context(), one, "ws")
	if err != nil || got.Damaged != 0 || len(got.Definitions) != 1 {
		t.Fatalf("salvaged %+v, %v", got, err)
	}
	d := got.Definitions[0]
	q, err := registry.DecodeQueue(d.Encoded)
	if err != nil || d.ID != kept.ID || d.Revision != changed.Revision || got.Revision != changed.Revision ||
		q.Name != kept.Name || q.VisibilitySeconds != 77 || q.Partition != kept.Partition {
		t.Errorf("salvaged %+v, revision %d, %v", q, d.Revision, err)
	}
}
