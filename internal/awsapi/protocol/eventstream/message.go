package eventstream

import (
	"errors"
	"time"
)

// The bounds of the format, in bytes.
const (
	MaxPayload = 24 << 20
	MaxHeaders = 128 << 10

	overhead = 16 // of a message without headers and payload
)

// Errors of what cannot be read, or must not be written.
var (
	ErrChecksum  = errors.New("eventstream: a checksum is wrong")
	ErrLength    = errors.New("eventstream: a length is wrong or out of bounds")
	ErrHeader    = errors.New("eventstream: a header is malformed")
	ErrTruncated = errors.New("eventstream: the stream ends inside of a message")
)

// Names of the headers that say what a message is.
const (
	MessageType   = ":message-type" // "event", "exception" or "error"
	EventType     = ":event-type"
	ExceptionType = ":exception-type"
	ContentType   = ":content-type"
	ErrorCode     = ":error-code"
	ErrorMessage  = ":error-message"
)

// Message is one message of a stream.
type Message struct {
	Headers []Header
	Payload []byte
}

// Header is a name of 1 to 255 bytes and a value: bool, int8, int16, int32, int64,
// []byte or string (up to 32,767 bytes), time.Time (milliseconds count), UUID.
type Header struct {
	Name  string
	Value any
}

// UUID is a header's value of that type.
type UUID [16]byte

// Text gives the value of a header that is a string, "" if there is none.
func (m *Message) Text(name string) string {
	for _, h := range m.Headers {
		if h.Name == name {
			s, _ := h.Value.(string)
			return s
		}
	}
	return ""
}

// The types of header values on the wire.
const (
	typeTrue = iota
	typeFalse
	typeByte
	typeShort
	typeInteger
	typeLong
	typeBytes
	typeString
	typeTimestamp
	typeUUID
)

const maxValue = 1<<15 - 1 // bytes of a string

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
