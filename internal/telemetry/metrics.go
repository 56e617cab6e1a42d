package telemetry

import (
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	namespace = "waystation"
	// maxRequestSeries bounds the triples of API, operation and code; past it
	// everything new is counted under "other".
	maxRequestSeries = 4096
	// maxScrapes bounds scrapes at a time; more are answered 503.
	maxScrapes = 4
)

// Metrics are the metrics of one server. All methods may be called from many
// goroutines.
type Metrics struct {
	registry *prometheus.Registry

	requests        *prometheus.CounterVec   // api, operation, code
	requestSeconds  *prometheus.HistogramVec // api, operation
	requestBytes    *prometheus.CounterVec   // api, direction
	series          sync.Map                 // requestKey → *requestSeries
	seriesCount     atomic.Int64
	connectionsOpen prometheus.Gauge

	appendSeconds *prometheus.HistogramVec // journal
	appendRecords *prometheus.HistogramVec // journal
	appendBytes   *prometheus.HistogramVec // journal
	fetchSeconds  *prometheus.HistogramVec // journal

	fetchedAppends, trimmedAppends *prometheus.CounterVec // journal

	topicMessages *prometheus.CounterVec // outcome

	deliveries      *prometheus.CounterVec // outcome
	deliverySeconds prometheus.Histogram
	busEvents       *prometheus.CounterVec // outcome
	scheduleFirings *prometheus.CounterVec // outcome
}

type requestKey struct{ api, operation, code string }

type requestSeries struct {
	count   prometheus.Counter
	seconds prometheus.Observer
	in, out prometheus.Counter
}

// New returns the metrics of a server of this version.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "requests_total",
			Help: "API requests answered, by API, operation and error code (OK: success).",
		}, []string{"api", "operation", "code"}),
		requestSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "request_duration_seconds",
			Help:    "Time from a request's arrival to its answer; receives include their wait.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 21},
		}, []string{"api", "operation"}),
		requestBytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "request_bytes_total",
			Help: "Bytes of request bodies (in) and answers (out).",
		}, []string{"api", "direction"}),
		connectionsOpen: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Name: "connections_open", Help: "Client connections open on the API's address.",
		}),
		appendSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "journal", Name: "append_duration_seconds",
			Help:    "Time from publishing an append to knowing it durable.",
			Buckets: []float64{.0001, .0002, .0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10},
		}, []string{"journal"}),
		appendRecords: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "journal", Name: "append_records",
			Help: "Records gathered in one append.", Buckets: prometheus.ExponentialBuckets(1, 2, 11),
		}, []string{"journal"}),
		appendBytes: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "journal", Name: "append_bytes",
			Help: "Bytes of one append.", Buckets: prometheus.ExponentialBuckets(256, 4, 8),
		}, []string{"journal"}),
		fetchSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "journal", Name: "fetch_duration_seconds",
			Help:    "Time of reads that the memory could not answer.",
			Buckets: []float64{.0001, .0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 5},
		}, []string{"journal"}),
		fetchedAppends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "journal", Name: "fetched_appends_total",
			Help: "Appends read back from the log.",
		}, []string{"journal"}),
		trimmedAppends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "journal", Name: "trimmed_appends_total",
			Help: "Appends removed from the log because nothing in them was live.",
		}, []string{"journal"}),
		topicMessages:   newTopicMessages(),
		busEvents:       newBusEvents(),
		scheduleFirings: newScheduleFirings(),
	}
	m.deliveries, m.deliverySeconds = newDeliveries()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "Always 1; the labels tell the build.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.requests, m.requestSeconds, m.requestBytes, m.connectionsOpen,
		m.appendSeconds, m.appendRecords, m.appendBytes,
		m.fetchSeconds, m.fetchedAppends, m.trimmedAppends, m.topicMessages, m.busEvents,
		m.deliveries, m.deliverySeconds, m.scheduleFirings)
	return m
}

// Handler serves the metrics in the Prometheus text formats.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		Registry: m.registry, MaxRequestsInFlight: maxScrapes, Timeout: 30 * time.Second,
		ErrorHandling: promhttp.ContinueOnError,
	})
}

// Request counts one answered request: d from arrival to answer, in and out in
// bytes. An empty code is a success.
func (m *Metrics) Request(api, operation, code string, d time.Duration, in, out int) {
	if code == "" {
		code = "OK"
	}
	s := m.requestSeries(requestKey{api, operation, code})
	s.count.Inc()
	s.seconds.Observe(d.Seconds())
	s.in.Add(float64(max(in, 0)))
	s.out.Add(float64(max(out, 0)))
}

func (m *Metrics) requestSeries(k requestKey) *requestSeries {
	if s, ok := m.series.Load(k); ok {
		return s.(*requestSeries)
	}
	if m.seriesCount.Load() >= maxRequestSeries {
		k = requestKey{"other", "other", "other"}
		if s, ok := m.series.Load(k); ok {
			return s.(*requestSeries)
		}
	}
	s, loaded := m.series.LoadOrStore(k, &requestSeries{
		count:   m.requests.WithLabelValues(k.api, k.operation, k.code),
		seconds: m.requestSeconds.WithLabelValues(k.api, k.operation),
		in:      m.requestBytes.WithLabelValues(k.api, "in"),
		out:     m.requestBytes.WithLabelValues(k.api, "out"),
	})
	if !loaded {
		m.seriesCount.Add(1)
	}
	return s.(*requestSeries)
}

// Connection counts a client connection opened (+1) or closed (-1).
func (m *Metrics) Connection(change int) { m.connectionsOpen.Add(float64(change)) }
