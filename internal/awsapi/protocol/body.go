package protocol

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

const (
	// trustedLength is how much memory a Content-Length gets before any byte of the
	// body has come; larger bodies grow as they arrive.
	trustedLength = 64 << 10
	// maxPooled bounds the buffers that are kept for reuse.
	maxPooled = 256 << 10
)

// buffers are reused for bodies and for answers.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

func putBuffer(b *[]byte) {
	if cap(*b) <= maxPooled {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}

// readBody reads the whole body of r into b, at most max bytes.
func readBody(r *http.Request, b []byte, max int64) ([]byte, *Error) {
	if e := r.Header["Content-Encoding"]; len(e) > 0 && e[0] != "" && e[0] != "identity" {
		return b, &Error{Code: "UnsupportedMediaTypeException", QueryCode: "UnsupportedMediaType", Status: 415,
			Message: "The Content-Encoding " + clip([]byte(e[0])) + " is not supported; send the body as it is."}
	}
	if r.ContentLength > max {
		return b, tooLarge()
	}
	if r.Body == nil || r.ContentLength == 0 {
		return b, nil
	}
	if n := min(r.ContentLength, trustedLength); int64(cap(b)) <= n {
		b = make([]byte, 0, n+1) // one more, to see the end without growing
	}
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case int64(len(b)) > max:
			return b, tooLarge()
		case errors.Is(err, io.EOF) && r.ContentLength >= 0 && int64(len(b)) < r.ContentLength:
			return b, truncated()
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			var limit *http.MaxBytesError
			if errors.As(err, &limit) {
				return b, tooLarge()
			}
			return b, truncated()
		}
	}
}

func tooLarge() *Error {
	return &Error{Code: "RequestEntityTooLargeException", QueryCode: "RequestEntityTooLarge", Status: 413,
		Message: "The request body is too large."}
}

func truncated() *Error {
	return &Error{Code: "SerializationException", QueryCode: "MalformedInput",
		Message: "The request body ended before it was complete."}
}
