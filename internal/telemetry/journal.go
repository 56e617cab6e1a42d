package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Journal holds the metrics of one journal's appends.
type Journal struct {
	seconds, records, bytes prometheus.Observer
	errors                  prometheus.Counter
}

// Journal returns the metrics of the journal with this name. Journals are as
// many as partitions: few.
func (m *Metrics) Journal(name string) *Journal {
	return &Journal{
		seconds: m.appendSeconds.WithLabelValues(name),
		records: m.appendRecords.WithLabelValues(name),
		bytes:   m.appendBytes.WithLabelValues(name),
		errors:  m.appendErrors.WithLabelValues(name),
	}
}

// Appended counts one append that became durable d after it was published.
func (j *Journal) Appended(d time.Duration, records, bytes int) {
	j.seconds.Observe(d.Seconds())
	j.records.Observe(float64(records))
	j.bytes.Observe(float64(bytes))
}

// Failed counts an append whose first outcome was an error.
func (j *Journal) Failed() { j.errors.Inc() }
