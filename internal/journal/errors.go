package journal

import (
	"errors"
	"fmt"
)

// Sentinels. Each may be wrapped; test with errors.Is.
var (
	// ErrFenced says that another writer claimed the log. The journal is dead: what its owner holds in
	// memory may already be out of date and must be dropped.
	ErrFenced = errors.New("journal: another writer owns the log")
	// ErrBusy says that MaxPending bytes wait to become durable. Nothing was appended; try again later.
	ErrBusy = errors.New("journal: too much waits to be stored")
	// ErrFull says that the log has no space. As a reason of failure the journal is dead, and its owner
	// replays with a new one; what had been appended and not acknowledged is gone.
	ErrFull = errors.New("journal: the log has no space left")
	// ErrClosed says that the journal was never claimed, or was stopped before the append was durable.
	ErrClosed = errors.New("journal: closed")
	// ErrTooLarge says that a record does not fit into one append. Nothing was appended.
	ErrTooLarge = errors.New("journal: record too large")
	// ErrTrimmed says that the position stands in a part of the log that was trimmed: everything in it
	// had been released. From Claim it says that the log was trimmed by its former owner while it was
	// being replayed; claim again with a new Journal and fresh state.
	ErrTrimmed = errors.New("journal: trimmed")
	// ErrUnavailable says that the log could not be reached for so long that the journal gave up.
	ErrUnavailable = errors.New("journal: the log cannot be reached")
)

// CorruptError reports an entry of the log that cannot be read: torn, altered, missing, or written in a
// format that this release does not know. It is never skipped: an operator has to decide.
type CorruptError struct {
	Seq    uint64 // the entry's sequence in the stream
	Reason string // one phrase for the operator
	Newer  bool   // the entry is whole as far as can be told, and written by a newer release
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("journal: entry %d: %s", e.Seq, e.Reason)
}
