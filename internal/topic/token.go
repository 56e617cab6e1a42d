package topic

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"

	"github.com/google/uuid"
)

// A token holds the subscription's id, its incarnation and until when it is good, and
// a code over these and the topic's incarnation that nobody else can make. It costs
// nothing to keep.
const (
	tokenBody  = 16 + 8 + 8
	tokenCode  = 16
	secretSize = 32
)

// secret by which tokens are made, the same on all nodes.
func (s *Service) secret(ctx context.Context) ([]byte, error) {
	return s.reg.Secret(ctx, "subscription-tokens", secretSize)
}

func tokenMAC(secret, body []byte, topic uint64) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write(body)
	h.Write(binary.BigEndian.AppendUint64(nil, topic))
	return h.Sum(nil)[:tokenCode]
}

// newToken makes the token of a subscription: its id, which is a UUID, and mark, the
// number of its incarnation.
func newToken(secret []byte, id string, mark, topic uint64, until time.Time) string {
	u := uuid.MustParse(id) // we made it
	b := make([]byte, 0, tokenBody+tokenCode)
	b = append(b, u[:]...)
	b = binary.BigEndian.AppendUint64(b, mark)
	b = binary.BigEndian.AppendUint64(b, uint64(until.Unix()))
	return hex.EncodeToString(append(b, tokenMAC(secret, b, topic)...))
}

// openToken is the inverse; ok is false when the token is not one for that topic, or
// too old.
func openToken(secret []byte, token string, topic uint64, now time.Time) (id string, mark uint64, ok bool) {
	if len(token) != hex.EncodedLen(tokenBody+tokenCode) {
		return "", 0, false
	}
	b, err := hex.DecodeString(token)
	if err != nil || !hmac.Equal(b[tokenBody:], tokenMAC(secret, b[:tokenBody], topic)) {
		return "", 0, false
	}
	if now.Unix() > int64(binary.BigEndian.Uint64(b[24:tokenBody])) {
		return "", 0, false
	}
	return uuid.UUID(b[:16]).String(), binary.BigEndian.Uint64(b[16:24]), true
}
