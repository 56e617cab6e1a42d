package partition

import "github.com/waystation/waystation/internal/partition/owner"

// The outcomes that a caller tells apart, see package owner. ErrUnavailable,
// ErrBusy and ErrFull pass: the same request can be sent again.
var (
	ErrUnavailable     = owner.ErrUnavailable
	ErrBusy            = owner.ErrBusy
	ErrMemory          = owner.ErrMemory
	ErrFull            = owner.ErrFull
	ErrQueueGone       = owner.ErrQueueGone
	ErrReceiptInvalid  = owner.ErrReceiptInvalid
	ErrReceiptExpired  = owner.ErrReceiptExpired
	ErrNotInFlight     = owner.ErrNotInFlight
	ErrVisibilityTotal = owner.ErrVisibilityTotal
	ErrOverLimit       = owner.ErrOverLimit
	ErrPurgeInProgress = owner.ErrPurgeInProgress
	ErrMoveActive      = owner.ErrMoveActive
	ErrMoveNotFound    = owner.ErrMoveNotFound
	ErrMoveNotRunning  = owner.ErrMoveNotRunning
	ErrTooLarge        = owner.ErrTooLarge
	ErrCondition       = owner.ErrCondition
)
