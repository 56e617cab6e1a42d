package bus

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/fields"
	"github.com/waystation/waystation/internal/partition"
)

// A chunk is archived events that are stored as one message:
//
//	version | method | uvarint size | events, deflated by method 1
//	event:   varint when it was archived | trace | text
//
// Times are Unix milliseconds, texts stand behind their lengths.
const (
	chunkVersion = 1

	methodPlain   = 0
	methodDeflate = 1

	// A chunk has so many events and bytes of them at most, or one alone that has more.
	maxChunkEvents = 500
	maxChunkBytes  = 256 << 10
	// maxChunkSize is what a chunk can be unpacked to: one event as large as an event can
	// become as JSON, or several within maxChunkBytes.
	maxChunkSize = 16 << 20
)

var errChunk = errors.New("bus: malformed archived events")

// archivedEvent is an event of an archive.
type archivedEvent struct {
	at    int64 // when it was archived, Unix milliseconds
	trace string
	text  []byte
}

// span is what is known of a chunk without reading it; it stands in its reference.
type span struct {
	events, bytes int64
	first, last   int64 // of the times of the events, Unix milliseconds
	newest        int64 // archived, Unix milliseconds
}

func (s *span) add(e *archivedEvent) {
	t := eventTime(e.text)
	if s.events == 0 || t < s.first {
		s.first = t
	}
	if s.events == 0 || t > s.last {
		s.last = t
	}
	s.newest = max(s.newest, e.at)
	s.events++
	s.bytes += int64(len(e.text))
}

func (s *span) reference() string {
	n := [...]int64{s.events, s.bytes, s.first, s.last, s.newest}
	b := []byte{}
	for i, v := range n {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendInt(b, v, 36)
	}
	return string(b)
}

// parseSpan is the inverse of reference.
func parseSpan(ref string) (s span, ok bool) {
	parts := strings.Split(ref, " ")
	to := [...]*int64{&s.events, &s.bytes, &s.first, &s.last, &s.newest}
	if len(parts) != len(to) {
		return span{}, false
	}
	for i, p := range parts {
		v, err := strconv.ParseInt(p, 36, 64)
		if err != nil {
			return span{}, false
		}
		*to[i] = v
	}
	return s, true
}

// encodeChunk gives the stored form of events.
func encodeChunk(list []archivedEvent) (payload []byte, s span) {
	var plain []byte
	for i := range list {
		e := &list[i]
		s.add(e)
		plain = binary.AppendVarint(plain, e.at)
		plain = fields.AppendText(plain, e.trace)
		plain = binary.AppendUvarint(plain, uint64(len(e.text)))
		plain = append(plain, e.text...)
	}
	var packed bytes.Buffer
	packed.Write([]byte{chunkVersion, methodDeflate})
	packed.Write(binary.AppendUvarint(nil, uint64(len(plain))))
	w, _ := flate.NewWriter(&packed, flate.BestSpeed) // the level is one
	_, _ = w.Write(plain)                             // into memory
	_ = w.Close()
	if packed.Len() < len(plain) {
		return packed.Bytes(), s
	}
	payload = binary.AppendUvarint([]byte{chunkVersion, methodPlain}, uint64(len(plain)))
	return append(payload, plain...), s
}

// decodeChunk is the inverse of encodeChunk.
func decodeChunk(payload []byte) (list []archivedEvent, err error) {
	r := fields.Reader{Rest: payload}
	if v := r.Byte(); v != chunkVersion && r.Err == nil {
		return nil, fmt.Errorf("bus: archived events of version %d, this release reads up to %d", v, chunkVersion)
	}
	method, size := r.Byte(), r.Uvarint()
	if r.Err != nil || size > maxChunkSize {
		return nil, errChunk
	}
	plain := r.Rest
	switch method {
	case methodPlain:
	case methodDeflate:
		plain = make([]byte, size)
		if _, err := io.ReadFull(flate.NewReader(bytes.NewReader(r.Rest)), plain); err != nil {
			return nil, errChunk
		}
	default:
		return nil, errChunk
	}
	if uint64(len(plain)) != size {
		return nil, errChunk
	}
	r = fields.Reader{Rest: plain}
	for len(r.Rest) > 0 {
		list = append(list, archivedEvent{at: r.Varint(), trace: r.Text(), text: r.Bytes(r.Length())})
	}
	if r.Err != nil {
		return nil, errChunk
	}
	return list, nil
}

// eventTime is the time of an event as newDocument wrote it, in Unix milliseconds; 0 if
// it has none. The name of no member before it can be found within a text: quotes are
// escaped there.
func eventTime(text []byte) int64 {
	const name = `,"time":"`
	i := bytes.Index(text, []byte(name))
	if i < 0 {
		return 0
	}
	rest := text[i+len(name):]
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return 0
	}
	t, err := time.Parse(time.RFC3339, string(rest[:end]))
	if err != nil {
		return 0
	}
	return t.UnixMilli()
}

// tally counts what an archive has on a partition beside what has just arrived; a part
// of it may be below zero, all of them together are not.
type tally struct{ events, bytes int64 }

const tallyVersion = 1

// tallyName is that of the one message of an archive's queue that is no chunk.
var tallyName = partition.NameOf("tally")

func (t tally) encode() []byte {
	b := binary.AppendVarint([]byte{tallyVersion}, t.events)
	return binary.AppendVarint(b, t.bytes)
}

func decodeTally(b []byte) (t tally, err error) {
	r := fields.Reader{Rest: b}
	if r.Byte() != tallyVersion {
		return t, errChunk
	}
	t.events, t.bytes = r.Varint(), r.Varint()
	if r.Err != nil {
		return tally{}, errChunk
	}
	return t, nil
}
