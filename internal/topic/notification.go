package topic

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/waystation/waystation/internal/fields"
	"github.com/waystation/waystation/internal/partition"
)

// Form is the first byte of the payloads that topics post into queues; see
// partition.Renderer. It is never used again for something else.
const Form byte = partition.FirstForm

// notificationVersion is that of the payloads behind what all forms have. A release
// reads its own and those before.
const notificationVersion = 1

var errNotification = errors.New("topic: malformed notification")

// What a payload is.
const (
	kindNotification byte = 1
	kindConfirmation byte = 2 // that a subscription asks to be confirmed
	kindUnsubscribed byte = 3 // that a subscription has ended
)

// kindName is the name of what it is, as subscribers know it.
func (n *notification) kindName() string {
	switch n.kind {
	case kindConfirmation:
		return "SubscriptionConfirmation"
	case kindUnsubscribed:
		return "UnsubscribeConfirmation"
	}
	return "Notification"
}

// notification is what a topic posts: one payload for all subscribers.
type notification struct {
	// slot tells a queue's messages apart: the topic's message id, or another since a
	// redrive.
	slot partition.MessageID
	// sequence number of FIFO topics, else 0. Written by the partition.
	sequence uint64

	kind       byte
	signature  byte // version, 1 or 2; 0: not signed
	id         partition.MessageID
	time       int64  // Unix milliseconds
	topic      string // ARN
	subject    string // "": none
	dedup      string
	trace      string
	token      string // of a confirmation
	attributes []partition.Attribute
	message    string
}

// encode gives the stored form:
//
//	form | slot 16 | sequence 8 | version 1 | kind 1 | signature 1 | id 16 | time
//	| topic | subject | dedup | trace | token | attributes | message
//
// Texts are a length and the bytes; the message takes the rest.
func (n *notification) encode() []byte {
	size := partition.PayloadRest + 64 + len(n.topic) + len(n.subject) + len(n.dedup) + len(n.trace) + len(n.token) + len(n.message)
	for i := range n.attributes {
		a := &n.attributes[i]
		size += len(a.Name) + len(a.Type) + len(a.Value) + len(a.Binary) + 8
	}
	b := make([]byte, partition.PayloadRest, size)
	b[0] = Form
	copy(b[partition.PayloadID:], n.slot[:])
	binary.BigEndian.PutUint64(b[partition.PayloadSequence:], n.sequence)
	b = append(b, notificationVersion, n.kind, n.signature)
	b = append(b, n.id[:]...)
	b = binary.AppendVarint(b, n.time)
	for _, s := range []string{n.topic, n.subject, n.dedup, n.trace, n.token} {
		b = fields.AppendText(b, s)
	}
	b = partition.AppendAttributes(b, n.attributes)
	return append(b, n.message...)
}

// peekNotification reads what stands before all else: slot, kind and id.
func peekNotification(b []byte) (*notification, error) {
	if len(b) < partition.PayloadRest || b[0] != Form {
		return nil, errNotification
	}
	n := &notification{slot: partition.MessageID(b[partition.PayloadID:])}
	r := fields.Reader{Rest: b[partition.PayloadRest:]}
	if v := r.Byte(); v > notificationVersion {
		return nil, fmt.Errorf("topic: a notification of version %d, this release reads up to %d", v, notificationVersion)
	}
	n.kind, n.signature = r.Byte(), r.Byte()
	n.id = r.ID()
	if r.Err != nil {
		return nil, errNotification
	}
	return n, nil
}

// decodeNotification is the inverse of encode; it shares no memory with b.
func decodeNotification(b []byte) (*notification, error) {
	if len(b) < partition.PayloadRest || b[0] != Form {
		return nil, errNotification
	}
	n := &notification{
		slot:     partition.MessageID(b[partition.PayloadID:]),
		sequence: binary.BigEndian.Uint64(b[partition.PayloadSequence:]),
	}
	r := fields.Reader{Rest: b[partition.PayloadRest:]}
	if v := r.Byte(); v != notificationVersion && r.Err == nil {
		return nil, fmt.Errorf("topic: a notification of version %d, this release reads up to %d", v, notificationVersion)
	}
	n.kind, n.signature = r.Byte(), r.Byte()
	n.id, n.time = r.ID(), r.Varint()
	for _, s := range []*string{&n.topic, &n.subject, &n.dedup, &n.trace, &n.token} {
		*s = r.Text()
	}
	n.attributes = partition.ReadAttributes(&r)
	if r.Err != nil || n.kind < kindNotification || n.kind > kindUnsubscribed || n.signature > 2 {
		return nil, errNotification
	}
	n.message = string(r.Rest)
	return n, nil
}

// A reference of a target says how its subscriber has the message: a letter, and the
// subscription's id, which is a UUID, in base64. It stands in the log for each target.
const (
	enveloped = 'e'
	raw       = 'r'
)

var referenceEncoding = base64.RawURLEncoding

func referenceOf(id string, isRaw bool) string {
	how := enveloped
	if isRaw {
		how = raw
	}
	u, err := uuid.Parse(id)
	if err != nil {
		return string(how) // no subscription has such an id; nothing is rendered by it
	}
	return string(how) + referenceEncoding.EncodeToString(u[:])
}

var errReference = errors.New("topic: malformed reference to a subscription")

// readReference is the inverse of referenceOf.
func readReference(reference string) (id string, isRaw bool, err error) {
	if reference == "" || reference[0] != enveloped && reference[0] != raw {
		return "", false, errReference
	}
	b, err := referenceEncoding.DecodeString(reference[1:])
	if err != nil || len(b) != len(uuid.UUID{}) {
		return "", false, errReference
	}
	return uuid.UUID(b).String(), reference[0] == raw, nil
}
