package owner_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/registry"
)

// BenchmarkNeighbour measures how long another queue of the partition waits while
// 500,000 messages of one expire, are dead-lettered, or are purged at once, with a
// log in memory. The longest wait is reported as max_ms, the one of a hundredth as p99_ms.
func BenchmarkNeighbour(b *testing.B) {
	const n = 500_000
	for _, what := range []string{"nothing", "expiry", "delay", "dead-letter", "purge"} {
		b.Run(what, func(b *testing.B) {
			c := newCluster(b)
			c.limits.MaxInFlight = n
			dead := c.defs.define(8, 0, nil)
			q := c.defs.define(7, 0, func(q *registry.Queue) {
				if what == "dead-letter" {
					deadLetterTo(dead, 1)(q)
				}
				if what == "expiry" {
					q.RetentionSeconds = 60
				}
			})
			other := c.defs.define(9, 0, nil)
			o := c.start(0)
			items := make([]owner.PostItem, 1000)
			for i := range items {
				items[i] = owner.PostItem{Payload: payload("x"), Targets: []owner.PostTarget{to(q, func(p *owner.PostTarget) {
					if p.Delay = 0; what == "delay" {
						p.Delay = 60
					}
				})}}
			}
			for range n / len(items) {
				if _, err := o.Post(b.Context(), owner.PostIn{Items: items}); err != nil {
					b.Fatal(err)
				}
			}
			if what == "dead-letter" {
				var wg sync.WaitGroup
				for range 50 {
					wg.Go(func() {
						for range n / 10 / 50 {
							c.receive(o, q, 60)
						}
					})
				}
				wg.Wait()
			}
			b.ResetTimer()
			switch what {
			case "nothing":
			case "purge":
				if _, err := o.Purge(b.Context(), owner.QueueIn{Queue: ref(q)}); err != nil {
					b.Fatal(err)
				}
			default:
				c.ahead(61 * time.Second)
				go o.Count(b.Context(), owner.QueueIn{Queue: ref(q)})
			}
			var took []time.Duration
			for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
				start := time.Now()
				c.post(o, "x", to(other, nil))
				took = append(took, time.Since(start))
				time.Sleep(time.Millisecond)
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99_ms")
			b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "max_ms")
			if b.N > 1 {
				b.Skip("one round is enough")
			}
		})
	}
}
