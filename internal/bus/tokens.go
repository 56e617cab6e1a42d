package bus

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/egress"
	"github.com/waystation/waystation/internal/registry"
)

const (
	// tokenAhead is how long before its end a token is replaced; of tokens that last
	// less than twice as long, after half of their time.
	tokenAhead = time.Minute
	// tokenLasts is how long a token counts as good that does not say.
	tokenLasts = time.Hour
	// tokenPause is how long a failure counts, before a token is asked for again.
	tokenPause = 5 * time.Second
	// maxToken bounds a token, in bytes.
	maxToken = 8 << 10
)

// tokens are those that this node got for connections: one each, at most as many as
// there are connections. One request for a connection is under way at a time, and all
// who need its token wait for that.
type tokens struct {
	mu   sync.Mutex
	byID map[uint64]*token // by the connection's ID; guarded by mu
}

// token of a connection. Its fields are guarded by tokens.mu.
type token struct {
	version  uint64 // of the connection
	value    string // "": there is none
	got      time.Time
	until    time.Time     // it is good, less what it is replaced ahead
	fetching chan struct{} // closed when the request that is under way has ended; nil: none
	failed   *tokenError   // the last request, if it did
	failedAt time.Time
}

// tokenError is why there is no token.
type tokenError struct {
	reason string
	// final: asking again is of no use until the connection is changed.
	final bool
}

func (e *tokenError) Error() string { return e.reason }

// token gives the token of a connection, which it asks for if this node has none that is
// good for a while. The error is a *tokenError, or ctx's.
func (s *Service) token(ctx context.Context, c *registry.Connection) (string, error) {
	for {
		k, value, wait, err := s.tokens.begin(c, s.cfg.Now())
		switch {
		case err != nil:
			return "", err
		case value != "":
			if c.State == registry.Authorizing {
				s.authorized(ctx, c)
			}
			return value, nil
		case wait == nil:
			return s.fetch(ctx, c, k)
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// begin gives the token; or what to wait for; or neither: then the caller asks for it,
// and calls end.
func (t *tokens) begin(c *registry.Connection, now time.Time) (k *token, value string, wait <-chan struct{}, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k = t.byID[c.ID]
	if k == nil || k.version < c.Version {
		k = &token{version: c.Version}
		t.byID[c.ID] = k
	}
	switch {
	case k.version > c.Version:
		return k, "", nil, &tokenError{reason: "the connection is being changed"}
	case k.value != "" && now.Before(k.until):
		return k, k.value, nil, nil
	case k.fetching != nil:
		return k, "", k.fetching, nil
	case k.failed != nil && now.Sub(k.failedAt) < tokenPause:
		return k, "", nil, k.failed
	}
	k.fetching = make(chan struct{})
	return k, "", nil, nil
}

// end notes what a request came to; err nil and value "": to nothing.
func (t *tokens) end(k *token, value string, lasts time.Duration, err *tokenError, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(k.fetching)
	k.fetching = nil
	k.value, k.got, k.until = value, now, now.Add(lasts-min(tokenAhead, lasts/2))
	k.failed, k.failedAt = err, now
}

// refuse drops a token that an API destination did not take. One that was just given is
// not replaced before tokenPause.
func (t *tokens) refuse(id uint64, value string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.byID[id]
	if k == nil || k.value != value {
		return
	}
	k.value = ""
	if now.Sub(k.got) < tokenPause {
		k.failed, k.failedAt = &tokenError{reason: "the API destination does not take the token that was just given"}, now
	}
}

func (t *tokens) forget(id uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byID, id)
}

// fetch asks for a token and notes what came of it, of the connection too.
func (s *Service) fetch(ctx context.Context, c *registry.Connection, k *token) (string, error) {
	value, lasts, err := s.request(ctx, c)
	if ctx.Err() != nil {
		err = nil // nothing was learned: whoever waits asks anew
	}
	s.tokens.end(k, value, lasts, err, s.cfg.Now())
	switch {
	case err != nil && err.final:
		s.refused(ctx, c, err.reason)
		return "", err
	case err != nil:
		return "", err
	case value == "":
		return "", ctx.Err()
	}
	if c.State == registry.Authorizing {
		s.authorized(ctx, c)
	}
	return value, nil
}

// request asks the authorization endpoint for a token.
// RFC 6749, 2.3.1, 4.4.2, 5.1 and 5.2.
func (s *Service) request(ctx context.Context, c *registry.Connection) (value string, lasts time.Duration, failed *tokenError) {
	req, err := tokenRequest(c)
	if err != nil {
		return "", 0, &tokenError{"the request for a token cannot be made: " + err.Error(), true}
	}
	a, err := s.pusher.Do(ctx, req)
	if err != nil {
		kind := (*egress.Error)(nil)
		final := errors.As(err, &kind) && (kind.Kind == egress.BadRequest || kind.Kind == egress.Forbidden)
		return "", 0, &tokenError{"the authorization endpoint cannot be asked: " + err.Error(), final}
	}
	var said struct {
		Token   string          `json:"access_token"`
		Expires json.RawMessage `json:"expires_in"`
		Error   string          `json:"error"`
	}
	unreadable := json.Unmarshal(a.Body, &said)
	switch {
	case a.Status/100 != 2:
		reason := "the authorization endpoint answered " + strconv.Itoa(a.Status)
		if said.Error != "" && len(said.Error) <= 100 && egress.CheckHeader("x", said.Error) {
			reason += ": " + said.Error
		}
		return "", 0, &tokenError{reason, a.Status/100 == 4 && a.Status != 408 && a.Status != 429}
	case unreadable != nil || said.Token == "":
		return "", 0, &tokenError{"the authorization endpoint answered without an access_token in JSON", false}
	case len(said.Token) > maxToken || !egress.CheckHeader("x", said.Token):
		return "", 0, &tokenError{"the authorization endpoint gave a token that no header can carry", false}
	}
	return said.Token, lastsFor(said.Expires), nil
}

// lastsFor reads how many seconds a token lasts: a number, or one in quotes.
func lastsFor(b json.RawMessage) time.Duration {
	n, err := strconv.ParseFloat(strings.Trim(string(b), `"`), 64)
	if err != nil || !(n > 0) { // nor not a number
		return tokenLasts
	}
	return time.Duration(min(n, (30*24*time.Hour).Seconds()) * float64(time.Second))
}

// tokenRequest makes the request for a token: the client in the Authorization header,
// unless the connection's parameters have it in the body.
func tokenRequest(c *registry.Connection) (r egress.Request, err error) {
	o := c.OAuth
	if o == nil {
		return r, errors.New("the connection says no authorization endpoint")
	}
	header := map[string][]string{
		"Accept": {"application/json"}, "User-Agent": {agent}, "Content-Type": {"application/x-www-form-urlencoded"},
		"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(c.Client)+":"+url.QueryEscape(string(c.Secret))))},
	}
	form, query := url.Values{"grant_type": {"client_credentials"}}, url.Values{}
	for _, p := range o.Parameters {
		switch p.Place {
		case registry.InHeader:
			header[canonical(p.Key)] = []string{string(p.Value)}
		case registry.InQuery:
			query.Set(p.Key, string(p.Value))
		case registry.InBody:
			if form.Set(p.Key, string(p.Value)); p.Key == "client_secret" {
				delete(header, "Authorization")
			}
		}
	}
	r = egress.Request{Method: o.Method, Header: header, Timeout: pushTime, Whole: true}
	if o.Method == "GET" {
		for k, v := range form {
			query[k] = v
		}
		delete(header, "Content-Type")
	} else if r.Body = []byte(form.Encode()); strings.Contains(header["Content-Type"][0], "json") {
		members := make(map[string]string, len(form))
		for k := range form {
			members[k] = form.Get(k)
		}
		if r.Body, err = json.Marshal(members); err != nil {
			return r, fmt.Errorf("parameters of the body: %w", err)
		}
	}
	r.URL = withQuery(o.Endpoint, query)
	return r, nil
}

const (
	// authorizers ask for the tokens of new connections side by side.
	authorizers = 8
	// authorizeTries is how often one is asked for until the connection counts as not
	// authorized.
	authorizeTries = 3
)

// connectionChanged is told by the registry.
func (s *Service) connectionChanged(old, now *registry.Connection) {
	if now == nil {
		s.tokens.forget(old.ID)
		s.await(old.ID, false)
		return
	}
	if s.await(now.ID, now.State == registry.Authorizing); now.State != registry.Authorizing {
		return
	}
	select {
	case s.waits <- struct{}{}:
	default:
	}
}

// await notes whether a connection waits for a token; nodes that push nothing only keep
// that.
func (s *Service) await(id uint64, is bool) {
	s.waitingMu.Lock()
	defer s.waitingMu.Unlock()
	if is {
		s.waiting[id] = true
	} else {
		delete(s.waiting, id)
	}
}

// RunConnections asks for the tokens of connections that are new or were changed, until
// ctx ends; so each node that pushes has them before they are needed. SetEgress comes
// first.
func (s *Service) RunConnections(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()
	places := make(chan struct{}, authorizers)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.waits:
		}
		s.waitingMu.Lock()
		list := s.waiting
		s.waiting = make(map[uint64]bool)
		s.waitingMu.Unlock()
		for id := range list {
			select {
			case places <- struct{}{}:
			case <-ctx.Done():
				return nil
			}
			work.Go(func() {
				s.authorize(ctx, id)
				<-places
			})
		}
	}
}

// authorize asks for the token of a connection that waits for one.
func (s *Service) authorize(ctx context.Context, id uint64) {
	for try := 1; ; try++ {
		c, ok := s.reg.Connections().ByID(id)
		if !ok || c.State != registry.Authorizing {
			return
		}
		_, err := s.token(ctx, c)
		failed := (*tokenError)(nil)
		if !errors.As(err, &failed) || failed.final {
			return // it is authorized, or was refused, or this node stops
		}
		if try == authorizeTries {
			s.refused(ctx, c, failed.reason)
			return
		}
		pause := time.NewTimer(tokenPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
	}
}
