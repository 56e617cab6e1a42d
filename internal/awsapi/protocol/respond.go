package protocol

import (
	"context"
	"net/http"
	"reflect"
	"strconv"
	"time"
)

// respond writes the result or the error and gives the size of the body.
func (h *Handler) respond(x *exchange) int {
	a := &x.answer
	bare := x.http.ProtoMajor > 1 && !x.lease.entered && !h.count(x)
	if x.err != nil {
		x.drop()
		var dialect *Dialect
		if x.service != nil {
			dialect = &x.service.Dialect
		}
		cut := x.err.Status == http.StatusRequestEntityTooLarge || x.err.Code == codeOverloaded
		x.err = dialect.word(x.err)
		a.header, a.status, a.body = x.w.Header(), x.err.status(), x.emptyBuffer()
		x.codec.encodeError(a, &x.request, x.service, x.err)
		if bare {
			a.body, a.contentType = a.body[:0], ""
		}
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
		_, _ = x.write(a.body) // the client may be gone; there is nobody left to tell
	}
	if x.http.ProtoMajor > 1 {
		// A stream waits for its client to take the answer also when the handler is
		// done: it is one of the requests under way until then.
		_ = http.NewResponseController(x.w).Flush()
	}
	return len(a.body)
}

// count counts a request on HTTP/2 that was refused before it was admitted among those
// under way: its stream waits for its client to take the answer, and a connection has
// many streams. If there is no room for it, false: the answer becomes that of a server
// with too much to do, and is to have no body, which the client would have to take.
func (h *Handler) count(x *exchange) bool {
	_ = http.NewResponseController(x.w).SetWriteDeadline(time.Now().Add(refusalTimeout)) // without a connection (in tests) there is none to set
	if x.lease.budget == nil {
		x.origin = h.cfg.Proxies.Of(x.http)
		x.lease = lease{budget: h.budget, addr: x.origin.Addr, class: unsigned}
		if x.lease.enter() {
			return true
		}
	}
	x.err = overloaded()
	return false
}

// refusalTimeout is how long an answer on HTTP/2 to a request that was refused before it
// was admitted may wait for its client.
const refusalTimeout = 5 * time.Second

// write writes b, which is in x.buf. When that fails net/http may still be about to read
// b: on HTTP/2, where a goroutine of its own writes what a stream that was reset had
// begun. Then nobody else gets the buffer.
func (x *exchange) write(b []byte) (int, error) {
	n, err := x.w.Write(b)
	if err != nil {
		x.buf = nil
	}
	return n, err
}

// drop gives back the body and what was made of it, and what was paid for an answer:
// the client may take long to read an error. The header is still there.
func (x *exchange) drop() {
	if x.buf != nil && cap(*x.buf) > firstBuffer {
		putBuffer(x.buf)
		x.buf = nil
	}
	x.raw, x.body, x.call.Body, x.in, x.out = nil, nil, nil, nil, reflect.Value{}
	x.lease.give(x.lease.held - x.head)
	x.paid = 0
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
		n, err := x.write(b)
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
			return flush(codec.appendEvent(x.emptyBuffer(), x.op, reflect.ValueOf(e).Elem()))
		})
	}
	if err != nil && ctx.Err() == nil {
		x.err = h.clientError(x, err)
		_ = flush(codec.appendEventError(x.emptyBuffer(), x.service, x.err))
	}
	return written
}
