package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Journal holds the metrics of one journal's appends. Its methods fit the hooks
// of a journal: they return at once.
type Journal struct {
	seconds, records, bytes prometheus.Observer
	fetchSeconds            prometheus.Observer
	fetched, trimmed        prometheus.Counter
}

// Journal returns the metrics of the journal with this name. Journals are as
// many as partitions: few.
func (m *Metrics) Journal(name string) *Journal {
	return &Journal{
		seconds:      m.appendSeconds.WithLabelValues(name),
		records:      m.appendRecords.WithLabelValues(name),
		bytes:        m.appendBytes.WithLabelValues(name),
		fetchSeconds: m.fetchSeconds.WithLabelValues(name),
		fetched:      m.fetchedAppends.WithLabelValues(name),
		trimmed:      m.trimmedAppends.WithLabelValues(name),
	}
}

// Appended counts one append that became durable d after it was published.
func (j *Journal) Appended(d time.Duration, records, bytes int) {
	j.seconds.Observe(d.Seconds())
	j.records.Observe(float64(records))
	j.bytes.Observe(float64(bytes))
}

// Fetched counts a read that memory could not answer and that took so many
// appends from the log.
func (j *Journal) Fetched(d time.Duration, appends, _ int) {
	j.fetchSeconds.Observe(d.Seconds())
	j.fetched.Add(float64(appends))
}

// Trimmed counts appends removed from the log.
func (j *Journal) Trimmed(appends uint64) { j.trimmed.Add(float64(appends)) }
