package access

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// DefaultAccount is the account of open mode when Config names none.
const DefaultAccount = "000000000000"

// DefaultRegion is the region of requests in open mode whose signature has none.
const DefaultRegion = "us-east-1"

// DefaultMaxSkew is how far a signature's time may be from ours, as with AWS.
const DefaultMaxSkew = 15 * time.Minute

// Credential is one entry of the keys file.
type Credential struct {
	Key, Secret, Account, User string
	Policy                     *Policy // nil: everything in the own account
}

// Scope is the credential scope of a signature.
type Scope struct{ Region, Service, Date string }

// CheckService refuses a scope made for another service than want, as AWS does.
func (s Scope) CheckService(want string) error {
	if s.Service == want {
		return nil
	}
	return mismatch("Credential should be scoped to correct service: '" + want + "'. ")
}

// Config of an Access.
type Config struct {
	KeysFile       string        // path; "" = open mode
	Credentials    []Credential  // further keys (tests, embedding); any makes the mode keyed
	DefaultAccount string        // account of unknown keys in open mode; default DefaultAccount
	MaxSkew        time.Duration // default DefaultMaxSkew
	// Hosts are names, besides those of loopback, by which requests may address an
	// open server: without ports. Ignored in keyed mode.
	Hosts []string
	// Origins are the web sites (scheme://host:port) whose pages may call an open
	// server; "*" is all. Ignored in keyed mode: a page that has a key may use it.
	Origins []string
	// EnforcePolicies has policies asked in open mode too. In keyed mode they
	// always are.
	EnforcePolicies bool
	Now             func() time.Time
}

// Access authenticates and authorizes. Safe for concurrent use.
type Access struct {
	open    bool
	enforce bool
	account string    // of unknown keys in open mode
	root    Principal // of account
	skew    time.Duration
	now     func() time.Time
	hosts   []string // lower case
	origins []string

	dir      atomic.Pointer[directory]
	warnings []string
	cache    keyCache
	policies policyCache
}

// directory is who there is. It is immutable: a change makes a new one.
type directory struct {
	keys map[string]*holder
}

// holder is a credential with its principal made up beforehand.
type holder struct {
	secret    string
	principal Principal
}

// New reads the keys file, if one is named, and refuses what is wrong with it.
func New(cfg Config) (*Access, error) {
	a := &Access{
		account: cfg.DefaultAccount, skew: cfg.MaxSkew, now: cfg.Now,
		hosts: lowered(cfg.Hosts), origins: lowered(cfg.Origins),
	}
	if a.account == "" {
		a.account = DefaultAccount
	}
	if !IsAccount(a.account) {
		return nil, fmt.Errorf("access: default account %q: must be twelve digits", a.account)
	}
	a.root = Root(a.account)
	if a.skew < 0 {
		return nil, errors.New("access: MaxSkew must not be negative")
	}
	if a.skew == 0 {
		a.skew = DefaultMaxSkew
	}
	if a.now == nil {
		a.now = time.Now
	}
	creds := cfg.Credentials
	if cfg.KeysFile != "" {
		list, warnings, err := readKeys(cfg.KeysFile)
		if err != nil {
			return nil, fmt.Errorf("access: keys file: %w", err)
		}
		a.warnings = warnings
		creds = append(list, creds...)
	}
	a.open = cfg.KeysFile == "" && len(creds) == 0
	a.enforce = !a.open || cfg.EnforcePolicies
	dir, err := newDirectory(creds)
	if err != nil {
		return nil, fmt.Errorf("access: %w", err)
	}
	a.dir.Store(dir)
	return a, nil
}

func newDirectory(creds []Credential) (*directory, error) {
	d := &directory{keys: make(map[string]*holder, len(creds))}
	for _, c := range creds {
		if err := c.check(); err != nil {
			return nil, err
		}
		if _, ok := d.keys[c.Key]; ok {
			return nil, fmt.Errorf("key %s: given twice", c.Key)
		}
		p := userPrincipal(c.Account, c.User)
		p.Key, p.Policy = c.Key, c.Policy
		d.keys[c.Key] = &holder{secret: c.Secret, principal: p}
	}
	return d, nil
}

// Open reports whether this is open mode: any key, no signature checked.
func (a *Access) Open() bool { return a.open }

// Warnings are what an operator should hear about the keys file, one sentence each.
func (a *Access) Warnings() []string { return a.warnings }

func lowered(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.ToLower(strings.TrimSpace(s))
	}
	return out
}
