package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// DeliveryCounts say what became of attempts to push messages to endpoints, and of the
// messages.
type DeliveryCounts struct {
	Delivered, Failed, DeadLettered, Undelivered, Dropped, Disabled, Unlogged int
	Took                                                                      time.Duration // of one attempt
}

func newDeliveries() (*prometheus.CounterVec, prometheus.Histogram) {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "delivery", Name: "outcomes_total",
			Help: "Pushes to endpoints: delivered messages, failed attempts; messages given up: dead_lettered, undelivered (kept for a week), " +
				"dropped (the endpoint was deleted); endpoints that were disabled; attempts not logged for want of room.",
		}, []string{"outcome"}), prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "delivery", Name: "attempt_seconds", Help: "Time of attempts to push a message.",
			Buckets: []float64{0.005, 0.02, 0.1, 0.5, 2, 5, 15, 60},
		})
}

// Deliveries counts attempts and messages.
func (m *Metrics) Deliveries(c DeliveryCounts) {
	for _, outcome := range []struct {
		name string
		n    int
	}{
		{"delivered", c.Delivered}, {"failed", c.Failed}, {"dead_lettered", c.DeadLettered}, {"undelivered", c.Undelivered},
		{"dropped", c.Dropped}, {"disabled", c.Disabled}, {"unlogged", c.Unlogged},
	} {
		if outcome.n > 0 {
			m.deliveries.WithLabelValues(outcome.name).Add(float64(outcome.n))
		}
	}
	if c.Delivered+c.Failed > 0 {
		m.deliverySeconds.Observe(c.Took.Seconds())
	}
}
