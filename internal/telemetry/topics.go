package telemetry

import "github.com/prometheus/client_golang/prometheus"

// TopicCounts say what became of messages of topics: of those published, and of their
// deliveries to subscriptions.
type TopicCounts struct {
	Published, Delivered, Filtered, Failed, Redriven, Queued int
}

func newTopicMessages() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Subsystem: "topic", Name: "messages_total",
		Help: "Messages of topics: published; delivered to queues of subscriptions, filtered out by their policies, " +
			"failed (the queue is gone or refuses them), redriven (of the failed ones, to a dead-letter queue); " +
			"queued to be pushed to endpoints.",
	}, []string{"outcome"})
}

// Topics counts messages of topics.
func (m *Metrics) Topics(c TopicCounts) {
	for _, outcome := range []struct {
		name string
		n    int
	}{
		{"published", c.Published}, {"delivered", c.Delivered}, {"filtered", c.Filtered},
		{"failed", c.Failed}, {"redriven", c.Redriven}, {"queued", c.Queued},
	} {
		m.topicMessages.WithLabelValues(outcome.name).Add(float64(outcome.n))
	}
}
