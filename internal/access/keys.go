package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/waystation/waystation/internal/access/oidc"
)

// Bounds of the keys file.
const (
	maxKeysFile  = 8 << 20
	maxKeys      = 100_000
	maxRoles     = 10_000
	maxProviders = 100
)

// keysFile is the file's shape, see the package comment.
type keysFile struct {
	Keys      []keyEntry      `yaml:"keys"`
	Roles     []roleEntry     `yaml:"roles"`
	Providers []providerEntry `yaml:"providers"`
}

type keyEntry struct {
	Key     string    `yaml:"key"`
	Secret  string    `yaml:"secret"`
	Account string    `yaml:"account"`
	User    string    `yaml:"user"`
	Policy  yaml.Node `yaml:"policy"`
}

type roleEntry struct {
	Role       string    `yaml:"role"`
	Account    string    `yaml:"account"`
	Trust      yaml.Node `yaml:"trust"`
	Policy     yaml.Node `yaml:"policy"`
	MaxSession string    `yaml:"max-session"`
}

type providerEntry struct {
	Issuer    string   `yaml:"issuer"`
	Account   string   `yaml:"account"`
	Audiences []string `yaml:"audiences"`
	CA        string   `yaml:"ca"`
}

// people are who a keys file names.
type people struct {
	keys      []Credential
	roles     []Role
	providers []Provider
}

// readKeys reads and checks a keys file.
func readKeys(path string) (who people, warnings []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return who, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return who, nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		warnings = append(warnings, fmt.Sprintf(
			"keys file %s can be read or changed by others than its owner (mode %04o); run: chmod 600 %s", path, mode, path))
	}
	data, err := io.ReadAll(io.LimitReader(f, maxKeysFile+1))
	if err != nil {
		return who, nil, err
	}
	if len(data) > maxKeysFile {
		return who, nil, fmt.Errorf("%s: larger than %d bytes", path, maxKeysFile)
	}
	if who, err = parseKeys(data); err != nil {
		return who, nil, fmt.Errorf("%s: %w", path, err)
	}
	return who, warnings, nil
}

// parseKeys reads the YAML (or JSON) of a keys file.
func parseKeys(data []byte) (people, error) {
	var file keysFile
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil {
		if errors.Is(err, io.EOF) {
			return people{}, errors.New("is empty; it needs a list `keys:`")
		}
		return people{}, plainYAML(err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return people{}, errors.New("holds more than one YAML document")
	}
	if len(file.Keys) == 0 && len(file.Roles) == 0 {
		return people{}, errors.New("names no keys; it needs a list `keys:`")
	}
	for _, l := range []struct {
		what    string
		n, most int
	}{{"keys", len(file.Keys), maxKeys}, {"roles", len(file.Roles), maxRoles}, {"providers", len(file.Providers), maxProviders}} {
		if l.n > l.most {
			return people{}, fmt.Errorf("names %d %s, more than %d", l.n, l.what, l.most)
		}
	}
	var who people
	for i, e := range file.Keys {
		c, err := e.credential()
		if err != nil {
			return people{}, fmt.Errorf("keys[%d]%w", i, err)
		}
		who.keys = append(who.keys, c)
	}
	for i, e := range file.Roles {
		r, err := e.role()
		if err != nil {
			return people{}, fmt.Errorf("roles[%d]%w", i, err)
		}
		who.roles = append(who.roles, r)
	}
	for i, e := range file.Providers {
		p := Provider{Issuer: e.Issuer, Account: e.Account, Audiences: e.Audiences, CAFile: e.CA}
		if err := p.check(); err != nil {
			return people{}, fmt.Errorf("providers[%d]: %w", i, err)
		}
		who.providers = append(who.providers, p)
	}
	return who, nil
}

func (e *keyEntry) credential() (c Credential, err error) {
	c = Credential{Key: e.Key, Secret: e.Secret, Account: e.Account, User: e.User}
	if !e.Policy.IsZero() {
		if c.Policy, err = policyNode(&e.Policy, Identity); err != nil {
			return c, fmt.Errorf(" (key %q): policy: %w", e.Key, err)
		}
	}
	if err := c.check(); err != nil {
		return c, fmt.Errorf(": %w", err)
	}
	return c, nil
}

func (e *roleEntry) role() (r Role, err error) {
	r = Role{Name: e.Role, Account: e.Account}
	if e.Trust.IsZero() {
		return r, fmt.Errorf(" (role %q): trust is missing: a policy that says who may assume the role", e.Role)
	}
	if r.Trust, err = policyNode(&e.Trust, Resource); err != nil {
		return r, fmt.Errorf(" (role %q): trust: %w", e.Role, err)
	}
	if !e.Policy.IsZero() {
		if r.Policy, err = policyNode(&e.Policy, Identity); err != nil {
			return r, fmt.Errorf(" (role %q): policy: %w", e.Role, err)
		}
	}
	if e.MaxSession != "" {
		if r.MaxSession, err = time.ParseDuration(e.MaxSession); err != nil {
			return r, fmt.Errorf(" (role %q): max-session %q has to be a duration such as 1h", e.Role, e.MaxSession)
		}
	}
	if err := r.check(); err != nil {
		return r, fmt.Errorf(": %w", err)
	}
	return r, nil
}

// policyNode reads a policy given as nested YAML or as a string of JSON.
func policyNode(n *yaml.Node, kind Kind) (*Policy, error) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		return ParsePolicy([]byte(n.Value), kind)
	}
	asText(n)
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, plainYAML(err)
	}
	data, err := json.Marshal(v)
	if err != nil {
		return nil, errors.New("must have text as keys")
	}
	return ParsePolicy(data, kind)
}

// asText keeps YAML from reading a policy's Version as a date.
func asText(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!timestamp" {
		n.Tag = "!!str"
	}
	for _, c := range n.Content { // aliases point at nodes that were visited already
		asText(c)
	}
}

var (
	unknownField = regexp.MustCompile(`field (\S+) (?:not found|already set) in type \S+`)
	wrongKind    = regexp.MustCompile("(line [0-9]+): cannot unmarshal .*")
)

// plainYAML takes out of an error what only this program knows, its types, and
// what nobody should see, the values: they may be secrets.
func plainYAML(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	text = strings.TrimPrefix(text, "unmarshal errors:\n  ")
	text = unknownField.ReplaceAllString(text, "\"$1\" is not known here, or given twice")
	text = wrongKind.ReplaceAllString(text, "$1: has a value of the wrong kind")
	return errors.New(text)
}

// Credential is one key of the keys file.
type Credential struct {
	Key, Secret, Account, User string
	Policy                     *Policy // nil: everything in the own account
}

// check refuses credentials that could not work or could be forged.
func (c Credential) check() error {
	switch {
	case c.Key == "":
		return errors.New("key is missing")
	case !isKeyID(c.Key):
		return fmt.Errorf("key %q: must be at most 128 printable ASCII characters without blanks, slash, comma and =", c.Key)
	case len(c.Secret) < 8:
		return fmt.Errorf("key %s: secret must have at least 8 characters", c.Key)
	case !IsAccount(c.Account):
		return fmt.Errorf("key %s: account %q must be twelve digits (in quotes)", c.Key, c.Account)
	case c.User != "" && !isName(c.User):
		return fmt.Errorf("key %s: user %q must be at most 64 printable ASCII characters without blanks and :*?\"\\", c.Key, c.User)
	}
	return nil
}

// Role is what workloads without a key of their own can become for a while.
type Role struct {
	Name, Account string
	Trust         *Policy       // who may assume it; required
	Policy        *Policy       // what it may do; nil: everything in the own account
	MaxSession    time.Duration // 15m to 12h; 0: DefaultSession
}

// ARN of the role.
func (r *Role) ARN() string { return "arn:aws:iam::" + r.Account + ":role/" + r.Name }

// check refuses roles that nobody could assume.
func (r Role) check() error {
	switch {
	case !isName(r.Name):
		return fmt.Errorf("role %q: must be 1 to 64 printable ASCII characters without blanks and :*?\"\\", r.Name)
	case !IsAccount(r.Account):
		return fmt.Errorf("role %s: account %q must be twelve digits (in quotes)", r.Name, r.Account)
	case r.Trust == nil:
		return fmt.Errorf("role %s: trust is missing: a policy that says who may assume the role", r.Name)
	case r.MaxSession != 0 && (r.MaxSession < MinSession || r.MaxSession > maxRoleSession):
		return fmt.Errorf("role %s: max-session %v must be 15m to 12h", r.Name, r.MaxSession)
	}
	return nil
}

// Provider is an OpenID Connect issuer whose identities an account's roles may
// trust.
type Provider struct {
	Issuer    string   // https://…, as in the tokens
	Account   string   // whose roles can trust it
	Audiences []string // that tokens must be for; one at least
	CAFile    string   // PEM; "": the system's CAs
}

// ARN is arn:aws:iam::ACCOUNT:oidc-provider/HOST/PATH.
func (p *Provider) ARN() string {
	return "arn:aws:iam::" + p.Account + ":oidc-provider/" + oidc.Name(p.Issuer)
}

func (p Provider) check() error {
	switch {
	case !IsAccount(p.Account):
		return fmt.Errorf("issuer %s: account %q must be twelve digits (in quotes)", p.Issuer, p.Account)
	case len(p.Audiences) == 0:
		return fmt.Errorf("issuer %s: audiences is missing: whom its tokens must be for, such as [sts.amazonaws.com]", p.Issuer)
	}
	_, err := p.open(nil)
	return err
}

func (p Provider) open(now func() time.Time) (*oidc.Issuer, error) {
	return oidc.New(oidc.Config{URL: p.Issuer, Audiences: p.Audiences, CAFile: p.CAFile, Now: now})
}
