package page

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
)

func fixed(b byte) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) { return bytes.Repeat([]byte{b}, SecretSize), nil }
}

func TestTokens(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	one, two, other := NewTokens(fixed(1)), NewTokens(fixed(1)), NewTokens(fixed(2))
	for _, place := range []string{"", "orders", strings.Repeat("x", 1000), "größe\x00"} {
		token, err := one.After(ctx, place, "ListQueues", "1234", "or")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := two.Place(ctx, token, "ListQueues", "1234", "or"); err != nil || got != place {
			t.Errorf("another node reads %q, %v; want %q", got, err, place)
		}
		if place != "" && strings.Contains(token, place) {
			t.Errorf("%q shows in its token", place)
		}
		refused := func(what string, tokens *Tokens, token string, list ...string) {
			t.Helper()
			if got, err := tokens.Place(ctx, token, list...); !errors.Is(err, ErrToken) || got != "" {
				t.Errorf("%s: %q, %v", what, got, err)
			}
		}
		refused("another secret", other, token, "ListQueues", "1234", "or")
		refused("another list", one, token, "ListQueues", "1234", "o")
		refused("the same letters", one, token, "ListQueues1", "234", "or")
		refused("fewer", one, token, "ListQueues", "1234")
		refused("cut", one, token[:len(token)-1], "ListQueues", "1234", "or")
		for i := range token {
			with := byte('A')
			if token[i] == with {
				with = 'B'
			}
			refused("changed", one, token[:i]+string(with)+token[i+1:], "ListQueues", "1234", "or")
		}
	}
	for _, token := range []string{"", "x", "====", strings.Repeat("A", 100), strings.Repeat("A", maxToken+1)} {
		if _, err := one.Place(ctx, token); !errors.Is(err, ErrToken) {
			t.Errorf("%.20q: %v", token, err)
		}
	}
}

func TestSecretComesLate(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	unavailable := errors.New("unavailable")
	err := unavailable
	tokens := NewTokens(func(ctx context.Context) ([]byte, error) {
		if err != nil {
			return nil, err
		}
		return fixed(1)(ctx)
	})
	if _, got := tokens.After(ctx, "x"); !errors.Is(got, unavailable) {
		t.Error(got)
	}
	err = nil
	token, got := tokens.After(ctx, "x")
	if got != nil {
		t.Fatal(got)
	}
	err = unavailable // asked once only
	if place, err := tokens.Place(ctx, token); err != nil || place != "x" {
		t.Error(place, err)
	}
}
