package telemetry

import "github.com/prometheus/client_golang/prometheus"

// ScheduleCounts say what became of firings of schedules.
type ScheduleCounts struct {
	Fired, Retried, Redriven, Failed, Skipped int
}

func newScheduleFirings() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Subsystem: "scheduler", Name: "firings_total",
		Help: "Firings of schedules: fired (the target took it), retried (an attempt failed and another follows), " +
			"redriven (given up, to a dead-letter queue), failed (given up and lost); schedules of which times were missed and skipped.",
	}, []string{"outcome"})
}

// Schedules counts firings of schedules.
func (m *Metrics) Schedules(c ScheduleCounts) {
	for _, outcome := range []struct {
		name string
		n    int
	}{
		{"fired", c.Fired}, {"retried", c.Retried}, {"redriven", c.Redriven}, {"failed", c.Failed}, {"skipped", c.Skipped},
	} {
		m.scheduleFirings.WithLabelValues(outcome.name).Add(float64(outcome.n))
	}
}
