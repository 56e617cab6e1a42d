package bench

import (
	"sort"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies are kept from 1 µs to 10 minutes with three significant digits;
// what lies outside counts as the nearest bound.
const (
	shortest = int64(time.Microsecond)
	longest  = int64(10 * time.Minute)
	digits   = 3
)

// tally is what one worker counts. The same operations appear in the same order
// in which the worker first used them.
type tally struct {
	messages int64
	requests int64
	times    map[string]*hdrhistogram.Histogram
	errors   map[string]int64
}

func newTally() *tally {
	return &tally{times: map[string]*hdrhistogram.Histogram{}, errors: map[string]int64{}}
}

func (t *tally) observe(operation string, d time.Duration) {
	h := t.times[operation]
	if h == nil {
		h = hdrhistogram.New(shortest, longest, digits)
		t.times[operation] = h
	}
	h.RecordValue(min(max(int64(d), shortest), longest))
}

func (t *tally) merge(o *tally) {
	t.messages += o.messages
	t.requests += o.requests
	for op, h := range o.times {
		if have := t.times[op]; have != nil {
			have.Merge(h)
		} else {
			t.times[op] = hdrhistogram.Import(h.Export())
		}
	}
	for code, n := range o.errors {
		t.errors[code] += n
	}
}

// Latency summarizes the durations of one kind of request, in milliseconds.
type Latency struct {
	Operation string  `json:"operation"`
	Count     int64   `json:"count"`
	P50       float64 `json:"p50_ms"`
	P90       float64 `json:"p90_ms"`
	P99       float64 `json:"p99_ms"`
	P999      float64 `json:"p999_ms"`
	Max       float64 `json:"max_ms"`
}

func (t *tally) latencies() []Latency {
	list := make([]Latency, 0, len(t.times))
	for op, h := range t.times {
		at := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1e6 }
		list = append(list, Latency{
			Operation: op, Count: h.TotalCount(),
			P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(h.Max()) / 1e6,
		})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Operation < list[j].Operation })
	return list
}

// Usage is what the server's process used during the measurement.
type Usage struct {
	Cores       float64 `json:"cores"`        // CPU seconds a second
	ResidentMiB float64 `json:"resident_mib"` // at the end
}

// Figure is one further number of a scenario, such as a ratio.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
}

// Result is one scenario against one endpoint. Rounds of the same scenario are
// merged: Seconds, Messages and Requests are sums, PerSecond is their quotient.
type Result struct {
	Scenario    string           `json:"scenario"`
	Endpoint    string           `json:"endpoint"`
	Connections int              `json:"connections"`
	Size        int              `json:"size"`
	Seconds     float64          `json:"seconds"`
	Messages    int64            `json:"messages"`
	Requests    int64            `json:"requests"`
	PerSecond   float64          `json:"messages_per_second"`
	Rounds      []float64        `json:"rounds,omitempty"` // messages a second of each
	Latency     []Latency        `json:"latency,omitempty"`
	Figures     []Figure         `json:"figures,omitempty"`
	Errors      map[string]int64 `json:"errors,omitempty"`
	Server      *Usage           `json:"server,omitempty"`
	Interrupted bool             `json:"interrupted,omitempty"` // it was to last longer
	Client      float64          `json:"client_cores"`          // CPU seconds a second of the load generator

	counts *tally
}

// finish fills in what derives from the counts.
func (r *Result) finish(counts *tally, elapsed time.Duration) {
	r.counts = counts
	r.Seconds = elapsed.Seconds()
	r.Messages, r.Requests = counts.messages, counts.requests
	if r.Seconds > 0 {
		r.PerSecond = float64(r.Messages) / r.Seconds
	}
	r.Latency = counts.latencies()
	if len(counts.errors) > 0 {
		r.Errors = counts.errors
	}
}

// add merges a further round into r.
func (r *Result) add(o *Result) {
	if r.counts == nil {
		*r = *o
		r.Rounds = []float64{o.PerSecond}
		return
	}
	seconds := r.Seconds + o.Seconds
	if o.Server != nil && r.Server != nil {
		r.Server = &Usage{
			Cores:       (r.Server.Cores*r.Seconds + o.Server.Cores*o.Seconds) / seconds,
			ResidentMiB: max(r.Server.ResidentMiB, o.Server.ResidentMiB),
		}
	}
	r.Interrupted = r.Interrupted || o.Interrupted
	r.Client = (r.Client*r.Seconds + o.Client*o.Seconds) / seconds
	r.counts.merge(o.counts)
	r.finish(r.counts, time.Duration(seconds*float64(time.Second)))
	r.Rounds = append(r.Rounds, o.PerSecond)
	for i := range r.Figures { // rounds of one scenario have the same figures
		if i < len(o.Figures) {
			n := float64(len(r.Rounds))
			r.Figures[i].Value += (o.Figures[i].Value - r.Figures[i].Value) / n
		}
	}
}
