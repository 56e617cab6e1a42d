package eventstream

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// Reader reads the messages of a stream. Not safe for concurrent use.
type Reader struct {
	r   io.Reader
	max int
	buf []byte
}

// NewReader makes a Reader of messages of up to max bytes in all, 0 for what the
// format allows.
func NewReader(r io.Reader, max int) *Reader {
	if most := MaxPayload + MaxHeaders + overhead; max <= 0 || max > most {
		max = most
	}
	return &Reader{r: r, max: max}
}

// Next gives the next message, whose parts are valid until the next call, and
// io.EOF at the end of the stream. Memory is taken as a message arrives, not by the
// length that it claims. After an error there is nothing more to read.
func (r *Reader) Next() (Message, error) {
	var prelude [12]byte
	if _, err := io.ReadFull(r.r, prelude[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = ErrTruncated
		}
		return Message{}, err
	}
	total, headers, err := checkPrelude(prelude[:])
	if err != nil {
		return Message{}, err
	}
	if total > r.max {
		return Message{}, ErrLength
	}
	r.buf = append(r.buf[:0], prelude[:]...)
	for len(r.buf) < total {
		// At most as much again as has come, so that a lie costs little.
		n := min(total-len(r.buf), max(len(r.buf), 4096))
		at := len(r.buf)
		r.buf = append(r.buf, make([]byte, n)...)
		if _, err := io.ReadFull(r.r, r.buf[at:]); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = ErrTruncated
			}
			return Message{}, err
		}
	}
	return decode(r.buf, headers)
}

// Decode reads the message that b begins with, and gives what follows it. The
// message's parts are parts of b.
func Decode(b []byte) (m Message, rest []byte, err error) {
	if len(b) < overhead {
		return m, b, ErrTruncated
	}
	total, headers, err := checkPrelude(b)
	if err != nil {
		return m, b, err
	}
	if len(b) < total {
		return m, b, ErrTruncated
	}
	m, err = decode(b[:total], headers)
	return m, b[total:], err
}

func checkPrelude(b []byte) (total, headers int, err error) {
	if crc32.ChecksumIEEE(b[:8]) != binary.BigEndian.Uint32(b[8:]) {
		return 0, 0, ErrChecksum
	}
	t, h := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if h > MaxHeaders || uint64(t) < uint64(h)+overhead || t-h > MaxPayload+overhead {
		return 0, 0, ErrLength
	}
	return int(t), int(h), nil
}

func decode(b []byte, headers int) (m Message, err error) {
	end := len(b) - 4
	if crc32.ChecksumIEEE(b[:end]) != binary.BigEndian.Uint32(b[end:]) {
		return m, ErrChecksum
	}
	if m.Headers, err = decodeHeaders(b[12 : 12+headers]); err != nil {
		return Message{}, err
	}
	m.Payload = b[12+headers : end]
	return m, nil
}

func decodeHeaders(b []byte) ([]Header, error) {
	var list []Header
	for len(b) > 0 {
		n := int(b[0])
		if n == 0 || len(b) < n+2 {
			return nil, ErrHeader
		}
		h := Header{Name: string(b[1 : 1+n])}
		kind := b[1+n]
		b = b[n+2:]
		size := fixedSize(kind)
		if kind == typeBytes || kind == typeString {
			if len(b) < 2 {
				return nil, ErrHeader
			}
			if size = int(binary.BigEndian.Uint16(b)); size > maxValue {
				return nil, ErrHeader
			}
			b = b[2:]
		}
		if size < 0 || len(b) < size {
			return nil, ErrHeader
		}
		h.Value = value(kind, b[:size])
		b = b[size:]
		list = append(list, h)
	}
	return list, nil
}

// fixedSize is how many bytes a value of the type takes, -1 for a type that is none.
func fixedSize(kind byte) int {
	switch kind {
	case typeTrue, typeFalse, typeBytes, typeString:
		return 0
	case typeByte:
		return 1
	case typeShort:
		return 2
	case typeInteger:
		return 4
	case typeLong, typeTimestamp:
		return 8
	case typeUUID:
		return 16
	}
	return -1
}

func value(kind byte, b []byte) any {
	switch kind {
	case typeTrue:
		return true
	case typeFalse:
		return false
	case typeByte:
		return int8(b[0])
	case typeShort:
		return int16(binary.BigEndian.Uint16(b))
	case typeInteger:
		return int32(binary.BigEndian.Uint32(b))
	case typeLong:
		return int64(binary.BigEndian.Uint64(b))
	case typeString:
		return string(b)
	case typeTimestamp:
		return fromMillis(int64(binary.BigEndian.Uint64(b)))
	case typeUUID:
		return UUID(b)
	}
	return b
}
