package scheduler

import (
	"errors"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/waystation/waystation/internal/partition"
)

// Schedule is the definition of one schedule, and where it stands. Times are Unix
// milliseconds, 0 for none. A number of a field is never used again for something else.
type Schedule struct {
	Name        string `cbor:"1,keyasint"`
	Description string `cbor:"2,keyasint,omitempty"`
	// Expression and Zone, see package schedule.
	Expression string `cbor:"3,keyasint"`
	Zone       string `cbor:"4,keyasint,omitempty"`
	Disabled   bool   `cbor:"5,keyasint,omitempty"`
	// Start and End bound the times of one that fires more than once.
	Start int64 `cbor:"6,keyasint,omitempty"`
	End   int64 `cbor:"7,keyasint,omitempty"`
	// Window, in minutes: it fires at a random moment within.
	Window int `cbor:"8,keyasint,omitempty"`
	// DeleteAfter it has fired for the last time.
	DeleteAfter bool   `cbor:"9,keyasint,omitempty"`
	KMSKey      string `cbor:"10,keyasint,omitempty"`
	Target      Target `cbor:"11,keyasint"`

	Created  int64 `cbor:"12,keyasint"`
	Modified int64 `cbor:"13,keyasint"`
	// Anchor is from where a rate counts.
	Anchor int64 `cbor:"14,keyasint,omitempty"`
	// Next is the time for which it fires next, the window not counted; 0: never.
	Next int64 `cbor:"15,keyasint,omitempty"`
	// Token and Digest are the client's token and the parameters of the request that
	// made it what it is.
	Token  string `cbor:"16,keyasint,omitempty"`
	Digest []byte `cbor:"17,keyasint,omitempty"`
	// Fired is the last of its times that was fired, or tried to; 0: none yet, of those
	// that its expression, zone and start say.
	Fired int64 `cbor:"18,keyasint,omitempty"`
}

// Target is what a schedule calls.
type Target struct {
	// ARN of a queue, topic or bus, or of a call: see ParseCall.
	ARN     string `cbor:"1,keyasint"`
	RoleARN string `cbor:"2,keyasint"`
	Input   string `cbor:"3,keyasint,omitempty"`
	Group   string `cbor:"4,keyasint,omitempty"` // of messages, of queues
	// DetailType and Source of events, of buses.
	DetailType    string `cbor:"5,keyasint,omitempty"`
	Source        string `cbor:"6,keyasint,omitempty"`
	DeadLetterARN string `cbor:"7,keyasint,omitempty"`
	// MaxRetries and MaxAge (seconds) of its retry policy; nil: the defaults.
	MaxRetries *int `cbor:"8,keyasint,omitempty"`
	MaxAge     *int `cbor:"9,keyasint,omitempty"`
}

// retries are how often a failed attempt is repeated.
func (t *Target) retries() int {
	if t.MaxRetries == nil {
		return DefaultRetries
	}
	return *t.MaxRetries
}

// age is for how long.
func (t *Target) age() time.Duration {
	if t.MaxAge == nil {
		return DefaultAge
	}
	return time.Duration(*t.MaxAge) * time.Second
}

// pending is a firing that failed, and is tried again.
type pending struct {
	Schedule string `cbor:"1,keyasint"`
	Created  int64  `cbor:"2,keyasint"` // of the schedule
	Target   Target `cbor:"3,keyasint"`
	Nominal  int64  `cbor:"4,keyasint"`
	First    int64  `cbor:"5,keyasint"` // when it was first tried
	Attempts int    `cbor:"6,keyasint"` // so far
}

// payloadVersion is the first byte of the payloads of this package. A release reads its
// own and those before; of its own it passes over fields that it does not know.
const payloadVersion = 1

var errPayload = errors.New("scheduler: malformed payload")

var encMode = func() cbor.EncMode {
	m, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic(err) // wrong options, seen by the first test
	}
	return m
}()

func encode(v any) ([]byte, error) {
	b, err := encMode.Marshal(v)
	if err != nil {
		return nil, err
	}
	return append([]byte{payloadVersion}, b...), nil
}

func decode(b []byte, v any) error {
	switch {
	case len(b) == 0:
		return errPayload
	case b[0] == 0 || b[0] > payloadVersion:
		return fmt.Errorf("scheduler: a payload of version %d, this release reads up to %d", b[0], payloadVersion)
	}
	if err := cbor.Unmarshal(b[1:], v); err != nil {
		return fmt.Errorf("%w: %w", errPayload, err)
	}
	return nil
}

// never is when what does not fire becomes visible: when no expression has a time any
// more.
const never = 7_258_118_400_000 // 2200-01-01

// nameOf is the name of a schedule's message in its queue.
func nameOf(schedule string) partition.Name { return partition.NameOf(schedule) }

// name of a firing's message.
func (p *pending) name() partition.Name {
	return partition.NameOf(fmt.Sprintf("%s %d %d", p.Schedule, p.Created, p.Nominal))
}
