package topic

import (
	"context"
	"testing"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// taking takes all posts.
type taking struct {
	do func(items []partition.PostItem)
}

func (taking) Count() uint32                                { return 1 }
func (taking) Drop(context.Context, partition.Target) error { return nil }

func (t taking) Post(_ context.Context, _ uint32, items []partition.PostItem) ([]partition.Posted, error) {
	t.do(items)
	n := 0
	for i := range items {
		n += len(items[i].Targets)
	}
	return make([]partition.Posted, n), nil
}

// The targets of a message are posted as they gather, however many there are.
func TestTargetsArePostedAsTheyGather(t *testing.T) {
	t.Parallel()
	const n = 25_000
	p := publication{topic: &registry.Topic{}, results: make([]Published, 1)}
	targets, most := 0, 0
	p.s = &Service{parts: taking{func(items []partition.PostItem) {
		for i := range items {
			targets += len(items[i].Targets)
		}
		most = max(most, len(p.parts))
	}}}
	routes := make([]route, n)
	for i := range routes {
		routes[i] = route{member: &member{}, queue: &registry.Queue{}}
	}
	whole := part{item: partition.PostItem{Payload: []byte("x")}, counted: Counted{Published: 1}}
	p.split(t.Context(), whole, &Message{}, routes)
	p.post(t.Context())
	if targets != n || most > maxParts || len(p.parts) > 0 {
		t.Errorf("%d targets were posted, up to %d parts waited, %d do still", targets, most, len(p.parts))
	}
	if p.counted != (Counted{Published: 1, Delivered: n}) {
		t.Errorf("%+v", p.counted)
	}
}
