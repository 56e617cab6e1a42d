package protocol

import (
	"context"
	"net/http"
	"reflect"
	"strconv"
)

// respond writes the result or the error and gives the size of the body.
func (h *Handler) respond(x *exchange) int {
	a := &x.answer
	if x.err != nil {
		var dialect *Dialect
		if x.service != nil {
			dialect = &x.service.Dialect
		}
		cut := x.err.Status == http.StatusRequestEntityTooLarge || x.err.Code == codeOverloaded
		x.err = dialect.word(x.err)
		a.header, a.status, a.body = x.w.Header(), x.err.status(), x.emptyBuffer()
		x.codec.encodeError(a, &x.request, x.service, x.err)
		if a.status == http.StatusMethodNotAllowed {
			a.header.Set("Allow", "GET, POST")
		}
		if cut && x.http.ProtoMajor == 1 {
			a.header.Set("Connection", "close") // the rest of the body is not read
		}
	}
	*x.buf = a.body
	if n := cap(a.body); n > firstBuffer && x.paid == 0 {
		x.lease.force(int64(n))
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	values := [...]string{x.call.RequestID, a.contentType, ""}
	a.header["X-Amzn-Requestid"] = values[0:1:1]
	if a.contentType != "" {
		a.header["Content-Type"] = values[1:2:2]
	}
	if x.err == nil && x.events != nil {
		return h.sendEvents(x)
	}
	if a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		values[2] = strconv.Itoa(len(a.body))
		a.header["Content-Length"] = values[2:3:3]
	}
	x.w.WriteHeader(a.status)
	if x.http.Method != http.MethodHead && len(a.body) > 0 {
		_, _ = x.w.Write(a.body) // the client may be gone; there is nobody left to tell
	}
	return len(a.body)
}

// runEvents has the operation send its events. It does not panic, but for
// http.ErrAbortHandler.
func (h *Handler) runEvents(ctx context.Context, x *exchange, send func(any) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = h.panicked(x, p)
		}
	}()
	return x.events(ctx, send)
}

// sendEvents writes a streaming answer, each event at once, and gives its size.
func (h *Handler) sendEvents(x *exchange) int {
	codec := x.codec.(eventCodec)
	ctx := x.http.Context()
	if x.op.TimeLimit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, x.started.Add(x.op.TimeLimit))
		defer cancel()
	}
	controller := http.NewResponseController(x.w)
	written := 0
	flush := func(b []byte) error {
		*x.buf = b
		n, err := x.w.Write(b)
		written += n
		if err == nil {
			err = controller.Flush()
		}
		return err
	}
	x.w.WriteHeader(x.answer.status)
	err := flush(x.answer.body)
	if err == nil {
		err = h.runEvents(ctx, x, func(e any) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return flush(codec.appendEvent((*x.buf)[:0], x.op, reflect.ValueOf(e).Elem()))
		})
	}
	if err != nil && ctx.Err() == nil {
		x.err = h.clientError(x, err)
		_ = flush(codec.appendEventError((*x.buf)[:0], x.service, x.err))
	}
	return written
}
