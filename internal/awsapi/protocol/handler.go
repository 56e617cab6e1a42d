package protocol

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/waystation/waystation/internal/access"
)

// DefaultMaxBody bounds request bodies: 1 MiB of message, percent-encoded three
// times as large, and what is around it.
const DefaultMaxBody = 4 << 20

// Config of a Handler.
type Config struct {
	APIs   []*API
	Access *access.Access
	Logger *slog.Logger // nil: discard
	// Observe, if set, hears of every request when it is answered: code is "" for
	// success, else the Query code; in and out are body sizes in bytes.
	Observe      func(api, op, code string, d time.Duration, in, out int)
	MaxBody      int64 // bytes; default DefaultMaxBody
	Now          func() time.Time
	NewRequestID func() string // default: random UUIDs
	// TrustForwarded takes scheme and client address from X-Forwarded-Proto and
	// X-Forwarded-For: only behind a proxy that sets them.
	TrustForwarded bool
}

// Handler serves the APIs of its Config over HTTP.
type Handler struct{ cfg Config }

// NewHandler checks the tables of all APIs and makes their Handler.
func NewHandler(cfg Config) (*Handler, error) { return &Handler{cfg: cfg}, nil }

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }
