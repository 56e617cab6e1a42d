package lease

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/waystation/waystation/internal/jet"
)

// Keys of the bucket.
const (
	countKey        = "count"
	nodePrefix      = "node"
	partitionPrefix = "partition"
)

func nodeKey(name string) string { return nodePrefix + "." + name }

func leaseKey(p uint32) string {
	return partitionPrefix + "." + strconv.FormatUint(uint64(p), 10)
}

// beat is a node's sign of life.
type beat struct {
	Run string `json:"run"`
	// Leaving: the node hands its partitions over and takes no more, or it is an
	// observer and takes none at all.
	Leaving bool `json:"leaving,omitempty"`
	Stopped bool `json:"stopped,omitempty"`
	// Durable is how far each partition's log reached at the last sign of life:
	// a log found shorter than that lost what had been acknowledged.
	Durable map[uint32]uint64 `json:"durable,omitempty"`
}

// lease says which run of which node should own a partition.
type lease struct {
	Node     string `json:"node"`
	Run      string `json:"run"`
	Released bool   `json:"released,omitempty"`
	// Served counts how often the run has loaded the partition: it is not ready
	// before the first time, and who waits for it sees each time.
	Served uint64 `json:"served,omitempty"`
	// Damaged is why the partition could not be loaded, and Tried are the runs
	// that found it so. Both are kept until a run has loaded it.
	Damaged string   `json:"damaged,omitempty"`
	Tried   []string `json:"tried,omitempty"`
}

func (l lease) triedBy(run string) bool { return slices.Contains(l.Tried, run) }

// decodeBeat reads a node's entry. One that can't be read, or was deleted, is of
// a node that does not run.
func decodeBeat(e jet.KVEntry) (b beat) {
	if e.Deleted || json.Unmarshal(e.Value, &b) != nil {
		return beat{Stopped: true}
	}
	return b
}

// decodeLease reads a partition's entry. One that can't be read, or was deleted,
// belongs to nobody.
func decodeLease(e jet.KVEntry) (l lease) {
	if e.Deleted || json.Unmarshal(e.Value, &l) != nil {
		return lease{Released: true}
	}
	return l
}

// encode never fails: the records hold nothing that JSON can't.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
