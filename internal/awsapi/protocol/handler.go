package protocol

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/access"
)

// DefaultMaxBody bounds request bodies: 1 MiB of message, percent-encoded three
// times as large, and what is around it.
const DefaultMaxBody = 4 << 20

// Keys of log attributes.
const (
	logService   = "service"
	logOperation = "operation"
	logRequest   = "request"
	logError     = "error"
	logStack     = "stack"
)

// Config of a Handler.
type Config struct {
	APIs   []*API
	Access *access.Access
	Logger *slog.Logger // nil: discard
	// Observe, if set, hears of every request when it is answered: code is "" for
	// success, else the Query code; api and op are "" if not known; in and out are
	// body sizes in bytes.
	Observe      func(api, op, code string, d time.Duration, in, out int)
	MaxBody      int64 // bytes; default DefaultMaxBody
	Now          func() time.Time
	NewRequestID func() string // default: random UUIDs
	// TrustForwarded takes scheme and client address from X-Forwarded-Proto and
	// X-Forwarded-For: only behind a proxy that sets them.
	TrustForwarded bool
}

// Handler serves the APIs of its Config over HTTP. Safe for concurrent use.
type Handler struct {
	cfg   Config
	table *table
}

// NewHandler checks the tables of all APIs and makes their Handler.
func NewHandler(cfg Config) (*Handler, error) {
	if cfg.Access == nil {
		return nil, errors.New("protocol: Config.Access is missing")
	}
	if cfg.MaxBody < 0 {
		return nil, errors.New("protocol: Config.MaxBody must not be negative")
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = DefaultMaxBody
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.NewRequestID == nil {
		cfg.NewRequestID = randomID
	}
	t, err := newTable(cfg.APIs)
	if err != nil {
		return nil, err
	}
	return &Handler{cfg: cfg, table: t}, nil
}

// exchange is one request and how it ends.
type exchange struct {
	request
	codec   codec
	service *service
	op      *operation
	err     *Error
	size    int // of the request's body
	started time.Time
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{started: h.cfg.Now()}
	x.http = r
	x.call.RequestID = h.cfg.NewRequestID()
	buf := buffers.Get().(*[]byte)
	h.serve(x, buf)
	written := h.answer(w, x, buf)
	putBuffer(buf)
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

// serve takes a request up to the answer, which it leaves in buf, or an error. It
// does not panic, but for http.ErrAbortHandler.
func (h *Handler) serve(x *exchange, buf *[]byte) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			panic(p)
		default:
			h.log(x, "handler panicked", slog.Any(logError, p), slog.String(logStack, string(debug.Stack())))
			x.err = InternalFailure()
		}
	}()
	for _, c := range h.table.codecs {
		if x.codec = c; c.claims(x.http) {
			break
		}
	}
	x.body, x.err = readBody(x.http, (*buf)[:0], h.cfg.MaxBody)
	*buf, x.size = x.body, len(x.body)
	if x.err != nil {
		return
	}
	x.service, x.op, x.err = x.codec.route(h.table, &x.request)
	if x.err != nil {
		return
	}
	if x.err = h.identify(x); x.err != nil {
		return
	}
	if x.op.Status == NotYet {
		x.err = notImplemented(x.service, x.op)
		return
	}
	in := x.op.newIn()
	if x.err = x.codec.decode(&x.request, x.op, reflect.ValueOf(in).Elem()); x.err != nil {
		return
	}
	result, err := x.op.call(x.http.Context(), &x.call, in)
	if err != nil {
		x.err = h.clientError(x, err)
		return
	}
	var out reflect.Value
	if result != nil {
		out = reflect.ValueOf(result).Elem()
	}
	// The body has been decoded into copies: its buffer can hold the answer.
	*buf = x.codec.encode((*buf)[:0], x.service, x.op, out, x.call.RequestID)
}

// identify authenticates the request and fills in its Call.
func (h *Handler) identify(x *exchange) *Error {
	r := x.http
	p, scope, err := h.cfg.Access.Authenticate(r, x.body)
	switch {
	case err == nil:
		if !h.cfg.Access.Open() {
			err = scope.CheckService(x.service.Name)
		}
	case errors.Is(err, access.ErrMissingToken) && x.op.anonymous:
		err = nil
	}
	if err != nil {
		return h.clientError(x, err)
	}
	c := &x.call
	c.API, c.Operation, c.Protocol = x.service.API, x.op.Name, x.codec.protocol()
	c.Principal, c.Account, c.Region = p, p.Account, scope.Region
	if c.Region == "" {
		c.Region = access.DefaultRegion
	}
	c.Host, c.Scheme, c.Path = r.Host, "http", r.URL.Path
	if r.TLS != nil {
		c.Scheme = "https"
	}
	c.SourceIP = r.RemoteAddr
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		c.SourceIP = host
	}
	if h.cfg.TrustForwarded {
		c.forwarded(r.Header)
	}
	c.Header, c.Received = r.Header, x.started
	return nil
}

// forwarded takes scheme and client address from a proxy's headers. Of a chain of
// addresses the last is the one that our proxy saw.
func (c *Call) forwarded(h http.Header) {
	if s := h.Get("X-Forwarded-Proto"); s == "http" || s == "https" {
		c.Scheme = s
	}
	list := h.Get("X-Forwarded-For")
	last := strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:])
	if ip := net.ParseIP(last); ip != nil {
		c.SourceIP = ip.String()
	}
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
		// The client has gone; nobody reads this.
		return &Error{Code: "ClientGone", Status: 499, Message: "The client closed the connection."}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return Unavailable("The service did not answer in time. Please try again.")
	}
	h.log(x, "request failed", slog.Any(logError, err))
	return InternalFailure()
}

func (h *Handler) log(x *exchange, msg string, attrs ...slog.Attr) {
	attrs = append(attrs, slog.String(logRequest, x.call.RequestID))
	if x.service != nil {
		attrs = append(attrs, slog.String(logService, x.service.Name))
	}
	if x.op != nil {
		attrs = append(attrs, slog.String(logOperation, x.op.Name))
	}
	h.cfg.Logger.LogAttrs(context.Background(), slog.LevelError, msg, attrs...)
}

// answer writes the result or error and gives the size of the body.
func (h *Handler) answer(w http.ResponseWriter, x *exchange, buf *[]byte) int {
	header := w.Header()
	status := http.StatusOK
	if x.err != nil {
		status = x.err.status()
		*buf = x.codec.encodeError((*buf)[:0], header, x.service, x.err, x.call.RequestID)
		switch status {
		case http.StatusMethodNotAllowed:
			header.Set("Allow", "GET, POST")
		case http.StatusRequestEntityTooLarge:
			header.Set("Connection", "close") // the rest of the body is not read
		}
	}
	b := *buf
	values := [...]string{x.call.RequestID, x.codec.contentType(x.service), strconv.Itoa(len(b))}
	header["X-Amzn-Requestid"] = values[0:1:1]
	header["Content-Type"] = values[1:2:2]
	header["Content-Length"] = values[2:3:3]
	w.WriteHeader(status)
	if x.http.Method != http.MethodHead {
		_, _ = w.Write(b) // the client may be gone; there is nobody left to tell
	}
	return len(b)
}
