package protocol

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/access"
)

// way is the way of every request, step by step; the first error ends it. Nothing
// is read for a caller of whom the header does not already tell that he may be
// heard, nothing is made of a body that was not admitted, and nothing of what it
// says is acted on before it is known to be the one that was signed.
var way = [...]func(*Handler, *exchange) *Error{
	(*Handler).route,        // which API and operation, from request line and header
	(*Handler).authenticate, // who calls, from the header
	(*Handler).admit,        // as far as the caller's share goes
	(*Handler).read,         // the body, within the operation's bounds
	(*Handler).routeBody,    // which operation, if only the body tells
	(*Handler).confirm,      // that the body is the one that was signed
	(*Handler).decode,       // the input, within bounds of its own
	(*Handler).authorize,    // whether the caller may, for APIs that leave it to us
	(*Handler).invoke,       // the operation
	(*Handler).encode,       // its answer, or how a streaming one begins
}

// exchange is one request and how it ends.
type exchange struct {
	request
	w       http.ResponseWriter
	buf     *[]byte // holds the body, then the answer
	codec   codec
	service *service
	op      *operation
	claim   access.Claim
	origin  access.Origin // where the request comes from
	lease   lease         // of the budget for bodies
	head    int64         // of it, for a large header
	paid    int64         // of it, for the answer
	raw     []byte        // the body as it was signed
	in      any
	out     reflect.Value
	events  events // of a streaming answer
	answer  answer
	err     *Error
	size    int // of the request's body
	started time.Time
}

// serve takes a request up to the answer, which it leaves in x, or an error. It does
// not panic, but for http.ErrAbortHandler.
func (h *Handler) serve(x *exchange) {
	defer func() {
		if p := recover(); p != nil {
			x.err = h.panicked(x, p)
		}
	}()
	for _, step := range way {
		if x.err = step(h, x); x.err != nil {
			return
		}
	}
}

// route finds the protocol, and API and operation if request line and header tell.
func (h *Handler) route(x *exchange) (err *Error) {
	for _, c := range h.table.codecs {
		if x.codec = c; c.claims(h.table, x.http) {
			break
		}
	}
	x.service, x.op, err = x.codec.route(h.table, &x.request)
	if err == nil && x.op != nil {
		err = h.found(x)
	}
	return err
}

// found checks what can be checked once the operation is known.
func (h *Handler) found(x *exchange) *Error {
	x.meter.max = x.op.MaxValues
	if x.op.TimeLimit > 0 {
		h.limitTime(x)
	}
	return nil
}

// answerGrace is how long the end of an answer may take once the operation's time is
// over.
const answerGrace = 10 * time.Second

// limitTime sets the operation's own time limit in place of the server's.
func (h *Handler) limitTime(x *exchange) {
	end := x.started.Add(x.op.TimeLimit + answerGrace)
	c := http.NewResponseController(x.w)
	// Without a connection (in tests) there is nothing to set.
	_ = c.SetReadDeadline(end)
	_ = c.SetWriteDeadline(end)
}

// authenticate checks what the header says about the caller.
func (h *Handler) authenticate(x *exchange) *Error {
	var err error
	x.claim, err = h.cfg.Access.Identify(x.http)
	if errors.Is(err, access.ErrMissingToken) && (x.op == nil || x.op.anonymous) {
		err = nil
	}
	if err == nil && x.op != nil {
		err = h.checkScope(x)
	}
	if err != nil {
		return h.clientError(x, err)
	}
	return nil
}

// checkScope refuses a signature that was made for another service.
func (h *Handler) checkScope(x *exchange) error {
	if h.cfg.Access.Open() || x.claim.Principal.Anonymous {
		return nil
	}
	return x.claim.Scope.CheckService(x.service.Name)
}

// admit makes out whose share of the budget the request is paid from, and counts it
// among those under way.
func (h *Handler) admit(x *exchange) *Error {
	x.origin = h.cfg.Proxies.Of(x.http)
	x.lease = lease{budget: h.budget, addr: x.origin.Addr}
	x.lease.class, x.lease.key.key = h.classify(x)
	x.lease.vouched = x.lease.key.key != "" && !x.claim.Signed()
	ctx := x.http.Context()
	if x.http.ProtoMajor > 1 {
		x.lease.conn, _ = ctx.Value(connectionKey{}).(*connection)
	}
	x.meter.ctx, x.meter.lease = ctx, &x.lease //nolint:fatcontext // it is replaced, not nested
	if !x.lease.enter() {
		return overloaded()
	}
	if n := headerMemory(x.http); n > firstBuffer {
		if !x.lease.takeNow(n) {
			return overloaded()
		}
		x.head = n
	}
	return nil
}

// lineMemory is about what a line of a header takes beside its text, in bytes.
const lineMemory = 96

// headerMemory is about what a request's line and header take, in bytes. It is paid for
// where it is more than the bound on requests accounts for.
func headerMemory(r *http.Request) int64 {
	n := 2 * len(r.RequestURI) // as it came, and taken apart
	for name, values := range r.Header {
		n += len(name)
		for _, v := range values {
			n += len(v) + lineMemory
		}
	}
	return int64(n)
}

// classify tells what is known of the caller by now, and the key it is known by, ""
// for its address.
func (h *Handler) classify(x *exchange) (class, string) {
	switch {
	case h.cfg.Access.Open():
		return known, ""
	case x.claim.Principal.Anonymous:
		return unsigned, ""
	case x.claim.Signed(), h.vouchers.has(x.voucher(), x.started):
		return known, x.claim.Key()
	}
	return claiming, ""
}

// voucher is what speaks for the caller's next requests, if this one's signature is good.
func (x *exchange) voucher() voucher {
	return voucher{x.claim.Key(), networkOf(x.origin.Addr)}
}

// leave gives back what admit and read took.
func (h *Handler) leave(x *exchange) {
	x.lease.end()
	if x.buf != nil {
		putBuffer(x.buf)
	}
}

// read reads the body, and unpacks it if it is compressed. Operations that take it
// as it comes get a reader, unless only the whole body tells who calls.
func (h *Handler) read(x *exchange) *Error {
	r := x.http
	zipped, err := encoding(r)
	if err != nil {
		return err
	}
	if r.Body == nil || r.ContentLength == 0 {
		x.call.Body = http.NoBody
		return nil
	}
	limit := h.table.maxBody(x.op, h.cfg.MaxBody)
	if x.op != nil && x.op.streamBody && (x.claim.Signed() || !x.claim.Pending()) {
		x.call.Body, err = h.streamBody(x, limit, zipped)
		return err
	}
	in := bodyReader{ctx: r.Context(), from: r.Body, length: r.ContentLength, max: limit, lease: &x.lease}
	if err = in.read(x.buf); err != nil {
		x.size = len(*x.buf)
		return err
	}
	x.raw, x.body, x.size = *x.buf, *x.buf, len(*x.buf)
	if zipped {
		if x.body, err = unzip(in, x.raw); err != nil {
			return err
		}
	}
	if x.op != nil && x.op.streamBody {
		x.call.Body, x.body = bytes.NewReader(x.body), nil
	}
	return nil
}

// routeBody finds the operation if only the body tells.
func (h *Handler) routeBody(x *exchange) (err *Error) {
	if x.op != nil {
		return nil
	}
	if x.service, x.op, err = x.codec.routeBody(h.table, &x.request); err != nil {
		return err
	}
	if int64(max(x.size, len(x.body))) > h.table.maxBody(x.op, h.cfg.MaxBody) {
		return tooLarge()
	}
	if x.claim.Principal.Anonymous && !x.op.anonymous {
		return fromAccess(access.ErrMissingToken)
	}
	if err := h.checkScope(x); err != nil {
		return h.clientError(x, err)
	}
	return h.found(x)
}

// confirm checks that the body is the one that was signed, and fills in the Call.
func (h *Handler) confirm(x *exchange) *Error {
	if _, streams := x.call.Body.(*streamedBody); !streams {
		if err := h.cfg.Access.Confirm(&x.claim, x.http, x.raw); err != nil {
			return h.clientError(x, err)
		}
	}
	if !x.claim.Pending() {
		x.lease.prove()
	}
	if x.lease.class == claiming && !x.claim.Pending() {
		v := x.voucher()
		v.key = strings.Clone(v.key) // it is part of the header
		h.vouchers.add(v, x.started)
	}
	h.describe(x)
	if x.service.Elsewhere {
		return Unavailable("This node does not run " + x.service.Title + ". Please ask one that does: its --roles say so.")
	}
	if x.op.Status == NotYet {
		return notImplemented(x.service, x.op)
	}
	return nil
}

// decode makes the operation's input.
func (h *Handler) decode(x *exchange) *Error {
	x.in = x.op.newIn()
	if err := x.codec.decode(&x.request, x.op, reflect.ValueOf(x.in).Elem()); err != nil {
		return err
	}
	if !x.op.streamBody {
		// What was decoded are copies. A receive may wait long: it needs no buffer.
		putBuffer(x.buf)
		x.buf, x.raw, x.body = nil, nil, nil
	}
	return nil
}

// authorize asks the API whether the caller may.
func (h *Handler) authorize(x *exchange) *Error {
	if x.service.Authorize == nil {
		return nil
	}
	if err := x.service.Authorize(x.http.Context(), &x.call, x.op.Operation, x.in); err != nil {
		return h.clientError(x, err)
	}
	return nil
}

// invoke calls the operation.
func (h *Handler) invoke(x *exchange) *Error {
	ctx := x.http.Context()
	if x.op.TimeLimit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, x.started.Add(x.op.TimeLimit))
		defer cancel()
	}
	var out any
	var err error
	if x.op.stream != nil {
		out, x.events, err = x.op.stream(ctx, &x.call, x.in)
	} else {
		out, err = x.op.call(ctx, &x.call, x.in)
	}
	if err != nil {
		return h.clientError(x, err)
	}
	if out != nil {
		x.out = reflect.ValueOf(out).Elem()
	}
	return nil
}

// encode makes the answer.
func (h *Handler) encode(x *exchange) *Error {
	if x.events == nil {
		if x.out.IsValid() {
			if err := x.makeRoom(); err != nil {
				return err
			}
		}
		x.answer.header, x.answer.body = x.w.Header(), x.emptyBuffer()
		x.codec.encode(&x.answer, &x.request, x.op, x.out)
		x.in, x.out = nil, reflect.Value{} // the client may take long to read its answer
		return x.payRest()
	}
	x.answer.header, x.answer.body = x.w.Header(), x.emptyBuffer()
	c, ok := x.codec.(eventCodec)
	if !ok {
		return &Error{Code: "UnsupportedMediaTypeException", Status: 415,
			Message: "The operation " + x.op.Name + " answers with a stream of events, which this protocol does not have."}
	}
	c.beginEvents(&x.answer, &x.request, x.op, x.out)
	return nil
}

// emptyBuffer gives the buffer for the answer.
func (x *exchange) emptyBuffer() []byte {
	if x.buf == nil {
		x.buf = getBuffer()
	}
	return (*x.buf)[:0]
}
