package partition

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// payloadVersion is the first byte of every stored payload. A release reads
// its own version and the ones before.
const payloadVersion = 1

var errPayload = errors.New("malformed message payload")

// encodePayload appends m in its stored form. Sent, Delay and GroupID are not part
// of it: they belong to the message's place in a queue. The id stands at
// owner.PayloadID.
//
//	version 1 | id 16 | MD5 of body 16 | dedup id | sender | trace
//	| attribute count | (name type kind value)… | body
//
// Strings are a uvarint length and the bytes; the body takes the rest.
func encodePayload(b []byte, m *Message) []byte {
	b = append(b, payloadVersion)
	b = append(b, m.ID[:]...)
	b = append(b, m.BodyMD5[:]...)
	b = putString(b, m.DedupID)
	b = putString(b, m.SenderID)
	b = putString(b, m.TraceHeader)
	b = binary.AppendUvarint(b, uint64(len(m.Attributes)))
	for i := range m.Attributes {
		a := &m.Attributes[i]
		b = putString(b, a.Name)
		b = putString(b, a.Type)
		if a.Binary != nil {
			b = append(b, 1)
			b = binary.AppendUvarint(b, uint64(len(a.Binary)))
			b = append(b, a.Binary...)
		} else {
			b = append(b, 0)
			b = putString(b, a.Value)
		}
	}
	return append(b, m.Body...)
}

// decodePayload is the inverse of encodePayload. What it returns shares no
// memory with b.
func decodePayload(b []byte) (Message, error) {
	var m Message
	r := reader{b: b}
	if v := r.byte(); v != payloadVersion {
		if r.err == nil {
			return m, fmt.Errorf("message payload of version %d, this release reads up to %d", v, payloadVersion)
		}
		return m, errPayload
	}
	copy(m.ID[:], r.bytes(16))
	copy(m.BodyMD5[:], r.bytes(16))
	m.DedupID = r.string()
	m.SenderID = r.string()
	m.TraceHeader = r.string()
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		return m, errPayload
	}
	if n > 0 {
		m.Attributes = make([]Attribute, 0, n)
	}
	for range n {
		a := Attribute{Name: r.string(), Type: r.string()}
		if r.byte() == 1 {
			a.Binary = append([]byte{}, r.bytes(int(r.length()))...)
		} else {
			a.Value = r.string()
		}
		m.Attributes = append(m.Attributes, a)
	}
	if r.err != nil {
		return m, errPayload
	}
	m.Body = string(r.b)
	return m, nil
}

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
	r.err = errPayload
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

// length is a uvarint that cannot exceed what is left.
func (r *reader) length() uint64 {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return n
}

func (r *reader) string() string { return string(r.bytes(int(r.length()))) }
