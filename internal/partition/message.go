package partition

import (
	"encoding/hex"
	"time"

	"github.com/waystation/waystation/internal/partition/owner"
	"github.com/waystation/waystation/internal/partition/state"
)

// MessageID is a message's identity, a random UUID given when it is sent.
type MessageID [16]byte

// String is the id in the usual form of a UUID: 8-4-4-4-12 lower-case hex digits.
func (id MessageID) String() string {
	var b [36]byte
	hex.Encode(b[0:8], id[0:4])
	b[8] = '-'
	hex.Encode(b[9:13], id[4:6])
	b[13] = '-'
	hex.Encode(b[14:18], id[6:8])
	b[18] = '-'
	hex.Encode(b[19:23], id[8:10])
	b[23] = '-'
	hex.Encode(b[24:36], id[10:16])
	return string(b[:])
}

// Attribute is one message attribute. Value holds the text of String and
// Number types (and their custom kinds), Binary the bytes of Binary types.
type Attribute struct {
	Name, Type string
	Value      string
	Binary     []byte
}

// Message is what a producer sent, with what the platform noted of it.
type Message struct {
	ID          MessageID
	Body        string
	BodyMD5     [16]byte
	Attributes  []Attribute
	SenderID    string
	TraceHeader string
	// GroupID is the message group: required on FIFO queues, on standard
	// queues the tenant among which receives are shared out fairly.
	GroupID string
	// DedupID is the deduplication id, already resolved: FIFO queues only
	// (explicit, or the hex SHA-256 of the body).
	DedupID string
	// Sent is when the owner took the message in, in Unix milliseconds. It is
	// set by the owner; what a caller puts here is not used.
	Sent int64
	// Delay in seconds until the message can first be received; -1 takes the
	// queue's own delay.
	Delay int32
}

// SendResult is the outcome for one message of a send, in the order given.
type SendResult struct {
	// ID is the message's id: that of the first one when this one was
	// recognised as its duplicate.
	ID MessageID
	// Sequence is the FIFO sequence number, 0 on standard queues.
	Sequence uint64
}

// Received is a message handed to a consumer.
type Received struct {
	Message
	// Receipt is the receipt handle of this very receive.
	Receipt string
	// Receives counts the receives so far, this one included.
	Receives uint32
	// FirstReceived is when it was first received, in Unix milliseconds.
	FirstReceived int64
	// Sequence is the FIFO sequence number, 0 on standard queues.
	Sequence uint64
	// DeadLetterSource is the ARN of the queue that a dead letter came from,
	// empty for a message that was sent here.
	DeadLetterSource string
}

// ReceiveOptions say how to receive.
type ReceiveOptions struct {
	// Max messages to return, 1 to 10.
	Max int
	// Visibility timeout in seconds, 0 to 43200; -1 takes the queue's own.
	Visibility int32
	// Wait is how long to wait for a first message, 0 to 20 s.
	Wait time.Duration
	// Attempt is the ReceiveRequestAttemptId of FIFO queues; empty: none.
	Attempt string
	// Origin is the scheme and host by which the consumer reaches this server, for
	// the addresses in what services posted: see Rendering.
	Origin string
}

// VisibilityChange asks for a message to be hidden for Timeout seconds from now.
type VisibilityChange struct {
	Receipt string
	Timeout int32
}

// Counts are exact, as of the moment of the answer.
type Counts = owner.Counts

// The states of a move task.
const (
	MoveRunning    = state.MoveRunning
	MoveCompleted  = state.MoveCompleted
	MoveCancelling = state.MoveCancelling
	MoveCancelled  = state.MoveCancelled
	MoveFailed     = state.MoveFailed
)

// MoveTask moves the messages of a dead-letter queue elsewhere.
type MoveTask = state.Task
