package app

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/registry"
)

// ArchivedPage is what /archived answers, in JSON: without an archive the ARNs of all
// archives, else some of its events.
type ArchivedPage struct {
	Archives []string          `json:"archives,omitempty"`
	Events   []json.RawMessage `json:"events,omitempty"`
	Next     string            `json:"next,omitempty"` // where to go on; none at the end
}

// archivedPath is the page's.
const archivedPath = "/archived"

// archivedPage answers with archived events: of archive, an ARN, since a time, from the
// place that an earlier answer gave.
func archivedPage(b *bus.Service) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, err := archived(r, b)
		switch {
		case errors.As(err, new(badQuery)):
			plain(w, http.StatusBadRequest, err.Error()+"\n")
		case errors.Is(err, bus.ErrPage):
			plain(w, http.StatusBadRequest, "from is not a place that an earlier answer gave.\n")
		case errors.Is(err, bus.ErrNoArchive):
			plain(w, http.StatusNotFound, "There is no such archive.\n")
		case err != nil:
			plain(w, http.StatusServiceUnavailable, "The archive cannot be read for the moment. Please try again.\n")
		default:
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
			_ = json.NewEncoder(w).Encode(page) // the client may be gone
		}
	})
}

func archived(r *http.Request, b *bus.Service) (p ArchivedPage, err error) {
	q := r.URL.Query()
	name := q.Get("archive")
	if name == "" {
		for _, a := range b.AllArchives() {
			p.Archives = append(p.Archives, a.ARN())
		}
		slices.Sort(p.Archives)
		return p, nil
	}
	of, ok := registry.ParseARN(name)
	if !ok || of.Kind != "archive" {
		return p, badQuery("archive is an ARN such as arn:aws:events:us-east-1:000000000000:archive/NAME.")
	}
	var since time.Time
	if v := q.Get("since"); v != "" {
		if since, err = time.Parse(time.RFC3339, v); err != nil {
			return p, badQuery("since is a time such as 2026-01-31T10:00:00Z.")
		}
	}
	a, err := b.Archive(r.Context(), of.Account, of.Region, of.Name)
	if err != nil {
		return p, err
	}
	list, next, err := b.ReadArchive(r.Context(), a, since.UnixMilli(), math.MaxInt64, q.Get("from"))
	for _, e := range list {
		p.Events = append(p.Events, e)
	}
	p.Next = next
	return p, err
}
