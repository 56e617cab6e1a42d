package telemetry

import "github.com/prometheus/client_golang/prometheus"

// BusCounts say what became of events of buses: of those put, and of their deliveries
// to targets.
type BusCounts struct {
	Put, Matched, Delivered, Failed, Redriven int
	Archived, Replayed                        int // into archives, and out of them
	Scheduled                                 int // times of rules with a schedule
}

func newBusEvents() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Subsystem: "bus", Name: "events_total",
		Help: "Events of buses: put; rules that they matched; delivered to queues of targets, failed (the queue is gone or " +
			"does not take them), redriven (of the failed ones, to a dead-letter queue); archived, and replayed out of archives; scheduled, made at times of rules.",
	}, []string{"outcome"})
}

// Buses counts events of buses.
func (m *Metrics) Buses(c BusCounts) {
	for _, outcome := range []struct {
		name string
		n    int
	}{
		{"put", c.Put}, {"matched", c.Matched}, {"delivered", c.Delivered}, {"failed", c.Failed}, {"redriven", c.Redriven},
		{"archived", c.Archived}, {"replayed", c.Replayed}, {"scheduled", c.Scheduled},
	} {
		m.busEvents.WithLabelValues(outcome.name).Add(float64(outcome.n))
	}
}
