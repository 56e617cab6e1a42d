package state

import (
	"encoding/binary"
	"errors"
)

var errFact = errors.New("malformed fact")

func putString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// reader takes fields off the front of b; after a first error it yields zeros.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail() {
	r.err = errFact
	r.b = nil
}

func (r *reader) byte() byte {
	if len(r.b) < 1 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) bytes(n int) []byte {
	if n < 0 || len(r.b) < n {
		r.fail()
		return nil
	}
	c := r.b[:n]
	r.b = r.b[n:]
	return c
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) uint64() uint64 {
	c := r.bytes(8)
	if c == nil {
		return 0
	}
	return binary.LittleEndian.Uint64(c)
}

// length is a uvarint that cannot exceed what is left.
func (r *reader) length() int {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) string() string { return string(r.bytes(r.length())) }

func (r *reader) id() (id [16]byte) {
	copy(id[:], r.bytes(16))
	return id
}
