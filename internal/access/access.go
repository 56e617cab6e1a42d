package access

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
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

// Principal is who sent a request. It is a value; its strings are shared.
type Principal struct {
	Account   string  // twelve digits; "" when Anonymous
	ARN       string  // arn:aws:iam::ACCOUNT:user/NAME, or :root; "" when Anonymous
	UserID    string  // stable id of the user; the account's number for root
	Key       string  // access key, "" when unsigned
	Anonymous bool    // no signature: only a resource policy can let it in
	Policy    *Policy // identity policy, nil: everything in the own account
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
	Now            func() time.Time
}

// Access authenticates and authorizes. It is immutable after New but for its
// cache of signing keys, and safe for concurrent use.
type Access struct {
	open     bool
	account  string    // of unknown keys in open mode
	root     Principal // of account
	skew     time.Duration
	now      func() time.Time
	keys     map[string]*holder
	warnings []string
	cache    keyCache
}

// holder is a credential with its principal made up beforehand.
type holder struct {
	secret    string
	principal Principal
}

// New reads the keys file, if one is named, and refuses what is wrong with it.
func New(cfg Config) (*Access, error) {
	a := &Access{account: cfg.DefaultAccount, skew: cfg.MaxSkew, now: cfg.Now, keys: map[string]*holder{}}
	if a.account == "" {
		a.account = DefaultAccount
	}
	if !isAccount(a.account) {
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
	for _, c := range creds {
		if err := a.add(c); err != nil {
			return nil, fmt.Errorf("access: %w", err)
		}
	}
	return a, nil
}

func (a *Access) add(c Credential) error {
	if err := c.check(); err != nil {
		return err
	}
	if _, ok := a.keys[c.Key]; ok {
		return fmt.Errorf("key %s: given twice", c.Key)
	}
	p := userPrincipal(c.Account, c.User)
	p.Key, p.Policy = c.Key, c.Policy
	a.keys[c.Key] = &holder{secret: c.Secret, principal: p}
	return nil
}

// Open tells whether this is open mode: any key, no signature checked.
func (a *Access) Open() bool { return a.open }

// Warnings are what an operator should hear about the keys file, one sentence each.
func (a *Access) Warnings() []string { return a.warnings }

// Root is the principal of an account itself.
func Root(account string) Principal { return userPrincipal(account, "") }

func userPrincipal(account, user string) Principal {
	if user == "" || user == "root" {
		return Principal{Account: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account}
	}
	sum := sha256.Sum256([]byte(account + "/" + user))
	return Principal{
		Account: account,
		ARN:     "arn:aws:iam::" + account + ":user/" + user,
		UserID:  "AIDA" + base32.StdEncoding.EncodeToString(sum[:])[:17],
	}
}

// isAccount tells whether s is an account number: twelve digits.
func isAccount(s string) bool {
	if len(s) != 12 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
