package eventstream

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"
)

// Append appends a message. It fails, with dst as it was, on headers and payloads
// that the format cannot hold.
func Append(dst []byte, m *Message) ([]byte, error) {
	start := len(dst)
	b := append(dst, make([]byte, 12)...)
	for _, h := range m.Headers {
		var err error
		if b, err = appendHeader(b, h); err != nil {
			return dst, err
		}
	}
	headers := len(b) - start - 12
	if headers > MaxHeaders || len(m.Payload) > MaxPayload {
		return dst, ErrLength
	}
	b = append(b, m.Payload...)
	message := b[start:]
	binary.BigEndian.PutUint32(message, uint32(len(message)+4))
	binary.BigEndian.PutUint32(message[4:], uint32(headers))
	binary.BigEndian.PutUint32(message[8:], crc32.ChecksumIEEE(message[:8]))
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(message)), nil
}

func appendHeader(b []byte, h Header) ([]byte, error) {
	if h.Name == "" || len(h.Name) > 255 {
		return nil, fmt.Errorf("%w: a name of %d bytes", ErrHeader, len(h.Name))
	}
	b = append(b, byte(len(h.Name)))
	b = append(b, h.Name...)
	switch v := h.Value.(type) {
	case bool:
		if v {
			return append(b, typeTrue), nil
		}
		return append(b, typeFalse), nil
	case int8:
		return append(b, typeByte, byte(v)), nil
	case int16:
		return binary.BigEndian.AppendUint16(append(b, typeShort), uint16(v)), nil
	case int32:
		return binary.BigEndian.AppendUint32(append(b, typeInteger), uint32(v)), nil
	case int64:
		return binary.BigEndian.AppendUint64(append(b, typeLong), uint64(v)), nil
	case []byte:
		return appendValue(b, typeBytes, h.Name, v)
	case string:
		return appendValue(b, typeString, h.Name, v)
	case time.Time:
		return binary.BigEndian.AppendUint64(append(b, typeTimestamp), uint64(v.UnixMilli())), nil
	case UUID:
		return append(append(b, typeUUID), v[:]...), nil
	}
	return nil, fmt.Errorf("%w: %s has a value of type %T", ErrHeader, h.Name, h.Value)
}

func appendValue[T string | []byte](b []byte, kind byte, name string, v T) ([]byte, error) {
	if len(v) > maxValue {
		return nil, fmt.Errorf("%w: %s has a value of %d bytes", ErrHeader, name, len(v))
	}
	b = binary.BigEndian.AppendUint16(append(b, kind), uint16(len(v)))
	return append(b, v...), nil
}
