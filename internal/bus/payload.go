package bus

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/waystation/waystation/internal/fields"
	"github.com/waystation/waystation/internal/partition"
)

// Form is the first byte of the payloads that buses post into queues; see
// partition.Renderer. It is never used again for something else.
const Form byte = partition.FirstForm + 1

// payloadVersion is that of the payloads behind what all forms have. A release reads
// its own and those before.
const payloadVersion = 1

var (
	errPayload   = errors.New("bus: malformed payload")
	errReference = errors.New("bus: malformed reference to a target")
)

// payload is what a bus posts: an event for all targets that have it as it is or by a
// path, or what one target makes of it.
type payload struct {
	// slot tells a queue's messages apart: a random id, or another since a redrive.
	slot       partition.MessageID
	trace      string
	attributes []partition.Attribute // of a dead letter
	body       []byte
}

// encode gives the stored form:
//
//	form | slot 16 | sequence 8 | version | trace | attributes | body
//
// Texts are a uvarint length and the bytes; the body takes the rest.
func (p *payload) encode() []byte {
	b := make([]byte, partition.PayloadRest, partition.PayloadRest+len(p.body)+len(p.trace)+16)
	b[0] = Form
	copy(b[partition.PayloadID:], p.slot[:])
	b = append(b, payloadVersion)
	b = fields.AppendText(b, p.trace)
	b = partition.AppendAttributes(b, p.attributes)
	return append(b, p.body...)
}

// decodePayload is the inverse of encode; the body shares b's memory.
func decodePayload(b []byte) (*payload, error) {
	if len(b) < partition.PayloadRest || b[0] != Form {
		return nil, errPayload
	}
	p := &payload{slot: partition.MessageID(b[partition.PayloadID:])}
	r := fields.Reader{Rest: b[partition.PayloadRest:]}
	if v := r.Byte(); v != payloadVersion && r.Err == nil {
		return nil, fmt.Errorf("bus: a payload of version %d, this release reads up to %d", v, payloadVersion)
	}
	p.trace = r.Text()
	p.attributes = partition.ReadAttributes(&r)
	if r.Err != nil {
		return nil, errPayload
	}
	p.body = r.Rest
	return p, nil
}

// The reference of a target says what its queue gets of the payload: a letter, the
// target's tag, and the path, if it gets what that finds.
const (
	standard = 's'
	fifo     = 'f' // the message shows its deduplication id
	tagSize  = 11  // characters
	// maxReferencedPath is how long a path can be to be kept there.
	maxReferencedPath = 200
)

// tagOf tells the targets of one event apart.
func tagOf(rule uint64, target string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%x %s", rule, target))
	return base64.RawURLEncoding.EncodeToString(sum[:8])
}

func reference(isFIFO bool, tag, path string) string {
	if isFIFO {
		return string(fifo) + tag + path
	}
	return string(standard) + tag + path
}

// Render is the partition.Renderer of Form.
func Render(r partition.Rendering) (partition.Message, error) {
	p, err := decodePayload(r.Payload)
	if err != nil {
		return partition.Message{}, err
	}
	ref := r.Reference
	if len(ref) < 1+tagSize || ref[0] != standard && ref[0] != fifo {
		return partition.Message{}, errReference
	}
	body := p.body
	if text := ref[1+tagSize:]; text != "" {
		path, err := ParsePath(text)
		if err != nil {
			return partition.Message{}, errReference
		}
		body = pick(path, body)
	}
	m := partition.Message{
		ID: messageID(p.slot, ref[1:1+tagSize]), Body: string(body), Attributes: p.attributes,
		TraceHeader: p.trace, SenderID: Principal, BodyMD5: md5.Sum(body),
	}
	if ref[0] == fifo {
		m.DedupID = contentID(body)
	}
	return m, nil
}

// pick is what an input path finds in an event: null, if that is nothing.
func pick(path *Path, event []byte) []byte {
	if v, ok := path.find(event); ok {
		return v
	}
	return nothing
}

// nothing is what an input path gives that leads to nothing.
var nothing = []byte("null")

// contentID is the deduplication id of queues that make it of the content.
func contentID(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// messageID is the id of a message in the queue of one target: a UUID made of a hash
// (version 8).
func messageID(slot partition.MessageID, tag string) (id partition.MessageID) {
	sum := sha256.Sum256(append(slot[:], tag...))
	copy(id[:], sum[:])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}
