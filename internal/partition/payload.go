package partition

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/waystation/waystation/internal/fields"
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
	b = fields.AppendText(b, m.DedupID)
	b = fields.AppendText(b, m.SenderID)
	b = fields.AppendText(b, m.TraceHeader)
	b = AppendAttributes(b, m.Attributes)
	return append(b, m.Body...)
}

// EncodeMessage gives the payload of a message as Send stores it, for services that
// post messages beside something else. Sent, Delay and GroupID are not part of it.
func EncodeMessage(m *Message) []byte {
	return encodePayload(make([]byte, 0, len(m.Body)+160), m)
}

// AppendAttributes appends message attributes in their stored form, for
// ReadAttributes.
func AppendAttributes(b []byte, attributes []Attribute) []byte {
	b = binary.AppendUvarint(b, uint64(len(attributes)))
	for i := range attributes {
		a := &attributes[i]
		b = fields.AppendText(b, a.Name)
		b = fields.AppendText(b, a.Type)
		if a.Binary != nil {
			b = append(b, 1)
			b = binary.AppendUvarint(b, uint64(len(a.Binary)))
			b = append(b, a.Binary...)
		} else {
			b = append(b, 0)
			b = fields.AppendText(b, a.Value)
		}
	}
	return b
}

// ReadAttributes is the inverse of AppendAttributes. What it returns shares no memory
// with r; r.Err says whether it was whole.
func ReadAttributes(r *fields.Reader) (list []Attribute) {
	n := r.Length()
	if n > 0 {
		list = make([]Attribute, 0, n)
	}
	for range n {
		a := Attribute{Name: r.Text(), Type: r.Text()}
		if r.Byte() == 1 {
			a.Binary = append([]byte{}, r.Bytes(r.Length())...)
		} else {
			a.Value = r.Text()
		}
		list = append(list, a)
	}
	return list
}

// decodePayload is the inverse of encodePayload. What it returns shares no
// memory with b.
func decodePayload(b []byte) (Message, error) {
	var m Message
	r := fields.Reader{Rest: b}
	if v := r.Byte(); v != payloadVersion {
		if r.Err == nil {
			return m, fmt.Errorf("message payload of version %d, this release reads up to %d", v, payloadVersion)
		}
		return m, errPayload
	}
	m.ID, m.BodyMD5 = r.ID(), r.ID()
	m.DedupID = r.Text()
	m.SenderID = r.Text()
	m.TraceHeader = r.Text()
	m.Attributes = ReadAttributes(&r)
	if r.Err != nil {
		return m, errPayload
	}
	m.Body = string(r.Rest)
	return m, nil
}
