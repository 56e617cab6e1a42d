package partition

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"sync"
)

// A receipt handle names one receive of one message:
//
//	version 1 | queue id 8 | key 8 | receive number 4 | MAC 16
//
// in URL-safe base64, 50 characters. The MAC (HMAC-SHA-256, cut to 16 bytes)
// is keyed by a secret that all nodes share, so a handle can't be made up, and
// one that is merely old still reads as genuine.
const (
	receiptVersion = 1
	receiptBody    = 1 + 8 + 8 + 4
	receiptSize    = receiptBody + 16
)

type receiptSigner struct{ pool sync.Pool }

func newReceiptSigner(secret []byte) *receiptSigner {
	s := &receiptSigner{}
	s.pool.New = func() any { return hmac.New(sha256.New, secret) }
	return s
}

func (s *receiptSigner) mac(body []byte, out *[sha256.Size]byte) {
	h := s.pool.Get().(hash.Hash)
	h.Reset()
	h.Write(body)
	h.Sum(out[:0])
	s.pool.Put(h)
}

func (s *receiptSigner) sign(queueID, key uint64, receives uint32) string {
	var b [receiptBody + sha256.Size]byte
	b[0] = receiptVersion
	binary.BigEndian.PutUint64(b[1:], queueID)
	binary.BigEndian.PutUint64(b[9:], key)
	binary.BigEndian.PutUint32(b[17:], receives)
	s.mac(b[:receiptBody], (*[sha256.Size]byte)(b[receiptBody:]))
	return base64.RawURLEncoding.EncodeToString(b[:receiptSize])
}

// open checks a handle and tells which receive it is of; ErrReceiptInvalid
// when it is not one of this queue.
func (s *receiptSigner) open(queueID uint64, handle string) (key uint64, receives uint32, err error) {
	var b [receiptSize]byte
	if len(handle) != base64.RawURLEncoding.EncodedLen(receiptSize) {
		return 0, 0, ErrReceiptInvalid
	}
	if _, err := base64.RawURLEncoding.Strict().Decode(b[:], []byte(handle)); err != nil || b[0] != receiptVersion {
		return 0, 0, ErrReceiptInvalid
	}
	var sum [sha256.Size]byte
	s.mac(b[:receiptBody], &sum)
	if !hmac.Equal(sum[:16], b[receiptBody:]) || binary.BigEndian.Uint64(b[1:]) != queueID {
		return 0, 0, ErrReceiptInvalid
	}
	return binary.BigEndian.Uint64(b[9:]), binary.BigEndian.Uint32(b[17:]), nil
}
