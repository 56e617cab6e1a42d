package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"sync"
)

const (
	emptyHash       = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	unsignedPayload = "UNSIGNED-PAYLOAD"
)

// scratch holds the canonical request while it is built.
var scratch = sync.Pool{New: func() any { b := make([]byte, 0, 2048); return &b }}

// maxScratch bounds what the pool keeps.
const maxScratch = 64 << 10

// Claim is what a request's header says about its sender, as far as it was
// checked: see Identify. It is a value; its strings are parts of the header.
type Claim struct {
	Principal Principal // zero until the signature has been checked, see Signed
	Scope     Scope

	sig    signature
	holder holder
	sent   string // hash of the payload that the request names
	state  claimState
}

type claimState uint8

const (
	settled   claimState = iota // nothing is left to check
	needsHash                   // the signature holds if the payload has the hash it names
	needsBody                   // the signature can be checked with the payload only
)

// Signed reports whether the signature was checked already, though perhaps not
// yet that the payload is the one that was signed. In open mode it is true.
func (c *Claim) Signed() bool { return c.state != needsBody && !c.Principal.Anonymous }

// Key is the access key that the request names, "" if it is not signed.
func (c *Claim) Key() string { return c.sig.key }

// Pending reports whether Confirm has still to be asked.
func (c *Claim) Pending() bool { return c.state != settled }

// Authenticate is Identify and Confirm in one, for a request whose whole body is
// there.
//
// The strings of the result are parts of the request's headers or shared.
func (a *Access) Authenticate(r *http.Request, body []byte) (Principal, Scope, error) {
	c, err := a.Identify(r)
	if err == nil {
		if err = a.Confirm(&c, r, body); err != nil {
			c.Principal = Principal{}
		}
	}
	return c.Principal, c.Scope, err
}

// Identify checks all that the request's header can tell, before any of its body
// is read: key, time, scope and signed headers, and the signature itself if the
// header names the payload's hash or says that it is not signed. What is left is
// for Confirm. An *Error tells what is wrong. With ErrMissingToken the claim is an
// anonymous one, for callers that let resource policies decide.
//
// In open mode it fails for requests of other web sites, for hosts that are not
// this machine's, and for regions that cannot be; see the package comment.
func (a *Access) Identify(r *http.Request) (Claim, error) {
	var c Claim
	var err error
	if a.open {
		c.Principal, c.Scope, err = a.identify(r)
		return c, err
	}
	if !signed(r) {
		c.Principal.Anonymous = true
		return c, ErrMissingToken
	}
	c.sig, err = parseSignature(r)
	c.Scope = c.sig.scope
	if err != nil {
		return c, err
	}
	h, err := a.holder(&c.sig)
	if err != nil {
		return c, err
	}
	if err := c.sig.checkTime(a.now(), a.skew); err != nil {
		return c, err
	}
	if len(c.sig.sum) != 2*sha256.Size {
		return c, mismatch(ErrSignature.Message)
	}
	if err := checkSignedHeaders(r, c.sig.headers); err != nil {
		return c, err
	}
	c.holder, c.sent = h, sentHash(r, &c.sig)
	if c.sent == "" && r.ContentLength == 0 && len(r.TransferEncoding) == 0 {
		c.sent = emptyHash // no body is to come
	}
	switch {
	case c.sent == unsignedPayload:
		err = a.verify(r, &c, []byte(unsignedPayload))
	case strings.HasPrefix(c.sent, "STREAMING-"):
		err = incomplete("Signed streaming payloads (X-Amz-Content-Sha256: STREAMING-…) are not supported.")
	case c.sent != "":
		c.state = needsHash
		err = a.verify(r, &c, []byte(c.sent))
	default:
		c.state = needsBody
	}
	if err == nil && c.state != needsBody {
		c.Principal = h.principal
	}
	return c, err
}

// Confirm checks what Identify could not: that the payload is the one that was
// signed. Until then nothing that the body says may be acted on.
func (a *Access) Confirm(c *Claim, r *http.Request, body []byte) error {
	if c.state == settled {
		return nil
	}
	if len(body) == 0 {
		return a.confirm(c, r, []byte(emptyHash))
	}
	return a.ConfirmSum(c, r, sha256.Sum256(body))
}

// ConfirmSum is Confirm for a payload that is not kept, given its SHA-256.
func (a *Access) ConfirmSum(c *Claim, r *http.Request, sum [sha256.Size]byte) error {
	if c.state == settled {
		return nil
	}
	var text [2 * sha256.Size]byte
	hex.Encode(text[:], sum[:])
	return a.confirm(c, r, text[:])
}

func (a *Access) confirm(c *Claim, r *http.Request, hash []byte) error {
	if c.state == needsBody {
		if err := a.verify(r, c, hash); err != nil {
			return err
		}
	} else if subtle.ConstantTimeCompare([]byte(c.sent), hash) != 1 {
		return mismatch("The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	c.state, c.Principal = settled, c.holder.principal
	return nil
}

// holder finds who has the key of a signature, and the secret that goes with it.
func (a *Access) holder(s *signature) (holder, error) {
	if s.token != "" {
		return a.sessionOf(s)
	}
	h, ok := a.dir.Load().keys[s.key]
	if !ok {
		return holder{}, ErrInvalidToken
	}
	return *h, nil
}

// identify is Identify in open mode.
func (a *Access) identify(r *http.Request) (Principal, Scope, error) {
	if err := a.guard(r); err != nil {
		return Principal{}, Scope{}, err
	}
	s := signature{}
	var err error
	if h := r.Header["Authorization"]; len(h) > 0 {
		s, err = parseAuthorization(h[0])
		s.token = r.Header.Get("X-Amz-Security-Token")
	} else if v, n := queryValue(r.URL.RawQuery, "X-Amz-Credential"); n > 0 {
		err = s.setCredential(v)
		s.token, _ = queryValue(r.URL.RawQuery, "X-Amz-Security-Token")
	}
	scope := s.scope
	switch {
	case scope.Region == "":
		scope.Region = DefaultRegion
	case !IsRegion(scope.Region):
		return Principal{}, Scope{}, err // what is no region must not get into ARNs
	}
	if s.token != "" {
		// Anybody's token is taken, for any key; one of ours says whose it is.
		h, err := a.sessionOf(&s)
		if err == nil || errors.Is(err, ErrExpiredToken) {
			return h.principal, scope, err
		}
	}
	p := a.root
	if s.key != a.account && IsAccount(s.key) {
		p = Root(s.key)
	}
	if isKeyID(s.key) {
		p.Key = s.key
	}
	return p, scope, nil
}

// verify compares the signature with ours; payload is the last line of the
// canonical request.
func (a *Access) verify(r *http.Request, c *Claim, payload []byte) error {
	s := &c.sig
	key, cached := a.cache.get(c.holder.secret, s.scope)
	if !cached {
		key = signingKey(c.holder.secret, s.scope)
	}
	if !matches(r, s, &key, payload, false) && !(abnormal(r.URL.EscapedPath()) && matches(r, s, &key, payload, true)) {
		return ErrSignature
	}
	// Only after a match: strangers cannot fill the cache.
	if !cached {
		a.cache.put(c.holder.secret, s.scope, key)
	}
	return nil
}

// sentHash is the hash of the payload that a request names, "" if it does not.
func sentHash(r *http.Request, s *signature) string {
	if h := r.Header["X-Amz-Content-Sha256"]; len(h) > 0 {
		return h[0]
	}
	if s.presigned {
		v, _ := queryValue(r.URL.RawQuery, "X-Amz-Content-Sha256")
		return v
	}
	return ""
}

// matches computes the signature of r and compares in constant time.
func matches(r *http.Request, s *signature, key *[32]byte, payload []byte, normal bool) bool {
	buf := scratch.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= maxScratch {
			scratch.Put(buf)
		}
	}()
	b := appendCanonical((*buf)[:0], r, s, payload, normal)
	sum := sha256.Sum256(b)
	b = append(b[:0], algorithm...)
	b = append(b, '\n')
	b = append(b, s.whenText...)
	b = append(b, '\n')
	b = append(b, s.scopeText...)
	b = append(b, '\n')
	b = hex.AppendEncode(b, sum[:])
	*buf = b
	mac := hmacSum(key[:], b)
	var want [2 * sha256.Size]byte
	hex.Encode(want[:], mac[:])
	// len(s.sum) was checked, so the compare takes the same time for any value.
	var got [2 * sha256.Size]byte
	copy(got[:], s.sum)
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}
