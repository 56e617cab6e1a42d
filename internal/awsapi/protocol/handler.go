package protocol

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"runtime/debug"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/logkey"
)

// DefaultMaxBody bounds request bodies: 1 MiB of message, percent-encoded three
// times as large, and what is around it.
const DefaultMaxBody = 4 << 20

// Keys of log attributes.
const (
	logAPI       = logkey.API
	logOperation = logkey.Operation
	logRequest   = logkey.Request
	logError     = logkey.Error
	logStack     = logkey.Stack
)

// Config of a Handler.
type Config struct {
	APIs   []*API
	Access *access.Access
	Logger *slog.Logger // nil: discard
	// Observe, if set, hears of every request when it is answered: code is "" for
	// success, else the Query code; api and op are "" if not known; in and out are
	// body sizes in bytes.
	Observe func(api, op, code string, d time.Duration, in, out int)
	MaxBody int64 // bytes, where neither API nor operation say; default DefaultMaxBody
	// BodyMemory is the budget for all bodies under way, in bytes; default
	// DefaultBodyMemory, and at least what a few of the largest bodies need.
	BodyMemory   int64
	MaxRequests  int // under way at a time; default DefaultMaxRequests
	Now          func() time.Time
	NewRequestID func() string // default: random UUIDs
	// Proxies are those whose word on scheme, host and client address counts.
	Proxies access.Proxies
}

// DefaultMaxRequests is how many requests can be under way where Config does not say.
const DefaultMaxRequests = 32768

// Handler serves the APIs of its Config over HTTP. Safe for concurrent use.
type Handler struct {
	cfg      Config
	table    *table
	budget   *budget
	vouchers vouchers
}

// NewHandler checks the tables of all APIs and makes their Handler.
func NewHandler(cfg Config) (*Handler, error) {
	if cfg.Access == nil {
		return nil, errors.New("protocol: Config.Access is missing")
	}
	if cfg.MaxBody < 0 || cfg.BodyMemory < 0 || cfg.MaxRequests < 0 {
		return nil, errors.New("protocol: bounds of Config must not be negative")
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = DefaultMaxBody
	}
	cfg.BodyMemory = cmp.Or(cfg.BodyMemory, DefaultBodyMemory)
	cfg.MaxRequests = cmp.Or(cfg.MaxRequests, DefaultMaxRequests)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.NewRequestID == nil {
		cfg.NewRequestID = func() string { return NewUUID().String() }
	}
	t, err := newTable(cfg.APIs, cfg.MaxBody)
	if err != nil {
		return nil, err
	}
	h := &Handler{cfg: cfg, table: t}
	h.budget = newBudget(max(cfg.BodyMemory, roomForLargest*t.largestBody(cfg.MaxBody)), int64(cfg.MaxRequests))
	return h, nil
}

// exchanges are reused: a Call is not kept after its handler has returned.
var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// begin makes the exchange of a request; end takes it back, whatever became of it.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request) *exchange {
	x := exchanges.Get().(*exchange)
	x.started, x.w, x.buf, x.http = h.cfg.Now(), w, getBuffer(), r
	x.call.RequestID = h.cfg.NewRequestID()
	return x
}

func (h *Handler) end(x *exchange) {
	h.leave(x)
	*x = exchange{}
	exchanges.Put(x)
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := h.begin(w, r)
	defer h.end(x)
	h.serve(x)
	h.takeBack(x)
	written := h.respond(x)
	if h.cfg.Observe != nil {
		var api, op, code string
		if x.service != nil {
			api = x.service.Name
		}
		if x.op != nil {
			op = x.op.Name
		}
		if x.err != nil {
			code = x.err.queryCode()
		}
		h.cfg.Observe(api, op, code, h.cfg.Now().Sub(x.started), x.size, written)
	}
}

// takeBackTime bounds how long an operation may take to undo what nobody was told.
const takeBackTime = 5 * time.Second

// takeBack has the operation undo what it did for a client who gets no answer: it was
// refused after all, or the client is gone before a byte of it was written.
func (h *Handler) takeBack(x *exchange) {
	ctx := x.http.Context()
	if x.call.Unanswered == nil || x.err == nil && ctx.Err() == nil {
		return
	}
	if x.err == nil {
		x.err = clientGone()
	}
	x.in, x.out = nil, reflect.Value{} // it may take long, and they may be large
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBackTime)
	defer cancel()
	x.call.Unanswered(ctx)
}

// clientGone is the error of which nobody hears.
func clientGone() *Error {
	return &Error{Code: "ClientGone", Status: 499, Message: "The client closed the connection."}
}

// clientError makes what the client sees of an error, and logs what it must not see.
func (h *Handler) clientError(x *exchange, err error) *Error {
	var e *Error
	var a *access.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &a):
		return fromAccess(a)
	case x.http.Context().Err() != nil:
		return clientGone()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return Unavailable("The service did not answer in time. Please try again.")
	}
	h.log(x, "request failed", slog.Any(logError, err))
	return InternalFailure()
}

// panicked logs a panic and makes what the client sees of it. It panics again with
// http.ErrAbortHandler, which is how a handler asks to cut the connection.
func (h *Handler) panicked(x *exchange, p any) *Error {
	if p == http.ErrAbortHandler { //nolint:errorlint // it is a value of recover
		panic(p)
	}
	h.log(x, "handler panicked", slog.Any(logError, p), slog.String(logStack, string(debug.Stack())))
	return InternalFailure()
}

func (h *Handler) log(x *exchange, msg string, attrs ...slog.Attr) {
	attrs = append(attrs, slog.String(logRequest, x.call.RequestID))
	if x.service != nil {
		attrs = append(attrs, slog.String(logAPI, x.service.Name))
	}
	if x.op != nil {
		attrs = append(attrs, slog.String(logOperation, x.op.Name))
	}
	h.cfg.Logger.LogAttrs(context.Background(), slog.LevelError, msg, attrs...)
}

// Busy answers any request, in its protocol, with an error that SDKs try again
// after a while; nothing of the request but its head is read.
func (h *Handler) Busy(w http.ResponseWriter, r *http.Request) {
	x := h.begin(w, r)
	defer h.end(x)
	_ = h.route(x) // for the error's shape only
	x.err = Unavailable("The server has too many connections. Please try again.")
	h.respond(x)
}
