package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// provider is an issuer on loopback.
type provider struct {
	*httptest.Server
	keys    atomic.Pointer[jose.JSONWebKeySet]
	issuer  atomic.Pointer[string] // that it says it is; nil: its URL
	broken  atomic.Bool
	fetches atomic.Int32 // of the key set
}

func newProvider(t *testing.T) *provider {
	p := &provider{}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		issuer := p.URL
		if i := p.issuer.Load(); i != nil {
			issuer = *i
		}
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, issuer, p.URL+"/keys")
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, r *http.Request) {
		p.fetches.Add(1)
		if p.broken.Load() {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		json.NewEncoder(w).Encode(p.keys.Load())
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) publish(keys ...jose.JSONWebKey) {
	set := &jose.JSONWebKeySet{}
	for _, k := range keys {
		set.Keys = append(set.Keys, k.Public())
	}
	p.keys.Store(set)
}

func newKey(t *testing.T, id string) jose.JSONWebKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: k, KeyID: id, Algorithm: string(jose.ES256), Use: "sig"}
}

func token(t *testing.T, k jose.JSONWebKey, claims map[string]any) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.Algorithm), Key: k}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(s).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// clock is set by tests.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(c.at.Load(), 0) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d / time.Second)) }

func newClock() *clock {
	c := &clock{}
	c.at.Store(1_800_000_000)
	return c
}

func open(t *testing.T, p *provider, c *clock) *Issuer {
	t.Helper()
	i, err := New(Config{URL: p.URL, Audiences: []string{"other", "sts.amazonaws.com"}, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestVerify(t *testing.T) {
	t.Parallel()
	p, c := newProvider(t), newClock()
	key, stranger := newKey(t, "one"), newKey(t, "one")
	p.publish(newKey(t, "zero"), key)
	good := func() map[string]any {
		return map[string]any{"iss": p.URL, "aud": []string{"x", "sts.amazonaws.com"}, "sub": "repo:orders",
			"exp": c.now().Add(time.Hour).Unix(), "iat": c.now().Unix(), "groups": []string{"a", "b"}, "n": 7}
	}
	with := func(name string, v any) map[string]any {
		m := good()
		if v == nil {
			delete(m, name)
		} else {
			m[name] = v
		}
		return m
	}
	i := open(t, p, c)
	got, err := i.Verify(t.Context(), token(t, key, good()))
	if err != nil || got.Subject != "repo:orders" || got.Audience != "sts.amazonaws.com" || len(got.Text["groups"]) != 2 || got.Text["n"] != nil {
		t.Fatalf("%+v, %v", got, err)
	}
	symmetric := jose.JSONWebKey{Key: []byte(strings.Repeat("k", 32)), KeyID: "one", Algorithm: string(jose.HS256)}
	valid := token(t, key, good())
	for name, tt := range map[string]struct {
		token string
		want  error
	}{
		"no token":             {"x", ErrInvalid},
		"not signed":           {"eyJhbGciOiJub25lIn0.e30.", ErrInvalid},
		"signed by a password": {token(t, symmetric, good()), ErrInvalid},
		"signed by a stranger": {token(t, stranger, good()), ErrInvalid},
		"changed":              {valid[:len(valid)-8] + "AAAAAAAA", ErrInvalid},
		"too long":             {strings.Repeat("a", MaxToken+1), ErrInvalid},
		"other issuer":         {token(t, key, with("iss", "https://evil.example")), ErrInvalid},
		"other audience":       {token(t, key, with("aud", "x")), ErrInvalid},
		"no audience":          {token(t, key, with("aud", nil)), ErrInvalid},
		"no subject":           {token(t, key, with("sub", nil)), ErrInvalid},
		"no end":               {token(t, key, with("exp", nil)), ErrInvalid},
		"over":                 {token(t, key, with("exp", c.now().Add(-2*time.Minute).Unix())), ErrExpired},
		"over, within leeway":  {token(t, key, with("exp", c.now().Add(-30*time.Second).Unix())), nil},
		"not yet":              {token(t, key, with("nbf", c.now().Add(2*time.Minute).Unix())), ErrInvalid},
		"from the future":      {token(t, key, with("iat", c.now().Add(2*time.Minute).Unix())), ErrInvalid},
	} {
		if _, err := i.Verify(t.Context(), tt.token); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if issuer, err := IssuerOf(valid); err != nil || issuer != p.URL {
		t.Errorf("issuer %s, %v", issuer, err)
	}
}

// TestKeysAreKept: one fetch does for an hour, strangers' tokens do not make more
// than two a minute, new keys are found, and an issuer that is away does no harm
// for a day.
func TestKeysAreKept(t *testing.T) {
	t.Parallel()
	p, c := newProvider(t), newClock()
	first, second := newKey(t, "first"), newKey(t, "second")
	p.publish(first)
	i := open(t, p, c)
	sign := func(k jose.JSONWebKey) string {
		return token(t, k, map[string]any{"iss": p.URL, "aud": "sts.amazonaws.com", "sub": "s", "exp": c.now().Add(48 * time.Hour).Unix()})
	}
	check := func(k jose.JSONWebKey, want error, fetches int32) {
		t.Helper()
		if _, err := i.Verify(t.Context(), sign(k)); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%v, want %v", err, want)
		}
		if n := p.fetches.Load(); n != fetches {
			t.Errorf("%d fetches, want %d", n, fetches)
		}
	}
	check(first, nil, 1)
	check(first, nil, 1)
	for range 10 {
		check(second, ErrInvalid, 1) // just asked
	}
	p.publish(first, second)
	c.advance(retryAfter)
	check(second, nil, 2)
	c.advance(keepFor + time.Second)
	check(first, nil, 3)
	p.broken.Store(true)
	c.advance(keepFor + time.Second)
	check(first, nil, 4) // does not answer: what is known is used on
	check(first, nil, 4)
	c.advance(staleFor)
	check(first, ErrUnreachable, 5)
	p.broken.Store(false)
	check(first, ErrUnreachable, 5) // just asked
	c.advance(retryAfter)
	check(first, nil, 6)
}

func TestIssuersThatAreNotBelieved(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "issuer.example", "ftp://issuer.example", "http://issuer.example", "https://u:p@issuer.example", "https://issuer.example?a=b", "https://*.example"} {
		if _, err := New(Config{URL: url}); err == nil {
			t.Errorf("%q was accepted", url)
		}
	}
	if _, err := New(Config{URL: "https://issuer.example", CAFile: "missing"}); err == nil {
		t.Error("a missing file of CAs was accepted")
	}
	if Name("https://issuer.example/a") != "issuer.example/a" {
		t.Error(Name("https://issuer.example/a"))
	}
	key := newKey(t, "one")
	for name, change := range map[string]func(*provider){
		"says it is another": func(p *provider) { other := "https://other.example"; p.issuer.Store(&other) },
		"no keys":            func(p *provider) { p.publish() },
		"too many keys": func(p *provider) {
			keys := make([]jose.JSONWebKey, maxIssued+1)
			for i := range keys {
				keys[i] = key
			}
			p.publish(keys...)
		},
		"too large": func(p *provider) {
			k := key
			k.KeyID = strings.Repeat("x", maxPage)
			p.publish(k)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, c := newProvider(t), newClock()
			p.publish(key)
			change(p)
			text := token(t, key, map[string]any{"iss": p.URL, "aud": "sts.amazonaws.com", "sub": "s", "exp": c.now().Add(time.Hour).Unix()})
			if _, err := open(t, p, c).Verify(t.Context(), text); !errors.Is(err, ErrUnreachable) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestRSA: the keys of most issuers, one without an id among them.
func TestRSA(t *testing.T) {
	t.Parallel()
	p, c := newProvider(t), newClock()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key := jose.JSONWebKey{Key: k, Algorithm: string(jose.RS256)}
	p.publish(newKey(t, "other"), key)
	text := token(t, key, map[string]any{"iss": p.URL, "aud": "other", "sub": "s", "exp": c.now().Add(time.Hour).Unix()})
	if got, err := open(t, p, c).Verify(t.Context(), text); err != nil || got.Audience != "other" {
		t.Errorf("%+v, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	i := open(t, p, c)
	i.keys.turn <- struct{}{} // somebody fetches
	if _, err := i.Verify(ctx, text); !errors.Is(err, ErrUnreachable) {
		t.Errorf("while another fetches, client gone: %v", err)
	}
}

func FuzzPeek(f *testing.F) {
	f.Add("eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.AAAA")
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Peek(text)
		if err != nil && !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
		if len(c.Text) > maxClaim {
			t.Fatal("too many claims")
		}
	})
}
