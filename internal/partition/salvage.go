package partition

import (
	"context"
	"fmt"

	"github.com/waystation/waystation/internal/jet"
	"github.com/waystation/waystation/internal/journal"
	"github.com/waystation/waystation/internal/lease"
	"github.com/waystation/waystation/internal/partition/state"
)

// Definition is the newest definition of a queue that its partition's log holds.
type Definition struct {
	ID       uint64
	Revision uint64
	Encoded  []byte // as registry.EncodeQueue gave it
}

// Salvaged is what the logs of all partitions know of definitions.
type Salvaged struct {
	Definitions []Definition
	// Revision is the highest that any of them names.
	Revision uint64
	// Damaged is how many entries could not be read.
	Damaged int
}

// Salvage reads the definitions of queues out of the logs of all partitions: for
// the repair of a damaged registry. All nodes must be stopped. Queues that never
// had a message are in no log; deleted ones may be found, too.
func Salvage(ctx context.Context, cluster jet.Cluster, prefix string) (Salvaged, error) {
	var out Salvaged
	count, err := lease.Agreed(ctx, cluster, prefix)
	if err != nil {
		return out, err
	}
	cfg := Config{Conn: cluster, Prefix: prefix}
	for p := range count {
		log, err := cfg.stream(ctx, p)
		if err != nil {
			return out, err
		}
		newest := make(map[uint64]Definition)
		damaged, err := journal.Scan(ctx, log, func(_ journal.Pos, rec []byte) error {
			return state.EachDefinition(rec, func(id, revision uint64, definition []byte) {
				if old, ok := newest[id]; !ok || revision >= old.Revision {
					newest[id] = Definition{ID: id, Revision: revision, Encoded: append([]byte(nil), definition...)}
				}
			}, func(id uint64) { delete(newest, id) })
		})
		if err != nil {
			return out, fmt.Errorf("partition %d: %w", p, err)
		}
		out.Damaged += damaged
		for _, d := range newest {
			out.Definitions = append(out.Definitions, d)
			out.Revision = max(out.Revision, d.Revision)
		}
	}
	return out, nil
}
