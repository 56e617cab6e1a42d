package app

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/waystation/waystation/internal/access"
)

// The states of a server.
const (
	StateStarting = "starting"
	StateReady    = "ready"
	StateDraining = "draining"
)

// Status is what /status answers, in JSON.
type Status struct {
	Version string     `json:"version"`
	State   string     `json:"state"` // starting, ready or draining
	Node    string     `json:"node"`
	Roles   []string   `json:"roles"` // what it does, all when --roles was not given
	Started time.Time  `json:"started"`
	Uptime  float64    `json:"uptime_seconds"`
	URL     string     `json:"url"`
	Data    string     `json:"data,omitempty"` // empty with an external NATS
	Account string     `json:"account"`
	Open    bool       `json:"open"` // any key is accepted
	NATS    NATSStatus `json:"nats"`
	// StorageFull: sends are refused until space is free.
	StorageFull bool `json:"storage_full"`
	// MemoryFull: sends are refused until messages are received and deleted; they
	// take about MemoryBytes of MemoryLimit.
	MemoryFull  bool              `json:"memory_full"`
	MemoryBytes int64             `json:"memory_bytes"`
	MemoryLimit int64             `json:"memory_limit"`
	Partitions  []PartitionStatus `json:"partitions"`
	Queues      []QueueStatus     `json:"queues"` // those that this process serves
	MoreQueues  int               `json:"more_queues,omitempty"`
	// Defined is how many queues there are in all, those never used included.
	Defined int `json:"queues_defined"`
}

// NATSStatus is the connection to NATS.
type NATSStatus struct {
	Embedded  bool `json:"embedded"`
	Connected bool `json:"connected"`
}

// PartitionStatus is one partition as this process sees it.
type PartitionStatus struct {
	Number uint32 `json:"number"`
	Owner  string `json:"owner"` // node; empty: none known
	Mine   bool   `json:"mine"`
	// State is ready, replaying, damaged or unavailable.
	State  string `json:"state"`
	Damage string `json:"damage,omitempty"` // why it can't be loaded
	// Queues that are placed on it, used or not.
	Queues int `json:"queues"`
	// Replay progress, in entries of the log.
	Replayed    uint64 `json:"replayed,omitempty"`
	ReplayTotal uint64 `json:"replay_total,omitempty"`
	ReplayBytes uint64 `json:"replay_bytes,omitempty"`
	LogBytes    int64  `json:"log_bytes,omitempty"`
	LiveBytes   int64  `json:"live_bytes,omitempty"`
	// Messages that wait, and about what all takes in memory.
	Messages    int64 `json:"messages,omitempty"`
	MemoryBytes int64 `json:"memory_bytes,omitempty"`
	// Orphans are queues that keep messages and have no definition.
	Orphans int `json:"orphans,omitempty"`
	// Backlog is what waits for other partitions to take it in.
	Backlog int64 `json:"backlog,omitempty"`
}

// QueueStatus is one queue at the moment of the answer.
type QueueStatus struct {
	Account   string  `json:"account"`
	Region    string  `json:"region"`
	Name      string  `json:"name"`
	Partition uint32  `json:"partition"`
	Visible   int     `json:"visible"`
	InFlight  int     `json:"in_flight"`
	Delayed   int     `json:"delayed"`
	OldestAge float64 `json:"oldest_age_seconds"`
}

// maxStatusQueues bounds the queues listed by /status.
const maxStatusQueues = 1000

// pagesAndAPIs serves the server's own pages beside the AWS APIs. Only GET and HEAD,
// and POST of deliveriesPath, of the exact paths below are its own and only without an Action parameter,
// so that no request of an API can meet one of them: everything else, queue
// URLs and "/" included, goes to the APIs unchanged.
type pagesAndAPIs struct {
	apis  http.Handler
	busy  http.HandlerFunc // answers what comes on connections in reserve
	pages map[string]http.Handler
	// certificate gives that of the signatures of notifications, in PEM form, by its
	// path; nil: there is none.
	certificate func(path string) ([]byte, bool)
	access      *access.Access
	proxies     access.Proxies
}

// private are the pages that are only for clients on this machine: they show
// what there is. With --metrics-listen they have an address of their own.
var private = map[string]bool{"/status": true, "/metrics": true, deliveriesPath: true, explainPath: true, archivedPath: true}

func (f *pagesAndAPIs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodPost && r.URL.Path == deliveriesPath {
		if page, ok := f.pages[r.URL.Path]; ok && !r.URL.Query().Has("Action") {
			if private[r.URL.Path] && f.access != nil {
				if err := f.admit(r); err != "" {
					http.Error(w, err, http.StatusForbidden)
					return
				}
			}
			page.ServeHTTP(w, r)
			return
		}
		if pem, ok := f.certificateFor(r); ok {
			w.Header().Set("Content-Type", "application/x-pem-file")
			_, _ = w.Write(pem) // the client may be gone
			return
		}
	}
	if r.Context().Value(reserveKey{}) != nil {
		f.busy(w, r)
		return
	}
	f.apis.ServeHTTP(w, r)
}

func (f *pagesAndAPIs) certificateFor(r *http.Request) ([]byte, bool) {
	if f.certificate == nil || r.URL.RawQuery != "" {
		return nil, false
	}
	return f.certificate(r.URL.Path)
}

// admit says why r may not see a private page, "" = it may. A browser on this
// machine is a client of this machine, so what it sends for web pages is refused,
// with keys too.
func (f *pagesAndAPIs) admit(r *http.Request) string {
	o := f.proxies.Of(r)
	if !o.Addr.IsLoopback() || o.Forwarded {
		return "This page is for clients on the server's machine; to serve it elsewhere, start the server with --metrics-listen."
	}
	var refused *access.Error
	if errors.As(f.access.CheckPage(r), &refused) {
		return refused.Message
	}
	return ""
}

// healthPage answers 200 as long as the process serves at all.
func healthPage() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		plain(w, http.StatusOK, "ok\n")
	})
}

// readyPage answers 200 when requests can be served, else 503 and what is missing.
func readyPage(missing func() string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if m := missing(); m != "" {
			plain(w, http.StatusServiceUnavailable, m+"\n")
			return
		}
		plain(w, http.StatusOK, "ready\n")
	})
}

func plain(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text)) // the client may be gone
}

func statusPage(status func() Status) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		data, err := json.MarshalIndent(status(), "", "  ")
		if err != nil {
			plain(w, http.StatusInternalServerError, "The status could not be written.\n")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(append(data, '\n')) // the client may be gone
	})
}
