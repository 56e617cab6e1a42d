package scheduler

import "errors"

// The outcomes that a caller tells apart, beside those of packages registry and
// partition.
var (
	// ErrNoGroup: there is no such group (any more).
	ErrNoGroup = errors.New("scheduler: no such group of schedules")
	// ErrNotFound: the group has no such schedule (any more).
	ErrNotFound = errors.New("scheduler: no such schedule")
	// ErrExists: the name is taken by another schedule, or group.
	ErrExists = errors.New("scheduler: there is one of this name")
	// ErrDeleting: the group is being deleted.
	ErrDeleting = errors.New("scheduler: the group is being deleted")
	// ErrDefault: the default group is not to be deleted.
	ErrDefault = errors.New("scheduler: the default group cannot be deleted")
	// ErrGroups: the account has as many groups in the region as it may.
	ErrGroups = errors.New("scheduler: too many groups")
	// ErrToken: the token came with another request before.
	ErrToken = errors.New("scheduler: the token was used for another request")
	// ErrConflict: an update lost against others too often in a row; it can be tried
	// again.
	ErrConflict = errors.New("scheduler: the schedule is being changed")
	// ErrGone is what Topics and Buses give for what does not exist.
	ErrGone = errors.New("scheduler: the target does not exist")
)

// Refusal is what Topics and Buses give for what they will never take: a code and a
// sentence of their API.
type Refusal struct{ Code, Message string }

// Error gives both.
func (e *Refusal) Error() string { return e.Code + ": " + e.Message }

// refused is the fault of a Refusal, nil for another error.
func refused(err error) *fault {
	var r *Refusal
	if errors.As(err, &r) {
		return &fault{r.Code, r.Message, true}
	}
	return nil
}
