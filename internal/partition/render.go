package partition

import "github.com/waystation/waystation/internal/partition/owner"

// FirstForm is the first form that a service's payloads may have.
const FirstForm = 16

// Where a payload that a service posts into queues of the registry has what
// partitions write into it: a message's id, 16 bytes, and, of a PostItem.Once, its
// sequence number, 8 bytes, big-endian. The form stands before them, all else behind.
const (
	PayloadID       = owner.PayloadID
	PayloadSequence = owner.PayloadSequence
	PayloadRest     = PayloadSequence + 8
)

// Rendering is what there is to make a message of, once it is received.
type Rendering struct {
	Payload   []byte
	Reference string // of the target, as it was posted
	// Origin is where the consumer reaches this server: "http://host:4566". "":
	// not known.
	Origin string
}

// Renderer makes the message that consumers see of a payload of a service's. It is
// given the same payload and reference at each receive, and should then say the
// same. It must not keep the payload, nor fail but for one that is damaged: a queue
// that holds a message that cannot be rendered gives nothing.
//
// It is called for every message that is received, side by side, with no lock held.
// GroupID, Sent and Delay of its answer do not count.
type Renderer func(Rendering) (Message, error)
