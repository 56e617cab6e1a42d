package delivery

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/waystation/waystation/internal/egress"
	"github.com/waystation/waystation/internal/fields"
)

// Class of an attempt's outcome, for people and filters. Beside these there are the
// kinds of package egress.
type Class string

// Classes of outcomes.
const (
	Delivered Class = "delivered" // 2xx
	Refused   Class = "status"    // another status
	Damaged   Class = "damaged"   // no request can be made of the message
	Expired   Class = "expired"   // it got too old while the endpoint was down
	Disabled  Class = "disabled"  // the endpoint is
	Deleted   Class = "deleted"   // the endpoint was
	// Unprepared: what the request needs, such as a token, was not to be had.
	Unprepared Class = "unprepared"
)

// Attempt is one try to push a message.
type Attempt struct {
	Time     time.Time     `json:"time"` // when it began
	Duration time.Duration `json:"-"`
	Message  string        `json:"message"` // id
	Number   int           `json:"attempt"` // from 1
	Status   int           `json:"status,omitempty"`
	Class    Class         `json:"class"`
	// Text is the beginning of the answer, or what failed.
	Text string `json:"text,omitempty"`
}

// MaxAnswer is how much of an answer is kept, in bytes.
const MaxAnswer = 1 << 10

const attemptVersion = 1

var errAttempts = errors.New("delivery: malformed attempts")

// appendAttempt appends one attempt:
//
//	time | duration | number | status | class | message | text
func appendAttempt(b []byte, a *Attempt) []byte {
	b = binary.AppendVarint(b, a.Time.UnixMilli())
	b = binary.AppendVarint(b, a.Duration.Microseconds())
	b = binary.AppendUvarint(b, uint64(a.Number))
	b = binary.AppendUvarint(b, uint64(a.Status))
	b = fields.AppendText(b, string(a.Class))
	b = fields.AppendText(b, a.Message)
	return fields.AppendText(b, a.Text)
}

// readAttempts reads a payload of attempts: a version, then one after the other.
func readAttempts(b []byte) (list []Attempt, err error) {
	r := fields.Reader{Rest: b}
	if v := r.Byte(); v != attemptVersion && r.Err == nil {
		return nil, fmt.Errorf("delivery: attempts of version %d, this release reads up to %d", v, attemptVersion)
	}
	for len(r.Rest) > 0 && r.Err == nil {
		a := Attempt{
			Time: time.UnixMilli(r.Varint()).UTC(), Duration: time.Duration(r.Varint()) * time.Microsecond,
			Number: int(r.Uvarint()), Status: int(r.Uvarint()),
			Class: Class(r.Text()), Message: r.Text(), Text: r.Text(),
		}
		list = append(list, a)
	}
	if r.Err != nil {
		return nil, errAttempts
	}
	return list, nil
}

// beginning of a text that may be anything, as UTF-8 of at most max bytes.
func beginning(b []byte, max int) string {
	if len(b) > max {
		b = b[:max]
		for i := 0; i < utf8.UTFMax && len(b) > 0; i++ { // not in the middle of a character
			if r, n := utf8.DecodeLastRune(b); r != utf8.RuneError || n != 1 {
				break
			}
			b = b[:len(b)-1]
		}
	}
	s := string(b)
	if utf8.ValidString(s) {
		return s
	}
	out := make([]rune, 0, len(s))
	size := 0
	for _, r := range s { // what is no character becomes one of three bytes
		if size += utf8.RuneLen(r); size > max {
			break
		}
		out = append(out, r)
	}
	return string(out)
}

// classOf gives an error of package egress its class.
func classOf(err error) (Class, bool) {
	var e *egress.Error
	if !errors.As(err, &e) {
		return Class(egress.Broken), false
	}
	return Class(e.Kind), e.Kind == egress.BadRequest
}
