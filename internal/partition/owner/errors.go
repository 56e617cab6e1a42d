package owner

import (
	"errors"
	"fmt"
)

// The outcomes that a caller tells apart. ErrUnavailable, ErrBusy and ErrFull
// pass: the same request can be sent again.
var (
	// ErrUnavailable: the owner of the queue could not be reached in time, or
	// changed while the request was under way; whether it took effect is unknown.
	ErrUnavailable = errors.New("the queue's partition is not available, try again")
	// ErrBusy: more requests wait for the log than the partition holds.
	ErrBusy = errors.New("the queue's partition has too many requests waiting, try again")
	// ErrMemory is an ErrBusy: what waits takes all the memory there is for it.
	// Posts only; what receives and deletes make room.
	ErrMemory = fmt.Errorf("%w: its messages take all the memory there is for them", ErrBusy)
	// ErrFull: the log's storage is nearly used up. Posts first, then receives;
	// deletes and purges always go on.
	ErrFull = errors.New("the storage is full, try again once space is free")
	// ErrQueueGone: the queue was deleted.
	ErrQueueGone = errors.New("the queue does not exist")
	// ErrReceiptInvalid: not a receipt handle of this queue.
	ErrReceiptInvalid = errors.New("the receipt handle is not one of this queue")
	// ErrReceiptExpired: the receipt is genuine but no longer good: the message is
	// gone or was received again (changes of visibility), or its visibility
	// timeout is over (deletes from a FIFO queue).
	ErrReceiptExpired = errors.New("the receipt handle has expired")
	// ErrNotInFlight: the message is not in flight, or not with this receipt.
	ErrNotInFlight = errors.New("the message is not in flight")
	// ErrVisibilityTotal: the message would be hidden more than 12 hours from its receive.
	ErrVisibilityTotal = errors.New("the total visibility timeout of a message is at most 12 hours from its receive")
	// ErrOverLimit: too many messages in flight (standard queues).
	ErrOverLimit = errors.New("too many messages are in flight")
	// ErrPurgeInProgress: the queue was purged within the last 60 seconds.
	ErrPurgeInProgress = errors.New("the queue was purged within the last 60 seconds")
	// ErrMoveActive: a move task runs on this source already.
	ErrMoveActive = errors.New("a move task is already running on this queue")
	// ErrMoveNotFound: no such move task.
	ErrMoveNotFound = errors.New("there is no such move task")
	// ErrMoveNotRunning: the move task ended already.
	ErrMoveNotRunning = errors.New("the move task is not running")
	// ErrTooLarge: what is to be written at once exceeds MaxPostBytes, MaxPostTargets
	// or MaxEntries, or what the log takes as one record. Nothing was done.
	ErrTooLarge = errors.New("too much for one post")
	// ErrCondition: what a post asked of messages with names does not hold. Nothing
	// was done.
	ErrCondition = errors.New("a condition of the post does not hold")
	// ErrNotOwner: this node does not own the partition (any more); the request
	// had no effect and may be sent to the owner. Callers of package partition
	// never see it.
	ErrNotOwner = errors.New("not the owner of the partition")
)

// numbered is the numbering of errors between nodes: only ever add at the end.
var numbered = []error{
	nil, ErrUnavailable, ErrBusy, ErrFull, ErrQueueGone, ErrReceiptInvalid, ErrReceiptExpired, ErrNotInFlight,
	ErrVisibilityTotal, ErrOverLimit, ErrPurgeInProgress, ErrMoveActive, ErrMoveNotFound, ErrMoveNotRunning, ErrNotOwner,
	ErrTooLarge, ErrMemory, ErrCondition,
}

// ErrorNumber is the number of an error on the way between nodes: 0 for nil,
// that of ErrUnavailable for what has none of its own.
func ErrorNumber(err error) uint8 {
	if err == nil {
		return 0
	}
	for i := len(numbered) - 1; i > 0; i-- {
		if errors.Is(err, numbered[i]) {
			return uint8(i)
		}
	}
	return 1
}

// ErrorOf is the inverse of ErrorNumber; what a newer release numbers is ErrUnavailable.
func ErrorOf(n uint8) error {
	if int(n) < len(numbered) {
		return numbered[n]
	}
	return ErrUnavailable
}

// Outcomes are the errors of the entries of a request, nil where one succeeded.
type Outcomes []error

// MarshalBinary writes the numbers of the errors.
func (o Outcomes) MarshalBinary() ([]byte, error) {
	b := make([]byte, len(o))
	for i, err := range o {
		b[i] = ErrorNumber(err)
	}
	return b, nil
}

// UnmarshalBinary reads what MarshalBinary wrote.
func (o *Outcomes) UnmarshalBinary(b []byte) error {
	*o = make(Outcomes, len(b))
	for i, n := range b {
		(*o)[i] = ErrorOf(n)
	}
	return nil
}
