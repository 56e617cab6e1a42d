// Package fields reads and writes what stored records are made of, one field after
// the other: numbers as varints, texts behind their length.
package fields

import (
	"encoding/binary"
	"errors"
)

// ErrMalformed says that a field is cut short or cannot be.
var ErrMalformed = errors.New("malformed")

// AppendText appends a text behind its length.
func AppendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// Reader takes fields off the front of Rest; after a first error it yields zeros.
type Reader struct {
	Rest []byte
	Err  error // ErrMalformed
}

// Fail says that a field makes no sense: nothing is read any more.
func (r *Reader) Fail() { r.Err, r.Rest = ErrMalformed, nil }

// Byte is the next byte.
func (r *Reader) Byte() byte {
	if len(r.Rest) < 1 {
		r.Fail()
		return 0
	}
	c := r.Rest[0]
	r.Rest = r.Rest[1:]
	return c
}

// Bytes are the next n bytes; they share Rest's memory.
func (r *Reader) Bytes(n int) []byte {
	if n < 0 || len(r.Rest) < n {
		r.Fail()
		return nil
	}
	c := r.Rest[:n:n]
	r.Rest = r.Rest[n:]
	return c
}

// Uvarint is a number without a sign.
func (r *Reader) Uvarint() uint64 {
	v, n := binary.Uvarint(r.Rest)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.Rest = r.Rest[n:]
	return v
}

// Varint is a number with a sign.
func (r *Reader) Varint() int64 {
	v, n := binary.Varint(r.Rest)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.Rest = r.Rest[n:]
	return v
}

// Uint64 is a number in eight bytes, the lowest first.
func (r *Reader) Uint64() uint64 {
	c := r.Bytes(8)
	if c == nil {
		return 0
	}
	return binary.LittleEndian.Uint64(c)
}

// Length is a Uvarint that cannot exceed what is left: of bytes, or of things of at
// least one byte each.
func (r *Reader) Length() int {
	n := r.Uvarint()
	if n > uint64(len(r.Rest)) {
		r.Fail()
		return 0
	}
	return int(n)
}

// Text is the inverse of AppendText, a copy.
func (r *Reader) Text() string { return string(r.Bytes(r.Length())) }

// ID is sixteen bytes.
func (r *Reader) ID() (id [16]byte) {
	copy(id[:], r.Bytes(16))
	return id
}
