package protocol

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
)

// firstBuffer is how much of a body is read before anything is asked of the budget,
// in bytes: the bound on requests bounds these buffers.
const firstBuffer = 4 << 10

// classes are the sizes of the buffers that are kept for reuse; larger ones have
// the size that is needed.
var classes = [...]struct {
	size int
	pool *sync.Pool
}{
	{firstBuffer, pool(firstBuffer)},
	{16 << 10, pool(16 << 10)},
	{64 << 10, pool(64 << 10)}, // what a Content-Length gets before a byte has come
	{256 << 10, pool(256 << 10)},
}

const trusted = 2 // class of the largest buffer that a Content-Length gets at once

func pool(size int) *sync.Pool {
	return &sync.Pool{New: func() any { b := make([]byte, 0, size); return &b }}
}

// getBuffer gives an empty buffer of firstBuffer.
func getBuffer() *[]byte { return classes[0].pool.Get().(*[]byte) }

// classOf finds the class of a buffer of n bytes, and the size that it has: n itself
// beyond the classes.
func classOf(n int64) (class int, size int64) {
	for class := range classes {
		if size := int64(classes[class].size); n <= size {
			return class, size
		}
	}
	return len(classes), n
}

// newBuffer gives an empty buffer of what classOf found.
func newBuffer(class int, size int64) *[]byte {
	if class < len(classes) {
		return classes[class].pool.Get().(*[]byte)
	}
	b := make([]byte, 0, size)
	return &b
}

// putBuffer takes a buffer back, whoever made it.
func putBuffer(b *[]byte) {
	*b = (*b)[:0]
	for i := range classes {
		if cap(*b) == classes[i].size {
			classes[i].pool.Put(b)
			return
		}
	}
}

// bodyReader reads a body into memory that is paid for as it grows.
type bodyReader struct {
	ctx    context.Context
	from   io.Reader
	length int64 // announced, -1: not
	max    int64 // bytes
	lease  *lease
}

// read reads everything into the buffer b, which may become a larger one.
func (r *bodyReader) read(buf *[]byte) *Error {
	if r.length > r.max {
		return tooLarge()
	}
	b := (*buf)[:0]
	for {
		if len(b) == cap(b) {
			*buf = b
			if err := r.grow(buf); err != nil {
				return err
			}
			b = *buf
		}
		n, err := r.from.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == nil && int64(len(b)) <= r.max {
			continue
		}
		*buf = b
		switch {
		case int64(len(b)) > r.max:
			return tooLarge()
		case !errors.Is(err, io.EOF):
			return bodyError(err)
		case r.length >= 0 && int64(len(b)) < r.length:
			return truncated()
		}
		return nil
	}
}

// grow replaces a full buffer: by one four times as large, by a smaller one if the
// end is known to come before that, and at once by one that holds all of a body
// that says that it is not large.
func (r *bodyReader) grow(buf *[]byte) *Error {
	old := *buf
	end := r.max + 1 // one more than can be, to see that it is too much
	if r.length >= 0 {
		end = min(end, r.length+1) // one more, to see the end without growing
	}
	n := 4 * int64(cap(old))
	if n > end || end <= int64(classes[trusted].size) {
		n = max(end, int64(cap(old))+1)
	}
	class, n := classOf(n)
	if !r.lease.take(r.ctx, n) {
		return overloaded()
	}
	b := *newBuffer(class, n)
	if cap(old) > firstBuffer {
		r.lease.give(int64(cap(old)))
	}
	*buf = append(b, old...)
	putBuffer(&old)
	return nil
}

// bodyError is what the client sees of an error in reading its body.
func bodyError(err error) *Error {
	var e *Error
	var limit *http.MaxBytesError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &limit):
		return tooLarge()
	}
	return truncated()
}

func tooLarge() *Error {
	return &Error{Code: "RequestEntityTooLargeException", QueryCode: "RequestEntityTooLarge", Status: 413,
		Message: "The request body is too large."}
}

func truncated() *Error {
	return &Error{Code: "SerializationException", QueryCode: "MalformedInput",
		Message: "The request body ended before it was complete."}
}
