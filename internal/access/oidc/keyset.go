package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	fetchTimeout = 5 * time.Second
	maxPage      = 512 << 10 // bytes of a page of the issuer
	maxIssued    = 100       // keys of an issuer
	keepFor      = time.Hour
	staleFor     = 24 * time.Hour   // how old keys may get while the issuer is away
	retryAfter   = 30 * time.Second // the least time between two fetches
)

// keySet is what is known of an issuer's keys.
type keySet struct {
	issuer string
	client *http.Client
	now    func() time.Time

	turn    chan struct{} // holds one while somebody looks or fetches; guards below
	keys    []jose.JSONWebKey
	fetched time.Time // when keys were
	tried   time.Time // last fetch, also one that failed
	failure error     // of the last fetch
}

// find gives the keys that a token with that key id can be signed by; all if it
// names none.
func (s *keySet) find(ctx context.Context, id string) ([]jose.JSONWebKey, error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, ctx.Err())
	}
	defer func() { <-s.turn }()
	now := s.now()
	found := s.named(id)
	if (len(found) == 0 || now.Sub(s.fetched) > keepFor) && now.Sub(s.tried) >= retryAfter {
		s.tried = now
		var keys []jose.JSONWebKey
		if keys, s.failure = s.fetch(ctx); s.failure == nil {
			s.keys, s.fetched = keys, now
		}
		found = s.named(id)
	}
	switch {
	case now.Sub(s.fetched) > staleFor && s.failure != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, s.failure)
	case len(found) == 0:
		return nil, fmt.Errorf("%w: the issuer has no key of its id", ErrInvalid)
	}
	return found, nil
}

func (s *keySet) named(id string) []jose.JSONWebKey {
	if id == "" {
		return s.keys
	}
	var found []jose.JSONWebKey
	for _, k := range s.keys {
		if k.KeyID == id {
			found = append(found, k)
		}
	}
	return found
}

// fetch asks the issuer where its keys are, and then for them.
func (s *keySet) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	// The fetch is for all who wait, so it outlives the request that began it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	var about struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := s.get(ctx, strings.TrimSuffix(s.issuer, "/")+"/.well-known/openid-configuration", &about); err != nil {
		return nil, err
	}
	if about.Issuer != s.issuer {
		return nil, errors.New("its configuration names another issuer")
	}
	own, _ := url.Parse(s.issuer) // New has
	at, err := url.Parse(about.Keys)
	if err != nil || at.Scheme != own.Scheme || at.Host == "" {
		return nil, errors.New("its configuration names no place of its keys that can be trusted")
	}
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := s.get(ctx, about.Keys, &raw); err != nil {
		return nil, err
	}
	if len(raw.Keys) > maxIssued {
		return nil, fmt.Errorf("it has more than %d keys", maxIssued)
	}
	var keys []jose.JSONWebKey
	for _, text := range raw.Keys {
		var k jose.JSONWebKey
		// Kinds of keys that are not known here sign no token that we take.
		if k.UnmarshalJSON(text) == nil && k.Valid() && k.IsPublic() && k.Use != "enc" {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("it has no key that can be used")
	}
	return keys, nil
}

func (s *keySet) get(ctx context.Context, address string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", address, resp.Status)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxPage+1))
	switch {
	case err != nil:
		return err
	case len(data) > maxPage:
		return fmt.Errorf("%s is larger than %d bytes", address, maxPage)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s is no JSON", address)
	}
	return nil
}
