package registry

import (
	"errors"
	"fmt"

	"github.com/waystation/waystation/internal/jet"
)

// The errors of this package.
var (
	// ErrNotFound: there is no such queue.
	ErrNotFound = errors.New("registry: no such resource")
	// ErrConflict: the name is taken by a queue with other attributes, or an
	// update lost against others too often in a row (retryable).
	ErrConflict = errors.New("registry: conflicts with what exists")
	// ErrTooMany: Config.MaxQueues is reached.
	ErrTooMany = errors.New("registry: too many queues")
	// ErrInvalid: an account, region or name cannot be part of a key.
	ErrInvalid = errors.New("registry: invalid name")
	// ErrUnavailable: the store does not answer; whether a change was made is
	// not known. Retryable.
	ErrUnavailable = jet.ErrUnavailable
	// ErrFull: the store has no room for a change. Retryable.
	ErrFull = jet.ErrFull
)

// VersionError reports a stored definition in a form that this release does
// not know.
type VersionError struct {
	Key     string
	Version int
}

// Error says what an operator can do.
func (e *VersionError) Error() string {
	return fmt.Sprintf("registry: %s is stored in version %d, this release reads up to %d: "+
		"it was written by a newer release; run that one, or restore the registry from before the upgrade",
		e.Key, e.Version, version)
}

// BehindError reports that the store of the definitions ends before a revision
// that is known to have been stored: it was damaged, cut short, replaced by an
// older one or removed.
type BehindError struct {
	Have, Known uint64 // revisions
}

// Error says what an operator can do.
func (e *BehindError) Error() string {
	return fmt.Sprintf("registry: the definitions end at revision %d, revision %d is known to have been stored: "+
		"they were damaged or replaced by older ones; nothing was deleted. Put the intact data folder back, "+
		"or stop all nodes and run `waystation repair`", e.Have, e.Known)
}
