package access

import (
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"net/http/httptest"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const rolesFile = `
keys:
  - {key: AKROOT, secret: root-secret, account: "123456789012"}
  - {key: AKALICE, secret: alice-secret, account: "123456789012", user: alice}
  - {key: AKBOB, secret: bobs-secret, account: "123456789012", user: bob, policy: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: "sqs:*", Resource: "*"}]}}
  - {key: AKFAR, secret: far-secret, account: "210987654321", user: far}
roles:
  - role: worker
    account: "123456789012"
    trust: {Version: 2012-10-17, Statement: [{Effect: Allow, Principal: {AWS: "123456789012"}, Action: ["sts:AssumeRole", "sts:TagSession"]}]}
    policy: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: "sqs:SendMessage", Resource: "*"}]}
  - role: named
    account: "123456789012"
    max-session: 2h
    trust: {Version: 2012-10-17, Statement: [{Effect: Allow, Principal: {AWS: ["arn:aws:iam::123456789012:user/bob", "arn:aws:iam::123456789012:role/worker"]}, Action: "sts:AssumeRole"}]}
  - role: partner
    account: "123456789012"
    trust: {Version: 2012-10-17, Statement: [{Effect: Allow, Principal: {AWS: "210987654321"}, Action: "sts:AssumeRole", Condition: {StringEquals: {"sts:ExternalId": "42"}}}]}
`

// desk is an Access with roles and a clock of its own.
type desk struct {
	*Access
	path  string
	clock atomic.Int64
}

func newDesk(t *testing.T, text string) *desk {
	t.Helper()
	d := &desk{path: writeKeys(t, text, 0o600)}
	d.clock.Store(testNow.Unix())
	a, err := New(Config{KeysFile: d.path, Now: func() time.Time { return time.Unix(d.clock.Load(), 0).UTC() }})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.SetSecret([]byte(strings.Repeat("s", 32))); err != nil {
		t.Fatal(err)
	}
	d.Access = a
	return d
}

// call signs a request and gives who d takes it for.
func (d *desk) call(t *testing.T, c Credentials) (Principal, error) {
	t.Helper()
	r := httptest.NewRequest("POST", "http://localhost/", nil)
	if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: c.Key, SecretAccessKey: c.Secret, SessionToken: c.Token},
		r, emptyHash, "sqs", "eu-west-1", time.Unix(d.clock.Load(), 0)); err != nil {
		t.Fatal(err)
	}
	p, _, err := d.Authenticate(r, nil)
	return p, err
}

func (d *desk) who(t *testing.T, key, secret string) *Principal {
	t.Helper()
	p, err := d.call(t, Credentials{Key: key, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

const workerRole, namedRole, partnerRole = "arn:aws:iam::123456789012:role/worker", "arn:aws:iam::123456789012:role/named", "arn:aws:iam::123456789012:role/partner"

func TestAssumeRole(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rolesFile)
	c, err := d.AssumeRole(d.who(t, "AKALICE", "alice-secret"), Grant{Role: workerRole, Name: "one", Tags: map[string]string{"team": "a"}})
	if err != nil {
		t.Fatal(err)
	}
	if c.ARN != "arn:aws:sts::123456789012:assumed-role/worker/one" || !strings.HasPrefix(c.UserID, "AROA") || !strings.HasSuffix(c.UserID, ":one") ||
		!strings.HasPrefix(c.Key, "ASIA") || len(c.Key) != 20 || len(c.Secret) != 40 || !c.Expires.Equal(testNow.Add(time.Hour)) {
		t.Errorf("%+v", c)
	}
	if account, ok := d.KeyAccount(c.Key); !ok || account != "123456789012" {
		t.Errorf("the key's account: %s, %v", account, ok)
	}
	// Another node, which shares nothing but secret and keys file, takes it.
	other := newDesk(t, rolesFile)
	p, err := other.call(t, c)
	if err != nil || p.ARN != c.ARN || p.UserID != c.UserID || p.Account != "123456789012" || p.Session.Role != workerRole || p.Session.Tags["team"] != "a" {
		t.Fatalf("%+v, %v", p, err)
	}
	allowed := func(action string) error {
		return d.Authorize(Query{Principal: &p, Action: action, Resource: queue, Account: p.Account})
	}
	if err := allowed("sqs:SendMessage"); err != nil {
		t.Error(err)
	}
	if err := allowed("sqs:DeleteQueue"); !errors.Is(err, ErrAccessDenied) {
		t.Errorf("beyond the role's policy: %v", err)
	}
	for what, change := range map[string]func(*Credentials){
		"another's token":  func(c *Credentials) { c.Key = newKey("123456789012") },
		"changed token":    func(c *Credentials) { c.Token = c.Token[:len(c.Token)-4] + "AAAA" },
		"no token of ours": func(c *Credentials) { c.Token = "FwoGZXIvYXdzE" },
		"no token":         func(c *Credentials) { c.Token = "" },
		"long-term key":    func(c *Credentials) { c.Key, c.Secret = "AKALICE", "alice-secret" },
		"oversized token":  func(c *Credentials) { c.Token = strings.Repeat("A", maxToken+4) },
	} {
		bad := c
		change(&bad)
		if _, err := d.call(t, bad); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("%s: %v", what, err)
		}
	}
	bad := c
	bad.Secret = newSecret()
	if _, err := d.call(t, bad); !errors.Is(err, ErrSignature) {
		t.Errorf("wrong secret: %v", err)
	}
	d.clock.Add(3599)
	if _, err := d.call(t, c); err != nil {
		t.Errorf("a second before the end: %v", err)
	}
	d.clock.Add(1)
	if _, err := d.call(t, c); !errors.Is(err, ErrExpiredToken) {
		t.Errorf("at the end: %v", err)
	}
}

func TestWhoMayAssume(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rolesFile)
	worker, err := d.AssumeRole(d.who(t, "AKALICE", "alice-secret"), Grant{Role: workerRole, Name: "one"})
	if err != nil {
		t.Fatal(err)
	}
	session, err := d.call(t, worker)
	if err != nil {
		t.Fatal(err)
	}
	people := map[string]*Principal{
		"root": d.who(t, "AKROOT", "root-secret"), "alice": d.who(t, "AKALICE", "alice-secret"),
		"bob": d.who(t, "AKBOB", "bobs-secret"), "far": d.who(t, "AKFAR", "far-secret"), "worker": &session,
	}
	for _, tt := range []struct {
		who  string
		g    Grant
		code string
	}{
		{"root", Grant{Role: workerRole, Name: "x1"}, ""},
		{"bob", Grant{Role: workerRole, Name: "x1"}, "AccessDenied"}, // trust names the account, bob's policy does not allow it
		{"bob", Grant{Role: namedRole, Name: "x1"}, ""},              // trust names bob
		{"alice", Grant{Role: namedRole, Name: "x1"}, "AccessDenied"},
		{"worker", Grant{Role: namedRole, Name: "x1"}, ""}, // trust names the role
		{"worker", Grant{Role: namedRole, Name: "x1", Duration: 2 * time.Hour}, "ValidationError"},
		{"bob", Grant{Role: namedRole, Name: "x1", Duration: 2 * time.Hour}, ""},
		{"bob", Grant{Role: namedRole, Name: "x1", Duration: 2*time.Hour + time.Second}, "ValidationError"},
		{"bob", Grant{Role: namedRole, Name: "x1", Duration: MinSession - time.Second}, "ValidationError"},
		{"bob", Grant{Role: namedRole, Name: "x1", Tags: map[string]string{"a": "b"}}, "AccessDenied"}, // no sts:TagSession
		{"far", Grant{Role: partnerRole, Name: "x1", ExternalID: "42"}, ""},
		{"far", Grant{Role: partnerRole, Name: "x1", ExternalID: "43"}, "AccessDenied"},
		{"far", Grant{Role: partnerRole, Name: "x1"}, "AccessDenied"},
		{"far", Grant{Role: workerRole, Name: "x1"}, "AccessDenied"},
		{"alice", Grant{Role: workerRole + "2", Name: "x1"}, "AccessDenied"},
		{"alice", Grant{Role: "arn:aws:iam::123456789012:user/x", Name: "x1"}, "ValidationError"},
		{"alice", Grant{Role: workerRole, Name: "x1", SourceIdentity: "me"}, "AccessDenied"}, // no sts:SetSourceIdentity
		{"alice", Grant{Role: workerRole, Name: "x1", Policy: "{"}, "MalformedPolicyDocument"},
		{"alice", Grant{Role: workerRole, Name: "x1", Policy: strings.Repeat(" ", maxTokenPolicy+1)}, "ValidationError"},
		{"alice", Grant{Role: workerRole, Name: "x1", Tags: map[string]string{"a": strings.Repeat("x", maxPacked)}}, "PackedPolicyTooLarge"},
	} {
		_, err := d.AssumeRole(people[tt.who], tt.g)
		var e *Error
		if errors.As(err, &e); tt.code == "" && err != nil || tt.code != "" && (e == nil || e.Code != tt.code) {
			t.Errorf("%s, %+v: %v, want %q", tt.who, tt.g, err, tt.code)
		}
	}
}

func TestSessionsOfUsers(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rolesFile)
	bob := d.who(t, "AKBOB", "bobs-secret")
	c, err := d.SessionToken(bob, Grant{})
	if err != nil || !c.Expires.Equal(testNow.Add(defaultUser)) {
		t.Fatalf("%+v, %v", c, err)
	}
	p, err := d.call(t, c)
	if err != nil || p.ARN != bob.ARN || p.UserID != bob.UserID || p.Policy != bob.Policy || p.IsRoot() {
		t.Fatalf("%+v, %v", p, err)
	}
	if _, err := d.SessionToken(&p, Grant{}); !errors.Is(err, ErrAccessDenied) {
		t.Errorf("a token for a token: %v", err)
	}
	if c, err := d.SessionToken(d.who(t, "AKROOT", "root-secret"), Grant{Duration: 12 * time.Hour}); err != nil || !c.Expires.Equal(testNow.Add(maxRoot)) {
		t.Errorf("root: %+v, %v", c, err)
	}
	alice := d.who(t, "AKALICE", "alice-secret")
	for _, tt := range []struct {
		policy  string
		allowed bool
	}{
		{`{"Statement":{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}}`, true},
		{`{"Statement":{"Effect":"Allow","Action":"sns:*","Resource":"*"}}`, false},
		{"", false}, // only what a resource's policy gives
	} {
		c, err := d.FederationToken(alice, Grant{Name: "guest", Policy: tt.policy})
		if err != nil || c.ARN != "arn:aws:sts::123456789012:federated-user/guest" || c.UserID != "123456789012:guest" {
			t.Fatalf("%+v, %v", c, err)
		}
		p, err := d.call(t, c)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Authorize(Query{Principal: &p, Action: "sqs:SendMessage", Resource: queue, Account: p.Account}); (err == nil) != tt.allowed {
			t.Errorf("policy %q: %v", tt.policy, err)
		}
	}
	if _, err := d.FederationToken(bob, Grant{Name: "guest"}); !errors.Is(err, ErrAccessDenied) {
		t.Errorf("bob's policy does not allow it: %v", err)
	}
}

// TestReload: what an operator takes out of the file is gone at once, sessions of
// it included; a file that cannot be used changes nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	d := newDesk(t, rolesFile)
	log := &strings.Builder{}
	d.log = slog.New(slog.NewTextHandler(log, nil))
	alice := d.who(t, "AKALICE", "alice-secret")
	role, err := d.AssumeRole(alice, Grant{Role: workerRole, Name: "one"})
	if err != nil {
		t.Fatal(err)
	}
	user, err := d.SessionToken(alice, Grant{})
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(d.path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func(what string, c Credentials, want error) {
		t.Helper()
		if _, err := d.call(t, c); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	long := Credentials{Key: "AKALICE", Secret: "alice-secret"}
	check("role", role, nil)
	check("user", user, nil)
	d.look()
	if log.Len() > 0 {
		t.Errorf("read again without a change: %s", log)
	}
	write("keys: [nonsense")
	d.look()
	check("key after a bad file", long, nil)
	check("role after a bad file", role, nil)
	if n := strings.Count(log.String(), "refused"); n != 1 {
		t.Errorf("refused %d times:\n%s", n, log)
	}
	d.look()
	if n := strings.Count(log.String(), "refused"); n != 1 {
		t.Errorf("the same file was refused %d times:\n%s", n, log)
	}
	if err := os.Remove(d.path); err != nil {
		t.Fatal(err)
	}
	d.look()
	check("key without a file", long, nil)
	write(strings.NewReplacer("alice-secret", "another-secret", "role: worker", "role: gone").Replace(rolesFile))
	d.look()
	check("old secret", long, ErrSignature)
	check("new secret", Credentials{Key: "AKALICE", Secret: "another-secret"}, nil)
	check("role that is gone", role, ErrInvalidToken)
	check("user that stays", user, nil)
	write(strings.Replace(rolesFile, "AKALICE", "AKNEW", 1))
	if err := d.Reload(); err != nil {
		t.Fatal(err)
	}
	check("key that is gone", Credentials{Key: "AKALICE", Secret: "another-secret"}, ErrInvalidToken)
	check("user that is gone", user, ErrInvalidToken)
	check("role that is back", role, nil)
}

func TestOpenModeSessions(t *testing.T) {
	t.Parallel()
	a := openAccess(t, Config{Now: func() time.Time { return testNow }})
	p := Root(DefaultAccount)
	if _, err := a.AssumeRole(&p, Grant{Role: workerRole, Name: "one"}); err == nil {
		t.Error("issued without a secret")
	}
	if err := a.SetSecret([]byte("short")); err == nil {
		t.Error("a short secret was accepted")
	}
	if err := a.SetSecret([]byte(strings.Repeat("s", 32))); err != nil {
		t.Fatal(err)
	}
	c, err := a.AssumeRole(&p, Grant{Role: workerRole, Name: "one"})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "http://localhost/", nil)
	r.Header.Set("Authorization", algorithm+" Credential="+c.Key+"/20260301/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=0")
	r.Header.Set("X-Amz-Security-Token", c.Token)
	if got, _, err := a.Authenticate(r, nil); err != nil || got.ARN != "arn:aws:sts::123456789012:assumed-role/worker/one" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestSessionCacheIsBounded(t *testing.T) {
	t.Parallel()
	var c sessionCache
	d := &directory{}
	for i := range maxOpenSessions + 10 {
		token := strings.Repeat("x", 1+i%7) + string(rune('a'+i%26)) + time.Duration(i).String()
		c.put(token, openSession{dir: d})
		if _, ok := c.get(token, d); !ok {
			t.Fatal("not kept")
		}
		if _, ok := c.get(token, &directory{keys: map[string]*holder{}}); ok {
			t.Fatal("kept for another directory")
		}
	}
	if n := len(c.open); n > maxOpenSessions || n == 0 {
		t.Errorf("%d sessions kept", n)
	}
}

func FuzzOpenToken(f *testing.F) {
	s := &sealer{secret: []byte(strings.Repeat("s", 32))}
	token, err := s.seal(&session{Key: "k", Account: "123456789012"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add("AQ==")
	f.Fuzz(func(t *testing.T, text string) {
		if v, err := s.open(text); err == nil && text != token && v.Key != "k" {
			t.Fatalf("opened %q", text)
		}
	})
}
