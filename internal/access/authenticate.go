package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
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

// Authenticate finds out who sent r; body is its whole body. In open mode it never
// fails but for requests from other web sites. In keyed mode it checks the
// signature; an *Error tells what is wrong. With ErrMissingToken it also returns
// an anonymous Principal, for callers that let resource policies decide.
//
// The strings of the result are parts of the request's headers or shared.
func (a *Access) Authenticate(r *http.Request, body []byte) (Principal, Scope, error) {
	if a.open {
		return a.identify(r)
	}
	if !signed(r) {
		return Principal{Anonymous: true}, Scope{}, ErrMissingToken
	}
	s, err := parseSignature(r)
	if err != nil {
		return Principal{}, s.scope, err
	}
	h, ok := a.keys[s.key]
	if !ok || s.token != "" {
		return Principal{}, s.scope, ErrInvalidToken
	}
	if err := s.checkTime(a.now(), a.skew); err != nil {
		return Principal{}, s.scope, err
	}
	if err := a.verify(r, &s, h.secret, body); err != nil {
		return Principal{}, s.scope, err
	}
	return h.principal, s.scope, nil
}

// identify is Authenticate in open mode.
func (a *Access) identify(r *http.Request) (Principal, Scope, error) {
	if crossSite(r) {
		return Principal{}, Scope{}, &Error{Code: ErrAccessDenied.Code, Status: ErrAccessDenied.Status,
			Message: "Requests from other web sites are refused while no keys are configured."}
	}
	s := signature{}
	if h := r.Header["Authorization"]; len(h) > 0 {
		s, _ = parseAuthorization(h[0])
	} else if v, n := queryValue(r.URL.RawQuery, "X-Amz-Credential"); n > 0 {
		_ = s.setCredential(v)
	}
	scope := s.scope
	if scope.Region == "" {
		scope.Region = DefaultRegion
	}
	account := a.account
	if isAccount(s.key) {
		account = s.key
	}
	p := a.root
	if account != a.account {
		p = Root(account)
	}
	p.Key = s.key
	return p, scope, nil
}

// crossSite tells whether a browser sent r on behalf of another site's page.
func crossSite(r *http.Request) bool {
	h := r.Header["Sec-Fetch-Site"]
	return len(h) > 0 && h[0] == "cross-site"
}

// verify compares the signature with ours.
func (a *Access) verify(r *http.Request, s *signature, secret string, body []byte) error {
	if len(s.sum) != 2*sha256.Size {
		return mismatch(ErrSignature.Message)
	}
	var hash [2 * sha256.Size]byte
	payload, err := payloadHash(hash[:], r, s, body)
	if err != nil {
		return err
	}
	key, cached := a.cache.get(s.key, s.scope)
	if !cached {
		key = signingKey(secret, s.scope)
	}
	ok, err := matches(r, s, &key, payload, false)
	if err == nil && !ok && abnormal(r.URL.EscapedPath()) {
		ok, err = matches(r, s, &key, payload, true)
	}
	switch {
	case err != nil:
		return err
	case !ok:
		return ErrSignature
	}
	// Only after a match: strangers cannot fill the cache.
	if !cached {
		a.cache.put(s.key, s.scope, key)
	}
	return nil
}

// payloadHash gives the last line of the canonical request, using into for it.
func payloadHash(into []byte, r *http.Request, s *signature, body []byte) ([]byte, error) {
	var sent string
	if h := r.Header["X-Amz-Content-Sha256"]; len(h) > 0 {
		sent = h[0]
	} else if s.presigned {
		sent, _ = queryValue(r.URL.RawQuery, "X-Amz-Content-Sha256")
	}
	switch {
	case sent == unsignedPayload:
		return append(into[:0], unsignedPayload...), nil
	case strings.HasPrefix(sent, "STREAMING-"):
		return nil, incomplete("Signed streaming payloads (X-Amz-Content-Sha256: STREAMING-…) are not supported.")
	}
	if len(body) == 0 {
		into = append(into[:0], emptyHash...)
	} else {
		sum := sha256.Sum256(body)
		hex.Encode(into, sum[:])
	}
	if sent != "" && subtle.ConstantTimeCompare([]byte(sent), into) != 1 {
		return nil, mismatch("The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	return into, nil
}

// matches computes the signature of r and compares in constant time.
func matches(r *http.Request, s *signature, key *[32]byte, payload []byte, normal bool) (bool, error) {
	buf := scratch.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= maxScratch {
			scratch.Put(buf)
		}
	}()
	b, err := appendCanonical((*buf)[:0], r, s, payload, normal)
	if err != nil {
		return false, err
	}
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
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1, nil
}
