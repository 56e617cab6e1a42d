package pattern

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Bounds of patterns and of the events that are matched.
const (
	// MaxEventPattern is the size of an event pattern in characters that
	// EventBridge takes unless the quota is raised.
	MaxEventPattern = 2048
	// MaxFilterPolicy is the size of a filter policy in bytes that SNS takes.
	MaxFilterPolicy = 256 << 10
	maxKeys         = 5    // top-level keys of a filter policy
	maxCombinations = 150  // of the values of a filter policy
	maxBranches     = 1000 // that the $or of one pattern may expand to
	maxDepth        = 200  // of nested values in patterns and events
	// maxWork is how many values and their places one index, or a pattern alone,
	// compares for an event. Eight alternatives of a field count for one more, and so
	// do 512 bytes that a wildcard looks through, 32 of which the case is dropped, 32
	// values of an anything-but. It takes some tenths of a second at most.
	maxWork       = 1 << 20
	maxConditions = 1 << 22 // of a pattern compared with each other, over its branches
)

var (
	// ErrEvent reports an event that is not one JSON object, or is nested deeper
	// than 200 values.
	ErrEvent = errors.New("pattern: the event is not a JSON object, or nested too deeply")
	// ErrWork reports an event whose arrays of objects give more combinations than
	// the matcher tries. No answer about the rules is given then.
	ErrWork = errors.New("pattern: the event has too many combinations of array elements")
)

// Error says why a pattern is not valid.
type Error struct {
	Dialect Dialect
	// Reason is the service's own sentence, with the place in the pattern where it
	// gives one. SNS puts "Invalid parameter: Attributes Reason: FilterPolicy: " in
	// front of it in answers to Subscribe.
	Reason string
	bare   bool // the service's message does not name FilterPolicy
}

// Error gives the message of EventBridge, or of SetSubscriptionAttributes of SNS.
func (e *Error) Error() string {
	switch {
	case e.Dialect == Events:
		return "Event pattern is not valid. Reason: " + e.Reason
	case e.bare:
		return "Invalid parameter: " + e.Reason
	}
	return "Invalid parameter: FilterPolicy: " + e.Reason
}

const sourceShown = 500 // characters of the pattern that a message repeats

// place says where in the source an offset lies, as the services do.
func place(src []byte, offset int) string {
	line, column := 1, 1
	for i, c := range src[:min(offset, len(src))] {
		switch {
		case c == '\n':
			line, column = line+1, 1
		case utf8.RuneStart(src[i]):
			column++
		}
	}
	shown, rest := string(src), ""
	if n := utf8.RuneCountInString(shown); n > sourceShown {
		shown = string([]rune(shown)[:sourceShown])
		rest = fmt.Sprintf("[truncated %d chars]", n-sourceShown)
	}
	return fmt.Sprintf("\n at [Source: (String)\"%s\"%s; line: %d, column: %d]", shown, rest, line, column)
}
