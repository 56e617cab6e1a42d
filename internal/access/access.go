package access

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultAccount is the account of open mode when Config names none.
const DefaultAccount = "000000000000"

// DefaultRegion is the region of requests in open mode whose signature has none.
const DefaultRegion = "us-east-1"

// DefaultMaxSkew is how far a signature's time may be from ours, as with AWS.
const DefaultMaxSkew = 15 * time.Minute

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
	Roles          []Role        // further roles
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
	Logger          *slog.Logger // hears of changes of the keys file; nil: discard
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

	given     people // besides the file
	reloading sync.Mutex
	file      keysPath // guarded by reloading
	log       *slog.Logger

	dir      atomic.Pointer[directory]
	sealer   atomic.Pointer[sealer] // nil: no temporary credentials
	warnings []string
	cache    keyCache
	sessions sessionCache
	policies policyCache
}

// New reads the keys file, if one is named, and refuses what is wrong with it.
func New(cfg Config) (*Access, error) {
	a := &Access{
		account: cfg.DefaultAccount, skew: cfg.MaxSkew, now: cfg.Now,
		hosts: lowered(cfg.Hosts), origins: lowered(cfg.Origins),
		given: people{keys: cfg.Credentials, roles: cfg.Roles}, log: cfg.Logger,
	}
	a.file.path = cfg.KeysFile
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
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if cfg.KeysFile != "" {
		a.file.seen, _ = os.Stat(cfg.KeysFile) // read says what is wrong
	}
	a.open = cfg.KeysFile == "" && len(cfg.Credentials) == 0
	a.enforce = !a.open || cfg.EnforcePolicies
	dir, warnings, err := a.read()
	if err != nil {
		return nil, err
	}
	a.warnings = warnings
	a.dir.Store(dir)
	return a, nil
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
