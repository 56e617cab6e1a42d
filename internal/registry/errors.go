package registry

import (
	"errors"
	"fmt"

	"github.com/waystation/waystation/internal/jet"
)

// The errors of this package.
var (
	// ErrNotFound: there is no such definition.
	ErrNotFound = errors.New("registry: no such resource")
	// ErrConflict: the name is taken by something with other attributes, or an
	// update lost against others too often in a row (retryable).
	ErrConflict = errors.New("registry: conflicts with what exists")
	// ErrTooMany: the kind's limit is reached.
	ErrTooMany = errors.New("registry: too many definitions")
	// ErrInvalid: an account, region or name that cannot be.
	ErrInvalid = errors.New("registry: invalid name")
	// ErrUnavailable: the store does not answer; whether a change was made is
	// not known. Retryable.
	ErrUnavailable = jet.ErrUnavailable
	// ErrFull: the store has no room for a change. Retryable.
	ErrFull = jet.ErrFull
	// ErrTooLarge: the definition is larger than 1 MiB, or does not fit the store.
	ErrTooLarge = jet.ErrTooLarge
)

var errStopped = fmt.Errorf("%w: the registry stopped", ErrUnavailable)

// VersionError reports something stored in a form that this release does not
// know.
type VersionError struct {
	What           string
	Version, Known int
}

// Error says what an operator can do.
func (e *VersionError) Error() string {
	return fmt.Sprintf("registry: %s is stored in version %d, this release reads up to %d: "+
		"it was written by a newer release; run that one, or restore the registry from before the upgrade",
		e.What, e.Version, e.Known)
}

// nextStep is what an operator does about damage.
const nextStep = "Nothing was changed or deleted. Put the intact data folder back, " +
	"or stop all nodes and run `waystation repair`, which brings back what the log and the journals still hold"

// DamageError reports that the log of the definitions is not what was written.
type DamageError struct {
	Entry  uint64 // in the log; 0: no particular one
	Reason string
}

// Error says what an operator can do.
func (e *DamageError) Error() string {
	if e.Entry == 0 {
		return fmt.Sprintf("registry: the definitions are damaged: %s. %s", e.Reason, nextStep)
	}
	return fmt.Sprintf("registry: the definitions are damaged: entry %d: %s. %s", e.Entry, e.Reason, nextStep)
}

// BehindError reports that the definitions end before a revision that is known
// to have been stored: they were damaged, cut short, replaced by older ones or
// removed.
type BehindError struct {
	Have, Known uint64 // revisions
}

// Error says what an operator can do.
func (e *BehindError) Error() string {
	return fmt.Sprintf("registry: the definitions end at revision %d, but revision %d was stored: "+
		"they were damaged, removed or replaced by older ones. %s", e.Have, e.Known, nextStep)
}
