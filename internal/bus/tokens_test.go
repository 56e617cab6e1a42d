package bus_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/registry"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	f.push()
	tokenURL, asked := authorizer(t, nil, `"3600"`)
	var revoked atomic.Value
	revoked.Store("")
	url, got := receiver(t, func(_ int, c call) int {
		if c.header.Get("Authorization") == "Bearer "+revoked.Load().(string) {
			return 401
		}
		return 200
	})
	c := f.connection(oauth(tokenURL, registry.Parameter{Place: registry.InBody, Key: "scope", Value: "a b"},
		registry.Parameter{Place: registry.InHeader, Key: "x-a", Value: "b"}, registry.Parameter{Place: registry.InQuery, Key: "q", Value: "1"}))
	if c.State != registry.Authorizing {
		t.Errorf("%+v", c)
	}
	if c = f.state("c", registry.Authorized); c.LastAuthorized == 0 {
		t.Errorf("%+v", c)
	}
	r := next(t, asked)
	if r.method != "POST" || r.url != "/token?q=1" || r.body != "grant_type=client_credentials&scope=a+b" || r.header.Get("X-A") != "b" ||
		r.header.Get("Authorization") != "Basic aWQ6aHVzaA==" || r.header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		t.Errorf("%+v", r)
	}
	b := f.bus("shop")
	f.rule(b, "r", `{"source":["a"]}`, registry.Target{ARN: f.destination(c, "d", url, nil).ARN()})
	for range 20 {
		f.put(b, event("a", `{}`))
	}
	for range 20 {
		if r := next(t, got); r.header.Get("Authorization") != "Bearer t1" {
			t.Errorf("%+v", r)
		}
	}
	if len(asked) != 0 {
		t.Errorf("asked for %d tokens more", len(asked))
	}
	// One that is about to end is replaced before.
	f.ahead.Store(int64(time.Hour - time.Second))
	for range 5 {
		f.put(b, event("a", `{}`))
	}
	for range 5 {
		if r := next(t, got); r.header.Get("Authorization") != "Bearer t2" {
			t.Errorf("%+v", r)
		}
	}
	// One that is not taken is replaced, and the event is tried again.
	f.ahead.Add(int64(time.Minute))
	revoked.Store("t2")
	f.put(b, event("a", `{}`))
	if r := next(t, got); r.header.Get("Authorization") != "Bearer t2" {
		t.Errorf("%+v", r)
	}
	if r := next(t, got); r.header.Get("Authorization") != "Bearer t3" {
		t.Errorf("%+v", r)
	}
	if len(asked) != 2 {
		t.Errorf("asked for %d tokens more", len(asked))
	}
	f.state("c", registry.Authorized)
}

// A server that does not give tokens: for good, or for a while.
func TestNoToken(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status int
		reason string
	}{
		"refused": {401, "the authorization endpoint answered 401: invalid_client"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, 1, false)
			f.push()
			var healed atomic.Bool
			tokenURL, _ := authorizer(t, func(int) int {
				if healed.Load() {
					return 200
				}
				return tt.status
			}, "60")
			url, got := receiver(t, nil)
			f.connection(oauth(tokenURL))
			c := f.state("c", registry.Deauthorized)
			if c.StateReason != tt.reason {
				t.Errorf("%q", c.StateReason)
			}
			b := f.bus("shop")
			d := f.destination(c, "d", url, nil)
			if f.Active(d) {
				t.Error("the destination is active")
			}
			f.rule(b, "r", `{"source":["a"]}`, registry.Target{ARN: d.ARN()})
			f.put(b, event("a", `{}`))
			healed.Store(true)
			_, err := f.UpdateConnection(t.Context(), account, region, "c", func(c *registry.Connection) (bool, error) {
				c.Secret = "right"
				return true, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if r := next(t, got); !strings.HasPrefix(r.header.Get("Authorization"), "Bearer t") {
				t.Errorf("%+v", r)
			}
			f.state("c", registry.Authorized)
		})
	}
}
