package jet

import (
	"errors"
	"fmt"
	"strings"
)

// The errors of this package. Callers tell them apart with errors.Is; the
// text around them says what was being done.
var (
	// ErrWrongSequence: a compare-and-set met another last sequence or
	// revision than the one expected. Nothing was stored.
	ErrWrongSequence = errors.New("jet: wrong last sequence")
	// ErrNotFound: no entry with that sequence, or no value under that key.
	ErrNotFound = errors.New("jet: not found")
	// ErrExists: Create found a value under the key.
	ErrExists = errors.New("jet: exists already")
	// ErrFull: the store has no room: disk, account limit, or stream limit.
	// Nothing was stored. Retryable once there is room.
	ErrFull = errors.New("jet: no space left in the store")
	// ErrUnavailable: no answer, or an answer that does not say whether the
	// entry was stored: time-out, lost connection, stream without a leader.
	// The entry may have been stored, or may still be.
	ErrUnavailable = errors.New("jet: the store does not answer")
	// ErrNoResponders: nobody serves the subject. Nothing was delivered.
	ErrNoResponders = errors.New("jet: nobody serves this subject")
	// ErrTooLarge: the data does not fit the server's max_payload.
	ErrTooLarge = errors.New("jet: data exceeds the server's max_payload")
	// ErrClosed: the Conn was closed.
	ErrClosed = errors.New("jet: connection closed")
)

// DamagedError reports that a stream of the embedded store lost its newest
// entries: they stood in its file behind one that can't be read, and the server
// has cut them off. What is left of the stream was not changed.
type DamagedError struct {
	Stream  string
	Reached uint64 // the newest entry that it held for sure
	Last    uint64 // the newest that it holds now
	File    string // that remembers it
}

// Error says what is missing and what an operator can do.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("stream %s is damaged: it held entries up to %d, and those after %d can't be read; "+
		"restore the data folder from a backup, or remove %s to go on without them", e.Stream, e.Reached, e.Last, e.File)
}

// Drift is one setting of an existing stream that is not what is needed.
type Drift struct {
	Field string
	Have  string
	Want  string
}

// DriftError reports that an existing stream or bucket is configured in
// another way than this program needs. It was neither changed nor deleted.
type DriftError struct {
	Stream string
	Drifts []Drift
}

// Error lists every difference and what an operator can do.
func (e *DriftError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "stream %s is not configured as needed:", e.Stream)
	for i, d := range e.Drifts {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " %s is %s, needed is %s", d.Field, d.Have, d.Want)
	}
	fmt.Fprintf(&b, "; it was left as it is: put it right with `nats stream edit %s`"+
		" (or start with the settings it was created with), then start again", e.Stream)
	return b.String()
}
