package owner_test

import (
	"testing"
	"time"

	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/registry"
)

// BenchmarkNeighbour measures how long another queue of the partition waits while
// 500,000 messages of one expire, are dead-lettered, or are purged at once, with a
// log in memory. The longest wait is reported as max_ms.
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
				for range n / 10 {
					c.receive(o, q, 60)
				}
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
			longest := time.Duration(0)
			for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
				start := time.Now()
				c.post(o, "x", to(other, nil))
				longest = max(longest, time.Since(start))
				time.Sleep(time.Millisecond)
			}
			b.ReportMetric(float64(longest.Microseconds())/1000, "max_ms")
			if b.N > 1 {
				b.Skip("one round is enough")
			}
		})
	}
}
