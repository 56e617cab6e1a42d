package bus

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pushing "github.com/waystation/waystation/internal/delivery"
	"github.com/waystation/waystation/internal/egress"
	"github.com/waystation/waystation/internal/registry"
)

// asked is a Pusher that answers by a function, which is told how often it was asked
// before.
type asked struct {
	n      atomic.Int32
	answer func(ctx context.Context, n int, r egress.Request) (*egress.Answer, error)
}

func (a *asked) Do(ctx context.Context, r egress.Request) (*egress.Answer, error) {
	return a.answer(ctx, int(a.n.Add(1))-1, r)
}

func gives(status int, body string) func(context.Context, int, egress.Request) (*egress.Answer, error) {
	return func(context.Context, int, egress.Request) (*egress.Answer, error) {
		return &egress.Answer{Status: status, Body: []byte(body)}, nil
	}
}

func tokenService(a *asked) *Service {
	return &Service{cfg: Config{Now: time.Now}, pusher: a, tokens: tokens{byID: make(map[uint64]*token)}}
}

func authorizedConnection() *registry.Connection {
	return &registry.Connection{
		Meta: registry.Meta{ID: 7}, Type: OAuth, State: registry.Authorized, Client: "id", Secret: "hush", Version: 1,
		OAuth: &registry.OAuth{Endpoint: "https://auth/token", Method: "POST"},
	}
}

// All who need a token at a time wait for one request, and go on when whoever made it
// has gone away.
func TestOneRequestForAToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &asked{}
		a.answer = func(ctx context.Context, n int, r egress.Request) (*egress.Answer, error) {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return nil, &egress.Error{Kind: egress.CalledOff, Err: ctx.Err()}
			}
			return gives(200, `{"access_token":"good","expires_in":100}`)(ctx, n, r)
		}
		s, c := tokenService(a), authorizedConnection()
		leaving, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := s.token(leaving, c); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		synctest.Wait()
		for range 20 {
			all.Go(func() {
				if v, err := s.token(t.Context(), c); v != "good" || err != nil {
					t.Error(v, err)
				}
			})
		}
		synctest.Wait()
		leave()
		all.Wait()
		if n := a.n.Load(); n != 2 {
			t.Errorf("%d requests", n)
		}
		// A token of 100 s is replaced after 50; one that was refused at once not before a pause.
		time.Sleep(49 * time.Second)
		_, _ = s.token(t.Context(), c)
		if n := a.n.Load(); n != 2 {
			t.Errorf("%d requests", n)
		}
		time.Sleep(2 * time.Second)
		_, _ = s.token(t.Context(), c)
		if n := a.n.Load(); n != 3 {
			t.Errorf("%d requests", n)
		}
		s.tokens.refuse(c.ID, "another", time.Now())
		s.tokens.refuse(c.ID, "good", time.Now())
		if _, err := s.token(t.Context(), c); err == nil || a.n.Load() != 3 {
			t.Errorf("%v, %d requests", err, a.n.Load())
		}
		time.Sleep(tokenPause)
		if v, err := s.token(t.Context(), c); v != "good" || err != nil || a.n.Load() != 4 {
			t.Errorf("%v, %d requests", err, a.n.Load())
		}
		// What was changed needs another.
		changed := c.Clone()
		changed.Version++
		_, _ = s.token(t.Context(), changed)
		if n := a.n.Load(); n != 5 {
			t.Errorf("%d requests", n)
		}
		if _, err := s.token(t.Context(), c); err == nil {
			t.Error("a node that lags has a token of what was before")
		}
		s.tokens.forget(c.ID)
		if len(s.tokens.byID) != 0 {
			t.Error("it is not forgotten")
		}
	})
}

// Whatever an authorization endpoint answers, nothing of it is used that cannot be, and
// what passes is asked for again.
func TestAnswersWithoutToken(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer func(context.Context, int, egress.Request) (*egress.Answer, error)
		want   string
	}{
		"busy":                 {gives(503, "secret"), "the authorization endpoint answered 503"},
		"too many":             {gives(429, `{"error":"slow_down"}`), "the authorization endpoint answered 429: slow_down"},
		"a long error":         {gives(500, `{"error":"`+strings.Repeat("x", 101)+`"}`), "the authorization endpoint answered 500"},
		"no JSON":              {gives(200, "<html>"), "the authorization endpoint answered without an access_token in JSON"},
		"no token":             {gives(200, `{"token":"x"}`), "the authorization endpoint answered without an access_token in JSON"},
		"a token too long":     {gives(200, `{"access_token":"`+strings.Repeat("x", maxToken+1)+`"}`), "the authorization endpoint gave a token that no header can carry"},
		"a token of two lines": {gives(200, `{"access_token":"a\r\nb: c"}`), "the authorization endpoint gave a token that no header can carry"},
		"not reached": {func(context.Context, int, egress.Request) (*egress.Answer, error) {
			return nil, &egress.Error{Kind: egress.NotReached, Err: errors.New("nobody is there")}
		}, "the authorization endpoint cannot be asked: connect: nobody is there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := &asked{answer: tt.answer}
				s, c := tokenService(a), authorizedConnection()
				for range 3 { // in the pause nobody is asked
					_, err := s.token(t.Context(), c)
					failed := (*tokenError)(nil)
					if !errors.As(err, &failed) || failed.final || failed.reason != tt.want {
						t.Errorf("%+v, want %s", err, tt.want)
					}
				}
				if n := a.n.Load(); n != 1 {
					t.Errorf("%d requests", n)
				}
				time.Sleep(tokenPause)
				a.answer = gives(200, `{"access_token":"good"}`)
				if v, err := s.token(t.Context(), c); v != "good" || err != nil {
					t.Error(v, err)
				}
			})
		})
	}
}

func TestTokenRequests(t *testing.T) {
	t.Parallel()
	c := authorizedConnection()
	c.Client, c.Secret = "a b", "c:d"
	for name, tt := range map[string]struct {
		method, url, body, authorization, contentType string
		parameters                                    []registry.Parameter
	}{
		"as it is": {"POST", "https://auth/token", "grant_type=client_credentials", "Basic YStiOmMlM0Fk", "application/x-www-form-urlencoded", nil},
		"asking": {"GET", "https://auth/token?grant_type=client_credentials&q=1&scope=s", "", "Basic YStiOmMlM0Fk", "",
			[]registry.Parameter{{Place: registry.InQuery, Key: "q", Value: "1"}, {Place: registry.InBody, Key: "scope", Value: "s"}}},
		"in the body": {"PUT", "https://auth/token", "client_id=x&client_secret=y&grant_type=other", "", "application/x-www-form-urlencoded", []registry.Parameter{
			{Place: registry.InBody, Key: "client_id", Value: "x"}, {Place: registry.InBody, Key: "client_secret", Value: "y"}, {Place: registry.InBody, Key: "grant_type", Value: "other"},
		}},
		"in JSON": {"POST", "https://auth/token", `{"audience":"\u003ca\u003e","grant_type":"client_credentials"}`, "Basic YStiOmMlM0Fk", "application/json", []registry.Parameter{
			{Place: registry.InHeader, Key: "content-type", Value: "application/json"}, {Place: registry.InBody, Key: "audience", Value: "<a>"},
		}},
	} {
		c.OAuth = &registry.OAuth{Endpoint: "https://auth/token", Method: tt.method, Parameters: tt.parameters}
		r, err := tokenRequest(c)
		if err != nil || r.Method != tt.method || r.URL != tt.url || string(r.Body) != tt.body || first(r.Header["Authorization"]) != tt.authorization ||
			first(r.Header["Content-Type"]) != tt.contentType || !r.Whole || r.Timeout != pushTime {
			t.Errorf("%s: %+v, %s, %v", name, r, r.Body, err)
		}
	}
	for in, want := range map[string]time.Duration{
		"60": time.Minute, `"60"`: time.Minute, "1.5": 1500 * time.Millisecond, "": tokenLasts, "null": tokenLasts, "-1": tokenLasts, "1e300": 30 * 24 * time.Hour, "NaN": tokenLasts,
	} {
		if d := lastsFor(json.RawMessage(in)); d != want {
			t.Errorf("%q lasts %v, want %v", in, d, want)
		}
	}
	c.OAuth = nil
	if _, err := tokenRequest(c); err == nil {
		t.Error("there is nobody to be asked")
	}
}

func TestPushReferences(t *testing.T) {
	t.Parallel()
	ref := pushReference{rule: 1<<63 + 5, at: time.UnixMilli(1_700_000_000_123), target: strings.Repeat("x", 64)}
	text := ref.encode()
	if got, err := readPushReference(text); err != nil || got != ref || len(text) > 256 {
		t.Errorf("%+v of %q, %v", got, text, err)
	}
	for _, bad := range []string{"", "h", text[:1+pushHead], "s" + text[1:], "h" + strings.Repeat("!", 30), reference(false, strings.Repeat("t", tagSize), "")} {
		if got, err := readPushReference(bad); err == nil {
			t.Errorf("%q is %+v", bad, got)
		}
	}
}

// The delays double up to 512 s; those of the default take a day.
func TestRetriesOfTargets(t *testing.T) {
	t.Parallel()
	s := retries(nil)
	if s.Retries() != 185 || s.MaxAge != 24*time.Hour || s.Total() < 24*time.Hour {
		t.Errorf("%+v, %v", s, s.Total())
	}
	for n, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 9: 256 * time.Second, 10: 512 * time.Second, 11: 512 * time.Second, 185: 512 * time.Second} {
		if d := s.Delay(n); (d - want).Abs() > time.Millisecond {
			t.Errorf("delay %d is %v, want %v", n, d, want)
		}
	}
	for most := range 12 {
		age := 60
		s := retries(&registry.Target{MaxRetries: &most, MaxAge: &age})
		if s.Retries() != most || s.MaxAge != time.Minute {
			t.Errorf("%d: %+v", most, s)
		}
		for n := 1; n <= most; n++ {
			if want := time.Second << min(n-1, doublings); (s.Delay(n) - want).Abs() > time.Millisecond {
				t.Errorf("of %d delay %d is %v, want %v", most, n, s.Delay(n), want)
			}
		}
	}
}

func TestAttributesOfPushes(t *testing.T) {
	t.Parallel()
	three := 3
	rule, _, err := newRule(&registry.Rule{Meta: registry.Meta{ID: 1, Account: "1", Region: "r", Name: "default/x"}, Targets: []registry.Target{{ID: "t", ARN: "arn", MaxRetries: &three}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		f                         pushing.Failure
		code, exhausted, attempts string
	}{
		"used up":       {pushing.Failure{Class: pushing.Refused, Status: 500, Attempts: 4}, "ERROR_FROM_TARGET", "MaximumRetryAttempts", "3"},
		"held up":       {pushing.Failure{Class: pushing.Refused, Status: 500, Attempts: 9}, "ERROR_FROM_TARGET", "MaximumRetryAttempts", "3"},
		"too old":       {pushing.Failure{Class: pushing.Refused, Status: 429, Attempts: 2}, "THROTTLING", "MaximumEventAgeInSeconds", "1"},
		"for good":      {pushing.Failure{Class: pushing.Refused, Status: 400, Attempts: 1}, "ERROR_FROM_TARGET", "", "0"},
		"not allowed":   {pushing.Failure{Class: pushing.Refused, Status: 401, Attempts: 4}, "NO_PERMISSIONS", "MaximumRetryAttempts", "3"},
		"never tried":   {pushing.Failure{Class: pushing.Expired}, "TIMEOUT", "MaximumEventAgeInSeconds", "0"},
		"no answer":     {pushing.Failure{Class: pushing.Class(egress.TimedOut), Attempts: 4}, "TIMEOUT", "MaximumRetryAttempts", "3"},
		"not reached":   {pushing.Failure{Class: pushing.Class(egress.NotReached), Attempts: 4}, "CONNECTION_FAILURE", "MaximumRetryAttempts", "3"},
		"no token":      {pushing.Failure{Class: pushing.Unprepared, Attempts: 4, Text: "x"}, "NO_PERMISSIONS", "MaximumRetryAttempts", "3"},
		"no request":    {pushing.Failure{Class: pushing.Damaged, Text: "x"}, "INVALID_PARAMETER", "", "0"},
		"a bad request": {pushing.Failure{Class: pushing.Class(egress.BadRequest), Attempts: 1}, "INVALID_PARAMETER", "", "0"},
		"deleted":       {pushing.Failure{Class: pushing.Deleted, Attempts: 2}, "NO_RESOURCE", "", "1"},
		"disabled":      {pushing.Failure{Class: pushing.Disabled, Attempts: 2}, "CONNECTION_FAILURE", "", "1"},
	} {
		has := map[string]string{}
		for _, a := range pushAttributes(rule.targets[0], &tt.f) {
			if has[a.Name] = a.Value; a.Type != "String" || a.Value == "" {
				t.Errorf("%s: %+v", name, a)
			}
		}
		if has["ERROR_CODE"] != tt.code || has["EXHAUSTED_RETRY_CONDITION"] != tt.exhausted || has["RETRY_ATTEMPTS"] != tt.attempts || has["ERROR_MESSAGE"] == "" ||
			has["TARGET_ARN"] != "arn" || !strings.HasSuffix(has["RULE_ARN"], "rule/x") {
			t.Errorf("%s: %v", name, has)
		}
	}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
