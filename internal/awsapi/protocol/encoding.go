package protocol

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"net/http"
	"sync"
)

// unzipMemory is what one gzip reader needs beside its output, in bytes.
const unzipMemory = 64 << 10

var unzippers = sync.Pool{New: func() any { return new(gzip.Reader) }}

// encoding reports whether a body is compressed, and refuses what cannot be unpacked.
// https://smithy.io/2.0/spec/behavior-traits.html#requestcompression-trait
func encoding(r *http.Request) (zipped bool, err *Error) {
	e := r.Header["Content-Encoding"]
	switch {
	case len(e) == 0 || e[0] == "" || e[0] == "identity":
		return false, nil
	case len(e) == 1 && e[0] == "gzip":
		return true, nil
	}
	return false, &Error{Code: "UnsupportedMediaTypeException", QueryCode: "UnsupportedMediaType", Status: 415,
		Message: "The Content-Encoding " + clip([]byte(e[0])) + " is not supported; send gzip, or the body as it is."}
}

// unzip unpacks a compressed body within the bounds of the one that it came in.
func unzip(in bodyReader, raw []byte) ([]byte, *Error) {
	if !in.lease.take(in.ctx, unzipMemory) {
		return nil, overloaded()
	}
	defer in.lease.give(unzipMemory)
	z := unzippers.Get().(*gzip.Reader)
	defer unzippers.Put(z)
	if err := z.Reset(bytes.NewReader(raw)); err != nil {
		return nil, notZipped()
	}
	in.from, in.length = z, -1
	buf := getBuffer()
	if err := in.read(buf); err != nil {
		putBuffer(buf)
		if err.Code == truncated().Code {
			return nil, notZipped()
		}
		return nil, err
	}
	return *buf, nil
}

func notZipped() *Error {
	return &Error{Code: "SerializationException", QueryCode: "MalformedInput",
		Message: "The request body is not valid gzip."}
}

// streamedBody is a body that an operation reads as it comes. At its end it is held
// against the signature.
type streamedBody struct {
	handler *Handler
	x       *exchange
	from    io.Reader // unpacked, if the body is compressed
	raw     io.Reader
	hash    hash.Hash // of raw; nil if nothing is left to check
	left    int64     // bytes that may still come out
	err     error
}

// streamBody makes the reader of a body whose sender is known already.
func (h *Handler) streamBody(x *exchange, limit int64, zipped bool) (*streamedBody, *Error) {
	r := x.http
	if r.ContentLength > limit {
		return nil, tooLarge()
	}
	s := &streamedBody{handler: h, x: x, raw: io.LimitReader(r.Body, limit+1), left: limit}
	if x.claim.Pending() {
		s.hash = sha256.New()
		s.raw = io.TeeReader(s.raw, s.hash)
	}
	s.from = s.raw
	if zipped {
		if !x.lease.take(r.Context(), unzipMemory) {
			return nil, overloaded()
		}
		z, err := gzip.NewReader(s.raw)
		if err != nil {
			return nil, notZipped()
		}
		s.from = z
	}
	return s, nil
}

// Read implements io.Reader. Its errors are fit for clients.
func (s *streamedBody) Read(b []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.from.Read(b)
	s.x.size += n
	switch s.left -= int64(n); {
	case s.left < 0:
		n, s.err = 0, tooLarge()
	case errors.Is(err, io.EOF):
		s.err = s.end()
	case err != nil:
		s.err = bodyError(err)
	}
	return n, s.err
}

// end checks the signature of what was read.
func (s *streamedBody) end() error {
	if s.hash == nil {
		return io.EOF
	}
	// Of a compressed body there may be something behind what was unpacked.
	if _, err := io.Copy(io.Discard, s.raw); err != nil {
		return bodyError(err)
	}
	if err := s.handler.cfg.Access.ConfirmSum(&s.x.claim, s.x.http, [sha256.Size]byte(s.hash.Sum(nil))); err != nil {
		return s.handler.clientError(s.x, err)
	}
	return io.EOF
}
