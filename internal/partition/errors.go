package partition

import "errors"

// The outcomes that a caller tells apart. ErrUnavailable, ErrBusy and ErrFull
// pass: the same request can be sent again.
var (
	// ErrUnavailable: the owner of the queue could not be reached in time, or
	// changed while the request was under way; whether it took effect is unknown.
	ErrUnavailable = errors.New("the queue's partition is not available, try again")
	// ErrBusy: more requests wait for the log than the partition holds.
	ErrBusy = errors.New("the queue's partition has too many requests waiting, try again")
	// ErrFull: the log's storage is nearly used up. Sends only; receives and
	// deletes go on.
	ErrFull = errors.New("the storage is full, messages are taken again once space is free")
	// ErrQueueGone: the queue was deleted.
	ErrQueueGone = errors.New("the queue does not exist")
	// ErrReceiptInvalid: not a receipt handle of this queue.
	ErrReceiptInvalid = errors.New("the receipt handle is not one of this queue")
	// ErrReceiptExpired: the receipt is genuine but no longer good: the message is
	// gone (changes of visibility), or, on a FIFO queue, it was received again or
	// its visibility timeout is over (deletes).
	ErrReceiptExpired = errors.New("the receipt handle has expired")
	// ErrNotInFlight: the message of a FIFO queue is not in flight.
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
)
