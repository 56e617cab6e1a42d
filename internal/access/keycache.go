package access

import (
	"crypto/sha256"
	"strings"
	"sync"
)

// maxCachedKeys bounds the cache of signing keys; at the bound it starts anew,
// which costs four hashes a key.
const maxCachedKeys = 4096

// cacheKey has the secret, not the key's name: a key whose secret was changed
// must not go on with what was derived from the old one.
type cacheKey struct {
	secret string
	scope  Scope
}

// keyCache keeps derived signing keys: deriving costs more than the rest of the
// check. Keys change daily with the scope's date; old ones go at the bound.
type keyCache struct {
	mu   sync.RWMutex
	keys map[cacheKey][32]byte // guarded by mu
}

func (c *keyCache) get(secret string, scope Scope) ([32]byte, bool) {
	c.mu.RLock()
	k, ok := c.keys[cacheKey{secret, scope}]
	c.mu.RUnlock()
	return k, ok
}

func (c *keyCache) put(secret string, scope Scope, derived [32]byte) {
	// The scope's strings are parts of a request's headers: keep copies.
	k := cacheKey{secret, Scope{
		Region: strings.Clone(scope.Region), Service: strings.Clone(scope.Service), Date: strings.Clone(scope.Date),
	}}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys == nil || len(c.keys) >= maxCachedKeys {
		c.keys = make(map[cacheKey][32]byte)
	}
	c.keys[k] = derived
}

// signingKey derives the key that signs requests of one scope.
func signingKey(secret string, scope Scope) [32]byte {
	k := hmacSum([]byte("AWS4"+secret), []byte(scope.Date))
	k = hmacSum(k[:], []byte(scope.Region))
	k = hmacSum(k[:], []byte(scope.Service))
	return hmacSum(k[:], []byte(terminator))
}

// hmacSum is HMAC-SHA-256. crypto/hmac allocates two hash states a call, which is
// most of what checking a signature would allocate; for our short messages one
// buffer on the stack does.
func hmacSum(key, msg []byte) [32]byte {
	const block = sha256.BlockSize
	var pad [block]byte
	if len(key) > block {
		sum := sha256.Sum256(key)
		copy(pad[:], sum[:])
	} else {
		copy(pad[:], key)
	}
	var space [512]byte
	buf := space[:0]
	for _, c := range pad {
		buf = append(buf, c^0x36)
	}
	inner := sha256.Sum256(append(buf, msg...))
	buf = buf[:0]
	for _, c := range pad {
		buf = append(buf, c^0x5c)
	}
	return sha256.Sum256(append(buf, inner[:]...))
}
