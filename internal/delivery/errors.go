package delivery

import "errors"

// Unready says that no request can be made of a message for now: what the request needs
// is not to be had. It counts as a failed attempt of class Unprepared.
type Unready struct{ Reason string }

func (e *Unready) Error() string { return e.Reason }

// What a Resolver says of a message beside its endpoint, and what callers are told.
var (
	// ErrGone: the endpoint was deleted, which is certain: what waits for it is dropped.
	ErrGone = errors.New("delivery: the endpoint was deleted")
	// ErrNotFound: no endpoint, or no undelivered message, of that name.
	ErrNotFound = errors.New("delivery: no such endpoint or message")
	// ErrDisabled: the endpoint is disabled.
	ErrDisabled = errors.New("delivery: the endpoint is disabled")
	// ErrPage: the place to go on from was not one that a list gave.
	ErrPage = errors.New("delivery: not a place in a list")
)
