package registry

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/waystation/waystation/internal/jet/jetsim"
)

// blob is a definition that is large.
type blob struct {
	Meta
	Value []byte `cbor:"10,keyasint"`
}

var blobs = Kind[blob]{
	Tag: 77, Name: "blob", Version: 1,
	Meta:  func(b *blob) *Meta { return &b.Meta },
	Clone: func(b *blob) *blob { c := *b; c.Value = bytes.Clone(b.Value); return &c },
}

// Definitions that are written again over several entries are all there when what stood
// before is removed: those of a kind that the writing node does not know, too.
func TestWrittenAgainOverSeveralEntries(t *testing.T) {
	for name, known := range map[string]bool{"of a known kind": true, "of an unknown kind": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *jetsim.World) {
				const n, size = 20, maxKeeps / 5
				var table *Table[blob]
				up(t, w.Node("a"), Config{}, func(r *Registry) { table = Add(r, blobs) })
				for i := range n {
					b := &blob{Meta: Meta{Account: account, Region: region, Name: fmt.Sprintf("blob-%02d", i)}, Value: make([]byte, size)}
					if _, _, err := table.Create(t.Context(), b, nil); err != nil {
						t.Fatal(err)
					}
				}
				b := up(t, w.Node("b"), Config{}, func(r *Registry) {
					r.minGarbage = 10
					if known {
						Add(r, blobs)
					}
				})
				q := create(t, b, "q")
				for i := range 200 {
					_, err := b.UpdateQueue(t.Context(), account, region, "q", func(q *Queue) error { q.DelaySeconds = 1 + i%2; return nil })
					if err != nil {
						t.Fatal(err)
					}
				}
				first, _, err := b.cfg.Log.Bounds(t.Context())
				if err != nil || first < n {
					t.Fatalf("the log begins at %d, %v: the definitions were not written again", first, err)
				}
				var loaded *Table[blob]
				c := up(t, w.Node("c"), Config{}, func(r *Registry) { loaded = Add(r, blobs) })
				list, _ := loaded.List(account, region, "", "", 100)
				if len(list) != n {
					t.Errorf("%d of %d are there", len(list), n)
				}
				for _, b := range list {
					if len(b.Value) != size {
						t.Errorf("%s has %d bytes", b.Name, len(b.Value))
					}
				}
				if got, ok := c.QueueByID(q.ID); !ok || got.DelaySeconds != 2 {
					t.Errorf("the queue is %+v", got)
				}
			})
		})
	}
}
