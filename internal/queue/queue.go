package queue

import "errors"

// Time is Unix time in milliseconds.
type Time int64

// Bounds of a Machine.
const (
	// MaxBatch is the most messages one Receive returns.
	MaxBatch = 10
	// DefaultMaxInFlight is the in-flight limit where Config gives none.
	DefaultMaxInFlight = 120_000
	// MaxGrace bounds Original.Grace: 18 hours.
	MaxGrace = 65_535_000

	advanceStep = 500 // most items of each kind one Advance handles
	deadStep    = 100 // most messages one Receive hands over as dead
)

// Errors of single operations. None of them changes anything.
var (
	// ErrOverLimit: a standard queue has its MaxInFlight messages in flight.
	ErrOverLimit = errors.New("too many messages in flight")
	// ErrNotFound: no message has that key (any more).
	ErrNotFound = errors.New("no such message")
	// ErrStale: the message has been received again since.
	ErrStale = errors.New("message has been received again")
	// ErrNotInFlight: the message is visible or delayed.
	ErrNotInFlight = errors.New("message is not in flight")
	// ErrExpired: the visibility timeout of a FIFO message ran out.
	ErrExpired = errors.New("visibility timeout of the message ran out")
)

// Config is what a queue's attributes say about its messages.
type Config struct {
	FIFO        bool  // fixed for the life of a Machine
	MaxReceives int   // receives after which a message is a dead letter; 0: never
	Retention   int64 // milliseconds from Message.Sent; 0: forever
	MaxInFlight int   // 0: DefaultMaxInFlight
}

// Message is one message as the machine sees it; the payload stays in the journal.
type Message struct {
	Key           uint64 // number within the queue, rising in the order of sending; never 0
	Append        uint64 // place of the payload in the journal
	Offset, Len   uint32
	Sent          Time   // retention counts from it
	VisibleAt     Time   // when a hidden or delayed message becomes visible; else 0
	Group         string // "": none
	Receives      uint32
	FirstReceived Time
	LastReceived  Time   // not changed by an attempt that is repeated
	Source        uint32 // the caller's own (where a dead letter came from)
	InFlight      bool   // received and hidden until VisibleAt
}

// DedupID is the caller's hash of a deduplication id (with the group, where the
// scope is the group) or of a receive attempt's id.
type DedupID [16]byte

// Original is what the first send with a deduplication id was answered with.
type Original struct {
	ID     [16]byte
	Key    uint64
	Append uint64 // journal append that must stay while this is remembered
	// Sent and Expires are by the sender's clock: what is sent from the one to the
	// other is the same.
	Sent, Expires Time
	// Grace is for how many milliseconds beyond Expires it is remembered, for sends
	// that come late: whole seconds, rounded up, at most MaxGrace.
	Grace Time
}

// ReceiveArgs are the terms of one Receive.
type ReceiveArgs struct {
	Max       int   // 1 to MaxBatch; other values are brought into that range
	MaxBytes  int64 // of payloads, unless the first alone is larger; 0: no bound
	HideUntil Time  // not after now: the messages stay visible (visibility timeout 0)
	// Attempt identifies the call on a FIFO queue (ReceiveRequestAttemptId); nil: none.
	Attempt        *DedupID
	AttemptExpires Time // until when a repeated call counts as the same
}

// Changes is what came about by the passing of time. All of it is gone from the
// machine already.
type Changes struct {
	Expired   []Message  // retention over
	Dead      []Message  // would have become visible once more than MaxReceives allows
	Forgotten []Original // deduplication interval over, or replaced by Remember
	More      bool       // call Advance again: the bounded step did not reach everything
}

// Counts are exact after an Advance that left nothing over.
type Counts struct {
	Visible    int
	InFlight   int
	Delayed    int
	Bytes      int64 // sum of Len
	Groups     int   // groups with at least one message
	Remembered int   // deduplication ids
	Names      int   // messages with a name
}
