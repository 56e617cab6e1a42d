package delivery

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Secrets sign the requests to one endpoint as Standard Webhooks has it: the current
// secret, and, while it is being replaced, the one before, so that receivers may have
// either.
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
type Secrets struct {
	Current  []byte
	Previous []byte // nil: none
	// PreviousUntil is when the one before ends to be used.
	PreviousUntil time.Time
}

// secretPrefix begins secrets as people have them.
const secretPrefix = "whsec_"

// Bounds of secrets, in bytes.
const (
	minSecret = 24
	maxSecret = 64
)

// ErrSecret says what a secret has to be.
var ErrSecret = errors.New("delivery: a secret is 24 to 64 bytes in base64, behind whsec_ or not")

// ParseSecret reads a secret as people have it.
func ParseSecret(s string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, secretPrefix))
	if err != nil || len(b) < minSecret || len(b) > maxSecret {
		return nil, ErrSecret
	}
	return b, nil
}

// Headers are those that sign a body: the id is that of the message, the same at each
// attempt, the time that of the attempt.
func (s *Secrets) Headers(id string, now time.Time, body []byte) []Header {
	at := strconv.FormatInt(now.Unix(), 10)
	signatures := signature(s.Current, id, at, body)
	if s.Previous != nil && now.Before(s.PreviousUntil) {
		signatures += " " + signature(s.Previous, id, at, body)
	}
	return []Header{{"webhook-id", id}, {"webhook-timestamp", at}, {"webhook-signature", signatures}}
}

func signature(secret []byte, id, at string, body []byte) string {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(id + "." + at + "."))
	h.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
}
