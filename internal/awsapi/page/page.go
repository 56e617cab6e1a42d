// Package page makes the tokens by which a list that is given in pages goes on.
//
// A token holds the place where the next page begins. It is sealed with a secret that
// all nodes share, together with what the list was asked with: nothing can be read in
// it, it cannot be made up, and it is of no use for another list. Tokens do not
// expire, and cost the server nothing to keep.
package page

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"sync"
)

// ErrToken: the token is not one that was given out for this list.
var ErrToken = errors.New("not a token of this list")

// SecretSize is how many bytes of secret tokens want.
const SecretSize = 32

// maxToken bounds what is looked at, in characters.
const maxToken = 4096

// Tokens makes and reads tokens. Safe for concurrent use.
type Tokens struct {
	secret func(ctx context.Context) ([]byte, error)

	mu   sync.Mutex
	aead cipher.AEAD // nil until the secret was asked for
}

// NewTokens makes Tokens sealed with SecretSize bytes that secret gives, when one is
// needed; it is asked again after an error.
func NewTokens(secret func(ctx context.Context) ([]byte, error)) *Tokens {
	return &Tokens{secret: secret}
}

func (t *Tokens) seal(ctx context.Context) (cipher.AEAD, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.aead != nil {
		return t.aead, nil
	}
	secret, err := t.secret(ctx)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	t.aead, err = cipher.NewGCMWithRandomNonce(block)
	return t.aead, err
}

// of is what the list was asked with, as one text that cannot be read in two ways.
func of(list []string) (b []byte) {
	for _, s := range list {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

// After makes the token of the page that begins behind place. list is what the list
// was asked with: the operation, the account, a prefix. Errors are those of the secret.
func (t *Tokens) After(ctx context.Context, place string, list ...string) (string, error) {
	aead, err := t.seal(ctx)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nil, nil, []byte(place), of(list))), nil
}

// Place reads a token: behind which place the page begins. ErrToken, or an error of
// the secret.
func (t *Tokens) Place(ctx context.Context, token string, list ...string) (string, error) {
	if len(token) > maxToken {
		return "", ErrToken
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return "", ErrToken
	}
	aead, err := t.seal(ctx)
	if err != nil {
		return "", err
	}
	place, err := aead.Open(nil, nil, b, of(list))
	if err != nil {
		return "", ErrToken
	}
	return string(place), nil
}
