package oidc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// The errors of this package; what is returned wraps one of them.
var (
	// ErrInvalid: this is no token of the issuer, or not for us.
	ErrInvalid = errors.New("oidc: the token is invalid")
	// ErrExpired: it was one.
	ErrExpired = errors.New("oidc: the token has expired")
	// ErrUnreachable: the issuer's keys could not be fetched.
	ErrUnreachable = errors.New("oidc: the issuer does not answer")
)

const (
	// MaxToken bounds a token, in bytes, as AWS does.
	MaxToken = 20_000
	// leeway is how far the issuer's clock may be from ours.
	leeway = time.Minute
)

// algorithms are those of public keys; a token that is signed by a shared secret, or
// not at all, proves nothing.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// Config of an Issuer.
type Config struct {
	URL       string   // as tokens name it: https, or http on loopback
	Audiences []string // a token must be for one of them
	CAFile    string   // PEM; "": the system's
	Now       func() time.Time
}

// Issuer checks the tokens of one issuer. Safe for concurrent use.
type Issuer struct {
	url       string
	audiences []string
	now       func() time.Time
	keys      keySet
}

// Claims are what a token says.
type Claims struct {
	Subject  string
	Audience string // the one of ours that it is for
	// Text has the claims that are text or lists of text, by name.
	Text map[string][]string
}

// Name is an issuer's URL without its scheme: how policies name it.
func Name(issuer string) string {
	_, rest, ok := strings.Cut(issuer, "://")
	if !ok {
		return issuer
	}
	return rest
}

// New makes an Issuer. It asks nothing of it yet.
func New(c Config) (*Issuer, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.ContainsAny(c.URL, "*?$ ") {
		return nil, fmt.Errorf("issuer %q is not a URL such as https://issuer.example", c.URL)
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return nil, fmt.Errorf("issuer %s: has to be https, so that nobody on the way can exchange its keys", c.URL)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true // fetches are an hour apart
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("issuer %s: ca: %w", c.URL, err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("issuer %s: ca: %s holds no certificate in PEM form", c.URL, c.CAFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Issuer{
		url: c.URL, audiences: c.Audiences, now: c.Now,
		keys: keySet{issuer: c.URL, now: c.Now, turn: make(chan struct{}, 1), client: &http.Client{
			Transport: transport, Timeout: fetchTimeout,
			CheckRedirect: func(r *http.Request, via []*http.Request) error {
				if len(via) > 3 || r.URL.Scheme != u.Scheme {
					return errors.New("redirected too often, or to another scheme")
				}
				return nil
			},
		}},
	}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// IssuerOf reads the issuer that a token names, without believing it.
func IssuerOf(token string) (string, error) {
	parsed, err := parse(token)
	if err != nil {
		return "", err
	}
	var c jwt.Claims
	if err := parsed.UnsafeClaimsWithoutVerification(&c); err != nil {
		return "", fmt.Errorf("%w: its claims cannot be read", ErrInvalid)
	}
	return c.Issuer, nil
}

// Peek reads what a token says, without believing it.
func Peek(token string) (Claims, error) {
	parsed, err := parse(token)
	if err != nil {
		return Claims{}, err
	}
	var c jwt.Claims
	var all map[string]any
	if err := parsed.UnsafeClaimsWithoutVerification(&c, &all); err != nil {
		return Claims{}, fmt.Errorf("%w: its claims cannot be read", ErrInvalid)
	}
	out := Claims{Subject: c.Subject, Text: texts(all)}
	if len(c.Audience) > 0 {
		out.Audience = c.Audience[0]
	}
	return out, nil
}

func parse(token string) (*jwt.JSONWebToken, error) {
	if len(token) > MaxToken {
		return nil, fmt.Errorf("%w: it is longer than %d characters", ErrInvalid, MaxToken)
	}
	parsed, err := jwt.ParseSigned(token, algorithms)
	if err != nil || len(parsed.Headers) != 1 {
		return nil, fmt.Errorf("%w: it is no JSON Web Token with a signature by a public key", ErrInvalid)
	}
	return parsed, nil
}

// Verify checks a token and gives what it says.
func (i *Issuer) Verify(ctx context.Context, token string) (Claims, error) {
	parsed, err := parse(token)
	if err != nil {
		return Claims{}, err
	}
	keys, err := i.keys.find(ctx, parsed.Headers[0].KeyID)
	if err != nil {
		return Claims{}, err
	}
	var c jwt.Claims
	var all map[string]any
	signed := slices.ContainsFunc(keys, func(k jose.JSONWebKey) bool {
		c, all = jwt.Claims{}, nil
		return parsed.Claims(k.Key, &c, &all) == nil
	})
	if !signed {
		return Claims{}, fmt.Errorf("%w: it was not signed by a key of the issuer", ErrInvalid)
	}
	return i.check(&c, all)
}

// check looks at the claims of a token whose signature is right.
func (i *Issuer) check(c *jwt.Claims, all map[string]any) (Claims, error) {
	now := i.now()
	out := Claims{Subject: c.Subject, Text: texts(all)}
	for _, a := range i.audiences {
		if c.Audience.Contains(a) {
			out.Audience = a
			break
		}
	}
	switch {
	case c.Issuer != i.url:
		return Claims{}, fmt.Errorf("%w: it is of another issuer", ErrInvalid)
	case out.Audience == "":
		return Claims{}, fmt.Errorf("%w: it is for another audience", ErrInvalid)
	case c.Subject == "" || len(c.Subject) > 255:
		return Claims{}, fmt.Errorf("%w: its subject is missing or too long", ErrInvalid)
	case c.Expiry == nil:
		return Claims{}, fmt.Errorf("%w: it does not expire", ErrInvalid)
	case now.After(c.Expiry.Time().Add(leeway)):
		return Claims{}, ErrExpired
	case c.NotBefore != nil && now.Add(leeway).Before(c.NotBefore.Time()),
		c.IssuedAt != nil && now.Add(leeway).Before(c.IssuedAt.Time()):
		return Claims{}, fmt.Errorf("%w: it is from the future", ErrInvalid)
	}
	return out, nil
}

// maxClaim bounds the claims that policies can ask for, and the values of one.
const maxClaim = 100

func texts(all map[string]any) map[string][]string {
	out := make(map[string][]string, min(len(all), maxClaim))
	for name, v := range all {
		if len(out) == maxClaim {
			break
		}
		switch v := v.(type) {
		case string:
			out[name] = []string{v}
		case []any:
			for _, e := range v {
				if s, ok := e.(string); ok && len(out[name]) < maxClaim {
					out[name] = append(out[name], s)
				}
			}
		}
	}
	return out
}
